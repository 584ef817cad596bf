# After kill -9 in the middle of a COPY, an INSERT ... SELECT or the worker's releases, log, states, queue and Leads agree: a touch is whole or was never made.
use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use IPC::Run;
use KamTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = kam_node('kill', conf => "kam.clock = '2026-03-02 09:00+01'\nkam.schedules = off\n");
my $leads = 400;

$node->safe_psql('postgres', <<"SQL");
INSERT INTO kam.Leads (lead_id, icp_tier) SELECT 'l-' || lpad(n::text, 4, '0'), 'T1' FROM generate_series(1, $leads) n;
INSERT INTO kam.CadenceEventLog (lead_id, sequence_type, event_type, sequence_id) SELECT lead_id, 'outbound', 'activation', 's' FROM kam.Leads ORDER BY lead_id;
INSERT INTO kam.CadenceEventLog (lead_id, sequence_type, event_type, sequence_id, step, channel)
SELECT lead_id, 'outbound', 'touch', 's', 0, 'email' FROM kam.Leads ORDER BY lead_id;
CREATE FUNCTION public.hold() RETURNS trigger LANGUAGE plpgsql AS \$\$ BEGIN PERFORM pg_catalog.pg_advisory_xact_lock(42); RETURN NEW; END \$\$;
SQL

my $rows = "SELECT md5(string_agg(t, '|' ORDER BY t)) FROM (SELECT e::text FROM kam.CadenceEventLog e UNION ALL SELECT s::text FROM kam.prospect_state s"
    . " UNION ALL SELECT c::text FROM kam.Cadence c UNION ALL SELECT q::text FROM kam.CadenceQueue q UNION ALL SELECT l::text FROM kam.Leads l"
    . " UNION ALL SELECT n::text FROM kam.notification n) x (t)";

# Has a statement stop where a trigger of the log fires for one row, kills its backend there, and waits until the server is back.
sub kill_at
{
    my ($when, $condition, $statement) = @_;
    my ($out, $err) = ('', '');

    # Before the gate's own trigger, or after it.
    my $name = $when eq 'BEFORE' ? 'aa_hold' : 'zzzz_hold';
    $node->safe_psql('postgres', "CREATE TRIGGER $name $when INSERT ON kam.CadenceEventLog FOR EACH ROW WHEN ($condition) EXECUTE FUNCTION public.hold()");
    my $holder = $node->background_psql('postgres');
    $holder->query_safe('SELECT pg_advisory_lock(42)');
    my $client = $statement ? IPC::Run::start([ 'psql', '-X', '-q', '-d', $node->connstr('postgres'), '-c', $statement ], '>', \$out, '2>', \$err) : undef;
    my $waiting = "FROM pg_locks WHERE locktype = 'advisory' AND objid = 42 AND NOT granted";
    $node->poll_query_until('postgres', "SELECT count(*) = 1 $waiting") or die 'nothing waits';
    my $pid = $node->safe_psql('postgres', "SELECT pid $waiting");
    kill 'KILL', $pid;
    $client->finish if $client;
    eval { $holder->quit; };
    wait_for_restart($node, $pid) or die 'the server does not come back';
    like($err, qr/terminat|closed/, 'the client is told') if $client;
    $node->safe_psql('postgres', "DROP TRIGGER $name ON kam.CadenceEventLog");
    return;
}

my $before = $node->safe_psql('postgres', $rows);
is(cadence_troubles($node), '', 'sound before');

# Four more touches for each: two go out, two are held.
my $file = PostgreSQL::Test::Utils::tempdir() . '/touches.csv';
$node->safe_psql('postgres', "COPY (SELECT lead_id, 'outbound', 'touch', 's', step, 'email' FROM kam.Leads, generate_series(1, 4) step ORDER BY 1, 5) TO '$file' (FORMAT csv)");
my $copy = "COPY kam.CadenceEventLog (lead_id, sequence_type, event_type, sequence_id, step, channel) FROM '$file' (FORMAT csv)";
kill_at('BEFORE', "NEW.lead_id = 'l-0300' AND NEW.step = 4", $copy);
is($node->safe_psql('postgres', $rows), $before, 'of a COPY that was killed among its rows nothing is left');
is(cadence_troubles($node), '', 'sound');

my $select = "INSERT INTO kam.CadenceEventLog (lead_id, sequence_type, event_type, sequence_id, step, channel)"
    . " SELECT lead_id, 'outbound', 'touch', 's', step, 'email' FROM kam.Leads, generate_series(1, 4) step ORDER BY lead_id, step";
kill_at('AFTER', "NEW.lead_id = 'l-0300' AND NEW.step = 3", $select);
is($node->safe_psql('postgres', $rows), $before, 'nor of an INSERT ... SELECT that was killed while Leads and queue were written');
is(cadence_troubles($node), '', 'sound');

# In one transaction with what came before it.
kill_at('AFTER', "NEW.lead_id = 'l-0002'", "BEGIN; INSERT INTO kam.CadenceEventLog (lead_id, event_type) VALUES ('l-0001', 'opt_out');"
        . " INSERT INTO kam.CadenceEventLog (lead_id, event_type) VALUES ('l-0002', 'reply'); COMMIT");
is($node->safe_psql('postgres', $rows), $before, 'nor of an opt-out that was not committed');

$node->safe_psql('postgres', $copy);
is($node->safe_psql('postgres', "SELECT string_agg(DISTINCT event_type || ' ' || n, ', ') FROM (SELECT event_type, count(*) AS n FROM kam.CadenceEventLog"
            . " WHERE requested_event_type = 'touch' GROUP BY lead_id, event_type) x"), 'held 2, touch 3', 'the same COPY goes through afterwards');
is(cadence_troubles($node), '', 'sound');

# A week later the worker releases them, and dies on the way.
reload($node, "kam.clock = '2026-03-09 12:00+01'", 'kam.schedules = off');
$node->safe_psql('postgres', "CREATE TRIGGER zzzz_early AFTER INSERT ON kam.CadenceEventLog FOR EACH ROW WHEN (NEW.lead_id = 'l-0200' AND NEW.parent_event_id IS NOT NULL) EXECUTE FUNCTION public.hold()");
my $holder = $node->background_psql('postgres');
$holder->query_safe('SELECT pg_advisory_lock(42)');
reload($node, 'kam.schedules = on');
my $waiting = "FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE l.locktype = 'advisory' AND l.objid = 42 AND NOT l.granted AND a.backend_type = 'kam worker'";
ok($node->poll_query_until('postgres', "SELECT count(*) = 1 $waiting"), 'the worker is in the middle of its releases');
my $pid = $node->safe_psql('postgres', "SELECT pid $waiting");
kill 'KILL', $pid;
eval { $holder->quit; };
ok(wait_for_restart($node, $pid), 'it is killed');
wait_until($node, "SELECT count(*) = 0 FROM kam.CadenceQueue WHERE state = 'waiting'", 'the next worker releases the rest');
is($node->safe_psql('postgres', "SELECT count(*), count(DISTINCT (lead_id, parent_event_id)) FROM kam.CadenceEventLog WHERE parent_event_id IS NOT NULL AND event_type = 'touch'"),
    2 * $leads . '|' . 2 * $leads, 'each held touch goes out once');
is($node->safe_psql('postgres', "SELECT count(*) FROM kam.notification WHERE topic = 'touch'"), 5 * $leads, 'with its news');
is(cadence_troubles($node), '', 'sound');

$node->stop;
done_testing();
