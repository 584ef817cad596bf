-- Looking at runs: how far, why so, what is wrong.

CREATE VIEW kam_progress AS
WITH recent AS MATERIALIZED (
	SELECT w.started_at, w.finished_at FROM workflow_run w
	 WHERE w.status = 'judged' AND w.finished_at IS NOT NULL AND w.started_at IS NOT NULL
	   AND NOT EXISTS (SELECT FROM request o WHERE o.session_id = w.session_id AND o.replay_of IS NOT NULL)
	 ORDER BY w.finished_at DESC LIMIT 100
), pace AS (
	SELECT avg(finished_at - started_at) AS duration,
	       (max(finished_at) - min(finished_at)) / nullif(count(*) - 1, 0) AS between_two
	  FROM recent
), unfinished AS (
	SELECT r.session_id, r.lead_id, r.status, r.iteration, r.priority, r.attempts, r.created_at, r.started_at, r.next_attempt_at,
	       r.home, r.lease_until,
	       row_number() OVER (PARTITION BY r.status = 'queued', r.home ORDER BY r.priority DESC, r.created_at, r.session_id) AS place,
	       (SELECT count(*) FROM agent_call c
	         WHERE c.session_id = r.session_id AND c.status = 'succeeded' AND c.iteration = r.iteration) AS answered,
	       (SELECT count(*) FROM agent_call c WHERE c.session_id = r.session_id AND c.status = 'sending') AS asked,
	       r.next_attempt_at = 'infinity' AS held, r.error, r.sqlstate, r.replay_of
	  FROM request r
	 WHERE r.finished_at IS NULL
), measured AS (
	SELECT u.*, least(99, CASE u.status
	           WHEN 'queued' THEN 0
	           WHEN 'wave1' THEN 5 + 6 * least(u.answered, 4)
	           WHEN 'evaluation' THEN 35
	           WHEN 'wave2' THEN 45 + 8 * least(greatest(u.answered - 5, 0), 3)
	           WHEN 'synthesis' THEN 70
	           WHEN 'guard' THEN 85
	           ELSE 90 END)::integer AS percent
	  FROM unfinished u
)
SELECT m.session_id, m.lead_id, m.status, m.percent, m.iteration, m.answered::integer AS calls, m.priority, m.attempts,
       CASE WHEN m.status = 'queued' THEN m.place::integer END AS place,
       m.created_at, m.started_at, now() - m.created_at AS age,
       CASE WHEN m.home <> kam._home() OR m.held THEN NULL
            WHEN m.status = 'queued' THEN greatest(now(), m.next_attempt_at) + m.place * p.between_two + p.duration
            ELSE now() + p.duration * (100 - m.percent) / 100 END AS eta,
       CASE WHEN m.home <> kam._home() THEN 'parked: came with a restore or a copy, see kam_resume()'
            WHEN current_setting('kam.paused', true)::boolean THEN 'kam.paused is on'
            WHEN m.held THEN 'held: ' || coalesce(m.error, 'until kam_retry or kam_cancel')
            WHEN m.next_attempt_at > now() AND m.sqlstate = '53400' THEN m.error
            WHEN m.next_attempt_at > now() THEN 'waits until ' || m.next_attempt_at || coalesce(': ' || m.error, '')
            WHEN m.status = 'queued' AND m.attempts = 0 THEN 'in the queue'
            WHEN m.lease_until IS NULL THEN 'interrupted, to be taken up again'
            WHEN m.lease_until < now() THEN 'its worker is gone, to be taken up again'
            WHEN m.asked > 0 THEN 'waits for ' || m.asked || CASE WHEN m.asked = 1 THEN ' answer' ELSE ' answers' END
            ELSE 'being worked on' END AS note,
       m.replay_of
  FROM measured m CROSS JOIN pace p;
COMMENT ON VIEW kam_progress IS 'One row per unfinished run: how far (percent), when it should be done (eta, from the pace of the latest 100), and what it is waiting for (note). Example: SELECT session_id, status, percent, eta, note FROM kam.kam_progress ORDER BY eta;';
COMMENT ON COLUMN kam_progress.percent IS '0 to 99.';
COMMENT ON COLUMN kam_progress.calls IS 'Calls answered in this iteration.';
COMMENT ON COLUMN kam_progress.place IS 'Place in the queue, from 1; NULL once started.';
COMMENT ON COLUMN kam_progress.eta IS 'Expected end; NULL while nothing was measured, or the run is parked or held.';
COMMENT ON COLUMN kam_progress.note IS 'What it is doing or waiting for.';
COMMENT ON COLUMN kam_progress.replay_of IS 'The run that it tries again; NULL for a run that counts.';

CREATE FUNCTION kam_explain(session_id uuid) RETURNS jsonb
	LANGUAGE plpgsql STABLE PARALLEL UNSAFE STRICT SECURITY DEFINER
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_column
DECLARE
	run kam.request;
	saved kam.final_decision;
	tried kam.replay_decision;
	basis jsonb;
	calls jsonb;
	evidence jsonb;
	judged_from timestamptz;
	person text;
	present jsonb;
	verdicts record;
BEGIN
	SELECT r.* INTO run FROM kam.request r WHERE r.session_id = kam_explain.session_id;
	IF NOT FOUND THEN
		RAISE EXCEPTION USING ERRCODE = 'no_data_found', MESSAGE = format('there is no run %s', kam_explain.session_id),
			HINT = 'Runs that finished longer ago than kam.retain_runs says are gone with their contacts.';
	END IF;
	SELECT d.* INTO saved FROM kam.final_decision d WHERE d.session_id = run.session_id;
	SELECT p.* INTO tried FROM kam.replay_decision p WHERE p.session_id = run.session_id;
	saved.decision := coalesce(saved.decision, tried.decision);
	saved.guard := coalesce(saved.guard, tried.guard);
	judged_from := coalesce(run.as_of, kam._now());
	basis := kam._basis(run.contact, judged_from, saved.decision);
	person := kam._lead_of(run.contact, run.lead_id);
	SELECT jsonb_strip_nulls(to_jsonb(c)) INTO present FROM kam._contact_compliance(run.contact -> 'contact_info', run.lead_id) c;
	present := coalesce(present, '{"status": "clear"}');
	SELECT v.* INTO verdicts FROM kam._gate_verdicts(run.session_id, person) v;

	SELECT jsonb_agg(jsonb_strip_nulls(jsonb_build_object(
	           'call_no', c.call_no, 'agent', c.agent, 'iteration', c.iteration, 'attempt', c.attempt, 'provider', c.provider,
	           'model', c.model, 'prompt_version', c.prompt_version, 'status', c.status, 'http_status', c.http_status,
	           'provider_request_id', c.provider_request_id, 'stop_reason', c.stop_reason, 'started_at', c.started_at,
	           'finished_at', c.finished_at, 'latency_ms', c.latency_ms, 'first_byte_ms', c.first_byte_ms, 'input_tokens', nullif(c.input_tokens, 0), 'output_tokens', nullif(c.output_tokens, 0),
	           'cache_read_tokens', nullif(c.cache_read_tokens, 0), 'cache_write_tokens', nullif(c.cache_write_tokens, 0),
	           'cost_usd', nullif(c.cost_usd, 0), 'error_class', c.error_class, 'error', c.error))
	           || CASE WHEN c.output IS NULL THEN '{}' ELSE jsonb_build_object('output', c.output) END
	       ORDER BY c.call_no)
	  INTO calls
	  FROM kam.agent_call c
	 WHERE c.session_id = run.session_id;

	SELECT jsonb_agg(jsonb_build_object('call_no', c.call_no, 'agent', c.agent) || v.verdict ORDER BY c.call_no, v.n)
	  INTO evidence
	  FROM kam.agent_call c
	 CROSS JOIN LATERAL jsonb_array_elements(kam._claim_verdicts(c.output, run.contact, judged_from)) WITH ORDINALITY v (verdict, n)
	 WHERE c.session_id = run.session_id AND c.output IS NOT NULL;

	RETURN jsonb_build_object(
		'session_id', run.session_id,
		'status', run.status,
		'asked', jsonb_strip_nulls(jsonb_build_object(
			'created_at', run.created_at, 'started_at', run.started_at, 'finished_at', run.finished_at, 'as_of', run.as_of,
			'lead_id', run.lead_id, 'priority', run.priority, 'options', run.options, 'iterations', run.iteration,
			'attempts', run.attempts, 'parked', nullif(run.home <> kam._home(), false),
			'rerun_of', run.rerun_of, 'rerun_at', run.rerun_at, 'replay_of', run.replay_of, 'backtest_id', run.backtest_id,
			'settings', run.settings, 'prompts', run.prompts, 'history', nullif(run.history, '{}'))),
		'error', CASE WHEN run.error IS NOT NULL THEN jsonb_build_object('sqlstate', run.sqlstate, 'message', run.error) END,
		'facts', basis -> 'facts',
		'plan', basis -> 'plan',
		'score', basis -> 'score',
		'steering', coalesce(basis -> 'steering', '[]'),
		'calls', coalesce(calls, '[]'),
		'evidence', coalesce(evidence, '[]'),
		'decision_evidence', coalesce(kam._decision_evidence(saved.decision, run.contact, judged_from), '[]'),
		'findings', coalesce(saved.guard -> 'findings', '[]'),
		'overrides', jsonb_build_object(
			'repairs', coalesce(saved.guard -> 'repairs', '[]'),
			'repair_call', coalesce(saved.guard -> 'repair_call', '{"asked": false}'),
			'replaced', coalesce(saved.guard -> 'replaced', 'false'),
			'wave1_forced', coalesce(saved.guard -> 'forced', 'false'),
			'wave1_kept', coalesce(saved.guard -> 'kept', '[]')),
		'compliance', coalesce(saved.guard -> 'compliance', present) || jsonb_build_object('now', present),
		'decision', saved.decision,
		'gate', verdicts.events,
		'gate_now', verdicts.now,
		'validation', CASE WHEN saved.type_of_validation IS NOT NULL THEN jsonb_build_object(
			'type_of_validation', saved.type_of_validation, 'user_slack_message', saved.user_slack_message,
			'edited_message', saved.edited_message, 'validated_by', saved.validated_by, 'validated_at', saved.validated_at) END,
		'evaluation', CASE WHEN tried.overall_score IS NOT NULL
			THEN jsonb_build_object('overall_score', tried.overall_score, 'criteria', tried.criteria, 'verdict', tried.verdict, 'created_at', tried.created_at)
			ELSE (SELECT to_jsonb(e) - 'session_id' FROM kam.decision_evaluation e WHERE e.session_id = run.session_id) END,
		'workflow_run', (SELECT to_jsonb(w) - 'session_id' FROM kam.workflow_run w WHERE w.session_id = run.session_id),
		'notifications', coalesce((SELECT jsonb_agg(jsonb_strip_nulls(jsonb_build_object(
				'notification_id', n.notification_id, 'recipient', n.recipient, 'topic', n.topic, 'status', n.status,
				'attempts', n.attempts, 'last_error', n.last_error, 'created_at', n.created_at)) ORDER BY n.notification_id)
			FROM kam.notification n WHERE n.session_id = run.session_id), '[]'));
END
$$;
COMMENT ON FUNCTION kam_explain(uuid) IS 'Everything about one run, a replay too: what was asked, with which versions of the prompts and which validated decisions to learn from, facts with evidence, the rule of the decision tree that matched (plan), the score, texts of the contact that try to steer a program (steering), every call with its output, the verdict on every claim of theirs (evidence: verified, repaired or unverified and why, with at: where it stands in the contact, the words found there, the day of the activity), the same of the evidence that the decision itself carries (decision_evidence), findings of the guard, what it changed (overrides: repairs; repair_call, what it sent back to whom and whether that helped; replaced by the built-in decision; wave1_kept: answers of a further round that were worse than the one before, which went on), whether the contact may be written to (compliance: as the run found it, instead_of the action that gave way, and as it is now), the decision, the verdicts of the Coordinator on its sequence (gate) and the one it would give now (gate_now), its judgement, notifications, validation. Example: SELECT jsonb_pretty(kam.kam_explain(session_id)) FROM kam.final_decision ORDER BY created_at DESC LIMIT 1;';

