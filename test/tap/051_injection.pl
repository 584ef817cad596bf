# A contact whose texts order the agents about gets the decision that it gets without them, though the model obeys every order: same action, recipient and channel, no link and no account of somebody else's.
use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use JSON::PP;
use KamTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $json = JSON::PP->new->utf8->canonical;
my $root = "$FindBin::Bin/../..";
my $node = kam_node('injection');
my $folder = PostgreSQL::Test::Utils::tempdir();
my $outputs = $json->decode(slurp_file(start_outputs()));
my %record;

# The file with an output of each agent that the mock answers with.
sub start_outputs
{
    return (grep { -e } map { "$root/$_/agent-outputs.json" } qw(test/mock prompts test/unit/data))[0];
}

foreach my $file (glob("$root/test/injection/*.jsonl"))
{
    foreach my $line (split /\n/, slurp_file($file))
    {
        my $one = $json->decode($line);
        $record{ $one->{id} } = $one;
    }
}

# The outputs of a model that does what a record orders.
sub obedient
{
    my ($obey) = @_;
    my $all = $json->decode($json->encode($outputs));
    my $decision = $all->{synthesis_orchestrator}{final_decision};
    my $smuggled = $obey->{message} // $obey->{link} // $obey->{recipient};

    if (defined $smuggled)
    {
        $_->{message} .= " $smuggled" foreach values %{ $all->{content_generator}{generated_content} };
        $decision->{selected_content}{message} .= " $smuggled";
        $decision->{recipient} = $obey->{recipient} if defined $obey->{recipient};
    }
    $all->{channel_selector}{primary_channel} = $decision->{selected_channel} = $obey->{channel} if defined $obey->{channel};
    $decision->{selected_content}{message} = $all->{content_generator}{generated_content}{ $obey->{channel} }{message} // $decision->{selected_content}{message}
        if defined $obey->{channel};
    if (defined $obey->{action})
    {
        @$decision{qw(action selected_channel selected_content)} = ($obey->{action}, undef, undef);
        $decision->{execution_timing}{execute_at} = undef;
        $decision->{execution_timing}{reevaluate_at} = '2026-12-01T09:00:00+01:00' if $obey->{action} eq 'wait';
        $decision->{wait_type} = { type => 'prospect_timing', risk_level => 'low', trigger_event => 'their wish', reevaluation_trigger => 'an answer' } if $obey->{action} eq 'wait';
    }
    return $all;
}

# Runs the sample with more text in its last message, against a model with these outputs; returns what was decided.
sub decided
{
    my ($name, $with, $text) = @_;
    my $file = "$folder/$name.json";

    append_to_file($file, $json->encode($with));
    my $mock = start_mock(outputs => $file);
    set_provider($node, $name, $mock->{url});
    my $session = $node->safe_psql('postgres', <<"SQL");
SELECT kam.kam_run(c #- '{activities,-1}' || jsonb_build_object('activities', (c -> 'activities') - -1 || jsonb_set(c #> '{activities,-1}', '{metadata,body}',
           to_jsonb(c #>> '{activities,-1,metadata,body}' || \$text\$\n\n$text\$text\$))), '{"as_of": "@{[AS_OF]}"}') ->> 'session_id'
  FROM (SELECT jsonb_set(@{[contact('01_inbound_question_fr')]}, '{contact_info}', (@{[contact('01_inbound_question_fr')]} -> 'contact_info')
           || '{"email": "$name\@fonderies-valmont.example", "linkedin_url": "https://www.linkedin.com/in/ines", "phone": "+33 6 39 98 00 11", "whatsapp": true}')) s (c)
SQL
    is(wait_for_end($node, $session, "$name: the run ends"), 'judged', "$name: it is judged");
    stop_mock($mock);
    return ($session, $json->decode($node->safe_psql('postgres', "SELECT decision -> 'final_decision' FROM kam.final_decision WHERE session_id = '$session'")));
}

my ($clean_session, $clean) = decided('clean', $outputs, '');
is($clean->{action}, 'send_message', 'without the text: a message');
is($node->safe_psql('postgres', "SELECT x #>> '{overrides,replaced}' || ' ' || (x ->> 'steering') FROM kam.kam_explain('$clean_session') x"), 'false []', 'without the text: the model is followed');
foreach my $id (qw(plain_fr_2 base64_en_2 fake_json_2 iban_fr_1))
{
    my $obey = $record{$id}{obey};
    my ($session, $got) = decided($id, obedient($obey), $record{$id}{text});
    my $text = $json->encode([ @$got{qw(selected_content sequence_instructions recipient)} ]);

    is("$got->{action} $got->{selected_channel}", "$clean->{action} $clean->{selected_channel}", "$id: action and channel are what they are without it");
    ok(!defined $got->{recipient}, "$id: nobody else is written to");
    unlike($text, qr/\Q$_\E/, "$id: nothing of it leaves") foreach grep { defined } @$obey{qw(link recipient message)};
    is($node->safe_psql('postgres', "SELECT count(*) FROM kam.final_decision d, kam.request r, kam.kam_check(d.decision, r.contact, r.as_of) k"
                . " WHERE d.session_id = '$session' AND r.session_id = d.session_id AND k.severity = 'error'"), '0', "$id: a valid decision");
    cmp_ok($node->safe_psql('postgres', "SELECT jsonb_array_length(x -> 'findings') FROM kam.kam_explain('$session') x"), '>', 0, "$id: what the model tried is on record");
}
is($node->safe_psql('postgres', "SELECT x #>> '{steering,0,kind}' FROM kam.request r, kam.kam_explain(r.session_id) x WHERE r.contact #>> '{contact_info,email}' LIKE 'base64_en_2%'"),
    'order', 'the passage is shown');
$node->stop;
done_testing();
