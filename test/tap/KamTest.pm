# What the TAP tests share: a server with kam, sample contacts, waiting for a condition.
package KamTest;

use strict;
use warnings;

use Cwd qw(abs_path);
use Exporter 'import';
use File::Basename qw(dirname);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

our @EXPORT = qw(kam_node contact kam_run wait_until judged_calls hold_calls blocked_worker wait_for_restart reload cadence_week cadence_troubles AS_OF);

use constant AS_OF => '2026-03-11T10:00:00+01:00';

my $root = abs_path(dirname(__FILE__) . '/../..');

# A started server.  Options: preload (1), databases ('postgres'), conf (more lines), extension (1).
# The poll is so slow that a test only ends in time when commits wake the worker.
sub kam_node
{
    my ($name, %option) = @_;
    my $preload = $option{preload} // 1;
    my $databases = $option{databases} // 'postgres';
    my $node = PostgreSQL::Test::Cluster->new($name);

    # PostgreSQL::Test drops LC_ALL; a bare locale would give SQL_ASCII, which kam refuses.
    $node->init(extra => [ '-E', 'UTF8', '--locale=C.UTF-8' ]);
    $node->append_conf('postgresql.conf', <<"CONF");
shared_preload_libraries = '@{[ $preload ? 'kam' : '' ]}'
max_worker_processes = 16
timezone = 'Europe/Paris'
restart_after_crash = on
autovacuum = off
CONF
    $node->append_conf('postgresql.conf', "kam.databases = '$databases'\nkam.poll_interval = '10min'\n")
        if $preload;
    $node->append_conf('postgresql.conf', $option{conf}) if $option{conf};
    $node->start;
    $node->safe_psql('postgres', 'CREATE EXTENSION kam') if $option{extension} // 1;
    return $node;
}

# A sample contact as an SQL literal.
sub contact
{
    my ($name) = @_;
    my $file = "$root/examples/contacts/$name.json";
    my $json = slurp_file($file);

    return "\$contact\$$json\$contact\$::jsonb";
}

# Asks for a run at the samples' moment; returns its session_id.
sub kam_run
{
    my ($node, $name, $options, $database) = @_;
    my $more = $options ? ", $options" : '';

    return $node->safe_psql($database // 'postgres',
        "SELECT kam.kam_run(" . contact($name) . ", '{\"as_of\": \"@{[AS_OF]}\"$more}') ->> 'session_id'");
}

sub wait_until
{
    my ($node, $query, $what, $database) = @_;
    my $done = $node->poll_query_until($database // 'postgres', $query);

    ok($done, $what);
    if (!$done)
    {
        diag($node->safe_psql($database // 'postgres', 'SELECT * FROM kam.kam_worker_status()'));
        diag($node->safe_psql($database // 'postgres',
            'SELECT session_id, status, attempts, lease_owner, next_attempt_at, error FROM kam.request ORDER BY created_at LIMIT 20'));
    }
    return $done;
}

# Calls of a session, one line each, with what changes when a row is written again.
sub judged_calls
{
    my ($node, $session, $below) = @_;
    my $filter = defined $below ? "AND call_no < $below" : '';

    return $node->safe_psql('postgres',
        "SELECT call_no, agent, iteration, attempt, status, xmin, started_at, finished_at, md5(output::text)"
            . " FROM kam.agent_call WHERE session_id = '$session' $filter ORDER BY call_no");
}

# From now on the worker stops before it writes a row that fulfils the condition, while somebody holds advisory lock 42.
sub hold_calls
{
    my ($node, $table, $condition) = @_;

    $node->safe_psql('postgres', <<"SQL");
CREATE OR REPLACE FUNCTION public.hold() RETURNS trigger LANGUAGE plpgsql AS
\$\$ BEGIN PERFORM pg_catalog.pg_advisory_xact_lock(42); RETURN NEW; END \$\$;
DROP TRIGGER IF EXISTS hold ON kam.agent_call;
DROP TRIGGER IF EXISTS hold ON kam.final_decision;
DROP TRIGGER IF EXISTS hold ON kam.decision_evaluation;
CREATE TRIGGER hold BEFORE INSERT ON kam.$table FOR EACH ROW WHEN ($condition) EXECUTE FUNCTION public.hold();
SQL
    return;
}

# The process id of the worker that waits for advisory lock 42.
sub blocked_worker
{
    my ($node) = @_;
    my $query = "FROM pg_locks l JOIN pg_stat_activity a USING (pid)"
        . " WHERE l.locktype = 'advisory' AND l.objid = 42 AND NOT l.granted AND a.backend_type = 'kam worker'";

    $node->poll_query_until('postgres', "SELECT count(*) > 0 $query") or return;
    return (split /\n/, $node->safe_psql('postgres', "SELECT pid $query"))[0];
}

# After a kill -9 the whole server restarts: waits until it answers again, and did restart.
sub wait_for_restart
{
    my ($node, $before) = @_;

    return $node->poll_query_until('postgres', "SELECT pg_postmaster_start_time() IS NOT NULL AND NOT EXISTS"
            . " (SELECT FROM pg_stat_activity WHERE pid = $before)");
}

# Changes settings for good and has every process read them.
sub reload
{
    my ($node, @setting) = @_;

    $node->safe_psql('postgres', "ALTER SYSTEM SET $_") for @setting;
    $node->reload;
    return;
}

# examples/cadence.sql in a database; returns what it prints.
sub cadence_week
{
    my ($node, $database) = @_;
    my ($out, $err) = ('', '');

    run_log([ 'psql', '-X', '-q', '-f', "$root/examples/cadence.sql", $node->connstr($database // 'postgres') ], '>', \$out, '2>', \$err)
        or diag($err);
    return $out;
}

# Where the Coordinator's tables contradict each other, one line each; nothing in a sound database.
sub cadence_troubles
{
    my ($node, $database) = @_;

    return $node->safe_psql($database // 'postgres', <<'SQL');
SET search_path = kam, pg_catalog;
-- What the gates know is what the tables say.
SELECT 'state of ' || s.lead_id || ': ' || s || ', derived ' || d
  FROM prospect_state s CROSS JOIN LATERAL _derive_state(s.lead_id) d
 WHERE NOT s.stale AND (to_jsonb(s) - 'last_at' IS DISTINCT FROM to_jsonb(d) - 'last_at' OR s.last_at < d.last_at)
UNION ALL
-- A lead that has a log has its queue: each request that was put off waits, or ended in a way that the log knows of.
SELECT 'event ' || e.event_id || ' (' || e.event_type || ') of ' || e.lead_id || ': ' || coalesce(q.state, 'not queued')
  FROM CadenceEventLog e LEFT JOIN CadenceQueue q USING (lead_id, event_id)
 WHERE e.event_type IN ('held', 'deferred')
   AND CASE q.state WHEN 'waiting' THEN false
            WHEN 'released' THEN NOT EXISTS (SELECT FROM CadenceEventLog r WHERE r.parent_event_id = e.event_id AND r.coordinator_action = 'executed')
            ELSE NOT coalesce(q.state IN ('cancelled', 'expired') AND EXISTS (
                SELECT FROM CadenceEventLog r WHERE r.parent_event_id = e.event_id AND (r.event_type = q.state OR r.coordinator_action = 'blocked')), false) END
UNION ALL
SELECT 'queued ' || q.event_id || ' of ' || q.lead_id || ': not in the log'
  FROM CadenceQueue q WHERE NOT EXISTS (SELECT FROM CadenceEventLog e WHERE e.lead_id = q.lead_id AND e.event_id = q.event_id)
UNION ALL
-- Leads' columns are a fold over the rest.
SELECT 'lead ' || l.lead_id || ': ' || l.cadence_state || ' ' || coalesce(l.active_sequence_id, '-') || ' ' || coalesce(l.last_touch_at::text, '-')
  FROM Leads l
 WHERE l.merged_into IS NULL
   AND (l.last_touch_at IS DISTINCT FROM (SELECT max(e.touch_at) FROM CadenceEventLog e WHERE e.lead_id = ANY (_lead_ids(l.lead_id)) AND e.counted)
        OR l.active_sequence_id IS DISTINCT FROM (SELECT c.sequence_id FROM Cadence c WHERE c.lead_id = l.lead_id AND c.state = 'active' AND c.family <> 'transactional'
                                                   ORDER BY c.family DESC LIMIT 1))
UNION ALL
-- Every touch has its news, and nothing else has.
SELECT 'notification ' || n.notification_id || ' of event ' || n.event_id || ' of ' || n.lead_id
  FROM notification n WHERE n.event_id IS NOT NULL AND NOT EXISTS (SELECT FROM CadenceEventLog e WHERE e.lead_id = n.lead_id AND e.event_id = n.event_id)
UNION ALL
SELECT 'touch ' || e.event_id || ' of ' || e.lead_id || ' told nobody'
  FROM CadenceEventLog e WHERE e.event_type = 'touch' AND NOT EXISTS (SELECT FROM notification n WHERE n.lead_id = e.lead_id AND n.event_id = e.event_id)
SQL
}

1;
