#!/usr/bin/perl
#
# test/property/decision.pl: what must hold of every decision, on random contacts.
#
# usage: perl test/property/decision.pl [contacts] [seed]      (300, 1)
#
# Needs a server with kam reachable through libpq's environment (PGHOST, PGUSER,
# PGDATABASE); writes nothing but temporary tables.  Every contact is decided as
# generated, once more, with its activities shuffled, with its instants written
# in other offsets, with unknown fields added, and with an opt-out as its last
# message.  Then:
#
#   - the first five decisions are equal (evidence is compared by the place it names, not by how that is written);
#   - the opt-out makes it no_action, whatever else the contact holds;
#   - kam_check finds nothing in any of them;
#   - all keys are there, enumerations hold, what goes together goes together;
#   - execute_at lies within Mon-Fri 09:00-18:00 of the contact's zone and not in the past,
#     times carry the contact's offset, reevaluate_at lies ahead;
#   - the message holds at most one question; the score adds up.
#
# A failing contact is written to decision-failure-N.json, ready for kam_decide.
use strict;
use warnings;
use utf8;
use Encode qw(decode encode);
use File::Basename qw(dirname);
use File::Temp qw(tempdir);
use JSON::PP;
use POSIX qw(strftime floor);
use Time::Local qw(timegm);

my $contacts = shift // 300;
my $seed = shift // 1;
die "usage: decision.pl [contacts] [seed]\n" if "$contacts$seed" !~ /^\d+$/;
my $psql = $ENV{PSQL} // 'psql';
my $top = dirname(__FILE__) . '/../..';
my $json = JSON::PP->new->canonical->allow_nonref->utf8(0);

binmode STDOUT, ':encoding(UTF-8)';
$| = 1;
print "# $contacts contacts, seed $seed\n";

# A generator of our own: perl's rand differs between builds.
my $state = ($seed * 2654435761 + 12345) & 0xffffffff;

sub random_int
{
    my ($n) = @_;

    $state = ($state ^ (($state << 13) & 0xffffffff)) & 0xffffffff;
    $state ^= $state >> 17;
    $state = ($state ^ (($state << 5) & 0xffffffff)) & 0xffffffff;
    $state ||= 1;
    return $state % $n;
}
sub pick { return $_[ random_int(scalar @_) ]; }
sub chance { return random_int(100) < $_[0]; }

# --- texts: the sample contacts', the labelled corpus', and a few lines that change the decision

sub read_file
{
    my ($path) = @_;
    open(my $in, '<:encoding(UTF-8)', $path) or die "cannot read $path: $!\n";
    local $/;
    return <$in>;
}

my (@texts, %texts_of);

sub add_text
{
    my ($type, $direction, $subject, $body) = @_;
    return if !defined $body;
    push @{ $texts_of{ $direction // 'none' } }, { type => $type, subject => $subject, body => $body };
}
for my $path (sort glob("$top/examples/contacts/*.json"))
{
    next if $path =~ /\.expect\.json$/;
    my $contact = $json->decode(read_file($path));
    add_text($_->{activity_type}, $_->{direction}, $_->{metadata}{subject}, $_->{metadata}{body}) for @{ $contact->{activities} };
}
for my $line (split /\n/, read_file("$top/test/unit/corpus/tuned.jsonl"))
{
    next if $line !~ /\S/;
    my $message = $json->decode($line);
    add_text($message->{activity_type}, $message->{direction}, $message->{subject}, $message->{body});
}
add_text('email', 'inbound', undef, $_)
  for ('Merci, à bientôt.', 'Ok', '', '???', 'Rappelez-moi dans 2 semaines.', 'Get back to me in early May, please.',
    'Do not contact me again.', 'Nous avons choisi de ne pas renouveler le contrat.', 'We meet on 14 April at 10:00, agreed.',
    "Quel est le prix pour 12 sites ?\n\nLe lun. 2 mars 2026 à 09:14, Nous <nous\@lumio.example> a écrit :\n> Ne nous recontactez plus.");

my @zones = ('Europe/Paris', 'Europe/Paris', 'Europe/London', 'America/New_York', 'America/Los_Angeles', 'Asia/Kolkata', 'Asia/Tokyo',
    'Pacific/Auckland', 'Pacific/Apia', 'America/St_Johns', 'UTC', undef);
my @owners = ('Camille Roussel', 'Hugo Lambert', 'Priya Nair');
my @types = qw(email email email email call meeting note linkedin_message whatsapp_message linkedin_like linkedin_view linkedin_comment linkedin_share webinar);
my @offsets = (0, 0, 60, 120, -300, -480, 330, 345, 540, 765, -210);

# An instant (seconds since 1970) as ISO 8601 with an offset in minutes.
sub iso
{
    my ($time, $offset) = @_;
    my $text = strftime('%Y-%m-%dT%H:%M:%S', gmtime($time + 60 * $offset));
    return $text . 'Z' if $offset == 0 && chance(50);
    return sprintf '%s%s%02d:%02d', $text, $offset < 0 ? '-' : '+', int(abs($offset) / 60), abs($offset) % 60;
}

# --- contacts

sub random_contact
{
    my ($now) = @_;
    # One colleague in most cases: two put nearly everything else behind their coordination.
    my @who = chance(30) ? @owners : ($owners[0]);
    my %info = (
        full_name => pick('Inès Carpentier', 'Jürgen Weiß', 'Ana María López', "Sean O'Neil", '山田 太郎', 'Lou'),
        hubspot_id => '' . (900000 + random_int(1000)),
        company => pick('Fonderies Valmont', 'Acme Ltd', undef),
        job_title => pick('Responsable énergie', 'CFO', 'Head of Operations', undef),
        owner => pick(@who, undef),
        language => pick('fr', 'en', undef),
        timezone => pick(@zones));
    $info{first_name} = (split / /, $info{full_name})[0] if chance(70);
    $info{email} = 'contact' . random_int(1000) . '@client.example' if chance(75);
    $info{linkedin_url} = 'https://www.linkedin.com/in/contact-' . random_int(1000) if chance(50);
    $info{phone} = '+331990' . (10000 + random_int(89999)) if chance(40);
    $info{whatsapp} = chance(50) ? JSON::PP::true : JSON::PP::false if chance(40);
    for my $key (sort keys %info) { delete $info{$key} if !defined $info{$key} && chance(50); }

    # Mostly recent; now and then a long history, and now and then two activities at the same instant.
    my $count = pick(0, 1, 2, 3, 5, 8, 13, 20, 40);
    my $span = pick(2, 10, 40, 120, 400);
    my (@activities, $last);
    for (1 .. $count)
    {
        my $at = $now - random_int($span * 86400);
        $at = $last if defined $last && chance(5);
        $last = $at;
        push @activities, random_activity($at, $now, @who);
    }

    my @deals;
    for (1 .. pick(0, 0, 0, 1, 1, 2, 3))
    {
        my $created = $now - random_int(300 * 86400);
        my $status = pick('OPEN', 'OPEN', 'WON', 'LOST');
        push @deals,
          {
            deal_id => 'D' . random_int(100000),
            name => pick('Usine de Lyon', 'Platform 2026', 'Enterprise rollout', 'Pilote atelier 3'),
            stage => pick('qualification', 'proposal', 'negotiation', 'enterprise', 'pilot', undef),
            status => $status,
            amount => pick(12000, '48000.50', 250000, undef),
            currency => pick('EUR', 'USD'),
            created_on => chance(50) ? iso($created, pick(@offsets)) : strftime('%Y-%m-%d', gmtime($created)),
            closed_on => $status eq 'OPEN' ? undef : iso($created + random_int($now - $created + 1), pick(@offsets))
          };
    }

    my %contact = (contact_info => \%info, activities => \@activities);
    $contact{deals} = \@deals if @deals || chance(50);
    $contact{stats} = { total_activities => scalar @activities } if chance(50);
    return \%contact;
}

sub random_activity
{
    my ($at, $now, @who) = @_;
    my $type = pick(@types);
    my $direction = pick('inbound', 'outbound', 'outbound');
    my %metadata;

    $direction = undef if $type eq 'note' || $type eq 'meeting' && chance(70);
    $direction = 'inbound' if $type =~ /^linkedin_(like|view|comment|share)/;
    if ($type !~ /^linkedin_(like|view|share)/)
    {
        my $text = pick(@{ $texts_of{ $direction // 'none' } });
        $metadata{body} = $text->{body};
        $metadata{subject} = $text->{subject} if $type =~ /^(email|meeting|call)/;
    }
    $metadata{owner} = pick(@who) if chance(80);
    if ($type eq 'meeting' || $type eq 'call' && chance(30))
    {
        my $start = $at + random_int(20 * 86400) - 86400;
        $metadata{start_time} = iso($start, pick(@offsets));
        $metadata{end_time} = iso($start + 1800, pick(@offsets)) if chance(80);
        $metadata{status} = $start > $now ? pick('scheduled', 'scheduled', 'cancelled') : pick('held', 'held', 'cancelled', 'no_show', 'scheduled');
    }
    return { activity_type => $type, recorded_on => iso($at, pick(@offsets)), direction => $direction, metadata => \%metadata };
}

# --- the same contact, told differently

sub copy { return $json->decode($json->encode($_[0])); }

# Returns the contact with its activities in another order, and the order.
sub shuffled
{
    my $contact = copy($_[0]);
    my @order = (0 .. $#{ $contact->{activities} });

    for (my $i = $#order; $i > 0; $i--)
    {
        my $j = random_int($i + 1);
        @order[ $i, $j ] = @order[ $j, $i ];
    }
    $contact->{activities} = [ @{ $contact->{activities} }[@order] ];
    return ($contact, \@order);
}

# Rewrites every instant of the fields that hold one with another offset.
sub rezoned
{
    my $contact = copy($_[0]);
    my $rewrite = sub {
        my ($hash, $key) = @_;
        my $time = defined $hash->{$key} ? instant($hash->{$key}) : undef;
        $hash->{$key} = iso($time, pick(@offsets)) if defined $time;
    };

    for my $activity (@{ $contact->{activities} })
    {
        $rewrite->($activity, 'recorded_on');
        $rewrite->($activity->{metadata}, $_) for qw(start_time end_time);
    }
    for my $deal (@{ $contact->{deals} // [] })
    {
        $rewrite->($deal, $_) for qw(created_on closed_on);
    }
    return $contact;
}

# Values no one asked for; the numbers are put in after encoding, as perl has none so large.
my @unknown_values = (
    undef, JSON::PP::true, 0, -1.5, '', 'rappelez-moi dans 2 semaines', 'Do not contact me again. ?', '2031-01-01T00:00:00Z',
    [], {}, [ 1, [ 2, [ 3, { deep => [ undef, 'x' ] } ] ] ], { body => 'we cancel the contract', direction => 'inbound' },
    "\x{1F600} \x{0301} \t\n \\ \"", '@@1e400@@', '@@-12345678901234567890123456789012345678901234567890.5@@');

sub with_unknown_fields
{
    my $contact = copy($_[0]);
    my $add = sub {
        my ($hash) = @_;
        $hash->{ 'x_unknown_' . random_int(1000) } = pick(@unknown_values) for 0 .. random_int(3);
        $hash->{"ключ \x{1F511}~/0"} = pick(@unknown_values) if chance(20);
    };

    $add->($contact);
    $add->($contact->{contact_info});
    $add->($contact->{stats}) if $contact->{stats};
    for my $activity (@{ $contact->{activities} })
    {
        $add->($activity) if chance(60);
        $add->($activity->{metadata}) if chance(60);
    }
    for my $deal (@{ $contact->{deals} // [] })
    {
        $add->($deal) if chance(60);
    }
    return $contact;
}

# The contact, who a minute ago asked to be left alone.
sub opted_out
{
    my ($contact, $now) = (copy($_[0]), $_[1]);

    push @{ $contact->{activities} },
      {
        activity_type => pick('email', 'linkedin_message', 'whatsapp_message'),
        recorded_on => iso($now - 60, pick(@offsets)),
        direction => 'inbound',
        metadata => { body => pick("Bonjour,\n\nMerci de ne plus me contacter.\n\nCordialement", 'Please stop contacting me.',
                'Merci de me retirer de votre liste.', "Hi,\nplease remove me from your list and do not contact me again.\nThanks") }
      };
    return $contact;
}

sub encode_contact
{
    my $text = $json->encode($_[0]);
    $text =~ s/"\@\@(.*?)\@\@"/$1/g;
    return $text;
}

# --- what must hold of one decision

my %keys = (
    '' => [qw(final_decision metadata)],
    '/final_decision' => [
        qw(action selected_channel selected_content execution_timing wait_type sequence_instructions rationale conditional_context)],
    '/final_decision/execution_timing' => [qw(execute_at reevaluate_at timezone)],
    '/final_decision/selected_content' => [qw(message tone content_source variant)],
    '/final_decision/wait_type' => [qw(type risk_level)],
    '/final_decision/sequence_instructions' => [qw(is_part_of_sequence sequence_plan)],
    '/final_decision/rationale' => [
        qw(action_reasoning channel_reasoning timing_reasoning historical_alignment opportunity_strength
          opportunity_strength_breakdown confidence_factors risk_factors success_criteria)],
    '/final_decision/rationale/opportunity_strength_breakdown' => [qw(base_score factors calculated_total)],
    '/final_decision/rationale/confidence_factors' => [
        qw(relationship_certainty timing_certainty channel_certainty content_quality historical_pattern_match)],
    '/final_decision/rationale/success_criteria' => [qw(minimum_success expected_success ideal_success)],
    '/final_decision/conditional_context' => [
        qw(pilot_health stakeholder_map explicit_timing_agreement buying_committee known_objections competitive_context buying_process)],
    '/metadata' => [qw(session_id processing_date historical_validation_performed provider repaired)]);
my %may_be_null = map { $_ => 1 } ('/final_decision/selected_content', '/final_decision/wait_type', '/final_decision/sequence_instructions');
my @safety = qw(churn multi_deal multi_owner scheduled_touchpoint temporal_accuracy semantic_outbound question_count meeting_responsibility);
my %risk = (
    meeting_scheduled => 'low', explicit_request => 'medium', pilot_review => 'medium', prospect_timing => 'low',
    long_cycle => 'medium', churn_acknowledged => 'high', coordination_needed => 'medium');
my %variant = map { $_ => 1 } qw(first_touch follow_up lighter_touch re_engagement engagement_signal active_deal churn_acknowledgement break_up);

sub at_path
{
    my ($value, $path) = @_;
    for my $key (grep { length } split m{/}, $path)
    {
        return undef if ref $value ne 'HASH';
        $value = $value->{$key};
    }
    return $value;
}

# Returns the complaints about one decision; $times are its times as the server reads them.
sub complaints
{
    my ($decision, $times, $findings) = @_;
    my @found;

    push @found, map { "kam_check: $_->{rule} at $_->{path}: $_->{message}" } @$findings;
    for my $path (sort keys %keys)
    {
        my $value = at_path($decision, $path);
        if (ref $value ne 'HASH')
        {
            push @found, "$path is not an object" if defined $value || !$may_be_null{$path};
            next;
        }
        for my $key (@{ $keys{$path} }) { push @found, "$path/$key is missing" if !exists $value->{$key}; }
    }
    return @found if @found;

    my $final = $decision->{final_decision};
    my $safety = $final->{synthesis_safety_checks} // $decision->{synthesis_safety_checks} // {};
    for my $check (@safety)
    {
        my $verdict = $safety->{$check};
        push @found, "synthesis_safety_checks/$check is not {passed, detail}"
          if ref $verdict ne 'HASH' || !exists $verdict->{passed} || !exists $verdict->{detail};
        push @found, "safety check $check did not pass: $verdict->{detail}" if ref $verdict eq 'HASH' && !$verdict->{passed};
    }

    my $action = $final->{action} // 'null';
    my $timing = $final->{execution_timing};
    my $content = $final->{selected_content};
    my $sends = $action =~ /^(send_message|break_up)$/;
    push @found, "action is $action" if $action !~ /^(send_message|wait|break_up|no_action)$/;
    if ($sends)
    {
        push @found, 'nothing to send' if ref $content ne 'HASH' || ($content->{message} // '') !~ /\w/;
        push @found, 'no execute_at' if !defined $timing->{execute_at};
        push @found, 'channel is ' . ($final->{selected_channel} // 'null') if ($final->{selected_channel} // '') !~ /^(LINKEDIN|EMAIL|PHONE|WHATSAPP)$/;
        push @found, "variant is $content->{variant}" if ref $content eq 'HASH' && !$variant{ $content->{variant} // '' };
    }
    else
    {
        push @found, "$action has an execute_at" if defined $timing->{execute_at};
        push @found, "$action has a message" if ref $content eq 'HASH' && defined $content->{message};
    }
    if ($action eq 'wait')
    {
        my $type = ref $final->{wait_type} eq 'HASH' ? $final->{wait_type}{type} // 'null' : 'null';
        push @found, "wait_type is $type" if !$risk{$type};
        push @found, "risk of $type is $final->{wait_type}{risk_level}" if $risk{$type} && $final->{wait_type}{risk_level} ne $risk{$type};
        push @found, 'no reevaluate_at' if !defined $timing->{reevaluate_at};
    }
    else
    {
        push @found, "$action has a wait_type" if defined $final->{wait_type};
    }

    if (defined $timing->{execute_at})
    {
        my $at = $times->{execute_at};
        push @found, "execute_at $timing->{execute_at} is $at->{local} of the contact"
          if $at->{day} > 5 || $at->{clock} lt '09:00:00' || $at->{clock} gt '18:00:00';
        push @found, "execute_at $timing->{execute_at} is past" if !$at->{ahead};
    }
    push @found, "reevaluate_at $timing->{reevaluate_at} is past" if defined $timing->{reevaluate_at} && !$times->{reevaluate_at}{ahead};
    for my $key (qw(execute_at reevaluate_at))
    {
        push @found, "$key $timing->{$key} is not written as the contact's local time $times->{$key}{local}"
          if defined $timing->{$key} && substr($timing->{$key}, 0, 19) ne $times->{$key}{local};
    }

    if (ref $content eq 'HASH' && defined $content->{message})
    {
        (my $text = $content->{message}) =~ s{https?://\S+}{}g;
        my $questions = () = $text =~ /[?？]+/g;
        push @found, "$questions questions: $content->{message}" if $questions > 1;
        push @found, "a placeholder is left: $content->{message}" if $text =~ /\{\{|\}\}|\[(?:name|nom|prénom|first)|%[sd]\b|\(null\)/i;
    }

    my $rationale = $final->{rationale};
    my $breakdown = $rationale->{opportunity_strength_breakdown};
    my $sum = $breakdown->{base_score};
    $sum += $_->{impact} for @{ $breakdown->{factors} };
    push @found, "score: base and impacts give $sum, total is $breakdown->{calculated_total}" if abs($sum - $breakdown->{calculated_total}) > 0.0051;
    push @found, "score: total $breakdown->{calculated_total}, strength $rationale->{opportunity_strength}"
      if abs($rationale->{opportunity_strength} - $breakdown->{calculated_total}) > 0.0051;
    push @found, "strength $rationale->{opportunity_strength}" if $rationale->{opportunity_strength} < 0 || $rationale->{opportunity_strength} > 1;
    return @found;
}

# Seconds since 1970 of an instant as iso() writes it; undef for anything else.
sub instant
{
    my ($text) = @_;

    return undef if $text !~ /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:Z|([+-])(\d\d):(\d\d))$/;
    my $time = timegm($6, $5, $4, $3, $2 - 1, $1);
    $time -= ($7 eq '-' ? -1 : 1) * 60 * (60 * $8 + $9) if defined $7;
    return $time;
}

# Evidence names a place in the contact and quotes what stands there, so it is told differently too: follows the
# paths back to the original order and reads quoted instants, and nothing else, so that decisions can be compared.
sub settle_evidence
{
    my ($value, $order) = @_;

    if (ref $value eq 'HASH')
    {
        if (defined $value->{path} && exists $value->{quote})
        {
            $value->{path} =~ s{^/activities/(\d+)}{'/activities/' . ($order->[$1] // $1)}e if $order;
            $value->{quote} = instant($value->{quote}) // $value->{quote} if defined $value->{quote};
        }
        settle_evidence($_, $order) for values %$value;
    }
    elsif (ref $value eq 'ARRAY')
    {
        settle_evidence($_, $order) for @$value;
    }
}

# What kind of decision this is: its action, its wait type, its variant.
sub kinds
{
    my ($final) = @_;
    return grep { defined && length } $final->{action}, at_path($final, '/wait_type/type'), at_path($final, '/selected_content/variant');
}

# Lists where two values differ.
sub differences
{
    my ($a, $b, $path) = @_;
    my @found;

    if (ref $a eq 'HASH' && ref $b eq 'HASH')
    {
        my %all = (%$a, %$b);
        push @found, differences($a->{$_}, $b->{$_}, "$path/$_") for sort keys %all;
    }
    elsif (ref $a eq 'ARRAY' && ref $b eq 'ARRAY' && @$a == @$b)
    {
        push @found, differences($a->[$_], $b->[$_], "$path/$_") for 0 .. $#$a;
    }
    elsif ($json->encode($a) ne $json->encode($b))
    {
        push @found, "$path: " . $json->encode($a) . ' became ' . $json->encode($b);
    }
    return @found;
}

# --- the run: one psql session, one row per case

my (@cases, %orders);
for my $n (1 .. $contacts)
{
    # Any moment of the year, nights and weekends too; one in five beside a change of the clocks.
    my $now = timegm(0, 0, 12, 1, 0, 2026) + random_int(365 * 1440) * 60;
    $now = timegm(0, 0, 0, 29, 2, 2026) - 3 * 86400 + random_int(6 * 1440) * 60 if chance(10);
    $now = timegm(0, 0, 0, 25, 9, 2026) - 3 * 86400 + random_int(6 * 1440) * 60 if chance(10);
    my $as_of = strftime('%Y-%m-%dT%H:%M:%SZ', gmtime($now));
    my $contact = random_contact($now);
    my ($shuffled, $order) = shuffled($contact);

    $orders{$n} = $order;
    push @cases, [ $n, 'as generated', $as_of, $contact ], [ $n, 'again', $as_of, $contact ],
      [ $n, 'shuffled', $as_of, $shuffled ], [ $n, 'other offsets', $as_of, rezoned($contact) ],
      [ $n, 'unknown fields', $as_of, with_unknown_fields($contact) ], [ $n, 'opted out', $as_of, opted_out($contact, $now) ];
}

my $folder = tempdir(CLEANUP => 1);
my %contact_of;
open(my $data, '>:encoding(UTF-8)', "$folder/cases") or die "$folder/cases: $!\n";
for my $case (@cases)
{
    my ($n, $telling, $as_of, $contact) = @$case;
    my $text = encode_contact($contact);
    $contact_of{"$n/$telling"} = [ $text, $as_of ];
    s/\\/\\\\/g, s/\t/\\t/g, s/\n/\\n/g, s/\r/\\r/g for (my $escaped = $text);
    print $data join("\t", $n, $telling, $as_of, $escaped), "\n";
}
close $data;

open(my $script, '>:encoding(UTF-8)', "$folder/script") or die;
print $script <<"SQL";
\\set ON_ERROR_STOP on
SET client_min_messages = warning;
SET timezone = 'UTC';
CREATE TEMP TABLE tale (n int, telling text, as_of timestamptz, contact jsonb);
\\copy tale FROM '$folder/cases'
CREATE FUNCTION pg_temp.try(contact jsonb, as_of timestamptz) RETURNS jsonb LANGUAGE plpgsql AS \$\$
DECLARE
    d jsonb;
    z text;
    times jsonb;
BEGIN
    d := kam.kam_decide(contact, as_of);
    z := coalesce(d #>> '{final_decision,execution_timing,timezone}', 'Europe/Paris');
    SELECT jsonb_object_agg(key, jsonb_build_object('local', to_char(value::timestamptz AT TIME ZONE z, 'YYYY-MM-DD"T"HH24:MI:SS'),
               'day', extract(isodow FROM value::timestamptz AT TIME ZONE z), 'clock', to_char(value::timestamptz AT TIME ZONE z, 'HH24:MI:SS'),
               'ahead', value::timestamptz >= as_of))
      INTO times
      FROM jsonb_each_text(d #> '{final_decision,execution_timing}') WHERE key IN ('execute_at', 'reevaluate_at') AND value IS NOT NULL;
    RETURN jsonb_build_object('decision', d, 'times', coalesce(times, '{}'),
        'zone', z, 'findings', (SELECT coalesce(jsonb_agg(c), '[]') FROM kam.kam_check(d, contact, as_of) c));
EXCEPTION WHEN OTHERS THEN
    RETURN jsonb_build_object('error', SQLSTATE || ': ' || SQLERRM);
END \$\$;
\\copy (SELECT n, telling, pg_temp.try(contact, as_of) FROM tale ORDER BY n) TO '$folder/answers'
SQL
close $script;
system($psql, '-X', '-q', '-f', "$folder/script") == 0 or die "not ok: psql failed\n";

my (%answer, $failures, %seen);
open(my $answers, '<:encoding(UTF-8)', "$folder/answers") or die;
while (my $line = <$answers>)
{
    chomp $line;
    my ($n, $telling, $text) = split /\t/, $line;
    my %escape = (n => "\n", t => "\t", r => "\r", b => "\b", f => "\f", v => "\x0b", '\\' => '\\');
    $text =~ s/\\(.)/$escape{$1} \/\/ $1/ge;
    $answer{$n}{$telling} = $json->decode($text);
}

my @tellings = ('as generated', 'again', 'shuffled', 'other offsets', 'unknown fields', 'opted out');
$failures = 0;
for my $n (1 .. $contacts)
{
    my $first = $answer{$n}{'as generated'};
    my $zone = $contact_of{"$n/as generated"}[0] =~ /"timezone":"([^"]*)"/ ? $1 : 'Europe/Paris';
    for my $telling (@tellings)
    {
        my $answer = $answer{$n}{$telling};
        my @found;

        if (!defined $answer) { @found = ('no answer'); }
        elsif ($answer->{error}) { @found = ("refused: $answer->{error}"); }
        else
        {
            @found = complaints($answer->{decision}, $answer->{times}, $answer->{findings});
            push @found, "zone $answer->{zone}, the contact's is $zone" if $answer->{zone} ne $zone;
            settle_evidence($answer->{decision}, $telling eq 'shuffled' ? $orders{$n} : undef);
            if ($telling eq 'opted out')
            {
                my $action = $answer->{decision}{final_decision}{action};
                push @found, "the contact opted out, and the decision is $action" if $action ne 'no_action';
            }
            elsif ($telling ne 'as generated' && !$first->{error})
            {
                push @found, map { "differs from the first: $_" } differences($first->{decision}, $answer->{decision}, '');
            }
            $seen{$_}++ for $telling eq 'as generated' ? kinds($answer->{decision}{final_decision}) : ();
        }
        next if !@found;

        $failures++;
        next if $failures > 20;
        my ($text, $as_of) = @{ $contact_of{"$n/$telling"} };
        my $file = "decision-failure-$failures.json";
        if (open(my $out, '>:encoding(UTF-8)', $file)) { print $out $text, "\n"; close $out; }
        splice(@found, 6, @found - 6, '...') if @found > 6;
        print "not ok: contact $n, $telling, as of $as_of ($file)\n", map { "    $_\n" } @found;
    }
}

# A run that never met a kind of decision shows nothing of it.
if ($contacts >= 100)
{
    for my $kind (qw(send_message wait break_up no_action), $contacts >= 1000 ? (sort keys %risk, sort keys %variant) : ())
    {
        next if $seen{$kind};
        print "not ok: no contact was decided $kind\n";
        $failures++;
    }
}
print '# ', join(', ', map { "$seen{$_} $_" } sort keys %seen), "\n";
my $decisions = @tellings * $contacts;
print $failures ? "not ok: $failures of $decisions decisions failed (seed $seed)\n" : "ok: $decisions decisions\n";
exit($failures ? 1 : 0);
