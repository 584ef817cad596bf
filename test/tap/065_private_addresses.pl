# Without allow_private nothing is sent to this machine or a private network: plain http is refused in the row, an address however written or resolved is refused before a connection is made, and none that another endpoint holds open is used.
use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use KamReceiver;
use KamTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $folder = PostgreSQL::Test::Utils::tempdir();
my $node = kam_node('private', conf => "kam.ca_file = '$folder/cert.pem'\n");
my $receiver = KamReceiver->new;
my $port = $receiver->{port};

# --- in the row

foreach my $case ([ 'http://hooks.example/x', 'is not encrypted' ], [ "http://127.0.0.1:$port/", 'is not encrypted' ], [ 'HTTP://hooks.example/x', 'is not encrypted' ],
    [ 'ftp://hooks.example/x', 'is not of HTTP' ], [ 'file:///etc/passwd', 'is no URL' ], [ 'gopher://127.0.0.1:25/x', 'is not of HTTP' ], [ 'smtp://127.0.0.1', 'is not of HTTP' ],
    [ 'https://user:secret@hooks.example/', 'has a user name or password in it' ], [ 'https://hooks.example@127.0.0.1/', 'has a user name or password in it' ],
    [ 'https://hooks.example/#x', 'has a fragment' ], [ "https://hooks.example/ x", 'has white space in it' ], [ "https://hooks.example/\tx", 'has white space in it' ], [ 'hooks.example', 'is no URL' ])
{
    my ($url, $why) = @$case;
    my ($code, $out, $err) = $node->psql('postgres', "\\set VERBOSITY verbose\nINSERT INTO kam.endpoint (endpoint, kind, url, topics) VALUES ('refused', 'webhook', '$url', '{}')");

    like($err, qr/ERROR:  22023: the url of endpoint "refused" \Q$why\E/, "refused: $url");
}
set_endpoint($node, 'http', $receiver->url('/http'), kind => "'zapier'");
my ($code, $out, $err) = $node->psql('postgres', "\\set VERBOSITY verbose\nUPDATE kam.endpoint SET allow_private = false WHERE endpoint = 'http'");
like($err, qr/22023.*is not encrypted/, 'nor does a row become one');

# --- where it leads

my %url = map { $_ => "https://$_/" } ("127.0.0.1:$port", "127.1:$port", "2130706433:$port", "0x7f000001:$port", "0177.0.0.1:$port", "0.0.0.0:$port", "localhost:$port", "[::1]:$port", "[::]:$port",
    "[::ffff:127.0.0.1]:$port", "[::ffff:7f00:1]:$port", "[64:ff9b::7f00:1]:$port", "[2002:7f00:1::]:$port", '10.0.0.1', '172.16.3.4', '192.168.0.1', '169.254.169.254', '100.64.0.1', '[fe80::1]', '[fd00::1]', '[ff02::1]');
my $n = 0;
foreach my $place (sort keys %url)
{
    my $name = 'p' . ++$n;
    set_endpoint($node, $name, $url{$place}, kind => "'zapier'", allow_private => 'false', review_url => "'$place'");
    notify($node, $name);
}
wait_until($node, "SELECT count(*) = $n FROM kam.kam_endpoints WHERE endpoint LIKE 'p%' AND state = 'halted'", 'all of them are halted');
is($node->safe_psql('postgres', "SELECT DISTINCT last_error FROM kam.notification WHERE recipient LIKE 'p%'"), 'address: the address is not a public one', 'and say why');
is($receiver->connections, 0, 'no connection was made');
is($node->safe_psql('postgres', "SELECT count(*) FROM kam.notification WHERE recipient LIKE 'p%' AND status = 'failed'"), $n, 'nothing is lost');
# The receiver would have been reached: with allow_private it is.
my $name = $node->safe_psql('postgres', "UPDATE kam.endpoint SET allow_private = true, url = replace(url, 'https:', 'http:') WHERE review_url = '127.1:$port' RETURNING endpoint");
$node->safe_psql('postgres', 'SELECT kam._wake_worker()');
wait_until($node, "SELECT status = 'sent' FROM kam.notification WHERE recipient = '$name'", 'allowed, it goes there');
cmp_ok($receiver->connections, '>', 0, 'by a connection');

# --- a connection that another endpoint holds open

SKIP:
{
    skip 'there is no openssl, or no node', 4
        if system("command -v node >/dev/null 2>&1 && openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost -keyout '$folder/key.pem' -out '$folder/cert.pem' >/dev/null 2>&1") != 0;
    my $script = <<"JS";
const fs = require('fs'), seen = '$folder/seen';
const server = require('https').createServer({ key: fs.readFileSync('$folder/key.pem'), cert: fs.readFileSync('$folder/cert.pem'), keepAliveTimeout: 60000 }, (request, response) => {
  request.resume(); fs.appendFileSync(seen, request.url + '\\n'); request.on('end', () => response.end('ok')); });
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
JS
    my $pid = open(my $said, '-|', 'node', '-e', $script) or die "cannot start node: $!";
    my $tls = <$said>;
    chomp $tls;
    reload($node);
    set_endpoint($node, 'trusted', "https://localhost:$tls/trusted", kind => "'zapier'");
    notify($node, 'trusted');
    wait_until($node, "SELECT status = 'sent' FROM kam.notification WHERE recipient = 'trusted'", 'one that may be there delivers over TLS, and keeps the connection');
    set_endpoint($node, 'other', "https://localhost:$tls/other", kind => "'zapier'", allow_private => 'false');
    notify($node, 'other');
    wait_until($node, "SELECT state = 'halted' FROM kam.kam_endpoints WHERE endpoint = 'other'", 'another is halted all the same');
    is($node->safe_psql('postgres', "SELECT last_error FROM kam.notification WHERE recipient = 'other'"), 'address: the address is not a public one', 'and says why');
    is(slurp_file("$folder/seen"), "/trusted\n", 'nothing of it left');
    kill 'TERM', $pid;
    close $said;
}

$node->stop;
done_testing();
