# The worker releases what is due by itself: at its time, once, also when it is killed in the middle, after ten days' downtime without a burst, and never while paused.
use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use KamTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = kam_node('releases', conf => "kam.hold_expiry = '60d'\nmax_prepared_transactions = 2\n");
my $leads = 120;
my $due = "FROM kam.CadenceQueue WHERE state = 'waiting' AND release_at <= kam._now()";

# Of every window that ends with a counted touch, the most that it holds.
my $densest = "SELECT max(n) FROM (SELECT count(*) OVER (PARTITION BY lead_id ORDER BY touch_at RANGE BETWEEN '167:59:59.999999' PRECEDING AND CURRENT ROW) AS n"
    . " FROM kam.CadenceEventLog WHERE counted AND lead_id <> 'now1') w";
my $doubles = "SELECT count(*) FROM (SELECT FROM kam.CadenceEventLog WHERE coordinator_action = 'executed' AND parent_event_id IS NOT NULL"
    . " GROUP BY lead_id, parent_event_id HAVING count(*) > 1) d";

# Leads with that many touches asked for: three go out, the rest is held.
sub prospects
{
    my ($prefix, $count, $touches) = @_;

    $node->safe_psql('postgres', <<"SQL");
INSERT INTO kam.Leads (lead_id, icp_tier) SELECT '$prefix' || i, 'T1' FROM generate_series(1, $count) i;
INSERT INTO kam.CadenceEventLog (lead_id, sequence_id, sequence_type, event_type) SELECT '$prefix' || i, 's', 'outbound', 'activation' FROM generate_series(1, $count) i;
INSERT INTO kam.CadenceEventLog (lead_id, sequence_id, sequence_type, event_type, step) SELECT '$prefix' || i, 's', 'outbound', 'touch', j
  FROM generate_series(1, $count) i, generate_series(1, $touches) j;
SQL
    return;
}

# ---- at its time: the poll comes every ten minutes, so the worker knows by itself when
reload($node, "kam.touch_window = '3s'");
wait_until($node, "SELECT current_setting('kam.touch_window') = '3s'", 'a window of three seconds');
prospects('now', 1, 4);
wait_until($node, "SELECT count(*) = 1 FROM kam.CadenceQueue WHERE state = 'released'", 'a hold is released');
is($node->safe_psql('postgres', "SELECT ended_at - release_at BETWEEN interval '0' AND interval '1500 ms' FROM kam.CadenceQueue WHERE lead_id = 'now1'"),
    't', 'not before its time, and soon after it');
is($node->safe_psql('postgres', "SELECT count(*) FROM kam.CadenceEventLog c JOIN kam.CadenceQueue q ON q.lead_id = c.lead_id AND q.event_id = c.parent_event_id WHERE c.event_type = 'touch'"),
    '1', 'with a row of its own');
# A slot that frees early is used at once: nobody has to wait for the window, or the poll.
reload($node, "kam.touch_window = '7d'");
wait_until($node, "SELECT current_setting('kam.touch_window') = '7d'", 'a week again');
prospects('free', 1, 4);
$node->safe_psql('postgres', "INSERT INTO kam.CadenceEventLog (lead_id, event_type, parent_event_id) SELECT 'free1', 'send_failed', min(event_id) FROM kam.CadenceEventLog WHERE lead_id = 'free1' AND event_type = 'touch'");
wait_until($node, "SELECT state = 'released' FROM kam.CadenceQueue WHERE lead_id = 'free1'", 'a send that failed lets the next one go');

# ---- a suppression is settled, a flag raised, without anybody asking
$node->safe_psql('postgres', "INSERT INTO kam.Leads (lead_id, email, icp_tier) VALUES ('gone', 'a\@gone.example', 'T1');"
        . "INSERT INTO kam.CadenceEventLog (lead_id, sequence_id, sequence_type, event_type) VALUES ('gone', 'g', 'outbound', 'activation')");
$node->safe_psql('postgres', "INSERT INTO kam.Suppression (address, kind, source) VALUES ('gone.example', 'domain', 'test')");
wait_until($node, "SELECT state = 'finished' AND end_reason = 'suppressed' FROM kam.Cadence WHERE lead_id = 'gone'", 'what runs for a suppressed domain is ended');

# ---- killed in the middle
reload($node, "kam.clock = '2030-03-04T09:00:00Z'");
wait_until($node, "SELECT kam._now() = '2030-03-04 09:00Z'", 'the clock is held');
prospects('kill', $leads, 4);
is($node->safe_psql('postgres', "SELECT count(*) FROM kam.CadenceQueue WHERE state = 'waiting' AND lead_id LIKE 'kill%'"), $leads, 'one touch each is held');
$node->safe_psql('postgres', <<'SQL');
CREATE FUNCTION public.hold() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_catalog.pg_advisory_xact_lock(42); RETURN NEW; END $$;
CREATE TRIGGER hold AFTER INSERT ON kam.CadenceEventLog FOR EACH ROW WHEN (NEW.lead_id = 'kill70' AND NEW.parent_event_id IS NOT NULL) EXECUTE FUNCTION public.hold();
SQL
my $holder = $node->background_psql('postgres');
$holder->query_safe('SELECT pg_advisory_lock(42)');
reload($node, "kam.clock = '2030-03-11T09:00:01Z'");
my $worker = blocked_worker($node);
ok($worker, 'the worker is held at a release');
my $committed = $node->safe_psql('postgres', "SELECT count(*) FROM kam.CadenceQueue WHERE state = 'released' AND lead_id LIKE 'kill%'");
cmp_ok($committed, '<', $leads, "in the middle, after $committed");
kill 9, $worker;
ok(wait_for_restart($node, $worker), 'killed, the server restarts');
wait_until($node, "SELECT count(*) = $leads FROM kam.CadenceQueue WHERE state = 'released' AND lead_id LIKE 'kill%'", 'all are released in the end');
is($node->safe_psql('postgres', "SELECT count(*) FROM kam.CadenceEventLog WHERE lead_id LIKE 'kill%' AND event_type = 'touch' AND parent_event_id IS NOT NULL"), $leads, 'none lost');
is($node->safe_psql('postgres', $doubles), '0', 'none doubled');
is($node->safe_psql('postgres', "SELECT count(*) FROM kam.notification WHERE topic = 'touch' AND lead_id LIKE 'kill%'"), 4 * $leads, 'each touch told once');
eval { $holder->quit };
$node->safe_psql('postgres', 'DROP TRIGGER hold ON kam.CadenceEventLog');

# ---- ten days' downtime
prospects('down', 30, 9);
$node->stop('fast');
$node->append_conf('postgresql.conf', "# as if it had been down\n");
$node->adjust_conf('postgresql.auto.conf', 'kam.clock', "'2030-03-21T09:00:02Z'");
$node->start;
wait_until($node, "SELECT count(*) = 0 $due", 'after ten days everything due is seen to');
is($node->safe_psql('postgres', "SELECT min(n), max(n) FROM (SELECT count(*) AS n FROM kam.CadenceQueue WHERE state = 'released' AND lead_id LIKE 'down%' GROUP BY lead_id) r"), '3|3',
    'three of each lead go out, no burst');
is($node->safe_psql('postgres', "SELECT count(*), min(release_at) > kam._now() + interval '167 hours' FROM kam.CadenceQueue WHERE state = 'waiting' AND lead_id LIKE 'down%'"), '90|t', 'the rest waits another week');
is($node->safe_psql('postgres', $densest), '3', 'no window holds more than the cap');

# ---- paused; schedules off
reload($node, 'kam.paused = on');
wait_until($node, "SELECT bool_and(state = 'paused') FROM kam.kam_worker_status()", 'kam.paused stops the worker');
reload($node, "kam.clock = '2030-03-28T09:05:00Z'");
wait_until($node, "SELECT count(*) = 90 $due", 'holds come due');
is($node->safe_psql('postgres', 'SELECT kam.kam_tick()'), '{"more": false, "paused": true}', 'nobody releases them, not by hand either');
reload($node, 'kam.schedules = off', 'kam.paused = off');
my $run = kam_run($node, '17_opted_out_fr');
wait_until($node, "SELECT status = 'judged' FROM kam.request WHERE session_id = '$run'", 'with kam.schedules off the worker decides');
is($node->safe_psql('postgres', "SELECT count(*) $due"), '90', 'and releases nothing');
is($node->safe_psql('postgres', "SELECT item, state FROM kam.kam_health() WHERE item IN ('holds', 'schedules') ORDER BY 1"), "holds|warning\nschedules|warning", 'kam_health says so');

# ---- two tickers at once
$node->safe_psql('postgres', "CREATE TRIGGER hold AFTER INSERT ON kam.CadenceEventLog FOR EACH ROW WHEN (NEW.lead_id = 'down15' AND NEW.parent_event_id IS NOT NULL) EXECUTE FUNCTION public.hold()");
$holder = $node->background_psql('postgres');
$holder->query_safe('SELECT pg_advisory_lock(42)');
my $first = $node->background_psql('postgres');
$first->query_until(qr/start/, "\\echo start\nSELECT kam.kam_tick();\n");
ok($node->poll_query_until('postgres', "SELECT count(*) = 1 FROM pg_locks WHERE locktype = 'advisory' AND objid = 42 AND NOT granted"), 'one ticker is held in the middle');
my $second = $node->safe_psql('postgres', "SELECT t ->> 'released', (t ->> 'skipped')::int > 0 FROM kam.kam_tick() t");
is($second, '69|t', 'another one passes over what the first has, and releases the rest');
$holder->query_safe('SELECT pg_advisory_unlock(42)');
$first->quit;
$holder->quit;
$node->safe_psql('postgres', 'SELECT kam.kam_tick()') for 1 .. 2;
is($node->safe_psql('postgres', "SELECT count(*) FROM kam.CadenceQueue WHERE lead_id LIKE 'down%' AND state = 'released'"), 180, 'together they release all');
is($node->safe_psql('postgres', $doubles), '0', 'none twice');
is($node->safe_psql('postgres', $densest), '3', 'and no window holds more than the cap');

# ---- leads that somebody holds for long keep the others from nothing
$node->safe_psql('postgres', 'DROP TRIGGER hold ON kam.CadenceEventLog');
prospects('lock', 30, 4);
$node->safe_psql('postgres', "UPDATE kam.Leads SET email = lead_id || '\@locked.example' WHERE lead_id LIKE 'lock%'");
$node->safe_psql('postgres', "BEGIN; SELECT FROM kam.Leads WHERE lead_id LIKE 'lock1%' FOR UPDATE; PREPARE TRANSACTION 'holder'");
is($node->safe_psql('postgres', "SELECT t ->> 'released', t ->> 'skipped' FROM kam.kam_tick('2030-04-04 09:05:01Z', 12) t"), '12|11', 'locked leads in front are passed over, up to the batch');
is($node->safe_psql('postgres', "SELECT t ->> 'released', t ->> 'skipped' FROM kam.kam_tick('2030-04-04 09:05:01Z', 12) t"), '7|11', 'and again, until none is left but they');
$node->safe_psql('postgres', "INSERT INTO kam.Suppression (address, kind, source) VALUES ('locked.example', 'domain', 'test')");
is($node->safe_psql('postgres', "SELECT t ->> 'settled', t ->> 'suppressions' FROM kam.kam_tick('2030-04-04 09:05:02Z') t"), '19|0', 'a suppression ends what it can reach');
is($node->safe_psql('postgres', "SELECT settled_at IS NULL FROM kam.Suppression WHERE address = 'locked.example'"), 't', 'and stays open for the rest');
$node->safe_psql('postgres', "COMMIT PREPARED 'holder'");
is($node->safe_psql('postgres', "SELECT t ->> 'settled', t ->> 'suppressions' FROM kam.kam_tick('2030-04-04 09:05:04Z') t"), '11|1', 'which it ends once they are free');
is($node->safe_psql('postgres', "SELECT count(*) FROM kam.Cadence WHERE lead_id LIKE 'lock%' AND state <> 'finished'"), '0', 'nothing of it runs');

# ---- what the worker cannot do is seen
prospects('fail', 2, 4);
$node->safe_psql('postgres', <<'SQL');
CREATE FUNCTION public.fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no room for fail1'; END $$;
CREATE TRIGGER fail BEFORE INSERT ON kam.notification FOR EACH ROW WHEN (NEW.lead_id = 'fail1') EXECUTE FUNCTION public.fail();
SQL
reload($node, "kam.clock = '2030-04-08T09:00:03Z'", 'kam.schedules = on');
wait_until($node, "SELECT state = 'released' FROM kam.CadenceQueue WHERE lead_id = 'fail2'", 'one that fails keeps no other from being released');
wait_until($node, "SELECT last_error = 'no room for fail1' FROM kam.kam_worker_status()", 'and is told in the status');
is($node->safe_psql('postgres', "SELECT state, release_at - kam._now() FROM kam.CadenceQueue WHERE lead_id = 'fail1'"), 'waiting|00:05:00', 'it is put off by five minutes');

# ---- flags come by themselves too
$node->safe_psql('postgres', 'DROP TRIGGER fail ON kam.notification');
reload($node, "kam.clock = '2030-04-30T09:00:03Z'");
wait_until($node, "SELECT count(*) > 0 FROM kam.CadenceFlag WHERE kind = 'stall' AND closed_at IS NULL", 'stalls are flagged');

$node->stop;
done_testing();
