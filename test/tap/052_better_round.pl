# Only the agents that the evaluator names answer again, the third round is forced on, and an answer that is worse than the one of the round before does not take its place.
use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use JSON::PP;
use KamTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $json = JSON::PP->new->utf8;
my $root = "$FindBin::Bin/../..";
my ($file) = grep { -e } map { "$root/$_/agent-outputs.json" } qw(test/mock prompts test/unit/data);
my $outputs = $json->decode(slurp_file($file));
my $node = kam_node('rounds');

# The evaluator is never content with the state analyzer, whose answers claim what is not there.
$outputs->{wave1_evaluator}{evaluation_decision} = { action => 'retry', reasoning => 'No.', retry_instructions => { state_analyzer => 'Look again.' } };
$outputs->{state_analyzer}{claims} = [ { text => 'Marc Dubois signed for 99,000 EUR.', evidence => [ { path => '/activities/0/metadata/body', quote => 'signed' } ] } ];
my $changed = PostgreSQL::Test::Utils::tempdir() . '/outputs.json';
append_to_file($changed, $json->encode($outputs));
my $mock = start_mock(outputs => $changed);
# In the first round the built-in agent stands in for it: twice the model gives no answer.
set_provider($node, 'rounds', "$mock->{url}/fault/prose/agent/state_analyzer/times/2");
my $session = kam_run($node, '01_inbound_question_fr');

is(wait_for_end($node, $session, 'the run ends'), 'judged', 'it is judged');
is($node->safe_psql('postgres', "SELECT string_agg(agent || ' ' || n, ', ' ORDER BY agent) FROM (SELECT agent, count(*) AS n FROM kam.agent_call"
            . " WHERE session_id = '$session' AND status = 'succeeded' AND agent IN ('context_relationship_analyzer', 'opportunity_detector', 'state_analyzer', 'timing_strategist', 'wave1_evaluator') GROUP BY agent) c"),
    'context_relationship_analyzer 1, opportunity_detector 1, state_analyzer 3, timing_strategist 1, wave1_evaluator 3', 'who is named answers again, nobody else');
my $explained = $json->decode($node->safe_psql('postgres', "SELECT kam.kam_explain('$session')"));
ok($explained->{overrides}{wave1_forced}, 'the third round is forced on');
is(join(', ', map { "$_->{agent} $_->{iteration}" } @{ $explained->{overrides}{wave1_kept} }), 'state_analyzer 2, state_analyzer 3', 'the worse answers did not go on');
cmp_ok($_->{faults}, '>', $_->{faults_before}, "round $_->{iteration}: more was wrong with it") foreach @{ $explained->{overrides}{wave1_kept} };
my @refused = grep { $_->{verdict} eq 'unverified' } @{ $explained->{evidence} };
is(scalar(@refused), 2, 'the invented claim of both answers is refused');
like($refused[0]{fault}, qr/does not stand at/, 'and it is said why');
is(scalar(grep { $_->{agent} eq 'state_analyzer' && $_->{verdict} eq 'verified' && @{ $_->{at} } } @{ $explained->{evidence} }) > 0, 1, 'the claims that went on say where they stand');
$node->stop;
done_testing();
