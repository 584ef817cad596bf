# The worker enrols whom an active play matches by itself: after the promotion in many short turns, then whoever changes; nobody twice, also when it is
# killed in the middle; ends the play at its end; and leaves the plays of a restore alone until kam_resume().
use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use KamTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = kam_node('plays', databases => 'postgres,copy');
my $dir = PostgreSQL::Test::Utils::tempdir();
my $leads = 400;
my $twice = "SELECT count(*) FROM (SELECT FROM kam.CadenceEventLog WHERE play_id IS NOT NULL AND requested_event_type = 'activation'"
    . " GROUP BY lead_id, play_id HAVING count(*) > 1) t";

$node->safe_psql('postgres', <<"SQL");
INSERT INTO kam.Leads (lead_id, email, icp_tier, job_title)
SELECT 'l' || i, 'l' || i || '\@example.com', 'T1', CASE i % 2 WHEN 0 THEN 'CTO' ELSE 'CFO' END FROM generate_series(1, $leads) i;
INSERT INTO kam.BrainAnalysisLog (proposal_id) VALUES ('b');
INSERT INTO kam.SalesPlayLibrary (play_id, originating_proposal_id, target_definition, suggested_cadence, active_period_end)
VALUES ('p', 'b', '{"match": "\$.job_title == \\"CTO\\""}', '{"steps": [{"day": 30, "channel": "email", "content": "Hello"}]}', NULL),
       ('short', NULL, '{"match": "\$.lead_id == \\"l1\\""}', '{"steps": [{"day": 30, "channel": "email", "content": "Hello"}]}', clock_timestamp() + interval '4 s');
SQL
is($node->safe_psql('postgres', 'SELECT count(*) FROM kam.Cadence'), '0', 'a draft enrols nobody');

# ---- after the promotion, and killed on the way: at the hundred-and-somethingth of them
$node->safe_psql('postgres', <<'SQL');
CREATE FUNCTION public.hold() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_catalog.pg_advisory_xact_lock(42); RETURN NEW; END $$;
CREATE TRIGGER hold AFTER INSERT ON kam.CadenceEventLog FOR EACH ROW WHEN (NEW.lead_id = 'l360') EXECUTE FUNCTION public.hold();
SQL
my $holder = $node->background_psql('postgres');
$holder->query_safe('SELECT pg_advisory_lock(42)');
$node->safe_psql('postgres', "SELECT kam.kam_promote_play('short', 'jane'); SELECT kam.kam_promote_play('p', 'jane')");
my $worker = blocked_worker($node);
ok($worker, 'the worker is held at an enrolment');
my $committed = $node->safe_psql('postgres', "SELECT count(*) FROM kam.Cadence WHERE play_id = 'p'");
cmp_ok($committed, '<', $leads / 2, "in the middle, after $committed");
kill 9, $worker;
ok(wait_for_restart($node, $worker), 'killed, the server restarts');
wait_until($node, "SELECT count(*) = $leads / 2 FROM kam.Cadence WHERE play_id = 'p'", 'everybody whom the play matches is enrolled');
is($node->safe_psql('postgres', "SELECT count(*) FROM kam.Cadence c JOIN kam.Leads l USING (lead_id) WHERE c.play_id = 'p' AND l.job_title <> 'CTO'"), '0', 'and nobody else');
is($node->safe_psql('postgres', $twice), '0', 'nobody twice');
eval { $holder->quit };
$node->safe_psql('postgres', 'DROP TRIGGER hold ON kam.CadenceEventLog; DROP FUNCTION public.hold');
is($node->safe_psql('postgres', "SELECT count(*) FROM kam.CadenceEventLog WHERE play_id = 'p' AND originating_proposal_id IS DISTINCT FROM 'b'"), '0', 'each event names the proposal');

# ---- whoever changes
$node->safe_psql('postgres', "UPDATE kam.Leads SET job_title = 'CTO' WHERE lead_id = 'l3'; INSERT INTO kam.Leads (lead_id, job_title) VALUES ('new', 'CTO'), ('other', 'CEO')");
wait_until($node, "SELECT count(*) = 2 FROM kam.Cadence WHERE play_id = 'p' AND lead_id IN ('l3', 'new')", 'who comes to match is enrolled');

# ---- its end
wait_until($node, "SELECT state = 'ended' AND ended_by = 'AGT-302' FROM kam.SalesPlayLibrary WHERE play_id = 'short'", 'a play ends by itself');
wait_until($node, "SELECT end_reason = 'play_ended' FROM kam.Cadence WHERE play_id = 'short'", 'and what runs of it');

# ---- a restore
$node->command_ok([ 'pg_dump', '--no-sync', '-f', "$dir/all.sql", $node->connstr('postgres') ], 'pg_dump');
$node->safe_psql('postgres', 'CREATE DATABASE copy');
$node->command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-f', "$dir/all.sql", $node->connstr('copy') ], 'restore');
$node->safe_psql('copy', "INSERT INTO kam.Leads (lead_id, job_title) VALUES ('late', 'CTO'); SELECT kam.kam_tick(); SELECT kam.kam_tick()");
is($node->safe_psql('copy', "SELECT count(*) FROM kam.Cadence WHERE lead_id = 'late'"), '0', 'a restored play enrols nobody');
is($node->safe_psql('copy', "SELECT state FROM kam.kam_health() WHERE item = 'parked plays'"), 'warning', 'and kam_health says so');
$node->safe_psql('copy', 'SELECT kam.kam_resume()');
wait_until($node, "SELECT count(*) = 1 FROM kam.Cadence WHERE lead_id = 'late'", 'until kam_resume', 'copy');
is($node->safe_psql('copy', $twice), '0', 'and then nobody twice');
is($node->safe_psql('copy', "SELECT count(*) FROM kam.Cadence WHERE play_id = 'p'"), $leads / 2 + 3, 'those that came along are known');

$node->stop;
done_testing();
