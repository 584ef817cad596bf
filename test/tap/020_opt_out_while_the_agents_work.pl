# An opt-out that comes while the agents work overrules their decision; a run that needs no call survives kill -9; what people have seen stands.
use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use KamTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = kam_node('optout', conf => "kam.schedules = off\n");
my $outcome = "SELECT d.action, d.decision #>> '{final_decision,compliance,status}', d.guard #>> '{compliance,instead_of}', d.guard ->> 'replaced',"
    . " (SELECT count(*) FROM kam.agent_call c WHERE c.session_id = d.session_id),"
    . " (SELECT count(*) FROM kam.decision_evaluation e WHERE e.session_id = d.session_id),"
    . " (SELECT count(*) FROM kam.notification n WHERE n.session_id = d.session_id)"
    . " FROM kam.final_decision d WHERE d.session_id = ";

# The sample's address, as it is suppressed.
sub suppress
{
    my ($name) = @_;

    return $node->safe_psql('postgres', "INSERT INTO kam.Suppression (address, source) VALUES (kam._address(@{[contact($name)]} #>> '{contact_info,email}'), 'web_form')");
}

sub lift
{
    return $node->safe_psql('postgres', 'DELETE FROM kam.Suppression');
}

# A run that stands still where the worker writes such a row: the session, the worker, and who holds it.
sub held_run
{
    my ($name, $table, $condition) = @_;

    hold_calls($node, $table, $condition);
    my $holder = $node->background_psql('postgres');
    $holder->query_safe('SELECT pg_advisory_lock(42)');
    my $session = kam_run($node, $name);
    my $worker = blocked_worker($node);
    ok($worker, "the worker is held at $table");
    return ($session, $worker, $holder);
}

sub judged
{
    my ($session, $what) = @_;

    return wait_until($node, "SELECT status = 'judged' FROM kam.request WHERE session_id = '$session'", $what);
}

# --- while the synthesis is being recorded: nine calls are paid for, the judge is not asked any more

my ($session, $worker, $holder) = held_run('01_inbound_question_fr', 'agent_call', "NEW.agent = 'synthesis_orchestrator'");
suppress('01_inbound_question_fr');
$holder->quit;
judged($session, 'a run whose contact opts out while the agents work ends');
is($node->safe_psql('postgres', $outcome . "'$session'"), 'no_action|suppressed|send_message|true|9|0|2', 'the opt-out wins over the message, and nobody judges');
is($node->safe_psql('postgres', "SELECT count(*) FROM kam.final_decision d JOIN kam.request r USING (session_id) CROSS JOIN LATERAL kam.kam_check(d.decision, r.contact, r.as_of) WHERE session_id = '$session'"),
    '0', 'the decision in its place is valid');
is($node->safe_psql('postgres', "SELECT x #>> '{compliance,source}', x #>> '{overrides,replaced}', x #>> '{plan,rule}' FROM kam.kam_explain('$session') x"),
    'web_form|true|suppressed', 'kam_explain says what overruled it');
is($node->safe_psql('postgres', "SELECT output::jsonb #>> '{final_decision,action}' FROM kam.n8n_orchestrator_synthesis WHERE session_id = '$session'"),
    'send_message', 'what the synthesis had said is kept');
lift();

# A wait contacts nobody: it stays what it is.
($session, $worker, $holder) = held_run('10_meeting_scheduled_fr', 'agent_call', "NEW.agent = 'synthesis_orchestrator'");
suppress('10_meeting_scheduled_fr');
$holder->quit;
judged($session, 'a wait whose contact opts out ends');
is($node->safe_psql('postgres', $outcome . "'$session'"), 'wait|||false|10|1|2', 'a wait is not overruled');
lift();

# --- once saved, people have seen it

($session, $worker, $holder) = held_run('01_inbound_question_fr', 'decision_evaluation', 'true');
suppress('01_inbound_question_fr');
kill 'KILL', $worker;
wait_for_restart($node, $worker);
eval { $holder->quit; };
judged($session, 'a saved decision is judged after kill -9');
is($node->safe_psql('postgres', $outcome . "'$session'"), 'send_message|||false|10|1|2', 'a decision that was saved before the opt-out stands');

# --- kill -9 of a run that needs no call, before and after its decision is saved

($session, $worker, $holder) = held_run('01_inbound_question_fr', 'final_decision', 'true');
kill 'KILL', $worker;
wait_for_restart($node, $worker);
eval { $holder->quit; };
judged($session, 'killed before its decision was saved, it ends');
is($node->safe_psql('postgres', $outcome . "'$session'"), 'no_action|suppressed||false|0|0|2', 'without any call');

$node->safe_psql('postgres', <<'SQL');
DROP TRIGGER hold ON kam.final_decision;
CREATE TRIGGER hold BEFORE INSERT ON kam.workflow_run FOR EACH ROW EXECUTE FUNCTION public.hold();
SQL
$holder = $node->background_psql('postgres');
$holder->query_safe('SELECT pg_advisory_lock(42)');
$session = kam_run($node, '01_inbound_question_fr');
$worker = blocked_worker($node);
ok($worker, 'the worker is held at the end of the run');
my $saved = $node->safe_psql('postgres', "SELECT decision, xmin FROM kam.final_decision WHERE session_id = '$session'");
like($saved, qr/no_action/, 'its decision is committed');
lift();
kill 'KILL', $worker;
wait_for_restart($node, $worker);
eval { $holder->quit; };
judged($session, 'killed after its decision was saved, it ends');
is($node->safe_psql('postgres', "SELECT decision, xmin FROM kam.final_decision WHERE session_id = '$session'"), $saved, 'with that decision, though the suppression is gone');
is($node->safe_psql('postgres', $outcome . "'$session'"), 'no_action|suppressed||false|0|0|2', 'and without any call');

# --- a partial run whose contact is suppressed while no worker has it

$node->safe_psql('postgres', 'DROP TRIGGER hold ON kam.workflow_run');
($session, $worker, $holder) = held_run('01_inbound_question_fr', 'agent_call', 'NEW.call_no = 3');
suppress('01_inbound_question_fr');
kill 'KILL', $worker;
wait_for_restart($node, $worker);
eval { $holder->quit; };
judged($session, 'a run taken up again for a contact that is suppressed by now ends');
is($node->safe_psql('postgres', $outcome . "'$session'"), 'no_action|suppressed||false|2|0|2', 'without any further call');

$node->stop;
done_testing();
