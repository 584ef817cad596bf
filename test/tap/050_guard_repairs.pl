# A model's faults are repaired, sent back once to whoever can mend them, or replaced by the built-in decision; all of it is on record, and no crash asks twice.
use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use KamTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = kam_node('guard');
my $mock = start_mock();
my $SYNTHESIS = '/agent/synthesis_orchestrator';
my $CONTENT = '/agent/content_generator';

# Calls of an agent as the mock counted them.
sub asked
{
    my ($email, $agent) = @_;

    return mock_stats($mock)->{contacts}{$email}{asked}{$agent} // 0;
}

sub explained
{
    my ($session, $path) = @_;

    return $node->safe_psql('postgres', "SELECT kam.kam_explain('$session') #>> '{overrides,$path}'");
}

sub errors_of
{
    my ($session) = @_;

    return $node->safe_psql('postgres', "SELECT count(*) FROM kam.final_decision d, kam.request r, kam.kam_check(d.decision, r.contact, r.as_of) k"
            . " WHERE d.session_id = '$session' AND r.session_id = d.session_id AND k.severity = 'error'");
}

sub one_value
{
    my ($session, $what) = @_;

    return $node->safe_psql('postgres', "SELECT $what FROM kam.final_decision WHERE session_id = '$session'");
}

# A row: what goes wrong (a path of the mock's), what is asked of both, and what is on record.
my @case = (
    { fault => '', synthesis => 1, content => 1, repairs => '', asked => 'false', replaced => 'false', what => 'nothing' },
    { fault => "/fault/wrong_strength$SYNTHESIS", synthesis => 1, content => 1, repairs => 'strength_total_mismatch', asked => 'false', replaced => 'false',
        what => 'a wrong sum' },
    { fault => "/fault/no_reason$SYNTHESIS/times/1", synthesis => 2, content => 1, found => 'missing_reasoning', to => 'synthesis_orchestrator', asked => 'true', helped => 'true',
        replaced => 'false', what => 'a decision without a reason, mended' },
    { fault => "/fault/no_reason$SYNTHESIS", synthesis => 2, content => 1, found => 'missing_reasoning', to => 'synthesis_orchestrator', asked => 'true', helped => 'false',
        replaced => 'true', what => 'a decision without a reason, twice' },
    { fault => "/fault/two_questions$CONTENT/times/1", synthesis => 1, content => 2, found => 'question_count', to => 'content_generator', asked => 'true', helped => 'true',
        replaced => 'false', what => 'two questions, mended' },
    { fault => "/fault/foreign_link$CONTENT", synthesis => 1, content => 2, found => 'foreign_link', to => 'content_generator', asked => 'true', helped => 'false', replaced => 'true',
        what => 'a link of nobody, twice' },
    { fault => "/fault/no_reason$SYNTHESIS/times/1/fault/two_questions$CONTENT/times/1", synthesis => 2, content => 2, found => 'question_count',
        to => 'content_generator synthesis_orchestrator', asked => 'true', helped => 'true', replaced => 'false', what => 'both at once, mended' },
    # The provider goes down before the repair: there is a decision all the same.
    { fault => "/fault/no_reason$SYNTHESIS/times/1/fault/status/400$SYNTHESIS", synthesis => 2, content => 1, found => 'missing_reasoning', to => 'synthesis_orchestrator',
        asked => 'true', helped => 'true', replaced => 'false', rows => 12, what => 'no answer to the repair' },
    { fault => '', contact => '10_meeting_scheduled_fr', synthesis => 2, content => 1, found => 'hard_blocker_overruled', to => 'synthesis_orchestrator', asked => 'true', helped => 'false',
        replaced => 'true', action => 'wait', what => 'a hard blocker overruled, twice' },
);
my $number = 0;
foreach my $case (@case)
{
    my $name = 'guard' . ++$number;

    $case->{email} = "$name\@guard.example";
    $case->{action} //= 'send_message';
    set_provider($node, $name, "$mock->{url}$case->{fault}");
    $case->{session} = run_of($node, $case->{contact} // '01_inbound_question_fr', $case->{email});
    # A run keeps the providers it found when it was taken up.
    $node->poll_query_until('postgres', "SELECT started_at IS NOT NULL FROM kam.request WHERE session_id = '$case->{session}'") or die 'the worker does not take runs up';
}
foreach my $case (@case)
{
    my ($what, $session) = ($case->{what}, $case->{session});
    my $calls = 8 + $case->{synthesis} + $case->{content};

    is(wait_for_end($node, $session, "$what: the run ends"), 'judged', "$what: it is judged");
    is(asked($case->{email}, 'synthesis_orchestrator') . ' ' . asked($case->{email}, 'content_generator'), "$case->{synthesis} $case->{content}", "$what: so often the two were asked");
    is($node->safe_psql('postgres', "SELECT count(*) FROM kam.agent_call WHERE session_id = '$session'"), $case->{rows} // $calls, "$what: a row for each call");
    is($node->safe_psql('postgres', "SELECT calls, cost_usd = (SELECT sum(cost_usd) FROM kam.agent_call WHERE session_id = '$session') AND cost_usd > 0 FROM kam.workflow_run WHERE session_id = '$session'"),
        ($case->{rows} // $calls) . '|t', "$what: the run has cost what they all cost");
    is(explained($session, 'repair_call,asked'), $case->{asked}, "$what: sent back, or not");
    is(explained($session, 'replaced'), $case->{replaced}, "$what: replaced, or not");
    is(explained($session, 'repairs,0,rule'), $case->{repairs}, "$what: repaired") if defined $case->{repairs};
    if ($case->{asked} eq 'true')
    {
        is(explained($session, 'repair_call,findings,0,rule'), $case->{found}, "$what: what was found is on record");
        is(explained($session, 'repair_call,helped'), $case->{helped}, "$what: whether it helped");
        is($node->safe_psql('postgres', "SELECT string_agg(a, ' ') FROM kam.final_decision, jsonb_array_elements_text(guard #> '{repair_call,agents}') a WHERE session_id = '$session'"),
            $case->{to}, "$what: who was asked");
    }
    is(one_value($session, "decision #>> '{metadata,repaired}'"), $case->{asked} eq 'true' || $case->{repairs} ? 'true' : 'false', "$what: the metadata say so");
    is(one_value($session, 'action'), $case->{action}, "$what: the action");
    is(one_value($session, "decision::text ~ 'evil'"), 'f', "$what: no link of nobody");
    is(errors_of($session), '0', "$what: the decision is sound");
}

# The model is told what was found, behind what it was asked before.
stop_mock($mock);
$mock = start_mock(keep_last => 1);
set_provider($node, 'told', "$mock->{url}/fault/no_reason$SYNTHESIS/times/1/fault/gate$SYNTHESIS");
my $session = run_of($node, '01_inbound_question_fr', 'told@guard.example');
wait_for_stats($mock, sub { ($_[0]->{contacts}{'told@guard.example'}{asked}{synthesis_orchestrator} // 0) == 2 });
ok(mock_ctl($mock, 'last') =~ /<\/agent>.*<previous_answer>.*<findings>.*action_reasoning.*missing_reasoning/s, 'the repair shows the answer and what was found');
is($node->safe_psql('postgres', "SELECT status FROM kam.request WHERE session_id = '$session'"), 'guard', 'while it is asked the run stands at the guard');

# kill -9 with the repair under way: it alone is asked again.
my $victim = worker_pid($node);
kill 'KILL', $victim;
wait_for_restart($node, $victim);
mock_ctl($mock, 'open');
is(wait_for_end($node, $session, 'killed under way: the run ends'), 'judged', 'killed under way: it is judged');
is(asked('told@guard.example', 'synthesis_orchestrator'), 3, 'killed under way: the repair alone is asked again');
is($node->safe_psql('postgres', "SELECT string_agg(status, ' ' ORDER BY call_no) FROM kam.agent_call WHERE session_id = '$session' AND agent = 'synthesis_orchestrator'"),
    'succeeded in_doubt succeeded', 'killed under way: and its rows say so');
is($node->safe_psql('postgres', "SELECT count(*) FROM kam.agent_call WHERE session_id = '$session' AND status = 'succeeded' AND agent <> 'synthesis_orchestrator'"), '9',
    'killed under way: no other call is repeated');
is(explained($session, 'repair_call,helped'), 'true', 'killed under way: the repair helped');

# kill -9 while the decision is saved: the second answer is taken from its row.
set_provider($node, 'saved', "$mock->{url}/fault/no_reason$SYNTHESIS/times/1/fault/two_questions$CONTENT/times/1");
hold_calls($node, 'final_decision', 'true');
my $holder = $node->background_psql('postgres');
$holder->query_safe('SELECT pg_advisory_lock(42)');
$session = run_of($node, '01_inbound_question_fr', 'saved@guard.example');
$victim = blocked_worker($node);
ok($victim, 'killed while saving: the worker is held');
my $before = judged_calls($node, $session, 12);
is(scalar(split /\n/, $before), 11, 'killed while saving: all calls are committed');
kill 'KILL', $victim;
wait_for_restart($node, $victim);
eval { $holder->quit; };
is(wait_for_end($node, $session, 'killed while saving: the run ends'), 'judged', 'killed while saving: it is judged');
is(judged_calls($node, $session, 12), $before, 'killed while saving: recorded calls are as they were');
is(asked('saved@guard.example', 'synthesis_orchestrator') . ' ' . asked('saved@guard.example', 'content_generator'), '2 2', 'killed while saving: either was asked twice in all');
is(explained($session, 'repair_call,helped') . ' ' . explained($session, 'replaced'), 'true false', 'killed while saving: the repair helped');
is(errors_of($session), '0', 'killed while saving: the decision is sound');

$node->stop;
done_testing();
