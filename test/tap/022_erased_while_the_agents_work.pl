# A person who is erased while the worker has their run in hand is not written back, wherever it stands; the worker goes on with others.
use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use KamTest;
use Test::More;

my $node = kam_node('erased', conf => "kam.schedules = off\n");
my $contact = contact('01_inbound_question_fr');
my ($email, $name) = split /\|/, $node->safe_psql('postgres', "SELECT $contact #>> '{contact_info,email}', $contact #>> '{contact_info,last_name}'");

# Tables of kam in which the address or the name still stands; prompts have an example of that name.
my $traces = <<"SQL";
SELECT string_agg(c.relname, ' ') FROM pg_class c
 WHERE c.relnamespace = 'kam'::regnamespace AND c.relkind = 'r' AND c.relname <> 'prompt'
   AND (xpath('/row/n/text()', query_to_xml(format('SELECT count(*) AS n FROM kam.%I t WHERE t::text ~* %L', c.relname, '$email|$name'), false, true, '')))[1]::text <> '0'
SQL

foreach my $place (['agent_call', "NEW.agent = 'state_analyzer'"], ['agent_call', "NEW.agent = 'synthesis_orchestrator'"], ['final_decision', 'true'], ['decision_evaluation', 'true'])
{
    my ($table, $condition) = @$place;

    hold_calls($node, $table, $condition);
    my $holder = $node->background_psql('postgres');
    $holder->query_safe('SELECT pg_advisory_lock(42)');
    my $session = kam_run($node, '01_inbound_question_fr');
    ok(blocked_worker($node), "the worker is held at $table, $condition");
    isnt($node->safe_psql('postgres', $traces), '', 'the person is there');

    # It may have to wait for what the worker has in hand.
    my $eraser = $node->background_psql('postgres');
    $eraser->query_until(qr/begun/, "\\echo begun\nSELECT kam.kam_erase_person('$email') ->> 'found';\n");
    wait_until($node, "SELECT EXISTS (SELECT FROM kam.erasure) OR EXISTS (SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query ~ 'kam_erase_person' AND pid <> pg_backend_pid())",
        'the erasure is done, or waits for the worker');
    $holder->quit;
    $eraser->quit;
    wait_until($node, "SELECT finished_at IS NOT NULL FROM kam.request WHERE session_id = '$session'", 'the run is over');
    $node->safe_psql('postgres', "DROP TRIGGER hold ON kam.$table");

    my $other = kam_run($node, '17_opted_out_fr');
    wait_until($node, "SELECT status = 'judged' FROM kam.request WHERE session_id = '$other'", 'the worker goes on with another');
    is($node->safe_psql('postgres', $traces), '', 'nothing of the person was written back');
    like($node->safe_psql('postgres', 'SELECT string_agg(left(address, 7), \' \') FROM kam.Suppression WHERE source = \'erasure\''), qr/^sha256:( sha256:)*$/, 'they stay blocked by hash');
    $node->safe_psql('postgres', "SET session_replication_role = replica; DELETE FROM kam.request; DELETE FROM kam.agent_call; DELETE FROM kam.final_decision; DELETE FROM kam.workflow_run;"
            . " DELETE FROM kam.decision_evaluation; DELETE FROM kam.n8n_orchestrator_synthesis; DELETE FROM kam.notification; DELETE FROM kam.Suppression; DELETE FROM kam.erasure");
}

$node->stop;
done_testing();
