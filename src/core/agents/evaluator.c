/*
 * core/agents/evaluator.c: wave1_evaluator: holds the four analyses against
 * the contact and sends back the ones that state what is not there or miss
 * what is.
 *
 * The outputs may come from a model: any JSON may stand anywhere in them.
 */
#include "core/agents/agents_internal.h"

#include <string.h>

#define TEXT_BYTES 20000		/* of one agent's free text that is searched */
#define DEPTH 12

/* ---- what an output must look like ------------------------------------------------- */

typedef enum FieldKind
{
	A_TEXT, A_SHARE, A_LIST, A_BOOL, A_WINDOW, A_NAME
} FieldKind;

typedef struct Field
{
	KamAgent	agent;
	const char *key;
	FieldKind	kind;
	const char *const *names;	/* of an A_NAME */
} Field;

static const char *const stages[] = {"cold", "aware", "engaged", "qualified", NULL};
static const char *const trajectories[] = {"growing", "stable", "declining", NULL};
static const char *const balls[] = {"us", "them", "none", NULL};
static const char *const temperatures[] = {"hot", "warm", "cold", NULL};
static const char *const urgencies[] = {"none", "low", "medium", "high", NULL};
static const char *const velocities[] = {"fast", "steady", "slow", "stalled", NULL};

static const Field fields[] = {
	{KAM_CONTEXT_RELATIONSHIP_ANALYZER, "relationship_stage", A_NAME, stages},
	{KAM_CONTEXT_RELATIONSHIP_ANALYZER, "depth_score", A_SHARE, NULL},
	{KAM_CONTEXT_RELATIONSHIP_ANALYZER, "trajectory", A_NAME, trajectories},
	{KAM_CONTEXT_RELATIONSHIP_ANALYZER, "summary", A_TEXT, NULL},
	{KAM_CONTEXT_RELATIONSHIP_ANALYZER, "claims", A_LIST, NULL},
	{KAM_OPPORTUNITY_DETECTOR, "opportunities", A_LIST, NULL},
	{KAM_OPPORTUNITY_DETECTOR, "strength_score", A_SHARE, NULL},
	{KAM_OPPORTUNITY_DETECTOR, "hooks", A_LIST, NULL},
	{KAM_OPPORTUNITY_DETECTOR, "claims", A_LIST, NULL},
	{KAM_STATE_ANALYZER, "who_has_ball", A_NAME, balls},
	{KAM_STATE_ANALYZER, "temperature", A_NAME, temperatures},
	{KAM_STATE_ANALYZER, "action_needed", A_BOOL, NULL},
	{KAM_STATE_ANALYZER, "urgency", A_NAME, urgencies},
	{KAM_STATE_ANALYZER, "claims", A_LIST, NULL},
	{KAM_TIMING_STRATEGIST, "optimal_send_window", A_WINDOW, NULL},
	{KAM_TIMING_STRATEGIST, "velocity", A_NAME, velocities},
	{KAM_TIMING_STRATEGIST, "patterns", A_LIST, NULL},
	{KAM_TIMING_STRATEGIST, "claims", A_LIST, NULL},
};

/* The four, with the key of their score. */
static const struct
{
	KamAgent	agent;
	const char *score_key;
} judged[] = {
	{KAM_CONTEXT_RELATIONSHIP_ANALYZER, "context_analyzer"},
	{KAM_OPPORTUNITY_DETECTOR, "opportunity_detector"},
	{KAM_STATE_ANALYZER, "state_analyzer"},
	{KAM_TIMING_STRATEGIST, "timing_strategist"},
};

/* ---- the verdict under way ------------------------------------------------------------ */

typedef struct Verdict
{
	const KamEnv *env;
	const KamInputs *in;
	json_t	   *verified,
			   *errors,
			   *missed;
	const char *instruction[KAM_AGENTS];	/* NULL: nothing to do again */
	int			faults[KAM_AGENTS];
	int			misshapen[KAM_AGENTS];	/* of these, of its shape */
	int			proven[KAM_AGENTS];
} Verdict;

/* Tells an agent what is wrong; the same sentence, with its name, goes to the errors. */
static void
send_back(Verdict *v, KamAgent agent, json_t *list, const char *what)
{
	const char *before = v->instruction[agent];

	v->faults[agent]++;
	if (v->faults[agent] > 8)
		return;
	v->instruction[agent] = before == NULL ? what : kam_printf(v->env->arena, "%s %s", before, what);
	kam_push(list, kam_string(kam_printf(v->env->arena, "%s: %s", kam_agent_name(agent), what)));
}

static int
name_index(const char *name, const char *const *names)
{
	for (int i = 0; name != NULL && names[i] != NULL; i++)
		if (strcmp(names[i], name) == 0)
			return i;
	return -1;
}

static bool
is_clock(const char *text)
{
	return text != NULL && strlen(text) == 5 && text[2] == ':' && text[0] >= '0' && text[0] <= '2' && text[1] >= '0' &&
		text[1] <= '9' && text[3] >= '0' && text[3] <= '5' && text[4] >= '0' && text[4] <= '9';
}

static bool
has_kind(const json_t *value, const Field *field)
{
	switch (field->kind)
	{
		case A_TEXT:
			return json_is_string(value) && json_string_value(value)[strspn(json_string_value(value), " \t\r\n")] != '\0';
		case A_SHARE:
			return json_is_number(value) && json_number_value(value) >= 0 && json_number_value(value) <= 1;
		case A_LIST:
			return json_is_array(value);
		case A_BOOL:
			return json_is_boolean(value);
		case A_NAME:
			return json_is_string(value) && name_index(json_string_value(value), field->names) >= 0;
		case A_WINDOW:
			return json_is_object(value) && kam_get_array(value, "days") != NULL && is_clock(kam_get_string(value, "start")) &&
				is_clock(kam_get_string(value, "end")) && kam_get_string(value, "timezone") != NULL;
	}
	return false;
}

static const char *const kind_name[] = {
	[A_TEXT] = "a text that is not empty", [A_SHARE] = "a number from 0 to 1", [A_LIST] = "an array",
	[A_BOOL] = "true or false", [A_WINDOW] = "an object with days, start, end (HH:MM) and timezone", [A_NAME] = "one of",
};

static const char *
names_of(KamArena *arena, const char *const *names)
{
	const char *out = "";

	for (int i = 0; names[i] != NULL; i++)
		out = kam_printf(arena, "%s%s%s", out, i == 0 ? "" : ", ", names[i]);
	return out;
}

/* ---- checks -------------------------------------------------------------------------------- */

/* Received at all, all keys there, right types, known values. */
static void
check_shape(Verdict *v, KamAgent agent)
{
	const json_t *output = v->in->output[agent];

	if (!json_is_object(output) || json_object_size(output) == 0)
	{
		send_back(v, agent, v->errors, "The output is empty or no object: analyse the contact again and return every key of the schema.");
		return;
	}
	for (size_t i = 0; i < KAM_LENGTHOF(fields); i++)
	{
		const Field *field = &fields[i];
		const json_t *value = json_object_get(output, field->key);

		if (field->agent != agent || has_kind(value, field))
			continue;
		send_back(v, agent, v->errors,
				  kam_printf(v->env->arena, "\"%s\" is %s; it must be %s%s%s.", field->key,
							 value == NULL ? "missing" : json_is_null(value) ? "null" : "not valid", kind_name[field->kind],
							 field->kind == A_NAME ? " " : "", field->kind == A_NAME ? names_of(v->env->arena, field->names) : ""));
	}
}

/* Every claim must hold, be it that its evidence can be put right. */
static void
check_claims(Verdict *v, KamAgent agent)
{
	const json_t *claims = kam_get_array(v->in->output[agent], "claims");
	size_t		n = json_array_size(claims);

	for (size_t i = 0; i < n && i < KAM_MOST_CLAIMS; i++)
	{
		const json_t *claim = json_array_get(claims, i);
		const char *text = kam_get_string(claim, "text");
		const char *fault;

		if (kam_claim_judge(v->env, v->in->contact, claim, &fault, NULL) == KAM_UNVERIFIED)
			send_back(v, agent, v->errors,
					  kam_printf(v->env->arena, "The claim \"%.160s\" does not hold: %s. Correct it from the contact or leave it out.",
								 text == NULL ? "(no text)" : text, fault));
		else
		{
			v->proven[agent]++;
			kam_push(v->verified, kam_string(text));
		}
	}
}

/* Where free text stands that no claim check looks at. */
static bool
is_free_text(const char *key)
{
	static const char *const other[] = {"claims", "timezone", "start", "end", "resource_id", "days", "path"};

	for (size_t i = 0; i < KAM_LENGTHOF(other); i++)
		if (strcmp(other[i], key) == 0)
			return false;
	return true;
}

/* All free text below a value, each piece a line, up to the limit. */
static void
gather_text(const json_t *value, int depth, char *out, size_t *used)
{
	const char *key;
	const json_t *member;
	size_t		i;

	if (depth > DEPTH)
		return;
	if (json_is_string(value))
	{
		size_t		n = json_string_length(value);

		if (*used + n + 2 < TEXT_BYTES)
		{
			memcpy(out + *used, json_string_value(value), n);
			*used += n;
			memcpy(out + *used, ".\n", 2);
			*used += 2;
			out[*used] = '\0';
		}
	}
	else if (json_is_array(value))
	{
		json_array_foreach((json_t *) value, i, member)
			gather_text(member, depth + 1, out, used);
	}
	else if (json_is_object(value))
	{
		json_object_foreach((json_t *) value, key, member)
			if (is_free_text(key))
				gather_text(member, depth + 1, out, used);
	}
}

/* Room for all the text below a value, claims included. */
static size_t
text_size(const json_t *value, int depth)
{
	const char *key;
	const json_t *member;
	size_t		i,
				size = 0;

	if (depth > DEPTH)
		return 0;
	if (json_is_string(value))
		return json_string_length(value) + 2;
	if (json_is_array(value))
	{
		json_array_foreach((json_t *) value, i, member)
			size += text_size(member, depth + 1);
	}
	else if (json_is_object(value))
	{
		json_object_foreach((json_t *) value, key, member)
			size += text_size(member, depth + 1);
	}
	return size;
}

/* Dates and amounts that nobody told. */
static void
check_inventions(Verdict *v, KamAgent agent, const char *text)
{
	json_t	   *invented;

	if (text[0] == '\0')
		return;
	invented = kam_invented_values(v->env, v->in->contact, NULL, text);
	for (size_t i = 0; i < json_array_size(invented); i++)
	{
		const char *quote = kam_get_string(json_array_get(invented, i), "quote");
		const char *why = kam_get_string(json_array_get(invented, i), "why");

		send_back(v, agent, v->errors,
				  kam_printf(v->env->arena, "\"%s\" occurs nowhere in the contact (%s). State only dates and amounts that you can quote from it.",
							 quote == NULL ? "a value" : quote, why == NULL ? "invented" : why));
	}
	json_decref(invented);
}

/* Contradictions with what the facts leave no doubt about. */
static void
check_stage(Verdict *v)
{
	int			said = name_index(kam_get_string(v->in->output[KAM_CONTEXT_RELATIONSHIP_ANALYZER], "relationship_stage"), stages);
	int			is = (int) v->in->score->stage;

	/* neighbouring stages are a matter of judgement */
	if (said >= 0 && (said - is > 1 || is - said > 1))
		send_back(v, KAM_CONTEXT_RELATIONSHIP_ANALYZER, v->errors,
				  kam_printf(v->env->arena, "relationship_stage \"%s\" contradicts the facts, which say %s.", stages[said], stages[is]));
}

static void
check_ball(Verdict *v)
{
	const char *said = kam_get_string(v->in->output[KAM_STATE_ANALYZER], "who_has_ball");
	const KamActivity *last = v->in->facts->last_message;
	const char *is = last == NULL ? "none" : last->direction == KAM_INBOUND ? "us" : "them";

	if (name_index(said, balls) < 0 || strcmp(said, is) == 0)
		return;
	/* "none" is a fair reading while a decision waits */
	if (strcmp(said, "none") == 0 && v->in->plan->action != KAM_SEND_MESSAGE)
		return;
	/* with a meeting or a reaction the last message is not the last word */
	if (v->in->facts->nengagement > 0 || v->in->facts->meeting_last_held != KAM_NO_TIME)
		return;
	send_back(v, KAM_STATE_ANALYZER, v->errors,
			  kam_printf(v->env->arena, "who_has_ball \"%s\" contradicts the activities: %s.", said,
						 last == NULL ? "no message has been exchanged" :
						 kam_printf(v->env->arena, "the last message, of %s, is %s",
									kam_english_date(v->env->arena, &v->in->contact->zone, last->at),
									last->direction == KAM_INBOUND ? "theirs" : "ours")));
}

static void
check_urgency(Verdict *v)
{
	const json_t *output = v->in->output[KAM_STATE_ANALYZER];
	int			said = name_index(kam_get_string(output, "urgency"), urgencies);
	int			is = (int) kam_urgency(v->env, v->in->contact, v->in->facts, v->in->plan);

	if (said >= 0 && (said - is > 1 || is - said > 1))
		send_back(v, KAM_STATE_ANALYZER, v->errors,
				  kam_printf(v->env->arena, "urgency \"%s\" contradicts the facts, which say %s.", urgencies[said],
							 kam_urgency_name((KamUrgency) is)));
	if (v->in->plan->hard && !kam_plan_sends(v->in->plan) && kam_get_true(output, "action_needed"))
		send_back(v, KAM_STATE_ANALYZER, v->errors,
				  kam_printf(v->env->arena, "action_needed is true although nothing may be sent: %s", v->in->plan->reason));
}

/* What the analyses must not leave out: a fact, by what words it counts as mentioned, who should have. */
static bool
fact_churn(const KamFacts *facts)
{
	return facts->churn != NULL;
}

static bool
fact_opt_out(const KamFacts *facts)
{
	return facts->opt_out != NULL;
}

static bool
fact_left(const KamFacts *facts)
{
	return facts->left_company != NULL;
}

static bool
fact_meeting(const KamFacts *facts)
{
	return facts->meeting_next != KAM_NO_TIME && facts->opt_out == NULL && facts->left_company == NULL;
}

static bool
fact_deal(const KamFacts *facts)
{
	return facts->active_deal != NULL && facts->opt_out == NULL && facts->left_company == NULL;
}

static const struct
{
	bool		(*holds) (const KamFacts *facts);
	KamAgent	agent;
	const char *what;
	const char *const words[14];	/* folded stems */
} important[] = {
	{fact_churn, KAM_CONTEXT_RELATIONSHIP_ANALYZER, "The contact ended or does not renew the contract",
		{"churn", "terminat", "cancel", "resili", "end of the", "ended", "ending", "renew", "renouvel", "stop", "rupture", "fin du", "fin de"}},
	{fact_opt_out, KAM_STATE_ANALYZER, "The contact asked not to be contacted again",
		{"opt", "unsubscri", "not to be contacted", "no longer be contacted", "stop", "desabonn", "desinscri", "do not contact",
		"ne plus", "no further contact", "removed"}},
	{fact_left, KAM_STATE_ANALYZER, "The contact has left the company",
		{"left", "no longer", "depart", "quitte", "former", "ne travaille plus", "gone"}},
	{fact_meeting, KAM_OPPORTUNITY_DETECTOR, "A meeting or call is agreed for a date ahead",
		{"meeting", "appointment", "call", "demo", "rendez", "rdv", "visio", "reunion", "visit", "scheduled", "agreed"}},
	{fact_deal, KAM_CONTEXT_RELATIONSHIP_ANALYZER, "A deal is open",
		{"deal", "opportunit", "proposal", "quote", "offer", "pilot", "pipeline", "affaire", "devis", "project", "projet", "negotiat", "contract"}},
};

static bool
is_blank(char c)
{
	return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

/*
 * One of the stems stands behind a blank, in small or capital letters: it does
 * so in the folded text too, which costs much more to make.
 */
static bool
mentions_plainly(const char *text, const char *const *words)
{
	for (const char *p = text; *p != '\0'; p++)
	{
		if (p != text && !is_blank(p[-1]))
			continue;
		for (int i = 0; i < 14 && words[i] != NULL; i++)
		{
			const char *stem = words[i],
					   *at = p;

			while (*stem >= 'a' && *stem <= 'z' && (*at | 0x20) == *stem)
				stem++, at++;
			if (*stem == '\0')
				return true;
		}
	}
	return false;
}

/* The outputs' folded text holds one of the stems at a word's beginning. */
static bool
mentions(const char *folded, const char *const *words)
{
	for (int i = 0; i < 14 && words[i] != NULL; i++)
		for (const char *p = strstr(folded, words[i]); p != NULL; p = strstr(p + 1, words[i]))
			if (p == folded || p[-1] == ' ')
				return true;
	return false;
}

static void
check_missed(Verdict *v, const char *all)
{
	char	   *folded = NULL;

	for (size_t i = 0; i < KAM_LENGTHOF(important); i++)
	{
		if (!important[i].holds(v->in->facts) || mentions_plainly(all, important[i].words))
			continue;
		if (folded == NULL)
			folded = kam_fold(v->env->arena, all);
		if (!mentions(folded, important[i].words))
			send_back(v, important[i].agent, v->missed,
					  kam_printf(v->env->arena, "%s, and no analysis mentions it: take it into account.", important[i].what));
	}
}

/* Statements of the outputs that the facts bear out. */
static void
verify_facts(Verdict *v)
{
	const KamFacts *facts = v->in->facts;

	kam_push(v->verified, kam_string(kam_printf(v->env->arena, "relationship_stage: %s",
												kam_stage_name(v->in->score->stage))));
	if (facts->last_message != NULL)
		kam_push(v->verified, kam_string(kam_printf(v->env->arena, "last message: %s, on %s",
													facts->last_message->direction == KAM_INBOUND ? "theirs" : "ours",
													kam_english_date(v->env->arena, &v->in->contact->zone, facts->last_message->at))));
	if (facts->active_deal != NULL)
		kam_push(v->verified, kam_string("an open deal"));
}

static double
score_of(const Verdict *v, KamAgent agent)
{
	double		score = 0.86 + (v->proven[agent] > 3 ? 0.09 : 0.03 * v->proven[agent]) - 0.20 * v->faults[agent];

	return score < 0.10 ? 0.10 : score;
}

/* One sentence with names. */
static const char *
reasoning(const Verdict *v, int faults, int proven)
{
	KamArena   *arena = v->env->arena;
	const char *names = NULL;

	if (faults == 0)
		return kam_printf(arena, "All four analyses are complete; %s with evidence hold, no date or amount is invented and nothing important is missed.",
						  kam_count_of(arena, proven, "claim", "claims"));
	for (size_t i = 0; i < KAM_LENGTHOF(judged); i++)
		if (v->instruction[judged[i].agent] != NULL)
			names = names == NULL ? kam_agent_name(judged[i].agent) : kam_printf(arena, "%s, %s", names, kam_agent_name(judged[i].agent));
	return kam_printf(arena, "%s in %s: sent back with instructions.", faults == 1 ? "One fault was found" :
					  kam_printf(arena, "%s faults were found", kam_count_word(arena, faults)), names);
}

/* All that can be told of the four analyses. */
static void
examine(Verdict *v)
{
	const KamInputs *in = v->in;
	char	   *all;
	size_t		room = 1,
				length = 0;

	for (size_t i = 0; i < KAM_LENGTHOF(judged); i++)
		room += text_size(in->output[judged[i].agent], 0);
	all = kam_alloc(v->env->arena, room);
	for (size_t i = 0; i < KAM_LENGTHOF(judged); i++)
	{
		KamAgent	agent = judged[i].agent;
		size_t		used = 0;

		all[length] = '\0';
		gather_text(in->output[agent], 0, all + length, &used);
		check_shape(v, agent);
		v->misshapen[agent] = v->faults[agent];
		check_claims(v, agent);
		check_inventions(v, agent, all + length);
		length += used;
	}
	check_stage(v);
	check_ball(v);
	check_urgency(v);
	for (size_t i = 0; i < KAM_LENGTHOF(judged); i++)
	{
		const json_t *claims = kam_get_array(in->output[judged[i].agent], "claims");

		for (size_t c = 0; c < json_array_size(claims) && c < KAM_MOST_CLAIMS; c++)
		{
			const char *text = kam_get_string(json_array_get(claims, c), "text");
			size_t		n = text == NULL ? 0 : strlen(text);

			if (n > 0 && n < 400 && length + n + 2 < room)
			{
				memcpy(all + length, text, n);
				length += n;
				all[length++] = '\n';
				all[length] = '\0';
			}
		}
	}
	check_missed(v, all);
}

static Verdict
open_verdict(const KamEnv *env, const KamInputs *in)
{
	return (Verdict) {.env = env, .in = in, .verified = kam_array(), .errors = kam_array(), .missed = kam_array()};
}

void
kam_analyses_examine(const KamEnv *env, const KamInputs *in, KamAnalysisFaults *out)
{
	Verdict		v = open_verdict(env, in);

	examine(&v);
	memcpy(out->faults, v.faults, sizeof out->faults);
	memcpy(out->misshapen, v.misshapen, sizeof out->misshapen);
	json_decref(v.verified);
	json_decref(v.errors);
	json_decref(v.missed);
}

json_t *
kam_analyses_inventions(const KamEnv *env, const KamInputs *in)
{
	json_t	   *out = kam_array();

	for (size_t i = 0; i < KAM_LENGTHOF(judged); i++)
	{
		KamAgent	agent = judged[i].agent;
		char	   *text = kam_alloc(env->arena, text_size(in->output[agent], 0) + 1);
		size_t		used = 0;
		json_t	   *invented;

		gather_text(in->output[agent], 0, text, &used);
		invented = kam_invented_values(env, in->contact, NULL, text);
		for (size_t k = 0; k < json_array_size(invented); k++)
		{
			json_t	   *row = json_array_get(invented, k);

			kam_put(row, "agent", kam_string(kam_agent_name(agent)));
			kam_push(out, json_incref(row));
		}
		json_decref(invented);
	}
	return out;
}

json_t *
kam_agent_evaluator(const KamEnv *env, const KamInputs *in)
{
	Verdict		v = open_verdict(env, in);
	json_t	   *out = kam_object(),
			   *decision = kam_object(),
			   *instructions = kam_object(),
			   *check = kam_object(),
			   *scores = kam_object();
	int			faults = 0,
				proven = 0;

	examine(&v);
	verify_facts(&v);
	for (size_t i = 0; i < KAM_LENGTHOF(judged); i++)
	{
		KamAgent	agent = judged[i].agent;

		faults += v.faults[agent];
		proven += v.proven[agent];
		kam_put(instructions, kam_agent_name(agent), kam_string(v.instruction[agent]));
		kam_put(scores, judged[i].score_key, kam_rounded(score_of(&v, agent)));
	}
	kam_put(scores, "factual_accuracy", kam_rounded(0.95 - 0.15 * faults < 0.10 ? 0.10 : 0.95 - 0.15 * faults));
	kam_put(decision, "action", kam_string(faults > 0 ? "retry" : "continue"));
	kam_put(decision, "reasoning", kam_string(reasoning(&v, faults, proven)));
	kam_put(decision, "retry_instructions", instructions);
	kam_put(check, "verified", v.verified);
	kam_put(check, "errors", v.errors);
	kam_put(check, "missed", v.missed);
	kam_put(out, "evaluation_decision", decision);
	kam_put(out, "fact_check", check);
	kam_put(out, "quality_scores", scores);
	return out;
}
