-- Who may do what.  Nothing for PUBLIC; what a role needs is granted by name.

REVOKE ALL ON SCHEMA kam FROM PUBLIC;
REVOKE ALL ON ALL TABLES IN SCHEMA kam FROM PUBLIC;
REVOKE ALL ON ALL SEQUENCES IN SCHEMA kam FROM PUBLIC;
REVOKE ALL ON ALL ROUTINES IN SCHEMA kam FROM PUBLIC;

GRANT USAGE ON SCHEMA kam TO kam_submit, kam_review, kam_read, kam_admin, kam_restore, kam_worker;

-- Programs that ask for decisions.
GRANT EXECUTE ON FUNCTION kam_run(jsonb, jsonb), kam_decide(jsonb, timestamptz), kam_facts(jsonb, timestamptz),
	kam_check(jsonb, jsonb, timestamptz), kam_when(text, timestamptz, text), _run_state(uuid), kam_run_on_change(), kam_worker_status()
	TO kam_submit, kam_admin;
GRANT EXECUTE ON PROCEDURE kam_wait(uuid, jsonb, interval) TO kam_submit, kam_admin;
GRANT SELECT ON kam_progress TO kam_submit, kam_admin;

-- People who judge decisions.
GRANT EXECUTE ON FUNCTION kam_validate(uuid, text, text, text), kam_explain(uuid) TO kam_review, kam_admin;
GRANT SELECT ON final_decision, decision_evaluation, workflow_run TO kam_review;

-- Auditors.
GRANT SELECT ON request, agent_call, final_decision, workflow_run, decision_evaluation, n8n_orchestrator_synthesis, notification,
	resource, best_practice, agent, prompt, provider, model, endpoint, Suppression, kam_progress TO kam_read, kam_admin;
GRANT EXECUTE ON FUNCTION kam_explain(uuid), kam_health(), kam_worker_status(), kam_facts(jsonb, timestamptz),
	kam_check(jsonb, jsonb, timestamptz), kam_when(text, timestamptz, text) TO kam_read;

-- Administrators.  Where texts are sent (provider, endpoint) stays with superusers: an address is a way out.
GRANT EXECUTE ON FUNCTION kam_cancel(uuid), kam_retry(uuid), kam_resume(), kam_use_provider(text), kam_import_csv(text, text),
	kam_worker_start(), kam_worker_stop(), kam_health(), _now(), _home(), _agent(text, jsonb, jsonb, timestamptz), _wake_worker() TO kam_admin;
GRANT INSERT, DELETE ON request TO kam_admin;
GRANT UPDATE (priority, next_attempt_at, rerun_at) ON request TO kam_admin;
GRANT INSERT, UPDATE, DELETE ON resource, best_practice, agent, prompt, model, Suppression TO kam_admin;
GRANT UPDATE (status, next_attempt_at) ON notification TO kam_admin;
GRANT UPDATE (enabled) ON endpoint TO kam_admin;

-- The worker.
GRANT SELECT ON provider, model, agent, prompt, resource, best_practice, endpoint TO kam_worker;
GRANT SELECT, INSERT, UPDATE, DELETE ON request, workflow_run TO kam_worker;
GRANT SELECT, INSERT ON Suppression TO kam_worker;
GRANT SELECT, INSERT, UPDATE ON agent_call, final_decision, decision_evaluation, n8n_orchestrator_synthesis, notification TO kam_worker;
GRANT USAGE ON SEQUENCE notification_notification_id_seq TO kam_worker;
GRANT EXECUTE ON FUNCTION _now(), _home() TO kam_worker;

-- What a dump carries.  Seed rows come with the extension.
SELECT pg_extension_config_dump('provider', 'WHERE NOT builtin');
SELECT pg_extension_config_dump('model', 'WHERE NOT builtin');
SELECT pg_extension_config_dump('agent', 'WHERE NOT builtin');
SELECT pg_extension_config_dump('prompt', 'WHERE NOT builtin');
SELECT pg_extension_config_dump('resource', '');
SELECT pg_extension_config_dump('best_practice', '');
SELECT pg_extension_config_dump('endpoint', '');
SELECT pg_extension_config_dump('request', '');
SELECT pg_extension_config_dump('agent_call', '');
SELECT pg_extension_config_dump('final_decision', '');
SELECT pg_extension_config_dump('workflow_run', '');
SELECT pg_extension_config_dump('decision_evaluation', '');
SELECT pg_extension_config_dump('n8n_orchestrator_synthesis', '');
SELECT pg_extension_config_dump('Suppression', '');
SELECT pg_extension_config_dump('notification', '');
SELECT pg_extension_config_dump('notification_notification_id_seq', '');
