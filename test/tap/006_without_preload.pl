# Without preload everything but the worker works, the status says so, and a worker can be started by hand.
use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use KamTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = kam_node('plain', preload => 0);

is($node->safe_psql('postgres', 'SELECT database, state, pid IS NULL FROM kam.kam_worker_status()'), 'postgres|not running|t', 'no worker is running');
like($node->safe_psql('postgres', 'SELECT reason FROM kam.kam_worker_status()'), qr/shared_preload_libraries.*kam_worker_start/, 'the status says why and what to do');

my $session = kam_run($node, '01_inbound_question_fr');
is($node->safe_psql('postgres', "SELECT status FROM kam.request"), 'queued', 'kam_run queues');

my $pid = $node->safe_psql('postgres', 'SELECT kam.kam_worker_start()');
like($pid, qr/^\d+$/, 'kam_worker_start returns a process id');
wait_until($node, "SELECT status = 'judged' FROM kam.request WHERE session_id = '$session'", 'the worker started by hand decides what waited');
is($node->safe_psql('postgres', 'SELECT slot, pid, state FROM kam.kam_worker_status()'), "1|$pid|idle", 'the status shows it');
$session = kam_run($node, '17_opted_out_fr');
wait_until($node, "SELECT status = 'judged' FROM kam.request WHERE session_id = '$session'", 'it finds new runs without being woken');

is($node->safe_psql('postgres', 'SELECT count(*) FROM kam.kam_lanes()'), '0', 'what it learns of providers is nobody else\'s to see');

my ($ret, $out, $err) = $node->psql('postgres', 'SELECT kam.kam_worker_start()');
is($out, $pid, 'a second start answers with the worker there is');
like($err, qr/all 1 slots/, 'and says so');

is($node->safe_psql('postgres', 'SELECT kam.kam_worker_stop()'), '1', 'kam_worker_stop ends it');
wait_until($node, "SELECT state = 'not running' FROM kam.kam_worker_status()", 'none is left');
$node->stop;

# With preload, but the database not listed.
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'kam'\nkam.databases = 'other'\nkam.poll_interval = '10min'\n");
$node->start;
like($node->safe_psql('postgres', "SELECT reason FROM kam.kam_worker_status() WHERE database = 'postgres'"), qr/not in kam\.databases/, 'a database that is not listed is told so');
$node->safe_psql('postgres', 'SELECT kam.kam_worker_start()');
wait_until($node, "SELECT count(*) = 1 FROM kam.kam_worker_status() WHERE database = 'postgres' AND state = 'idle' AND slot = 1", 'a worker started by hand is in the status');
$session = kam_run($node, '01_inbound_question_fr');
wait_until($node, "SELECT status = 'judged' FROM kam.request WHERE session_id = '$session'", 'and is woken by commits');
$node->stop;
done_testing();
