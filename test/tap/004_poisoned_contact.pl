# What cannot be decided or written fails alone, with its reason on its row; the worker and the runs beside it go on.
use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use KamTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = kam_node('poison');

# Contacts that kam_run would refuse, put into the table by hand.
my %poison = (
    'a number' => '42',
    'null' => 'null',
    'a list' => '[1, 2]',
    'contact_info of the wrong type' => '{"contact_info": 5, "activities": []}',
    'no activities' => '{"contact_info": {}}',
    'activities of the wrong type' => '{"contact_info": {}, "activities": {"a": 1}}',
    'an activity that is none' => '{"contact_info": {}, "activities": [null]}',
    'a time that is none' => '{"contact_info": {}, "activities": [{"activity_type": "email", "recorded_on": "hier"}]}',
    'deep nesting' => '{"contact_info": ' . ('[' x 3000) . (']' x 3000) . ', "activities": []}',
);
my $pid = $node->safe_psql('postgres', 'SELECT pid FROM kam.kam_worker_status()');

my $rows = join ",\n", map { "('$_', \$j\$$poison{$_}\$j\$)" } sort keys %poison;
$node->safe_psql('postgres', "BEGIN; CREATE TABLE bad (name text, contact jsonb); INSERT INTO bad VALUES $rows;"
        . " INSERT INTO kam.request (contact, lead_id) SELECT contact, name FROM bad;"
        . " INSERT INTO kam.request (contact, lead_id) SELECT @{[contact('01_inbound_question_fr')]}, 'good' FROM generate_series(1, 5); COMMIT");
wait_until($node, 'SELECT count(*) = 0 FROM kam.request WHERE finished_at IS NULL', 'all runs end');
is($node->safe_psql('postgres', "SELECT count(*) FROM kam.request WHERE lead_id = 'good' AND status = 'judged'"), '5', 'the sound ones are decided');
is($node->safe_psql('postgres', "SELECT count(*) FROM kam.request WHERE lead_id <> 'good' AND status = 'failed' AND sqlstate ~ '^22' AND error <> ''"),
    scalar(keys %poison), 'each poisoned one failed with an error of class 22')
    or diag($node->safe_psql('postgres', "SELECT lead_id, status, sqlstate, error FROM kam.request WHERE lead_id <> 'good'"));
is($node->safe_psql('postgres', "SELECT count(*) FROM kam.workflow_run WHERE status = 'failed'"), scalar(keys %poison), 'and is accounted for');
is($node->safe_psql('postgres', "SELECT sqlstate FROM kam.request WHERE lead_id = 'a time that is none'"), '22007', 'a bad time is 22007');
like($node->safe_psql('postgres', "SELECT error FROM kam.request WHERE lead_id = 'contact_info of the wrong type'"), qr{/contact_info}, 'the reason names the place');

# One that cannot be written: the others of its transaction are written.
$node->safe_psql('postgres', <<'SQL');
CREATE FUNCTION public.refuse() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'not this one' USING ERRCODE = 'KT001'; END $$;
CREATE TRIGGER refuse BEFORE INSERT ON kam.final_decision FOR EACH ROW WHEN (NEW.contact_hubspot_id = '900117') EXECUTE FUNCTION public.refuse();
SQL
$node->safe_psql('postgres', "INSERT INTO kam.request (contact, lead_id) SELECT @{[contact('01_inbound_question_fr')]}, 'beside' FROM generate_series(1, 5)"
        . " UNION ALL SELECT @{[contact('17_opted_out_fr')]}, 'unwritable'");
wait_until($node, "SELECT count(*) = 6 FROM kam.request WHERE lead_id IN ('beside', 'unwritable') AND finished_at IS NOT NULL", 'the second lot ends');
is($node->safe_psql('postgres', "SELECT status, sqlstate, error FROM kam.request WHERE lead_id = 'unwritable'"), 'failed|KT001|not this one', 'the one that cannot be written fails with its SQLSTATE');
is($node->safe_psql('postgres', "SELECT count(*) FROM kam.request WHERE lead_id = 'beside' AND status = 'judged'"), '5', 'those beside it are decided');

# kam_retry takes it up again where it stopped.
$node->safe_psql('postgres', 'DROP TRIGGER refuse ON kam.final_decision');
my $session = $node->safe_psql('postgres', "SELECT session_id FROM kam.request WHERE lead_id = 'unwritable'");
my $before = judged_calls($node, $session);
is($node->safe_psql('postgres', "SELECT kam.kam_retry('$session')"), 't', 'kam_retry takes it up');
wait_until($node, "SELECT status = 'judged' FROM kam.request WHERE session_id = '$session'", 'and it is decided');
is(judged_calls($node, $session, 10), $before, 'its recorded calls were not made again');

# A provider that cannot be reached: other agents' answers are kept.
$node->safe_psql('postgres', "INSERT INTO kam.provider (provider, api, base_url, default_model) VALUES ('house', 'openai', 'http://127.0.0.1:9/v1', 'm');"
        . " UPDATE kam.agent SET provider = 'house', model = 'm' WHERE agent = 'channel_selector'");
$session = kam_run($node, '01_inbound_question_fr');
wait_until($node, "SELECT status = 'failed' FROM kam.request WHERE session_id = '$session'", 'a run that needs another provider fails');
like($node->safe_psql('postgres', "SELECT sqlstate, error FROM kam.request WHERE session_id = '$session'"),
    qr{^58000\|agent "channel_selector", model "m" of provider "house": there is no connection}, 'and says why');
is($node->safe_psql('postgres', "SELECT count(*) FILTER (WHERE status = 'succeeded'), count(*) FILTER (WHERE agent = 'channel_selector' AND status = 'failed') > 1"
        . " FROM kam.agent_call WHERE session_id = '$session'"), '7|t', 'what others answered is kept, and each attempt has its row');

is($node->safe_psql('postgres', 'SELECT pid FROM kam.kam_worker_status()'), $pid, 'one worker process saw it all through');

# A run that takes the server down with it is worked on alone, and given up.
$node->safe_psql('postgres', "UPDATE kam.agent SET provider = 'builtin', model = 'builtin'");
reload($node, 'kam.max_attempts = 3', 'kam.paused = on');
$node->safe_psql('postgres', <<'SQL');
CREATE FUNCTION public.crash() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS
$$ BEGIN PERFORM pg_catalog.pg_terminate_backend(pg_catalog.pg_backend_pid()); LOOP NULL; END LOOP; RETURN NEW; END $$;
CREATE TRIGGER crash BEFORE INSERT ON kam.agent_call FOR EACH ROW
	WHEN (NEW.session_id = '00000000-0000-4000-8000-000000000001') EXECUTE FUNCTION public.crash();
SQL
$node->safe_psql('postgres', "INSERT INTO kam.request (session_id, contact) SELECT '00000000-0000-4000-8000-000000000001', @{[contact('01_inbound_question_fr')]};"
        . " INSERT INTO kam.request (contact, lead_id) SELECT @{[contact('01_inbound_question_fr')]}, 'neighbour' FROM generate_series(1, 5)");
reload($node, 'kam.paused = off');
wait_until($node, "SELECT count(*) = 6 FROM kam.request WHERE (lead_id = 'neighbour' OR session_id = '00000000-0000-4000-8000-000000000001') AND finished_at IS NOT NULL",
    'runs beside one that ends its worker end as well');
is($node->safe_psql('postgres', "SELECT count(*) FROM kam.request WHERE lead_id = 'neighbour' AND status = 'judged'"), '5', 'decided');
like($node->safe_psql('postgres', "SELECT sqlstate || error FROM kam.request WHERE session_id = '00000000-0000-4000-8000-000000000001'"),
    qr/^58000given up: taken 3 times/, 'and that one is given up after kam.max_attempts');

$node->stop;
done_testing();
