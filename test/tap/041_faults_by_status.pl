# Which refusals are tried again, which are left to the fallback model, and which end the run with a clear failure.
use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use KamFaults;
use Test::More;

my @passing = (408, 409, 429, 500, 502, 503, 504, 529);
my @lasting = (400, 401, 402, 403, 404, 413, 422);
my @case = (
    # What passes is waited for.
    (map { { fault => "status/$_/times/2", end => 'judged', attempts => '(failed:\w+ ){2}succeeded', asked => 3 } } @passing),
    (map { { fault => "status/$_/times/1", api => 'openai', end => 'judged', attempts => 'failed:\w+ succeeded', asked => 2 } } @passing),
    { fault => 'overloaded/times/2', end => 'judged', attempts => '(failed:overloaded ){2}succeeded', asked => 3 },
    { fault => 'retry_after/1/times/2', end => 'judged', attempts => '(failed:rate_limit ){2}succeeded', asked => 3 },
    # What does not pass is not tried a second time.
    (map { { fault => "status/$_", end => '(judged|failed)', attempts => 'failed:\w+( succeeded@builtin)?', asked => 1 } } @lasting),
    (map { { fault => "status/$_", api => 'openai', end => '(judged|failed)', attempts => 'failed:\w+( succeeded@builtin)?', asked => 1 } } @lasting),
    (map { { fault => 'spend_limit', api => $_, end => 'failed', attempts => 'failed:spend_limit', asked => 1, error => qr/spend/i } } qw(anthropic openai)),
    { fault => 'retry_after/3600', end => 'failed', attempts => 'failed:rate_limit', asked => 1, all => 1 },
    # A model that is gone has a successor.
    (map { { fault => 'no_model/model/mock-model', api => $_, fallback => 'other-model', end => 'judged', attempts => 'failed:model_not_found succeeded@other', asked => 2 } }
            qw(anthropic openai)),
    { fault => 'no_model', end => 'judged', attempts => 'failed:model_not_found succeeded@builtin', asked => 1 },
    { fault => 'status/500/model/mock-model', fallback => 'other-model', end => 'judged', attempts => '(failed:\w+ )+succeeded@other' },
    # What goes on for ever ends.
    { fault => 'status/500', end => 'failed', attempts => 'failed:\w+( failed:\w+)+', slow => 1 },
);

run_faults('status', @case);
done_testing();
