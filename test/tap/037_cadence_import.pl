# History comes in by COPY: touches that happened elsewhere count where they happened, whatever the cap says; the next request is judged by them.
# What is loaded past the triggers is known after kam_resume().
use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use KamTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = kam_node('import', conf => "kam.clock = '2026-03-09 09:00+01'\nkam.schedules = off\n");
my $dir = PostgreSQL::Test::Utils::tempdir();

# As a CRM exports them: of 300 leads, in the order of time, a touch each hour; the latest ten leads had more.
$node->safe_psql('postgres', <<'SQL');
INSERT INTO kam.Leads (lead_id, icp_tier) SELECT 'l-' || n, 'T2' FROM generate_series(0, 299) n;
CREATE TABLE public.crm AS
SELECT 'l-' || n % 300 AS lead_id, 'touch_observed' AS event_type, 'email' AS channel, timestamptz '2026-03-09 08:00+01' - n * interval '1 hour' AS occurred_at,
       'crm-' || n AS idempotency_key
  FROM generate_series(0, 2999) n
UNION ALL
SELECT 'l-' || n % 10, 'touch_observed', 'phone', timestamptz '2026-03-08 12:00+01' - n * interval '1 minute', 'call-' || n FROM generate_series(0, 29) n;
SQL
$node->safe_psql('postgres', "COPY (SELECT * FROM public.crm ORDER BY occurred_at DESC) TO '$dir/history.csv' (FORMAT csv)");
my $copy = "COPY kam.CadenceEventLog (lead_id, event_type, channel, occurred_at, idempotency_key) FROM '$dir/history.csv' (FORMAT csv)";
$node->safe_psql('postgres', $copy);
is($node->safe_psql('postgres', "SELECT coordinator_action, counted, count(*) FROM kam.CadenceEventLog GROUP BY 1, 2"), 'recorded|t|3030', 'every touch is recorded and counts');
is($node->safe_psql('postgres', "SELECT count(*) FROM kam.CadenceEventLog WHERE touch_at <> occurred_at"), '0', 'when it happened');
is(cadence_troubles($node), '', 'sound, in whatever order they came');
is($node->safe_psql('postgres', "SELECT string_agg(DISTINCT lead_id, ' ' ORDER BY lead_id) FROM kam.CadenceFlag WHERE kind = 'cap_breach' AND closed_at IS NULL"),
    join(' ', map { "l-$_" } 0 .. 9), 'who was written to more often than the cap allows is flagged');
is($node->safe_psql('postgres', "SELECT l, g.touch_count, g.allowed, g.release_at FROM unnest('{l-5,l-200}'::text[]) l, kam.kam_gate(l, 'outbound', 'touch') g"),
    "l-5|4|f|2026-03-15 11:45:00+01\nl-200|0|f|", 'the cap counts the touches within the window, and waits for the third latest');

# Once more, row by row: what is known is skipped, before it has any effect.
my $again = "INSERT INTO kam.CadenceEventLog (lead_id, event_type, channel, occurred_at, idempotency_key) SELECT * FROM public.crm ORDER BY lead_id, occurred_at"
    . " ON CONFLICT (lead_id, idempotency_key) WHERE idempotency_key IS NOT NULL DO NOTHING";
my $rows = "SELECT md5(string_agg(t, '|' ORDER BY t)) FROM (SELECT e::text FROM kam.CadenceEventLog e UNION ALL SELECT s::text FROM kam.prospect_state s"
    . " UNION ALL SELECT l::text FROM kam.Leads l UNION ALL SELECT f::text FROM kam.CadenceFlag f) x (t)";
my $before = $node->safe_psql('postgres', $rows);
$node->safe_psql('postgres', $again);
is($node->safe_psql('postgres', $rows), $before, 'the same history again changes nothing');
my ($ret, $out, $err) = $node->psql('postgres', $copy);
like($err, qr/duplicate key value/, 'a COPY of it is refused');
is($node->safe_psql('postgres', $rows), $before, 'and leaves nothing');

# A COPY of requests is judged row by row.
append_to_file("$dir/touches.csv", join('', map { "l-200,outbound,touch,s,email\n" } 1 .. 10));
$node->safe_psql('postgres', "INSERT INTO kam.CadenceEventLog (lead_id, sequence_type, event_type, sequence_id) VALUES ('l-200', 'outbound', 'activation', 's')");
$node->safe_psql('postgres', "COPY kam.CadenceEventLog (lead_id, sequence_type, event_type, sequence_id, channel) FROM '$dir/touches.csv' (FORMAT csv)");
is($node->safe_psql('postgres', "SELECT event_type, count(*) FROM kam.CadenceEventLog WHERE lead_id = 'l-200' AND requested_event_type = 'touch' GROUP BY 1 ORDER BY 1"),
    "held|7\ntouch|3", 'of ten touches in one COPY three go out');

# ---- past the triggers

my $replica = 'SET session_replication_role = replica;';
($ret, $out, $err) = $node->psql('postgres', "$replica INSERT INTO kam.CadenceEventLog (lead_id, sequence_type, event_type) VALUES ('l-200', 'outbound', 'touch')");
like($err, qr/violates check constraint/, 'a row without a verdict is not let in where no trigger fires');
($ret, $out, $err) = $node->psql('postgres', "$replica INSERT INTO kam.CadenceEventLog SELECT (jsonb_populate_record(e, '{\"event_id\": 900000}')).* FROM kam.CadenceEventLog e"
        . " WHERE lead_id = 'l-200' AND touch_no = 3");
like($err, qr/duplicate key value violates unique constraint "cadenceeventlog_touch"/, 'nor a second touch on the same state');
($ret, $out, $err) = $node->psql('postgres', "$replica INSERT INTO kam.CadenceEventLog SELECT (jsonb_populate_record(e, jsonb_build_object('event_id', 900000, 'touch_no', 99,"
        . " 'touch_earliest', '2026-03-16'))).* FROM kam.CadenceEventLog e WHERE lead_id = 'l-200' AND event_type = 'touch' LIMIT 1");
like($err, qr/violates check constraint "touch_keeps_distance"/, 'nor one before its time');
my $known = "SELECT touch_count, allowed FROM kam.kam_gate('l-70', 'outbound', 'touch')";
$node->safe_psql('postgres', "$replica INSERT INTO kam.CadenceEventLog SELECT (jsonb_populate_record(e, jsonb_build_object('event_id', 800000 + n, 'touch_no', 90 + n,"
        . " 'touch_at', '2026-03-08', 'occurred_at', '2026-03-08', 'idempotency_key', NULL))).* FROM kam.CadenceEventLog e, generate_series(1, 3) n WHERE lead_id = 'l-70' AND touch_no = 1");
is($node->safe_psql('postgres', $known), '1|f', 'what was loaded past the triggers is not known');
$node->safe_psql('postgres', 'SELECT kam.kam_resume()');
is($node->safe_psql('postgres', $known), '4|f', 'until kam_resume()');
is(cadence_troubles($node), '', 'sound');

$node->stop;
done_testing();
