# A clean run asks a model ten times, whichever API it speaks, and its decision is saved after four of them have had to wait for each other.
use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use KamTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $latency_ms = 300;
my $key = 'sk-clean-0123456789';
my $node = kam_node('clean');
my $mock = start_mock(latency_ms => $latency_ms, key => $key);

# Calls one after the other that ended before the decision was saved: the longest chain of calls that do not overlap.
sub steps_before_saving
{
    my ($session) = @_;
    my ($steps, $free) = (0, 0);

    foreach my $call (split /\n/, $node->safe_psql('postgres', <<"SQL"))
SELECT extract(epoch FROM c.started_at), extract(epoch FROM c.finished_at)
  FROM kam.agent_call c JOIN kam.final_decision d USING (session_id)
 WHERE session_id = '$session' AND c.finished_at <= d.created_at ORDER BY c.finished_at
SQL
    {
        my ($started, $finished) = split /\|/, $call;

        next if $started < $free;
        $steps++;
        $free = $finished;
    }
    return $steps;
}

my @case = (
    [ 'anthropic', 'streamed', '{}', '{}' ],
    [ 'anthropic', 'not streamed', '{"stream": false}', '{}' ],
    [ 'anthropic', 'with a schema and caching', '{}', '{"structured_output": true, "cache": true}' ],
    [ 'openai', 'streamed', '{"stream": true}', '{}' ],
    [ 'openai', 'not streamed', '{"stream": false}', '{}' ],
    [ 'openai', 'with a schema', '{"stream": false}', '{"structured_output": true}' ],
);
my $number = 0;
foreach my $case (@case)
{
    my ($api, $how, $dialect, $capabilities) = @$case;
    my $name = 'clean' . ++$number;
    my $what = "$api, $how";

    mock_ctl($mock, 'reset');
    set_provider($node, $name, $mock->{url}, api => $api, dialect => $dialect, key => $key, model => "model-$number", capabilities => $capabilities);
    my $session = run_of($node, '01_inbound_question_fr', "$name\@load.example");
    is(wait_for_end($node, $session, "$what: the run ends"), 'judged', "$what: it is judged");

    my $stats = mock_stats($mock);
    is("$stats->{requests} $stats->{answered} $stats->{faults} $stats->{refused} $stats->{abandoned}", '10 10 0 0 0', "$what: ten calls, all answered");
    is(scalar(grep { $_ == 1 } values %{ $stats->{contacts}{"$name\@load.example"}{asked} }), 10, "$what: one of each agent");
    is($stats->{most_in_flight}, 4, "$what: the first wave's four at once, never more");
    is($node->safe_psql('postgres', "SELECT count(*), count(DISTINCT agent), max(attempt), max(call_no) FROM kam.agent_call WHERE session_id = '$session' AND status = 'succeeded'"
                . " AND provider = '$name' AND model = 'model-$number' AND http_status = 200 AND provider_request_id LIKE 'req_%' AND response IS NOT NULL"
                . " AND input_tokens > 100 AND output_tokens > 10 AND cost_usd > 0 AND latency_ms >= $latency_ms AND error IS NULL"),
        '10|10|1|10', "$what: ten rows with what the answer said");
    is($node->safe_psql('postgres', "SELECT count(*) FROM kam.agent_call WHERE session_id = '$session'"), '10', "$what: and no other row");
    is(steps_before_saving($session), 4, "$what: four steps before the decision is saved");
    my $saved_ms = $node->safe_psql('postgres', "SELECT round(extract(epoch FROM d.created_at - r.created_at) * 1000)"
            . " FROM kam.final_decision d JOIN kam.request r USING (session_id) WHERE session_id = '$session'");
    note("$what: saved after $saved_ms ms, four calls take @{[4 * $latency_ms]}");
    is($node->safe_psql('postgres', "SELECT count(*) FROM kam.final_decision d, kam.request r, kam.kam_check(d.decision, r.contact, r.as_of) k"
                . " WHERE d.session_id = '$session' AND r.session_id = '$session' AND k.severity = 'error'"),
        '0', "$what: a valid decision");
    is($node->safe_psql('postgres', "SELECT output ->> 'urgency' FROM kam.agent_call WHERE session_id = '$session' AND agent = 'state_analyzer'"), 'medium',
        "$what: outputs are the model's");
}

# A hundred contacts at once: a thousand calls, counted.
mock_ctl($mock, 'reset');
kam_runs($node, '03_first_touch_note_only_fr', 100, 'many');
wait_until($node, "SELECT count(*) = 100 FROM kam.request r WHERE r.contact #>> '{contact_info,email}' LIKE 'many%' AND r.status = 'judged'", 'a hundred contacts at once are judged');
my $stats = mock_stats($mock);
is("$stats->{requests} $stats->{answered} $stats->{in_flight}", '1000 1000 0', 'with a thousand calls');
is(scalar(grep { my $asked = $_->{asked}; keys %$asked == 10 && !grep { $_ != 1 } values %$asked } values %{ $stats->{contacts} }), 100, 'ten for each contact, one of each agent');
cmp_ok($stats->{most_in_flight}, '>=', 200, "up to $stats->{most_in_flight} at a time");

$node->stop;
done_testing();
