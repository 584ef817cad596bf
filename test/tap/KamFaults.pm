# What the tests of faults share: a table of faults is run in one server, each fault beside a run of the same provider that it does not hit.
package KamFaults;

use strict;
use warnings;

use Exporter 'import';
use KamTest;
use Test::More;

our @EXPORT = qw(run_faults);

# The attempts of an agent: "failed:class succeeded@builtin", in their order.
sub attempts_of
{
    my ($node, $session, $agent) = @_;

    return $node->safe_psql('postgres', <<"SQL");
SELECT string_agg(status || coalesce(':' || error_class, '') || CASE WHEN provider = 'builtin' THEN '\@builtin' WHEN model = 'other-model' THEN '\@other' ELSE '' END, ' ' ORDER BY call_no)
  FROM kam.agent_call WHERE session_id = '$session' AND agent = '$agent'
SQL
}

# Runs a table.  A row: fault (a path of the mock's below /fault), end (judged or failed), attempts (a regular expression of attempts_of); and, where they are not
# the usual ones: agent (channel_selector), api (anthropic), dialect, capabilities, fallback (a model), asked (how often the mock was asked for that agent),
# latency (20 ms), error (of the run, a regular expression), slow (the other run ends first), all (the provider is shut to every contact, so there is no other run).
sub run_faults
{
    my ($name, @case) = @_;
    my $node = kam_node($name);
    my $mock = start_mock();
    my $worker = worker_pid($node);
    my $number = 0;

    foreach my $case (@case)
    {
        $number++;
        $case->{agent} //= 'channel_selector';
        $case->{api} //= 'anthropic';
        $case->{what} = "$case->{api}, $case->{fault}" . ($case->{dialect} ? " $case->{dialect}" : '') . ($case->{fallback} ? ' with a fallback' : '')
            . ($case->{agent} ne 'channel_selector' ? " at $case->{agent}" : '');
        $case->{email} = "bad$number\@fault.example";
        $case->{other} = "good$number\@fault.example";
        # Its contact alone is hit.
        my $filter = "/agent/$case->{agent}/contact/bad$number";
        my ($fault, $times) = $case->{fault} =~ m{^(.*?)((?:/times/\d+)?)$};
        set_provider($node, "fault$number", "$mock->{url}/latency/" . ($case->{latency} // 20) . "/fault/$fault$filter$times", api => $case->{api}, dialect => $case->{dialect}, capabilities => $case->{capabilities},
            fallback => $case->{fallback});
        $case->{bad_run} = run_of($node, '01_inbound_question_fr', $case->{email});
        $case->{good_run} = $case->{all} ? $case->{bad_run} : run_of($node, '01_inbound_question_fr', $case->{other});
        # A run keeps the providers it found when it was taken up.
        $node->poll_query_until('postgres', "SELECT bool_and(started_at IS NOT NULL) FROM kam.request WHERE session_id IN ('$case->{bad_run}', '$case->{good_run}')")
            or die 'the worker does not take runs up';
    }
    foreach my $case (@case)
    {
        my $what = $case->{what};

        is(wait_for_end($node, $case->{good_run}, "$what: the run beside it ends"), 'judged', "$what: it is judged") if !$case->{all};
        is($node->safe_psql('postgres', "SELECT count(*), count(*) FILTER (WHERE status = 'succeeded') FROM kam.agent_call WHERE session_id = '$case->{good_run}'"), '10|10',
            "$what: undisturbed")
            if !$case->{all};
        my $end = wait_for_end($node, $case->{bad_run}, "$what: the run ends");
        like($end, qr/^$case->{end}$/, "$what: it is $case->{end}");
        my $attempts = attempts_of($node, $case->{bad_run}, $case->{agent});
        like($attempts, qr/^$case->{attempts}$/, "$what: the attempts are recorded");
        is($node->safe_psql('postgres', "SELECT count(*) FROM kam.agent_call WHERE session_id = '$case->{bad_run}' AND (status = 'sending' OR (status = 'succeeded') = (error IS NOT NULL))"),
            '0', "$what: none is open, and each without an answer says why");
        if ($end eq 'judged')
        {
            is($node->safe_psql('postgres', "SELECT count(*) FROM kam.final_decision d, kam.request r, kam.kam_check(d.decision, r.contact, r.as_of) k"
                        . " WHERE d.session_id = '$case->{bad_run}' AND r.session_id = d.session_id AND k.severity = 'error'"),
                '0', "$what: a valid decision");
        }
        elsif ($end eq 'failed')
        {
            like($node->safe_psql('postgres', "SELECT error FROM kam.request WHERE session_id = '$case->{bad_run}'"), $case->{error} // qr/$case->{agent}/, "$what: the run says why");
        }
        if ($case->{slow})
        {
            # It was over first, or others got answers while the slow one was under way.
            is($node->safe_psql('postgres', "SELECT g.finished_at < b.finished_at OR EXISTS (SELECT FROM kam.agent_call s JOIN kam.agent_call o ON o.finished_at BETWEEN s.started_at AND s.finished_at"
                        . " WHERE s.session_id = b.session_id AND s.agent = '$case->{agent}' AND s.status = 'failed' AND o.session_id <> b.session_id AND o.status = 'succeeded')"
                        . " FROM kam.request g, kam.request b WHERE g.session_id = '$case->{good_run}' AND b.session_id = '$case->{bad_run}'"),
                't', "$what: others did not wait for it");
        }
    }
    my $stats = mock_stats($mock);
    foreach my $case (@case)
    {
        my $asked = $stats->{contacts}{ $case->{email} }{asked}{ $case->{agent} } // 0;
        is($asked, $node->safe_psql('postgres', "SELECT count(*) FROM kam.agent_call WHERE session_id = '$case->{bad_run}' AND agent = '$case->{agent}' AND provider <> 'builtin'"),
            "$case->{what}: one row for each call");
        is($asked, $case->{asked}, "$case->{what}: asked $case->{asked} times") if defined $case->{asked};
        is($stats->{contacts}{ $case->{other} }{asked}{ $case->{agent} }, 1, "$case->{what}: once for the other contact") if !$case->{all};
    }
    is($stats->{followed}, 0, 'no redirect was followed');
    is($stats->{refused}, 0, 'the mock understood every request');
    is(worker_pid($node), $worker, 'the worker lives on');
    $node->stop;
    return;
}

1;
