# 1,000 runs asked for in one transaction are all decided, in order of priority; kill -9 of the worker midway loses none.
use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use KamTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = kam_node('thousand');

$node->safe_psql('postgres', 'CREATE TABLE crm (contact jsonb); INSERT INTO crm VALUES (' . contact('03_first_touch_note_only_fr') . ')');
$node->safe_psql('postgres', "SELECT count(kam.kam_run(contact, jsonb_build_object('as_of', '@{[AS_OF]}', 'priority', (n * 7919) % 10)))"
        . " FROM crm, generate_series(1, 1000) n");
is($node->safe_psql('postgres', 'SELECT count(*) FROM kam.request'), '1000', '1,000 runs are asked for in one transaction');

$node->poll_query_until('postgres', "SELECT count(*) >= 200 FROM kam.request WHERE status = 'judged'") or die 'the worker does not work';
my $victim = $node->safe_psql('postgres', "SELECT pid FROM kam.kam_worker_status()");
my $done = $node->safe_psql('postgres', "SELECT count(*) FROM kam.request WHERE finished_at IS NOT NULL");
kill 'KILL', $victim;
wait_for_restart($node, $victim);
cmp_ok($done, '<', 1000, "kill -9 midway, after $done");

wait_until($node, "SELECT count(*) = 1000 FROM kam.request WHERE status = 'judged'", 'all are decided');
is($node->safe_psql('postgres', 'SELECT count(*) FROM kam.final_decision'), '1000', 'with a decision each');
is($node->safe_psql('postgres', 'SELECT count(*), max(attempt), max(call_no) FROM kam.agent_call'), '10000|1|10', 'and ten calls each, none repeated');
is($node->safe_psql('postgres', 'SELECT count(DISTINCT (recipient, session_id)), count(*) FROM kam.notification'), '2000|2000', 'each notified once');

# Runs taken together have one started_at: a run must never have started after one of lower priority did.
is($node->safe_psql('postgres', <<'SQL'), '0', 'they were taken in order of priority');
SELECT count(*) FROM kam.request a
 WHERE a.priority > (SELECT min(b.priority) FROM kam.request b WHERE b.started_at < a.started_at)
SQL

$node->stop;
done_testing();
