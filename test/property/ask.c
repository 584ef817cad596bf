/*
 * ask.c: random people, and random things to ask and tell of them.
 */
#include "history.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const Sequence sequences[] = {
	{"s1", "outbound", 14},
	{"s2", "follow_up", 3},
	{"s3", "abm", 1},
	{"p1", "play", 3},
#define FIRST_MARKETING	4
	{"m1", "nurture", 8},
	{"m2", "newsletter", 3},
	{"m3", "event", 1},
	{"t1", "transactional", 1},
};

/* ---- the people ---- */

/* Spellings of one address that must come to the same. */
static void
add_email(Text *sql, Rng *rng, int round, int person)
{
	static const char *const spellings[] = {"p%d@d%d-%d.example", "P%d@D%d-%d.Example", "  p%d@D%d-%d.example "};
	char		address[64];

	snprintf(address, sizeof(address), spellings[rng_below(rng, 3)], person, round, person % 4);
	text_add(sql, "'%s'", address);
}

const char *const tiers[TIERS] = {"'T1'", "'T1'", "'T1'", "'T2'", "'T2'", "'T2'", "'T2'", "'T2'", "'T2'", "'T2'", "'T3'", "NULL"};

/* The sequence that a lead was last enrolled in, as far as anybody remembers: most touches are meant for it. */
#define REMEMBERED_ROUNDS	4
static const Sequence *enrolled_in[REMEMBERED_ROUNDS][ROUND_LEADS];

/* Leads and accounts of a round; every fourth lead shares the address of the one before. */
void
make_leads(PGconn *connection, Rng *rng, int round)
{
	Text		sql = {0};
	int			i;

	/* Two plays, one drafted by a brain; both end while their leads are still talked to. */
	text_add(&sql, "INSERT INTO kam.BrainAnalysisLog (proposal_id) VALUES ('r%db'); INSERT INTO kam.SalesPlayLibrary (play_id, state, active_period_start, active_period_end,"
			 " originating_proposal_id) VALUES", round);
	for (i = 0; i < 2; i++)
	{
		text_add(&sql, "%s ('r%dp%d', 'active', '2026-01-01', '", i ? "," : "", round, i);
		text_time(&sql, world_now() + (12 + rng_below(rng, 240)) * HOUR);
		text_add(&sql, "', ");
		if (i == 0)
			text_add(&sql, "'r%db')", round);
		else
			text_add(&sql, "NULL)");
	}
	text_add(&sql, "; INSERT INTO kam.Accounts (account_id, icp_tier, abm_active) VALUES");
	for (i = 0; i < ROUND_ACCOUNTS; i++)
		text_add(&sql, "%s ('r%da%d', %s, %s)", i ? "," : "", round, i, tiers[rng_below(rng, TIERS)], rng_chance(rng, 25) ? "true" : "false");
	text_add(&sql, "; INSERT INTO kam.Leads (lead_id, account_id, email, phone, linkedin_url, owner_id, icp_tier, time_zone, sales_signal_at, marketing_signal_at) VALUES");
	for (i = 0; i < ROUND_LEADS; i++)
	{
		text_add(&sql, "%s ('r%dl%d', ", i ? "," : "", round, i);
		if (rng_chance(rng, 85))
			text_add(&sql, "'r%da%d', ", round, rng_below(rng, ROUND_ACCOUNTS));
		else
			text_add(&sql, "NULL, ");
		if (rng_chance(rng, 90))
			add_email(&sql, rng, round, i % 4 == 3 ? i - 1 : i);
		else
			text_add(&sql, "NULL");
		if (rng_chance(rng, 50))
			text_add(&sql, ", '+33 6 %02d %02d %02d %02d'", round / 10000 % 100, round / 100 % 100, round % 100, i);
		else
			text_add(&sql, ", NULL");
		if (rng_chance(rng, 50))
			text_add(&sql, ", 'https://www.linkedin.com/in/r%d-l%d/'", round, i);
		else
			text_add(&sql, ", NULL");
		text_add(&sql, ", 'rep%d', %s, %s", i % 3, rng_chance(rng, 50) ? "NULL" : tiers[rng_below(rng, TIERS)], i % 2 ? "'America/New_York'" : "NULL");
		for (int signal = 0; signal < 2; signal++)
			if (rng_chance(rng, 50))
			{
				text_add(&sql, ", '");
				text_time(&sql, world_now() - rng_below(rng, 3) * DAY);
				text_add(&sql, "'");
			}
			else
				text_add(&sql, ", NULL");
		text_add(&sql, ")");
	}
	text_add(&sql, "; BEGIN; SET LOCAL kam.clock = '");
	text_time(&sql, world_now());
	text_add(&sql, "'; INSERT INTO kam.CadenceEventLog (lead_id, sequence_id, sequence_type, event_type, originating_agent) VALUES ");
	for (i = 0; i < ROUND_LEADS; i++)
	{
		const Sequence *sequence = &sequences[rng_chance(rng, 60) ? 0 : FIRST_MARKETING];

		text_add(&sql, "%s ('r%dl%d', '%s', '%s', 'activation', 'AGT-301')", i ? "," : "", round, i, sequence->id, sequence->type);
		enrolled_in[round % REMEMBERED_ROUNDS][i] = sequence;
	}
	text_add(&sql, "; COMMIT");
	PQclear(run_sql(connection, sql.data));
	free(sql.data);
}

/* A lead of this round or the one before; the first are the busiest. */
const Sequence **
some_lead(Session *s, char *lead, size_t size)
{
	int			round = world.round;
	int			i = rng_below(&s->rng, ROUND_LEADS);

	if (s->focus[0] != '\0' && rng_chance(&s->rng, 60) && sscanf(s->focus, "r%dl%d", &round, &i) == 2)
	{
		snprintf(lead, size, "%s", s->focus);
		return &enrolled_in[round % REMEMBERED_ROUNDS][i];
	}

	if (round > 1 && rng_chance(&s->rng, 40))
		round--;
	if (rng_chance(&s->rng, 50))
		i = i * i / ROUND_LEADS;
	snprintf(lead, size, "r%dl%d", round, i);
	return &enrolled_in[round % REMEMBERED_ROUNDS][i];
}

void
some_account(Session *s, char *account, size_t size)
{
	snprintf(account, size, "r%da%d", world.round - (world.round > 1 && rng_chance(&s->rng, 30)), rng_below(&s->rng, ROUND_ACCOUNTS));
}

/* ---- what they are told ---- */

static const Sequence *
some_sequence(Session *s)
{
	int			total = 0,
				chosen,
				i;

	for (i = 0; i < (int) (sizeof(sequences) / sizeof(*sequences)); i++)
		total += sequences[i].weight;
	chosen = rng_below(&s->rng, total);
	for (i = 0; chosen >= sequences[i].weight; i++)
		chosen -= sequences[i].weight;
	return &sequences[i];
}

void
make_ask(Session *s, Ask *ask)
{
	static const char *const facts[] = {"touch_observed", "touch_observed", "touch_observed", "reply", "meeting_booked", "bounce", "out_of_office", "pause",
		"pause", "stop", "complete", "send_failed", "opt_out", "unsubscribe"};
	Rng		   *rng = &s->rng;
	const Sequence *sequence = some_sequence(s),
			  **enrolled;
	int			kind = rng_below(rng, 100);

	memset(ask, 0, sizeof(*ask));
	enrolled = some_lead(s, ask->lead, sizeof(ask->lead));
	if ((kind < 55 || kind >= 84) && rng_chance(rng, 75))
		sequence = *enrolled;
	else if (kind >= 55 && kind < 77 && rng_chance(rng, 60))
		*enrolled = sequence;
	ask->sequence = sequence->id;
	ask->type = sequence->type;
	ask->agent = sequence->id[0] == 'm' ? "AGT-304" : "AGT-301";
	ask->occurred = NEVER;
	/* Sometimes a type that the sequence does not have. */
	if (rng_chance(rng, 3))
		ask->type = some_sequence(s)->type;
	if (kind < 55)
	{
		ask->event = "touch";
		ask->channel = rng_chance(rng, 70) ? "email" : "phone";
		if (rng_chance(rng, 80))
			ask->sequence = NULL;
		if (rng_chance(rng, 40))
			ask->step = 1 + rng_below(rng, 9);
		if (rng_chance(rng, 15))
			snprintf(ask->payload, sizeof(ask->payload), "{\"priority\": %d}", rng_below(rng, 4) - 1);
	}
	else if (kind < 77)
	{
		ask->event = "activation";
		if (rng_chance(rng, 5))
			ask->sequence = NULL;
		if (strcmp(ask->type, "play") == 0 || rng_chance(rng, 3))
			snprintf(ask->play, sizeof(ask->play), "r%dp%d", world.round - (world.round > 1 && rng_chance(rng, 30)), rng_below(rng, 2));
		if (rng_chance(rng, 20))
			snprintf(ask->payload, sizeof(ask->payload), "{\"steps\": [{\"channel\": \"email\", \"content\": \"a\"}, {\"channel\": \"phone\", \"content\": \"%d\"}]}",
					 1 + rng_below(rng, 5));
		else if (rng_chance(rng, 10))
			snprintf(ask->payload, sizeof(ask->payload), "{\"priority\": %d}", rng_below(rng, 3));
	}
	else if (kind < 84)
	{
		ask->event = "resume";
		if (rng_chance(rng, 30))
			ask->sequence = NULL;
	}
	else
	{
		int			fact = rng_below(rng, sizeof(facts) / sizeof(*facts));

		/* The two that end everything are rare, or nobody would be left to talk to. */
		if (fact >= 12 && rng_chance(rng, 85))
			fact = 0;
		else if (fact == 11)
			fact = 10;
		ask->event = facts[fact];
		ask->agent = NULL;
		if (rng_chance(rng, 35))
			ask->sequence = NULL;
		if (ask->sequence == NULL && rng_chance(rng, 60))
			ask->type = NULL;
		if (strcmp(ask->event, "touch_observed") == 0 && rng_chance(rng, 60))
			ask->occurred = s->clock - (int64_t) rng_below(rng, 200) * HOUR;
		else if (rng_chance(rng, 20))
			ask->occurred = s->clock - (int64_t) rng_below(rng, 48) * HOUR;
		if (strcmp(ask->event, "out_of_office") == 0 && rng_chance(rng, 60))
		{
			Text		until = {0};

			text_time(&until, s->clock + (int64_t) rng_below(rng, 10 * 24) * HOUR);
			if (rng_chance(rng, 50))
				until.data[10] = '\0';
			snprintf(ask->payload, sizeof(ask->payload), "{\"until\": \"%s\"}", until.data);
			free(until.data);
		}
		if (strcmp(ask->event, "bounce") == 0 && rng_chance(rng, 50))
			snprintf(ask->payload, sizeof(ask->payload), "{\"type\": \"%s\"}", rng_chance(rng, 50) ? "soft" : "hard");
	}
	if (rng_chance(rng, 15))
		snprintf(ask->key, sizeof(ask->key), "k%d", rng_below(rng, 8));
}

/* ---- how they are told ---- */

void
add_text(Text *sql, const char *value)
{
	if (value == NULL || *value == '\0')
		text_add(sql, "NULL::text");
	else
		text_add(sql, "'%s'", value);
}

const char log_columns[] = "(lead_id, sequence_id, sequence_type, event_type, step, channel, originating_agent, payload, idempotency_key, occurred_at, play_id,"
	" coordinator_action, suppressed_reason, touch_cap_at_event, counted, touch_no, release_at, event_at, resolution, compliance_status)";

/* The row as VALUES; what the trigger decides is given too, wrongly. */
void
add_values(Session *s, const Ask *ask)
{
	Text	   *sql = &s->sql;

	text_add(sql, "(");
	add_text(sql, ask->lead);
	text_add(sql, ", ");
	add_text(sql, ask->sequence);
	text_add(sql, ", ");
	add_text(sql, ask->type);
	text_add(sql, ", ");
	add_text(sql, ask->event);
	text_add(sql, ", ");
	if (ask->step > 0)
		text_add(sql, "%d", ask->step);
	else
		text_add(sql, "NULL::integer");
	text_add(sql, ", ");
	add_text(sql, ask->channel);
	text_add(sql, ", ");
	add_text(sql, ask->agent);
	text_add(sql, ", ");
	add_text(sql, ask->payload);
	text_add(sql, "::jsonb, ");
	add_text(sql, ask->key);
	text_add(sql, ", ");
	if (ask->occurred != NEVER)
	{
		text_add(sql, "'");
		text_time(sql, ask->occurred);
		text_add(sql, "'::timestamptz");
	}
	else
		text_add(sql, "NULL::timestamptz");
	text_add(sql, ", ");
	add_text(sql, ask->play);
	if (rng_chance(&s->rng, 10))
		text_add(sql, ", 'executed', 'compliance_block', 0, true, 4711, timestamptz '2020-01-01', timestamptz '2020-01-01', 'mine', 'clear')");
	else
		text_add(sql, ", NULL::text, NULL::text, NULL::integer, false, NULL::bigint, NULL::timestamptz, NULL::timestamptz, NULL::text, NULL::text)");
}

/* The arguments of kam_request, or the keys of kam_request_batch's objects. */
void
add_arguments(Text *sql, const Ask *ask, const char *separator)
{
	text_add(sql, "lead_id%s'%s', sequence_type%s", separator, ask->lead, separator);
	add_text(sql, ask->type);
	text_add(sql, ", event_type%s", separator);
	add_text(sql, ask->event);
	text_add(sql, ", sequence_id%s", separator);
	add_text(sql, ask->sequence);
	text_add(sql, ", channel%s", separator);
	add_text(sql, ask->channel);
	text_add(sql, ", originating_agent%s", separator);
	add_text(sql, ask->agent);
	if (ask->step > 0)
		text_add(sql, ", step%s%d", separator, ask->step);
	if (ask->payload[0])
		text_add(sql, ", payload%s'%s'::jsonb", separator, ask->payload);
	text_add(sql, ", idempotency_key%s", separator);
	add_text(sql, ask->key);
}
