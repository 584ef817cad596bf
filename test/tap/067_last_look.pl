# Between the verdict and the delivery of a message to a person there is a last look: who unsubscribed or answered meanwhile gets nothing and the slot is free again, quiet hours wait, a copy of the database sends nothing until kam_resume().
use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use KamReceiver;
use KamTest;
use MIME::Base64;
use PostgreSQL::Test::Utils;
use Test::More;

# A Wednesday; kam.paused lets nothing leave, and verdicts are given all the same.
my $node = kam_node('look', databases => 'postgres,copy', conf => "kam.clock = '2026-03-11T10:00:00+01:00'\nkam.paused = on\nkam.schedules = off\nkam.launch_backoff = '200ms'\n");
my $receiver = KamReceiver->new;

$node->safe_psql('postgres', 'CREATE DATABASE copy');

write_key($node, 'endpoint.linkedin', 'whsec_' . encode_base64('k' x 32, ''));
set_endpoint($node, 'linkedin', $receiver->url('/linkedin'));
$node->safe_psql('postgres', <<'SQL');
INSERT INTO kam.SendRule (sequence_type, channel, mode, quiet_from, quiet_until) VALUES ('outbound', 'linkedin', 'auto_send', '19:00', '08:00');
INSERT INTO kam.Reps (rep_id, name) VALUES ('camille', 'Camille Roussel');
INSERT INTO kam.Leads (lead_id, full_name, email, linkedin_url, owner_id, icp_tier, time_zone)
SELECT l, initcap(l), l || '@look.example', 'https://linkedin.example/in/' || l, 'camille', 'T1', 'Europe/Paris'
  FROM unnest('{stays,unsubscribes,answers,suppressed,stops,quiet,vanishes,returns,copied}'::text[]) l;
SELECT kam.kam_request(lead_id, 'outbound', 'activation', lead_id || '-out', NULL, 'AGT-301') FROM kam.Leads;
SQL

# A touch that is executed; returns its notification.
sub touch
{
    my ($lead, $what) = @_;

    is($node->safe_psql('postgres', "SELECT coordinator_action FROM kam.kam_request('$lead', 'outbound', 'touch', '$lead-out', 'linkedin', 'AGT-301', payload => '{\"message\": \"Bonjour\"}')"),
        'executed', $what // "$lead: the touch is executed");
    return $node->safe_psql('postgres', "SELECT max(notification_id) FROM kam.notification WHERE lead_id = '$lead' AND recipient = 'linkedin'");
}

sub fact
{
    my ($lead, $fact) = @_;

    return $node->safe_psql('postgres', "SELECT event_id FROM kam.kam_request('$lead', NULL, '$fact', '$lead-out', 'linkedin', 'AGT-301')");
}

# To how many of a lead's messages left, by what the receiver saw.
sub left
{
    my ($lead) = @_;

    return scalar grep { $_->{body} =~ /"lead_id": "$lead"/ } $receiver->requests('/linkedin');
}

sub failed_sends
{
    my ($lead) = @_;

    return $node->safe_psql('postgres', "SELECT string_agg(payload ->> 'reason', ', ' ORDER BY event_id) FROM kam.CadenceEventLog WHERE lead_id = '$lead' AND event_type = 'send_failed'");
}

sub counted
{
    my ($lead) = @_;

    return $node->safe_psql('postgres', "SELECT count(*) FROM kam.CadenceEventLog WHERE lead_id = '$lead' AND counted");
}

my %id = map { $_ => touch($_) } qw(stays unsubscribes answers suppressed stops quiet vanishes);
is(counted('unsubscribes'), '1', 'a touch takes a slot');
$node->safe_psql('postgres', "SELECT kam.kam_unsubscribe('unsubscribes\@look.example', 'web_form')");
fact('answers', 'reply');
fact('stops', 'stop');
$node->safe_psql('postgres', "INSERT INTO kam.Suppression (address, source) VALUES (kam._address('suppressed\@look.example'), 'web_form')");
$node->safe_psql('postgres', "DELETE FROM kam.Leads WHERE lead_id = 'vanishes'");
# It is evening for one of them.
$node->safe_psql('postgres', "UPDATE kam.Leads SET time_zone = 'Australia/Sydney' WHERE lead_id = 'quiet'");

# --- let go

reload($node, 'kam.paused = off');
wait_until($node, "SELECT status = 'sent' FROM kam.notification WHERE notification_id = $id{stays}", 'the one that nothing happened to leaves');
my ($request) = $receiver->requests('/linkedin');
like($request->{body}, qr{"linkedin_url": "https://linkedin.example/in/stays"}, 'with whom it is for');
like($request->{body}, qr/"type": "touch.executed"/, 'as what it is');
foreach my $case ([ 'unsubscribes', qr/unsubscribe/ ], [ 'answers', qr/^sequence ended: replied/ ], [ 'suppressed', qr/suppress/ ], [ 'stops', qr/^sequence ended: / ])
{
    my ($lead, $why) = @$case;

    wait_until($node, "SELECT state = 'dead' FROM kam.kam_delivery WHERE notification_id = $id{$lead}", "$lead: it never leaves");
    like(delivery($node, $id{$lead}, 'last_error'), $why, "$lead: and that says why");
    like(failed_sends($lead), $why, "$lead: the log does too");
    is(counted($lead), '0', "$lead: its slot is free again");
}
wait_until($node, "SELECT NOT EXISTS (SELECT FROM kam.notification WHERE lead_id = 'vanishes' AND recipient = 'linkedin' AND status IN ('pending', 'failed'))", 'vanishes: it never leaves');
wait_until($node, "SELECT last_error = 'quiet hours' AND status = 'pending' AND next_attempt_at > now() FROM kam.notification WHERE notification_id = $id{quiet}", 'quiet: it waits for the morning');
is($node->safe_psql('postgres', "SELECT next_attempt_at - now() BETWEEN '11 hours 55 minutes' AND '12 hours' FROM kam.notification WHERE notification_id = $id{quiet}"), 't', 'which is twelve hours away there');
is(counted('quiet'), '1', 'quiet: and keeps its slot');
is(left($_), 0, "$_: nothing left") foreach qw(unsubscribes answers suppressed stops vanishes quiet);
$node->safe_psql('postgres', "UPDATE kam.Leads SET time_zone = 'Europe/Paris' WHERE lead_id = 'quiet'; UPDATE kam.notification SET next_attempt_at = now() WHERE notification_id = $id{quiet}; SELECT kam._wake_worker()");
wait_until($node, "SELECT status = 'sent' FROM kam.notification WHERE notification_id = $id{quiet}", 'quiet: in the morning it leaves');

# --- delivered again: the gates are asked anew

is($node->safe_psql('postgres', "SELECT kam.kam_redeliver($id{unsubscribes})"), 'blocked', 'a message to somebody who unsubscribed is not delivered again');
is(left('unsubscribes'), 0, 'nothing leaves');
$node->safe_psql('postgres', "DELETE FROM kam.Suppression WHERE source = 'web_form' AND address = kam._address('suppressed\@look.example')");
$node->safe_psql('postgres', "SELECT kam.kam_request('suppressed', 'outbound', 'activation', 'suppressed-out', NULL, 'AGT-301')");
is($node->safe_psql('postgres', "SELECT kam.kam_redeliver($id{suppressed})"), 'executed', 'one whose suppression was lifted, and who is enrolled again, is asked for anew');
wait_until($node, "SELECT count(*) = 1 FROM kam.notification WHERE lead_id = 'suppressed' AND recipient = 'linkedin' AND status = 'sent'", 'and leaves');
is(counted('suppressed') . left('suppressed'), '11', 'once, in one slot');
my ($code, $out, $err) = $node->psql('postgres', "\\set VERBOSITY sqlstate\nSELECT kam.kam_redeliver($id{suppressed})");
like($err, qr/55000/, 'and not once more');

# --- refused by the receiver: the slot is given back too, and taken again with the redelivery

$receiver->script('/linkedin', { status => 422, body => 'no such profile' }, {});
$id{returns} = touch('returns');
wait_until($node, "SELECT state = 'dead' AND answer_status = 422 FROM kam.kam_delivery WHERE notification_id = $id{returns}", 'returns: refused');
is(counted('returns') . failed_sends('returns'), '0422: no such profile', 'returns: its slot is free, with why');
is($node->safe_psql('postgres', "SELECT kam.kam_redeliver($id{returns})"), 'executed', 'returns: asked for anew');
wait_until($node, "SELECT count(*) = 1 FROM kam.notification WHERE lead_id = 'returns' AND recipient = 'linkedin' AND status = 'sent'", 'returns: and delivered');
is(cadence_troubles($node), '', 'the tables agree');

# --- a copy of the database: one message waits, one is on its way

$receiver->script('/linkedin', { gate => 'copied' }, {});
$id{copied} = touch('copied');
$receiver->wait_for('/linkedin', (my $seen = $receiver->requests('/linkedin')) || 1);
wait_until($node, "SELECT state = 'sending' FROM kam.kam_delivery WHERE notification_id = $id{copied}", 'one is on its way');
$node->safe_psql('postgres', "INSERT INTO kam.notification (recipient, topic, payload, next_attempt_at) VALUES ('linkedin', 'decision', '{\"n\": 7}', now() + interval '1 hour')");
my $dump = PostgreSQL::Test::Utils::tempdir() . '/kam.sql';
$node->command_ok([ 'pg_dump', '--no-sync', '-f', $dump, $node->connstr('postgres') ], 'a dump');
$receiver->open('copied');
wait_until($node, "SELECT status = 'sent' FROM kam.notification WHERE notification_id = $id{copied}", 'here it arrives');
$receiver->script('/linkedin', {});
my $before = $receiver->requests('/linkedin');
$node->command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-f', $dump, $node->connstr('copy') ], 'a restore');
$node->safe_psql('copy', "UPDATE kam.notification SET next_attempt_at = NULL WHERE payload @> '{\"n\": 7}'");
# What is written there goes; its deliverer has looked, then, at what came with the dump.
notify($node, 'linkedin', '{"new": true}', undef, 'copy');
wait_until($node, "SELECT count(*) = 1 FROM kam.notification WHERE payload ? 'new' AND status = 'sent'", 'the copy sends what is written there', 'copy');
is($receiver->requests('/linkedin') - $before, 1, 'and nothing that came with the dump');
is($node->safe_psql('copy', "SELECT string_agg(state, ' ' ORDER BY notification_id) FROM kam.kam_delivery WHERE state NOT IN ('sent', 'dead', 'acknowledged', 'inbox') AND recipient = 'linkedin'"),
    'sending parked', 'which is parked') or diag($node->safe_psql('copy', "SELECT notification_id, recipient, state FROM kam.kam_delivery"));
cmp_ok($node->safe_psql('copy', 'SELECT kam.kam_resume()'), '>=', 2, 'kam_resume lets it go on');
wait_until($node, "SELECT count(*) = 2 FROM kam.notification WHERE (notification_id = $id{copied} OR payload \@> '{\"n\": 7}') AND status = 'sent'", 'then both leave, what was on its way too', 'copy');

$node->stop;
done_testing();
