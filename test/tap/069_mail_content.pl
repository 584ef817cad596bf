# What a person receives is what was meant, as a mail program reads it: names, subjects, bodies and addresses of all kinds, nothing injected, unsubscribe by one click, threads.
use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use Encode qw(decode_utf8 encode_utf8);
use JSON::PP;
use KamMail;
use KamTest;
use PostgreSQL::Test::Utils;
use Test::More;
use utf8;

need_mailbox();
my $node = kam_node('content');
my $server = start_mailbox();

mail_endpoint($node, $server, sender => encode_utf8("'Zoé \"Zed\" Brûlé <zoe\@acme.example>'"), unsubscribe_mailto => "'leave\@acme.example'", footer => "'Acme, 1 Main Street. No more: {unsubscribe_url}'");
$node->safe_psql('postgres', <<'SQL');
INSERT INTO kam.SendRule (sequence_type, channel, mode) VALUES ('transactional', 'email', 'auto_send');
INSERT INTO kam.Reps (rep_id, name, email) VALUES ('r1', 'Rep One', 'rep.one@acme.example');
SQL

# lead, name, address, subject, body, as SQL.
my %case = (
    plain => [ "'Jane Roe'", "'plain\@example.test'", "'A subject'", "'Hello'" ],
    names => [ "'Øyvind Ångström, \"Jr.\" <x\@evil.test>'", "'names\@example.test'", "'Vos délais – 納期 😀 '||repeat('très ', 30)||'fin'", "'Grüße, 納期 😀'" ],
    # Each of these would be a header, a recipient or a message of its own.
    header => [ "E'Eve\\r\\nBcc: x1\@evil.test'", "'header\@example.test'", "E'Hi\\r\\nBcc: x2\@evil.test\\r\\n\\r\\nbody'", "'fine'" ],
    newline => [ "E'Eve\\nX-Evil: 1'", "'newline\@example.test'", "E'a\\rX-Evil: 2'", "'fine'" ],
    address => [ "'Eve'", "E'address\@example.test>\\r\\nRCPT TO:<x3\@evil.test'", "'s'", "'never'" ],
    several => [ "'Eve'", "'several\@example.test, x4\@evil.test'", "'s'", "'never'" ],
    encoded => [ "'=?utf-8?q?Eve=0D=0ABcc:_x\@evil.test?='", "'encoded\@example.test'", "'=?utf-8?q?a=0D=0AX-Evil:_3?='", "'fine'" ],
    dots => [ "'Dot'", "'dots\@example.test'", "'s'", "E'.\\n..\\n.leading\\nbefore\\n.\\nMAIL FROM:<x\@evil.test>\\n.\\r\\n...'" ],
    smuggled => [ "'Dot'", "'smuggled\@example.test'", "'s'", "E'a\\n.\\r.\\r\\n.\\r\\r\\n.\\rQUIT'" ],
    long => [ "'Long'", "'long\@example.test'", "'s'", "repeat('x', 5000) || E'\\nend'" ],
    boundary => [ "'B'", "'boundary\@example.test'", "'s'", "E'--kam-x--\\n--\\nFrom here\\n\\n\\n\\nlast'" ],
    html => [ "'H'", "'html\@example.test'", "'s'", "E'<script>alert(1)</script> & \"q\"\\n\\nsee https://acme.example/a?b=1&c=2, or <b>http://x.test</b>.\\nline'" ],
    foreign => [ "'Ü'", "'jürgen\@bücher.test'", "'s'", "'Grüße'" ],
    blank => [ "''", "'blank\@example.test'", "'s'", "E' \\n\\t '" ],
    nosubject => [ "NULL", "'nosubject\@example.test'", "NULL", "E'Hello Jane,\\n\\nYour ovens of 2024 are due for a look, I think.\\nZ.'" ],
);
foreach my $lead (sort keys %case)
{
    my ($name, $address, $subject, $body) = @{ $case{$lead} };
    my $type = $lead eq 'plain' ? 'transactional' : 'outbound';

    $node->safe_psql('postgres', encode_utf8(<<"SQL"));
INSERT INTO kam.Leads (lead_id, full_name, email, owner_id) VALUES ('$lead', $name, $address, 'r1');
INSERT INTO kam.CadenceEventLog (lead_id, sequence_type, event_type, sequence_id) VALUES ('$lead', '$type', 'activation', 's-$lead');
INSERT INTO kam.CadenceEventLog (lead_id, sequence_type, event_type, sequence_id, channel, payload)
VALUES ('$lead', '$type', 'touch', 's-$lead', 'email', jsonb_strip_nulls(jsonb_build_object('message', $body, 'subject', $subject)));
SQL
}
settled($node);
my %mail;
foreach my $mail (mails($server))
{
    my ($lead) = ($mail->{to}[0][1] eq 'jürgen@bücher.test' ? 'foreign' : split /@/, $mail->{to}[0][1]);

    push @{ $mail{$lead} }, $mail;
}
is(join(' ', map { "$_ " . @{ $mail{$_} } } sort keys %mail), join(' ', map { "$_ 1" } grep { !/^(address|several|blank)$/ } sort keys %case), 'one message for each whose address is one and whose body is not empty');
is($node->safe_psql('postgres', "SELECT lead_id, last_error FROM kam.kam_delivery WHERE recipient = 'email' AND state <> 'sent' ORDER BY 1"),
    "address|the lead has no e-mail address\nblank|there is no message\nseveral|the lead has no e-mail address", 'the others are given up, with why');
unlike(mail_log($server), qr/x\d?\@evil/, 'nobody else was written to');
$_ = $_->[0] foreach values %mail;

my %all = (unknown => 0, defects => 0, long => 0, raw => 0);
foreach my $mail (values %mail)
{
    $all{unknown}++ if grep { !/^(return-path|delivered-to|from|to|reply-to|subject|date|message-id|list-unsubscribe|list-unsubscribe-post|auto-submitted|mime-version|content-type)$/ } keys %{ $mail->{headers} };
    $all{defects}++ if grep { $_ !~ /^local-part contains non-ASCII/ } @{ $mail->{defects} };
    $all{long}++ if $mail->{longest} > 998;
    $all{raw}++ if !$mail->{ascii} && $mail->{to}[0][1] !~ /jürgen/;
    $all{parts}{"$mail->{type}: @{$mail->{parts}}"}++;
    $all{date}++ if defined $mail->{date};
    $all{from}{"$mail->{from}[0][0] <$mail->{from}[0][1]>"}++;
    $all{replies}{"@{$mail->{headers}{'reply-to'}}"}++;
}
is_deeply([ @all{qw(unknown defects long raw)} ], [ 0, 0, 0, 0 ], 'no header but our own, none that a parser minds, no line too long, all ASCII but an address that is not')
    or diag(map { "$_->{to}[0][1]: " . join(' ', keys %{ $_->{headers} }) . " | @{$_->{defects}} $_->{longest} $_->{ascii}\n" } values %mail);
is_deeply($all{parts}, { 'multipart/alternative: text/plain text/html' => scalar keys %mail }, 'plain text and HTML');
is($all{date}, scalar keys %mail, 'a date');
is_deeply($all{from}, { 'Zoé "Zed" Brûlé <zoe@acme.example>' => scalar keys %mail }, 'from the sender');
is_deeply($all{replies}, { 'rep.one@acme.example' => scalar keys %mail }, 'answers go to the owner');

my $footer = qr{\n\nAcme, 1 Main Street\. No more: https://acme\.example/u/[0-9a-f-]{36}\n?\z};
my $said = sub { my $text = $mail{ $_[0] }{plain}; $text =~ s/\r\n/\n/g; $text =~ s/$footer// or $text = "no footer: $text"; $text };
is($mail{names}{to}[0][0], 'Øyvind Ångström, "Jr." <x@evil.test>', 'a name that looks like another address is a name');
is($mail{names}{headers}{subject}[0], 'Vos délais – 納期 😀 ' . ('très ' x 30) . 'fin', 'a long subject in several scripts');
is($said->('names'), 'Grüße, 納期 😀', 'and a body');
is($mail{header}{to}[0][0] . ' / ' . $mail{header}{headers}{subject}[0], 'Eve Bcc: x1@evil.test / Hi Bcc: x2@evil.test body', 'what would be headers is one line of name and subject');
is($mail{encoded}{headers}{subject}[0], '=?utf-8?q?a=0D=0AX-Evil:_3?=', 'an encoded word in the data is not decoded');
is($said->('dots'), ".\n..\n.leading\nbefore\n.\nMAIL FROM:<x\@evil.test>\n.\n...", 'lines that begin with dots arrive as they are');
is($said->('smuggled'), "a\n.\n.\n.\n\n.\nQUIT", 'no lone CR or LF ends the message');
is($said->('long'), ('x' x 5000) . "\nend", 'a line of 5000 characters arrives whole');
is($said->('boundary'), "--kam-x--\n--\nFrom here\n\n\n\nlast", 'nor does a line like a boundary');
like($mail{html}{html}, qr{&lt;script&gt;alert\(1\)&lt;/script&gt; &amp; &quot;q&quot;</p>}, 'HTML is escaped');
like($mail{html}{html}, qr{<a href="https://acme\.example/a\?b=1&amp;c=2">https://acme\.example/a\?b=1&amp;c=2</a>, or &lt;b&gt;<a href="http://x\.test">http://x\.test</a>&lt;/b&gt;\.<br>}, 'addresses are links, and end where they end');
like(decode_utf8(mail_log($server)), qr/^(\d+) mail zoe\@acme\.example SMTPUTF8\n(?:.*\n)*?\1 rcpt jürgen\@bücher\.test$/m, 'an address that is not ASCII goes with SMTPUTF8');
is($mail{nosubject}{headers}{subject}[0], 'Your ovens of 2024 are due for a look, I think.', 'without a subject the first line that is more than a greeting');

# One click (RFC 8058): a token of each person's own, the same in header and footer.
my ($token) = $mail{html}{headers}{'list-unsubscribe'}[0] =~ m{^<https://acme\.example/u/([0-9a-f-]{36})>, <mailto:leave\@acme\.example\?subject=\g1>$};
ok(defined $token, 'List-Unsubscribe with a link and an address');
is("@{$mail{html}{headers}{'list-unsubscribe-post'}}", 'List-Unsubscribe=One-Click', 'one click');
like($mail{html}{plain}, qr/No more: \S+\Q$token\E/, 'the footer has the same link');
ok(!grep({ exists $mail{plain}{headers}{$_} } qw(list-unsubscribe list-unsubscribe-post)) && $mail{plain}{plain} !~ /Main Street/, 'a transactional message has neither');
is($mail{plain}{headers}{'auto-submitted'}[0], 'auto-generated', 'and says what it is');
is($node->safe_psql('postgres', "SELECT kam.kam_unsubscribe_token('$token'), kam.kam_unsubscribe_token('$token'), kam.kam_unsubscribe_token('00000000-0000-0000-0000-000000000000')"), 't|t|f', 'the token unsubscribes');
is($node->safe_psql('postgres', "SELECT lead_id FROM kam.Leads WHERE unsubscribe_flag"), 'html', 'that person and nobody else');

# The next e-mail of a sequence stands in the same thread; an answer to it ends the sequence.
$node->safe_psql('postgres', "INSERT INTO kam.CadenceEventLog (lead_id, sequence_type, event_type, sequence_id, step, channel, payload) VALUES ('names', 'outbound', 'touch', 's-names', 2, 'email', '{\"message\": \"Second\"}')");
settled($node);
my ($second) = grep { $_->{plain} =~ /^Second/ } mails($server);
is("@{$second->{headers}{'in-reply-to'}} @{$second->{headers}{references}}", join(' ', ($mail{names}{headers}{'message-id'}[0]) x 2), 'the second names the first');
is($second->{headers}{subject}[0], "Re: $mail{names}{headers}{subject}[0]", 'under its subject');
my $answered = "References: $mail{names}{headers}{'message-id'}[0]\r\n $second->{headers}{'message-id'}[0]";
my $event = $node->safe_psql('postgres', "SELECT kam.kam_reply('$answered', '{\"message_id\": \"<a\@b>\"}')");
is($node->safe_psql('postgres', "SELECT event_type, lead_id, sequence_id FROM kam.CadenceEventLog WHERE event_id = $event"),
    'reply|names|s-names', 'an answer is found by what it answers');
is($node->safe_psql('postgres', "SELECT state, end_reason FROM kam.Cadence WHERE sequence_id = 's-names'"), 'finished|replied', 'and ends the sequence');

$node->stop;
done_testing();
