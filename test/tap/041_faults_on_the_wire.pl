# Answers that never come, never end, are cut off or are nothing an API says: the call ends in time, is tried again, and nobody else waits.
use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use KamFaults;
use Test::More;

my $hasty = '"timeout_s": 3, "stall_s": 1';
my $again = 'failed:\w+ succeeded';
my @case = (
    { fault => 'hang/times/1', dialect => "{$hasty}", end => 'judged', attempts => $again, asked => 2, slow => 1 },
    { fault => 'hang/times/1', api => 'openai', dialect => "{$hasty, \"stream\": false}", end => 'judged', attempts => $again, asked => 2, slow => 1 },
    { fault => 'slow_byte/times/1', dialect => "{$hasty}", end => 'judged', attempts => $again, asked => 2, slow => 1 },
    # A byte now and then is no stall, but the whole call has its time too.
    { fault => 'slow_byte/ms/200/times/1', dialect => "{$hasty}", end => 'judged', attempts => $again, asked => 2, slow => 1 },
    { fault => 'hang', dialect => '{"timeout_s": 1, "stall_s": 1}', end => 'judged', attempts => 'failed:\w+( failed:\w+)+ succeeded@builtin', slow => 1 },
    (map { my $stream = $_; map { { fault => "$_/times/1", dialect => "{\"stream\": $stream}", end => 'judged', attempts => $again, asked => 2 } }
            qw(cut error_event error_in_200 html) } qw(true false)),
    (map { { fault => "$_/times/1", api => 'openai', end => 'judged', attempts => $again, asked => 2 } } qw(cut error_event error_in_200 html)),
    # A connection that is gone soon after the request may have been gone before it; later the server may have been at work, and each request is a row.
    (map { { fault => 'reset/times/1', api => $_, latency => 1200, end => 'judged', attempts => $again, asked => 2 } } qw(anthropic openai)),
    { fault => 'reset', latency => 1200, end => '(judged|failed)', attempts => 'failed:\w+( failed:\w+)*( succeeded@builtin)?' },
    # Half of it is never taken for the whole.
    (map { { fault => $_, end => '(judged|failed)', attempts => 'failed:\w+( failed:\w+)*( succeeded@builtin)?' } } qw(cut error_event error_in_200 html)),
    # 50 MB are not read to the end; a redirect is not followed.
    (map { my $api = $_; map { { fault => $_, api => $api, end => '(judged|failed)', attempts => 'failed:\w+( failed:\w+)*( succeeded@builtin)?' } } qw(huge redirect) } qw(anthropic openai)),
    { fault => 'redirect/model/mock-model', fallback => 'other-model', end => '(judged|failed)', attempts => 'failed:\w+( failed:\w+)*( succeeded@other)?' },
);

run_faults('wire', @case);
done_testing();
