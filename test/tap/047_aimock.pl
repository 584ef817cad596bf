# A mock of both APIs that others wrote (npm: @copilotkit/aimock): clean runs, streams that break off, refused and dropped requests, connections it closes when idle.
use strict;
use warnings;

use Cwd qw(abs_path);
use FindBin;
use HTTP::Tiny;
use JSON::PP;
use lib $FindBin::Bin;
use KamTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $version = '1.43.0';
my $root = abs_path("$FindBin::Bin/../..");
my $cache = $ENV{KAM_AIMOCK} // "$root/build/aimock";
my $program = "$cache/node_modules/@{['@']}copilotkit/aimock/dist/cli.js";

foreach my $tool (qw(node npm))
{
    plan skip_all => "there is no $tool; install Node.js for the tests against aimock" if system("command -v $tool >/dev/null 2>&1") != 0;
}
if (!-e $program)
{
    mkdir "$root/build";
    my $failed = system("npm install --silent --no-audit --no-fund --ignore-scripts --prefix '$cache' '\@copilotkit/aimock\@$version' >'$PostgreSQL::Test::Utils::log_path/npm.log' 2>&1");
    plan skip_all => "npm cannot install \@copilotkit/aimock $version (KAM_AIMOCK names a folder that has it)" if $failed || !-e $program;
}

my $http = HTTP::Tiny->new(proxy => undef, http_proxy => undef, timeout => 30);
my $outputs = decode_json(slurp_file("$root/test/mock/agent-outputs.json"));
my $node = kam_node('aimock');
my @pid;

# A server of it; options: more members of an agent's first answer, as {agent => {...}}.  Returns its address.
sub start_aimock
{
    my ($first) = @_;
    my $port = PostgreSQL::Test::Cluster::get_free_port();
    my $file = PostgreSQL::Test::Utils::tempdir() . '/fixtures.json';
    my @fixture;

    foreach my $agent (sort keys %$outputs)
    {
        my %answer = (response => { content => JSON::PP->new->canonical->encode($outputs->{$agent}) });
        my $match = "<agent>$agent</agent>";
        push @fixture, { %answer, %{ $first->{$agent} }, match => { userMessage => $match, sequenceIndex => 0 } } if $first->{$agent};
        push @fixture, { %answer, match => { userMessage => $match } };
    }
    append_to_file($file, JSON::PP->new->ascii->encode({ fixtures => \@fixture }));
    my $pid = fork() // die "cannot fork: $!";
    if ($pid == 0)
    {
        open STDOUT, '>', "$PostgreSQL::Test::Utils::log_path/aimock-$port.log";
        open STDERR, '>&', \*STDOUT;
        exec 'node', $program, '-p', $port, '-f', $file, '--log-level', 'warn', '--journal-max', 0
            or die "cannot start node: $!";
    }
    push @pid, $pid;
    for (1 .. 300)
    {
        return "http://127.0.0.1:$port" if $http->get("http://127.0.0.1:$port/__aimock/health")->{success};
        select undef, undef, undef, 0.1;
    }
    die 'aimock does not start';
}

END
{
    my $status = $?;
    kill 'TERM', $_ foreach @pid;
    waitpid $_, 0 foreach @pid;
    $? = $status;
}

# How often it was asked.
sub asked
{
    my ($url) = @_;
    my $journal = decode_json($http->get("$url/__aimock/journal")->{content});

    return scalar @$journal;
}

sub chaos
{
    my ($url, $rates) = @_;
    my $answer = $rates ? $http->post("$url/__aimock/chaos", { content => encode_json($rates) }) : $http->delete("$url/__aimock/chaos");

    $answer->{success} or die "aimock does not take $answer->{content}";
    return;
}

my %path = (anthropic => '', openai => '/v1');
my $worker = worker_pid($node);
my $number = 0;
foreach my $api (qw(anthropic openai))
{
    # Clean.
    my $url = start_aimock();
    foreach my $stream (qw(true false))
    {
        my $name = 'ai' . ++$number;
        my $before = asked($url);

        set_provider($node, $name, $url . $path{$api}, api => $api, dialect => "{\"stream\": $stream}", key => 'sk-aimock');
        my $session = run_of($node, '01_inbound_question_fr', "$name\@ai.example");
        is(wait_for_end($node, $session), 'judged', "$api, stream $stream: a run is judged");
        is(asked($url) - $before, 10, "$api, stream $stream: after ten calls");
        is($node->safe_psql('postgres', "SELECT count(*) FROM kam.agent_call WHERE session_id = '$session' AND status = 'succeeded' AND provider_request_id LIKE 'req-%'"), '10',
            "$api, stream $stream: which are recorded");
    }

    # Requests that it drops, garbles, refuses or hangs up on, until it is told to stop.
    foreach my $chaos ([ 'dropRate', 'server_error' ], [ 'malformedRate', 'unreadable' ], [ 'disconnectRate', 'cut' ])
    {
        my ($rate, $class) = @$chaos;
        my $name = 'ai' . ++$number;

        set_provider($node, $name, $url . $path{$api}, api => $api, key => 'sk-aimock');
        chaos($url, { $rate => 1 });
        my $session = run_of($node, '01_inbound_question_fr', "$name\@ai.example");
        wait_until($node, "SELECT count(*) >= 1 FROM kam.agent_call WHERE session_id = '$session' AND status = 'failed'", "$api, $rate: calls fail");
        chaos($url);
        is(wait_for_end($node, $session), 'judged', "$api, $rate: the run is judged all the same");
        is($node->safe_psql('postgres', "SELECT DISTINCT error_class FROM kam.agent_call WHERE session_id = '$session' AND status = 'failed'"), $class,
            "$api, $rate: what failed is told by its kind");
        is($node->safe_psql('postgres', "SELECT count(DISTINCT agent) FROM kam.agent_call WHERE session_id = '$session' AND status = 'succeeded'"), '10', "$api, $rate: ten agents have answered");
    }

    # Streams that break off in the middle, the first time each.
    foreach my $break ([ 'truncateAfterChunks', { content_generator => { truncateAfterChunks => 4, latency => 20 } } ],
        [ 'disconnectAfterMs', { synthesis_orchestrator => { disconnectAfterMs => 50, latency => 20 } } ])
    {
        my ($what, $first) = @$break;
        my ($agent) = keys %$first;
        my $name = 'ai' . ++$number;

        set_provider($node, $name, start_aimock($first) . $path{$api}, api => $api, dialect => '{"stream": true}', key => 'sk-aimock');
        my $session = run_of($node, '01_inbound_question_fr', "$name\@ai.example");
        is(wait_for_end($node, $session), 'judged', "$api, $what: a run is judged");
        is($node->safe_psql('postgres', "SELECT string_agg(status, ' ' ORDER BY call_no) FROM kam.agent_call WHERE session_id = '$session' AND agent = '$agent'"), 'failed succeeded',
            "$api, $what: half an answer is none, the next is taken");
    }

    # It closes connections that were idle for five seconds: the next run finds that out without a failure.
    my $name = 'ai' . ++$number;
    set_provider($node, $name, $url . $path{$api}, api => $api, key => 'sk-aimock');
    is(wait_for_end($node, run_of($node, '01_inbound_question_fr', "$name-a\@ai.example")), 'judged', "$api: a run");
    my ($port) = $url =~ /:(\d+)$/;
    my $hex = sprintf ':%04X', $port;
    for (1 .. 300)
    {
        last if !grep { my @field = split; ($field[2] // '') =~ /$hex$/ && ($field[3] // '') eq '01' } split /\n/, slurp_file('/proc/net/tcp');
        select undef, undef, undef, 0.1;
    }
    my $session = run_of($node, '01_inbound_question_fr', "$name-b\@ai.example");
    is(wait_for_end($node, $session), 'judged', "$api: and another once its connections were closed");
    is($node->safe_psql('postgres', "SELECT count(*) FROM kam.agent_call WHERE session_id = '$session'"), '10', "$api: in ten calls");
}
is(worker_pid($node), $worker, 'it is the same worker');
$node->stop;
done_testing();
