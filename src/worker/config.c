/*
 * worker/config.c: reads what calls are made of and keeps it.
 *
 * A trigger on the tables counts kam._configuration up; a claim that finds the
 * same count and the same day uses what it has.  Runs in hand keep the
 * configuration they were claimed with.
 */
#include "postgres.h"

#include "common/int.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "kam.h"
#include "pg/clock.h"
#include "pg/zones.h"
#include "worker/config.h"
/* after the server's headers */
#include "core/civil.h"
#include "llm/prompt.h"
#include "pg/memory.h"

static KamConfig *current = NULL;

DateADT
kam_config_today(void)
{
	KamZone		zone;

	if (!kam_zone_find(&kam_pg_zones, kam_default_timezone, &zone))
		elog(ERROR, "unknown time zone \"%s\"", kam_default_timezone);
	return (DateADT) (kam_local_day(&zone, kam_time_from_timestamptz(GetCurrentTimestamp())) - (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE));
}

static void
read_model(const KamModelRow *row, KamModelConfig *out, const char **fault)
{
	KamError	error;
	KamArena   *arena = kam_pg_arena();

	out->name = row->model;
	memcpy(out->price, row->price, sizeof(out->price));
	out->next_from = row->next_from;
	memcpy(out->next_price, row->next_price, sizeof(out->next_price));
	if (!kam_traits_read(arena, row->capabilities != NULL ? kam_json_from_jsonb(row->capabilities) : NULL, &out->traits, &error))
		*fault = psprintf("capabilities of model \"%s\": %s%s%s", row->model, error.message, error.hint ? "; " : "", error.hint ? error.hint : "");
}

static void
read_agent(const KamAgentRow *row, KamAgentConfig *out)
{
	KamError	error;

	out->provider = row->provider;
	out->base_url = row->base_url;
	out->has_temperature = row->has_temperature;
	out->temperature = row->temperature;
	out->max_tokens = row->max_tokens;
	out->prompt_version = row->prompt_version;
	out->prompt = row->prompt;
	out->schema = row->output_schema != NULL ? kam_json_from_jsonb(row->output_schema) : NULL;
	out->model.name = row->model.model;
	if (row->api == NULL)
		out->fault = psprintf("agent \"%s\" is to be answered by provider \"%s\", which has no row", row->agent, row->provider);
	else if (!kam_api_from_name(row->api, &out->api))
		out->fault = psprintf("provider \"%s\" has api \"%s\", which this library does not know", row->provider, row->api);
	else if (out->api == KAM_API_ANTHROPIC || out->api == KAM_API_OPENAI)
	{
		if (!kam_dialect_read(kam_pg_arena(), out->api, row->dialect != NULL ? kam_json_from_jsonb(row->dialect) : NULL, &out->dialect, &error))
			out->fault = psprintf("dialect of provider \"%s\": %s%s%s", row->provider, error.message, error.hint ? "; " : "", error.hint ? error.hint : "");
		else if (out->prompt == NULL)
			out->fault = psprintf("agent \"%s\" has no prompt of version %d", row->agent, row->prompt_version);
		else if (out->base_url == NULL)
			out->fault = psprintf("provider \"%s\" has no base_url", row->provider);
		read_model(&row->model, &out->model, &out->fault);
		if (row->fallback.model != NULL)
			read_model(&row->fallback, &out->fallback, &out->fault);
	}
}

/* What long requests to a model cost, of all that do. */
static void
read_long_prices(const KamLongPriceRow *row, int count, KamModelConfig *model)
{
	for (int i = 0; i < count && model->name != NULL; i++)
	{
		KamLongPrompt *out = row[i].next ? &model->next_longer : &model->longer;

		if (strcmp(row[i].model, model->name) != 0)
			continue;
		out->above = row[i].above;
		memcpy(out->price, row[i].price, sizeof(out->price));
	}
}

/* Agents that are asked side by side, and so share a prefix and with it a schema. */
static const KamAgent stage_of_four[] = {
	KAM_CONTEXT_RELATIONSHIP_ANALYZER, KAM_OPPORTUNITY_DETECTOR, KAM_STATE_ANALYZER, KAM_TIMING_STRATEGIST
};
static const KamAgent stage_of_three[] = {KAM_CHANNEL_SELECTOR, KAM_CONTENT_GENERATOR, KAM_SEQUENCE_STRATEGIST};
static const KamAgent evaluator[] = {KAM_WAVE1_EVALUATOR};
static const KamAgent synthesis[] = {KAM_SYNTHESIS_ORCHESTRATOR};
static const KamAgent judge[] = {KAM_DECISION_EVALUATOR};

static const struct
{
	const KamAgent *agent;
	int			count;
}			stages[] = {
	{stage_of_four, lengthof(stage_of_four)},
	{evaluator, lengthof(evaluator)},
	{stage_of_three, lengthof(stage_of_three)},
	{synthesis, lengthof(synthesis)},
	{judge, lengthof(judge)},
};

static void
make_envelopes(KamConfig *config)
{
	KamArena   *arena = kam_pg_arena();

	for (int s = 0; s < lengthof(stages); s++)
	{
		const char *name[KAM_AGENTS];
		const json_t *schema[KAM_AGENTS];
		json_t	   *envelope;
		KamPiece	text;

		for (int i = 0; i < stages[s].count; i++)
		{
			name[i] = kam_agent_name(stages[s].agent[i]);
			schema[i] = config->agent[stages[s].agent[i]].schema;
		}
		envelope = kam_schema_envelope(name, schema, stages[s].count);
		if (envelope == NULL)
			continue;
		text = kam_schema_text(arena, kam_pg_own(envelope));
		for (int i = 0; i < stages[s].count; i++)
			config->agent[stages[s].agent[i]].envelope = text;
	}
}

void
kam_config_read_agents(KamConfig *config, Jsonb *settings, Jsonb *prompts)
{
	KamAgentRow *row;
	int			count = kam_store_agents(settings, prompts, config->day, config->context, &row);

	for (int i = 0; i < count; i++)
	{
		int			agent = kam_agent_from_name(row[i].agent);

		if (agent < 0)
			continue;
		read_agent(&row[i], &config->agent[agent]);
		config->remote |= config->agent[agent].api != KAM_API_BUILTIN;
	}
	if (config->remote)
	{
		KamLongPriceRow *price;
		int			nprices = kam_store_long_prices(config->day, config->context, &price);

		for (int i = 0; i < KAM_AGENTS; i++)
		{
			read_long_prices(price, nprices, &config->agent[i].model);
			read_long_prices(price, nprices, &config->agent[i].fallback);
		}
		make_envelopes(config);
	}
}

/* What a run that is taken for the first time is asked with from then on. */
static void
note_prompts(KamConfig *config)
{
	json_t	   *versions = kam_pg_own(kam_object());

	for (int i = 0; i < KAM_AGENTS; i++)
		if (config->agent[i].provider != NULL)
			kam_put(versions, kam_agent_name((KamAgent) i), kam_integer(config->agent[i].prompt_version));
	config->prompts = kam_jsonb_from_json(versions);
	config->key = JsonbToCString(NULL, &config->prompts->root, VARSIZE(config->prompts));
}

static void
fill(KamConfig *config)
{
	kam_config_read_agents(config, NULL, NULL);
	note_prompts(config);
	config->resources = kam_json_from_jsonb(kam_store_resources(config->context));
	config->practices = kam_json_from_jsonb(kam_store_practices(config->context));
}

static KamConfig *
load(int64 version)
{
	MemoryContext context = AllocSetContextCreate(TopMemoryContext, "kam configuration", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	KamConfig  *config = palloc0(sizeof(KamConfig));

	config->context = context;
	config->version = version;
	config->day = kam_config_today();
	PG_TRY();
	{
		fill(config);
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(old);
		MemoryContextDelete(context);
		PG_RE_THROW();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(old);
	return config;
}

KamConfig *
kam_config_get(void)
{
	int64		version = kam_store_configuration();

	if (current == NULL || current->version != version || current->day != kam_config_today())
	{
		KamConfig  *fresh = load(version);

		kam_config_forget();
		current = fresh;
		current->users = 1;
	}
	current->users++;
	return current;
}

void
kam_config_release(KamConfig *config)
{
	KamConfig  *root = config->root != NULL ? config->root : config;

	if (--root->users <= 0)
		MemoryContextDelete(root->context);
}

void
kam_config_forget(void)
{
	if (current != NULL)
		kam_config_release(current);
	current = NULL;
}

const KamPart *
kam_config_common(KamConfig *config)
{
	if (config->root != NULL)
		return kam_config_common(config->root);
	if (config->common.text.data == NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(config->context);

		kam_part_set(&config->common, kam_prompt_common(kam_pg_arena(), config->resources, config->practices));
		MemoryContextSwitchTo(old);
	}
	return &config->common;
}

/* Whether the tokens told are more of input than a length; what is told without measure is. */
static bool
is_longer(const int64 *tokens, int64 above)
{
	int64		input;

	return pg_add_s64_overflow(tokens[KAM_TOKENS_INPUT], tokens[KAM_TOKENS_CACHE_READ], &input)
		|| pg_add_s64_overflow(input, tokens[KAM_TOKENS_CACHE_WRITE], &input) || input > above;
}

/* Tokens times millionths of a dollar per million tokens are millionths of millionths of a dollar. */
KamMoney
kam_config_cost(const KamModelConfig *model, DateADT day, const int64 *tokens)
{
	bool		next = day >= model->next_from;
	const KamLongPrompt *longer = next ? &model->next_longer : &model->longer;
	const int64 *price = longer->above > 0 && is_longer(tokens, longer->above) ? longer->price : next ? model->next_price : model->price;
	const KamMoney most = 1000000 * KAM_DOLLAR;
	KamMoney	total = 0;

	for (int i = 0; i < KAM_TOKEN_CLASSES; i++)
	{
		KamMoney	part;

		if (pg_mul_s64_overflow(tokens[i], price[i], &part) || part > most)
			part = most;
		total = Min(total + part, most);
	}
	return total;
}
