# Who is told is what SendRule says, by type and channel: the person, the rep, or both; a rep's news arrives as an e-mail to do, with no unsubscribe link in it.
use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use KamMail;
use KamTest;
use PostgreSQL::Test::Utils;
use Test::More;

need_mailbox();
my $node = kam_node('reps');
my $server = start_mailbox();

mail_endpoint($node, $server);
$node->safe_psql('postgres', <<"SQL");
INSERT INTO kam.endpoint (endpoint, kind, url, allow_private, sender) VALUES ('desk', 'smtp', '$server->{url}', true, 'kam <kam\@acme.example>');
INSERT INTO kam.Reps (rep_id, name, email, endpoint) VALUES ('r-mail', 'Rep', 'rep\@acme.example', 'desk'), ('r-inbox', 'Other', 'other\@acme.example', NULL), ('r-none', 'None', NULL, 'desk');
DELETE FROM kam.SendRule;
INSERT INTO kam.SendRule (sequence_type, channel, mode) VALUES ('outbound', 'email', 'auto_send'), ('outbound', 'linkedin', 'notify_rep'), ('outbound', '*', 'notify_rep'), ('follow_up', 'email', 'both');
INSERT INTO kam.Leads (lead_id, full_name, email, owner_id)
SELECT l, 'Lead ' || l, l || '\@example.test', 'r-' || o FROM unnest('{sent,linked,phoned,both,unruled,inbox,none}'::text[], '{mail,mail,mail,mail,mail,inbox,none}'::text[]) x (l, o);
INSERT INTO kam.CadenceEventLog (lead_id, sequence_type, event_type, sequence_id)
SELECT l, CASE l WHEN 'both' THEN 'follow_up' WHEN 'unruled' THEN 'newsletter' ELSE 'outbound' END, 'activation', 's-' || l FROM unnest('{both,inbox,linked,none,phoned,sent,unruled}'::text[]) l;
INSERT INTO kam.CadenceEventLog (lead_id, sequence_type, event_type, sequence_id, channel, payload)
SELECT l, CASE l WHEN 'both' THEN 'follow_up' WHEN 'unruled' THEN 'newsletter' ELSE 'outbound' END, 'touch', 's-' || l,
       CASE l WHEN 'linked' THEN 'linkedin' WHEN 'phoned' THEN 'phone' WHEN 'inbox' THEN 'phone' WHEN 'none' THEN 'phone' ELSE 'email' END,
       jsonb_build_object('message', 'Words for ' || l, 'subject', 'About ' || l)
  FROM unnest('{both,inbox,linked,none,phoned,sent,unruled}'::text[]) l;
SQL
wait_until($node, "SELECT count(*) FILTER (WHERE topic = 'touch') = 6 AND count(*) FILTER (WHERE topic = 'activation') = 5 FROM kam.kam_delivery WHERE state = 'sent'", 'what is to be sent is');
my %to;
my @begun;
foreach my $mail (mails($server))
{
    $mail->{headers}{subject}[0] =~ /^a sequence has begun/ ? push(@begun, $mail->{to}[0][1]) : push(@{ $to{ $mail->{to}[0][1] } }, $mail);
}
is(join(', ', map { "$_ " . @{ $to{$_} } } sort keys %to), 'both@example.test 1, rep@acme.example 4, sent@example.test 1', 'two people, and four to-dos of the rep');
is(join(', ', sort map { $_->{headers}{subject}[0] } @{ $to{'rep@acme.example'} }),
    'to do: email Lead both, to do: email Lead unruled, to do: linkedin Lead linked, to do: phone Lead phoned', 'the rep is told what to do, by which channel: also where no rule says anything');
is(join(' ', @begun), join(' ', ('rep@acme.example') x 5), 'and of each sequence that has begun');
my ($todo) = grep { $_->{headers}{subject}[0] =~ /linkedin/ } @{ $to{'rep@acme.example'} };
like($todo->{plain}, qr/Words for linked/, 'with the words');
is_deeply($todo->{from}, [ [ 'kam', 'kam@acme.example' ] ], 'from its own endpoint\'s sender');
ok(!grep({ exists $todo->{headers}{$_} } qw(list-unsubscribe list-unsubscribe-post)), 'without List-Unsubscribe');
is($todo->{headers}{'auto-submitted'}[0], 'auto-generated', 'as a machine\'s');
is($node->safe_psql('postgres', "SELECT d.recipient, d.state, d.last_error FROM kam.kam_delivery d WHERE topic = 'touch' AND lead_id IN ('inbox', 'none') ORDER BY lead_id"),
    "r-inbox|inbox|\nr-none|dead|no e-mail address is known for \"r-none\" (Reps.email, endpoint.mail_to)", 'a rep without endpoint has an inbox; without address it is said');
is($node->safe_psql('postgres', "SELECT topic, lead_id FROM kam.kam_inbox('r-inbox')"), "activation|inbox\ntouch|inbox", 'kam_inbox shows it');
is($node->safe_psql('postgres', "SELECT count(*) FROM kam.CadenceEventLog WHERE event_type = 'send_failed'"), '0', 'news that could not be delivered gives no touch back');

$node->stop;
done_testing();
