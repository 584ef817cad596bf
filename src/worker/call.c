/*
 * worker/call.c: see call.h.
 *
 * Policy stands in llm/fate.h (what an ended attempt means) and in the
 * constants below (how often).  No SQL here: rows are made, the job's step
 * writes them.
 */
#include "postgres.h"

#include "common/pg_prng.h"
#include "mb/pg_wchar.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "kam.h"
#include "worker/budget.h"
#include "worker/digest.h"
#include "worker/job.h"
#include "worker/prefix.h"
/* after the server's headers */
#include "core/extract.h"
#include "core/schema.h"
#include "llm/prompt.h"
#include "pg/memory.h"

/* Attempts at one model before the fallback, or the end. */
#define TRIES 5
#define TRIES_ON_FALLBACK 3
/* What is kept of an answer for people and replays. */
#define RESPONSE_KEPT (1024 * 1024)
#define COMPLAINT_FAULTS 5

static const KamAgentConfig *
config_of(const KamCall *call)
{
	return &call->job->config->agent[call->agent];
}

static const KamModelConfig *
model_of(const KamCall *call)
{
	return call->on_fallback ? &config_of(call)->fallback : &config_of(call)->model;
}

/* ---- wanting ----------------------------------------------------------------- */

void
kam_call_want(KamCall *call, KamJob *job, KamAgent agent, int failed)
{
	memset(call, 0, sizeof(*call));
	call->job = job;
	call->agent = agent;
	call->state = KAM_CALL_WANTED;
	/* A crash makes no attempt undone; a run that a person takes up again after all of them begins anew. */
	call->tries = failed % (config_of(call)->fallback.name != NULL ? TRIES + TRIES_ON_FALLBACK : TRIES);
	if (call->tries >= TRIES)
	{
		call->on_fallback = true;
		call->tries -= TRIES;
	}
}

/* The prompt's parts, one after the other, those that calls share by their digests: what a replay finds the answer by. */
static void
hash_prompt(KamJob *job, KamAgent agent, const KamAsk *ask, uint8 *out)
{
	const KamPiece common = {(char *) kam_config_common(job->config)->digest, KAM_DIGEST_BYTES},
				contact = {(char *) kam_job_contact_part(job, agent)->digest, KAM_DIGEST_BYTES},
				wave = {(char *) kam_job_wave_part(job, agent)->digest, KAM_DIGEST_BYTES};
	const KamPiece *piece[] = {&common, &contact, &wave, &ask->prompt.own, &ask->rejected, &ask->complaint};

	kam_digest(piece, lengthof(piece), out);
}

static void
build(KamCall *call)
{
	KamJob	   *job = call->job;
	const KamAgentConfig *agent = config_of(call);
	const KamModelConfig *model = model_of(call);
	KamEnv		env = job->run->env;
	int			max_tokens = call->max_tokens > 0 ? call->max_tokens : agent->max_tokens;
	KamAsk		ask = {0};

	env.arena = kam_job_stage_arena(job);
	ask.api = agent->api;
	ask.base_url = agent->base_url;
	ask.dialect = &agent->dialect;
	ask.traits = &model->traits;
	ask.model = model->name;
	ask.has_temperature = agent->has_temperature;
	ask.temperature = agent->temperature;
	ask.max_tokens = max_tokens;
	ask.prompt.common = kam_config_common(job->config)->text;
	ask.prompt.contact = kam_job_contact_part(job, call->agent)->text;
	ask.prompt.wave = kam_job_wave_part(job, call->agent)->text;
	ask.prompt.own = kam_job_own_part(job, call->agent);
	ask.schema = kam_prefix_schema(job, call->agent);
	ask.schema_name = "answer";
	if (call->rejected != NULL)
	{
		ask.rejected = kam_escape(env.arena, call->rejected, strlen(call->rejected));
		ask.complaint = kam_prompt_complaint(env.arena, call->agent, call->complaint);
	}
	kam_prefix_keep(job, call->agent, model->name, &ask.keep_contact, &ask.keep_wave);
	if (agent->api != KAM_API_REPLAY)
		kam_request_build(env.arena, &ask, &call->request);
	hash_prompt(job, call->agent, &ask, call->sha256);
	call->input_tokens = kam_prompt_tokens(ask.prompt.common.len + ask.prompt.contact.len + ask.prompt.wave.len + ask.prompt.own.len + ask.rejected.len);
	call->output_tokens = max_tokens;

	memset(&call->row, 0, sizeof(call->row));
	call->row.agent = kam_agent_name(call->agent);
	call->row.iteration = job->run->iteration;
	call->row.provider = agent->provider;
	call->row.model = model->name;
	call->row.prompt_version = agent->prompt_version;
	call->row.request_sha256 = call->sha256;
	call->row.first_byte_ms = -1;
	if (agent->api != KAM_API_REPLAY)
		call->row.reserved = kam_budget_estimate(model, kam_config_today(), call->request.size, max_tokens);
	call->built = true;
}

static bool
lane_is_down(const KamLane *lane, int64 now)
{
	KamLaneState state;

	kam_lane_state(lane, now, &state);
	return state.open;
}

/* False when there is none, or it is being asked already. */
static bool
turn_to_fallback(KamCall *call)
{
	if (call->on_fallback || config_of(call)->fallback.name == NULL)
		return false;
	call->on_fallback = true;
	call->tries = 0;
	call->not_before = 0;
	call->built = false;
	return true;
}

int64
kam_call_admit(KamCall *call, const char **sqlstate, char **fault)
{
	const KamAgentConfig *agent = config_of(call);
	int64		now = kam_network_now();
	const char *auth;
	int64		wait;

	*fault = NULL;
	if (agent->fault != NULL)
	{
		*sqlstate = "55000";
		*fault = pstrdup(agent->fault);
		return 0;
	}
	if (call->not_before > now)
		return (call->not_before - now) / 1000 + 1;
	if (!call->built)
		build(call);
	if (agent->api == KAM_API_REPLAY)
		return 0;
	if (kam_paused)
		return 1000;
	if (!kam_network_auth(agent, &auth, fault))
	{
		*sqlstate = "28000";
		return 0;
	}
	if (!kam_engine_has_room(kam_network_engine()))
		return -1;
	if (!kam_budget_allows(call->job, call))
		return KAM_NO_MONEY;
	call->lane = kam_network_lane(agent->provider, model_of(call)->name);
	wait = kam_lane_admit(call->lane, call->input_tokens, call->output_tokens, now);
	if (wait == 0)
		call->state = KAM_CALL_ADMITTED;
	else
	{
		bool		is_down = lane_is_down(call->lane, now);

		call->lane = NULL;
		if (is_down && turn_to_fallback(call))
			return kam_call_admit(call, sqlstate, fault);
	}
	return wait;
}

/* ---- sending ------------------------------------------------------------------- */

void
kam_call_send(KamCall *call)
{
	const KamAgentConfig *agent = config_of(call);
	const char *auth = NULL;
	char	   *why;

	/* The key was there when it was admitted; a reload may have come between. */
	if (!kam_network_auth(agent, &auth, &why))
		call->start_fault = MemoryContextStrdup(call->job->context, why);
	else
		call->transfer = kam_engine_start(kam_network_engine(), &call->request, agent->api, &agent->dialect, auth, call, &call->start_fault);
	call->state = call->transfer != NULL ? KAM_CALL_IN_FLIGHT : KAM_CALL_ENDED;
}

void
kam_call_take_back(KamCall *call)
{
	kam_lane_withdraw(call->lane, call->input_tokens, call->output_tokens, kam_network_now());
	call->lane = NULL;
	call->state = KAM_CALL_WANTED;
}

/* ---- what came of it -------------------------------------------------------------- */

/* Another attempt, of the same kind or another, or the end of attempts. */
static KamCallOutcome
go_on(KamCall *call, const KamFate *fate)
{
	int			most = call->on_fallback ? TRIES_ON_FALLBACK : TRIES;

	call->tries++;
	if (fate->kind == KAM_FATE_RETRY && call->tries < most)
	{
		call->not_before = kam_network_now() + fate->wait_ms * 1000;
		return KAM_CALL_AGAIN;
	}
	if (fate->kind != KAM_FATE_GIVE_UP && turn_to_fallback(call))
		return KAM_CALL_AGAIN;
	return fate->kind == KAM_FATE_OTHER_MODEL ? KAM_CALL_STAND_IN : KAM_CALL_FATAL;
}

char *
kam_call_schema_faults(KamArena *arena, const json_t *schema, const json_t *output)
{
	json_t	   *faults;
	StringInfoData text;

	if (schema == NULL)
		return NULL;
	faults = kam_pg_own(kam_schema_check(arena, schema, output));
	if (json_array_size(faults) == 0)
		return NULL;
	initStringInfo(&text);
	for (size_t i = 0; i < json_array_size(faults) && i < COMPLAINT_FAULTS; i++)
	{
		const json_t *fault = json_array_get(faults, i);
		const char *path = kam_get_string(fault, "path");
		const char *message = kam_get_string(fault, "message");

		appendStringInfo(&text, "%s%s: %s", i > 0 ? "; " : "", path && *path ? path : "/", message ? message : "");
	}
	return text.data;
}

/* The agent's output out of what the model said, a new reference; NULL and *why when it is none. */
static json_t *
read_output(KamCall *call, const char *text, size_t len, char **why)
{
	KamArena   *arena = kam_pg_arena();
	const char *fault = NULL;
	json_t	   *json = kam_extract_json(arena, text, len, &fault);
	const json_t *output;

	if (json == NULL)
	{
		*why = psprintf("the answer holds no JSON object: %s", fault ? fault : "nothing was found");
		return NULL;
	}
	kam_pg_own(json);
	output = kam_envelope_open(json, kam_agent_name(call->agent));
	if (config_of(call)->schema != NULL)
		kam_schema_settle(config_of(call)->schema, (json_t *) output);
	*why = kam_call_schema_faults(arena, config_of(call)->schema, output);
	if (*why != NULL)
	{
		*why = psprintf("the answer breaks the agent's schema: %s", *why);
		return NULL;
	}
	return json_incref((json_t *) output);
}

/* An answer came that cannot be used: mended once by the model, then stood in for. */
static KamCallOutcome
complain(KamCall *call, const char *text, bool cut_off, const char *why)
{
	KamJob	   *job = call->job;
	const KamModelConfig *model = model_of(call);
	int			most = model->traits.max_output_tokens;
	int			asked = call->max_tokens > 0 ? call->max_tokens : config_of(call)->max_tokens;

	if (call->repaired)
		return KAM_CALL_STAND_IN;
	call->repaired = true;
	call->not_before = 0;
	if (cut_off && (most == 0 || asked < most))
	{
		/* It was cut off: more room is what mends that. */
		call->max_tokens = most == 0 ? asked * 2 : Min(asked * 2, most);
		return KAM_CALL_AGAIN;
	}
	call->rejected = MemoryContextStrdup(job->context, *text ? text : "(empty)");
	call->complaint = MemoryContextStrdup(job->context, why);
	return KAM_CALL_AGAIN;
}

/* A text of the wire as a column can hold it: in the database's encoding, or what of it can be said there. */
static char *
wire_text(const char *text, size_t most)
{
	int			length = pg_encoding_mbcliplen(PG_UTF8, text, (int) Min(strlen(text), most), (int) most);

	return pg_any_to_server(pnstrdup(text, length), length, PG_UTF8);
}

/*
 * Whether it may have to be paid though nobody said what: it went out, and was
 * not refused, and no token was told.
 */
static bool
bill_is_unknown(const KamResult *result)
{
	const KamUsage *told = &result->answer->usage;

	return result->sent && result->http_status < 300 && told->input <= 0 && told->output <= 0 && told->cache_read <= 0 && told->cache_write <= 0;
}

static void
note_result(KamCall *call, const KamResult *result)
{
	KamCallRow *row = &call->row;
	const KamAnswer *answer = result->answer;
	const int64 unix_epoch = (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * USECS_PER_DAY;
	const char *id = *result->request_id ? result->request_id : answer->request_id;

	row->http_status = result->http_status;
	row->request_id = *id ? wire_text(id, 200) : NULL;
	row->response = answer->text_len > 0 ? wire_text(answer->text, RESPONSE_KEPT) : NULL;
	row->stop_reason = *answer->stop_reason ? wire_text(answer->stop_reason, 64) : NULL;
	row->tokens[KAM_TOKENS_INPUT] = Max(answer->usage.input, 0);
	row->tokens[KAM_TOKENS_OUTPUT] = Max(answer->usage.output, 0);
	row->tokens[KAM_TOKENS_CACHE_READ] = Max(answer->usage.cache_read, 0);
	row->tokens[KAM_TOKENS_CACHE_WRITE] = Max(answer->usage.cache_write, 0);
	row->cost = kam_config_cost(model_of(call), row->sent_on, row->tokens);
	row->kept = bill_is_unknown(result) ? row->reserved : 0;
	row->started_at = result->started_us - unix_epoch;
	row->finished_at = Max(result->finished_us - unix_epoch, row->started_at);
	row->first_byte_ms = result->first_byte_us > 0 ? (int) ((result->first_byte_us - result->started_us) / 1000) : -1;
}

static KamCallOutcome
digest_result(KamCall *call, json_t **output, char **fault)
{
	const KamResult *result = kam_transfer_result(call->transfer);
	int64		now = kam_network_now();
	KamCallOutcome outcome;
	KamFate		fate;
	char	   *why = NULL;

	kam_fate_of(result, call->tries + 1, now, pg_prng_double(&pg_global_prng_state), &fate);
	kam_lane_settle(call->lane, call->input_tokens, call->output_tokens, result, &fate, now);
	call->lane = NULL;
	note_result(call, result);
	if (fate.kind == KAM_FATE_ANSWERED)
	{
		*output = read_output(call, result->answer->text, result->answer->text_len, &why);
		if (*output != NULL)
		{
			call->row.output = kam_jsonb_from_json(*output);
			return KAM_CALL_ACCEPTED;
		}
		outcome = complain(call, result->answer->text, result->answer->stop == KAM_STOP_LENGTH, why);
		call->row.error_class = "malformed";
		call->row.error = wire_text(why, 2000);
		return outcome;
	}
	outcome = go_on(call, &fate);
	call->row.error_class = fate.class_name;
	call->row.error = wire_text(fate.message, sizeof(fate.message));
	if (outcome == KAM_CALL_FATAL)
		*fault = psprintf("agent \"%s\", model \"%s\" of provider \"%s\": %s", call->row.agent, call->row.model, call->row.provider, fate.message);
	return outcome;
}

KamCallOutcome
kam_call_digest(KamCall *call, json_t **output, char **fault)
{
	KamCallOutcome outcome;

	*output = NULL;
	*fault = NULL;
	if (call->transfer != NULL)
		outcome = digest_result(call, output, fault);
	else
	{
		/* It could not even begin. */
		KamFate		fate = {.kind = KAM_FATE_RETRY, .wait_ms = 1000};

		kam_lane_withdraw(call->lane, call->input_tokens, call->output_tokens, kam_network_now());
		call->lane = NULL;
		call->row.finished_at = GetCurrentTimestamp();
		call->row.error_class = "not_sent";
		call->row.error = pstrdup(call->start_fault);
		outcome = go_on(call, &fate);
		if (outcome != KAM_CALL_AGAIN)
			*fault = psprintf("agent \"%s\": the call could not be sent: %s", call->row.agent, call->start_fault);
	}
	if (call->transfer != NULL)
		kam_transfer_free(call->transfer);
	call->transfer = NULL;
	call->built = false;
	call->state = outcome == KAM_CALL_AGAIN ? KAM_CALL_WANTED : KAM_CALL_NONE;
	return outcome;
}

KamCallOutcome
kam_call_digest_recording(KamCall *call, json_t **output, const char **provider, char **fault)
{
	const KamRecording *found = &call->recording;
	KamCallOutcome outcome;
	char	   *why = NULL;

	*output = NULL;
	*provider = found->provider;
	if (found->output != NULL)
	{
		*output = json_incref(kam_json_from_jsonb(found->output));
		outcome = KAM_CALL_ACCEPTED;
	}
	else if (found->error_class != NULL && strcmp(found->error_class, "malformed") == 0)
	{
		/* It was handed back then: so it is again, with what is wrong by the schema of now. */
		const char *text = found->response != NULL ? found->response : "";

		json_decref(read_output(call, text, strlen(text), &why));
		outcome = complain(call, text, found->cut_off, why != NULL ? why : found->error);
	}
	else if (found->stood_in)
		outcome = KAM_CALL_STAND_IN;
	else
	{
		outcome = KAM_CALL_FATAL;
		*fault = psprintf("agent \"%s\": no answer to this request is recorded", call->row.agent);
	}
	call->built = false;
	call->state = outcome == KAM_CALL_AGAIN ? KAM_CALL_WANTED : KAM_CALL_NONE;
	return outcome;
}

/* ---- the end ----------------------------------------------------------------------- */

void
kam_call_drop(KamCall *call)
{
	if (call->transfer != NULL)
		kam_transfer_free(call->transfer);
	call->transfer = NULL;
	if (call->lane != NULL)
		kam_lane_withdraw(call->lane, call->input_tokens, call->output_tokens, kam_network_now());
	call->lane = NULL;
	call->state = KAM_CALL_NONE;
}
