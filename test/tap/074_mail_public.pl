# At a public address nothing is said without TLS: a mail server that offers none gets neither password nor message, unless the endpoint allows it.
use strict;
use warnings;

# A public address that leads nowhere but here: the test runs in a network of its own, with nothing in it.  Before PostgreSQL::Test takes hold of the output.
BEGIN
{
    if (!$ENV{KAM_OWN_NETWORK})
    {
        my @alone = qw(unshare -U -n --map-current-user --keep-caps);
        my $address = 'ip link set lo up && ip addr add 11.1.1.1/32 dev lo';

        if (system("@alone sh -c '$address' >/dev/null 2>&1") != 0)
        {
            print "1..0 # SKIP no network of its own can be had here\n";
            exit 0;
        }
        $ENV{KAM_OWN_NETWORK} = 1;
        exec @alone, 'sh', '-c', "$address && exec \"\$@\"", 'sh', $^X, (map { "-I$_" } grep { !ref } @INC), $0 or die "cannot run: $!";
    }
}

use FindBin;
use lib $FindBin::Bin;
use KamMail;
use KamTest;
use PostgreSQL::Test::Utils;
use Test::More;

need_mailbox();
my $public = '11.1.1.1';
my $certificates = certificates();
my $node = kam_node('public', conf => "kam.ca_file = '$certificates/ca.pem'\n");
my %with = (host => $public, certificates => $certificates, user => 'kam', password => 'a-password');
my $open = start_mailbox(%with, tls => 'none');
my $closed = start_mailbox(%with, tls => 'starttls');

write_key($node, 'endpoint.email', 'a-password');
mail_endpoint($node, $open, username => "'kam'", allow_private => 'false');
touch_leads($node, 'p', 3);
wait_until($node, "SELECT state = 'waiting' AND last_error LIKE 'tls: %' FROM kam.kam_endpoints", 'a server without STARTTLS: the endpoint waits');
is($node->safe_psql('postgres', "SELECT count(*) FROM kam.kam_delivery WHERE recipient = 'email' AND state IN ('pending', 'failed', 'sending')"), '3', 'nothing is given up');
like(mail_log($open), qr/connect/, 'it was asked');
unlike(mail_log($open), qr/auth|mail|rcpt/, 'and told nothing');

$node->safe_psql('postgres', "UPDATE kam.endpoint SET url = '$closed->{url}'");
settled($node, 'at one with STARTTLS they are sent');
is(scalar(mails($closed)), 3, 'all three');
is(scalar(() = mail_log($closed) =~ /^\d+ tls$/mg), 3, 'over TLS');

$node->safe_psql('postgres', "UPDATE kam.endpoint SET url = '$open->{url}', allow_private = true");
touch_leads($node, 'q', 1);
settled($node, 'where the endpoint allows it');
is(scalar(mails($open)), 1, 'it goes without');

$node->stop;
done_testing();
