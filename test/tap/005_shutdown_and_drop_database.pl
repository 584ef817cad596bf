# The worker never holds up the server: fast shutdown in under two seconds even in the middle of a write, DROP DATABASE after a reload.
use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use KamTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);

# Process ids of this server's launcher; it has no database and therefore no row in pg_stat_activity.
sub launchers
{
    my ($postmaster) = split /\n/, slurp_file($main::node->data_dir . '/postmaster.pid');
    my @found;

    foreach my $stat (glob '/proc/[0-9]*/stat')
    {
        my $line = eval { slurp_file($stat) } // next;
        next unless $line =~ /^(\d+) \(.*\) \S (\d+) / && $2 == $postmaster;
        my $pid = $1;
        push @found, $pid if (eval { slurp_file("/proc/$pid/cmdline") } // '') =~ /kam launcher/;
    }
    return @found;
}

our $node = kam_node('shutdown', databases => 'postgres,second', extension => 1);

# A listed database that does not exist yet: said in the status, tried again with longer and longer pauses.
wait_until($node, "SELECT count(*) = 1 FROM kam.kam_worker_status() WHERE database = 'second' AND state = 'waiting' AND last_error LIKE '%does not exist%' AND next_start IS NOT NULL",
    'the status says that a listed database does not exist');

$node->safe_psql('postgres', 'CREATE DATABASE second');
wait_until($node, "SELECT count(*) = 1 FROM kam.kam_worker_status() WHERE database = 'second' AND state = 'no extension' AND reason LIKE '%CREATE EXTENSION%'",
    'once it is there its worker says that kam is not installed');
$node->safe_psql('second', 'CREATE EXTENSION kam');
my $session = kam_run($node, '01_inbound_question_fr', undef, 'second');
wait_until($node, "SELECT status = 'judged' FROM kam.request WHERE session_id = '$session'", 'CREATE EXTENSION wakes it', 'second');

# DROP EXTENSION under a running worker, and back.
$node->safe_psql('second', 'DROP EXTENSION kam');
$node->safe_psql('second', 'CREATE EXTENSION kam');
$session = kam_run($node, '01_inbound_question_fr', undef, 'second');
wait_until($node, "SELECT status = 'judged' FROM kam.request WHERE session_id = '$session'", 'it works in the next installation', 'second');

reload($node, "kam.databases = 'postgres'");
wait_until($node, "SELECT count(*) = 0 FROM pg_stat_activity WHERE datname = 'second'", 'a database taken off the list loses its worker');
$node->safe_psql('postgres', 'DROP DATABASE second');
is($node->safe_psql('postgres', "SELECT count(*) FROM kam.kam_worker_status() WHERE database = 'second'"), '0', 'and can be dropped');

# The launcher is not needed for the worker to go on; a new one takes over.
my $worker = $node->safe_psql('postgres', 'SELECT pid FROM kam.kam_worker_status()');
my ($launcher) = launchers();
kill 'TERM', $launcher;
my $again = 0;
for (1 .. 600)
{
    last if $again = scalar grep { $_ != $launcher } launchers();
    usleep(100_000);
}
ok($again, 'a launcher that is terminated comes back');
is($node->safe_psql('postgres', "SELECT string_agg(pid::text, ' ') FROM kam.kam_worker_status()"), $worker, 'and keeps the worker it finds');
$node->safe_psql('postgres', "SELECT pg_terminate_backend($worker)");
wait_until($node, "SELECT count(*) = 1 FROM kam.kam_worker_status() WHERE pid <> $worker AND state = 'idle' AND restarts = 1", 'a worker that is terminated comes back');

# Other databases come and go while the worker runs.
my $began = time;
$node->safe_psql('postgres', 'CREATE DATABASE third');
$node->safe_psql('postgres', 'DROP DATABASE third');
cmp_ok(time - $began, '<', 4, 'DROP DATABASE of another database does not wait for the worker');

# Fast shutdown with the worker idle, and held in the middle of a write.
$began = time;
$node->stop('fast');
cmp_ok(time - $began, '<', 2, 'fast shutdown with an idle worker');
$node->start;

hold_calls($node, 'agent_call', 'NEW.call_no = 5');
my $holder = $node->background_psql('postgres');
$holder->query_safe('SELECT pg_advisory_lock(42)');
$session = kam_run($node, '01_inbound_question_fr');
ok(blocked_worker($node), 'the worker is in the middle of a write');
$began = time;
$node->stop('fast');
cmp_ok(time - $began, '<', 2, 'fast shutdown then as well');
eval { $holder->quit; };
$node->start;
wait_until($node, "SELECT status = 'judged' FROM kam.request WHERE session_id = '$session'", 'the run ends after the restart');
is($node->safe_psql('postgres', "SELECT count(*), max(call_no) FROM kam.agent_call WHERE session_id = '$session'"), '10|10', 'without a call made twice');

# In the middle of reading a contact that takes seconds to read.
$node->safe_psql('postgres', <<'SQL');
DROP TRIGGER hold ON kam.agent_call;
INSERT INTO kam.request (session_id, contact)
SELECT '00000000-0000-4000-8000-000000000100', jsonb_build_object('contact_info', jsonb_build_object('email', 'a@b.example'), 'activities',
	(SELECT jsonb_agg(jsonb_build_object('activity_type', 'email', 'direction', CASE WHEN n % 3 = 0 THEN 'inbound' ELSE 'outbound' END, 'recorded_on', '2024-01-01T00:00:00Z'::timestamptz + n * interval '5 min',
		'metadata', jsonb_build_object('subject', 'Sujet ' || n, 'body', 'Bonjour, avez-vous pu regarder la fiche ? Je reste disponible la semaine prochaine. ' || n)))
	 FROM generate_series(1, 100000) n));
SQL
ok($node->poll_query_until('postgres', "SELECT status = 'wave1' FROM kam.request WHERE session_id = '00000000-0000-4000-8000-000000000100'"), 'a contact of 100,000 activities is being read');
$began = time;
$node->stop('fast');
cmp_ok(time - $began, '<', 2, 'fast shutdown does not wait for it');
$node->start;
$node->safe_psql('postgres', "SELECT kam.kam_cancel('00000000-0000-4000-8000-000000000100')");
$began = time;
my ($ret, $out, $err) = $node->psql('postgres', "SET statement_timeout = '100ms'; SELECT length(kam.kam_decide(contact)::text) FROM kam.request WHERE session_id = '00000000-0000-4000-8000-000000000100'");
like($err, qr/canceling statement due to statement timeout/, 'a query that reads it can be cancelled');
cmp_ok(time - $began, '<', 3, 'at once');

$node->stop;
done_testing();
