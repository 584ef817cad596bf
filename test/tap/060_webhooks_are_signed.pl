# Webhooks are signed as Standard Webhooks has it: its own library (npm: standardwebhooks) verifies them, on every retry and while a key is being exchanged; without a usable key nothing leaves.
use strict;
use warnings;

use Cwd qw(abs_path);
use File::Find;
use FindBin;
use JSON::PP;
use lib $FindBin::Bin;
use KamReceiver;
use KamTest;
use MIME::Base64;
use PostgreSQL::Test::Utils;
use Test::More;

my $version = '1.1.1';
my $root = abs_path("$FindBin::Bin/../..");
my $cache = $ENV{KAM_STANDARDWEBHOOKS} // "$root/build/standardwebhooks";
my $library = "$cache/node_modules/standardwebhooks";

foreach my $tool (qw(node npm))
{
    plan skip_all => "there is no $tool; install Node.js to have webhooks verified by others" if system("command -v $tool >/dev/null 2>&1") != 0;
}
if (!-e $library)
{
    mkdir "$root/build";
    my $failed = system("npm install --silent --no-audit --no-fund --ignore-scripts --prefix '$cache' 'standardwebhooks\@$version' >'$PostgreSQL::Test::Utils::log_path/npm.log' 2>&1");
    plan skip_all => "npm cannot install standardwebhooks $version (KAM_STANDARDWEBHOOKS names a folder that has it)" if $failed || !-e $library;
}

my $secret = 'whsec_' . encode_base64('first key of thirty-two bytes 01', '');
my $next = 'whsec_' . encode_base64('second key, of more bytes than the first', '');
my $node = kam_node('signed', conf => "log_min_messages = debug1\nlog_statement = all\n");
my $receiver = KamReceiver->new;
my $verifier = PostgreSQL::Test::Utils::tempdir() . '/verify.js';

append_to_file($verifier, <<"JS");
const { Webhook } = require('$library');
for (const c of JSON.parse(require('fs').readFileSync(0))) {
  try { new Webhook(c.secret).verify(Buffer.from(c.body, 'base64'), c.headers); console.log('ok'); }
  catch (e) { console.log(e.message); }
}
JS

# What the library says of each [request, secret], one line each.
sub verify
{
    my @case = map { { body => encode_base64($_->[0]{body}, ''), headers => $_->[0]{headers}, secret => $_->[1] } } @_;
    my $out = '';

    run_log([ 'node', $verifier ], '<', \encode_json(\@case), '>', \$out) or diag('node does not verify');
    chomp $out;
    return $out;
}

# --- the library takes it, tried once or thrice

write_key($node, 'endpoint.hook', $secret);
$receiver->script('/hook', { status => 500 }, { close => 1 }, {});
set_endpoint($node, 'hook', $receiver->url('/hook'));
my $id = notify($node, 'hook', '{"text": "Élodie dit \"oui\" \\\\ 👍 \u0001"}');
wait_until($node, "SELECT status = 'sent' FROM kam.notification WHERE notification_id = $id", 'a webhook that failed twice is delivered');
my @request = $receiver->requests('/hook');
is(scalar @request, 3, 'in three requests');
is(verify(map { [ $_, $secret ] } @request), "ok\nok\nok", 'each of which the library takes');
my %seen = map { $_->{headers}{'webhook-id'} => 1 } @request;
is(scalar keys %seen, 1, 'they have one webhook-id');
like((keys %seen)[0], qr/^msg_[0-9a-f]{32}$/, 'that is none of the database\'s numbers');
cmp_ok(abs($_->{headers}{'webhook-timestamp'} - $_->{at}), '<=', 2, 'the timestamp is of the attempt') foreach @request;
is($request[0]{method} . ' ' . $request[0]{headers}{'content-type'}, 'POST application/json', 'it is JSON');
my $json = decode_json($request[0]{body});
is($json->{type}, 'contact.decided', 'with its type');
is($json->{data}{payload}{text}, "\x{c9}lodie dit \"oui\" \\ \x{1f44d} \x{1}", 'and the text as it was');
my $forged = { %{ $request[0] }, body => $request[0]{body} =~ s/oui/non/r };
like(verify([ $forged, $secret ], [ $request[0], $next ]), qr/^No matching.*\nNo matching/i, 'the library refuses another body, and another secret');

# A retry is signed for its own moment: the schedule is longer than a second.
$receiver->script('/later', { status => 500 }, {});
write_key($node, 'endpoint.later', $secret);
set_endpoint($node, 'later', $receiver->url('/later'), schedule => "'{1200 ms}'");
$id = notify($node, 'later', '{}');
wait_until($node, "SELECT status = 'sent' FROM kam.notification WHERE notification_id = $id", 'one that waits more than a second is delivered');
@request = $receiver->requests('/later');
cmp_ok($request[1]{headers}{'webhook-timestamp'}, '>', $request[0]{headers}{'webhook-timestamp'}, 'with a timestamp of its own');
isnt($request[1]{headers}{'webhook-signature'}, $request[0]{headers}{'webhook-signature'}, 'and its signature');
is(verify(map { [ $_, $secret ] } @request), "ok\nok", 'the library takes both');

# --- a key is exchanged: both count while the former stands beside it

write_key($node, 'endpoint.hook.previous', $secret);
write_key($node, 'endpoint.hook', $next);
$id = notify($node, 'hook', '{"n": 2}');
wait_until($node, "SELECT status = 'sent' FROM kam.notification WHERE notification_id = $id", 'with two keys it is delivered');
my $both = ($receiver->requests('/hook'))[-1];
like($both->{headers}{'webhook-signature'}, qr{^v1,\S{44} v1,\S{44}$}, 'with two signatures');
is(verify([ $both, $secret ], [ $both, $next ]), "ok\nok", 'the library takes it with either');
unlink $node->basedir . '/keys/endpoint.hook.previous';
$id = notify($node, 'hook', '{"n": 3}');
wait_until($node, "SELECT status = 'sent' FROM kam.notification WHERE notification_id = $id", 'and without the former');
my $new = ($receiver->requests('/hook'))[-1];
is(verify([ $new, $next ]), 'ok', 'the new key counts, with no reload');
like(verify([ $new, $secret ]), qr/^No matching/i, 'and the former does not any more');

# --- no key that can be used: it waits, says why, and goes when there is one

my @bad = ([ 'none', undef, 0600, qr/neither a file .*endpoint\.none/ ], [ 'open', $secret, 0644, qr/readable by others|mode 0644/ ],
    [ 'short', 'whsec_c2hvcnQ=', 0600, qr/no secret of Standard Webhooks/ ], [ 'text', 'whsec_no-base64-at-all!*********', 0600, qr/no secret of Standard Webhooks/ ]);
my %id;
foreach my $case (@bad)
{
    my ($name, $key, $mode) = @$case;

    write_key($node, "endpoint.$name", $key, $mode) if defined $key;
    set_endpoint($node, $name, $receiver->url("/$name"));
    $id{$name} = notify($node, $name, '{}');
}
foreach my $case (@bad)
{
    my ($name, undef, undef, $why) = @$case;

    wait_until($node, "SELECT attempts > 1 AND status = 'failed' FROM kam.notification WHERE notification_id = $id{$name}", "key $name: it waits");
    like(delivery($node, $id{$name}, 'last_error'), $why, "key $name: and says why");
    is(scalar $receiver->requests("/$name"), 0, "key $name: nothing left unsigned");
    write_key($node, "endpoint.$name", $secret);
}
foreach my $case (@bad)
{
    my ($name) = @$case;

    wait_until($node, "SELECT status = 'sent' FROM kam.notification WHERE notification_id = $id{$name}", "key $name: mended, it goes");
    is(verify([ ($receiver->requests("/$name"))[0], $secret ]), 'ok', "key $name: signed");
}

# --- a key in the address is none to sign with

write_key($node, 'endpoint.zap', 'T0K3N-in-the-path');
set_endpoint($node, 'zap', $receiver->url('/hooks/{key}/silent'), kind => "'zapier'");
$id = notify($node, 'zap', '{}');
wait_until($node, "SELECT status = 'sent' FROM kam.notification WHERE notification_id = $id", 'a key in the address is filled in');
my ($zap) = $receiver->requests('/hooks/T0K3N-in-the-path/silent');
ok($zap && !exists $zap->{headers}{'webhook-signature'}, 'and signs nothing');

# --- keys stand nowhere

my $rows = join '', map { $node->safe_psql('postgres', "SELECT t::text FROM kam.$_ t") } qw(notification endpoint delivery_state kam_delivery kam_endpoints kam_health() kam_worker_status());
my @found;
find({ no_chdir => 1, wanted => sub {
    return if !-f;
    my $text = slurp_file($_);
    push @found, $_ if grep { index($text, $_) >= 0 } $secret =~ s/^whsec_//r, $next =~ s/^whsec_//r, 'T0K3N-in-the-path';
} }, $node->data_dir);
push @found, 'log' if grep { index(slurp_file($node->logfile), $_) >= 0 } $secret =~ s/^whsec_//r, $next =~ s/^whsec_//r, 'T0K3N-in-the-path';
is("@found", '', 'no key is in a table, the write-ahead log or the server\'s log');
unlike($rows, qr/T0K3N|Zmlyc3Qg/, 'nor in a view');

$node->stop;
done_testing();
