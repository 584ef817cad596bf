# A run whose own budget is spent still ends in a decision; and a crash frees nothing of what calls under way may cost.
use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use KamTest;
use Test::More;

my $node = kam_node('budget_run');
my $mock = start_mock();

sub sql { return $node->safe_psql('postgres', $_[0]) }

set_provider($node, 'api', $mock->{url});

# ---- a run of its own budget
sql("INSERT INTO kam.budget (budget, scope, limit_usd) VALUES ('each', 'run', 0.35)");
my $poor = run_of($node, '01_inbound_question_fr', 'poor@budget.example');
is(wait_for_end($node, $poor), 'judged', 'a run whose budget is spent ends in a decision');
is(sql("SELECT count(*) FROM kam.final_decision d, kam.request r, kam.kam_check(d.decision, r.contact, r.as_of) k WHERE d.session_id = '$poor' AND r.session_id = d.session_id AND k.severity = 'error'"),
    '0', 'a valid one');
cmp_ok(sql("SELECT sum(cost_usd + reserved_usd) FROM kam.agent_call WHERE session_id = '$poor'"), '<=', 0.35, 'within its budget');
cmp_ok(sql("SELECT count(*) FROM kam.agent_call WHERE session_id = '$poor' AND provider = 'api' AND status = 'succeeded'"), '>', 0, 'models answered as long as there was money');
my $not_sent = sql("SELECT count(*) FROM kam.agent_call WHERE session_id = '$poor' AND error_class = 'budget' AND sent_on IS NULL AND cost_usd = 0");
cmp_ok($not_sent, '>', 0, 'what was not sent is recorded');
is(sql("SELECT count(*) FROM kam.agent_call WHERE session_id = '$poor' AND provider = 'builtin' AND status = 'succeeded'"), $not_sent, 'and so is who answered instead');
like(sql("SELECT error FROM kam.agent_call WHERE session_id = '$poor' AND error_class = 'budget' LIMIT 1"), qr/^the run's budget 'each' of 0\.3500 USD has no room .*: the built-in agent answers$/, 'with the reason');
sql("DELETE FROM kam.budget WHERE budget = 'each'");

# ---- a crash with calls under way: what they may cost stays reserved
sql("DELETE FROM kam.budget; INSERT INTO kam.budget (budget, scope, provider, limit_usd) VALUES ('daily', 'provider-day', 'gated', 50)");
set_provider($node, 'gated', "$mock->{url}/fault/gate/agent/channel_selector/fault/gate/agent/content_generator");
mock_ctl($mock, 'reset');
my $session = run_of($node, '01_inbound_question_fr', 'crash@budget.example');
ok(wait_for_stats($mock, sub { $_->{gated} == 2 }), 'two calls are under way');
cmp_ok(sql('SELECT reserved_usd FROM kam.budget_spend'), '>', 0, 'and reserved');
my $victim = (split / /, worker_pid($node))[0];
kill 'KILL', $victim;
wait_for_restart($node, $victim) or die 'the server does not come back';
wait_until($node, "SELECT count(*) > 0 FROM kam.agent_call WHERE status = 'in_doubt' AND session_id = '$session'", 'after a crash they are in doubt');
mock_ctl($mock, 'open');
is(wait_for_end($node, $session), 'judged', 'the run goes on');
is(sql('SELECT reserved_usd FROM kam.budget_spend'), sql("SELECT sum(reserved_usd) FROM kam.agent_call WHERE session_id = '$session' AND status = 'in_doubt'"), 'what nobody knows the bill of stays reserved');
is(sql('SELECT spent_usd FROM kam.budget_spend'), sql("SELECT sum(cost_usd) FROM kam.agent_call WHERE provider = 'gated'"), 'and the rest is settled');
is(sql("SELECT count(*) FROM kam.agent_call WHERE status <> 'in_doubt' AND reserved_usd <> 0"), '0', 'nothing else is reserved');

# ---- failed attempts: what had been told by then is paid, what was never told stays reserved
foreach my $case ([ 'anthropic', 'cost_usd > 0 AND reserved_usd = 0' ], [ 'openai', 'cost_usd = 0 AND reserved_usd > 0' ])
{
    my ($api, $bill) = @$case;
    set_provider($node, "cut-$api", "$mock->{url}/fault/cut/agent/channel_selector/times/1", api => $api);
    my $run = run_of($node, '01_inbound_question_fr', "cut-$api\@budget.example");
    is(wait_for_end($node, $run), 'judged', "$api, an answer is broken off: judged");
    is(sql("SELECT bool_and($bill), count(*) FROM kam.agent_call WHERE session_id = '$run' AND status = 'failed'"), 't|1', "$api: the attempt's bill");
}

# ---- prices by the day of the call
sql("INSERT INTO kam.model (model, effective_from, input_usd_per_mtok, output_usd_per_mtok) VALUES"
        . " ('mock-model', (now() AT TIME ZONE 'Europe/Paris')::date, 30, 150), ('mock-model', (now() AT TIME ZONE 'Europe/Paris')::date + 1, 1000, 1000)");
set_provider($node, 'priced', $mock->{url});
my $dear = run_of($node, '01_inbound_question_fr', 'dear@budget.example');
is(wait_for_end($node, $dear), 'judged', 'prices change');
is(sql("SELECT count(*) FROM kam.agent_call WHERE session_id = '$dear' AND cost_usd = (input_tokens * 30 + output_tokens * 150) / 1000000.0 AND cost_usd > 0"), '10', 'the latest of the past counts');

# ---- and by the length of the request: about half of the run's are long ones
my $length = sql("SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY input_tokens) FROM kam.agent_call WHERE session_id = '$dear'");
sql("UPDATE kam.model SET long_prompt_tokens = $length, long_input_factor = 2, long_output_factor = 1.5"
        . " WHERE model = 'mock-model' AND effective_from = (now() AT TIME ZONE 'Europe/Paris')::date");
my $long = run_of($node, '01_inbound_question_fr', 'long@budget.example');
is(wait_for_end($node, $long), 'judged', 'long requests cost more');
is(sql("SELECT count(*) FILTER (WHERE input_tokens > $length AND cost_usd = (input_tokens * 60 + output_tokens * 225) / 1000000.0) BETWEEN 3 AND 7,"
        . " count(*) FILTER (WHERE input_tokens > $length AND cost_usd = (input_tokens * 60 + output_tokens * 225) / 1000000.0)"
        . " + count(*) FILTER (WHERE input_tokens <= $length AND cost_usd = (input_tokens * 30 + output_tokens * 150) / 1000000.0)"
        . " FROM kam.agent_call WHERE session_id = '$long'"), 't|10', 'each by its own length');
$node->stop;
done_testing();
