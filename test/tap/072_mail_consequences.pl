# What becomes of an e-mail is known to the gates: refused for good gives its touch back, put off or bounced does not; who left between verdict and delivery is not written to.
use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use KamMail;
use KamTest;
use PostgreSQL::Test::Utils;
use Test::More;

need_mailbox();
my $node = kam_node('consequences');
my $server = start_mailbox();

mail_endpoint($node, $server);

sub touches
{
    my ($lead) = @_;

    return $node->safe_psql('postgres', "SELECT touch_count FROM kam.kam_gate('$lead', 'outbound', 'touch', 's-$lead')");
}

sub touch
{
    my ($lead, $step) = @_;

    return $node->safe_psql('postgres', "INSERT INTO kam.CadenceEventLog (lead_id, sequence_type, event_type, sequence_id, step, channel, payload)"
            . " VALUES ('$lead', 'outbound', 'touch', 's-$lead', $step, 'email', '{\"message\": \"step $step\"}') RETURNING coordinator_action, event_id");
}

# Refused: the slot is free again, and what was held for want of one moves up.
control($server, 'gate-rcpt no1@*');
touch_leads($node, 'no', 1);
wait_for_log($server, qr/rcpt no1/, 1, 'the server has the address of the first');
like(touch('no1', $_), qr/^executed/, "touch $_") foreach 2, 3;
my ($verdict, $held) = split /\|/, touch('no1', 4);
is($verdict, 'held', 'the fourth is held');
is(touches('no1'), '3', 'three are counted');
control($server, 'rcpt-550 no1@*');
wait_until($node, "SELECT count(*) = 3 FROM kam.kam_delivery WHERE recipient = 'email' AND lead_id = 'no1' AND state = 'dead'", 'all three are refused');
is(touches('no1'), '0', 'none is counted any more');
is($node->safe_psql('postgres', "SELECT DISTINCT d.last_error FROM kam.kam_delivery d WHERE recipient = 'email' AND lead_id = 'no1'"), '550: no such mailbox here', 'in the server\'s words');
is($node->safe_psql('postgres', "SELECT count(*) FROM kam.CadenceEventLog f JOIN kam.CadenceEventLog t ON t.lead_id = f.lead_id AND t.event_id = f.parent_event_id"
            . " WHERE f.lead_id = 'no1' AND f.event_type = 'send_failed' AND t.event_type = 'touch' AND f.payload ->> 'reason' LIKE '550%'"), '3', 'the log has a send_failed for each');
is($node->safe_psql('postgres', "SELECT release_at <= kam._now() FROM kam.CadenceQueue WHERE lead_id = 'no1' AND event_id = $held"), 't', 'the held one is due');
control($server);
$node->safe_psql('postgres', 'SELECT kam.kam_tick()');
settled($node);
is(join(' ', map { $_->{plain} =~ /(step \d)/ } grep { $_->{to}[0][1] =~ /^no1/ } mails($server)), 'step 4', 'and goes out');
is(touches('no1'), '1', 'it is counted');
is($node->safe_psql('postgres', "SELECT kam.kam_redeliver((SELECT min(notification_id) FROM kam.kam_delivery WHERE lead_id = 'no1' AND state = 'dead'))"), 'executed', 'kam_redeliver of a refused one asks the gates anew');
settled($node);
is(touches('no1'), '2', 'and takes a slot');

# Put off: keeps it, and arrives.
touch_leads($node, 'later', 1, address => "'greylist.later\@example.test'");
settled($node);
is($node->safe_psql('postgres', "SELECT state, attempts FROM kam.kam_delivery WHERE recipient = 'email' AND lead_id = 'later1'"), 'sent|2', '451: sent at the second try');
is(touches('later1'), '1', 'one touch');

# Bounced later: it was sent.
touch_leads($node, 'back', 1);
settled($node);
$node->safe_psql('postgres', "SELECT kam.kam_request('back1', 'outbound', 'bounce', 's-back1')");
is(touches('back1'), '1', 'a bounce gives nothing back');
is($node->safe_psql('postgres', "SELECT state FROM kam.Cadence WHERE lead_id = 'back1'"), 'finished', 'and ends the sequence');

# Between the verdict and the delivery: the worker sends nothing while kam.paused is on.
reload($node, 'kam.paused = on');
wait_until($node, "SELECT state = 'paused' FROM kam.kam_worker_status() WHERE database = 'postgres'", 'the worker is paused');
touch_leads($node, 'gone', 6);
is($node->safe_psql('postgres', "SELECT count(*) FROM kam.notification WHERE recipient = 'email' AND lead_id LIKE 'gone%' AND status = 'pending'"), '6', 'six touches are executed and wait for delivery');
$node->safe_psql('postgres', <<'SQL');
INSERT INTO kam.CadenceEventLog (lead_id, event_type) VALUES ('gone1', 'unsubscribe'), ('gone2', 'opt_out');
INSERT INTO kam.CadenceEventLog (lead_id, event_type, sequence_id) VALUES ('gone3', 'reply', 's-gone3');
UPDATE kam.Leads SET unsubscribe_flag = true WHERE lead_id = 'gone4';
INSERT INTO kam.Suppression (address, kind, source, reason) VALUES ('gone5@example.test', 'email', 'phone', 'asked');
SQL
reload($node, 'kam.paused = off');
settled($node);
is(join(' ', sort map { $_->{to}[0][1] } grep { $_->{to}[0][1] =~ /^gone/ } mails($server)), 'gone6@example.test', 'who unsubscribed, opted out, answered or was suppressed meanwhile gets nothing, the sixth does');
unlike(mail_log($server), qr/rcpt gone[1-5]/, 'nor was the server told of them');
is($node->safe_psql('postgres', "SELECT string_agg(lead_id || ': ' || last_error, ', ' ORDER BY lead_id) FROM kam.kam_delivery WHERE recipient = 'email' AND lead_id LIKE 'gone%' AND state = 'dead'"),
    'gone1: unsubscribed, gone2: opted_out, gone3: sequence ended: replied, gone4: unsubscribed, gone5: suppressed', 'and why');
is(cadence_troubles($node), '', 'the log is sound');

$node->stop;
done_testing();
