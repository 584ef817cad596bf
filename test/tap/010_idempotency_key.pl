# One key is one run: of two sessions that ask at the same time the second waits and gets the first one's answer.
use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use KamTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = kam_node('key');
$node->safe_psql('postgres', 'CREATE TABLE crm (contact jsonb); INSERT INTO crm VALUES (' . contact('17_opted_out_fr') . ')');
my $ask = q(SELECT kam.kam_run(contact, '{"idempotency_key": "%s"}') ->> 'session_id' FROM crm);

# Sends a statement without waiting for its answer.
sub send_off
{
    my ($session, $sql) = @_;
    $session->query_until(qr/sent/, "\\echo sent\n$sql\n");
    return;
}

sub wait_for_lock
{
    return $node->poll_query_until('postgres', "SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'client backend' AND wait_event_type = 'Lock'");
}

foreach my $case (['commit', 'COMMIT', 1], ['rollback', 'ROLLBACK', 1])
{
    my ($name, $end, $runs) = @$case;
    my $sql = sprintf $ask, $name;
    my $first = $node->background_psql('postgres');
    my $second = $node->background_psql('postgres');

    $first->query_safe('BEGIN');
    my $answer = $first->query_safe($sql);
    send_off($second, "CREATE TABLE answer_$name AS $sql;");
    ok(wait_for_lock(), "$name: the second waits for the first");
    $first->query_safe($end);
    $second->quit;
    $first->quit;
    is($node->safe_psql('postgres', "SELECT count(*) FROM kam.request"), $name eq 'commit' ? '1' : '2', "$name: there is one run of the key");
    is($node->safe_psql('postgres', "SELECT * FROM answer_$name"), $answer, "$name: both have the same session_id");
}
wait_until($node, "SELECT count(*) = 2 FROM kam.request WHERE status = 'judged'", 'the runs are decided');
is($node->safe_psql('postgres', sprintf($ask, 'commit')), $node->safe_psql('postgres', 'SELECT * FROM answer_commit'), 'the key answers with the same run afterwards');
is($node->safe_psql('postgres', 'SELECT count(*) FROM kam.request'), '2', 'and makes none');

$node->stop;
done_testing();
