/*
 * history.c: one session's random transactions.
 *
 * Every way of telling the Coordinator something: rows one by one, many in a statement, copied, by function, kept,
 * undone or repeated, at every isolation level, at a clock that moves on by minutes to hours and at times stands
 * exactly at the moment a touch leaves the window.
 */
#include "history.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ATTEMPTS		8

static int
by_lead(const void *a, const void *b)
{
	return strcmp(((const Ask *) a)->lead, ((const Ask *) b)->lead);
}

/* ---- running a statement ---- */

static Outcome
judge_error(Session *s, PGresult *result, const char *sql)
{
	const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
	const char *constraint = PQresultErrorField(result, PG_DIAG_CONSTRAINT_NAME);
	Outcome		outcome = GAVE_UP;

	if (state == NULL)
		die("%s", PQerrorMessage(s->connection));
	if (strcmp(state, "40001") == 0 || strcmp(state, "40P01") == 0)
		outcome = MUST_RETRY;
	else if (strcmp(state, "23505") == 0 && s->duplicates && constraint != NULL && strcmp(constraint, "cadenceeventlog_idempotency_key") == 0)
		__atomic_add_fetch(&world.refused, 1, __ATOMIC_RELAXED);
	/* Merged meanwhile: into another lead, or the winner into this one. */
	else if ((strcmp(state, "55000") == 0 || strcmp(state, "22023") == 0) && s->merges)
		__atomic_add_fetch(&world.refused, 1, __ATOMIC_RELAXED);
	else
		violation("an error that nothing calls for: %s %s  in: %.600s", state, PQresultErrorMessage(result), sql);
	return outcome;
}

static Outcome
run(Session *s, const char *sql)
{
	Outcome		outcome = WENT_ON;
	PGresult   *result;

	if (!PQsendQuery(s->connection, sql))
		die("%s", PQerrorMessage(s->connection));
	while ((result = PQgetResult(s->connection)) != NULL)
	{
		ExecStatusType status = PQresultStatus(result);

		if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK && outcome == WENT_ON)
			outcome = judge_error(s, result, sql);
		/* What kam_tick could not do: only for others' locks, or because an account changed while it looked. */
		if (status == PGRES_TUPLES_OK && PQntuples(result) == 1 && strstr(PQgetvalue(result, 0, 0), "sqlstate") != NULL &&
			strstr(PQgetvalue(result, 0, 0), "40P01") == NULL && strstr(PQgetvalue(result, 0, 0), "40001") == NULL)
			violation("kam_tick: %.600s", PQgetvalue(result, 0, 0));
		PQclear(result);
	}
	return outcome;
}

static Outcome
run_copy(Session *s, const Ask *asks, int count)
{
	Text		line = {0};
	Outcome		outcome = WENT_ON;
	PGresult   *result;
	int			i;

	result = PQexec(s->connection, "COPY kam.CadenceEventLog (lead_id, sequence_id, sequence_type, event_type, step, channel, originating_agent, payload, idempotency_key) FROM STDIN");
	if (PQresultStatus(result) != PGRES_COPY_IN)
		outcome = judge_error(s, result, "COPY");
	PQclear(result);
	if (outcome != WENT_ON)
		return outcome;
	for (i = 0; i < count; i++)
	{
		const Ask  *ask = &asks[i];

		text_add(&line, "%s\t%s\t%s\t%s\t", ask->lead, ask->sequence ? ask->sequence : "\\N", ask->type ? ask->type : "\\N", ask->event);
		if (ask->step > 0)
			text_add(&line, "%d\t", ask->step);
		else
			text_add(&line, "\\N\t");
		text_add(&line, "%s\t%s\t%s\t%s\n", ask->channel ? ask->channel : "\\N", ask->agent ? ask->agent : "\\N", ask->payload[0] ? ask->payload : "\\N",
				 ask->key[0] ? ask->key : "\\N");
	}
	PQputCopyData(s->connection, line.data, (int) line.used);
	PQputCopyEnd(s->connection, NULL);
	while ((result = PQgetResult(s->connection)) != NULL)
	{
		if (PQresultStatus(result) != PGRES_COMMAND_OK && outcome == WENT_ON)
			outcome = judge_error(s, result, line.data);
		PQclear(result);
	}
	free(line.data);
	return outcome;
}

/* ---- the things a transaction does ---- */

static void
note_key(Session *s, const Ask *ask)
{
	if (ask->key[0])
		s->duplicates = true;
}

static Outcome
tell_one(Session *s)
{
	Ask			ask;

	make_ask(s, &ask);
	note_key(s, &ask);
	text_add(&s->sql, "INSERT INTO kam.CadenceEventLog %s VALUES ", log_columns);
	add_values(s, &ask);
	if (rng_chance(&s->rng, 20) || ask.key[0])
		text_add(&s->sql, " ON CONFLICT DO NOTHING");
	return run(s, s->sql.data);
}

/* Rows for many leads in one statement; mostly in the order that avoids deadlocks. */
static Outcome
tell_many(Session *s)
{
	Ask			asks[10];
	int			count = 2 + rng_below(&s->rng, 8),
				i;
	bool		one_lead = rng_chance(&s->rng, 40);
	bool		sorted = rng_chance(&s->rng, 80);
	bool		keys = rng_chance(&s->rng, 30);

	for (i = 0; i < count; i++)
	{
		make_ask(s, &asks[i]);
		if (one_lead && i > 0)
			strcpy(asks[i].lead, asks[0].lead);
		if (!keys)
			asks[i].key[0] = '\0';
		note_key(s, &asks[i]);
	}
	if (sorted)
		qsort(asks, count, sizeof(*asks), by_lead);
	if (rng_chance(&s->rng, 30))
		return run_copy(s, asks, count);
	text_add(&s->sql, "INSERT INTO kam.CadenceEventLog %s", log_columns);
	if (rng_chance(&s->rng, 30))
		text_add(&s->sql, " SELECT * FROM (VALUES ");
	else
	{
		text_add(&s->sql, " VALUES ");
		for (i = 0; i < count; i++)
		{
			text_add(&s->sql, i ? ", " : "");
			add_values(s, &asks[i]);
		}
		text_add(&s->sql, keys ? " ON CONFLICT DO NOTHING" : " RETURNING event_id");
		return run(s, s->sql.data);
	}
	for (i = 0; i < count; i++)
	{
		text_add(&s->sql, i ? ", " : "");
		add_values(s, &asks[i]);
	}
	text_add(&s->sql, ") AS v");
	return run(s, s->sql.data);
}

/* One lead's touches by INSERT ... SELECT. */
static Outcome
tell_series(Session *s)
{
	char		lead[24];
	const Sequence *enrolled = *some_lead(s, lead, sizeof(lead));

	text_add(&s->sql, "INSERT INTO kam.CadenceEventLog (lead_id, sequence_type, event_type, channel, originating_agent) SELECT '%s', '%s', 'touch', 'email', 'AGT-301'"
			 " FROM generate_series(1, %d)", lead, enrolled->type, 2 + rng_below(&s->rng, 4));
	return run(s, s->sql.data);
}

static Outcome
request_one(Session *s)
{
	Ask			ask;

	make_ask(s, &ask);
	if (rng_chance(&s->rng, 50))
		snprintf(ask.key, sizeof(ask.key), "k%d", rng_below(&s->rng, 8));
	/* What the same key was answered before is compared when all is quiet. */
	text_add(&s->sql, "INSERT INTO property.answer SELECT '%s', '%s', event_id FROM kam.kam_request(", ask.lead, ask.key);
	add_arguments(&s->sql, &ask, " => ");
	text_add(&s->sql, ")");
	return run(s, s->sql.data);
}

static Outcome
request_batch(Session *s)
{
	int			count = 2 + rng_below(&s->rng, 6),
				i;

	text_add(&s->sql, "SELECT event_id FROM kam.kam_request_batch(jsonb_build_array(");
	for (i = 0; i < count; i++)
	{
		Ask			ask;

		make_ask(s, &ask);
		text_add(&s->sql, "%sjsonb_build_object('lead_id', '%s', 'event_type', '%s', 'sequence_type', ", i ? ", " : "", ask.lead, ask.event);
		add_text(&s->sql, ask.type);
		text_add(&s->sql, "::text, 'sequence_id', ");
		add_text(&s->sql, ask.sequence);
		text_add(&s->sql, "::text, 'channel', ");
		add_text(&s->sql, ask.channel);
		text_add(&s->sql, "::text, 'originating_agent', ");
		add_text(&s->sql, ask.agent);
		text_add(&s->sql, "::text, 'idempotency_key', ");
		add_text(&s->sql, ask.key);
		text_add(&s->sql, "::text");
		if (ask.step > 0)
			text_add(&s->sql, ", 'step', %d", ask.step);
		if (ask.payload[0])
			text_add(&s->sql, ", 'payload', '%s'::jsonb", ask.payload);
		text_add(&s->sql, ")");
	}
	text_add(&s->sql, "))");
	return run(s, s->sql.data);
}

/* A touch of the last ones turns out not to have left. */
static Outcome
fail_send(Session *s)
{
	char		lead[24];

	some_lead(s, lead, sizeof(lead));
	text_add(&s->sql, "INSERT INTO kam.CadenceEventLog (lead_id, event_type, parent_event_id) SELECT lead_id, 'send_failed', event_id FROM kam.CadenceEventLog"
			 " WHERE lead_id = '%s' AND event_type = 'touch' AND counted ORDER BY event_id DESC LIMIT 1 OFFSET %d", lead, rng_below(&s->rng, 3));
	return run(s, s->sql.data);
}

static Outcome
change_lead(Session *s)
{
	Rng		   *rng = &s->rng;
	char		lead[24],
				account[24];

	some_lead(s, lead, sizeof(lead));
	text_add(&s->sql, "UPDATE kam.Leads SET ");
	switch (rng_below(rng, 8))
	{
		case 0:
			text_add(&s->sql, "%s_flag = %s", rng_chance(rng, 50) ? "unsubscribe" : "opt_out", rng_chance(rng, 12) ? "true" : "false");
			break;
		case 1:
			text_add(&s->sql, "unsubscribe_flag = false, opt_out_flag = false");
			break;
		case 2:
			some_account(s, account, sizeof(account));
			text_add(&s->sql, "account_id = '%s'", account);
			break;
		case 3:
			text_add(&s->sql, "email = 'p%d@d%d-%d.example'", rng_below(rng, ROUND_LEADS), world.round, rng_below(rng, 4));
			break;
		case 4:
		case 5:
			text_add(&s->sql, "icp_tier = %s", tiers[rng_below(rng, TIERS)]);
			break;
		default:
			text_add(&s->sql, "%s_signal_at = '", rng_chance(rng, 50) ? "sales" : "marketing");
			text_time(&s->sql, s->clock + (rng_below(rng, 60) - 50) * HOUR);
			text_add(&s->sql, "'");
	}
	text_add(&s->sql, " WHERE lead_id = '%s'", lead);
	return run(s, s->sql.data);
}

static Outcome
change_account(Session *s)
{
	char		account[24];

	some_account(s, account, sizeof(account));
	if (rng_chance(&s->rng, 60))
		text_add(&s->sql, "UPDATE kam.Accounts SET abm_active = NOT abm_active WHERE account_id = '%s'", account);
	else
		text_add(&s->sql, "UPDATE kam.Accounts SET icp_tier = %s WHERE account_id = '%s'", tiers[rng_below(&s->rng, TIERS)], account);
	return run(s, s->sql.data);
}

/* By address and by domain; lifted again soon, or nobody would be left. */
static Outcome
change_suppression(Session *s)
{
	Rng		   *rng = &s->rng;
	char		address[80];
	int			person = rng_below(rng, ROUND_LEADS);
	int			round = world.round;

	switch (rng_below(rng, 4))
	{
		case 0:
		case 1:
			snprintf(address, sizeof(address), "d%d-%d.example", round, person % 4);
			break;
		case 2:
			snprintf(address, sizeof(address), "p%d@d%d-%d.example", person, round, person % 4);
			break;
		default:
			snprintf(address, sizeof(address), "linkedin.com/in/r%d-l%d", round, person);
	}
	if (rng_chance(rng, 30))
		text_add(&s->sql, "INSERT INTO kam.Suppression (address, kind, source) VALUES ('%s', kam._address_kind('%s'), 'list') ON CONFLICT DO NOTHING", address, address);
	else
		text_add(&s->sql, "DELETE FROM kam.Suppression WHERE source = 'list'");
	return run(s, s->sql.data);
}

static Outcome
unsubscribe(Session *s)
{
	int			person = rng_below(&s->rng, ROUND_LEADS * 10);

	text_add(&s->sql, "SELECT kam.kam_unsubscribe('P%d@d%d-%d.example', 'link')", person, world.round, person % 4);
	return run(s, s->sql.data);
}

static Outcome
cancel_held(Session *s)
{
	char		lead[24];

	some_lead(s, lead, sizeof(lead));
	text_add(&s->sql, "SELECT kam.kam_cancel_held(lead_id, event_id) FROM kam.CadenceQueue WHERE lead_id = '%s' AND state = 'waiting' ORDER BY event_id LIMIT 1 OFFSET %d",
			 lead, rng_below(&s->rng, 3));
	return run(s, s->sql.data);
}

static Outcome
merge_leads(Session *s)
{
	int			loser = rng_below(&s->rng, ROUND_LEADS);
	int			winner = (loser + 1 + rng_below(&s->rng, ROUND_LEADS - 1)) % ROUND_LEADS;

	s->merges = true;
	text_add(&s->sql, "SELECT kam.kam_merge_leads(l.lead_id, w.lead_id) FROM kam.Leads l, kam.Leads w WHERE l.lead_id = 'r%dl%d' AND w.lead_id = 'r%dl%d'"
			 " AND l.merged_into IS NULL AND w.merged_into IS NULL", world.round, loser, world.round, winner);
	return run(s, s->sql.data);
}

/*
 * Somebody else suppresses a lead's address, or turns account-based marketing on, and commits; then the lead is asked
 * something.  A transaction with an older snapshot must heed it.
 */
static Outcome
meanwhile(Session *s)
{
	Rng		   *rng = &s->rng;
	char		lead[24];
	Text		sql = {0};
	PGresult   *result;

	some_lead(s, lead, sizeof(lead));
	text_add(&sql, "BEGIN; SET LOCAL lock_timeout = '100ms'; ");
	if (rng_chance(rng, 50))
		text_add(&sql, "INSERT INTO kam.Suppression (address, kind, source) SELECT kam._address(email), 'email', 'list' FROM kam.Leads"
				 " WHERE lead_id = '%s' AND kam._address(email) IS NOT NULL ON CONFLICT DO NOTHING", lead);
	else
		text_add(&sql, "UPDATE kam.Accounts SET abm_active = true WHERE account_id = (SELECT account_id FROM kam.Leads WHERE lead_id = '%s')", lead);
	text_add(&sql, "; SELECT pg_current_xact_id(), property.number(); COMMIT");
	PQsendQuery(s->other, sql.data);
	text_reset(&sql);
	while ((result = PQgetResult(s->other)) != NULL)
	{
		if (PQresultStatus(result) == PGRES_TUPLES_OK)
			text_add(&sql, "INSERT INTO property.commit_interval VALUES (%s, %s, property.number())", PQgetvalue(result, 0, 0), PQgetvalue(result, 0, 1));
		PQclear(result);
	}
	if (PQtransactionStatus(s->other) != PQTRANS_IDLE)
		PQclear(run_sql(s->other, "ROLLBACK"));
	else if (sql.used > 0)
		PQclear(run_sql(s->other, sql.data));
	free(sql.data);
	text_add(&s->sql, "INSERT INTO kam.CadenceEventLog (lead_id, sequence_id, sequence_type, event_type) VALUES ('%s', 'm1', 'nurture', 'activation')", lead);
	return run(s, s->sql.data);
}

static Outcome
unmerge_leads(Session *s)
{
	text_add(&s->sql, "SELECT kam.kam_unmerge_leads(lead_id) FROM kam.lead_alias WHERE lead_id LIKE 'r%dl%%' ORDER BY lead_id LIMIT 1 OFFSET %d", world.round, rng_below(&s->rng, 3));
	return run(s, s->sql.data);
}

static Outcome
tick(Session *s)
{
	text_add(&s->sql, "SELECT kam.kam_tick('");
	text_time(&s->sql, s->clock);
	text_add(&s->sql, "', %d)", rng_chance(&s->rng, 30) ? 3 : 200);
	return run(s, s->sql.data);
}

typedef struct Doing
{
	Outcome		(*run) (Session *s);
	int			weight;
} Doing;

static const Doing doings[] = {
	{tell_one, 40},
	{tell_many, 14},
	{tell_series, 4},
	{request_one, 8},
	{request_batch, 5},
	{fail_send, 3},
	{change_lead, 7},
	{change_account, 3},
	{change_suppression, 3},
	{unsubscribe, 1},
	{cancel_held, 2},
	{merge_leads, 1},
	{unmerge_leads, 1},
	{meanwhile, 2},
	{tick, 7},
};

static const Doing *
some_doing(Session *s)
{
	int			total = 0,
				chosen,
				i;

	for (i = 0; i < (int) (sizeof(doings) / sizeof(*doings)); i++)
		total += doings[i].weight;
	chosen = rng_below(&s->rng, total);
	for (i = 0; chosen >= doings[i].weight; i++)
		chosen -= doings[i].weight;
	return &doings[i];
}

/* ---- transactions ---- */

/* Mostly a little later than the last, skewed; sometimes to the microsecond when something comes due. */
static void
choose_clock(Session *s)
{
	Rng		   *rng = &s->rng;
	int			kind = rng_below(rng, 100);

	if (kind < 60)
		s->clock = world_now();
	else if (kind < 86)
		s->clock = world_advance((int64_t) rng_below(rng, 1200) * 1000000);
	else if (kind < 90)
		s->clock = world_advance((int64_t) rng_below(rng, 4 * 3600) * 1000000);
	else if (kind < 92)
		s->clock = world_advance((int64_t) rng_below(rng, 12 * 3600) * 1000000);
	else
	{
		Text		sql = {0};
		PGresult   *result;

		/* When a request comes due, or a touch leaves the window. */
		s->clock = world_now();
		if (rng_chance(rng, 50))
			text_add(&sql, "SELECT release_at, lead_id FROM kam.CadenceQueue WHERE state = 'waiting' AND release_at > '");
		else
			text_add(&sql, "SELECT touch_at + interval '168 hours', lead_id FROM kam.CadenceEventLog WHERE counted AND touch_at + interval '168 hours' > '");
		text_time(&sql, s->clock);
		text_add(&sql, "' ORDER BY 1 LIMIT 3");
		result = run_sql(s->connection, sql.data);
		if (PQntuples(result) > 0)
		{
			int			row = rng_below(rng, PQntuples(result));
			int64_t		due = parse_time(PQgetvalue(result, row, 0));

			if (due < s->clock + DAY)
			{
				s->clock = due + (rng_chance(rng, 60) ? 0 : rng_below(rng, 3) - 1);
				snprintf(s->focus, sizeof(s->focus), "%s", PQgetvalue(result, row, 1));
				world_reach(s->clock);
			}
		}
		PQclear(result);
		free(sql.data);
		return;
	}
	if (rng_chance(rng, 50))
		s->clock += ((int64_t) rng_below(rng, 61) - 30) * 1000000 + rng_below(rng, 1000);
}

/* Commits, and notes between which two numbers that became visible. */
static Outcome
commit(Session *s)
{
	Outcome		outcome = WENT_ON;
	PGresult   *result;
	char		sql[256],
				xid[32] = "",
				earliest[32] = "";

	/* Only who changed accounts or suppressions is asked. */
	PQsendQuery(s->connection, "SELECT property.number(), CASE WHEN current_setting('property.shared', true) = 'yes' THEN pg_current_xact_id_if_assigned() END; COMMIT");
	while ((result = PQgetResult(s->connection)) != NULL)
	{
		if (PQresultStatus(result) == PGRES_TUPLES_OK && !PQgetisnull(result, 0, 1))
		{
			snprintf(earliest, sizeof(earliest), "%s", PQgetvalue(result, 0, 0));
			snprintf(xid, sizeof(xid), "%s", PQgetvalue(result, 0, 1));
		}
		else if (PQresultStatus(result) != PGRES_TUPLES_OK && PQresultStatus(result) != PGRES_COMMAND_OK && outcome == WENT_ON)
			outcome = judge_error(s, result, "COMMIT");
		PQclear(result);
	}
	if (outcome == WENT_ON && xid[0])
	{
		snprintf(sql, sizeof(sql), "INSERT INTO property.commit_interval VALUES (%s, %s, property.number())", xid, earliest);
		PQclear(run_sql(s->connection, sql));
	}
	return outcome;
}

static Outcome
attempt(Session *s)
{
	static const char *const levels[] = {"READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"};
	static const char *const zones[] = {"UTC", "Europe/Paris", "America/New_York"};
	Rng		   *rng = &s->rng;
	int			level = rng_below(rng, 20),
				things = rng_chance(rng, 75) ? 1 : 1 + rng_below(rng, 3),
				i;
	Outcome		outcome;

	s->focus[0] = '\0';
	choose_clock(s);
	s->duplicates = s->merges = false;
	text_reset(&s->sql);
	text_add(&s->sql, "BEGIN ISOLATION LEVEL %s; SET LOCAL TimeZone = '%s'; SET LOCAL kam.clock = '", levels[level < 15 ? 0 : level < 19 ? 1 : 2], zones[rng_below(rng, 3)]);
	text_time(&s->sql, s->clock);
	text_add(&s->sql, "'; SELECT set_config('property.began', property.number()::text, true)");
	outcome = run(s, s->sql.data);
	for (i = 0; outcome == WENT_ON && i < things; i++)
	{
		bool		savepoint = rng_chance(rng, 15);
		bool		undo = savepoint && rng_chance(rng, 50);

		if (savepoint)
			outcome = run(s, "SAVEPOINT s");
		text_reset(&s->sql);
		if (outcome == WENT_ON)
			outcome = s->focus[0] && rng_chance(rng, 30) ? tick(s) : some_doing(s)->run(s);
		if (undo && outcome == WENT_ON)
			outcome = run(s, "ROLLBACK TO s");
	}
	if (outcome == WENT_ON && !rng_chance(rng, 8))
	{
		outcome = commit(s);
		if (outcome == WENT_ON)
		{
			__atomic_add_fetch(&world.committed, 1, __ATOMIC_RELAXED);
			return outcome;
		}
	}
	else
		__atomic_add_fetch(&world.rolled_back, 1, __ATOMIC_RELAXED);
	PQclear(run_sql(s->connection, "ROLLBACK"));
	return outcome;
}

/* A session, until the round is over.  Its random numbers go on from round to round. */
void *
session_main(void *argument)
{
	Rng		   *rng = argument;
	Session		s = {0};

	s.connection = connect_server("property session");
	s.other = connect_server("property meanwhile");
	s.rng = *rng;
	while (!world.stop)
	{
		Rng			before = s.rng;
		int			i;

		for (i = 0; i < ATTEMPTS; i++)
		{
			s.rng = before;
			if (attempt(&s) != MUST_RETRY || world.stop)
				break;
			__atomic_add_fetch(&world.retried, 1, __ATOMIC_RELAXED);
		}
	}
	*rng = s.rng;
	PQfinish(s.connection);
	PQfinish(s.other);
	free(s.sql.data);
	return NULL;
}
