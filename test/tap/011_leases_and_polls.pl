# Work that nobody wakes the worker for is found: runs of a worker that is gone, postponed ones, those of a prepared transaction.
use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use KamTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = kam_node('lease', conf => "max_prepared_transactions = 2\n");
my $insert = 'INSERT INTO kam.request (contact, lease_owner, lease_until, next_attempt_at, status, iteration) SELECT ' . contact('03_first_touch_note_only_fr');

# The poll comes every ten minutes here: the worker must know by itself when to look again.
my $began = time;
$node->safe_psql('postgres', "$insert, 7, clock_timestamp() + interval '2 s', NULL, 'wave2', 1");
is($node->safe_psql('postgres', "SELECT status, lease_owner FROM kam.request"), 'wave2|7', "a run is another worker's");
wait_until($node, "SELECT count(*) = 1 FROM kam.request WHERE status = 'judged'", 'its lease runs out and it is taken over');
$node->safe_psql('postgres', "$insert, NULL, NULL, clock_timestamp() + interval '2 s', 'queued', 0");
wait_until($node, "SELECT count(*) = 2 FROM kam.request WHERE status = 'judged'", 'a postponed run is taken when its time comes');
cmp_ok(time - $began, '>=', 3, 'neither before its time');
cmp_ok(time - $began, '<', 60, 'nor by the poll');

# A prepared transaction wakes nobody when it commits.
$node->safe_psql('postgres', "BEGIN; $insert, NULL, NULL, NULL, 'queued', 0; PREPARE TRANSACTION 'later'");
reload($node, "kam.poll_interval = '500ms'");
$node->safe_psql('postgres', "COMMIT PREPARED 'later'");
wait_until($node, "SELECT count(*) = 3 FROM kam.request WHERE status = 'judged'", 'a run of a prepared transaction is found by the poll');

# Serialization failures and the like are no failure of the run.
$node->safe_psql('postgres', <<'SQL');
CREATE SEQUENCE public.tries;
GRANT USAGE ON SEQUENCE public.tries TO kam_worker;
CREATE FUNCTION public.stumble() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN IF pg_catalog.nextval('public.tries') <= 3 THEN RAISE EXCEPTION 'stumbled' USING ERRCODE = '40001'; END IF; RETURN NEW; END $$;
CREATE TRIGGER stumble BEFORE INSERT ON kam.agent_call FOR EACH ROW WHEN (NEW.call_no = 3) EXECUTE FUNCTION public.stumble();
SQL
my $session = kam_run($node, '01_inbound_question_fr');
wait_until($node, "SELECT error = 'stumbled' AND next_attempt_at > now() AND lease_owner IS NULL AND attempts = 0 FROM kam.request WHERE session_id = '$session'",
    'a run that meets a serialization failure is postponed, the reason on its row');
wait_until($node, "SELECT status = 'judged' AND error IS NULL FROM kam.request WHERE session_id = '$session'", 'and decided later');
is($node->safe_psql('postgres', "SELECT count(*), max(attempt) FROM kam.agent_call WHERE session_id = '$session'"), '10|1', 'no call made twice');

# The worker says when library and extension are of different releases, and touches nothing.
$node->safe_psql('postgres', "UPDATE pg_extension SET extversion = '0.9' WHERE extname = 'kam'");
$session = kam_run($node, '01_inbound_question_fr');
wait_until($node, "SELECT state = 'wrong version' AND reason LIKE '%ALTER EXTENSION kam UPDATE%' FROM kam.kam_worker_status()", 'another release of the extension is told in the status');
is($node->safe_psql('postgres', "SELECT status FROM kam.request WHERE session_id = '$session'"), 'queued', 'and its runs wait');
$node->safe_psql('postgres', "UPDATE pg_extension SET extversion = '1.0' WHERE extname = 'kam'");
wait_until($node, "SELECT status = 'judged' FROM kam.request WHERE session_id = '$session'", 'until the releases are the same');

$node->stop;
done_testing();
