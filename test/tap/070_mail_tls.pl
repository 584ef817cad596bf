# The mail server is who its certificate says, and the password goes to nobody else: TLS is used where it is offered, an untrusted certificate is refused before a word is said, a wrong password loses nothing.
use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use KamMail;
use KamTest;
use PostgreSQL::Test::Utils;
use Test::More;

need_mailbox();
my $certificates = certificates();
my $node = kam_node('tls', conf => "kam.ca_file = '$certificates/ca.pem'\nlog_statement = 'all'\nlog_min_messages = debug1\n");
my $secret = 'not-for-the-log-4711';
my %with = (certificates => $certificates, user => 'kam@acme.example', password => $secret);
my $server = start_mailbox(tls => 'starttls', %with);

# Points the endpoint at another server, which also has it tried at once.
sub point_at
{
    my ($other) = @_;

    $node->safe_psql('postgres', "UPDATE kam.endpoint SET url = '$other->{url}'; SELECT kam.kam_redeliver('email')");
    return;
}

# STARTTLS and a login, by the key file.
write_key($node, 'endpoint.email', $secret);
mail_endpoint($node, $server, username => "'kam\@acme.example'");
touch_leads($node, 'a', 5);
settled($node);
is(scalar(mails($server)), 5, 'STARTTLS and login: all arrive');
my $log = mail_log($server);
is(join(' ', map { my $word = $_; scalar(() = $log =~ /^\d+ $word/mg) } 'connect', 'tls', 'auth kam@acme.example yes', 'mail'), '5 5 5 5', 'each over TLS, each after a login');

# The same on a port that speaks TLS from the start.
my $implicit = start_mailbox(tls => 'implicit', %with);
point_at($implicit);
touch_leads($node, 'b', 5);
settled($node);
is(scalar(mails($implicit)), 5, 'smtps: all arrive');

# Certificates that are not what they should be.
foreach my $name ('alone', 'other')
{
    my $false = start_mailbox(tls => 'starttls', %with, name => $name);

    point_at($false);
    touch_leads($node, $name, 1);
    wait_until($node, "SELECT state = 'failed' AND last_error LIKE 'tls: %' FROM kam.kam_delivery WHERE recipient = 'email' AND lead_id = '${name}1'", "certificate '$name': refused, the message waits");
    is($node->safe_psql('postgres', "SELECT state FROM kam.kam_endpoints WHERE endpoint = 'email'"), 'waiting', 'and so does the endpoint');
    unlike(mail_log($false), qr/auth|mail|rcpt/, 'neither password nor message went there');
    point_at($server);
    settled($node, 'at the right server it is sent');
}

# No TLS.  This machine is a private address: with allow_private it is tried without, else nothing is.
my $open = start_mailbox(user => $with{user}, password => $secret);
$node->safe_psql('postgres', "UPDATE kam.endpoint SET allow_private = false");
point_at($open);
touch_leads($node, 'c', 1);
wait_until($node, "SELECT state = 'halted' FROM kam.kam_endpoints", 'without allow_private an address that is not public halts the endpoint');
is(mail_log($open), '', 'nobody connected');
$node->safe_psql('postgres', "UPDATE kam.endpoint SET allow_private = true");
settled($node, 'allowed, it is sent');
is(scalar(mails($open)), 1, 'without TLS');

# A wrong password.
write_key($node, 'endpoint.email', 'wrong-4712');
point_at($server);
touch_leads($node, 'd', 3);
wait_until($node, "SELECT last_error LIKE 'login: %' AND state = 'waiting' FROM kam.kam_endpoints", 'a wrong password: the endpoint waits');
is($node->safe_psql('postgres', "SELECT count(*) FROM kam.kam_delivery WHERE recipient = 'email' AND lead_id LIKE 'd%' AND state NOT IN ('pending', 'failed', 'sending')"), '0', 'no message is given up');
write_key($node, 'endpoint.email', $secret);
settled($node, 'with the right one');
is($node->safe_psql('postgres', "SELECT count(*) FROM kam.kam_delivery WHERE recipient = 'email' AND state = 'sent'"), '16', 'all are sent');
is(scalar(mails($server)), 10, 'those of this server once each');

# A key that others may read is not used; none at all neither.
write_key($node, 'endpoint.email', $secret, 0644);
touch_leads($node, 'e', 1);
wait_until($node, "SELECT last_error LIKE 'key: %' FROM kam.kam_endpoints", 'a key file that others may read is not used');
note($node->safe_psql('postgres', 'SELECT last_error FROM kam.kam_endpoints'));
chmod 0600, $node->basedir . '/keys/endpoint.email';
settled($node, 'mended, it is');

unlike(slurp_file($node->logfile), qr/\Q$secret\E|wrong-4712/, 'the server log has no password');
$node->safe_psql('postgres', "SELECT pg_stat_clear_snapshot()");
is(join('', grep { /\Q$secret\E|wrong-4712/ } split /\n/, $node->safe_psql('postgres', "SELECT query_to_xml('SELECT * FROM kam.' || quote_ident(c.relname), true, false, '') FROM pg_class c WHERE c.relnamespace = 'kam'::regnamespace AND c.relkind IN ('r', 'p')")),
    '', 'nor has any table');

$node->stop;
done_testing();
