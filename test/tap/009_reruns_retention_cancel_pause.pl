# A wait runs again by itself, once; finished runs are deleted when their time is over; cancel, retry and pause do what they say.
use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use KamTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = kam_node('clock', conf => "kam.clock = '@{[AS_OF]}'\nkam.workers = 2\n");

# ---- reruns
my $wait = kam_run($node, '10_meeting_scheduled_fr', '"lead_id": "L-1", "priority": 3');
my $once = kam_run($node, '10_meeting_scheduled_fr', '"lead_id": "L-2", "rerun": false');
my $forced = $node->safe_psql('postgres', "INSERT INTO kam.request (contact, options) VALUES (@{[contact('13_prospect_timing_en')]}, '{\"rerun\": true}') RETURNING session_id");
my $plain = $node->safe_psql('postgres', "INSERT INTO kam.request (contact) VALUES (@{[contact('13_prospect_timing_en')]}) RETURNING session_id");
my $message = kam_run($node, '01_inbound_question_fr', '"lead_id": "L-3"');
($forced, $plain) = map { (split /\n/)[0] } ($forced, $plain);
wait_until($node, "SELECT count(*) = 5 FROM kam.request WHERE status = 'judged'", 'five runs are decided');
is($node->safe_psql('postgres', "SELECT count(*) FROM kam.final_decision WHERE action = 'wait'"), '4', 'four of them wait');
is($node->safe_psql('postgres', "SELECT rerun_at = (d.decision #>> '{final_decision,execution_timing,reevaluate_at}')::timestamptz FROM kam.request JOIN kam.final_decision d USING (session_id) WHERE session_id = '$wait'"),
    't', 'a wait of a lead is to run again at reevaluate_at');
is($node->safe_psql('postgres', "SELECT count(*) FILTER (WHERE rerun_at IS NOT NULL), count(*) FROM kam.request WHERE session_id IN ('$once', '$plain', '$message')"),
    '0|3', 'not so without a lead, against the option, or for a message');
is($node->safe_psql('postgres', "SELECT count(*) FROM kam.request WHERE session_id = '$forced' AND rerun_at IS NOT NULL"), '1', 'the option asks for it without a lead');

reload($node, "kam.clock = '2026-03-19T12:00:00+01:00'");
wait_until($node, "SELECT count(*) = 2 FROM kam.request WHERE rerun_of IN ('$wait', '$forced') AND status = 'judged'", 'when their time comes they run again');
is($node->safe_psql('postgres', "SELECT r.lead_id, r.priority, r.as_of = '2026-03-19T12:00:00+01:00', r.contact = o.contact, r.session_id <> o.session_id, o.rerun_at IS NULL"
        . " FROM kam.request r JOIN kam.request o ON o.session_id = r.rerun_of WHERE o.session_id = '$wait'"),
    'L-1|3|t|t|t|t', 'as a new run of the same contact, judged from that time');
is($node->safe_psql('postgres', "SELECT count(*) FROM kam.final_decision WHERE session_id = '$wait' AND action = 'wait'"), '1', 'the old decision stays');
$node->safe_psql('postgres', "UPDATE kam.request SET rerun_at = '2026-03-18' WHERE session_id = '$wait'; SELECT kam._wake_worker()");
wait_until($node, "SELECT rerun_at IS NULL FROM kam.request WHERE session_id = '$wait'", 'asked a second time');
is($node->safe_psql('postgres', "SELECT count(*) FROM kam.request WHERE rerun_of = '$wait'"), '1', 'a wait runs again once only');

# With kam.schedules off nothing runs again by itself.
reload($node, 'kam.schedules = off');
my $off = kam_run($node, '10_meeting_scheduled_fr', '"lead_id": "L-4"');
wait_until($node, "SELECT status = 'judged' FROM kam.request WHERE session_id = '$off'", 'with kam.schedules off runs are decided');
is($node->safe_psql('postgres', "SELECT rerun_at <= kam._now() FROM kam.request WHERE session_id = '$off'"), 't', 'a wait that is over');
my $after = kam_run($node, '17_opted_out_fr');
wait_until($node, "SELECT status = 'judged' FROM kam.request WHERE session_id = '$after'", 'and a later run');
is($node->safe_psql('postgres', "SELECT count(*) FROM kam.request WHERE rerun_of = '$off'"), '0', 'does not run again then');
is($node->safe_psql('postgres', "SELECT kam.kam_cancel('$off')"), 't', 'kam_cancel makes it forget');
reload($node, 'kam.schedules = on');
$after = kam_run($node, '17_opted_out_fr');
wait_until($node, "SELECT status = 'judged' FROM kam.request WHERE session_id = '$after'", 'schedules are on again');
is($node->safe_psql('postgres', "SELECT count(*) FROM kam.request WHERE rerun_of = '$off'"), '0', 'and it stays forgotten');

# ---- pause, cancel, retry
reload($node, 'kam.paused = on');
wait_until($node, "SELECT bool_and(state = 'paused') FROM kam.kam_worker_status()", 'kam.paused stops the workers');
my $cancelled = kam_run($node, '01_inbound_question_fr');
my $kept = kam_run($node, '01_inbound_question_fr');
is($node->safe_psql('postgres', "SELECT kam.kam_cancel('$cancelled'), status FROM kam.request WHERE session_id = '$cancelled'"), 't|queued', 'a queued run is cancelled');
is($node->safe_psql('postgres', "SELECT string_agg(status, ',' ORDER BY status) FROM kam.request WHERE session_id IN ('$cancelled', '$kept')"), 'cancelled,queued', 'nothing is decided while paused');
reload($node, 'kam.paused = off');
wait_until($node, "SELECT status = 'judged' FROM kam.request WHERE session_id = '$kept'", 'what waited is decided afterwards');
is($node->safe_psql('postgres', "SELECT status FROM kam.request WHERE session_id = '$cancelled'"), 'cancelled', 'what was cancelled is not');
is($node->safe_psql('postgres', "SELECT kam.kam_retry('$cancelled')"), 't', 'unless it is asked for again');
wait_until($node, "SELECT status = 'judged' FROM kam.request WHERE session_id = '$cancelled'", 'then it is');

# Cancelled in the middle: the worker finds out when it writes, and writes nothing more.
hold_calls($node, 'agent_call', 'NEW.call_no = 4');
my $holder = $node->background_psql('postgres');
$holder->query_safe('SELECT pg_advisory_lock(42)');
my $middle = kam_run($node, '01_inbound_question_fr');
ok(blocked_worker($node), 'a run is held in the middle');
my $canceller = $node->background_psql('postgres');
$canceller->query_until(qr/start/, "\\echo start\nSELECT kam.kam_cancel('$middle');\n");
$node->poll_query_until('postgres', "SELECT count(*) = 1 FROM pg_stat_activity WHERE query LIKE '%kam_cancel%' AND wait_event_type = 'Lock'");
# Paused, the worker ends after this write and cannot be quicker than the one who waits.
reload($node, 'kam.paused = on');
wait_until($node, "SELECT current_setting('kam.paused')::boolean", 'new sessions see the pause, so every process has been told');
$holder->query_safe('SELECT pg_advisory_unlock(42)');
$canceller->quit;
$holder->quit;
reload($node, 'kam.paused = off');
is($node->safe_psql('postgres', "SELECT status FROM kam.request WHERE session_id = '$middle'"), 'cancelled', 'kam_cancel waits for the write and cancels');
my $next = kam_run($node, '17_opted_out_fr');
wait_until($node, "SELECT status = 'judged' FROM kam.request WHERE session_id = '$next'", 'the workers go on');
is($node->safe_psql('postgres', "SELECT count(*) = 4, max(call_no) = count(*), (SELECT count(*) FROM kam.workflow_run WHERE session_id = '$middle' AND status = 'cancelled')"
        . " FROM kam.agent_call WHERE session_id = '$middle'"), 't|t|1', 'what was being written is kept, nothing comes after it');
is($node->safe_psql('postgres', "SELECT count(*) FROM kam.final_decision WHERE session_id = '$middle'"), '0', 'nothing is decided');

# ---- retention
$node->safe_psql('postgres', "DROP TRIGGER hold ON kam.agent_call; SELECT kam.kam_validate('$message', 'approved')");
my $before = $node->safe_psql('postgres', 'SELECT count(*) FROM kam.request');
cmp_ok($before, '>', 8, 'there are runs to delete');
reload($node, "kam.clock = '2026-03-21T12:00:00+01:00'", "kam.retain_runs = '1d'");
wait_until($node, "SELECT count(*) = 0 FROM kam.request WHERE finished_at < kam._now() - interval '1 day' AND session_id <> '$message' AND rerun_at IS NULL", 'finished runs are deleted after kam.retain_runs');
is($node->safe_psql('postgres', "SELECT count(*) FROM kam.request WHERE session_id = '$message'"), '1', 'but not one that a person validated');
is($node->safe_psql('postgres', "SELECT count(*) FROM kam.agent_call c WHERE NOT EXISTS (SELECT FROM kam.request r WHERE r.session_id = c.session_id)"), '0', 'nothing of them is left behind');

$node->stop;
done_testing();
