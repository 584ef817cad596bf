# A dump carries the Coordinator over as it is: no verdict is made again, what waits stays parked until kam_resume(), and the next verdict is the
# one that the original gives.
use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use KamTest;
use PostgreSQL::Test::Utils;
use Test::More;

my @tables = qw(accounts leads reps holiday sequence_type type_transition sendrule suppression brainanalysislog salesplaylibrary cadence cadenceeventlog
    cadencequeue cadenceflag lead_alias lead_merge notification abmplaybook expansionlog qbrlog opportunitybrieflog commbrieflog nurturerecommendations
    opportunities signal_rule crm_mapping intelligence_day _intelligence_state _intelligence_late request agent_call final_decision workflow_run decision_evaluation n8n_orchestrator_synthesis
    consent erasure _erasure_salt);

my $node = kam_node('govern', databases => 'postgres,copy', conf => "kam.clock = '2026-03-09 10:00+01'\nkam.schedules = off\n");
my $dir = PostgreSQL::Test::Utils::tempdir();

# All kinds of rows: a week of verdicts, holds, suppressions, a merge and flags; the rest by hand.
cadence_week($node);
$node->safe_psql('postgres', <<'SQL');
SET search_path = kam, pg_catalog;
INSERT INTO holiday VALUES ('2026-04-06', 'Europe/Paris', 'Lundi de Pâques');
UPDATE sequence_type SET family = 'marketing' WHERE sequence_type = 'event';
UPDATE sequence_type SET family = 'sales' WHERE sequence_type = 'renewal';
INSERT INTO sequence_type VALUES ('winback', 'sales');
INSERT INTO type_transition VALUES ('renewal', 'winback', 'still_renewing');
UPDATE signal_rule SET family = 'none' WHERE event_type = 'reply' AND channel = 'form';
INSERT INTO signal_rule VALUES ('touch_observed', 'phone', '*', 'sales');
UPDATE crm_mapping SET sources = '{work_email,email}' WHERE (mapping, target, field) = ('pipedrive', 'lead', 'email');
INSERT INTO crm_mapping (mapping, target, field, sources, words) VALUES ('house', 'lead', 'lead_id', '{id}', '{}'), ('house', 'lead', 'opt_out_flag', '{"data,stop"}', '{"ja": true}');
INSERT INTO SendRule VALUES ('newsletter', 'email', 'auto_send', '20:00', '08:00');
INSERT INTO BrainAnalysisLog (proposal_id, agent) VALUES ('p-1', 'AGT-901');
INSERT INTO SalesPlayLibrary (play_id, state, originating_proposal_id, active_period_start, active_period_end)
VALUES ('play-1', 'active', 'p-1', '2026-03-01', '2026-04-01');
INSERT INTO Leads (lead_id, account_id, email, phone) VALUES ('l-play', 'valmont', 'play@valmont.example', '+33612345678'), ('l-gone', 'hexa', NULL, NULL);
INSERT INTO CadenceEventLog (lead_id, sequence_type, event_type, sequence_id, play_id, idempotency_key, payload)
VALUES ('l-play', 'play', 'activation', 'play-1/l-play', 'play-1', 'key-1', '{"steps": [{"day": 0, "channel": "email"}]}');
INSERT INTO CadenceEventLog (lead_id, sequence_type, event_type, sequence_id, step, channel) VALUES ('l-play', 'play', 'touch', 'play-1/l-play', 0, 'email');
INSERT INTO CadenceEventLog (lead_id, event_type, parent_event_id) SELECT lead_id, 'send_failed', event_id FROM CadenceEventLog WHERE lead_id = 'l-play' AND event_type = 'touch';
INSERT INTO CadenceEventLog (lead_id, sequence_type, event_type, sequence_id) VALUES ('l-gone', 'nurture', 'activation', 'n'), ('l-gone', 'outbound', 'activation', 'o');
INSERT INTO CadenceEventLog (lead_id, event_type) VALUES ('l-gone', 'opt_out');
DELETE FROM Leads WHERE lead_id = 'l-gone';
INSERT INTO NurtureRecommendations (recommendation_id, lead_id, suppressed_reason) VALUES ('n-1', 'w-pierre', 'abm_active_suppression');
INSERT INTO Opportunities (opportunity_id, account_id, play_id, originating_proposal_id) VALUES ('o-1', 'valmont', 'play-1', 'p-1');
SELECT kam_tick('2026-03-17 09:00+01');
INSERT INTO Leads (lead_id, full_name, email) VALUES ('l-erased', 'Zebedia Quorn', 'quorn@valmont.example');
SELECT kam_record_consent('l-erased', 'newsletter', 'email', 'consent', 'web_form', '{"name": "Quorn"}');
SELECT kam_erase_person('l-erased', 'asked for it');
SELECT kam_record_consent('l-play', 'newsletter', 'email', 'consent', 'web_form', '{"form": "footer"}', address => 'play@valmont.example');
SQL
my $session = kam_run($node, '01_inbound_question_fr', '"lead_id": "w-lena"');
wait_until($node, "SELECT status = 'judged' FROM kam.request WHERE session_id = '$session'", 'a run besides');
is(cadence_troubles($node), '', 'the original is sound');
is($node->safe_psql('postgres', "SELECT string_agg(DISTINCT state, ' ') FROM kam.CadenceQueue"), 'cancelled expired released waiting', 'holds of every state');
is($node->safe_psql('postgres', "SELECT string_agg(DISTINCT coordinator_action, ' ') FROM kam.CadenceEventLog"), 'blocked executed held queued recorded',
    'verdicts of every kind');

# The rows of all tables, each table's in a file of its own, in one order.
sub rows_of
{
    my ($database) = @_;
    my %rows;

    foreach my $table (@tables)
    {
        # Seeds come with the extension.
        my $where = $table =~ /^(sequence_type|type_transition|signal_rule|crm_mapping)$/ ? 'WHERE NOT builtin' : '';
        $rows{$table} = $node->safe_psql($database, "COPY (SELECT * FROM kam.$table t $where ORDER BY t::text COLLATE \"C\") TO STDOUT");
    }
    return \%rows;
}

# What the two say to the same requests, and what they know of each lead, must be the same.
sub verdicts
{
    my ($database) = @_;

    return $node->safe_psql($database, <<'SQL');
SET kam.clock = '2026-03-17 10:00+01';
SELECT l.lead_id, f.sequence_type, v.event_type, to_jsonb(g)
  FROM kam.Leads l CROSS JOIN (VALUES ('outbound'), ('nurture'), ('transactional')) f (sequence_type) CROSS JOIN (VALUES ('touch'), ('activation'), ('resume')) v (event_type)
 CROSS JOIN LATERAL kam.kam_gate(l.lead_id, f.sequence_type, v.event_type) g
 ORDER BY 1, 2, 3;
SQL
}

sub ask
{
    my ($database) = @_;

    return $node->safe_psql($database, <<'SQL');
SET kam.clock = '2026-03-17 10:00+01';
INSERT INTO kam.CadenceEventLog (lead_id, sequence_type, event_type, sequence_id, channel)
SELECT c.lead_id, c.sequence_type, 'touch', c.sequence_id, 'email' FROM kam.Cadence c, generate_series(1, 4) n
 WHERE c.state = 'active' ORDER BY c.lead_id, c.sequence_id, n
RETURNING lead_id, event_id, event_type, touch_cap_at_event, touch_no, touch_earliest, release_at, event_at, enrolment_no, play_id, originating_proposal_id;
SQL
}

# Half of the log is in the sums, the rest is not; a row was brought in below.
my $sums = 'SELECT i FROM kam.cadence_intelligence i ORDER BY i::text COLLATE "C"';
$node->safe_psql('postgres', 'SELECT kam._fold_intelligence(20)') for 1 .. 2;
wait_until($node, 'SELECT kam._fold_intelligence(20) IS NOT NULL AND (SELECT upto > 20 FROM kam._intelligence_state)', 'some of it is folded');
$node->safe_psql('postgres', "INSERT INTO kam.CadenceEventLog (lead_id, event_id, event_type, requested_event_type, coordinator_action, event_at, gate_version, compliance_status)"
        . " VALUES ('old', -5, 'reply', 'reply', 'recorded', '2020-01-01', 1, 'clear')");
is($node->safe_psql('postgres', 'SELECT count(*) FROM kam._intelligence_late'), '1', 'it is noted');
my $intelligence = $node->safe_psql('postgres', $sums);

my $before = rows_of('postgres');
my $gates = verdicts('postgres');

# ---- into a database of its own

$node->command_ok([ 'pg_dump', '--no-sync', '-f', "$dir/all.sql", $node->connstr('postgres') ], 'pg_dump');
$node->safe_psql('postgres', 'CREATE DATABASE copy');
$node->command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-f', "$dir/all.sql", $node->connstr('copy') ], 'restore');
is_deeply(rows_of('copy'), $before, 'every row of every table is there as it was: no verdict was made again');
is(cadence_troubles($node, 'copy'), '', 'the copy is sound');
is($node->safe_psql('copy', $sums), $intelligence, 'cadence_intelligence says the same');
is(verdicts('copy'), $gates, 'the gates say the same there');
unlike(slurp_file("$dir/all.sql"), qr/quorn/i, 'who was erased is not in the dump');
is($node->safe_psql('copy', "INSERT INTO kam.Leads (lead_id, email) VALUES ('l-back', 'Quorn\@Valmont.example');"
            . " SELECT compliance_status FROM kam.kam_gate('l-back', 'outbound'); DELETE FROM kam.Leads WHERE lead_id = 'l-back'"),
    'suppressed', 'and stays blocked where it is restored');
is($node->safe_psql('copy', 'SELECT lead_id FROM kam.prospect_state s WHERE NOT stale AND to_jsonb(s) IS DISTINCT FROM to_jsonb(kam._derive_state(lead_id))'), '',
    'what was derived before all rows were there is not taken for true');

# Nothing that came along starts by itself; not even by hand.
my $parked = $node->safe_psql('copy', "SELECT count(*) FROM kam.CadenceQueue WHERE state = 'waiting'");
cmp_ok($parked, '>', 0, 'something waits');
my $ticked = $node->safe_psql('copy', "SELECT string_agg(kam.kam_tick(t) ->> k, ' ') FROM (VALUES ('2026-04-20 09:00+02'::timestamptz)) v (t), unnest('{released,moved,blocked,expired,settled,ended}'::text[]) k");
is($ticked, '0 0 0 0 0 0', 'kam_tick leaves alone what came with the restore');
is($node->safe_psql('copy', "SELECT count(*) FROM kam.CadenceQueue WHERE state = 'waiting'"), $parked, 'it is parked');
is($node->safe_psql('copy', 'SELECT count(*) FROM kam.held_queue WHERE NOT parked'), '0', 'and held_queue says so');
is($node->safe_psql('copy', "SELECT state FROM kam.kam_health() WHERE item = 'parked holds'"), 'warning', 'kam_health too');
is_deeply([ map { $_ eq 'cadenceflag' || $_ eq 'notification' ? () : rows_of('copy')->{$_} } qw(cadenceeventlog cadencequeue cadence) ],
    [ map { $before->{$_} } qw(cadenceeventlog cadencequeue cadence) ], 'nothing was written');

# Requests are judged there at once; the same way, with the next numbers.
my $asked = ask('postgres');
like($asked, qr/held/, 'some of what is asked now is held');
is(ask('copy'), $asked, 'the copy judges the same requests as the original does, with the same numbers');
is(cadence_troubles($node, 'copy'), '', 'and is sound after it');

cmp_ok($node->safe_psql('copy', 'SELECT kam.kam_resume()'), '>=', $parked, 'kam_resume lets go on');
is($node->safe_psql('copy', 'SELECT count(*) FROM kam.held_queue WHERE parked'), '0', 'nothing is parked any more');
is(cadence_troubles($node, 'copy'), '', 'still sound');
# Counting goes on there, from where it stood.
$node->safe_psql('copy', 'SELECT kam._fold_intelligence(20)') for 1 .. 2;
wait_until($node, 'SELECT kam._fold_intelligence(1000) IS NOT NULL AND (SELECT upto = kam._intelligence_drawn() FROM kam._intelligence_state)', 'all is folded', 'copy');
$intelligence = $node->safe_psql('copy', $sums);
$node->safe_psql('copy', 'SELECT kam.kam_rebuild_intelligence()');
is($node->safe_psql('copy', $sums), $intelligence, 'and what was counted in two places is what there is');
my $released = "SELECT (t->>'released')::int > 0, (t->>'failed')::int FROM kam.kam_tick('2026-03-24 12:00+01') t";
is($node->safe_psql('copy', $released), 't|0', 'holds are released');
is(cadence_troubles($node, 'copy'), '', 'through the gates');

# ---- data alone, into a database with the extension

$node->command_ok([ 'pg_dump', '--no-sync', '--data-only', '-f', "$dir/data.sql", $node->connstr('postgres') ], 'pg_dump --data-only');
my $original = rows_of('postgres');
$node->safe_psql('postgres', 'CREATE DATABASE data');
# A lead that is known there already, with a state: the rows that come make it out of date.
$node->safe_psql('data', "CREATE EXTENSION kam; INSERT INTO kam.Leads (lead_id) VALUES ('w-ines');"
        . " INSERT INTO kam.CadenceEventLog (lead_id, event_type, event_id) VALUES ('w-ines', 'reply', DEFAULT)");
$node->safe_psql('data', "SET session_replication_role = replica; DELETE FROM kam.CadenceEventLog; DELETE FROM kam.Leads;");
is($node->safe_psql('data', 'SELECT count(*) FROM kam.prospect_state'), '1', 'a state is there before');
$node->command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-f', "$dir/data.sql", $node->connstr('data') ], 'restore of the data');
is_deeply(rows_of('data'), $original, 'every row is there as it was');
is(cadence_troubles($node, 'data'), '', 'no state is taken for true that is not');

# ---- by somebody who is no superuser

$node->safe_psql('postgres', 'CREATE ROLE mover LOGIN IN ROLE kam_restore; CREATE ROLE app LOGIN IN ROLE kam_submit');
$node->safe_psql('postgres', 'CREATE DATABASE moved');
$node->safe_psql('moved', 'CREATE EXTENSION kam');
# Who answers and where texts are sent is for superusers alone to say.
$node->command_ok([ 'pg_dump', '--no-sync', '--data-only', (map { "--exclude-table-data=kam.$_" } qw(provider model agent prompt endpoint)),
        '-f', "$dir/moved.sql", $node->connstr('postgres') ], 'pg_dump of what may be moved');
$node->command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-f', "$dir/moved.sql", '-U', 'mover', $node->connstr('moved') ], 'restored by a member of kam_restore');
is_deeply(rows_of('moved'), $original, 'every row is there as it was');
is($node->safe_psql('moved', "SELECT last_value >= (SELECT max(event_id) FROM kam.CadenceEventLog) FROM kam.cadenceeventlog_event_id_seq"), 't', 'numbers go on');
is(cadence_troubles($node, 'moved'), '', 'sound');

# Everybody else's outcome columns are overwritten.
my $claim = "INSERT INTO kam.CadenceEventLog (lead_id, event_id, sequence_type, event_type, requested_event_type, coordinator_action, compliance_status, event_at, gate_version, counted)"
    . " VALUES ('w-anna', 9000000, 'nurture', 'activation', 'activation', 'executed', 'clear', '2026-01-01', 1, true) RETURNING event_type, coordinator_action, event_id < 9000000, counted";
is($node->safe_psql('moved', $claim, extra_params => [ '-U', 'app' ]), 'suppressed|blocked|t|f', 'who may only ask cannot bring a verdict along');

$node->stop;
done_testing();
