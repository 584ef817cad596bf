/*
 * worker/job_decision.c: the decision and the judgement as rows.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "kam.h"
#include "pg/clock.h"
#include "worker/job_parts.h"
/* after the server's headers */
#include "pg/memory.h"

/* A copy of "from"'s member, or null, under another name. */
static void
put_copy(json_t *to, const char *key, const json_t *from, const char *path)
{
	const json_t *value = from != NULL ? kam_dig(from, path) : NULL;

	kam_put(to, key, value != NULL ? json_incref((json_t *) value) : json_null());
}

/* What Slack and Zapier are told. */
static Jsonb *
decision_notice(const KamJob *job, const json_t *decision)
{
	json_t	   *notice = kam_pg_own(kam_object());
	json_t	   *reasons = kam_object();
	json_t	   *contact = kam_object();
	const KamContact *person = &job->run->contact;

	kam_put(notice, "session_id", kam_string(job->session));
	kam_put(notice, "lead_id", job->claim.lead_id ? kam_string(job->claim.lead_id) : json_null());
	put_copy(notice, "action", decision, "action");
	put_copy(notice, "channel", decision, "selected_channel");
	put_copy(notice, "variant", decision, "selected_content.variant");
	put_copy(notice, "subject", decision, "selected_content.subject");
	put_copy(notice, "message", decision, "selected_content.message");
	if (job->run->forbidden != NULL)
		put_copy(notice, "compliance", decision, "compliance");
	put_copy(notice, "execute_at", decision, "execution_timing.execute_at");
	put_copy(notice, "reevaluate_at", decision, "execution_timing.reevaluate_at");
	put_copy(notice, "wait_type", decision, "wait_type");
	put_copy(notice, "opportunity_strength", decision, "rationale.opportunity_strength");
	kam_put(notice, "reasons", reasons);
	put_copy(reasons, "action", decision, "rationale.action_reasoning");
	put_copy(reasons, "channel", decision, "rationale.channel_reasoning");
	put_copy(reasons, "timing", decision, "rationale.timing_reasoning");
	kam_put(notice, "contact", contact);
	kam_put(contact, "name", person->full_name ? kam_string(person->full_name)
			: person->first_name ? kam_string(person->first_name) : json_null());
	kam_put(contact, "company", person->company ? kam_string(person->company) : json_null());
	kam_put(contact, "hubspot_id", person->hubspot_id ? kam_string(person->hubspot_id) : json_null());
	put_copy(contact, "linkedin_url", person->json, "contact_info.linkedin_url");
	kam_put(notice, "owner", person->owner ? kam_string(person->owner) : json_null());
	return kam_jsonb_from_json(notice);
}

/* Whether a wait runs again by itself, and when: the option "rerun", on by default for a run with a lead. */
static void
plan_rerun(const KamJob *job, const json_t *decision, KamDecisionRow *row)
{
	const json_t *options = job->claim.options != NULL ? kam_json_from_jsonb(job->claim.options) : NULL;
	const json_t *option = options != NULL ? json_object_get(options, "rerun") : NULL;
	const json_t *at = kam_dig(decision, "execution_timing.reevaluate_at");
	bool		wanted = json_is_boolean(option) ? json_is_true(option) : job->claim.lead_id != NULL;
	KamTime		when;

	if (!wanted || strcmp(row->action, kam_action_name(KAM_WAIT)) != 0 || !json_is_string(at))
		return;
	if (!kam_time_parse(json_string_value(at), &job->run->contact.zone, &when))
		return;
	/* One that is over before it began would run again without end. */
	if (when <= job->run->env.as_of)
		return;
	row->rerun = true;
	row->rerun_at = kam_timestamptz_from_time(when);
}

static char *
json_text(const json_t *value)
{
	char	   *dumped = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
	char	   *text;

	if (dumped == NULL)
		kam_out_of_memory();
	text = MemoryContextAllocExtended(CurrentMemoryContext, strlen(dumped) + 1, MCXT_ALLOC_NO_OOM | MCXT_ALLOC_HUGE);
	if (text != NULL)
		strcpy(text, dumped);
	free(dumped);
	if (text == NULL)
		kam_out_of_memory();
	return text;
}

void
kam_job_prepare_save(KamJob *job)
{
	KamStep    *step = &job->step;
	KamRun	   *run = job->run;
	KamDecisionRow *row = &step->decision;
	const json_t *decision = kam_get_object(run->decision, "final_decision");
	const char *action = decision != NULL ? kam_get_string(decision, "action") : NULL;

	if (action == NULL)
	{
		kam_job_set_failure(job, "XX000", "the guarded decision has no action");
		return;
	}
	row->decision = kam_jsonb_from_json(run->decision);
	row->guard = kam_jsonb_from_json(kam_pg_own(kam_run_guard_json(run)));
	row->notice = decision_notice(job, decision);
	row->synthesis = run->output[KAM_SYNTHESIS_ORCHESTRATOR]
		? json_text(run->output[KAM_SYNTHESIS_ORCHESTRATOR]) : NULL;
	row->action = action;
	row->channel = kam_get_string(decision, "selected_channel");
	row->hubspot_id = run->contact.hubspot_id;
	row->owner = run->contact.owner;
	row->linkedin_url = kam_get_string(kam_get_object(run->contact.json, "contact_info"), "linkedin_url");
	row->lead_id = job->claim.lead_id;
	/* Of a replay nothing comes. */
	row->suppress = kam_auto_suppress && run->facts.opt_out != NULL && !job->claim.is_replay;
	row->suppress_reason = row->suppress ? run->facts.opt_out->quote : NULL;
	if (!job->claim.is_replay)
		plan_rerun(job, decision, row);
	step->contacts = strcmp(action, kam_action_name(KAM_SEND_MESSAGE)) == 0 || strcmp(action, kam_action_name(KAM_BREAK_UP)) == 0;
	step->kind = KAM_STEP_SAVE;
	step->status = kam_run_stage_name(KAM_RUN_SAVED);
	step->iteration = run->iteration;
}

void
kam_job_prepare_finish(KamJob *job)
{
	KamStep    *step = &job->step;
	const json_t *judgement = job->run->output[KAM_DECISION_EVALUATOR];
	const json_t *criteria = kam_get_array(judgement, "criteria");

	step->kind = KAM_STEP_FINISH;
	step->status = kam_run_stage_name(KAM_RUN_JUDGED);
	step->iteration = job->run->iteration;
	/* Nothing was left to judgement where nobody may write. */
	if (job->run->forbidden != NULL)
		return;
	step->verdict = kam_get_string(judgement, "verdict");
	step->overall_score = kam_get_number(judgement, "overall_score", -1);
	if (step->verdict == NULL || step->overall_score < 0)
	{
		kam_job_set_failure(job, "XX000", "the judgement lacks its score or verdict");
		return;
	}
	step->criteria = kam_jsonb_from_json(criteria ? criteria : kam_pg_own(kam_array()));
}

/* The decision in hand gives way; it lives as long as the run. */
void
kam_job_forbid_late(KamJob *job)
{
	MemoryContext old = MemoryContextSwitchTo(job->context);

	kam_run_forbid(job->run, &job->forbidden);
	MemoryContextSwitchTo(old);
}
