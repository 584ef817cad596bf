# kam_import_sheet() has the worker fetch a CSV file and import it, all or nothing, once whatever is killed; what cannot be imported says why, and no private address is fetched from that a superuser did not allow.
use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use KamReceiver;
use KamTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = kam_node('sheets');
my $receiver = KamReceiver->new;
my $other = KamReceiver->new;
my $csv = "resource_id,title,url\r\nr1,\"A guide, with \"\"quotes\"\" and é\",https://a.example/1\r\nr2,Another,https://a.example/2\r\n";

sub refused
{
    my ($url, $kind) = @_;
    my ($code, $out, $err) = $node->psql('postgres', "\\set VERBOSITY verbose\nSELECT kam.kam_import_sheet('@{[ $kind // 'resource' ]}', '$url')");

    return $err =~ /ERROR:  (\S+):/ ? $1 : $out;
}

sub ask
{
    my ($path, $kind) = @_;

    return $node->safe_psql('postgres', "SELECT kam.kam_import_sheet('@{[ $kind // 'resource' ]}', '@{[ $path =~ /^http/ ? $path : $receiver->url($path) ]}')");
}

sub fetch
{
    my ($path, $kind) = @_;
    my $id = ask($path, $kind);

    wait_until($node, "SELECT state IN ('imported', 'failed') FROM kam.sheet_import WHERE import_id = $id", "$path: it ends") or return '';
    return $node->safe_psql('postgres', "SELECT concat_ws('|', state, imported, error) FROM kam.sheet_import WHERE import_id = $id");
}

# --- whom it asks

is(refused($receiver->url('/sheet')), '22023', 'plain http is refused');
is(refused('https://user@sheets.example/x'), '22023', 'so is a user in the address');
is(refused('file:///etc/passwd'), '22023', 'and what is no address');
is(refused('https://sheets.example/x', 'lead'), '22023', 'and an unknown kind');
like(fetch("https://127.0.0.1:$receiver->{port}/sheet"), qr/^failed\|address: the address is not a public one/, 'a private address is not connected to');
is($receiver->connections, 0, 'no connection was made');
set_endpoint($node, 'sheets', $receiver->url('/'), kind => "'zapier'");
is(refused($other->url('/sheet')), '22023', 'an endpoint that may be there allows its own port and no other');

# --- what comes back

$receiver->script('/sheet', { body => $csv });
is(fetch('/sheet'), 'imported|2', 'a CSV file is imported');
is($node->safe_psql('postgres', "SELECT title FROM kam.resource WHERE resource_id = 'r1'"), 'A guide, with "quotes" and é', 'as it is');
is(fetch('/sheet'), 'imported|2', 'and once more');
is($node->safe_psql('postgres', 'SELECT count(*) FROM kam.resource'), '2', 'in place of what was there');
$receiver->script('/practices', { body => "practice_id,title,body\np1,Be brief,Few words\n" });
is(fetch('/practices', 'best_practice'), 'imported|1', 'practices too');

$receiver->script('/moved', { status => 302, headers => { Location => '/further' }, body => '' });
$receiver->script('/further', { status => 307, headers => { Location => $receiver->url('/sheet') }, body => '' });
is(fetch('/moved'), 'imported|2', 'a redirect is followed');
$receiver->script('/away', { status => 302, headers => { Location => $other->url('/sheet') }, body => '' });
like(fetch('/away'), qr/^failed\|address: the address is not a public one/, 'not to another private address');
is($other->connections, 0, 'which saw no connection');
$receiver->script('/file', { status => 302, headers => { Location => 'file:///etc/passwd' }, body => '' });
like(fetch('/file'), qr/^failed\|address: /, 'nor out of HTTP');
$receiver->script('/round', { status => 302, headers => { Location => '/round' }, body => '' });
like(fetch('/round'), qr/^failed\|address: .*redirects/, 'nor without end');

my $before = $node->safe_psql('postgres', 'SELECT md5(string_agg(r::text, $$|$$ ORDER BY r)) FROM kam.resource r');
$receiver->script('/page', { body => "\n <!DOCTYPE html><html>Sign in</html>" });
is(fetch('/page'), 'failed|this is a web page, no CSV: may everybody with the link read the sheet?', 'a web page is none');
$receiver->script('/missing', { status => 404, body => 'no' });
is(fetch('/missing'), 'failed|the server answered 404', 'nor is what is not there');
$receiver->script('/bad', { body => "resource_id,title\nr3,Fine\nr4,Fine,too many\n" });
like(fetch('/bad'), qr/^failed\|.*line 3/, 'a bad CSV file is refused with its line');
$receiver->script('/empty', { body => '' });
like(fetch('/empty'), qr/^failed\|./, 'an empty one too');
$receiver->script('/latin', { body => "resource_id,title\nr5,caf\xe9\n" });
like(fetch('/latin'), qr/^failed\|encoding: this is no text in UTF-8/, 'one that is not UTF-8 too');
$receiver->script('/zero', { body => "resource_id,title\nr6,a\0b\n" });
like(fetch('/zero'), qr/^failed\|encoding: /, 'and one with a zero byte');
$receiver->script('/cut', { half => 1, body => $csv });
like(fetch('/cut'), qr/^failed\|cut: /, 'half a file is not imported');
$receiver->script('/large', { body => "r,a title\r\n", times => 1000000 });
like(fetch('/large'), qr/^failed\|too_large: /, 'nor are more than 10 MB');
is($node->safe_psql('postgres', 'SELECT md5(string_agg(r::text, $$|$$ ORDER BY r)) FROM kam.resource r'), $before, 'none of these changed a row');

# --- the worker is killed

$receiver->script('/slow', { gate => 'slow', body => "resource_id,title\nr9,Slow\n" }, { body => "resource_id,title\nr9,Slow\n" });
my $id = ask('/slow');
$receiver->wait_for('/slow', 1);
is($node->safe_psql('postgres', "SELECT state FROM kam.sheet_import WHERE import_id = $id"), 'fetching', 'one is being fetched');
my $victim = worker_pid($node);
kill 'KILL', $victim;
wait_for_restart($node, $victim);
wait_until($node, "SELECT state = 'imported' AND imported = 1 FROM kam.sheet_import WHERE import_id = $id", 'the worker is killed: it is fetched again and imported');
is(scalar $receiver->requests('/slow'), 2, 'in two requests');
$receiver->open('slow');

# --- addresses as the browser shows them; nothing is fetched meanwhile

reload($node, 'kam.paused = on');
wait_until($node, "SELECT state = 'paused' FROM kam.kam_worker_status() WHERE database = 'postgres'", 'the worker is paused');
foreach my $case ([ '1AbC_d-9/edit#gid=7', '1AbC_d-9/export?format=csv&gid=7' ], [ '1AbC/edit', '1AbC/export?format=csv&gid=0' ], [ '1AbC/edit?gid=12#gid=12', '1AbC/export?format=csv&gid=12' ],
    [ '1AbC/view?usp=sharing', '1AbC/export?format=csv&gid=0' ], [ '1AbC/export?format=csv', '1AbC/export?format=csv' ], [ '1AbC/edit?usp=sharing#range=A1&gid=3', '1AbC/export?format=csv&gid=3' ])
{
    my ($shown, $fetched) = @$case;
    my $google = 'https://docs.google.com/spreadsheets/d/';

    my $import = $node->safe_psql('postgres', "SELECT kam.kam_import_sheet('resource', '$google$shown')");
    is($node->safe_psql('postgres', "DELETE FROM kam.sheet_import WHERE import_id = $import RETURNING url"), "$google$fetched", $shown);
}

$node->stop;
done_testing();
