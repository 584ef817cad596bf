# While calls are in flight the worker has no transaction, no snapshot and no lock on a table; VACUUM removes what was deleted meanwhile, and anybody can see what it waits for.
use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use KamTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = kam_node('xmin');
my $mock = start_mock();

set_provider($node, 'gated', "$mock->{url}/fault/gate");
$node->safe_psql('postgres', 'CREATE TABLE crm (n int); INSERT INTO crm SELECT generate_series(1, 10000)');
kam_runs($node, '01_inbound_question_fr', 25, 'waits');
ok(wait_for_stats($mock, sub { $_->{gated} == 100 }), 'a hundred calls are in flight');
my $worker = worker_pid($node);

# Settled: what follows is not the end of the unit that sent them.
ok($node->poll_query_until('postgres', "SELECT state = 'idle' FROM pg_stat_activity WHERE pid = $worker"), 'the worker is idle in pg_stat_activity');
is($node->safe_psql('postgres', "SELECT backend_xid IS NULL, backend_xmin IS NULL, xact_start IS NULL FROM pg_stat_activity WHERE pid = $worker"), 't|t|t',
    'it has no transaction and no snapshot');
is($node->safe_psql('postgres', "SELECT count(*) FROM pg_locks WHERE pid = $worker AND locktype <> 'advisory'"), '0', 'and no lock but its slot\'s');
like($node->safe_psql('postgres', "SELECT backend_type || ' ' || wait_event_type || ' ' || wait_event FROM pg_stat_activity WHERE pid = $worker"), qr/^kam worker \w+ \w+$/,
    'what it waits for is shown');
note($node->safe_psql('postgres', "SELECT backend_type, state, wait_event_type, wait_event, application_name, query FROM pg_stat_activity WHERE pid = $worker"));
is($node->safe_psql('postgres', "SELECT coalesce(max(age(backend_xmin)), 0) FROM pg_stat_activity WHERE backend_type LIKE 'kam%'"), '0', 'the age of its xmin is none');

# What is deleted while the calls are in flight can be removed at once.
$node->safe_psql('postgres', 'DELETE FROM crm WHERE n > 100');
my ($ret, $out, $err) = $node->psql('postgres', 'VACUUM (VERBOSE, INDEX_CLEANUP off) crm');
like($err, qr/9900 removed|removed 9900|removed: 9900|tuples: 9900 removed/, 'VACUUM removes what was deleted while they are in flight');

# Seen again and again while the calls are answered one stage after the other: never an open transaction that waits for the network.
$node->safe_psql('postgres', "CREATE TABLE seen AS SELECT backend_xmin, state, wait_event, clock_timestamp() AS at, xact_start FROM pg_stat_activity WHERE false");
mock_ctl($mock, 'open');
for (1 .. 200)
{
    $node->safe_psql('postgres', "INSERT INTO seen SELECT backend_xmin, state, wait_event, clock_timestamp(), xact_start FROM pg_stat_activity WHERE pid = $worker");
    last if $node->safe_psql('postgres', "SELECT count(*) FROM kam.request WHERE status = 'judged'") == 25;
}
wait_until($node, "SELECT count(*) = 25 FROM kam.request WHERE status = 'judged'", 'all runs end');
is($node->safe_psql('postgres', "SELECT count(*) FROM seen WHERE state LIKE 'idle in transaction%'"), '0', 'it never was idle in a transaction');
is($node->safe_psql('postgres', "SELECT count(*) FROM seen WHERE xact_start < at - interval '2 s'"), '0', 'nor in a long one');
$node->stop;
done_testing();
