# What the TAP tests share: a server with kam, sample contacts, waiting for a condition, a mock of the model APIs.
package KamTest;

use strict;
use warnings;

use Cwd qw(abs_path);
use Exporter 'import';
use File::Basename qw(dirname);
use HTTP::Tiny;
use JSON::PP;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

our @EXPORT = qw(kam_node contact example kam_run wait_until judged_calls hold_calls blocked_worker wait_for_restart reload cadence_week cadence_troubles AS_OF
    start_mock mock_ctl mock_stats stop_mock set_provider write_key kam_runs run_of wait_for_stats wait_for_end worker_pid slow_mode);

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
    mkdir $node->basedir . '/keys', 0700 or die "cannot make the directory of keys: $!";
    $node->append_conf('postgresql.conf', "kam.databases = '$databases'\nkam.poll_interval = '10min'\nkam.key_directory = '@{[$node->basedir]}/keys'\n")
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

# poll_query_until, also while the server restarts: a psql that is refused may be gone before it was handed its query (EPIPE).
sub poll
{
    my ($node, $database, $query) = @_;

    for (1 .. 100)
    {
        my $done = eval { $node->poll_query_until($database, $query) };
        return $done if defined $done;
        die $@ if $@ !~ /pipe/i;
    }
    return 0;
}

sub wait_until
{
    my ($node, $query, $what, $database) = @_;
    my $done = poll($node, $database // 'postgres', $query);

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

    return poll($node, 'postgres', "SELECT pg_postmaster_start_time() IS NOT NULL AND NOT EXISTS"
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

# A script of examples/ in a database; returns what it prints.
sub example
{
    my ($node, $script, $database) = @_;
    my ($out, $err) = ('', '');

    run_log([ 'psql', '-X', '-q', '-f', "$root/examples/$script", $node->connstr($database // 'postgres') ], '>', \$out, '2>', \$err)
        or diag($err);
    return $out;
}

sub cadence_week
{
    my ($node, $database) = @_;

    return example($node, 'cadence.sql', $database);
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

# ---- models ----

my %mock;

# Starts test/mock; options: latency_ms (0), key (any will do), cache_min (no cache), log (a file), outputs (a file).  Ends with the test, by its process id.
sub start_mock
{
    my (%option) = @_;
    my $keys = PostgreSQL::Test::Utils::tempdir();
    my @command = ("$root/build/mock/mock", '--port', 0, '--with-parent', '--outputs', $option{outputs} // "$root/test/mock/agent-outputs.json", '--latency-ms', $option{latency_ms} // 0);

    build_mock();
    if (defined $option{key})
    {
        append_to_file("$keys/key", "$option{key}\n");
        push @command, '--key-file', "$keys/key";
    }
    push @command, '--log', $option{log} if $option{log};
    push @command, '--cache', $option{cache_min} if defined $option{cache_min};
    push @command, '--keep-last' if $option{keep_last};
    my $pid = open(my $out, '-|', @command) or die "cannot start the mock: $!";
    my $port = <$out>;
    defined $port or die 'the mock does not start';
    chomp $port;
    my $mock = { pid => $pid, out => $out, port => $port, url => "http://127.0.0.1:$port" };
    $mock{$pid} = $mock;
    return $mock;
}

sub build_mock
{
    # What is set for the make that runs the tests is not meant for this one.
    local %ENV = %ENV;
    delete @ENV{qw(MAKEFLAGS MAKELEVEL MFLAGS MAKEOVERRIDES)};
    system('make', '-s', '--no-print-directory', '-C', $root, 'mock') == 0 or die 'the mock cannot be built';
    return;
}

sub stop_mock
{
    my ($mock) = @_;

    delete $mock{ $mock->{pid} };
    kill 'TERM', $mock->{pid};
    close $mock->{out};
    return;
}

END
{
    my $status = $?;
    stop_mock($_) foreach values %mock;
    $? = $status;
}

# A request to the mock's control: reset, open, close, heal, break.
sub mock_ctl
{
    my ($mock, $what) = @_;
    my $answer = HTTP::Tiny->new(proxy => undef, http_proxy => undef, timeout => 30)->post("$mock->{url}/control/$what");

    $answer->{success} or die "the mock does not answer: $answer->{status} $answer->{content}";
    return $answer->{content};
}

# What the mock has counted; see test/mock/README.md.
sub mock_stats
{
    my ($mock) = @_;

    return decode_json(mock_ctl($mock, 'stats'));
}

# Waits until the mock's counts fulfil a condition; returns them, or nothing after the time of all waits.
sub wait_for_stats
{
    my ($mock, $condition) = @_;

    for (1 .. 10 * $PostgreSQL::Test::Utils::timeout_default)
    {
        my $stats = mock_stats($mock);
        local $_ = $stats;
        return $stats if $condition->($stats);
        select undef, undef, undef, 0.1;
    }
    return;
}

# A provider at an address, and all agents pointed at it.  Options: api (anthropic), model, fallback, in_doubt, dialect and capabilities (JSON), key, use (1).
sub set_provider
{
    my ($node, $name, $url, %option) = @_;
    my $api = $option{api} // 'anthropic';
    my $model = $option{model} // 'mock-model';
    my $use = ($option{use} // 1) ? "SELECT kam.kam_use_provider('$name');" : '';
    my $fallback = defined $option{fallback} ? "'$option{fallback}'" : 'NULL';

    write_key($node, $name, $option{key}) if defined $option{key};
    $node->safe_psql($option{database} // 'postgres', <<"SQL");
INSERT INTO kam.model (model, capabilities, input_usd_per_mtok, output_usd_per_mtok)
SELECT m, '@{[ $option{capabilities} // '{}' ]}', 3, 15 FROM unnest(ARRAY['$model', $fallback]) m WHERE m IS NOT NULL
ON CONFLICT (model, effective_from) DO UPDATE SET capabilities = EXCLUDED.capabilities;
INSERT INTO kam.provider (provider, api, base_url, dialect, in_doubt, default_model, fallback_model)
VALUES ('$name', '$api', '$url', '@{[ $option{dialect} // '{}' ]}', '@{[ $option{in_doubt} // 'retry' ]}', '$model', $fallback)
ON CONFLICT (provider) DO UPDATE SET api = EXCLUDED.api, base_url = EXCLUDED.base_url, dialect = EXCLUDED.dialect, in_doubt = EXCLUDED.in_doubt,
    default_model = EXCLUDED.default_model, fallback_model = EXCLUDED.fallback_model;
$use
SQL
    return;
}

# A provider's key where the worker looks for it.
sub write_key
{
    my ($node, $provider, $key, $mode) = @_;
    my $file = $node->basedir . "/keys/$provider";

    unlink $file;
    append_to_file($file, "$key\n");
    chmod $mode // 0600, $file;
    return;
}

# Asks for runs of a sample contact under as many e-mail addresses, "PREFIX1@load.example" and on.
sub kam_runs
{
    my ($node, $name, $count, $prefix) = @_;

    $prefix //= 'contact';
    $node->safe_psql('postgres', <<"SQL");
SELECT count(kam.kam_run(jsonb_set(@{[contact($name)]}, '{contact_info,email}', to_jsonb('$prefix' || n || '\@load.example')), '{"as_of": "@{[AS_OF]}"}'))
  FROM generate_series(1, $count) n
SQL
    return;
}

# Asks for a run of a sample contact under an e-mail address; returns its session_id.
sub run_of
{
    my ($node, $name, $email) = @_;

    return $node->safe_psql('postgres', <<"SQL");
SELECT kam.kam_run(jsonb_set(@{[contact($name)]}, '{contact_info,email}', '"$email"'), '{"as_of": "@{[AS_OF]}"}') ->> 'session_id'
SQL
}

# Waits until a run has ended; returns its status.
sub wait_for_end
{
    my ($node, $session, $what) = @_;

    wait_until($node, "SELECT finished_at IS NOT NULL FROM kam.request WHERE session_id = '$session'", $what // 'the run ends');
    return $node->safe_psql('postgres', "SELECT status FROM kam.request WHERE session_id = '$session'");
}

sub worker_pid
{
    my ($node) = @_;

    return $node->safe_psql('postgres', "SELECT string_agg(pid::text, ' ' ORDER BY pid) FROM kam.kam_worker_status() WHERE database = 'postgres'");
}

# KAM_LONG=1: rounds take the longer number.
sub slow_mode
{
    my ($short, $long) = @_;

    return $ENV{KAM_LONG} ? $long : $short;
}

1;
