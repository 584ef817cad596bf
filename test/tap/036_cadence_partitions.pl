# The log may be made in hash partitions by lead_id: the week has the same verdicts, the guards hold, a dump carries it over. The steps are those of
# docs/operations.md; they change the installed script, so they need an installation that this user may write to.
use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use KamTest;
use PostgreSQL::Test::Utils;
use Test::More;

my ($share) = run_command([ 'pg_config', '--sharedir' ]);
plan skip_all => "$share/extension is not writable" unless -w "$share/extension";

my $node = kam_node('partitions', extension => 0, conf => "kam.schedules = off\n");
my $script = slurp_file("$share/extension/kam--1.0.sql");
my $parts = '';
foreach my $n (0 .. 3)
{
    $parts .= "CREATE TABLE cadenceeventlog_$n PARTITION OF CadenceEventLog FOR VALUES WITH (MODULUS 4, REMAINDER $n);\n";
}
ok($script =~ s/^(CREATE TABLE CadenceEventLog \(.*?\n\));/$1 PARTITION BY HASH (lead_id);\n$parts/ms, 'the table is made partitioned');
foreach my $n (0 .. 3)
{
    # Statement triggers are the parent's alone, and a dump takes only tables that are named.
    $script .= "CREATE TRIGGER aaa_kam_log_guard_all BEFORE TRUNCATE ON kam.cadenceeventlog_$n FOR EACH STATEMENT EXECUTE FUNCTION kam._log_guard();\n"
        . "SELECT pg_catalog.pg_extension_config_dump('kam.cadenceeventlog_$n', '');\n";
}
append_to_file("$share/extension/kam--parts.sql", $script);
END { unlink "$share/extension/kam--parts.sql" if $share; }
$node->safe_psql('postgres', "CREATE EXTENSION kam VERSION 'parts'");

# A row cannot move to another partition, so who asks must name the lead that stands for a merged one.
my $week = slurp_file("$FindBin::Bin/../../examples/cadence.sql");
my ($ret, $out, $err) = $node->psql('postgres', $week);
like($err, qr/lead "w-thomas" was merged into "w-tom"/, 'a request for a merged lead is refused, and says for whom to ask');
$week =~ s/\('w-thomas', 'outbound', 'touch'/('w-tom', 'outbound', 'touch'/;
$node->safe_psql('postgres', $week);
is(cadence_troubles($node), '', 'the week went through');
is($node->safe_psql('postgres', 'SELECT count(DISTINCT tableoid) FROM kam.CadenceEventLog'), '4', 'over all partitions');
my $verdicts = "SELECT lead_id, event_type, coordinator_action, resolution, suppressed_reason, release_at, event_at FROM kam.CadenceEventLog ORDER BY event_id";

$node->safe_psql('postgres', 'CREATE DATABASE plain');
$node->safe_psql('plain', "CREATE EXTENSION kam VERSION '1.0'");
$node->safe_psql('plain', $week);
is($node->safe_psql('postgres', $verdicts), $node->safe_psql('plain', $verdicts), 'with the verdicts of one table');

# Whole statements, and rows of one lead within one.
is($node->safe_psql('postgres', "SET kam.clock = '2026-03-20 09:00+01'; INSERT INTO kam.CadenceEventLog (lead_id, sequence_type, event_type, sequence_id)"
            . " SELECT lead_id, 'outbound', 'touch', sequence_id FROM kam.Cadence, generate_series(1, 5) n WHERE sequence_id IN ('sofia-out', 'pierre-abm')"
            . " AND sequence_type = 'outbound' ORDER BY lead_id RETURNING coordinator_action"), "executed\nexecuted\nexecuted\nheld\nheld",
    'the cap holds within a statement');
foreach my $table ('cadenceeventlog', map { "cadenceeventlog_$_" } 0 .. 3)
{
    foreach my $change ("UPDATE kam.$table SET payload = NULL", "DELETE FROM kam.$table", "TRUNCATE kam.$table CASCADE")
    {
        ($ret, $out, $err) = $node->psql('postgres', $change);
        like($err, qr/append-only/, "$change is refused");
    }
}

my $dump = PostgreSQL::Test::Utils::tempdir() . '/parts.sql';
$node->command_ok([ 'pg_dump', '--no-sync', '--data-only', '-f', $dump, $node->connstr('postgres') ], 'pg_dump');
$node->safe_psql('postgres', 'CREATE DATABASE again');
$node->safe_psql('again', "CREATE EXTENSION kam VERSION 'parts'");
$node->command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-f', $dump, $node->connstr('again') ], 'restore');
my $rows = 'SELECT md5(string_agg(e::text, \'|\' ORDER BY lead_id, event_id)) FROM kam.CadenceEventLog e';
is($node->safe_psql('again', $rows), $node->safe_psql('postgres', $rows), 'the log is there as it was');
is(cadence_troubles($node, 'again'), '', 'sound');

# Retention finds its way over the partitions, and past their guards.
$node->safe_psql('again', "UPDATE kam.Cadence SET state = 'finished', end_reason = 'stopped', paused_reason = NULL, finished_at = now() WHERE state <> 'finished';"
        . "UPDATE kam.CadenceQueue SET state = 'cancelled', ended_at = now() WHERE state = 'waiting'");
wait_until($node, 'SELECT kam._fold_intelligence(1000) IS NOT NULL AND (SELECT upto >= kam._intelligence_drawn() FROM kam._intelligence_state)', 'the log is counted', 'again');
my $derived = 'SELECT md5(string_agg((to_jsonb(kam._derive_state(lead_id)) - \'holding\')::text, \'|\' ORDER BY lead_id)) FROM kam.Leads';
my ($states, $count) = map { $node->safe_psql('again', $_) } $derived, 'SELECT count(*) FROM kam.CadenceEventLog';
reload($node, "kam.retain_events = '30d'");
wait_until($node, "SELECT current_setting('kam.retain_events') = '30d'", 'a month is kept');
my $gone = $node->safe_psql('again', "SET kam.clock = '2027-03-20'; SELECT kam.kam_retain() ->> 'events'");
cmp_ok($gone, '>', 10, "$gone of $count rows go");
is($node->safe_psql('again', 'SELECT count(*) FROM kam.CadenceEventLog'), $count - $gone, 'and no others');
is($node->safe_psql('again', $derived), $states, 'the gates know what they knew');

$node->stop;
done_testing();
