# Calls in flight hold up nothing: a fast shutdown, DROP DATABASE, a reload and kam_cancel take effect at once, and what was asked before is known afterwards.
use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use KamTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

my $node = kam_node('inflight', databases => 'postgres,second');
my $mock = start_mock();
# Nobody is answered until the gate opens.
set_provider($node, 'gated', "$mock->{url}/fault/gate");

# Fast shutdown with 40 calls in flight.
kam_runs($node, '01_inbound_question_fr', 10, 'stop');
ok(wait_for_stats($mock, sub { $_->{gated} == 40 }), '40 calls are in flight');
my $began = time;
$node->stop('fast');
my $took = time - $began;
note(sprintf 'fast shutdown: %.2f s', $took);
cmp_ok($took, '<', 2, 'fast shutdown does not wait for them');
ok(wait_for_stats($mock, sub { $_->{in_flight} == 0 }), 'their connections are closed');
$node->start;
ok(wait_for_stats($mock, sub { $_->{gated} == 40 }), 'after the start they are asked again');
is($node->safe_psql('postgres', "SELECT status, count(*) FROM kam.agent_call GROUP BY 1 ORDER BY 1"), "in_doubt|40\nsending|40", 'and what was asked before stands as in doubt');

# kam_cancel of one: its calls are broken off, the others' are not.
my $session = $node->safe_psql('postgres', "SELECT min(session_id::text) FROM kam.request");
is($node->safe_psql('postgres', "SELECT kam.kam_cancel('$session')"), 't', 'a run with calls in flight can be cancelled');
$began = time;
ok(wait_for_stats($mock, sub { $_->{in_flight} == 36 && $_->{gated} == 36 }), 'its four calls are broken off');
cmp_ok(time - $began, '<', 5, 'at once');
wait_until($node, "SELECT count(*) = 0 FROM kam.agent_call WHERE session_id = '$session' AND status = 'sending'", 'and none of them is open');
is($node->safe_psql('postgres', "SELECT status FROM kam.request WHERE session_id = '$session'"), 'cancelled', 'the run is cancelled');

# The same right after the worker was woken for something else.
my $fresh = run_of($node, '01_inbound_question_fr', 'fresh@load.example');
ok(wait_for_stats($mock, sub { $_->{gated} == 40 }), 'a run asks its four');
$began = time;
is($node->safe_psql('postgres', "SELECT kam.kam_cancel('$fresh')"), 't', 'and is cancelled at once');
ok(wait_for_stats($mock, sub { $_->{in_flight} == 36 }), 'they are broken off');
cmp_ok(time - $began, '<', 5, 'at once');

# A reload with calls in flight keeps them.
my $worker = worker_pid($node);
reload($node, "kam.max_in_flight = 100", "kam.poll_interval = '9min'");
is($node->safe_psql('postgres', 'SHOW kam.max_in_flight'), '100', 'a reload with calls in flight');
kam_runs($node, '01_inbound_question_fr', 1, 'after-reload');
ok(wait_for_stats($mock, sub { $_->{gated} == 40 && $_->{contacts}{'after-reload1@load.example'} }), 'keeps them, and the worker goes on to ask');
is(worker_pid($node), $worker, 'it is the same worker');

# No more than kam.max_in_flight.
reload($node, 'kam.max_in_flight = 44');
kam_runs($node, '01_inbound_question_fr', 10, 'more');
ok(wait_for_stats($mock, sub { $_->{gated} == 44 }), 'up to kam.max_in_flight');
mock_ctl($mock, 'open');
wait_until($node, "SELECT count(*) = 20 FROM kam.request WHERE status = 'judged'", 'once they are answered all runs end');
cmp_ok(mock_stats($mock)->{most_in_flight}, '<=', 44, 'there never were more in flight');

# DROP DATABASE of one that has calls in flight.
mock_ctl($mock, 'reset');
$node->safe_psql('postgres', 'CREATE DATABASE second');
$node->safe_psql('second', 'CREATE EXTENSION kam');
set_provider($node, 'gated', "$mock->{url}/fault/gate", database => 'second');
kam_run($node, '01_inbound_question_fr', undef, 'second');
ok(wait_for_stats($mock, sub { $_->{gated} == 4 }), 'calls are in flight for another database');
reload($node, "kam.databases = 'postgres'");
wait_until($node, "SELECT count(*) = 0 FROM pg_stat_activity WHERE datname = 'second'", 'a database taken off the list loses its worker at once');
$node->safe_psql('postgres', 'DROP DATABASE second');
ok(wait_for_stats($mock, sub { $_->{in_flight} == 0 }), 'and can be dropped, calls in flight or not');

# pg_terminate_backend with calls in flight.
kam_runs($node, '01_inbound_question_fr', 1, 'terminated');
ok(wait_for_stats($mock, sub { $_->{gated} == 4 }), 'calls are in flight');
my $old = worker_pid($node);
$began = time;
$node->safe_psql('postgres', "SELECT pg_terminate_backend($old, 5000)");
cmp_ok(time - $began, '<', 2, 'a worker that is terminated goes at once');
mock_ctl($mock, 'open');
wait_until($node, "SELECT count(*) = 21 FROM kam.request WHERE status = 'judged'", 'its successor ends the run');

# Shutdown while nobody listens any more.
mock_ctl($mock, 'close');
kam_runs($node, '01_inbound_question_fr', 1, 'last');
ok(wait_for_stats($mock, sub { $_->{gated} == 4 }), 'calls are in flight');
stop_mock($mock);
$began = time;
$node->stop('fast');
cmp_ok(time - $began, '<', 2, 'fast shutdown while calls are tried again');
done_testing();
