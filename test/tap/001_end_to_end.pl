# A contact in, a decision out: through kam_run and through a plain INSERT, woken by the commit.
use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use KamTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = kam_node('end');

my $session = kam_run($node, '01_inbound_question_fr', '"lead_id": "L-1"');
wait_until($node, "SELECT status = 'judged' FROM kam.request WHERE session_id = '$session'", 'kam_run is decided, woken by its commit');
is($node->safe_psql('postgres', "SELECT action, selected_channel FROM kam.final_decision WHERE session_id = '$session'"),
    'send_message|EMAIL', 'the decision is the right one');
is($node->safe_psql('postgres', "SELECT count(*), min(call_no), max(call_no), bool_and(status = 'succeeded') FROM kam.agent_call"),
    '10|1|10|t', 'ten calls are recorded, numbered from 1');
is($node->safe_psql('postgres', "SELECT string_agg(recipient, ',' ORDER BY recipient), bool_and(status = 'pending'), bool_and(lead_id = 'L-1'),"
        . " bool_and(payload ->> 'action' = 'send_message' AND payload ->> 'message' <> '' AND payload #>> '{contact,name}' <> '')"
        . " FROM kam.notification WHERE session_id = '$session' AND topic = 'decision'"),
    'slack,zapier|t|t|t', 'Slack and Zapier are told');
is($node->safe_psql('postgres', "SELECT w.status, w.iterations, w.calls, w.cost_usd = 0, w.timings ? 'wave1', w.timings -> 'agents' ? 'content_generator',"
        . " w.finished_at >= w.started_at FROM kam.workflow_run w WHERE session_id = '$session'"),
    'judged|1|10|t|t|t|t', 'the run is accounted for');
is($node->safe_psql('postgres', "SELECT e.verdict IN ('good', 'acceptable', 'poor'), s.final_decision = d.decision, s.output <> ''"
        . " FROM kam.decision_evaluation e JOIN kam.n8n_orchestrator_synthesis s USING (session_id) JOIN kam.final_decision d USING (session_id)"),
    't|t|t', 'judgement and synthesis are kept');
is($node->safe_psql('postgres', "SELECT decision - 'metadata' = kam.kam_decide(r.contact, r.as_of) - 'metadata' FROM kam.final_decision JOIN kam.request r USING (session_id)"),
    't', 'the worker decides as kam_decide does');

# A row that comes without kam_run is a run as well.
$node->safe_psql('postgres', 'INSERT INTO kam.request (contact) VALUES (' . contact('17_opted_out_fr') . ')');
wait_until($node, "SELECT count(*) = 1 FROM kam.request JOIN kam.final_decision USING (session_id) WHERE status = 'judged' AND action = 'no_action' AND as_of IS NOT NULL",
    'an INSERT into request is decided, and judged from the present');

is($node->safe_psql('postgres', "SELECT database, slot, state, reason IS NULL, runs, calls, failures FROM kam.kam_worker_status()"),
    'postgres|1|idle|t|2|20|0', 'kam_worker_status counts');
is($node->safe_psql('postgres', "SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'kam%'"), '1', 'the worker is seen as kam');
is($node->safe_psql('postgres', "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'kam worker' AND backend_xmin IS NULL AND state = 'idle'"),
    '1', 'an idle worker holds no snapshot');

# The last ten validated decisions reach the content agent of the next run.
$node->safe_psql('postgres', "SELECT kam.kam_validate('$session', 'approved')");
my $next = kam_run($node, '01_inbound_question_fr');
wait_until($node, "SELECT status = 'judged' FROM kam.request WHERE session_id = '$next'", 'a further run is decided');
is($node->safe_psql('postgres', "SELECT output #> '{historical_context,has_historical_data}' FROM kam.agent_call WHERE session_id = '$next' AND agent = 'content_generator'"),
    'true', 'the content agent saw the validated decision');

# Every sample, several at a time: as kam_decide decides it, and nothing left over.  One had opted out above: whose address is suppressed is decided otherwise.
my @sample = map { m{([^/]+)\.json$} ? $1 : () } grep { !/expect/ } glob "$FindBin::Bin/../../examples/contacts/*.json";
cmp_ok(scalar @sample, '>=', 12, 'there are samples');
$node->safe_psql('postgres', 'UPDATE kam.final_decision SET type_of_validation = NULL, user_slack_message = NULL, validated_at = NULL, validated_by = NULL; DELETE FROM kam.Suppression;'
        . " INSERT INTO kam.resource (resource_id, title, match_terms) VALUES ('sheet', 'Fiche technique du module 4', '{fiche technique}')");
$node->safe_psql('postgres', join ";\n", 'BEGIN', (map { "INSERT INTO kam.request (contact, as_of, lead_id) VALUES (" . contact($_) . ", '@{[AS_OF]}', '$_')" } @sample), 'COMMIT');
wait_until($node, 'SELECT count(*) = 0 FROM kam.request WHERE finished_at IS NULL', 'all samples are decided');
is($node->safe_psql('postgres', "SELECT string_agg(lead_id || ': ' || r.status || coalesce(' ' || error, ''), E'\n') FROM kam.request r LEFT JOIN kam.final_decision d USING (session_id)"
        . " WHERE lead_id LIKE '%\\_%' AND (d.decision -> 'final_decision') IS DISTINCT FROM (kam.kam_decide(r.contact, r.as_of) -> 'final_decision')"),
    '', 'as kam_decide decides them');
is($node->safe_psql('postgres', "SELECT count(*) > 0 FROM kam.agent_call WHERE agent = 'opportunity_detector' AND output::text LIKE '%\"sheet\"%'"), 't', 'with the resources of the table');

$node->stop;
done_testing();
