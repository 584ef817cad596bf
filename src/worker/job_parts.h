/*
 * worker/job_parts.h: between the files of a job: job.c chooses the step,
 * job_open.c, job_calls.c, job_prompts.c and job_decision.c make it, job_write.c writes it.
 */
#pragma once

#include "worker/job.h"

/* job.c */
extern void kam_job_set_failure(KamJob *job, const char *sqlstate, const char *message);
/* The message with the place it names: the same a caller of kam_decide would read. */
extern void kam_job_set_refusal(KamJob *job, const KamError *error);

/* job_open.c */
extern void kam_job_open(KamJob *job);
/* Inside a unit: looks up, as of now, whether anybody may write to these contacts. */
extern void kam_jobs_look_up_compliance(KamJob *const *job, int count);
/* Hands the run an answer, whose reference it takes. */
extern void kam_job_accept(KamJob *job, KamAgent agent, json_t *output, bool by_model);
/* Takes note of who answered, for the decision to state. */
extern void kam_job_note_provider(KamJob *job, KamAgent agent, const char *provider);

/* job_calls.c */
/* Everything that is due and can be done now. */
extern void kam_job_make_calls(KamJob *job);
/* A budget has no room: waits for calls under way, or goes back into the queue. */
extern void kam_job_prepare_wait(KamJob *job);
/* Where the run stands, as its row may say: "judged" is written with the end alone. */
extern const char *kam_job_stage_status(const KamRun *run);

/* job_decision.c */
extern void kam_job_prepare_save(KamJob *job);
extern void kam_job_prepare_finish(KamJob *job);
/* The decision in hand gives way; it lives as long as the run. */
extern void kam_job_forbid_late(KamJob *job);
