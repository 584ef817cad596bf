# A budget of a day is never exceeded, whoever spends it: what does not fit is not sent, its run waits with the reason and goes on by itself, and the alert comes once.
use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use KamTest;
use Test::More;

my $node = kam_node('budgets', conf => "kam.workers = 2\n");
my $mock = start_mock(latency_ms => 20);

sub sql { return $node->safe_psql('postgres', $_[0]) }

# What the ledger says was spent and is reserved, and what the budget says, of today.
my $ledger = "SELECT sum(cost_usd) || ' ' || sum(reserved_usd) FROM kam.agent_call WHERE sent_on = (now() AT TIME ZONE 'Europe/Paris')::date";
my $account = "SELECT spent_usd || ' ' || reserved_usd FROM kam.budget_spend WHERE budget = 'daily' AND day = (now() AT TIME ZONE 'Europe/Paris')::date";
my $waiting = "SELECT count(*) FROM kam.request WHERE finished_at IS NULL AND sqlstate = '53400' AND lease_owner IS NULL AND next_attempt_at > now()";
my $unfinished = "SELECT count(*) FROM kam.request WHERE finished_at IS NULL";

# ---- none yet: nothing is held, and what is spent is counted by the budget that comes later
set_provider($node, 'api', $mock->{url});
sql("INSERT INTO kam.endpoint (endpoint, kind, url, topics) VALUES ('desk', 'webhook', 'https://desk.example/hook', '{budget}'), ('crm', 'webhook', 'https://crm.example/hook', '{decision}')");
is(wait_for_end($node, run_of($node, '01_inbound_question_fr', 'first@budget.example')), 'judged', 'without budgets a run is judged');
is(sql('SELECT count(*) FROM kam.budget_spend'), '0', 'and nothing is counted');
sql("INSERT INTO kam.budget (budget, limit_usd) VALUES ('daily', 2)");
is(sql($account), sql($ledger), 'a new budget counts what was spent today already');

# ---- the hard stop, under two workers: a breach would be an error in whoever commits it
sql('ALTER TABLE kam.budget_spend ADD CONSTRAINT never CHECK (spent_usd + reserved_usd <= 2)');
kam_runs($node, '01_inbound_question_fr', 40, 'stop');
wait_until($node, "SELECT ($waiting) > 0 AND ($waiting) = ($unfinished)", 'in the end all that is left waits');
cmp_ok(sql("SELECT count(*) FROM kam.request WHERE status = 'judged'"), '>', 3, 'some runs were within the budget');
is(sql("SELECT count(*) FROM kam.request WHERE status = 'failed'"), '0', 'none failed');
is(sql($account), sql($ledger), 'the account is the sum of the ledger');
is(sql("SELECT reserved_usd FROM kam.budget_spend"), '0.000000000000', 'nothing stays reserved');
my $note = sql("SELECT DISTINCT note FROM kam.kam_progress WHERE status = 'queued' LIMIT 1");
like($note, qr/^waits: budget 'daily' of 2\.00 USD has no room \([12]\.\d\d spent, 0\.00 reserved, this call may cost 0\.\d{4}\) until \d{4}-\d\d-\d\d 00:00 Europe\/Paris$/, 'the reason is clear');
is(sql("SELECT count(*) FROM kam.request r WHERE status = 'queued' AND EXISTS (SELECT FROM kam.agent_call c WHERE c.session_id = r.session_id)"), '0', 'queued is what was not asked for yet');
is(sql("SELECT state FROM kam.kam_health() WHERE item = 'budget daily'"), 'warning', 'kam_health tells');
my $asked = mock_stats($mock)->{requests};
is($asked, sql('SELECT count(*) FROM kam.agent_call WHERE sent_on IS NOT NULL'), 'what was asked stands in the ledger, and nothing else');

# ---- the alert, once
is(sql("SELECT string_agg(recipient || ' ' || (payload ->> 'budget'), ', ') FROM kam.notification WHERE topic = 'budget'"), 'desk daily', 'who asked for it was told once');

# ---- what costs nothing is not held
sql("UPDATE kam.agent SET provider = 'builtin', model = 'builtin'");
is(wait_for_end($node, run_of($node, '02_inbound_question_linkedin_en', 'free@budget.example')), 'judged', 'the built-in agents are not held');
sql("SELECT kam.kam_use_provider('api')");
is(mock_stats($mock)->{requests}, $asked, 'nothing was sent meanwhile');

# ---- it goes on by itself: the limit is raised
sql("ALTER TABLE kam.budget_spend DROP CONSTRAINT never; ALTER TABLE kam.budget_spend ADD CONSTRAINT never CHECK (spent_usd + reserved_usd <= 3)");
sql("UPDATE kam.budget SET limit_usd = 3");
wait_until($node, "SELECT spent_usd > 2.2 FROM kam.budget_spend", 'raised, the runs go on');
wait_until($node, "SELECT ($waiting) > 0 AND ($waiting) = ($unfinished)", 'up to the new limit');
is(sql($account), sql($ledger), 'and the account is the sum of the ledger');
is(sql("SELECT count(*) FROM kam.notification WHERE topic = 'budget'"), '1', 'no second alert on the same day');

# ---- the day turns: another zone has another day
my $zone = sql("SELECT z FROM unnest('{Pacific/Kiritimati,Etc/GMT+12}'::text[]) z WHERE (now() AT TIME ZONE z)::date <> (now() AT TIME ZONE 'Europe/Paris')::date LIMIT 1");
reload($node, "kam.default_timezone = '$zone'");
$node->poll_query_until('postgres', "SHOW kam.default_timezone", $zone);
my $before = sql($unfinished);
sql("UPDATE kam.request SET next_attempt_at = now() WHERE sqlstate = '53400'; SELECT kam._wake_worker()");
wait_until($node, "SELECT count(*) = 2 AND sum(spent_usd) > 4 FROM kam.budget_spend", 'another day has a budget of its own');
reload($node, "kam.default_timezone = 'Europe/Paris'");

# ---- it is switched off
sql('ALTER TABLE kam.budget_spend DROP CONSTRAINT never');
sql('UPDATE kam.budget SET enabled = false');
wait_until($node, "SELECT ($unfinished) = 0", 'disabled, all runs end');
is(sql("SELECT count(*) FROM kam.request WHERE status <> 'judged'"), '0', 'judged, each of them');
is(sql('SELECT sum(spent_usd) FROM kam.budget_spend'), sql('SELECT sum(cost_usd) FROM kam.agent_call'), 'and it counted on');
is(mock_stats($mock)->{requests}, sql('SELECT count(*) FROM kam.agent_call WHERE sent_on IS NOT NULL'), 'no call was sent twice');

# ---- a budget of nothing
sql("UPDATE kam.budget SET limit_usd = 0, enabled = true");
my $held = run_of($node, '01_inbound_question_fr', 'held@budget.example');
wait_until($node, "SELECT ($waiting) = 1", 'a limit of 0 holds all that costs');
is(sql("SELECT kam.kam_cancel('$held')"), 't', 'and who waits can be cancelled');
$node->stop;
done_testing();
