# A receiver of webhooks on 127.0.0.1: a process per connection, each path's answers scripted, every request kept for the test to read.
#
#   my $receiver = KamReceiver->new;
#   $receiver->script('/hook', { status => 503, headers => { 'Retry-After' => 2 } }, {});
#
# The first request of the path gets the first answer, the second the second, and the last of them all that come later.  An answer's members:
#   status (200), headers, body ('ok'), times (that the body is repeated), delay (seconds before it), gate (a name: not before $receiver->open(name)),
#   hang (never), close (the connection ends instead), half (the connection ends within it)
# A path that is not scripted is answered with 200.
package KamReceiver;

use strict;
use warnings;

use Exporter 'import';
use Fcntl qw(:flock);
use IO::Select;
use IO::Socket::INET;
use JSON::PP;
use MIME::Base64;
use POSIX ();
use PostgreSQL::Test::Utils;
use Time::HiRes qw(time);

our @EXPORT = qw(set_endpoint notify delivery);

my @started;

# ---- endpoints and notifications ----

# An endpoint that may be on this machine, with a back-off of a fifth of a second; more columns as SQL.
sub set_endpoint
{
    my ($node, $name, $url, %column) = @_;

    %column = (kind => "'webhook'", allow_private => 'true', topics => "'{}'", schedule => "'{200 ms}'", %column);
    my @name = sort keys %column;
    local $" = ', ';
    $node->safe_psql('postgres', "INSERT INTO kam.endpoint (endpoint, url, @name) VALUES ('$name', '$url', @column{@name})");
    return;
}

# News for a recipient, and a wake; returns its notification_id.  With a count, so many, whose payloads are {"n": 1} and on: the last one's.
sub notify
{
    my ($node, $recipient, $payload, $count, $database) = @_;
    my $what = $count ? 'jsonb_build_object($$n$$::text, n)' : "\$json\$@{[ $payload // '{}' ]}\$json\$";

    $count //= 1;
    # What was told stays told, whatever is killed next.
    return $node->safe_psql($database // 'postgres', <<"SQL");
SET synchronous_commit = on;
WITH n AS (INSERT INTO kam.notification (recipient, topic, payload) SELECT '$recipient', 'decision', $what FROM generate_series(1, $count) n RETURNING notification_id)
SELECT max(notification_id) FROM n;
DO 'BEGIN PERFORM kam._wake_worker(); END';
SQL
}

# Columns of kam_delivery.
sub delivery
{
    my ($node, $id, $columns) = @_;

    return $node->safe_psql('postgres', "SELECT $columns FROM kam.kam_delivery WHERE notification_id = $id");
}

# ---- the receiver ----

sub new
{
    my ($class) = @_;
    my $folder = PostgreSQL::Test::Utils::tempdir();
    my $listen = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => 0, Listen => 256, ReuseAddr => 1, Proto => 'tcp') or die "cannot listen: $!";
    my $self = bless { folder => $folder, port => $listen->sockport, parent => $$ }, $class;

    foreach my $file (qw(lock log connections))
    {
        open my $made, '>', "$folder/$file" or die "cannot write to $folder: $!";
    }
    $self->{pid} = fork() // die "cannot fork: $!";
    if ($self->{pid} == 0)
    {
        eval { $self->_serve($listen) };
        POSIX::_exit(0);
    }
    push @started, $self;
    return $self;
}

sub url
{
    my ($self, $path) = @_;

    return "http://127.0.0.1:$self->{port}" . ($path // '');
}

sub script
{
    my ($self, $path, @answer) = @_;
    my $file = $self->_file('script', $path);

    $self->_write("$file.new", encode_json(\@answer));
    unlink $self->_file('count', $path);
    rename "$file.new", $file or die "cannot rename $file: $!";
    return;
}

# Lets go whatever waits at a gate, now and later.
sub open
{
    my ($self, $gate) = @_;

    $self->_write($self->_file("gate", $gate), "");
    return;
}

# The requests that came, in their order: {at, method, path, headers (lower case), body}; those of a path, or all.
sub requests
{
    my ($self, $path) = @_;
    my @request;

    foreach my $line (split /\n/, PostgreSQL::Test::Utils::slurp_file("$self->{folder}/log"))
    {
        my ($at, $method, $uri, $head, $body) = split /\t/, $line, -1;
        next if defined $path && $uri ne $path;
        my %header = map { /^([^:]*):\s*(.*?)\s*$/ ? (lc $1 => $2) : () } split /\r\n/, decode_base64($head);
        push @request, { at => $at, method => $method, path => $uri, headers => \%header, body => decode_base64($body) };
    }
    return @request;
}

# Connections that were accepted.
sub connections
{
    my ($self) = @_;

    return -s "$self->{folder}/connections";
}

# Waits until so many requests of the path have come; returns them.
sub wait_for
{
    my ($self, $path, $count) = @_;
    my @request;

    for (1 .. 20 * $PostgreSQL::Test::Utils::timeout_default)
    {
        @request = $self->requests($path);
        last if @request >= $count;
        select undef, undef, undef, 0.05;
    }
    return @request;
}

sub stop
{
    my ($self) = @_;

    # Its connections' processes with it: they are its group.
    kill 'TERM', -$self->{pid} if $self->{pid};
    waitpid $self->{pid}, 0 if $self->{pid};
    $self->{pid} = 0;
    return;
}

END
{
    my $status = $?;
    $_->{parent} == $$ && $_->stop foreach @started;
    $? = $status;
}

# ---- within its processes ----

sub _file
{
    my ($self, $kind, $name) = @_;

    return "$self->{folder}/$kind-" . unpack('H*', $name);
}

sub _write
{
    my ($self, $file, $text) = @_;

    CORE::open(my $out, '>', $file) or die "cannot write $file: $!";
    print $out $text;
    close $out;
    return;
}

sub _serve
{
    my ($self, $listen) = @_;
    my $ready = IO::Select->new($listen);

    setpgrp;
    $SIG{CHLD} = 'IGNORE';
    $SIG{TERM} = 'DEFAULT';
    while (getppid() == $self->{parent})
    {
        next if !$ready->can_read(1);
        my $client = $listen->accept or next;
        CORE::open(my $count, ">>", "$self->{folder}/connections") or die;
        syswrite $count, q(.);
        close $count;
        my $pid = fork() // next;
        if ($pid == 0)
        {
            close $listen;
            eval { $self->_converse($client) };
            POSIX::_exit(0);
        }
        close $client;
    }
    return;
}

sub _converse
{
    my ($self, $client) = @_;
    my $rest = '';

    while (1)
    {
        until ($rest =~ /\r\n\r\n/)
        {
            sysread $client, $rest, 65536, length $rest or return;
        }
        my ($head, $body) = split /\r\n\r\n/, $rest, 2;
        my ($length) = $head =~ /^content-length:\s*(\d+)/im;
        $length //= 0;
        while (length $body < $length)
        {
            sysread $client, $body, 65536, length $body or return;
        }
        $rest = substr $body, $length;
        $body = substr $body, 0, $length;
        my ($method, $path, $fields) = $head =~ /^(\S+) (\S+) [^\r]*(?:\r\n)?(.*)$/s or return;
        $self->_answer($client, $self->_note($method, $path, $fields, $body)) or return;
    }
    return;
}

# Writes a request down; returns the answer that is its turn.
sub _note
{
    my ($self, $method, $path, $fields, $body) = @_;
    my ($count, $script) = map { $self->_file($_, $path) } qw(count script);

    CORE::open(my $lock, '>', "$self->{folder}/lock") or die;
    flock $lock, LOCK_EX;
    CORE::open(my $log, '>>', "$self->{folder}/log") or die;
    print $log join("\t", time, $method, $path, encode_base64($fields, ''), encode_base64($body, '')) . "\n";
    close $log;
    CORE::open(my $counted, '>>', $count) or die;
    syswrite $counted, '.';
    my $answers = -e $script ? decode_json(PostgreSQL::Test::Utils::slurp_file($script)) : [ {} ];
    my $turn = -s $count;
    return $answers->[ $turn > @$answers ? -1 : $turn - 1 ];
}

# False: the connection ends.
sub _answer
{
    my ($self, $client, $answer) = @_;
    my $body = ($answer->{body} // 'ok') x ($answer->{times} // 1);
    my %header = ('Content-Type' => 'text/plain', 'Content-Length' => length $body, %{ $answer->{headers} // {} });

    if ($answer->{hang})
    {
        sysread $client, my $byte, 1;
        return 0;
    }
    select undef, undef, undef, $answer->{delay} if $answer->{delay};
    if (defined $answer->{gate})
    {
        select undef, undef, undef, 0.01 until -e $self->_file('gate', $answer->{gate});
    }
    return 0 if $answer->{close};
    my $text = 'HTTP/1.1 ' . ($answer->{status} // 200) . " Scripted\r\n" . join('', map { "$_: $header{$_}\r\n" } sort keys %header) . "\r\n$body";
    $text = substr $text, 0, length($text) - length($body) + int(length($body) / 2) if $answer->{half};
    # The client may have gone.
    local $SIG{PIPE} = 'IGNORE';
    for (my $sent = 0; $sent < length $text;)
    {
        $sent += syswrite($client, $text, 1 << 16, $sent) // return 0;
    }
    return !$answer->{half};
}

1;
