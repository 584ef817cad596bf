# An answer that is no JSON, or breaks the agent's schema, is mended by one more call, else stood in for by the built-in agent; the run ends in a valid decision.
use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use KamFaults;
use Test::More;

my $mended = 'failed:\w+ succeeded';
my $stood_in = 'failed:\w+ failed:\w+ succeeded@builtin';
my @text = qw(prose broken_json truncated_json wrong_enum missing_key wrong_type empty);
my @case = (
    (map { { fault => $_, end => 'judged', attempts => $stood_in, asked => 2 } } @text),
    (map { { fault => "$_/times/1", end => 'judged', attempts => $mended, asked => 2 } } @text),
    (map { { fault => $_, api => 'openai', end => 'judged', attempts => $stood_in, asked => 2 } } @text),
    (map { { fault => $_, dialect => '{"stream": false}', end => 'judged', attempts => $stood_in, asked => 2 } } qw(prose truncated_json empty)),
    # What the decision rests on, and who judges it.
    (map { { fault => $_, agent => 'synthesis_orchestrator', end => 'judged', attempts => $stood_in, asked => 2 } } qw(prose missing_key wrong_enum)),
    (map { { fault => "wrong_type/times/1", agent => $_, end => 'judged', attempts => $mended, asked => 2 } } qw(wave1_evaluator content_generator decision_evaluator)),
    # Valid in spite of what is around it.
    { fault => 'fenced', end => 'judged', attempts => 'succeeded', asked => 1 },
    { fault => 'fenced', api => 'openai', end => 'judged', attempts => 'succeeded', asked => 1 },
    # Bytes that PostgreSQL cannot hold are mended or refused, never stored.
    (map { { fault => $_, end => 'judged', attempts => "(succeeded|$mended|$stood_in)" } } qw(nul bad_utf8)),
    (map { { fault => $_, api => 'openai', dialect => '{"stream": false}', end => 'judged', attempts => "(succeeded|$mended|$stood_in)" } } qw(nul bad_utf8)),
    # A refusal is not argued with: another model, else the built-in agent.
    { fault => 'refusal', end => 'judged', attempts => 'failed:refusal succeeded@builtin', asked => 1 },
    { fault => 'refusal', api => 'openai', end => 'judged', attempts => 'failed:refusal succeeded@builtin', asked => 1 },
    { fault => 'refusal/model/mock-model', fallback => 'other-model', end => 'judged', attempts => 'failed:refusal succeeded@other', asked => 2 },
);

run_faults('answers', @case);
done_testing();
