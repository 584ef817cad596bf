# A wait that runs again judges from what the log learnt of its lead meanwhile: touches of others, and replies; and it is silent when the lead unsubscribed.
use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use KamTest;
use PostgreSQL::Test::Utils;
use Test::More;

# The three leads have one address: what one says must not silence the others here.
my $node = kam_node('rerun', conf => "kam.clock = '@{[AS_OF]}'\nkam.auto_suppress = off\n");

$node->safe_psql('postgres', "INSERT INTO kam.Leads (lead_id, email) VALUES ('r1', NULL), ('r2', NULL), ('r3', NULL)");
my %wait = map { $_ => kam_run($node, '10_meeting_scheduled_fr', "\"lead_id\": \"$_\"") } qw(r1 r2 r3);
wait_until($node, "SELECT count(*) = 3 FROM kam.request JOIN kam.final_decision USING (session_id) WHERE status = 'judged' AND action = 'wait' AND rerun_at IS NOT NULL", 'three leads are waited for');

reload($node, "kam.clock = '2026-03-12T12:00:00+01:00'");
$node->safe_psql('postgres', <<'SQL');
SET kam.clock = '2026-03-12T12:00:00+01:00';
SELECT kam.kam_request('r1', NULL, 'reply', NULL, 'email', NULL, NULL, '{"body": "Merci de ne plus me contacter et de supprimer mon adresse."}');
SELECT kam.kam_request('r2', 'nurture', 'touch_observed', NULL, 'email', 'rep-9', NULL, '{"subject": "Notre webinaire"}');
UPDATE kam.Leads SET unsubscribe_flag = true WHERE lead_id = 'r3';
SQL
my $due = $node->safe_psql('postgres', 'SELECT max(rerun_at) + interval \'1 hour\' FROM kam.request');
reload($node, "kam.clock = '$due'");
wait_until($node, "SELECT count(*) = 3 FROM kam.request WHERE rerun_of IS NOT NULL AND status = 'judged'", 'each runs again');
is($node->safe_psql('postgres', "SELECT r.lead_id, jsonb_array_length(r.contact -> 'activities') - jsonb_array_length(o.contact -> 'activities'), r.contact #>> '{activities,-1,activity_type}',"
        . " r.contact #>> '{activities,-1,direction}', d.action, d.decision #>> '{final_decision,rationale,decision_rule}', (SELECT count(*) FROM kam.agent_call c WHERE c.session_id = r.session_id)"
        . " FROM kam.request r JOIN kam.request o ON o.session_id = r.rerun_of JOIN kam.final_decision d ON d.session_id = r.session_id WHERE r.lead_id <> 'r3' ORDER BY 1"),
    "r1|1|email|inbound|no_action|opted_out|10\nr2|1|email|outbound|wait|other_owner_active|10", 'with the reply, and with the colleague\'s touch');
is($node->safe_psql('postgres', "SELECT d.action, d.decision #>> '{final_decision,compliance,status}', (SELECT count(*) FROM kam.agent_call c WHERE c.session_id = r.session_id)"
        . " FROM kam.request r JOIN kam.final_decision d USING (session_id) WHERE r.lead_id = 'r3' AND r.rerun_of IS NOT NULL"),
    'no_action|unsubscribed|0', 'and without any call for who has unsubscribed');

$node->stop;
done_testing();
