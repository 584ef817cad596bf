# What a receiver does decides what becomes of a delivery: tried later, held back as long as it asks, halted until a person looks, given up where everybody sees it; nothing is lost.
use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use KamReceiver;
use KamTest;
use MIME::Base64;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = kam_node('fates');
my $receiver = KamReceiver->new;

# A webhook endpoint whose receiver answers as scripted.
sub hook
{
    my ($name, $script, %column) = @_;

    write_key($node, "endpoint.$name", 'whsec_' . encode_base64('k' x 32, ''));
    $receiver->script("/$name", @$script);
    set_endpoint($node, $name, $receiver->url("/$name"), %column);
    return;
}

sub state_of
{
    my ($name, $columns) = @_;

    return $node->safe_psql('postgres', 'SELECT ' . ($columns // 'state') . " FROM kam.kam_endpoints WHERE endpoint = '$name'");
}

# Waits until an endpoint has delivered so many.
sub sent
{
    my ($name, $count, $what) = @_;

    return wait_until($node, "SELECT count(*) = $count FROM kam.notification WHERE recipient = '$name' AND status = 'sent'", $what);
}

sub settled
{
    my ($name, $what) = @_;

    return wait_until($node, "SELECT NOT EXISTS (SELECT FROM kam._delivery WHERE endpoint = '$name')", $what);
}

sub health
{
    my ($item) = @_;

    return $node->safe_psql('postgres', "SELECT state, detail FROM kam.kam_health() WHERE item = '$item'");
}

# The n of each request's payload, in the order they came.
sub order_of
{
    my ($name) = @_;

    return join ' ', map { $_->{body} =~ /"n": (\d+)/ ? $1 : '-' } $receiver->requests("/$name");
}

# --- one that fails is tried again, not before its time

my $once = "'{600 ms,600 ms,600 ms,600 ms,1 h}'";
hook('error', [ { status => 500, body => 'sorry' }, {} ], schedule => $once);
# Later than a connection that was kept and is closed would be tried anew at once.
hook('cut', [ { delay => 1.2, close => 1 }, {} ], schedule => $once);
hook('slow', [ { hang => 1 }, {} ], timeout => "'1 s'");
hook('half', [ { half => 1, body => 'the half of it' } ]);
my %id = map { $_ => notify($node, $_) } qw(error cut slow half);
sent($_, 1, "$_: it arrives") foreach qw(error cut slow half);
foreach my $name (qw(error cut slow))
{
    my @request = $receiver->requests("/$name");

    is(scalar @request, 2, "$name: in two requests");
    cmp_ok($request[1]{at} - $request[0]{at}, '>=', $name eq 'slow' ? 0.9 : 0.5, "$name: the second not before its time");
    is(delivery($node, $id{$name}, 'state, attempts, answer_status, last_error'), 'sent|2|200|', "$name: and that is told");
}
is(scalar $receiver->requests('/half'), 1, 'half: an answer whose text is cut off is one');
is($node->safe_psql('postgres', "SELECT DISTINCT split_part(last_error, ':', 1) FROM kam.delivery_state WHERE endpoint IN ('error', 'slow', 'cut') ORDER BY 1"), "500\ncut\ntimeout",
    'the failures are told by their kind');

# --- who asks for time gets it, for all that waits

foreach my $status (429, 503)
{
    hook("wait$status", [ { status => $status, headers => { 'Retry-After' => 2 } }, {} ], concurrency => 1);
    notify($node, "wait$status", undef, 3);
}
foreach my $status (429, 503)
{
    sent("wait$status", 3, "$status: three arrive");
    my @request = $receiver->requests("/wait$status");
    is(scalar @request, 4, "$status: in four requests");
    cmp_ok($request[1]{at} - $request[0]{at}, '>=', 1.9, "$status: the second after what Retry-After asks");
    is(order_of("wait$status"), '1 1 2 3', "$status: what waited keeps its turn");
}

# What is on its way together and fails together is one failure; what arrives of it does not shorten the wait.
hook('burst', [ (map { { status => 503, gate => 'burst' } } 1 .. 4), {} ], schedule => "'{200 ms,1 h}'");
notify($node, 'burst', undef, 4);
$receiver->wait_for('/burst', 4);
$receiver->open('burst');
sent('burst', 4, 'four that failed together come back after the first pause');
hook('mixed', [ { status => 429, headers => { 'Retry-After' => 600 } }, { gate => 'mixed' }, {} ], concurrency => 2);
notify($node, 'mixed', undef, 2);
wait_until($node, "SELECT state = 'waiting' FROM kam.kam_endpoints WHERE endpoint = 'mixed'", 'one is told to wait');
$receiver->open('mixed');
sent('mixed', 1, 'another was on its way and arrives');
is(state_of('mixed', "state, retry_at > now() + interval '9 minutes'"), 'waiting|t', 'which does not shorten the wait');
is($node->safe_psql('postgres', "SELECT kam.kam_redeliver('mixed')"), '0', 'a person may');
sent('mixed', 2, 'and it arrives');

# --- no such address: it halts until somebody looks

hook('gone', [ { status => 410 } ], concurrency => 1);
hook('slack', [ { status => 404, body => 'no_service' } ], kind => "'slack'", per_minute => 6000);
foreach my $name (qw(gone slack))
{
    notify($node, $name, undef, 3);
    wait_until($node, "SELECT state = 'halted' FROM kam.kam_endpoints WHERE endpoint = '$name'", "$name: it halts");
    is(state_of($name, 'waiting, dead'), '3|0', "$name: nothing is lost");
    like(health("endpoint $name"), qr/^error\|halted: 4\d\d/, "$name: kam_health says so");
}
# Looks at all endpoints pass meanwhile: another one's messages go.
notify($node, 'error', undef, 3);
sent('error', 4, 'others go on');
is(scalar $receiver->requests("/$_"), 1, "$_: nothing more was tried") foreach qw(gone slack);
$receiver->script("/$_") foreach qw(gone slack);
$receiver->script("/$_", {}) foreach qw(gone slack);
is($node->safe_psql('postgres', "SELECT kam.kam_redeliver('gone')"), '0', 'kam_redeliver(endpoint) lets it go on');
sent('gone', 3, 'and all arrive');
$node->safe_psql('postgres', "UPDATE kam.endpoint SET review_url = 'https://crm.example/{session_id}' WHERE endpoint = 'slack'");
sent('slack', 3, 'so does a row that was changed');
is(health("endpoint $_"), '', "$_: all is well again") foreach qw(gone slack);

hook('both', [ { status => 410 }, { status => 500, gate => 'both' } ], concurrency => 2);
notify($node, 'both', undef, 2);
wait_until($node, "SELECT state = 'halted' FROM kam.kam_endpoints WHERE endpoint = 'both'", 'it halts with one on its way');
$receiver->open('both');
settled('both', 'which fails');
is(state_of('both'), 'halted', 'it is still halted');

# --- this one will never be taken: given up at once, and the others go on

hook('picky', [ { status => 400, body => 'invalid_payload' }, {} ], concurrency => 1);
my $last = notify($node, 'picky', undef, 3);
sent('picky', 2, 'the others arrive');
is($node->safe_psql('postgres', "SELECT count(*), min(state), min(answer_status), min(last_error), min(attempts) FROM kam.kam_delivery WHERE endpoint = 'picky' AND state <> 'sent'"),
    '1|dead|400|400: invalid_payload|1', 'one is given up and says why');
like(health('notifications'), qr/^warning\|1 could not be delivered: 400: invalid_payload/, 'kam_health says so');
my $dead = $last - 2;
is($node->safe_psql('postgres', "SELECT kam.kam_redeliver($dead)"), 'pending', 'kam_redeliver(notification_id)');
sent('picky', 3, 'delivers it');
my @picky = $receiver->requests('/picky');
is($picky[3]{headers}{'webhook-id'}, $picky[0]{headers}{'webhook-id'}, 'as what it was');

# --- a redirect is not followed

hook('moved', [ { status => 302, headers => { Location => $receiver->url('/elsewhere') } }, {} ]);
notify($node, 'moved');
sent('moved', 1, 'what was redirected is tried again where it was');
is(scalar $receiver->requests('/elsewhere'), 0, 'and nowhere else');

# --- too old: given up, whether it was tried or not

hook('old', [ { status => 500 } ], max_age => "'1 s'");
hook('older', [ {} ]);
$node->safe_psql('postgres', "INSERT INTO kam.notification (recipient, topic, created_at) SELECT 'older', 'decision', now() - interval '4 days' FROM generate_series(1, 2)");
$id{old} = notify($node, 'old');
wait_until($node, "SELECT state = 'dead' FROM kam.kam_delivery WHERE notification_id = $id{old}", 'what nobody takes is given up in the end');
like(delivery($node, $id{old}, 'last_error'), qr/^not delivered within 00:00:01: 500/, 'and says why');
wait_until($node, "SELECT count(*) = 2 FROM kam.notification WHERE recipient = 'older' AND status = 'dead' AND last_error = 'not delivered within 3 days'", 'so is what is too old already');
is(scalar $receiver->requests('/older'), 0, 'which is not tried');
is($node->safe_psql('postgres', "SELECT kam.kam_redeliver('older')"), '2', 'kam_redeliver(endpoint) finds those too');
sent('older', 2, 'and they arrive');

# --- five that fail in a row: one goes ahead

hook('broken', [ { status => 500 } ], schedule => "'{1 s}'");
notify($node, 'broken', undef, 20);
wait_until($node, "SELECT state = 'waiting' AND failures >= 5 FROM kam.kam_endpoints WHERE endpoint = 'broken'", 'five failures in a row are the receiver\'s trouble');
settled('broken', 'what was on its way has ended');
my $before = $receiver->requests('/broken');
cmp_ok($before, '<=', 8, 'before all of them were tried');
like(health('endpoint broken'), qr/^warning\|\d failures in a row: 500/, 'kam_health says so');
$receiver->script('/broken', { gate => 'probe' }, {});
$receiver->wait_for('/broken', $before + 1);
notify($node, 'error', undef, 2);
sent('error', 6, 'others go on');
is(scalar $receiver->requests('/broken'), $before + 1, 'one goes ahead, alone');
$receiver->open('probe');
sent('broken', 20, 'once it has arrived the others follow');
is(state_of('broken', 'state, failures'), 'open|0', 'and all is well');

# --- in their order, whatever fails

hook('ordered', [ {}, { status => 500 }, { close => 1 }, { status => 429, headers => { 'Retry-After' => 1 } }, {}, { status => 400 }, {} ], ordered => 'true', concurrency => 4);
notify($node, 'ordered', undef, 6);
sent('ordered', 5, 'five of six arrive, one is refused');
is(order_of('ordered'), '1 2 2 2 2 3 4 5 6', 'each after the one before it was taken or given up');

# --- no more than so many per minute

hook('paced', [ {} ], per_minute => 600);
notify($node, 'paced', undef, 12);
sent('paced', 12, 'twelve arrive');
my @at = map { $_->{at} } $receiver->requests('/paced');
cmp_ok($at[11] - $at[0], '>=', 1.0, 'a tenth of a second apart on the whole');
is(scalar(grep { $at[ $_ + 6 ] - $at[$_] < 0.4 } 0 .. 5), 0, 'and at no time faster');

$node->stop;
done_testing();
