/*
 * core/agents/judge.c: decision_evaluator: marks the guarded decision, with
 * the guard's findings and measures of its own.
 *
 * One serious fault costs more than everything good can make up for.
 */
#include "core/agents/agents_internal.h"

#include <string.h>

#define SERIOUS_PENALTY 3.2		/* off the overall score, once */
#define FURTHER_PENALTY 0.4		/* for each further serious fault, up to five */
#define GOOD_FROM 7.5
#define ACCEPTABLE_FROM 5.0
#define EMAIL_LEAST 40			/* words */
#define EMAIL_MOST 170
#define LINKEDIN_MOST 300		/* characters */

typedef enum Criterion
{
	ACCURACY, ACTION, TIMING, CHANNEL, CONTENT, EVIDENCE, SCORE, STRUCTURE, CRITERIA
} Criterion;

/* Name, weight in the overall score, and the mark of a decision without fault. */
static const struct
{
	const char *name;
	double		weight,
				clean;
	const char *praise;
} criteria[CRITERIA] = {
	[ACCURACY] = {"accuracy", 2.0, 9.0, "Every date, amount and statement is borne out by the contact."},
	[ACTION] = {"action", 2.0, 9.0, "The action follows the decision tree and overrules no blocker."},
	[TIMING] = {"timing", 1.0, 8.5, "The times are in the contact's zone and where they should be."},
	[CHANNEL] = {"channel", 1.0, 8.5, "The channel works and the contact uses it."},
	[CONTENT] = {"content", 2.0, 9.0, "The message is personal, in the right language, with one purpose."},
	[EVIDENCE] = {"evidence", 1.0, 9.0, "Reasons and factors carry their evidence."},
	[SCORE] = {"score_arithmetic", 1.0, 9.5, "Base and factors add up to the strength, floors are kept."},
	[STRUCTURE] = {"structure", 1.0, 9.0, "All required parts are there and none that does not belong."},
};

/* Which criterion a guard's rule speaks to, by the beginning of its name; the first that fits. */
static const struct
{
	const char *prefix;
	Criterion	criterion;
} rule_criterion[] = {
	{"hard_blocker", ACTION}, {"action_differs", ACTION}, {"wait_execute_at", TIMING}, {"wait_", ACTION},
	{"unexpected_conditional", STRUCTURE}, {"unexpected_execute_at", TIMING}, {"unexpected_", ACTION},
	{"missing_channel", CHANNEL}, {"channel_", CHANNEL}, {"missing_message", CONTENT}, {"missing_tone", CONTENT},
	{"wrong_content_source", CONTENT}, {"content_altered", CONTENT}, {"placeholder", CONTENT}, {"question_count", CONTENT},
	{"language_", CONTENT}, {"variant_", CONTENT}, {"false_temporal", ACCURACY}, {"meeting_", ACCURACY},
	{"missing_execute_at", TIMING}, {"missing_reevaluate_at", TIMING}, {"time_", TIMING}, {"timezone", TIMING},
	{"unknown_timezone", TIMING}, {"wrong_offset", TIMING}, {"execute_at", TIMING}, {"reevaluate_at", TIMING},
	{"factor_without_evidence", EVIDENCE}, {"unproven", EVIDENCE}, {"missing_reasoning", EVIDENCE},
	{"strength_", SCORE}, {"zero_strength", SCORE}, {"pricing_", SCORE}, {"unknown_base", SCORE}, {"factor_", SCORE},
	{"score_", SCORE}, {"confidence_", SCORE}, {"safety_", ACCURACY}, {"", STRUCTURE},
};

/* Warnings of the guard that make a decision wrong all the same. */
static const char *const serious_warning[] = {"action_differs", "wait_type_differs", "language_differs"};

typedef struct Marks
{
	const KamEnv *env;
	const KamInputs *in;
	const json_t *decision;		/* the final_decision object, may be NULL */
	const char *folded;			/* its message, folded, between spaces */
	double		mark[CRITERIA];
	const char *comment[CRITERIA];
	int			serious;
} Marks;

static void
mark_down(Marks *m, Criterion criterion, double points, bool serious, const char *why)
{
	const char *before = m->comment[criterion];

	m->mark[criterion] -= points;
	m->serious += serious;
	if (before == NULL || strlen(before) < 500)
		m->comment[criterion] = before == NULL ? why : kam_printf(m->env->arena, "%s %s", before, why);
}

static void
judge_findings(Marks *m)
{
	KamFindings found;

	kam_check(m->env, m->in->contact, m->in->facts, m->in->plan, &(KamHouse) {m->in->resources, m->in->practices}, m->in->decision, m->in->output[KAM_CONTENT_GENERATOR], &found);
	for (int i = 0; i < found.count; i++)
	{
		const KamFinding *finding = &found.finding[i];
		bool		serious = strcmp(finding->severity, "error") == 0;
		size_t		row = 0;

		for (size_t w = 0; w < KAM_LENGTHOF(serious_warning); w++)
			serious |= strcmp(serious_warning[w], finding->rule) == 0;
		while (strncmp(finding->rule, rule_criterion[row].prefix, strlen(rule_criterion[row].prefix)) != 0)
			row++;
		mark_down(m, rule_criterion[row].criterion, serious ? 6.0 : 1.5, serious, finding->message);
	}
}

/* True when the message holds the phrase, both folded. */
static bool
says(const Marks *m, const char *phrase)
{
	const char *words = phrase == NULL ? "" : kam_fold(m->env->arena, phrase);

	return words[0] != '\0' && strstr(m->folded, kam_printf(m->env->arena, " %s", words)) != NULL;
}

/* Something in the message that only this contact would receive. */
static bool
has_hook(const Marks *m, const char *message)
{
	const KamContact *contact = m->in->contact;
	const KamFacts *facts = m->in->facts;
	KamHooks	hooks;
	char	   *company = kam_sayable(m->env->arena, contact->company, 60);
	const char *title;

	if (company != NULL)
		company[strcspn(company, " ")] = '\0';
	if (says(m, company) || says(m, contact->job_title))
		return true;
	if (facts->nengagement > 0 || facts->no_show || facts->churn != NULL)
		return true;
	if (facts->active_deal != NULL && says(m, facts->active_deal->name))
		return true;
	kam_hooks_find(m->env, m->in, &hooks);
	title = hooks.resource == NULL ? NULL : kam_get_string(hooks.resource, "title");
	if (says(m, hooks.request) || says(m, hooks.topic) || says(m, hooks.subject) ||
		says(m, hooks.question_words) || says(m, title))
		return true;
	for (int i = 0; i < hooks.nquotes; i++)
		if (says(m, hooks.quote[i].text))
			return true;
	for (const char *p = message; facts->last_message != NULL && *p != '\0'; p++)
		if (*p >= '0' && *p <= '9')
			return true;		/* a date of the shared past, which the guard has checked */
	/* nothing is known that a message could take up */
	return contact->company == NULL && contact->job_title == NULL;
}

/* Personal, of a fit length, and with nothing made up. */
static void
judge_message(Marks *m)
{
	const char *message = kam_get_string(kam_get_object(m->decision, "selected_content"), "message");
	const char *channel = kam_get_string(m->decision, "selected_channel");
	KamChannel	over = channel == NULL ? KAM_NO_CHANNEL : kam_channel_from_name(channel);
	const char *first = m->in->contact->first_name;
	json_t	   *invented;
	int			words;

	if (message == NULL || message[0] == '\0')
		return;
	words = kam_word_count(message);
	m->folded = kam_printf(m->env->arena, " %s ", kam_fold(m->env->arena, message));
	if (first != NULL && kam_sayable(m->env->arena, first, 30) != NULL && !says(m, first))
		mark_down(m, CONTENT, 1.5, false, "The contact is not addressed by name.");
	if (!has_hook(m, message))
		mark_down(m, CONTENT, 3.5, true, "Nothing in the message is about this contact.");
	if (over == KAM_EMAIL_CHANNEL && words > EMAIL_MOST)
		mark_down(m, CONTENT, 1.5, false, "The e-mail is too long.");
	if (over == KAM_EMAIL_CHANNEL && words < EMAIL_LEAST)
		mark_down(m, CONTENT, 1.0, false, "The e-mail is very short.");
	if (over == KAM_LINKEDIN && kam_characters(message) > LINKEDIN_MOST)
		mark_down(m, CONTENT, 1.5, false, "The LinkedIn message is longer than 300 characters.");
	invented = kam_invented_values(m->env, m->in->contact, &(KamHouse) {m->in->resources, m->in->practices}, message);
	for (size_t i = 0; i < json_array_size(invented) && i < 3; i++)
	{
		const char *quote = kam_get_string(json_array_get(invented, i), "quote");

		mark_down(m, ACCURACY, 6.0, true,
				  kam_printf(m->env->arena, "The message states \"%s\", which occurs nowhere in the contact.", quote == NULL ? "a value" : quote));
	}
	json_decref(invented);
}

/* A channel on which the contact has answered is better founded than one never used. */
static void
judge_channel(Marks *m)
{
	const char *channel = kam_get_string(m->decision, "selected_channel");
	KamChannel	over = channel == NULL ? KAM_NO_CHANNEL : kam_channel_from_name(channel);
	KamChannelRank rank[KAM_CHANNELS];
	int			n;

	if (over == KAM_NO_CHANNEL)
		return;
	n = kam_rank_channels(m->env, m->in->contact, m->in->facts, m->in->plan, rank);
	for (int i = 0; i < n; i++)
		if (rank[i].channel == over)
		{
			if (i > 0 && rank[0].score - rank[i].score > 0.15)
				mark_down(m, CHANNEL, 2.0, false, kam_printf(m->env->arena, "%s would be better founded: %s",
															 kam_channel_name(rank[0].channel), rank[0].reason));
			else
				m->comment[CHANNEL] = rank[i].reason;
			m->mark[CHANNEL] += rank[i].answers > 0 ? 0.5 : 0;
		}
}

/* Proof per factor, and reasons that say something. */
static void
judge_evidence(Marks *m)
{
	const json_t *rationale = kam_get_object(m->decision, "rationale");
	const char *reason = kam_get_string(rationale, "action_reasoning");

	if (reason == NULL || kam_word_count(reason) < 4)
		mark_down(m, EVIDENCE, 2.0, false, "The reason for the action says too little.");
	if (kam_get_array(rationale, "risk_factors") == NULL)
		mark_down(m, EVIDENCE, 1.0, false, "No risks are named.");
}

json_t *
kam_agent_judge(const KamEnv *env, const KamInputs *in)
{
	Marks		m = {.env = env, .in = in, .decision = kam_get_object(in->decision, "final_decision")};
	json_t	   *out = kam_object(),
			   *list = kam_array();
	double		sum = 0,
				weights = 0,
				overall;

	if (m.decision == NULL)
		m.decision = json_is_object(in->decision) ? in->decision : NULL;
	for (int i = 0; i < CRITERIA; i++)
		m.mark[i] = criteria[i].clean;
	judge_findings(&m);
	judge_message(&m);
	judge_channel(&m);
	judge_evidence(&m);
	for (int i = 0; i < CRITERIA; i++)
	{
		json_t	   *row = kam_object();
		double		mark = m.mark[i] < 0 ? 0 : m.mark[i] > 10 ? 10 : m.mark[i];

		kam_put(row, "name", kam_string(criteria[i].name));
		kam_put(row, "score", kam_rounded(mark));
		kam_put(row, "comment", kam_string(m.comment[i] != NULL ? m.comment[i] : criteria[i].praise));
		kam_push(list, row);
		sum += mark * criteria[i].weight;
		weights += criteria[i].weight;
	}
	overall = sum / weights;
	if (m.serious > 0)
		overall -= SERIOUS_PENALTY + FURTHER_PENALTY * (m.serious > 6 ? 5 : m.serious - 1);
	overall = overall < 0 ? 0 : overall;
	kam_put(out, "overall_score", kam_rounded(overall));
	kam_put(out, "criteria", list);
	kam_put(out, "verdict", kam_string(overall >= GOOD_FROM ? "good" : overall >= ACCEPTABLE_FROM ? "acceptable" : "poor"));
	kam_put(out, "serious_faults", kam_integer(m.serious));
	return out;
}
