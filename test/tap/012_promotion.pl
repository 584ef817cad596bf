# A standby runs no worker and says so; promoted, it goes on with the runs that the primary left.
use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use KamTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $primary = PostgreSQL::Test::Cluster->new('primary');
$primary->init(allows_streaming => 1);
$primary->append_conf('postgresql.conf', "shared_preload_libraries = 'kam'\nkam.databases = 'postgres'\nkam.poll_interval = '10min'\n");
$primary->start;
$primary->safe_psql('postgres', 'CREATE EXTENSION kam');
$primary->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'base', has_streaming => 1);
$standby->start;

# A run that the primary has begun, and is holding, when it dies.
hold_calls($primary, 'agent_call', 'NEW.call_no = 6');
my $holder = $primary->background_psql('postgres');
$holder->query_safe('SELECT pg_advisory_lock(42)');
my $session = kam_run($primary, '01_inbound_question_fr');
ok(blocked_worker($primary), 'the primary is in the middle of a run');
my $before = judged_calls($primary, $session);
$primary->wait_for_catchup($standby);

is($standby->safe_psql('postgres', "SELECT state, pid IS NULL FROM kam.kam_worker_status()"), 'not running|t', 'the standby has no worker');
like($standby->safe_psql('postgres', 'SELECT reason FROM kam.kam_worker_status()'), qr/standby/, 'and says why');
my ($ret, $out, $err) = $standby->psql('postgres', 'SELECT kam.kam_worker_start()');
like($err, qr/a standby runs no worker/, 'nor does it start one by hand');

$primary->stop('immediate');
eval { $holder->quit; };
$standby->promote;
wait_until($standby, "SELECT status = 'judged' FROM kam.request WHERE session_id = '$session'", 'promoted, it goes on with the run');
is($standby->safe_psql('postgres', "SELECT count(*), max(attempt) FROM kam.agent_call WHERE session_id = '$session'"), '10|1', 'with no call made twice');
is(judged_calls($standby, $session, 6), $before, 'the recorded calls are as they were');

$standby->stop;
done_testing();
