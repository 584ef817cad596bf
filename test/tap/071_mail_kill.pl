# Through kill -9 of the worker and the end of the server, at each moment of a delivery: no message arrives twice, what was on its way is in doubt and nothing else is, all others arrive.
use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use KamMail;
use KamTest;
use PostgreSQL::Test::Utils;
use Test::More;

need_mailbox();
# The worker writes durably where the server's other sessions do not.
my $node = kam_node('mailkill', conf => "synchronous_commit = off\n");
my $server = start_mailbox();
my $at_once = 4;

mail_endpoint($node, $server, concurrency => $at_once);
$node->safe_psql('postgres', "CREATE FUNCTION public.hold() RETURNS trigger LANGUAGE plpgsql AS \$\$ BEGIN PERFORM pg_catalog.pg_advisory_xact_lock(42); RETURN OLD; END \$\$");

sub end_it
{
    my ($how) = @_;
    my $victim = worker_pid($node);

    if ($how eq 'server')
    {
        $node->stop('immediate');
        $node->start;
        return;
    }
    kill 'KILL', $victim;
    wait_for_restart($node, $victim) or die 'the server does not come back';
    return;
}

sub state_of
{
    my ($prefix) = @_;

    return $node->safe_psql('postgres', "SELECT string_agg(state || ' ' || n, ', ' ORDER BY state) FROM (SELECT state, count(*) AS n FROM kam.kam_delivery"
            . " WHERE recipient = 'email' AND lead_id LIKE '$prefix%' GROUP BY 1) x");
}

sub in_mailbox
{
    my ($prefix) = @_;

    return scalar(() = `cat $server->{dir}/new/*` =~ /^Delivered-To: \Q$prefix\E/mg);
}

# The moment: before the message, with the message, and when it is answered but not yet written down.
my %moment = (
    before => [ 'gate-rcpt', qr/rcpt/, 0 ],
    during => [ 'gate-data', qr/data/, $at_once ],
    after => [ 'gate-data', qr/data/, $at_once ],
);
foreach my $how ('worker', 'server')
{
    foreach my $when ('before', 'during', 'after')
    {
        my ($fault, $line, $arrived) = @{ $moment{$when} };
        my $name = "$how-$when-";

        control($server, "$fault ${name}x*");
        touch_leads($node, "${name}x", $at_once);
        wait_for_log($server, qr/$line ${name}x/, $at_once, "$how, $when: $at_once are on their way");
        my $holder = $node->background_psql('postgres');
        if ($when eq 'after')
        {
            $node->safe_psql('postgres', "CREATE TRIGGER hold BEFORE DELETE ON kam._delivery FOR EACH ROW EXECUTE FUNCTION public.hold()");
            $holder->query_safe('SELECT pg_advisory_lock(42)');
            control($server);
            blocked_worker($node) or die 'nothing waits';
        }
        # More than may be on their way at once: these wait.
        touch_leads($node, "${name}y", 20);
        end_it($how);
        eval { $holder->quit; };
        control($server);
        $node->safe_psql('postgres', 'DROP TRIGGER IF EXISTS hold ON kam._delivery');
        settled($node);
        is(state_of("${name}x"), "in_doubt $at_once", 'they are in doubt');
        is(in_mailbox("${name}x"), $arrived, "$arrived of them arrived");
        is(state_of("${name}y") . ', ' . in_mailbox("${name}y"), 'sent 20, 20', 'all others are sent, once');
    }
}

# A connection that is cut, without a crash: what was handed over is in doubt, kept or not, and what was not is tried again.
control($server, 'keep-cut kept*', 'drop-cut dropped*', 'cut-rcpt early*');
touch_leads($node, $_, 2) foreach 'kept', 'dropped', 'early';
wait_until($node, "SELECT count(*) = 4 FROM kam.kam_delivery WHERE state = 'in_doubt' AND lead_id ~ '^(kept|dropped)'", 'cut after the message: in doubt');
wait_until($node, "SELECT count(*) = 2 FROM kam.kam_delivery WHERE state = 'failed' AND lead_id LIKE 'early%'", 'cut before it: tried again');
control($server);
settled($node);
is(join(' ', map { in_mailbox($_) } 'kept', 'dropped', 'early'), '2 0 2', 'nothing came twice');

my %count;
$count{ $_->{to}[0][1] }++ foreach mails($server);
is(join(' ', grep { $count{$_} > 1 } keys %count), '', 'nobody has two');
is($node->safe_psql('postgres', "SELECT count(*) FROM kam.kam_delivery WHERE state = 'in_doubt' AND event_id NOT IN (SELECT event_id FROM kam.CadenceEventLog WHERE counted)"), '0', 'what is in doubt keeps its touch');

# It may have arrived: then an answer may come, and is recognised.
my ($kept) = grep { $_->{to}[0][1] =~ /^kept2/ } mails($server);
$node->safe_psql('postgres', "SELECT kam.kam_reply('$kept->{headers}{'message-id'}[0]')");
is($node->safe_psql('postgres', "SELECT end_reason FROM kam.Cadence WHERE lead_id = 'kept2'"), 'replied', 'an answer to a message in doubt ends its sequence');
is($node->safe_psql('postgres', "SELECT count(*) FROM kam.kam_delivery WHERE state = 'in_doubt' AND message_id IS NULL"), '0', 'its Message-ID is shown, to look for in the mail server\'s log');

# Somebody looked, and sends again.
$node->safe_psql('postgres', "SELECT kam.kam_redeliver(notification_id) FROM kam.kam_delivery WHERE state = 'in_doubt' AND lead_id ~ '^(worker-before|dropped|kept1)'");
settled($node);
is(join(' ', map { state_of($_) . ', ' . in_mailbox($_) } 'worker-before-x', 'dropped', 'kept1'), "sent $at_once, $at_once sent 2, 2 sent 1, 2", 'kam_redeliver sends what is in doubt');
my %copy = map { join(' ', @{ $_->{headers}{'message-id'} }, @{ $_->{headers}{subject} }, @{ $_->{headers}{'in-reply-to'} // [] }) => 1 } grep { $_->{to}[0][1] =~ /^kept1/ } mails($server);
is(scalar keys %copy, 1, 'a second copy has the Message-ID and the subject of the first: programs show one');
is(cadence_troubles($node), '', 'the log is sound');

$node->stop;
done_testing();
