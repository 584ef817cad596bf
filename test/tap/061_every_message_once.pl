# kill -9 of the worker, or the end of the server, while messages are taken, on their way, or answered and not yet settled: all arrive, and what goes twice is what was on its way, under the same webhook-id.
use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use KamReceiver;
use KamTest;
use MIME::Base64;
use PostgreSQL::Test::Utils;
use Test::More;

my $count = 60;
my $at_once = 8;
# That something leaves is on disk before, whatever the server's other sessions do.
my $node = kam_node('once', conf => "synchronous_commit = off\nwal_writer_delay = '10s'\n");
my $receiver = KamReceiver->new;
my $told = 0;

write_key($node, 'endpoint.hook', 'whsec_' . encode_base64('x' x 32, ''));
set_endpoint($node, 'hook', $receiver->url('/hook'), concurrency => $at_once, schedule => "'{100 ms}'");
$node->safe_psql('postgres', <<'SQL');
CREATE FUNCTION public.hold() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN PERFORM pg_catalog.pg_advisory_xact_lock(42); RETURN coalesce(NEW, OLD); END $$;
SQL

sub kill_worker
{
    my $victim = worker_pid($node);

    kill 'KILL', $victim;
    wait_for_restart($node, $victim) or die 'the server does not come back';
    return;
}

sub kill_server
{
    $node->stop('immediate');
    $node->start;
    return;
}

# Those that stand as on their way, when the worker waits before it writes (INSERT) or settles (DELETE) one; it is killed there.
sub kill_at
{
    my ($event, $kill) = @_;
    my $holder = $node->background_psql('postgres');

    $node->safe_psql('postgres', "CREATE TRIGGER hold BEFORE $event ON kam._delivery FOR EACH ROW EXECUTE FUNCTION public.hold()");
    $holder->query_safe('SELECT pg_advisory_lock(42)');
    $told += $count;
    notify($node, 'hook', undef, $count);
    ok(blocked_worker($node), "the worker is held at the $event of what is on its way");
    my $open = $node->safe_psql('postgres', 'SELECT count(*) FROM kam._delivery');
    $kill->();
    eval { $holder->quit };
    once_back($node, 'DROP TRIGGER hold ON kam._delivery');
    return $open;
}

# The server may have only just come back.
sub once_back
{
    my ($node, $command) = @_;

    $node->poll_query_until('postgres', 'SELECT true');
    return $node->safe_psql('postgres', $command);
}

sub all_sent
{
    my ($what) = @_;

    return wait_until($node, "SELECT count(*) = $told AND NOT EXISTS (SELECT FROM kam._delivery) FROM kam.notification WHERE recipient = 'hook' AND status = 'sent'", $what);
}

foreach my $kill ([ 'the worker', \&kill_worker ], [ 'the server', \&kill_server ])
{
    my ($victim, $how) = @$kill;

    # Before it is written that they leave.
    my $before = $receiver->requests('/hook');
    is(kill_at('INSERT', $how), 0, "$victim is killed before anything is on its way");
    all_sent("all of them arrive");
    is($receiver->requests('/hook') - $before, $count, 'each in one request');

    # On their way: the receiver has them and does not answer.
    $before = $receiver->requests('/hook');
    my $gate = $victim =~ s/ /-/r;
    $receiver->script('/hook', { gate => $gate });
    $told += $count;
    notify($node, 'hook', undef, $count);
    is(scalar $receiver->wait_for('/hook', $before + $at_once), $before + $at_once, 'so many are with the receiver as may be');
    is($node->safe_psql('postgres', 'SELECT count(*) FROM kam._delivery'), $at_once, 'and stand as on their way');
    $how->();
    $receiver->open($gate);
    all_sent("$victim is killed while they are on their way: all arrive");
    is($receiver->requests('/hook') - $before, $count + $at_once, 'those that were with the receiver went again, and no other');

    # Answered, and that is not written yet.
    $before = $receiver->requests('/hook');
    my $open = kill_at('DELETE', $how);
    cmp_ok($open, '>', 0, "$victim is killed between answer and settlement");
    all_sent('all of them arrive');
    my $twice = $receiver->requests('/hook') - $before - $count;
    ok($twice >= 1 && $twice <= $open, "$twice went again, of $open whose settlement was lost");
}

my (%body, @other);
foreach my $request ($receiver->requests('/hook'))
{
    my ($id, $body) = ($request->{headers}{'webhook-id'}, $request->{body});

    push @other, $id if defined $body{$id} && $body{$id} ne $body;
    $body{$id} = $body;
}
is(scalar keys %body, $told, "each of $told has one webhook-id");
is("@other", '', 'and what went again is what went before');
my %number = map { /"n": (\d+)/ && /"notification_id": (\d+)/ ? ($1 => 1) : () } values %body;
is(scalar keys %number, $told, 'every notification arrived');

# Where a message may have arrived and must not go twice, it is held for a person.
$receiver->script('/held', { gate => 'never' }, { gate => 'held' });
write_key($node, 'endpoint.held', 'whsec_' . encode_base64('x' x 32, ''));
set_endpoint($node, 'held', $receiver->url('/held'), in_doubt => "'hold'", concurrency => 1);
my $id = notify($node, 'held');
is(scalar $receiver->wait_for('/held', 1), 1, 'one is on its way that must not go twice');
kill_server();
wait_until($node, "SELECT state = 'in_doubt' FROM kam.kam_delivery WHERE notification_id = $id", 'the server is killed: it is in doubt');
like(delivery($node, $id, 'last_error'), qr/^in doubt: the worker died/, 'and says so');
my $next = notify($node, 'held');
is(scalar $receiver->wait_for('/held', 2), 2, 'the next one goes');
$receiver->open('held');
wait_until($node, "SELECT status = 'sent' FROM kam.notification WHERE notification_id = $next", 'and arrives');
is(scalar $receiver->requests('/held'), 2, 'the one in doubt did not go again');
is($node->safe_psql('postgres', "SELECT kam.kam_redeliver($id)"), 'pending', 'until a person says so');
wait_until($node, "SELECT status = 'sent' AND NOT in_doubt FROM kam.notification WHERE notification_id = $id", 'then it does');
my @held = $receiver->requests('/held');
is($held[2]{headers}{'webhook-id'}, $held[0]{headers}{'webhook-id'}, 'under the same webhook-id');

$node->stop;
done_testing();
