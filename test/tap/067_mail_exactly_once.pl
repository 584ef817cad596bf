# Hundreds of touches become as many e-mails, each in the mailbox once, and the log of what was sent says the same.
use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use KamMail;
use KamTest;
use PostgreSQL::Test::Utils;
use Test::More;

need_mailbox();
my $count = slow_mode(300, 3000);
my $node = kam_node('mails');
my $server = start_mailbox();

mail_endpoint($node, $server, concurrency => 8);
# Every tenth is greylisted, every tenth other refused for good.
touch_leads($node, 'm', $count, address => "CASE n % 10 WHEN 0 THEN 'greylist.' WHEN 5 THEN 'rcpt-550.' ELSE '' END || l || '\@example.test'");
settled($node);

my @mails = mails($server);
my %to;
$to{ $_->{to}[0][1] }++ foreach @mails;
is(scalar @mails, $count * 9 / 10, 'as many messages as were not refused');
is(join(' ', grep { $to{$_} != 1 } sort keys %to), '', 'each address has one');
is(join(' ', grep { /^rcpt-550/ } sort keys %to), '', 'none that was refused is among them');
my %id = map { $_->{headers}{'message-id'}[0] => $_->{to}[0][1] } @mails;
is(join("\n", map { "$id{$_} $_" } sort { $id{$a} cmp $id{$b} } keys %id),
    $node->safe_psql('postgres', "SELECT l.email, d.message_id FROM kam.kam_delivery d JOIN kam.Leads l USING (lead_id) WHERE d.state = 'sent' ORDER BY l.email COLLATE \"C\"") =~ tr/|/ /r,
    'the Message-IDs are those that kam_delivery shows as sent');
is($node->safe_psql('postgres', "SELECT state, attempts, answer_status, count(*) FROM kam.kam_delivery WHERE recipient = 'email' GROUP BY 1, 2, 3 ORDER BY 1, 2"),
    join("\n", "dead|1|550|@{[$count / 10]}", "sent|1|250|@{[$count * 8 / 10]}", "sent|2|250|@{[$count / 10]}"), 'the greylisted at the second try');
is($node->safe_psql('postgres', "SELECT count(*) FROM kam._delivery"), '0', 'none is on its way');
is(cadence_troubles($node), '', 'the log is sound');

$node->stop;
done_testing();
