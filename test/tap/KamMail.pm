# What the TAP tests of e-mail share: a mail server that keeps what it is sent (test/mock/mailserver.py), certificates, an endpoint, touches.
package KamMail;

use strict;
use warnings;

use Cwd qw(abs_path);
use Exporter 'import';
use File::Basename qw(dirname);
use JSON::PP;
use KamTest;
use PostgreSQL::Test::Utils;
use Test::More;

our @EXPORT = qw(start_mailbox stop_mailbox mails mail_log wait_for_log control certificates mail_endpoint touch_leads settled need_mailbox);

my $script = abs_path(dirname(__FILE__) . '/../mock') . '/mailserver.py';
my $python = '/usr/bin/python3';
my %mailbox;

# Skips the file where the mail server's package is not there.
sub need_mailbox
{
    system("$python -c 'import aiosmtpd' 2>/dev/null") == 0 or plan(skip_all => 'python3-aiosmtpd is not installed (scripts/bootstrap)');
    return;
}

# Starts a mail server.  Options: host (127.0.0.1), tls (none), certificates, name (whose certificate: server), user, password.  Ends with the test, by its process id.
sub start_mailbox
{
    my (%option) = @_;
    my $folder = PostgreSQL::Test::Utils::tempdir();
    my %server = (dir => "$folder/mail", log => "$folder/log", control => "$folder/control");
    my @command = ($python, $script, 'serve', $server{dir}, '--with-parent', '--log', $server{log}, '--control', $server{control}, '--tls', $option{tls} // 'none');

    if ($option{certificates})
    {
        my $name = $option{name} // 'server';
        push @command, '--cert', "$option{certificates}/$name.pem", '--key', "$option{certificates}/$name.key";
    }
    if ($option{user})
    {
        append_to_file("$folder/password", $option{password});
        push @command, '--user', $option{user}, '--password-file', "$folder/password";
    }
    push @command, '--host', $option{host} if $option{host};
    append_to_file($server{$_}, '') foreach qw(log control);
    $server{pid} = open($server{out}, '-|', @command) or die "cannot start the mail server: $!";
    my $port = readline $server{out};
    defined $port or die 'the mail server does not start';
    chomp $port;
    $server{port} = $port;
    $server{url} = (($option{tls} // '') eq 'implicit' ? 'smtps' : 'smtp') . '://' . ($option{host} // '127.0.0.1') . ":$port";
    $mailbox{ $server{pid} } = \%server;
    return \%server;
}

sub stop_mailbox
{
    my ($server) = @_;

    delete $mailbox{ $server->{pid} };
    kill 'TERM', $server->{pid};
    close $server->{out};
    return;
}

END
{
    my $status = $?;
    stop_mailbox($_) foreach values %mailbox;
    $? = $status;
}

# The messages in the mailbox, as Python's parser reads them.
sub mails
{
    my ($server) = @_;

    return map { decode_json($_) } split /\n/, `$python $script list $server->{dir}`;
}

# The faults from now on: lines "FAULT PATTERN".
sub control
{
    my ($server, @line) = @_;

    open(my $file, '>', "$server->{control}.new") or die "cannot write: $!";
    print $file "$_\n" foreach @line;
    close $file;
    rename "$server->{control}.new", $server->{control} or die "cannot rename: $!";
    return;
}

sub mail_log
{
    my ($server) = @_;

    return slurp_file($server->{log});
}

# Waits until so many lines of the server's log match.
sub wait_for_log
{
    my ($server, $pattern, $count, $what) = @_;
    my $found = 0;

    for (1 .. 20 * $PostgreSQL::Test::Utils::timeout_default)
    {
        $found = () = mail_log($server) =~ /$pattern/mg;
        last if $found >= $count;
        select undef, undef, undef, 0.05;
    }
    cmp_ok($found, '>=', $count, $what);
    return $found >= $count;
}

# An authority, the certificate "server" that it signed for this machine, one for another name ("other"), and one that nobody signed ("alone"); returns the folder.
sub certificates
{
    my $folder = PostgreSQL::Test::Utils::tempdir();
    my $new = 'openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2';
    my $log = "2>>$folder/openssl.log";

    system("cd $folder && $new -keyout ca.key -out ca.pem -subj '/CN=kam test authority' $log") == 0 or die 'openssl';
    foreach (['server', 'IP:127.0.0.1,IP:11.1.1.1,DNS:localhost'], ['other', 'DNS:mail.other.example'])
    {
        my ($name, $alt) = @$_;
        append_to_file("$folder/$name.ext", "subjectAltName=$alt\n");
        system("cd $folder && openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout $name.key -out $name.csr -subj '/CN=$name' $log"
                . " && openssl x509 -req -in $name.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile $name.ext -out $name.pem $log") == 0 or die 'openssl';
    }
    system("cd $folder && $new -keyout alone.key -out alone.pem -subj '/CN=alone' -addext 'subjectAltName=IP:127.0.0.1' $log") == 0 or die 'openssl';
    return $folder;
}

# The endpoint "email" at a mail server, with further columns as SQL, and the rule that what is outbound is sent there.
sub mail_endpoint
{
    my ($node, $server, %column) = @_;
    my %row = (allow_private => 'true', sender => "'Jane Doe <jane\@acme.example>'", unsubscribe_url => "'https://acme.example/u/{token}'", schedule => "'{300 ms,300 ms,1 s}'", %column);
    my @names = sort keys %row;

    $node->safe_psql('postgres', "INSERT INTO kam.endpoint (endpoint, kind, url, @{[join ', ', @names]}) VALUES ('email', 'smtp', '$server->{url}', @{[join ', ', @row{@names}]});"
            . " INSERT INTO kam.SendRule (sequence_type, channel, mode) VALUES ('outbound', 'email', 'auto_send') ON CONFLICT DO NOTHING");
    return;
}

# As many leads PREFIX1, PREFIX2, ... in a sequence of their own, each with one touch by e-mail, in one transaction that is durable.  Options: address (an SQL expression of l and n), message, name.
sub touch_leads
{
    my ($node, $prefix, $count, %option) = @_;
    my $address = $option{address} // "l || '\@example.test'";
    my $message = $option{message} // "'Hello ' || l";
    my $name = $option{name} // "'Person ' || n";

    $node->safe_psql('postgres', <<"SQL");
BEGIN;
SET LOCAL synchronous_commit = on;
INSERT INTO kam.Leads (lead_id, full_name, email) SELECT l, $name, $address FROM generate_series(1, $count) n, LATERAL (SELECT '$prefix' || n) x (l);
INSERT INTO kam.CadenceEventLog (lead_id, sequence_type, event_type, sequence_id) SELECT l, 'outbound', 'activation', 's-' || l
  FROM generate_series(1, $count) n, LATERAL (SELECT '$prefix' || n) x (l) ORDER BY l;
INSERT INTO kam.CadenceEventLog (lead_id, sequence_type, event_type, sequence_id, channel, payload)
SELECT l, 'outbound', 'touch', 's-' || l, 'email', jsonb_build_object('message', $message) FROM generate_series(1, $count) n, LATERAL (SELECT '$prefix' || n) x (l) ORDER BY l;
COMMIT;
SQL
    return;
}

# Waits until nothing of the outbox waits or is on its way, but what is for later than a minute from now.
sub settled
{
    my ($node, $what) = @_;

    return wait_until($node, "SELECT NOT EXISTS (SELECT FROM kam.notification WHERE recipient = 'email' AND status IN ('pending', 'failed'))", $what // 'nothing waits any more');
}

1;
