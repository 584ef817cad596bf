# A provider's limits are learnt from its headers and its refusals; one that is overloaded is left alone but for probes, and used again as soon as it answers.
use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use KamTest;
use Test::More;

my $node = kam_node('limits');
my $mock = start_mock();
my $worker = worker_pid($node);

sub all_judged
{
    my ($count, $prefix, $what) = @_;

    return wait_until($node, "SELECT count(*) = $count FROM kam.request r WHERE r.contact #>> '{contact_info,email}' LIKE '$prefix%' AND r.finished_at IS NOT NULL", "$what: all runs end")
        && is($node->safe_psql('postgres', "SELECT count(*) FROM kam.request r WHERE r.contact #>> '{contact_info,email}' LIKE '$prefix%' AND r.status = 'judged'"), $count,
            "$what: in a decision");
}

foreach my $api (qw(anthropic openai))
{
    # 1200 a minute, all of it at once if need be: 130 runs want 1300.
    mock_ctl($mock, 'reset');
    set_provider($node, "headers-$api", "$mock->{url}/latency/50/fault/rate/1200", api => $api);
    kam_runs($node, '03_first_touch_note_only_fr', 130, "headers-$api");
    all_judged(130, "headers-$api", "$api, a limit that headers tell");
    my $stats = mock_stats($mock);
    my $refused = $stats->{by_status}{429} // 0;
    note("$api: $stats->{requests} calls, $refused refused");
    cmp_ok($refused, '<=', 130, "$api: of 1300 calls at 1200 a minute hardly any is refused");

    is($node->safe_psql('postgres', "SELECT requests_per_minute BETWEEN 100 AND 1200, requests_left BETWEEN -1200 AND 1200, breaker, in_flight FROM kam.kam_lanes() WHERE provider = 'headers-$api'"), 't|t|closed|0',
        "$api: kam_lanes shows the limit");

    # The same said of a minute and enforced by the second: no more than 10 at once.
    mock_ctl($mock, 'reset');
    set_provider($node, "second-$api", "$mock->{url}/latency/20/fault/rate/1200/burst/10", api => $api);
    kam_runs($node, '03_first_touch_note_only_fr', 20, "second-$api");
    all_judged(20, "second-$api", "$api, a limit by the second");
    $stats = mock_stats($mock);
    $refused = $stats->{by_status}{429} // 0;
    note("$api: $stats->{requests} calls, $refused refused");
    # The first wave goes out before anything is known.
    cmp_ok($refused, '<=', 80 + 60, "$api: what is refused are the first ones");
}

# Retry-After is waited for.
set_provider($node, 'patient', "$mock->{url}/fault/retry_after/2/agent/wave1_evaluator/times/1");
my $session = run_of($node, '01_inbound_question_fr', 'patient@limit.example');
is(wait_for_end($node, $session), 'judged', 'a run that is told to wait is judged');
is($node->safe_psql('postgres', <<"SQL"), 't', 'and has waited as long as it was told');
SELECT min(started_at) FILTER (WHERE status = 'succeeded') - min(finished_at) FILTER (WHERE status = 'failed') BETWEEN '1.9 s' AND '10 s'
  FROM kam.agent_call WHERE session_id = '$session' AND agent = 'wave1_evaluator'
SQL

# Overloaded: after the first wave only probes go out, until it answers again.
mock_ctl($mock, 'reset');
set_provider($node, 'busy', "$mock->{url}/latency/20/fault/overloaded", fallback => undef);
kam_runs($node, '03_first_touch_note_only_fr', 20, 'busy');
ok(wait_for_stats($mock, sub { $_->{requests} >= 80 && $_->{in_flight} == 0 }), 'the first wave of twenty runs is refused');
my $wave = mock_stats($mock)->{requests};
ok(wait_for_stats($mock, sub { $_->{requests} >= $wave + 2 }), 'it is asked again');
like($node->safe_psql('postgres', "SELECT string_agg(h::text, '; ') FROM kam.kam_health() h WHERE h::text ~ 'busy'"), qr/busy/, 'kam_health says so');
is($node->safe_psql('postgres', "SELECT slot, model, breaker, next_call_at IS NOT NULL, reason LIKE 'breaker open: %' FROM kam.kam_lanes() WHERE provider = 'busy'"), '1|mock-model|open|t|t',
    'and kam_lanes shows the breaker');
my $probes = mock_stats($mock);
cmp_ok($probes->{requests} - 80, '<=', 12, 'by a probe now and then');
# The others do not wait for it.
set_provider($node, 'idle', $mock->{url});
$session = run_of($node, '01_inbound_question_fr', 'idle@limit.example');
is(wait_for_end($node, $session), 'judged', 'another provider is not held up');
is($node->safe_psql('postgres', "SELECT count(*) FROM kam.request r WHERE r.contact #>> '{contact_info,email}' LIKE 'busy%' AND r.status = 'failed'"), '0',
    'and no run has failed for it');
mock_ctl($mock, 'heal');
all_judged(20, 'busy', 'healed');
my $healed = mock_stats($mock);
is($healed->{answered}, 210, 'with ten answers each');
is($node->safe_psql('postgres', "SELECT breaker <> 'open', in_flight FROM kam.kam_lanes() WHERE provider = 'busy'"), 't|0', 'and the breaker is seen to have closed');

# Overloaded, with another model at hand.
mock_ctl($mock, 'reset');
set_provider($node, 'second-choice', "$mock->{url}/latency/20/fault/overloaded/model/mock-model", fallback => 'other-model');
kam_runs($node, '03_first_touch_note_only_fr', 5, 'choice');
all_judged(5, 'choice', 'overloaded, with a fallback model');
is($node->safe_psql('postgres', "SELECT count(*) FROM kam.agent_call c JOIN kam.request r USING (session_id)"
            . " WHERE r.contact #>> '{contact_info,email}' LIKE 'choice%' AND c.status = 'succeeded' AND c.model = 'other-model'"),
    '50', 'its answers are the other model\'s');

# A limit for one is none for the other.
is(worker_pid($node), $worker, 'it is the same worker');

# What another worker takes over is learnt anew: rows go with the process that knew.
kill('TERM', $worker);
wait_until($node, "SELECT pid <> $worker FROM kam.kam_worker_status() WHERE database = 'postgres' AND pid IS NOT NULL", 'another worker starts');
is($node->safe_psql('postgres', 'SELECT count(*) FROM kam.kam_lanes()'), '0', 'and has learnt nothing yet');
$node->stop;
done_testing();
