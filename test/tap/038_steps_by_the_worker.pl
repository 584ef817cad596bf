# The worker executes steps by itself: when they are due, each once, also when it is killed between a step's request and its commit, together with
# somebody who ticks by hand, and within a daily limit whoever counts.
use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use KamTest;
use Test::More;

my $node = kam_node('steps', conf => "kam.clock = '2030-03-05T09:00:00Z'\n");
my $leads = 120;
my $steps = '[{"day": 0, "channel": "email", "content": "Hello {{full_name}}"}, {"day": 1, "channel": "email", "content": "b"}]';

$node->safe_psql('postgres', <<"SQL");
INSERT INTO kam.Leads (lead_id, full_name, icp_tier, time_zone) SELECT 'l' || lpad(i::text, 3, '0'), 'Lead ' || i, 'T1', 'Europe/Paris' FROM generate_series(1, $leads) i;
CREATE FUNCTION public.hold() RETURNS trigger LANGUAGE plpgsql AS \$\$ BEGIN PERFORM pg_catalog.pg_advisory_xact_lock(42); RETURN NEW; END \$\$;
CREATE TRIGGER hold AFTER INSERT ON kam.CadenceEventLog FOR EACH ROW WHEN (NEW.lead_id = 'l070' AND NEW.step IS NOT NULL) EXECUTE FUNCTION public.hold();
SQL
my $holder = $node->background_psql('postgres');
$holder->query_safe('SELECT pg_advisory_lock(42)');

# ---- due at once: the commit wakes the worker, whose poll comes every ten minutes
$node->safe_psql('postgres', "SELECT count(kam.kam_enrol(lead_id, 'outbound', '$steps', 'AGT-301', 's')) FROM kam.Leads");
my $worker = blocked_worker($node);
ok($worker, 'the worker stands between a step and its commit');
my $committed = $node->safe_psql('postgres', "SELECT count(*) FROM kam.CadenceEventLog WHERE event_type = 'touch'");
cmp_ok($committed, '<', $leads, "in the middle, after $committed");
kill 9, $worker;
ok(wait_for_restart($node, $worker), 'killed, the server restarts');
eval { $holder->quit };
my $each = "SELECT count(*) || ' ' || count(DISTINCT lead_id) || ' ' || (SELECT count(*) FROM kam.notification WHERE topic = 'touch')"
    . " FROM kam.CadenceEventLog WHERE event_type = 'touch' AND step =";
wait_until($node, "SELECT count(*) = $leads FROM kam.CadenceEventLog WHERE event_type = 'touch'", 'all first steps go out');
is($node->safe_psql('postgres', "$each 1"), "$leads $leads $leads", 'one touch each, each told once');
is($node->safe_psql('postgres', "SELECT count(*) FROM kam.CadenceEventLog e JOIN kam.Leads l USING (lead_id) WHERE e.step = 1 AND e.payload ->> 'message' = 'Hello ' || l.full_name"),
    $leads, 'with its words');
is($node->safe_psql('postgres', "SELECT DISTINCT next_step_at, plan_step FROM kam.Cadence"), '2030-03-06 10:00:00+01|1', 'the next is a day later, at the same time');

# ---- the kill switch, then two who tick at once
reload($node, 'kam.outreach = off', "kam.clock = '2030-03-06T09:00:05Z'");
wait_until($node, "SELECT kam._now() = '2030-03-06 09:00:05Z' AND current_setting('kam.outreach') = 'off'", 'a day on, outreach is off');
is($node->safe_psql('postgres', "SELECT kam.kam_tick() ? 'stepped'"), 'f', 'nothing goes');
$holder = $node->background_psql('postgres');
$holder->query_safe('SELECT pg_advisory_lock(42)');
reload($node, 'kam.outreach = on');
$worker = blocked_worker($node);
ok($worker, 'on again, the worker is in the middle of the second steps');
my $by_hand = $node->safe_psql('postgres', "SELECT t ->> 'stepped' FROM kam.kam_tick() t");
cmp_ok($by_hand, '>', 0, "somebody else executes $by_hand meanwhile");
$holder->quit;
reload($node, "kam.clock = '2030-03-06T09:06:00Z'");
wait_until($node, "SELECT count(*) = $leads FROM kam.Cadence WHERE end_reason = 'completed'", 'all sequences are completed');
is($node->safe_psql('postgres', "SELECT count(*), count(DISTINCT lead_id) FROM kam.CadenceEventLog WHERE event_type = 'touch' AND step = 2"), "$leads|$leads", 'one touch each');
is($node->safe_psql('postgres', "SELECT count(*), count(DISTINCT lead_id) FROM kam.CadenceEventLog WHERE event_type = 'complete'"), "$leads|$leads", 'one end each');
is(cadence_troubles($node), '', 'sound');

# ---- a daily limit, whoever counts
reload($node, 'kam.account_daily_cap = 7', "kam.clock = '2030-03-19T09:00:00Z'");
wait_until($node, "SELECT kam._now() = '2030-03-19 09:00Z' AND current_setting('kam.account_daily_cap') = '7'", 'an account may have seven touches a day');
$node->safe_psql('postgres', "INSERT INTO kam.Accounts (account_id) VALUES ('a'); UPDATE kam.Leads SET account_id = 'a'");
$holder = $node->background_psql('postgres');
$holder->query_safe('SELECT pg_advisory_lock(42)');
# The worker counts first and is held with a touch that nobody else can see yet.
$node->safe_psql('postgres', "SELECT kam.kam_enrol('l070', 'outbound', '[{\"day\": 0, \"channel\": \"email\", \"content\": \"c\"}]', 'AGT-301', 't')");
ok(blocked_worker($node), 'the worker has counted');
$node->safe_psql('postgres', "SELECT count(kam.kam_enrol(lead_id, 'outbound', '[{\"day\": 0, \"channel\": \"email\", \"content\": \"c\"}]', 'AGT-301', 't')) FROM kam.Leads WHERE lead_id <> 'l070'");
is($node->safe_psql('postgres', "SELECT t ? 'stepped', (t ->> 'skipped')::int > 0 FROM kam.kam_tick(batch => 20) t"), 'f|t', 'who comes meanwhile does not count beside it');
$holder->quit;
# Held too long, the worker gives a step up for five minutes.
reload($node, "kam.clock = '2030-03-19T09:06:00Z'");
wait_until($node, "SELECT count(*) = @{[$leads - 7]} FROM kam.Cadence WHERE sequence_id = 't' AND step_note = 'account_daily_cap'", 'the rest waits for tomorrow');
is($node->safe_psql('postgres', "SELECT count(*), min(next_step_at) FILTER (WHERE state = 'active') FROM kam.Cadence WHERE sequence_id = 't' AND (state = 'active' OR end_reason <> 'completed')"),
    ($leads - 7) . '|2030-03-20 09:00:00+01', 'seven went out');

$node->stop;
done_testing();
