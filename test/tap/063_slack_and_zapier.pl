# Slack and Zapier get what was decided, why, and how to validate it; whatever the texts are, Slack's limits hold and no text becomes a mention, a link or another block.
use strict;
use warnings;

use FindBin;
use JSON::PP;
use lib $FindBin::Bin;
use KamReceiver;
use KamTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = kam_node('slack');
my $receiver = KamReceiver->new;

foreach my $kind (qw(slack zapier))
{
    set_endpoint($node, $kind, $receiver->url("/$kind"), kind => "'$kind'", topics => "'{decision}'", per_minute => 6000, review_url => "'https://crm.example/review?run={session_id}'");
}

# All texts of a message of Slack: [type, text].
sub texts
{
    my ($part) = @_;

    return map { texts($_) } @$part if ref $part eq 'ARRAY';
    return () if ref $part ne 'HASH';
    return ((ref $part->{text} eq '' && defined $part->{text} ? [ $part->{type} // 'mrkdwn', $part->{text} ] : ()), map { texts($part->{$_}) } grep { ref $part->{$_} } sort keys %$part);
}

# Where a message is not within Slack's documented limits, or has markup that it was not given.
sub faults
{
    my ($message) = @_;
    my @blocks = @{ $message->{blocks} };
    my @fault;

    push @fault, 'no text' if $message->{text} eq '' || length $message->{text} > 40000;
    push @fault, 'blocks: ' . @blocks if @blocks < 1 || @blocks > 50;
    foreach my $block (@blocks)
    {
        my $type = $block->{type};
        push @fault, "type $type" if $type !~ /^(header|section|actions|context)$/;
        push @fault, 'header' if $type eq 'header' && (length $block->{text}{text} > 150 || $block->{text}{type} ne 'plain_text' || $block->{text}{text} eq '');
        push @fault, 'section' if $type eq 'section' && !($block->{fields} xor $block->{text});
        push @fault, 'section text ' . length $block->{text}{text} if $type eq 'section' && $block->{text} && (length $block->{text}{text} > 3000 || $block->{text}{text} eq '');
        push @fault, 'fields' if $block->{fields} && (@{ $block->{fields} } > 10 || grep { length $_->{text} > 2000 || $_->{text} eq '' } @{ $block->{fields} });
        push @fault, 'elements' if $block->{elements} && (@{ $block->{elements} } < 1 || @{ $block->{elements} } > ($type eq 'context' ? 10 : 25));
        push @fault, 'button' if $type eq 'actions' && grep { length $_->{text}{text} > 75 || length $_->{url} > 3000 } @{ $block->{elements} };
    }
    # In mrkdwn no bare <, >, and no & that begins none of the three escapes; nothing is linked by itself.
    foreach my $text (texts(\@blocks), [ 'mrkdwn', $message->{text} ])
    {
        push @fault, "markup in: $text->[1]" if $text->[0] eq 'mrkdwn' && $text->[1] =~ /[<>]|&(?!amp;|lt;|gt;)/;
    }
    push @fault, 'not verbatim' if grep { $_->{type} eq 'mrkdwn' && !$_->{verbatim} } map { ($_->{text} // (), @{ $_->{fields} // [] }, @{ $_->{elements} // [] }) } @blocks;
    return join '; ', @fault;
}

# --- a decision

my $session = kam_run($node, '01_inbound_question_fr');
wait_for_end($node, $session);
wait_until($node, "SELECT count(*) = 2 FROM kam.notification WHERE session_id = '$session' AND recipient IN ('slack', 'zapier') AND status = 'sent'", 'a decision is told to both');
my $decided = decode_json($node->safe_psql('postgres', "SELECT jsonb_build_object('action', action, 'message', decision #>> '{final_decision,message}', 'payload', n.payload)"
            . " FROM kam.final_decision d JOIN kam.notification n USING (session_id) WHERE session_id = '$session' AND n.recipient = 'slack'"));
my ($request) = $receiver->requests('/slack');
my $slack = decode_json($request->{body});
my $all = join "\n", map { $_->[1] } texts($slack->{blocks});
is(faults($slack), '', 'Slack: within the limits');
ok(index($slack->{blocks}[0]{text}{text}, $decided->{action} =~ s/_/ /gr) >= 0, 'Slack: what was decided');
ok(scalar(values %{ $decided->{payload}{reasons} // {} }) > 0, 'there are reasons');
like($all, qr/\*Why\*\n\x{2022} /, 'Slack: why');
ok(index($all, substr($decided->{payload}{message}, 0, 200)) >= 0, 'Slack: the message');
like($all, qr/kam_validate\('$session', '$_'/, "Slack: how to say $_") foreach qw(approved edited rejected);
my ($button) = map { @{ $_->{elements} } } grep { $_->{type} eq 'actions' } @{ $slack->{blocks} };
is($button->{url}, "https://crm.example/review?run=$session", 'Slack: where to');
my ($zap) = $receiver->requests('/zapier');
my $zapier = decode_json($zap->{body});
is($zapier->{type}, 'contact.decided', 'Zapier: the type');
like($zapier->{timestamp}, qr/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/, 'Zapier: when');
is($zapier->{data}{session_id}, $session, 'Zapier: which run');
is_deeply($zapier->{data}{payload}, $decided->{payload}, 'Zapier: all that is known of it');

# --- hostile texts

my $ugly = "<!channel> <\@U123|you> <https://evil.example|https://good.example> & &lt; ``` *b* _i_ \x{1f468}\x{200d}\x{1f469} \x{202e}abc \x{1}\x{7f}\x{9b} \\u0000 \r\n\t\"'}]";
my $long = join '', ('<&>' . "\x{e9}") x 25000;
my $part = substr $long, 0, 8000;
my $reasons = { map { ("r$_" => $ugly x 50) } 1 .. 40 };
my %payload = (
    ugly => { contact => { name => $ugly, company => $ugly }, action => $ugly, channel => $ugly, owner => $ugly, message => $ugly, subject => $ugly, reasons => { a => $ugly, b => $ugly } },
    long => { contact => { name => $part, company => $part }, action => $part, channel => $part, owner => $part, execute_at => $part, reevaluate_at => $part, opportunity_strength => $part,
        compliance => $part, sequence_id => $part, sequence_type => $part, resolution => $part, rep_id => $part, error => $part, message => $long, subject => $part, reasons => $reasons },
    amps => { contact => { name => '&' x 100000 }, message => '&' x 100000, reasons => { a => '&' x 100000 } },
    empty => {},
    blank => { contact => { name => ' ', company => '' }, action => '', channel => '', message => '', reasons => {} },
    odd => { contact => [ 1, 2 ], action => { a => 1 }, reasons => 'none', message => [ 'x' ], channel => 7 });
foreach my $name (sort keys %payload)
{
    foreach my $topic (qw(decision failure touch budget anything))
    {
        my $json = JSON::PP->new->ascii->canonical->encode($payload{$name});
        $node->safe_psql('postgres', "INSERT INTO kam.notification (recipient, topic, payload) SELECT e, '$topic', \$json\$$json\$json\$::jsonb || '{\"case\": \"$name $topic\"}' FROM unnest('{slack,zapier}'::text[]) e");
    }
}
my $cases = 5 * keys %payload;
wait_until($node, "SELECT count(*) = 2 * $cases FROM kam.notification WHERE session_id IS NULL AND status = 'sent'", 'whatever the texts are, they are delivered');
my @slack = map { decode_json($_->{body}) } grep { $_->{body} !~ /$session/ } $receiver->requests('/slack');
is(scalar @slack, $cases, 'Slack gets them all');
my @faults = grep { $_ ne '' } map { faults($_) } @slack;
is("@faults[0 .. ($#faults < 2 ? $#faults : 2)]", '', 'Slack: within the limits, and no markup');
ok((grep { my $m = $_; grep { $_->[1] =~ /&lt;!channel&gt; &lt;\@U123\|you&gt; &lt;https:\/\/evil/ } texts($m->{blocks}) } @slack), 'Slack: what would be a mention is text');
my %case = map { my $z = decode_json($_->{body}); ($z->{data}{payload}{case} // '') => $z } $receiver->requests('/zapier');
is($case{'ugly touch'}{data}{payload}{message}, $ugly, 'Zapier: the text as it was');
is(length $case{'long touch'}{data}{payload}{message}, 100000, 'Zapier: all of it');

# --- Slack says 200, and that it did not take it

$receiver->script('/slack', { body => 'invalid_blocks' }, {});
my $id = notify($node, 'slack');
wait_until($node, "SELECT state = 'dead' FROM kam.kam_delivery WHERE notification_id = $id", 'an answer of 200 that is not ok is none');
is(delivery($node, $id, 'answer_status, last_error, sent_at'), '200|200: invalid_blocks|', 'and is told');
$id = notify($node, 'slack');
wait_until($node, "SELECT state = 'sent' FROM kam.kam_delivery WHERE notification_id = $id", 'the next one goes');

$node->stop;
done_testing();
