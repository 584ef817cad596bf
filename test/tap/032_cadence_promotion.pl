# A physical standby answers kam_gate and kam_why; promoted, it knows each lead as the primary did, judges alike and releases what waits.
use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use KamTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $primary = PostgreSQL::Test::Cluster->new('primary');
$primary->init(allows_streaming => 1, extra => [ '-E', 'UTF8', '--locale=C.UTF-8' ]);
$primary->append_conf('postgresql.conf', <<'CONF');
shared_preload_libraries = 'kam'
kam.databases = 'postgres'
kam.poll_interval = '10min'
kam.schedules = off
kam.clock = '2026-03-09 09:40+01'
timezone = 'Europe/Paris'
CONF
$primary->start;
$primary->safe_psql('postgres', 'CREATE EXTENSION kam');
$primary->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'base', has_streaming => 1);
$standby->start;

cadence_week($primary);
my $everything = "SELECT md5(string_agg(t, '|' ORDER BY t)) FROM (SELECT e::text FROM kam.CadenceEventLog e UNION ALL SELECT s::text FROM kam.prospect_state s"
    . " UNION ALL SELECT c::text FROM kam.Cadence c UNION ALL SELECT q::text FROM kam.CadenceQueue q UNION ALL SELECT l::text FROM kam.Leads l) x (t)";
my $look = "SELECT l.lead_id, to_jsonb(g), kam.kam_why(l.lead_id) FROM kam.Leads l, kam.kam_gate(l.lead_id, 'outbound', 'touch') g ORDER BY 1";
my $ask = "INSERT INTO kam.CadenceEventLog (lead_id, sequence_type, event_type, sequence_id, channel)"
    . " SELECT c.lead_id, c.sequence_type, 'touch', c.sequence_id, 'email' FROM kam.Cadence c, generate_series(1, 4) n WHERE c.state = 'active'"
    . " ORDER BY c.lead_id, c.sequence_id, n RETURNING lead_id, event_type, touch_cap_at_event, touch_no, touch_earliest, release_at, event_at";
my $committed = $primary->safe_psql('postgres', $everything);
my $seen = $primary->safe_psql('postgres', $look);
my $expected = $primary->safe_psql('postgres', "BEGIN; $ask; ROLLBACK");
$primary->wait_for_catchup($standby);

is($standby->safe_psql('postgres', $look), $seen, 'the standby tells what the primary tells');
my $sums = 'SELECT i FROM kam.cadence_intelligence i ORDER BY i::text COLLATE "C"';
my $counted = $standby->safe_psql('postgres', $sums);
like($counted, qr/outbound/, 'it counts');
is($counted, $primary->safe_psql('postgres', $sums), 'what the primary counts');
my ($ret, $out, $err) = $standby->psql('postgres', $ask);
like($err, qr/read-only transaction/, 'but judges nothing');

# The primary dies with touches that were not committed; their WAL has arrived.
my $open = $primary->background_psql('postgres');
$open->query_safe("BEGIN; $ask");
$primary->safe_psql('postgres', 'CREATE TABLE public.mark AS SELECT 1');
$primary->wait_for_catchup($standby);
$primary->stop('immediate');
eval { $open->quit; };
$standby->promote;
is($standby->safe_psql('postgres', $everything), $committed, 'promoted, it has what was committed, and nothing else');
is(cadence_troubles($standby), '', 'it is sound');
is($standby->safe_psql('postgres', $ask), $expected, 'its verdicts are those that the primary would have given');

my $held = $standby->safe_psql('postgres', "SELECT count(*) FROM kam.CadenceQueue WHERE state = 'waiting' AND kind = 'held'");
cmp_ok($held, '>', 3, 'touches wait');
reload($standby, 'kam.schedules = on', "kam.clock = '2026-03-16 12:00+01'");
wait_until($standby, "SELECT count(*) = 0 FROM kam.CadenceQueue WHERE state = 'waiting' AND kind = 'held' AND release_at <= '2026-03-16 12:00+01'",
    'its worker releases what is due, as if nothing had happened');
is(cadence_troubles($standby), '', 'it is sound');

$standby->stop;
done_testing();
