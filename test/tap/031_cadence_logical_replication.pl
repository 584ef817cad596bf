# A logical subscriber keeps the publisher's verdicts: the gate does not fire there. When it takes over, kam_resume() makes its next verdicts right.
use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use KamTest;
use PostgreSQL::Test::Utils;
use Test::More;

my @tables = qw(Accounts Leads Reps Suppression Cadence CadenceEventLog CadenceQueue CadenceFlag lead_alias lead_merge notification);
my $conf = "kam.clock = '2026-03-02 08:00+01'\nkam.schedules = off\n";
my $publisher = kam_node('publisher', conf => "wal_level = logical\nmax_wal_senders = 8\nmax_replication_slots = 8\n$conf");
my $subscriber = kam_node('subscriber', conf => "wal_level = logical\nmax_wal_senders = 8\nmax_replication_slots = 8\n$conf");

sub rows_of
{
    my ($node) = @_;

    return join("\n", map { $node->safe_psql('postgres', "COPY (SELECT '$_', t.* FROM kam.$_ t ORDER BY t::text COLLATE \"C\") TO STDOUT") } @tables);
}

sub catch_up
{
    my ($from, $name) = @_;

    $from->poll_query_until('postgres',
        "SELECT pg_current_wal_lsn() <= replay_lsn AND state = 'streaming' FROM pg_stat_replication WHERE application_name = '$name'")
        or die 'the subscriber does not catch up';
    return;
}

# Some rows by the first copy of the tables, the rest row by row.
$publisher->safe_psql('postgres', <<'SQL');
INSERT INTO kam.Accounts (account_id, icp_tier) VALUES ('a', 'T2');
INSERT INTO kam.Leads (lead_id, account_id, email) VALUES ('early', 'a', 'early@acme.example');
INSERT INTO kam.CadenceEventLog (lead_id, sequence_type, event_type, sequence_id, channel)
VALUES ('early', 'outbound', 'activation', 's', NULL), ('early', 'outbound', 'touch', 's', 'email'), ('early', 'outbound', 'touch', 's', 'email');
SQL
$publisher->safe_psql('postgres', 'CREATE PUBLICATION kam FOR TABLE ' . join(', ', map { "kam.$_" } @tables));
my $connstr = $publisher->connstr . ' dbname=postgres';
$subscriber->safe_psql('postgres', "CREATE SUBSCRIPTION kam CONNECTION '$connstr' PUBLICATION kam");
$subscriber->poll_query_until('postgres', "SELECT count(*) = 0 FROM pg_subscription_rel WHERE srsubstate <> 'r'") or die 'no first copy';
cadence_week($publisher);
$publisher->safe_psql('postgres', "SET kam.clock = '2026-03-09 11:00+01'; INSERT INTO kam.CadenceEventLog (lead_id, event_type, parent_event_id)"
        . " SELECT lead_id, 'send_failed', event_id FROM kam.CadenceEventLog WHERE lead_id = 'early' AND event_type = 'touch' ORDER BY event_id LIMIT 1");
catch_up($publisher, 'kam');

is(rows_of($subscriber), rows_of($publisher), 'all rows are on the subscriber as they are on the publisher');
is($subscriber->safe_psql('postgres', 'SELECT count(*) FROM kam.prospect_state'), '0', 'no gate fired there');
is($subscriber->safe_psql('postgres', "SELECT count(*) FROM kam.CadenceEventLog WHERE event_type = 'touch' AND NOT counted AND lead_id = 'early'"), '1',
    'a failed send gave its slot back there too');
is($subscriber->safe_psql('postgres', "SELECT (kam.kam_tick('2026-03-20 09:00+01') ->> 'released')::int"), '0', 'and what waits is the publisher\'s to release');
is(cadence_troubles($subscriber), '', 'the subscriber is sound');
my $look = "SET kam.clock = '2026-03-09 12:00+01'; SELECT l.lead_id, v.*, to_jsonb(g) FROM kam.Leads l, (VALUES ('outbound', 'touch'), ('nurture', 'activation')) v (t, e),"
    . " LATERAL kam.kam_gate(l.lead_id, v.t, v.e) g ORDER BY 1, 2";
is($subscriber->safe_psql('postgres', $look), $publisher->safe_psql('postgres', $look), 'kam_gate says on both what it says on one');

# ---- it takes over

my $ask = "SET kam.clock = '2026-03-09 12:00+01'; INSERT INTO kam.CadenceEventLog (lead_id, sequence_type, event_type, sequence_id, channel)"
    . " SELECT c.lead_id, c.sequence_type, 'touch', c.sequence_id, 'email' FROM kam.Cadence c, generate_series(1, 4) n WHERE c.state = 'active'"
    . " ORDER BY c.lead_id, c.sequence_id, n RETURNING lead_id, event_type, touch_cap_at_event, touch_no, touch_earliest, release_at, event_at";
my $top = $publisher->safe_psql('postgres', 'SELECT max(event_id) FROM kam.CadenceEventLog');
my $expected = $publisher->safe_psql('postgres', "BEGIN; $ask; ROLLBACK");
$publisher->stop;
$subscriber->safe_psql('postgres', 'ALTER SUBSCRIPTION kam DISABLE; ALTER SUBSCRIPTION kam SET (slot_name = NONE); DROP SUBSCRIPTION kam');
cmp_ok($subscriber->safe_psql('postgres', 'SELECT kam.kam_resume()'), '>', 0, 'the subscriber takes over');
is($subscriber->safe_psql('postgres', $ask), $expected, 'its verdicts are those that the publisher would have given');
is($subscriber->safe_psql('postgres', "SELECT min(event_id) > $top FROM kam.CadenceEventLog WHERE event_at >= '2026-03-09 12:00+01'"), 't', 'numbers go on after the publisher\'s');
is($subscriber->safe_psql('postgres', "SELECT (t ->> 'released')::int > 0, t ->> 'failed' FROM kam.kam_tick('2026-03-17 12:00+01') t"), 't|0', 'what waited is released there now');
is(cadence_troubles($subscriber), '', 'the subscriber is sound');

# ---- and gives back: the old publisher knew states that are out of date by then

$publisher->start;
$publisher->safe_psql('postgres', 'DROP PUBLICATION kam');
$subscriber->safe_psql('postgres', 'CREATE PUBLICATION kam FOR TABLE ' . join(', ', map { "kam.$_" } @tables));
$publisher->safe_psql('postgres', 'SET session_replication_role = replica; DELETE FROM kam.CadenceQueue; '
        . join('; ', map { "DELETE FROM kam.$_" } reverse @tables));
$publisher->safe_psql('postgres', "CREATE SUBSCRIPTION back CONNECTION '@{[ $subscriber->connstr ]} dbname=postgres' PUBLICATION kam");
$publisher->poll_query_until('postgres', "SELECT count(*) = 0 FROM pg_subscription_rel WHERE srsubstate <> 'r'") or die 'no first copy';
catch_up($subscriber, 'back');
is(rows_of($publisher), rows_of($subscriber), 'the first one has caught up');
$publisher->safe_psql('postgres', 'DROP SUBSCRIPTION back');
$publisher->safe_psql('postgres', 'SELECT kam.kam_resume()');
$ask =~ s/03-09/03-17/g;
is($publisher->safe_psql('postgres', "BEGIN; $ask; ROLLBACK"), $subscriber->safe_psql('postgres', "BEGIN; $ask; ROLLBACK"), 'both judge alike');
is(cadence_troubles($publisher), '', 'the first one is sound');

$publisher->stop;
$subscriber->stop;
done_testing();
