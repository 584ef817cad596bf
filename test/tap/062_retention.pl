# What is older than the settings of retention say goes by itself, batch by batch; a kill in the middle loses nothing, a lead that somebody holds is passed
# over, nothing goes while paused, and what the gates go by stays.
use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use KamTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = kam_node('retention', conf => "kam.clock = '2030-03-04T09:00:00Z'\nmax_prepared_transactions = 2\n");
my $leads = 700;

# ---- a history: of each lead a sequence that is over, and twelve touches beyond the plan
$node->safe_psql('postgres', <<"SQL");
INSERT INTO kam.Leads (lead_id, icp_tier) SELECT 'l' || i, 'T1' FROM generate_series(1, $leads) i;
INSERT INTO kam.CadenceEventLog (lead_id, sequence_id, sequence_type, event_type) SELECT 'l' || i, 's', 'outbound', 'activation' FROM generate_series(1, $leads) i;
INSERT INTO kam.CadenceEventLog (lead_id, sequence_id, sequence_type, event_type, step) SELECT 'l' || i, 's', 'outbound', 'touch', j
  FROM generate_series(1, $leads) i, generate_series(1, 4) j;
INSERT INTO kam.CadenceEventLog (lead_id, sequence_id, event_type) SELECT 'l' || i, 's', 'stop' FROM generate_series(2, $leads) i;
INSERT INTO kam.CadenceEventLog (lead_id, sequence_type, event_type) SELECT 'l' || i, 'transactional', 'touch' FROM generate_series(1, $leads) i, generate_series(1, 3);
INSERT INTO kam.notification (recipient, topic, status) SELECT 'AGT-301', 'news', 'sent' FROM generate_series(1, 1200);
SQL
my $run = kam_run($node, '01_inbound_question_fr');
wait_until($node, "SELECT status = 'judged' FROM kam.request WHERE session_id = '$run'", 'a run is decided');
# Nobody counts up to a mark before all who ran then have ended, and marks come with the minute: by hand.
wait_until($node, "SELECT kam.kam_tick() IS NOT NULL AND (SELECT upto >= kam._intelligence_drawn() FROM kam._intelligence_state)", 'the log is counted');

my $sums = "SELECT md5(string_agg(i::text, '|' ORDER BY i::text)) FROM kam.cadence_intelligence i";
my $states = "SELECT md5(string_agg(d::text, '|' ORDER BY l.lead_id)) FROM kam.Leads l CROSS JOIN LATERAL kam._derive_state(l.lead_id) d";
my $verdicts = "SELECT md5(string_agg(g::text, '|' ORDER BY l.lead_id)) FROM kam.Leads l CROSS JOIN LATERAL kam.kam_gate(l.lead_id, 'outbound', 'touch', 's') g";
# Of each lead its touches stay, and what belongs to its state; l1 is in the middle of its sequence.
my $left = "FROM kam.CadenceEventLog WHERE event_type = 'touch' AND family = 'transactional' OR event_type = 'activation' AND lead_id <> 'l1'";
my $all = $node->safe_psql('postgres', "SELECT count(*) $left");
cmp_ok($all, '>', 3 * $leads, 'there is much to delete');

# ---- killed in the middle
$node->safe_psql('postgres', <<'SQL');
CREATE FUNCTION public.hold() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_catalog.pg_advisory_xact_lock(42); RETURN OLD; END $$;
CREATE TRIGGER hold AFTER DELETE ON kam.CadenceEventLog FOR EACH ROW WHEN (OLD.lead_id = 'l500') EXECUTE FUNCTION public.hold();
SQL
my $holder = $node->background_psql('postgres');
$holder->query_safe('SELECT pg_advisory_lock(42)');
# The clock alone: what comes due by then is not what this is about.
reload($node, 'kam.schedules = off', "kam.clock = '2030-12-01T09:00:00Z'");
wait_until($node, "SELECT kam._now() > '2030-11-30'", 'months later');
# A stop leaves "holding" on the safe side.
$node->safe_psql('postgres', 'SELECT kam._rebuild_state(lead_id) FROM kam.Leads');
my %before = map { $_ => $node->safe_psql('postgres', $_) } $sums, $states, $verdicts;
reload($node, "kam.retain_events = '30d'");
my $worker = blocked_worker($node);
ok($worker, 'the worker deletes, and is held in the middle');
is($node->safe_psql('postgres', $sums), $before{$sums}, 'meanwhile the sums are the same');
kill 9, $worker;
ok(wait_for_restart($node, $worker), 'killed, the server restarts');
wait_until($node, "SELECT count(*) = 0 $left", 'all goes in the end');
eval { $holder->quit };
is($node->safe_psql('postgres', $_), $before{$_}, 'nothing else is lost') foreach $sums, $states, $verdicts;
is($node->safe_psql('postgres', "SELECT count(*) FROM kam.CadenceEventLog WHERE lead_id = 'l1'"), '5', 'a sequence that runs keeps its rows');
is($node->safe_psql('postgres', "SELECT gone > 0, upto IS NOT NULL, again_at IS NOT NULL FROM kam._retention WHERE kind = 'events'"), 't|t|t', 'the round is through');

# ---- notifications and calls
reload($node, "kam.retain_notifications = '30d'", "kam.retain_calls = '30d'");
wait_until($node, "SELECT count(*) = 0 FROM kam.notification WHERE lead_id IS NOT NULL OR status = 'sent'", 'notifications that were sent go, and those that nobody fetched');
# News and events have periods of their own.
is(join("\n", grep { !/^(notification|touch) \d+/ } split /\n/, cadence_troubles($node)), '', 'the tables agree');
wait_until($node, "SELECT count(*) = 0 FROM kam.agent_call WHERE output <> '{}' OR response IS NOT NULL", 'the answers to calls go');
is($node->safe_psql('postgres', "SELECT count(*) > 9, (SELECT count(*) FROM kam.final_decision WHERE session_id = '$run') FROM kam.agent_call WHERE session_id = '$run'"), 't|1',
    'the rows stay, and the decision');
is($node->safe_psql('postgres', "SELECT kam.kam_explain('$run') ? 'calls'"), 't', 'which can be explained');

# ---- a lead that is held is passed over; paused nothing goes
$node->safe_psql('postgres', 'DROP TRIGGER hold ON kam.CadenceEventLog');
$node->safe_psql('postgres', "INSERT INTO kam.CadenceEventLog (lead_id, sequence_type, event_type) SELECT 'l' || i, 'transactional', 'touch' FROM generate_series(1, 3) i");
wait_until($node, "SELECT kam._fold_intelligence(1000) IS NOT NULL AND (SELECT upto >= kam._intelligence_drawn() FROM kam._intelligence_state)", 'three more are counted');
reload($node, 'kam.paused = on');
wait_until($node, "SELECT bool_and(state = 'paused') FROM kam.kam_worker_status()", 'kam.paused stops the worker');
reload($node, "kam.clock = '2031-03-01T09:00:00Z'");
wait_until($node, "SELECT kam._now() > '2031-02-28'", 'time goes by');
is($node->safe_psql('postgres', 'SELECT kam.kam_retain()'), '{"more": false, "paused": true}', 'nobody deletes anything');
is($node->safe_psql('postgres', "SELECT count(*) $left"), '3', 'nor does the worker');
$node->safe_psql('postgres', "BEGIN; SELECT FROM kam.Leads WHERE lead_id = 'l2' FOR UPDATE; PREPARE TRANSACTION 'holder'");
reload($node, 'kam.paused = off');
wait_until($node, "SELECT count(*) = 1 $left", 'what nobody holds goes');
wait_until($node, "SELECT skipped > 0 AND again_at - kam._now() = interval '1 day' FROM kam._retention WHERE kind = 'events'", 'the lead that somebody holds is for the next round');
$node->safe_psql('postgres', "COMMIT PREPARED 'holder'");
is($node->safe_psql('postgres', "SELECT kam.kam_retain() ->> 'events'"), '1', 'or for who asks');

# ---- what the worker cannot do is seen
$node->safe_psql('postgres', "INSERT INTO kam.notification (recipient, topic, status) VALUES ('AGT-301', 'stuck', 'sent'), ('AGT-301', 'fine', 'sent')");
$node->safe_psql('postgres', <<'SQL');
CREATE FUNCTION public.fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'it is stuck'; END $$;
CREATE TRIGGER fail BEFORE DELETE ON kam.notification FOR EACH ROW WHEN (OLD.topic = 'stuck') EXECUTE FUNCTION public.fail();
SQL
my $offset = -s $node->logfile;
reload($node, "kam.clock = '2031-06-01T09:00:00Z'");
wait_until($node, "SELECT string_agg(topic, ',') = 'stuck' FROM kam.notification WHERE topic IN ('stuck', 'fine')", 'one that fails keeps no other');
wait_until($node, "SELECT last_error = 'it is stuck' FROM kam.kam_worker_status()", 'it is told in the status');
is($node->safe_psql('postgres', "SELECT state, detail FROM kam.kam_health() WHERE item = 'retention'"), 'warning|notifications: it is stuck', 'and by kam_health()');
like(slurp_file($node->logfile, $offset), qr/retention of notifications: \d+ is kept: it is stuck/, 'and in the log');

$node->stop;
done_testing();
