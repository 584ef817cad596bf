/*
 * oracle.c: replays the journal, and looks at everything when all is quiet.
 *
 * Believes what a row asks and what it is told of people, accounts and suppressions; computes every verdict and every
 * effect anew, and compares: the verdict with the row's columns, the effects with Cadence, CadenceQueue and Leads.
 */
#include "model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- all of it ---------------------------------------------------------------------------------- */

static void
ignore(const Entry *entry)
{
}

typedef struct Replay
{
	const char *relation;
	void		(*replay) (const Entry *entry);
} Replay;

static const Replay replays[] = {
	{"cadenceeventlog", replay_log},
	{"cadence", replay_cadence},
	{"cadencequeue", replay_queue},
	{"leads", replay_lead},
	{"accounts", ignore},
	{"suppression", ignore},
	{"cadenceflag", ignore},
	{"lead_alias", replay_alias},
	{"lead_merge", ignore},
	{"salesplaylibrary", replay_play},
};

/* What a transaction noted last before each entry: whatever it read for that entry, it read later. */
static void
find_before(Entry *entries, int count)
{
	json_t	   *latest = json_object();

	for (int i = 0; i < count; i++)
	{
		char		xid[24];

		snprintf(xid, sizeof(xid), "%lld", (long long) entries[i].xid);
		entries[i].before = json_integer_value(json_object_get(latest, xid));
		if (entries[i].before < entries[i].began)
			entries[i].before = entries[i].began;
		json_object_set_new(latest, xid, json_integer(entries[i].seq));
	}
	json_decref(latest);
}

void
oracle_replay(PGconn *connection)
{
	int			count;
	Entry	   *entries = read_journal(connection, &count);

	for (int i = 0; i < count; i++)
		if (strcmp(entries[i].relation, "accounts") == 0 || strcmp(entries[i].relation, "suppression") == 0)
			shared_note(&entries[i]);
	shared_intervals(connection);
	find_before(entries, count);
	for (int i = 0; i < count; i++)
		for (size_t k = 0; k < sizeof(replays) / sizeof(*replays); k++)
			if (strcmp(replays[k].relation, entries[i].relation) == 0)
				replays[k].replay(&entries[i]);
	free_journal(entries, count);
}

/* The lead's cached columns, as its enrolments and touches make them (I14). */
static void
check_columns(Lead *lead)
{
	State		best = NONE;
	const Enrolment *active = active_of(lead, SALES);
	int64_t		last = NEVER;
	static const int rank[] = {[NONE] = 9, [ACTIVE] = 1, [PAUSED] = 2, [QUEUED] = 3, [FINISHED] = 4};

	if (active == NULL)
		active = active_of(lead, MARKETING);
	for (int i = 0; i < lead->nenrolments; i++)
		if (lead->enrolments[i].family != TRANSACTIONAL && rank[lead->enrolments[i].state] < rank[best])
			best = lead->enrolments[i].state;
	for (int i = 0; i < lead->ntouches; i++)
		if (lead->touches[i].counted && lead->touches[i].at > last)
			last = lead->touches[i].at;
	if (!same_text(text_of(lead->row, "cadence_state"), best == NONE ? NULL : state_names[best]))
		wrong(lead, NULL, "cadence_state is %s, not %s (I14)", text_of(lead->row, "cadence_state"), state_names[best]);
	if (!same_text(text_of(lead->row, "active_sequence_id"), active ? active->sequence : NULL))
		wrong(lead, NULL, "active_sequence_id is %s, not %s (I14)", text_of(lead->row, "active_sequence_id"), active ? active->sequence : "none");
	if (int_of(lead->row, "current_step", 0) != (active ? active->step : 0))
		wrong(lead, NULL, "current_step is %lld, not %d (I14)", (long long) int_of(lead->row, "current_step", 0), active ? active->step : 0);
	if (time_of(lead->row, "last_touch_at") != last)
		wrong(lead, NULL, "last_touch_at is %s (I14)", text_of(lead->row, "last_touch_at"));
	if (time_of(lead->row, "sales_signal_at") != lead->sales_signal || time_of(lead->row, "marketing_signal_at") != lead->marketing_signal)
		wrong(lead, NULL, "signals are %s, %s, which is not what was told", text_of(lead->row, "sales_signal_at"), text_of(lead->row, "marketing_signal_at"));
	if (is_nameless(lead->row) ? (bool_of(lead->row, "unsubscribe_flag") && !lead->unsubscribed) || (bool_of(lead->row, "opt_out_flag") && !lead->opted_out)
		: bool_of(lead->row, "unsubscribe_flag") != lead->unsubscribed || bool_of(lead->row, "opt_out_flag") != lead->opted_out)
		wrong(lead, NULL, "flags are %d, %d, but %d, %d was said", bool_of(lead->row, "unsubscribe_flag"), bool_of(lead->row, "opt_out_flag"),
			  lead->unsubscribed, lead->opted_out);
}

static void
check_holds(Lead *lead, int64_t now)
{
	for (int i = 0; i < lead->nholds; i++)
	{
		const Hold *hold = &lead->holds[i];
		bool		waits = strcmp(hold->state, "waiting") == 0;

		if (!hold->stored)
			wrong(lead, NULL, "request %lld was put off and is not in the queue (I6)", (long long) hold->event_id);
		else if (waits == (hold->answered != 0))
			wrong(lead, NULL, "request %lld is %s in the queue, and %s in the log (I6)", (long long) hold->event_id, hold->state,
				  hold->answered ? "ended" : "not ended");
		else if (waits && hold->release_at != NEVER && hold->release_at <= now)
			wrong(lead, NULL, "request %lld was due and is still waiting (I7)", (long long) hold->event_id);
		else if (waits && hold->expires_at <= now)
			wrong(lead, NULL, "request %lld should have expired", (long long) hold->event_id);
	}
}

/* kam_gate, which writes nothing, says what the gates would say. */
static void
check_gate(PGconn *connection, Lead *lead, int64_t now)
{
	static const struct
	{
		const char *type,
				   *event,
				   *sequence;
	}			asks[] = {{"outbound", "touch", "s1"}, {"nurture", "touch", "m1"}, {"outbound", "activation", "s2"}, {"nurture", "activation", "m1"},
	{"follow_up", "resume", "s2"}, {"transactional", "touch", "t1"}};
	int			which = lead->lines % (int) (sizeof(asks) / sizeof(*asks));
	View		view = {.lead = lead, .now = now, .event = asks[which].event, .type = asks[which].type, .sequence = asks[which].sequence,
		.family = family_of(asks[which].type), .self = NEW_REQUEST, .until = NEVER};
	Verdict		verdict;
	Entry		entry = {.seq = INT64_MAX};
	Candidates	candidates;
	int			n = 0;
	Text		sql = {0};
	PGresult   *result;
	json_t	   *row;

	find_candidates(lead, INT64_MAX, &entry, &candidates);
	next_candidate(lead, &candidates, &n, &view);
	judge(&view, &verdict);
	text_add(&sql, "BEGIN; SET LOCAL kam.clock = '");
	text_time(&sql, now);
	text_add(&sql, "'; SELECT to_jsonb(g) FROM kam.kam_gate('%s', '%s', '%s', '%s') g", lead->id, view.type, view.event, view.sequence);
	result = run_sql(connection, sql.data);
	row = json_loads(PQgetvalue(result, 0, 0), 0, NULL);
	if (int_of(row, "gate", 0) != verdict.gate || bool_of(row, "allowed") != (verdict.gate == 0) || int_of(row, "touch_count", -1) != verdict.count ||
		!same_text(text_of(row, "coordinator_action"), verdict.action) || !same_text(text_of(row, "suppressed_reason"), verdict.reason) ||
		!same_text(text_of(row, "resolution"), verdict.resolution) || !same_text(text_of(row, "compliance_status"), verdict.compliance) ||
		time_of(row, "release_at") != verdict.release_at)
		wrong(lead, NULL, "kam_gate says %.300s of %s %s by %s, expected gate %d %s/%s/%s count %d", PQgetvalue(result, 0, 0), view.event, view.type, view.sequence,
			  verdict.gate, verdict.action, verdict.reason ? verdict.reason : "-", verdict.resolution ? verdict.resolution : "-", verdict.count);
	json_decref(row);
	PQclear(result);
	PQclear(run_sql(connection, "COMMIT"));
	free(sql.data);
}

/* A warning is open for whoever has one touch left, and for nobody else (I19). */
static void
check_warnings(PGconn *connection, int64_t now)
{
	PGresult   *result = run_sql(connection, "SELECT lead_id FROM kam.CadenceFlag WHERE kind = 'cap_warning' AND closed_at IS NULL");
	json_t	   *warned = json_object(),
			   *value;
	const char *lead_id;

	for (int i = 0; i < PQntuples(result); i++)
		json_object_set_new(warned, PQgetvalue(result, i, 0), json_true());
	PQclear(result);
	json_object_foreach(lead_index, lead_id, value)
	{
		const Lead *lead = (Lead *) (intptr_t) json_integer_value(value);

		if (lead->row != NULL && (lead->merged_into[0] == '\0' && touches_within(lead, now) == CAP - 1) != (json_object_get(warned, lead_id) != NULL))
			wrong(lead, NULL, "%d touches, and a warning is %s (I19)", touches_within(lead, now), json_object_get(warned, lead_id) ? "open" : "not open");
	}
	json_decref(warned);
}

/* The same key, the same answer (I9); of two leads that became one, both may have had it. */
static void
check_answers(PGconn *connection)
{
	PGresult   *result = run_sql(connection, "SELECT lead_id, key, array_agg(DISTINCT event_id) FROM property.answer a WHERE key <> ''"
								 " AND NOT EXISTS (SELECT FROM kam.lead_merge m WHERE a.lead_id IN (m.loser, m.winner)) GROUP BY 1, 2"
								 " HAVING count(DISTINCT event_id) > 1");

	for (int i = 0; i < PQntuples(result); i++)
		wrong(lead_of(PQgetvalue(result, i, 0)), NULL, "key %s was answered with events %s (I9)", PQgetvalue(result, i, 1), PQgetvalue(result, i, 2));
	PQclear(result);
}

/* Nothing is going on: what the tables hold must be what the history makes of them. */
void
oracle_settled(PGconn *connection, int64_t now)
{
	const char *lead_id;
	json_t	   *value;
	PGresult   *result;

	json_object_foreach(lead_index, lead_id, value)
	{
		Lead	   *lead = (Lead *) (intptr_t) json_integer_value(value);

		if (lead->row == NULL || lead->merged_into[0] != '\0' || lead->settled == lead->lines)
			continue;
		lead->settled = lead->lines;
		compare_enrolments(lead, NULL);
		if (active_of(lead, SALES) != NULL && active_of(lead, MARKETING) != NULL)
			wrong(lead, NULL, "active in sales and in marketing (I10)");
		if (lead->ndisplaced > 0)
			wrong(lead, NULL, "a displaced sequence has no row of its own");
		lead->ndisplaced = 0;
		lead->absences = 0;
		check_columns(lead);
		check_holds(lead, now);
		check_gate(connection, lead, now + HOUR);
	}
	check_answers(connection);
	check_warnings(connection, now);
	/* "holding" only says that touches may be waiting. */
	result = run_sql(connection, "SELECT s.lead_id, string_agg(format('%s %s, derived %s', k.key, k.value, d.row -> k.key), '; ')"
					 " FROM kam.prospect_state s CROSS JOIN LATERAL (SELECT to_jsonb(d) AS row FROM kam._derive_state(s.lead_id) d) d"
					 " CROSS JOIN LATERAL jsonb_each(to_jsonb(s)) k"
					 " WHERE NOT s.stale AND k.key <> 'last_at' AND k.value IS DISTINCT FROM d.row -> k.key"
					 " AND (k.key, k.value) IS DISTINCT FROM ('holding', 'true'::jsonb) GROUP BY 1");
	for (int i = 0; i < PQntuples(result); i++)
		wrong(lead_of(PQgetvalue(result, i, 0)), NULL, "prospect_state: %s", PQgetvalue(result, i, 1));
	PQclear(result);
}

void
oracle_report(void)
{
	int64_t		judged = 0;

	for (int i = 0; i < 6; i++)
		judged += verdicts_seen[i];
	printf("%lld verdicts recomputed: %lld allowed, refused by gate 1 %lld, 2 %lld, 3 %lld, 4 %lld, 5 %lld; %lld facts, %lld refused releases, %lld cancelled or expired\n",
		   (long long) judged, (long long) verdicts_seen[0], (long long) verdicts_seen[1], (long long) verdicts_seen[2], (long long) verdicts_seen[3],
		   (long long) verdicts_seen[4], (long long) verdicts_seen[5], (long long) facts_seen, (long long) moves_seen, (long long) ends_seen);
}
