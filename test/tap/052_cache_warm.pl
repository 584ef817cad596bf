# kam.cache_warm: of a wave whose shared prompt is large, one call goes first, the others at the first byte of its answer, and find it in the provider's cache; small ones go at once, and so do all
# when it is off.
use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use KamTest;
use Test::More;

my $node = kam_node('warm');
my $mock = start_mock(cache_min => 512, latency_ms => 500);
my %capable = (capabilities => '{"cache": true, "cache_min_tokens": 512, "structured_output": true}');

sub sql { return $node->safe_psql('postgres', $_[0]) }

# Whether the last of wave 1 was sent before the first had begun to answer.
sub at_once
{
    return sql("SELECT max(started_at) < min(started_at + first_byte_ms * interval '1 ms') FROM kam.agent_call WHERE session_id = '$_[0]' AND agent IN"
            . " ('context_relationship_analyzer', 'opportunity_detector', 'state_analyzer', 'timing_strategist')");
}

sub tokens_of
{
    return [ split /\|/, sql("SELECT sum(cache_write_tokens), sum(cache_read_tokens), sum(input_tokens) FROM kam.agent_call WHERE session_id = '$_[0]'") ];
}

# ---- off: the four of wave 1 go at once; one of them alone marks the contact, for those that come later
set_provider($node, 'api', $mock->{url}, %capable);
my $session = run_of($node, '19_long_history_300_fr', 'off@warm.example');
is(wait_for_end($node, $session), 'judged', 'off: a large contact is judged');
is(at_once($session), 't', 'off: wave 1 goes at once');
my $off = tokens_of($session);
is(sql("SELECT string_agg(agent, ' ' ORDER BY call_no) FROM kam.agent_call WHERE session_id = '$session' AND cache_write_tokens > 20000"), 'context_relationship_analyzer',
    'off: the contact is written once');
is(sql("SELECT count(*) FROM kam.agent_call WHERE session_id = '$session' AND cache_read_tokens > 20000"), '4', 'off: the evaluator and wave 2 read it');

# ---- on
reload($node, 'kam.cache_warm = 8000');
$node->poll_query_until('postgres', 'SHOW kam.cache_warm', '8000');
$session = run_of($node, '19_long_history_300_fr', 'on@warm.example');
is(wait_for_end($node, $session), 'judged', 'on: it is judged');
is(sql("SELECT string_agg(agent, ' ' ORDER BY call_no) FROM kam.agent_call WHERE session_id = '$session' AND cache_write_tokens > 20000"), 'context_relationship_analyzer',
    'on: the contact is written once');
is(sql("SELECT count(*) FROM kam.agent_call WHERE session_id = '$session' AND cache_read_tokens > 20000"), '7', 'on: the seven others read it');
my $on = tokens_of($session);
cmp_ok($on->[2], '<', $off->[2] / 2, 'on: less than half of the input is neither written nor read');

# ---- a small contact does not wait
$session = run_of($node, '01_inbound_question_fr', 'small@warm.example');
is(wait_for_end($node, $session), 'judged', 'a small contact is judged');
is(at_once($session), 't', 'and does not wait');

# ---- at the first byte, not at the end: the first answer drips until the others are over
set_provider($node, 'slow', "$mock->{url}/fault/slow_byte/ms/3/agent/context_relationship_analyzer", %capable);
$session = run_of($node, '19_long_history_300_fr', 'drip@warm.example');
is(wait_for_end($node, $session), 'judged', 'a slow first answer: judged');
is(sql("SELECT bool_and(o.started_at > f.started_at + f.first_byte_ms * interval '1 ms' AND o.finished_at < f.finished_at) FROM kam.agent_call f JOIN kam.agent_call o USING (session_id)"
        . " WHERE f.session_id = '$session' AND f.agent = 'context_relationship_analyzer' AND o.agent IN ('opportunity_detector', 'state_analyzer', 'timing_strategist')"),
    't', 'the others went when it had begun, and ended before it');

# ---- the first one fails: the others need not wait for its retries
set_provider($node, 'bad', "$mock->{url}/fault/status/503/agent/context_relationship_analyzer/times/2", %capable);
$session = run_of($node, '19_long_history_300_fr', 'bad@warm.example');
is(wait_for_end($node, $session), 'judged', 'the first call fails: judged all the same');
is(sql("SELECT count(*) FROM kam.agent_call WHERE session_id = '$session' AND agent = 'context_relationship_analyzer' AND status = 'failed'"), '2', 'after its retries');
is(sql("SELECT bool_and(o.started_at < f.finished_at) FROM kam.agent_call f JOIN kam.agent_call o USING (session_id)"
        . " WHERE f.session_id = '$session' AND f.agent = 'context_relationship_analyzer' AND f.status = 'succeeded' AND o.agent = 'opportunity_detector'"), 't', 'the others did not wait for those');
$node->stop;
done_testing();
