# kill -9 of the worker, or the end of the whole server, at random moments with 50 runs going: all finish, and no call whose answer was recorded is made again.
# KAM_LONG=1: 100 times; KAM_SEED repeats the moments.
use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use KamTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $runs = 50;
my $rounds = slow_mode(5, 100);
my $seed = $ENV{KAM_SEED} // int(rand(1 << 30));
srand($seed);
note("KAM_SEED=$seed");

my $log = PostgreSQL::Test::Utils::tempdir() . '/asked';
# The worker writes durably where the server's other sessions do not.
my $node = kam_node('killed', conf => "synchronous_commit = off\nkam.max_attempts = 10\n");
my $mock = start_mock(latency_ms => 200, log => $log);
my %killed = (worker => 0, server => 0);

# Waits until the mock was asked so many times in this round, or all runs have ended.
sub wait_for_moment
{
    my ($asked, $base) = @_;

    for (1 .. 20 * $PostgreSQL::Test::Utils::timeout_default)
    {
        return if mock_stats($mock)->{requests} - $base >= $asked;
        select undef, undef, undef, 0.005;
    }
    die "the mock was not asked $asked times";
}

sub kill_worker
{
    my $victim = worker_pid($node);

    $victim =~ /^\d+$/ or return;
    kill 'KILL', $victim;
    wait_for_restart($node, $victim) or die 'the server does not come back';
    $killed{worker}++;
    return;
}

sub kill_server
{
    $node->stop('immediate');
    $node->start;
    $killed{server}++;
    return;
}

foreach my $round (1 .. $rounds)
{
    my $name = "round$round-";
    my $of_round = "r.contact #>> '{contact_info,email}' LIKE '$name%'";

    set_provider($node, "api$round", $mock->{url}, api => $round % 3 ? 'anthropic' : 'openai');
    my $base = mock_stats($mock)->{requests};
    kam_runs($node, '01_inbound_question_fr', $runs, $name);
    # At some moment of the work, and, every third time, again in the middle of taking it up.
    foreach my $time (1 .. ($round % 3 == 0 ? 2 : 1))
    {
        wait_for_moment($time == 1 ? int(rand($runs * 9)) : 1, $time == 1 ? $base : mock_stats($mock)->{requests} - 1);
        select undef, undef, undef, rand(0.25);
        ($round + $time) % 2 ? kill_server() : kill_worker();
    }
    wait_until($node, "SELECT count(*) = $runs FROM kam.request r WHERE $of_round AND r.status = 'judged'", "round $round: all $runs runs end in a decision") or last;
}
note("killed: worker $killed{worker} times, server $killed{server} times");
cmp_ok($killed{worker}, '>', 0, 'the worker was killed');
cmp_ok($killed{server}, '>', 0, 'the server was stopped');

is($node->safe_psql('postgres', "SELECT count(*) FROM (SELECT session_id, agent FROM kam.agent_call WHERE status = 'succeeded' GROUP BY 1, 2 HAVING count(*) > 1) x"), '0',
    'no answer is recorded twice');
is($node->safe_psql('postgres', "SELECT count(*), count(DISTINCT session_id) FROM kam.agent_call WHERE status = 'succeeded' AND provider LIKE 'api%'"),
    $runs * $rounds * 10 . '|' . $runs * $rounds, 'each run has its ten');
is($node->safe_psql('postgres', "SELECT count(*) FROM kam.agent_call WHERE status = 'sending'"), '0', 'no call is left open');
is($node->safe_psql('postgres', "SELECT count(*) FROM (SELECT session_id FROM kam.notification GROUP BY session_id, recipient HAVING count(*) > 1) x"), '0', 'nobody is told twice');

# What the mock was asked, against the rows: (contact, agent) => when it was recorded, and how many attempts there are.
my (%recorded, %rows, %in_doubt);
foreach my $row (split /\n/, $node->safe_psql('postgres', <<'SQL'))
SELECT r.contact #>> '{contact_info,email}', c.agent, (max(extract(epoch FROM c.finished_at)) FILTER (WHERE c.status = 'succeeded') * 1000000)::bigint, count(*),
       count(*) FILTER (WHERE c.status = 'in_doubt')
  FROM kam.agent_call c JOIN kam.request r USING (session_id) GROUP BY 1, 2
SQL
{
    my ($email, $agent, $at, $count, $doubt) = split /\|/, $row;

    ($recorded{"$email $agent"}, $rows{"$email $agent"}, $in_doubt{"$email $agent"}) = ($at, $count, $doubt);
}
my (%asked, @again, @unrecorded);
foreach my $line (split /\n/, slurp_file($log))
{
    my ($at, $email, $agent) = split / /, $line;

    $asked{"$email $agent"}++;
    push @again, $line if defined $recorded{"$email $agent"} && $at > $recorded{"$email $agent"};
    push @unrecorded, $line if $asked{"$email $agent"} > ($rows{"$email $agent"} // 0);
}
is("@again[0 .. ($#again < 4 ? $#again : 4)]", '', 'no call is made again after its answer was recorded');
is("@unrecorded[0 .. ($#unrecorded < 4 ? $#unrecorded : 4)]", '', 'no call goes out without a row');
my @more = grep { $asked{$_} > 1 + $in_doubt{$_} } keys %asked;
is("@more[0 .. ($#more < 4 ? $#more : 4)]", '', 'each call beyond the first stands for one whose answer a crash has lost');
my ($sum, $doubts) = (0, 0);
$sum += $_ foreach values %asked;
$doubts += $_ foreach values %in_doubt;
note("$sum calls asked, @{[$runs * $rounds * 10]} recorded, $doubts in doubt");

$node->stop;
done_testing();
