# The golden transcripts, run again from their recorded answers without a network, give the decisions they gave.
use strict;
use warnings;

use File::Basename qw(basename);
use FindBin;
use lib $FindBin::Bin;
use JSON::PP;
use KamTest;
use PostgreSQL::Test::Utils;
use Test::More;

my @file = sort glob("$FindBin::Bin/../golden/*.json");
my $node = kam_node('golden');
my %replay;

cmp_ok(scalar(@file), '>=', 12, 'at least six contacts over both APIs');
foreach my $file (@file)
{
    my $golden = slurp_file($file);
    my $name = decode_json($golden)->{contact};

    # The run as it was recorded; its decision is left out, so that nothing can be taken from there.
    $replay{$file} = $node->safe_psql('postgres', <<"SQL");
CREATE TEMP TABLE golden AS SELECT \$golden\$$golden\$golden\$::jsonb AS g;
INSERT INTO kam.request (session_id, contact, as_of, status, finished_at)
SELECT (g ->> 'session_id')::uuid, @{[contact($name)]}, (g ->> 'as_of')::timestamptz, 'judged', now() FROM golden;
INSERT INTO kam.agent_call (session_id, call_no, agent, iteration, attempt, provider, model, prompt_version, status, request_sha256, response, stop_reason, error, error_class, output, finished_at)
SELECT (g ->> 'session_id')::uuid, c.call_no, c.agent, c.iteration, c.attempt, c.provider, c.model, c.prompt_version, c.status, decode(c.request_sha256, 'hex'), c.response, c.stop_reason,
       c.error, c.error_class, CASE WHEN c.status = 'succeeded' THEN coalesce(c.output, c.response::jsonb) END, now()
  FROM golden, jsonb_to_recordset(g -> 'calls') c (call_no integer, agent text, iteration smallint, attempt smallint, provider text, model text, prompt_version integer, status text,
       request_sha256 text, response text, stop_reason text, error text, error_class text, output jsonb);
SELECT kam.kam_replay((g ->> 'session_id')::uuid, '{"provider": "replay"}') FROM golden;
SQL
}
wait_until($node, 'SELECT count(*) = 0 FROM kam.request WHERE finished_at IS NULL', 'all are run again');
foreach my $file (@file)
{
    my $golden = slurp_file($file);
    my $name = basename($file);
    my $verdict = $node->safe_psql('postgres', <<"SQL");
SELECT coalesce(r.error, concat_ws(' ', CASE WHEN p.decision::text IS DISTINCT FROM (g -> 'decision')::text THEN 'decision' END, CASE WHEN p.guard <> g -> 'guard' THEN 'guard' END,
       CASE WHEN jsonb_build_object('overall_score', p.overall_score, 'verdict', p.verdict, 'criteria', p.criteria) <> g -> 'evaluation' THEN 'evaluation' END))
  FROM kam.request r LEFT JOIN kam.replay_decision p USING (session_id), (SELECT \$golden\$$golden\$golden\$::jsonb AS g) x WHERE r.session_id = '$replay{$file}';
SQL

    is($verdict, '', "$name: decision, guard and judgement are those of the transcript (else: scripts/golden, when the change was meant)");
}
is($node->safe_psql('postgres', "SELECT count(*) FROM kam.agent_call c JOIN kam.request r USING (session_id) WHERE r.replay_of IS NOT NULL AND c.provider NOT IN ('replay', 'builtin')"), '0', 'nobody was asked');

# The transcripts are worth having: they hold what goes wrong with models, not only what goes well.
my %seen = map { $_ => 1 } split /\n/, $node->safe_psql('postgres', <<'SQL');
SELECT DISTINCT error_class FROM kam.agent_call c JOIN kam.request r USING (session_id) WHERE r.replay_of IS NULL AND error_class IS NOT NULL
UNION SELECT 'replaced' FROM kam.replay_decision WHERE guard -> 'replaced' = 'true'
UNION SELECT 'forced' FROM kam.replay_decision WHERE guard -> 'forced' = 'true'
UNION SELECT 'repaired' FROM kam.replay_decision WHERE guard -> 'repairs' <> '[]' AND guard -> 'replaced' = 'false'
UNION SELECT action FROM kam.replay_decision
SQL
ok($seen{$_}, "among them: $_") foreach qw(malformed refusal replaced forced repaired send_message wait break_up);

$node->stop;
done_testing();
