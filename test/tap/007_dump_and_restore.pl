# pg_dump and restore carry everything over; runs that had not ended stay parked in the copy until kam_resume().
use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use KamTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = kam_node('dump', databases => 'postgres,copy', conf => "kam.clock = '@{[AS_OF]}'\n");

my $done = kam_run($node, '10_meeting_scheduled_fr', '"lead_id": "L-1"');
wait_until($node, "SELECT status = 'judged' FROM kam.request WHERE session_id = '$done'", 'a run is decided before the dump');
$node->safe_psql('postgres', "UPDATE kam.agent SET max_tokens = 999 WHERE agent = 'content_generator';"
        . " INSERT INTO kam.resource (resource_id, title) VALUES ('r1', 'A sheet')");
reload($node, 'kam.paused = on');
wait_until($node, "SELECT state = 'paused' FROM kam.kam_worker_status() WHERE database = 'postgres'", 'the worker is paused');
my $queued = kam_run($node, '01_inbound_question_fr');

my $dump = PostgreSQL::Test::Utils::tempdir() . '/kam.sql';
$node->command_ok(['pg_dump', '--no-sync', '-f', $dump, $node->connstr('postgres')], 'pg_dump');
$node->safe_psql('postgres', 'CREATE DATABASE copy');
$node->command_ok(['psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-f', $dump, $node->connstr('copy')], 'restore');

my $rows = <<'SQL';
SELECT md5(string_agg(t, '|' ORDER BY t)) FROM (
	SELECT d::text FROM kam.final_decision d UNION ALL SELECT c::text FROM kam.agent_call c UNION ALL SELECT w::text FROM kam.workflow_run w
	UNION ALL SELECT e::text FROM kam.decision_evaluation e UNION ALL SELECT s::text FROM kam.n8n_orchestrator_synthesis s
	UNION ALL SELECT n::text FROM kam.notification n UNION ALL SELECT r::text FROM kam.request r UNION ALL SELECT a::text FROM kam.agent a
	UNION ALL SELECT p.agent || p.sha256 FROM kam.prompt p UNION ALL SELECT s::text FROM kam.resource s) x (t)
SQL
is($node->safe_psql('copy', $rows), $node->safe_psql('postgres', $rows), 'every row is there as it was');

# The clock moves past the wait's end too: neither it nor the queued run may go twice, here and in the copy.
reload($node, 'kam.paused = off', "kam.clock = '2026-03-19T12:00:00+01:00'");
wait_until($node, "SELECT status = 'judged' FROM kam.request WHERE session_id = '$queued'", 'the original goes on');
wait_until($node, "SELECT count(*) = 1 FROM kam.request WHERE rerun_of = '$done' AND status = 'judged'", 'and its wait runs again');
my $seen = kam_run($node, '17_opted_out_fr', undef, 'copy');
wait_until($node, "SELECT status = 'judged' FROM kam.request WHERE session_id = '$seen'", 'the copy decides what is asked of it', 'copy');
is($node->safe_psql('copy', "SELECT status, attempts FROM kam.request WHERE session_id = '$queued'"), 'queued|0', 'the queued run is parked there');
is($node->safe_psql('copy', "SELECT count(*) FROM kam.request WHERE rerun_of IS NOT NULL"), '0', 'and so is the wait');
is($node->safe_psql('copy', "SELECT count(*) > 0 FROM kam.kam_health() WHERE item = 'parked'"), 't', 'kam_health tells');

cmp_ok($node->safe_psql('copy', 'SELECT kam.kam_resume()'), '>=', 2, 'kam_resume lets them go on');
wait_until($node, "SELECT status = 'judged' FROM kam.request WHERE session_id = '$queued'", 'then the queued run is decided there', 'copy');
wait_until($node, "SELECT count(*) = 1 FROM kam.request WHERE rerun_of = '$done' AND status = 'judged'", 'and the wait runs again', 'copy');

$node->stop;
done_testing();
