# What becomes of calls whose answer a crash has lost is the provider's policy: asked again, held for a person, or the end of the run. What was recorded stays.
use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use KamTest;
use Test::More;

my $node = kam_node('doubt');
my $mock = start_mock();

# A run whose wave 2 is in flight when the worker dies: five answers are recorded, three are lost.
sub crash_in_wave2
{
    my ($policy) = @_;

    mock_ctl($mock, 'reset');
    # The three agents of wave 2 stand before the gate.
    my $gates = join '', map { "/fault/gate/agent/$_" } qw(channel_selector content_generator sequence_strategist);
    set_provider($node, "api-$policy", $mock->{url} . $gates, in_doubt => $policy);
    my $session = run_of($node, '01_inbound_question_fr', "$policy\@doubt.example");
    ok(wait_for_stats($mock, sub { $_->{gated} == 3 }), "$policy: three calls are in flight");
    my $victim = worker_pid($node);
    kill 'KILL', $victim;
    wait_for_restart($node, $victim) or die 'the server does not come back';
    return $session;
}

sub asked_of
{
    my ($policy) = @_;
    my $asked = mock_stats($mock)->{contacts}{"$policy\@doubt.example"}{asked};

    return join ' ', map { $asked->{$_} // 0 } qw(state_analyzer wave1_evaluator channel_selector synthesis_orchestrator);
}

my $session = crash_in_wave2('retry');
ok(wait_for_stats($mock, sub { $_->{gated} == 3 && $_->{requests} == 11 }), 'retry: the three are asked again');
mock_ctl($mock, 'open');
is(wait_for_end($node, $session), 'judged', 'retry: the run is judged');
is(asked_of('retry'), '1 1 2 1', 'retry: of what was recorded nothing is asked again');
is($node->safe_psql('postgres', "SELECT status, count(*) FROM kam.agent_call WHERE session_id = '$session' GROUP BY 1 ORDER BY 1"), "in_doubt|3\nsucceeded|10", 'retry: both stand in the ledger');

$session = crash_in_wave2('hold');
wait_until($node, "SELECT next_attempt_at = 'infinity' AND error IS NOT NULL FROM kam.request WHERE session_id = '$session'", 'hold: the run waits for a person');
is(asked_of('hold'), '1 1 1 0', 'hold: nothing is asked again');
like($node->safe_psql('postgres', "SELECT note FROM kam.kam_progress WHERE session_id = '$session'"), qr/kam_retry/, 'hold: kam_progress says what for');
is(wait_for_end($node, run_of($node, '02_inbound_question_linkedin_en', 'other@doubt.example')), 'judged', 'hold: others go on') if mock_ctl($mock, 'open');
my ($status, undef, $stderr) = $node->psql('postgres', "CALL kam.kam_wait('$session')", timeout => 60);
isnt($status, 0, 'hold: kam_wait does not wait for a person');
like($stderr, qr/is held: call \d+ .*HINT:.*kam_retry/s, 'hold: and says what it is held for');
is($node->safe_psql('postgres', "SELECT kam.kam_retry('$session')"), 't', 'hold: who takes it up again has decided to ask again');
is(wait_for_end($node, $session), 'judged', 'hold: it is judged');
is(asked_of('hold'), '1 1 2 1', 'hold: of what was recorded nothing is asked again');

$session = crash_in_wave2('hold');
wait_until($node, "SELECT next_attempt_at = 'infinity' FROM kam.request WHERE session_id = '$session'", 'hold: the run waits for a person');
is($node->safe_psql('postgres', "SELECT kam.kam_cancel('$session')"), 't', 'hold: who does not want that cancels it');
is(wait_for_end($node, $session), 'cancelled', 'hold: it is cancelled');
is(asked_of('hold'), '1 1 1 0', 'hold: and nothing was asked again');

$session = crash_in_wave2('fail');
is(wait_for_end($node, $session), 'failed', 'fail: the run fails');
is(asked_of('fail'), '1 1 1 0', 'fail: nothing is asked again');
like($node->safe_psql('postgres', "SELECT error FROM kam.request WHERE session_id = '$session'"), qr/channel_selector|content_generator|sequence_strategist/, 'fail: it says which call was lost');
mock_ctl($mock, 'open');
is($node->safe_psql('postgres', "SELECT kam.kam_retry('$session')"), 't', 'fail: it can be taken up again');
is(wait_for_end($node, $session), 'judged', 'fail: and is judged');
is(asked_of('fail'), '1 1 2 1', 'fail: of what was recorded nothing is asked again');

is($node->safe_psql('postgres', "SELECT count(*) FROM kam.agent_call WHERE status = 'sending'"), '0', 'no call is left open');
$node->stop;
done_testing();
