/*
 * llm/prompt.c: the prompts of the ten agents (design section 7, contract
 * section 6).
 *
 *   common		rules, resources, best practices: for every contact
 *   contact	the contact, the moment, the facts: the same bytes for all who
 *				read the activities (wave 1, its evaluator, wave 2), and for
 *				the two who do not (synthesis, judge)
 *   own		what the wave has from earlier ones, then <agent>KEY</agent>,
 *				what this agent alone gets, its task, why it must answer again
 *
 * So a wave shares every byte before the line with the agent's key, and a
 * cached prefix serves across waves.
 *
 * All material is JSON in which < is written \u003c: no text of anybody's can
 * close a section or open one.  The one exception is the prompt's body, which
 * an administrator wrote.  The tags around the contact carry a boundary drawn
 * from all of its text besides: the same for the same contact, so that prefixes
 * and replays are found again.  Nothing here reads a clock or a session.
 */
#include "llm/prompt.h"

#include <stdlib.h>
#include <string.h>

#include "core/evidence.h"
#include "llm/prompt_checks.h"
#include "llm/prompt_rules.h"

#define RESOURCE_BYTES 400		/* of a resource's body that is shown */

/* ---- text ------------------------------------------------------------------------ */

/* Grows on the heap; what is finished goes into an arena, escaped. */
typedef struct Text
{
	char	   *data;
	size_t		len,
				size;
} Text;

static void
append(Text *text, const char *data, size_t len)
{
	if (text->size - text->len < len)
	{
		size_t		size = (text->len + len) * 2 + 1024;
		char	   *grown = realloc(text->data, size);

		if (grown == NULL)
		{
			free(text->data);
			kam_out_of_memory();
			abort();
		}
		text->data = grown;
		text->size = size;
	}
	memcpy(text->data + text->len, data, len);
	text->len += len;
}

static void
append_string(Text *text, const char *s)
{
	append(text, s, strlen(s));
}

/* JSON text, in which < stands in strings alone and may be written otherwise. */
static void
append_json_text(Text *text, const char *json, size_t len)
{
	const char *end = json + len;
	const char *mark;

	while (json < end && (mark = memchr(json, '<', (size_t) (end - json))) != NULL)
	{
		append(text, json, (size_t) (mark - json));
		append_string(text, "\\u003c");
		json = mark + 1;
	}
	append(text, json, (size_t) (end - json));
}

static int
append_dumped(const char *json, size_t len, void *text)
{
	append_json_text(text, json, len);
	return 0;
}

static void
append_json(Text *text, const json_t *value)
{
	if (json_dump_callback(value, append_dumped, text, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY | JSON_REAL_PRECISION(15)) == 0)
		return;
	free(text->data);
	kam_out_of_memory();
	abort();
}

static void
open_section(Text *text, const char *tag)
{
	append_string(text, "<");
	append_string(text, tag);
	append_string(text, ">\n");
}

static void
close_section(Text *text, const char *tag)
{
	append_string(text, "\n</");
	append_string(text, tag);
	append_string(text, ">\n");
}

/* Takes the reference; NULL is no section. */
static void
append_section(Text *text, const char *tag, json_t *value)
{
	if (value == NULL)
		return;
	open_section(text, tag);
	append_json(text, value);
	close_section(text, tag);
	json_decref(value);
}

static KamPiece
finish(KamArena *arena, Text *text)
{
	KamPiece	piece = kam_escape(arena, text->data != NULL ? text->data : "", text->len);

	free(text->data);
	return piece;
}

/* ---- common ------------------------------------------------------------------------- */

/* A new reference to the value, or null. */
static json_t *
shared(const json_t *value)
{
	return value != NULL ? json_incref((json_t *) value) : json_null();
}

/* The body's beginning, cut at a character. */
static json_t *
beginning(const char *body)
{
	size_t		n = strlen(body);

	if (n <= RESOURCE_BYTES)
		return kam_string(body);
	for (n = RESOURCE_BYTES; n > 0 && ((unsigned char) body[n] & 0xc0) == 0x80;)
		n--;
	return kam_stringn(body, n);
}

/* Resources as a message may offer them: what they are, not all that they say. */
static json_t *
offered(const json_t *resources)
{
	static const char *const keys[] = {"resource_id", "title", "url", "language", "topics", "match_terms"};
	json_t	   *out = kam_array();

	for (size_t i = 0; i < json_array_size(resources); i++)
	{
		const json_t *row = json_array_get(resources, i);
		const char *body = kam_get_string(row, "body");
		json_t	   *one = kam_object();

		for (size_t k = 0; k < KAM_LENGTHOF(keys); k++)
			kam_put(one, keys[k], shared(json_object_get(row, keys[k])));
		if (body != NULL && *body != '\0')
			kam_put(one, "begins", beginning(body));
		kam_push(out, one);
	}
	return out;
}

KamPiece
kam_prompt_common(KamArena *arena, const json_t *resources, const json_t *practices)
{
	Text		text = {0};

	open_section(&text, "rules");
	append_string(&text, kam_prompt_opening);
	for (int i = 0; i < kam_prompt_rule_count; i++)
	{
		append_string(&text, "\n- ");
		append_string(&text, kam_prompt_rules[i].name);
		append_string(&text, ". ");
		append_string(&text, kam_prompt_rules[i].text);
	}
	close_section(&text, "rules");
	append_section(&text, "resources", offered(resources));
	append_section(&text, "best_practices", json_is_array(practices) ? shared(practices) : kam_array());
	return finish(arena, &text);
}

/* ---- contact ------------------------------------------------------------------------- */

bool
kam_prompt_reads_activities(KamAgent agent)
{
	return kam_agent_wave(agent) <= 2;
}

/* Past a JSON string that begins here; text is valid JSON. */
static const char *
skip_string(const char *s, const char *end)
{
	for (s++; s < end && *s != '"'; s++)
		if (*s == '\\' && s + 1 < end)
			s++;
	return s < end ? s + 1 : end;
}

static const char *
skip_space(const char *s, const char *end)
{
	while (s < end && (*s == ' ' || *s == '\n' || *s == '\t' || *s == '\r'))
		s++;
	return s;
}

/* Past the value that begins here. */
static const char *
skip_value(const char *s, const char *end)
{
	int			depth = 0;

	while (s < end)
	{
		if (*s == '"')
			s = skip_string(s, end);
		else
		{
			if (*s == '{' || *s == '[')
				depth++;
			else if (*s == '}' || *s == ']')
			{
				if (depth == 0)
					return s;
				depth--;
			}
			else if (*s == ',' && depth == 0)
				return s;
			s++;
		}
	}
	return end;
}

/* The text of a member of the object that the text is; NULL when there is none. */
static const char *
member_text(const char *text, const char *key, size_t *len)
{
	const char *end = text + strlen(text);
	const char *s = skip_space(text, end);
	size_t		n = strlen(key);

	if (s == end || *s != '{')
		return NULL;
	for (s = skip_space(s + 1, end); s < end && *s == '"';)
	{
		const char *name = s + 1;
		const char *value;
		bool		found;

		s = skip_string(s, end);
		found = (size_t) (s - name) == n + 1 && strncmp(name, key, n) == 0;
		s = skip_space(s, end);
		if (s == end || *s != ':')
			return NULL;
		value = skip_space(s + 1, end);
		s = skip_value(value, end);
		if (found)
		{
			while (s > value && strchr(" \n\t\r", s[-1]) != NULL)
				s--;
			*len = (size_t) (s - value);
			return value;
		}
		if (s < end && *s == ',')
			s = skip_space(s + 1, end);
	}
	return NULL;
}

/* A tag of the contact's section: with what nobody can have written who does not know all of the contact. */
static void
append_boundary(Text *text, const char *tag, const KamInputs *in)
{
	append_string(text, tag);
	if (in->boundary != NULL)
	{
		append_string(text, " boundary=\"");
		append_string(text, in->boundary);
		append_string(text, "\"");
	}
	append_string(text, ">");
}

/* The contact in the database's own words: no number of theirs passes through ours. */
static void
append_contact(Text *text, const KamInputs *in, const char *contact_text, bool whole)
{
	const KamContact *contact = in->contact;
	const char *info;
	size_t		len;

	append_boundary(text, "<contact", in);
	append_string(text, "\n");
	if (contact_text == NULL && whole)
		append_json(text, contact->json);
	else if (whole)
		append_json_text(text, contact_text, strlen(contact_text));
	else
	{
		append_string(text, "{\"contact_info\": ");
		if (contact_text != NULL && (info = member_text(contact_text, "contact_info", &len)) != NULL)
			append_json_text(text, info, len);
		else
			append_json(text, json_object_get(contact->json, "contact_info"));
		append_string(text, "}");
	}
	append_string(text, "\n");
	append_boundary(text, "</contact", in);
	append_string(text, "\n");
}

KamPiece
kam_prompt_contact(const KamEnv *env, KamAgent agent, const KamInputs *in, const char *contact_text)
{
	json_t	   *facts = kam_facts_json(env, in->contact, in->facts);
	Text		text = {0};

	append_contact(&text, in, contact_text, kam_prompt_reads_activities(agent));
	append_string(&text, "<as_of>");
	append_string(&text, kam_time_format(env->arena, &in->contact->zone, env->as_of));
	append_string(&text, "</as_of>\n");
	append_section(&text, "facts", facts);
	if (kam_prompt_reads_activities(agent))
		append_section(&text, "suspicious", kam_prompt_suspicious(env, in));
	return finish(env->arena, &text);
}

/* ---- sections of the agents ------------------------------------------------------------ */

/* The outputs of a range of agents. */
static json_t *
outputs(const KamEnv *env, const KamInputs *in, KamAgent first, KamAgent last, bool as_they_came)
{
	json_t	   *out = kam_object();

	for (int i = (int) first; i <= (int) last; i++)
		if (i != KAM_WAVE1_EVALUATOR)
			kam_put(out, kam_agent_name((KamAgent) i), as_they_came ? shared(in->output[i]) :
					kam_verified_output(env, in->contact, in->output[i]));
	return out;
}

/* For the evaluator, who is to find what does not hold. */
static json_t *
raw_outputs(const KamEnv *env, KamAgent agent, const KamInputs *in)
{
	return outputs(env, in, KAM_CONTEXT_RELATIONSHIP_ANALYZER, KAM_TIMING_STRATEGIST, true);
}

static json_t *
wave1_outputs(const KamEnv *env, KamAgent agent, const KamInputs *in)
{
	return outputs(env, in, KAM_CONTEXT_RELATIONSHIP_ANALYZER, KAM_TIMING_STRATEGIST, false);
}

static json_t *
both_waves_outputs(const KamEnv *env, KamAgent agent, const KamInputs *in)
{
	return outputs(env, in, KAM_CONTEXT_RELATIONSHIP_ANALYZER, KAM_SEQUENCE_STRATEGIST, false);
}

static json_t *
time_or_null(const KamEnv *env, const KamInputs *in, KamTime at)
{
	return at == KAM_NO_TIME ? json_null() : kam_string(kam_time_format(env->arena, &in->contact->zone, at));
}

static json_t *
plan(const KamEnv *env, KamAgent agent, const KamInputs *in)
{
	const KamPlan *tree = in->plan;
	KamUrgency	urgency = kam_urgency(env, in->contact, in->facts, tree);
	bool		sends = tree->action == KAM_SEND_MESSAGE || tree->action == KAM_BREAK_UP;
	json_t	   *out = kam_object();
	KamWindow	window;

	kam_put(out, "rule", kam_string(tree->rule));
	kam_put(out, "hard", json_boolean(tree->hard));
	kam_put(out, "action", kam_string(kam_action_name(tree->action)));
	kam_put(out, "variant", kam_string(kam_variant_name(tree->variant)));
	kam_put(out, "reason", kam_string(tree->reason));
	kam_put(out, "evidence", kam_evidence_json(tree->evidence));
	kam_put(out, "urgency", kam_string(kam_urgency_name(urgency)));
	kam_put(out, "sequence_required", json_boolean(kam_sequence_required(in->facts, tree->action)));
	if (sends)
	{
		kam_send_window(env, in->contact, in->facts, &window);
		kam_put(out, "execute_at", time_or_null(env, in, kam_execute_at(env, in->contact, in->facts, tree, urgency, &window)));
	}
	if (tree->action == KAM_WAIT)
	{
		kam_put(out, "wait_type", kam_string(kam_wait_type_name(tree->wait_type)));
		kam_put(out, "risk_level", kam_string(kam_wait_risk(tree->wait_type)));
		kam_put(out, "reevaluate_at", time_or_null(env, in, tree->reevaluate_at));
		kam_put(out, "trigger_event", kam_string(tree->trigger_event));
		kam_put(out, "reevaluation_trigger", kam_string(tree->reevaluation_trigger));
	}
	return out;
}

static json_t *
score(const KamEnv *env, KamAgent agent, const KamInputs *in)
{
	json_t	   *out = kam_object();
	json_t	   *factors = kam_array();

	for (int i = 0; i < in->score->nfactors; i++)
	{
		const KamFactor *factor = &in->score->factor[i];
		json_t	   *one = kam_object();

		kam_put(one, "factor", kam_string(factor->name));
		kam_put(one, "impact", kam_string(kam_printf(env->arena, "%c%d.%02d", factor->impact < 0 ? '-' : '+',
													 abs(factor->impact) / 100, abs(factor->impact) % 100)));
		kam_put(one, "evidence", kam_string(factor->evidence));
		kam_push(factors, one);
	}
	kam_put(out, "relationship_stage", kam_string(kam_stage_name(in->score->stage)));
	kam_put(out, "base_score", kam_rounded(in->score->base / 100.0));
	kam_put(out, "factors", factors);
	kam_put(out, "calculated_total", kam_rounded(in->score->total / 100.0));
	return out;
}

static json_t *
conditional(const KamEnv *env, KamAgent agent, const KamInputs *in)
{
	return kam_conditional_context(env, in->contact, in->facts);
}

static json_t *
history(const KamEnv *env, KamAgent agent, const KamInputs *in)
{
	return json_is_array(in->history) ? shared(in->history) : kam_array();
}

static json_t *
decision(const KamEnv *env, KamAgent agent, const KamInputs *in)
{
	return shared(in->decision);
}

static json_t *
checks(const KamEnv *env, KamAgent agent, const KamInputs *in)
{
	return kam_prompt_checks(env, in);
}

static json_t *
inventions(const KamEnv *env, KamAgent agent, const KamInputs *in)
{
	return kam_prompt_inventions(env, in);
}

/* ---- a further round of wave 1 ----------------------------------------------------------- */

static bool
is_further_round(KamAgent agent, const KamInputs *in)
{
	return agent < KAM_WAVE1_EVALUATOR && in->iteration > 1;
}

static json_t *
previous_answer(const KamEnv *env, KamAgent agent, const KamInputs *in)
{
	return (is_further_round(agent, in) || in->findings != NULL) && in->output[agent] != NULL ? shared(in->output[agent]) : NULL;
}

/* What the guard found in the answer, and what it wants. */
static json_t *
findings(const KamEnv *env, KamAgent agent, const KamInputs *in)
{
	json_t	   *out;

	if (in->findings == NULL)
		return NULL;
	out = kam_object();
	kam_put(out, "found", shared(in->findings));
	kam_put(out, "task", kam_string(agent == KAM_CONTENT_GENERATOR ?
									"The message that you wrote was chosen and cannot be sent: see \"found\". Answer again in full: the same output"
									" with every fault gone, and as little else changed as possible." :
									"The decision in previous_answer breaks the rules in \"found\"; path says where. Answer again in full: the same output"
									" with every fault gone, and as little else changed as possible. Pass the message on as it is."));
	return out;
}

/* This agent's instruction; without one, all four answer again, and each is told what was found in all. */
static json_t *
retry(const KamEnv *env, KamAgent agent, const KamInputs *in)
{
	const json_t *verdict = in->output[KAM_WAVE1_EVALUATOR];
	json_t	   *out;

	if (!is_further_round(agent, in))
		return in->instruction != NULL ? shared(in->instruction) : NULL;
	out = kam_object();
	kam_put(out, "round", kam_integer(in->iteration));
	if (in->instruction != NULL)
		kam_put(out, "instruction", shared(in->instruction));
	else
	{
		kam_put(out, "reasoning", shared(kam_dig(verdict, "evaluation_decision.reasoning")));
		kam_put(out, "errors", shared(kam_dig(verdict, "fact_check.errors")));
		kam_put(out, "missed", shared(kam_dig(verdict, "fact_check.missed")));
	}
	return out;
}

/* ---- the agents' parts ---------------------------------------------------------------------- */

typedef enum Place
{
	WAVE,						/* the same for the whole wave */
	BEFORE_TASK,				/* for this agent alone */
	AFTER_TASK
} Place;

/* One row per section, in the order in which they stand; build gives NULL where there is none. */
static const struct
{
	Place		place;
	unsigned	agents;			/* a bit each */
	const char *tag;
	json_t	   *(*build) (const KamEnv *env, KamAgent agent, const KamInputs *in);
}			sections[] = {
#define A(agent) (1u << (agent))
#define ANALYSTS (A(KAM_CONTEXT_RELATIONSHIP_ANALYZER) | A(KAM_OPPORTUNITY_DETECTOR) | A(KAM_STATE_ANALYZER) | A(KAM_TIMING_STRATEGIST))
#define ACTORS (A(KAM_CHANNEL_SELECTOR) | A(KAM_CONTENT_GENERATOR) | A(KAM_SEQUENCE_STRATEGIST))
#define LAST_TWO (A(KAM_SYNTHESIS_ORCHESTRATOR) | A(KAM_DECISION_EVALUATOR))
	{WAVE, A(KAM_WAVE1_EVALUATOR), "outputs", raw_outputs},
	{WAVE, ACTORS, "outputs", wave1_outputs},
	{WAVE, LAST_TWO, "outputs", both_waves_outputs},
	{WAVE, ACTORS | LAST_TWO, "checks", inventions},
	{WAVE, ACTORS | LAST_TWO, "plan", plan},
	{WAVE, LAST_TWO, "score", score},
	{BEFORE_TASK, A(KAM_WAVE1_EVALUATOR), "checks", checks},
	{BEFORE_TASK, A(KAM_SYNTHESIS_ORCHESTRATOR), "conditional_context", conditional},
	{BEFORE_TASK, A(KAM_CONTENT_GENERATOR) | A(KAM_SYNTHESIS_ORCHESTRATOR), "history", history},
	{BEFORE_TASK, A(KAM_DECISION_EVALUATOR), "decision", decision},
	{AFTER_TASK, ANALYSTS | A(KAM_CONTENT_GENERATOR) | A(KAM_SYNTHESIS_ORCHESTRATOR), "previous_answer", previous_answer},
	{AFTER_TASK, A(KAM_CONTENT_GENERATOR) | A(KAM_SYNTHESIS_ORCHESTRATOR), "findings", findings},
	{AFTER_TASK, ~0u, "retry", retry},
};

static void
append_sections(Text *text, Place place, const KamEnv *env, KamAgent agent, const KamInputs *in)
{
	for (size_t i = 0; i < KAM_LENGTHOF(sections); i++)
		if (sections[i].place == place && (sections[i].agents & A(agent)) != 0)
			append_section(text, sections[i].tag, sections[i].build(env, agent, in));
}

KamPiece
kam_prompt_wave(const KamEnv *env, KamAgent agent, const KamInputs *in)
{
	Text		text = {0};

	append_sections(&text, WAVE, env, agent, in);
	return finish(env->arena, &text);
}

KamPiece
kam_prompt_own(const KamEnv *env, KamAgent agent, const KamInputs *in, const char *prompt_body)
{
	Text		text = {0};

	append_string(&text, "<agent>");
	append_string(&text, kam_agent_name(agent));
	append_string(&text, "</agent>\n");
	append_sections(&text, BEFORE_TASK, env, agent, in);
	append_string(&text, prompt_body);
	append_string(&text, "\n");
	append_sections(&text, AFTER_TASK, env, agent, in);
	return finish(env->arena, &text);
}

KamPiece
kam_prompt_complaint(KamArena *arena, KamAgent agent, const char *faults)
{
	Text		text = {0};

	append_string(&text, "This answer cannot be used. What is wrong with it:\n");
	append_section(&text, "faults", kam_string(faults));
	append_string(&text, "Answer again: the whole JSON object with every key of your task, corrected, and nothing else. Keep what was right.\n");
	return finish(arena, &text);
}

/*
 * French prose has about three and a half bytes a token, JSON with dates and
 * identifiers less, and newer tokenizers a third more tokens: two and a half
 * is on the safe side, and a lane learns the rest.
 */
int64_t
kam_prompt_tokens(size_t bytes)
{
	return (int64_t) (bytes / 5 * 2 + bytes % 5 * 2 / 5 + 1);
}
