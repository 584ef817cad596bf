# A replay by the recorded answers is the run it replays, byte for byte, malformed answers and stand-ins included; a run keeps the prompts and the history it began with.
use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use KamTest;
use Test::More;

my $key = 'sk-replay-0123456789';
my $node = kam_node('replay');
my $mock = start_mock(latency_ms => 0, key => $key);

sub sql
{
    return $node->safe_psql('postgres', $_[0]);
}

sub ended_replay
{
    my ($session, $settings, $what) = @_;
    my $replay = sql("SELECT kam.kam_replay('$session', '$settings')");

    return ($replay, wait_for_end($node, $replay, $what));
}

# The same decision, guard and judgement as the run replayed.
sub is_the_same
{
    my ($session, $replay, $what) = @_;

    is(sql("SELECT p.decision::text = d.decision::text, p.guard = d.guard, p.overall_score = e.overall_score, p.criteria = e.criteria, p.verdict = e.verdict, p.synthesis::jsonb = s.output::jsonb"
                . " FROM kam.replay_decision p, kam.final_decision d JOIN kam.decision_evaluation e USING (session_id) JOIN kam.n8n_orchestrator_synthesis s USING (session_id)"
                . " WHERE p.session_id = '$replay' AND d.session_id = '$session'"),
        't|t|t|t|t|t', "$what: decision, guard and judgement are the same to the byte");
}

# ---- by the recorded answers, over both APIs, and when answers were no use ----

my @case = (
    [ 'anthropic', 'anthropic, clean', '', '{"structured_output": true, "cache": true}' ],
    [ 'openai', 'openai, clean', '', '{}' ],
    [ 'openai', 'an answer that was handed back', '/fault/prose/agent/content_generator/times/1', '{}' ],
    [ 'anthropic', 'an answer that was cut off', '/fault/truncated_json/agent/opportunity_detector/times/1', '{}' ],
    [ 'anthropic', 'the built-in agent stood in for a synthesis twice malformed', '/fault/missing_key/agent/synthesis_orchestrator', '{}' ],
    [ 'openai', 'the built-in agent stood in after a refusal', '/fault/refusal/agent/state_analyzer', '{}' ],
    [ 'openai', 'a server in trouble for a while', '/fault/status/500/agent/channel_selector/times/1', '{}' ],
);
my (@session, $number);
foreach my $case (@case)
{
    my ($api, $what, $path, $capabilities) = @$case;
    my $name = 'model' . ++$number;

    set_provider($node, $name, "$mock->{url}$path", api => $api, key => $key, model => $name, capabilities => $capabilities, dialect => '{"stream": false}');
    push @session, run_of($node, '01_inbound_question_fr', "$name\@load.example");
    is(wait_for_end($node, $session[-1], "$what: the run ends"), 'judged', "$what: it is judged");
}
my $asked = mock_stats($mock)->{requests};
foreach my $n (0 .. $#case)
{
    my $what = $case[$n][1];
    my ($replay, $status) = ended_replay($session[$n], '{"provider": "replay"}', "$what: the replay ends");

    is($status, 'judged', "$what: the replay is judged") or diag(sql("SELECT error FROM kam.request WHERE session_id = '$replay'"));
    is_the_same($session[$n], $replay, $what);
    is(sql("SELECT count(*) FILTER (WHERE provider NOT IN ('replay', 'builtin')), sum(cost_usd) FROM kam.agent_call WHERE session_id = '$replay'"), '0|0', "$what: nobody was asked");
}
is(mock_stats($mock)->{requests}, $asked, 'the replays asked no model');

# ---- what is not recorded, and what is asked anew ----

my ($first) = @session;
my $body = sql("SELECT kam.kam_set_prompt('timing_strategist', 'Answer as you like.')");
my ($replay, $status) = ended_replay($first, '{"provider": "replay"}', 'with another prompt the replay ends');
is("$status " . sql("SELECT sqlstate FROM kam.request WHERE session_id = '$replay'"), 'failed P0002', 'with a prompt that was not asked, nothing is recorded: it fails');
is(sql("SELECT string_agg(DISTINCT error_class, ' ') FROM kam.agent_call WHERE session_id = '$replay' AND agent = 'timing_strategist'"), 'not_recorded', 'and says so');
is(sql("SELECT count(*) FROM kam.notification WHERE session_id = '$replay'"), '0', 'a replay that fails tells nobody');
($replay, $status) = ended_replay($first, '{"provider": "replay", "prompts": "pinned"}', 'with the prompts of the run the replay ends');
is($status, 'judged', 'with the prompts of the run it is all there again');
is_the_same($first, $replay, 'pinned');
($replay, $status) = ended_replay($first, '{"provider": "model2", "agents": {"content_generator": {"provider": "replay"}, "wave1_evaluator": {"model": "another", "temperature": 0.5, "max_tokens": 777}}}', 'asked anew it ends');
is($status, 'judged', 'another provider, one agent by what is recorded');
is(sql("SELECT string_agg(DISTINCT provider || '/' || model || ' ' || prompt_version, ', ' ORDER BY provider || '/' || model || ' ' || prompt_version) FROM kam.agent_call WHERE session_id = '$replay' AND status = 'succeeded'"),
    'model2/another 1, model2/model2 1, model2/model2 2, replay/replay 1', 'each asked as the settings say, with the prompts in use');
sql("SELECT kam.kam_set_prompt('timing_strategist', (SELECT body FROM kam.prompt WHERE agent = 'timing_strategist' AND version = 1))");

# ---- what happens later does not reach a replay ----

sql("SELECT kam.kam_validate('$first', 'edited', NULL, 'Bonjour Inès, la voici.')");
($replay, $status) = ended_replay($first, '{"provider": "replay"}', 'after a verdict the replay ends');
is($status, 'judged', 'a run did not know the verdict on itself, nor does its replay');
is_the_same($first, $replay, 'after a verdict');
set_provider($node, 'learns', $mock->{url}, key => $key, model => 'learns', dialect => '{"stream": false}');
my $learnt = run_of($node, '01_inbound_question_fr', 'learns@load.example');
is(wait_for_end($node, $learnt, 'a run that learns ends'), 'judged', 'a later run learns from it');
is(sql("SELECT history FROM kam.request WHERE session_id = '$learnt'"), "{$first}", 'and keeps from whom');
sql("SELECT kam.kam_validate('$session[1]', 'approved')");
($replay, $status) = ended_replay($learnt, '{"provider": "replay"}', 'its replay ends');
is($status, 'judged', 'its replay learns from the same, whatever was judged since');
is_the_same($learnt, $replay, 'with history');
is(sql("SELECT p.decision #>> '{metadata,historical_validation_performed}' FROM kam.replay_decision p WHERE session_id = '$replay'"), 'true', 'and says so');

# ---- a prompt that changes while a run waits ----

set_provider($node, 'gated', "$mock->{url}/fault/gate/agent/wave1_evaluator", key => $key, model => 'gated', dialect => '{"stream": false}');
mock_ctl($mock, 'close');
my $pinned = run_of($node, '03_first_touch_note_only_fr', 'pinned@load.example');
ok(wait_for_stats($mock, sub { ($_->{contacts}{'pinned@load.example'}{asked}{wave1_evaluator} // 0) == 1 }), 'the run waits for its evaluator');
sql("SELECT kam.kam_set_prompt('content_generator', 'Write something else.')");
# The worker that takes it up again has read the new prompt.
my $next = run_of($node, '03_first_touch_note_only_fr', 'next@load.example');
ok(wait_for_stats($mock, sub { ($_->{contacts}{'next@load.example'}{asked}{wave1_evaluator} // 0) == 1 }), 'so does the next, taken after the change');
my $worker = worker_pid($node);
kill 'TERM', $worker;
wait_until($node, "SELECT bool_and(pid <> $worker) AND count(*) > 0 FROM kam.kam_worker_status() WHERE database = 'postgres' AND state IN ('idle', 'busy')", 'another worker takes over');
mock_ctl($mock, 'open');
is(wait_for_end($node, $pinned, 'the run ends') . ' ' . wait_for_end($node, $next, 'the next ends'), 'judged judged', 'both are judged');
is(sql("SELECT string_agg(c.prompt_version::text, ' ' ORDER BY r.created_at) FROM kam.agent_call c JOIN kam.request r USING (session_id) WHERE session_id IN ('$pinned', '$next') AND agent = 'content_generator' AND c.status = 'succeeded'"),
    '1 2', 'a run that has begun keeps its prompts, through a restart of the worker; the next has the new one');
is(sql("SELECT kam.kam_explain('$pinned') #>> '{asked,prompts,content_generator}'"), '1', 'kam_explain says which');

# ---- a back-test by models ----

sql("SELECT kam.kam_use_provider('model2')");
my $backtest = sql("SELECT DISTINCT backtest_id FROM kam.kam_backtest('{\"sessions\": [\"$session[0]\", \"$session[1]\", \"$session[4]\"]}', '{\"provider\": \"replay\", \"prompts\": \"pinned\"}')");
$node->safe_psql('postgres', "CALL kam.kam_backtest_wait('$backtest')");
is(sql("SELECT count(*), count(*) FILTER (WHERE status = 'judged' AND changed = '{}' AND cost_before > 0 AND cost_after = 0 AND score_before = score_after) FROM kam.kam_backtest_report('$backtest')"), '3|3', 'a back-test by recorded answers changes nothing');
is(sql("SELECT string_agg(outcome, ' ' ORDER BY outcome) FROM kam.kam_backtest_report('$backtest')"), 'kept kept', 'and agrees with people as the runs did');

$node->stop;
done_testing();
