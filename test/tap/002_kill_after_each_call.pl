# kill -9 of the worker after any of the ten calls, with two workers: the run goes on, no recorded row is written again or repeated.
use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use KamTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = kam_node('kill', conf => "kam.workers = 2\n");

# Where the worker is killed: while it writes this row, with all rows before it committed.
my @place = ((map { ['agent_call', "NEW.call_no = $_", $_] } 1 .. 10),
    ['final_decision', 'true', 10], ['decision_evaluation', 'true', 11]);

foreach my $place (@place)
{
    my ($table, $condition, $next_call) = @$place;
    my $label = $table eq 'agent_call' ? "call $next_call" : $table;

    hold_calls($node, $table, $condition);
    my $holder = $node->background_psql('postgres');
    $holder->query_safe('SELECT pg_advisory_lock(42)');

    my $session = kam_run($node, '01_inbound_question_fr');
    my $victim = blocked_worker($node);
    ok($victim, "$label: a worker is held before it is written") or last;
    my $before = judged_calls($node, $session, $next_call);
    is(scalar(split /\n/, $before), $next_call - 1, "$label: " . ($next_call - 1) . ' calls are committed');

    kill 'KILL', $victim;
    wait_for_restart($node, $victim);
    eval { $holder->quit; };

    wait_until($node, "SELECT status = 'judged' FROM kam.request WHERE session_id = '$session'", "$label: the run ends after kill -9");
    is(judged_calls($node, $session, $next_call), $before, "$label: recorded calls are as they were, row by row");
    is($node->safe_psql('postgres', "SELECT count(*), count(DISTINCT agent), max(attempt), max(call_no) FROM kam.agent_call WHERE session_id = '$session'"),
        '10|10|1|10', "$label: no call is repeated");
    is($node->safe_psql('postgres', "SELECT (SELECT count(*) FROM kam.final_decision WHERE session_id = '$session'),"
            . " (SELECT count(*) FROM kam.decision_evaluation WHERE session_id = '$session'),"
            . " (SELECT count(*) FROM kam.notification WHERE session_id = '$session')"),
        '1|1|2', "$label: one decision, one judgement, one notification each");
}

$node->stop;
done_testing();
