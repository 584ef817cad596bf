# A mail server that sits on a message holds up that message only: others leave, runs are decided, a shutdown is fast.
use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use KamMail;
use KamTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

need_mailbox();
my $node = kam_node('slow');
my $server = start_mailbox();

mail_endpoint($node, $server, concurrency => 4);
control($server, 'gate-data slow*', 'gate-rcpt early*');
touch_leads($node, 'slow', 2);
wait_for_log($server, qr/data slow/, 2, 'the server has two messages, and says nothing');
touch_leads($node, 'quick', 20);
wait_until($node, "SELECT count(*) = 20 FROM kam.kam_delivery WHERE recipient = 'email' AND lead_id LIKE 'quick%' AND state = 'sent'", 'others are sent meanwhile');
my $session = kam_run($node, '01_inbound_question_fr');
is(wait_for_end($node, $session, 'and a run is decided'), 'judged', 'well');
is($node->safe_psql('postgres', "SELECT state, count(*) FROM kam.kam_delivery WHERE recipient = 'email' AND lead_id LIKE 'slow%' GROUP BY 1"), 'sending|2', 'the two still wait for their answer');

# Two more that were not handed over.
touch_leads($node, 'early', 2);
wait_for_log($server, qr/rcpt early/, 2, 'two more have begun');
my $began = time;
$node->stop('fast');
cmp_ok(time - $began, '<', 2, 'a fast shutdown does not wait for the mail server');
control($server);
$node->start;
wait_until($node, "SELECT count(*) = 2 FROM kam.kam_delivery WHERE recipient = 'email' AND lead_id LIKE 'early%' AND state = 'sent'", 'what was not handed over is sent after the start');
is($node->safe_psql('postgres', "SELECT state, count(*) FROM kam.kam_delivery WHERE recipient = 'email' AND lead_id LIKE 'slow%' GROUP BY 1"), 'in_doubt|2', 'what was is in doubt');
is(scalar(grep { $_->{to}[0][1] =~ /^(slow|early)/ } mails($server)), 4, 'nothing came twice');

# Patience has an end: what had gone out is in doubt then, what had not is tried again.
control($server, 'gate-data late*', 'gate-rcpt never*');
$node->safe_psql('postgres', "UPDATE kam.endpoint SET timeout = '1 s'");
touch_leads($node, $_, 1) foreach 'late', 'never';
wait_until($node, "SELECT state = 'in_doubt' AND last_error LIKE '%(timeout: %' FROM kam.kam_delivery WHERE recipient = 'email' AND lead_id = 'late1'", 'no answer to the message in time: in doubt');
wait_until($node, "SELECT attempts > 1 AND last_error LIKE 'timeout: %' FROM kam.kam_delivery WHERE recipient = 'email' AND lead_id = 'never1'", 'none before it: tried again');
control($server);
settled($node, 'and sent when the server answers');

$node->stop;
done_testing();
