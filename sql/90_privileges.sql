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
GRANT SELECT ON request, agent_call, final_decision, workflow_run, decision_evaluation, replay_decision, n8n_orchestrator_synthesis, notification,
	resource, best_practice, agent, prompt, provider, model, Suppression, kam_progress, call_telemetry,
	budget, budget_spend, kam_cost, cost_day TO kam_read, kam_admin;
GRANT EXECUTE ON FUNCTION kam_explain(uuid), kam_health(), kam_worker_status(), kam_lanes(), kam_facts(jsonb, timestamptz),
	kam_check(jsonb, jsonb, timestamptz), kam_when(text, timestamptz, text) TO kam_read;

-- Administrators.  Where texts are sent (provider, endpoint) stays with superusers: an address is a way out.
GRANT EXECUTE ON FUNCTION kam_cancel(uuid), kam_retry(uuid), kam_resume(), kam_use_provider(text), kam_import_csv(text, text),
	kam_worker_start(), kam_worker_stop(), kam_health(), kam_lanes(), _now(), _home(), _agent(text, jsonb, jsonb, timestamptz), _wake_worker() TO kam_admin;
GRANT INSERT, DELETE ON request TO kam_admin;
GRANT UPDATE (priority, next_attempt_at, rerun_at) ON request TO kam_admin;
GRANT INSERT, UPDATE, DELETE ON resource, best_practice, agent, prompt, model, Suppression, budget TO kam_admin;
GRANT UPDATE (status, next_attempt_at) ON notification TO kam_admin;
GRANT UPDATE (enabled) ON endpoint TO kam_admin;

-- Deliveries.  An endpoint's url may hold a secret, and who sees a token may unsubscribe: neither is for auditors.
GRANT SELECT (endpoint, kind, topics, allow_private, enabled, created_at, concurrency, per_minute, ordered, timeout, max_age, schedule, in_doubt, sender, reply_to,
	mail_to, username, unsubscribe_mailto, footer) ON endpoint TO kam_read, kam_admin;
GRANT SELECT ON delivery_state, sent_message, sheet_import, kam_delivery, kam_endpoints TO kam_read, kam_admin;
GRANT EXECUTE ON FUNCTION kam_inbox(text, integer), kam_acknowledge(bigint[]) TO kam_submit, kam_review, kam_admin;
GRANT EXECUTE ON FUNCTION kam_reply(text, jsonb, timestamptz), kam_unsubscribe_token(text, text) TO kam_submit, kam_admin;
GRANT EXECUTE ON FUNCTION kam_redeliver(bigint), kam_redeliver(text, timestamptz), kam_import_sheet(text, text) TO kam_admin;
GRANT EXECUTE ON FUNCTION _outbox_endpoints(), _outbox_take(text, integer), _outbox_settle(bigint[], text[], integer[], boolean[], integer[], text[]),
	_outbox_recover(boolean), _outbox_give_back(bigint[]), _sheets_take(), _sheet_settle(bigint, text, integer, text, text) TO kam_worker;
GRANT SELECT, INSERT ON sent_message, unsubscribe_token, sheet_import, _delivery TO kam_restore;
GRANT UPDATE ON SEQUENCE sheet_import_import_id_seq TO kam_restore;
SELECT pg_extension_config_dump('sent_message', '');
SELECT pg_extension_config_dump('unsubscribe_token', '');
SELECT pg_extension_config_dump('sheet_import', '');
SELECT pg_extension_config_dump('sheet_import_import_id_seq', '');
SELECT pg_extension_config_dump('_delivery', '');

-- Prompts: administrators add versions, whoever may look compares them.
GRANT EXECUTE ON FUNCTION kam_set_prompt(text, text, jsonb, boolean) TO kam_admin;
GRANT EXECUTE ON FUNCTION kam_prompt_diff(text, integer, integer) TO kam_read, kam_admin;

-- Replays and back-tests cost what the models cost.
GRANT EXECUTE ON FUNCTION kam_replay(uuid, jsonb), kam_backtest(jsonb, jsonb) TO kam_admin;
GRANT EXECUTE ON FUNCTION kam_backtest_report(uuid), kam_backtest_summary(uuid), _backtest_state(uuid) TO kam_read, kam_admin;
GRANT EXECUTE ON PROCEDURE kam_backtest_wait(uuid, interval) TO kam_read, kam_admin;
GRANT SELECT ON backtest TO kam_read, kam_admin;
GRANT DELETE ON backtest TO kam_admin;
GRANT EXECUTE ON FUNCTION _agents_as(jsonb, jsonb) TO kam_worker;

-- What people made of decisions.
GRANT SELECT ON kam_agreement TO kam_review, kam_read, kam_admin;
GRANT EXECUTE ON FUNCTION _wilson(bigint, bigint) TO kam_review, kam_read, kam_admin;

-- The worker.
GRANT SELECT ON provider, model, agent, prompt, resource, best_practice, endpoint, _configuration, budget TO kam_worker;
GRANT SELECT, INSERT, UPDATE ON budget_spend TO kam_worker;
GRANT SELECT, INSERT, UPDATE, DELETE ON request, workflow_run TO kam_worker;
GRANT SELECT, INSERT ON Suppression TO kam_worker;
GRANT SELECT, INSERT, UPDATE ON agent_call, final_decision, decision_evaluation, replay_decision, n8n_orchestrator_synthesis, notification TO kam_worker;
GRANT USAGE ON SEQUENCE notification_notification_id_seq TO kam_worker;
GRANT EXECUTE ON FUNCTION _now(), _home(), _close_costs() TO kam_worker;

-- The schedules: an administrator by hand, the worker by itself.
GRANT EXECUTE ON FUNCTION kam_tick(timestamptz, integer) TO kam_admin;
GRANT SELECT ON _tick_failure TO kam_read, kam_admin;
GRANT EXECUTE ON FUNCTION _tick(timestamptz, integer, integer), _tick_next() TO kam_worker;

-- Retention: likewise.
GRANT EXECUTE ON FUNCTION kam_retain(integer) TO kam_admin;
GRANT SELECT ON _retention TO kam_read, kam_admin;
GRANT SELECT, INSERT ON _retention TO kam_restore;
SELECT pg_extension_config_dump('_retention', '');
GRANT EXECUTE ON FUNCTION _retain(timestamptz, integer), _retain_runs(timestamptz, integer) TO kam_worker;

-- Where decisions and the Coordinator meet.
GRANT EXECUTE ON FUNCTION _run_compliance(uuid[]), _suppress_decided(uuid, text), _with_touches(jsonb, text, timestamptz) TO kam_worker;

-- The Coordinator.  Programs and agents that contact people ask and tell; everybody who may look may look at why.
GRANT SELECT, INSERT ON CadenceEventLog TO kam_submit, kam_admin;
GRANT EXECUTE ON FUNCTION kam_request(text, text, text, text, text, text, integer, jsonb, text), kam_request_batch(jsonb),
	kam_enrol(text, text, jsonb, text, text, text) TO kam_submit, kam_admin;
GRANT EXECUTE ON FUNCTION kam_cancel_held(text, bigint), kam_unsubscribe(text, text) TO kam_submit, kam_review, kam_admin;
GRANT EXECUTE ON FUNCTION kam_gate(text, text, text, text), kam_why(text) TO kam_submit, kam_review, kam_read, kam_admin;
GRANT EXECUTE ON FUNCTION kam_merge_leads(text, text), kam_unmerge_leads(text) TO kam_admin;

-- Cadence intelligence, and what counts as a signal.
GRANT SELECT ON sequence_outcomes, intelligence_day TO kam_review, kam_read, kam_admin;
GRANT EXECUTE ON FUNCTION _intelligence_tail(), _add_holds(bigint[], bigint[]), kam_sum_holds(bigint[]), kam_median_hold(bigint[]), _hold_bounds()
	TO kam_review, kam_read, kam_admin;
GRANT EXECUTE ON FUNCTION kam_rebuild_intelligence(date) TO kam_admin;
GRANT SELECT ON signal_rule, _intelligence_state TO kam_read, kam_admin;
GRANT INSERT, UPDATE, DELETE ON signal_rule TO kam_admin;
GRANT SELECT, INSERT ON signal_rule, intelligence_day, _intelligence_state, _intelligence_late TO kam_restore;
SELECT pg_extension_config_dump('signal_rule', 'WHERE NOT builtin');
SELECT pg_extension_config_dump('intelligence_day', '');
SELECT pg_extension_config_dump('_intelligence_state', '');
SELECT pg_extension_config_dump('_intelligence_late', '');

-- What follows a CRM's tables.  Who may make such a trigger may write any lead: administrators; once it is there, whoever writes the table needs no right on kam.
GRANT EXECUTE ON FUNCTION kam_lead_on_change(), kam_account_on_change(), kam_crm_check(regclass) TO kam_admin;
GRANT SELECT ON crm_mapping TO kam_read, kam_admin;
GRANT INSERT, UPDATE, DELETE ON crm_mapping TO kam_admin;
GRANT SELECT, INSERT ON crm_mapping TO kam_restore;
-- The table's CHECK runs as whoever writes it.
GRANT EXECUTE ON FUNCTION _crm_fields(), _crm_is_field(text, text) TO kam_admin, kam_restore;
SELECT pg_extension_config_dump('crm_mapping', 'WHERE NOT builtin');

-- People's rights: whoever talks to people records what they agreed to; an administrator shows and forgets.
GRANT EXECUTE ON FUNCTION kam_record_consent(text, text, text, text, text, jsonb, timestamptz, timestamptz, text),
	kam_withdraw_consent(text, text, text, text, jsonb, timestamptz) TO kam_submit, kam_review, kam_admin;
GRANT EXECUTE ON FUNCTION kam_export_person(text), kam_erase_person(text, text), _suppression_keys(text[]) TO kam_admin;
GRANT EXECUTE ON FUNCTION _consent_in_force(text, text, text, timestamptz) TO kam_read, kam_admin, kam_worker;
GRANT SELECT ON consent, kam_consent, erasure TO kam_read, kam_admin;
GRANT EXECUTE ON FUNCTION _consent_purposes(text), _lead_addresses(Leads) TO kam_read, kam_admin;
GRANT SELECT, INSERT ON consent, erasure TO kam_restore;
GRANT INSERT ON _erasure_salt TO kam_restore;
GRANT UPDATE ON SEQUENCE consent_consent_id_seq, erasure_erasure_id_seq TO kam_restore;
SELECT pg_extension_config_dump('consent', '');
SELECT pg_extension_config_dump('consent_consent_id_seq', '');
SELECT pg_extension_config_dump('erasure', '');
SELECT pg_extension_config_dump('erasure_erasure_id_seq', '');
SELECT pg_extension_config_dump('_erasure_salt', '');

-- Plays: programs draft, people promote and end, whoever may look may look ahead.
GRANT INSERT ON BrainAnalysisLog, SalesPlayLibrary TO kam_submit;
GRANT EXECUTE ON FUNCTION kam_promote_play(text, text), kam_end_play(text, text) TO kam_review, kam_admin;
GRANT EXECUTE ON FUNCTION kam_play_preview(text, integer) TO kam_submit, kam_review, kam_read, kam_admin;
GRANT SELECT ON SalesPlayLibrary, BrainAnalysisLog, cohort_retrospective TO kam_review, kam_read, kam_admin;
GRANT EXECUTE ON FUNCTION _deal_cohort(Opportunities) TO kam_review, kam_read, kam_admin;
GRANT SELECT ON _play_scan, _play_candidate TO kam_read, kam_admin;

-- What the views of the Coordinator call.
GRANT EXECUTE ON FUNCTION _now(), _home(), _touch_cap(), _touch_window(), _canonical(text), _lead_ids(text),
	_address(text), _address_kind(text), _address_domain(text) TO kam_submit, kam_review, kam_read, kam_admin, kam_restore, kam_worker;
GRANT SELECT ON suppression_audit, touch_headroom, held_queue, cadence_intelligence TO kam_review, kam_read, kam_admin;
GRANT SELECT ON Accounts, Leads, Reps, holiday, sequence_type, type_transition, SendRule, Suppression, BrainAnalysisLog, SalesPlayLibrary, Cadence,
	CadenceEventLog, CadenceQueue, prospect_state, CadenceFlag, lead_alias, lead_merge, coordinator_state, ABMPlaybook, ExpansionLog, QBRLog,
	OpportunityBriefLog, CommBriefLog, NurtureRecommendations, Opportunities TO kam_read, kam_admin;

-- What a CRM sync and people who set the rules write.  Leads' cadence columns too: the Coordinator sets them again.
GRANT INSERT, UPDATE, DELETE ON Accounts, Leads, Reps, holiday, sequence_type, type_transition, SendRule, Cadence, BrainAnalysisLog, SalesPlayLibrary,
	ABMPlaybook, ExpansionLog, QBRLog, OpportunityBriefLog, CommBriefLog, NurtureRecommendations, Opportunities TO kam_admin;
GRANT UPDATE (priority, release_at, expires_at) ON CadenceQueue TO kam_admin;
GRANT UPDATE (closed_at) ON CadenceFlag TO kam_admin;

-- The log's CHECK runs as whoever inserts.
GRANT EXECUTE ON FUNCTION _log_row_is_sound(text, text, text, text, text, boolean, bigint, timestamptz, timestamptz) TO kam_submit, kam_admin, kam_restore;

-- A restore that is not a superuser's: decided rows are let in as they are.
GRANT SELECT, INSERT ON Accounts, Leads, Reps, holiday, sequence_type, type_transition, SendRule, Suppression, BrainAnalysisLog, SalesPlayLibrary,
	Cadence, CadenceEventLog, CadenceQueue, CadenceFlag, lead_alias, lead_merge, ABMPlaybook, ExpansionLog, QBRLog, OpportunityBriefLog,
	CommBriefLog, NurtureRecommendations, Opportunities TO kam_restore;
GRANT SELECT, INSERT ON request, agent_call, final_decision, workflow_run, decision_evaluation, replay_decision, backtest, n8n_orchestrator_synthesis, notification,
	resource, best_practice, budget, cost_day, _cost_closed TO kam_restore;
-- Who answers and where texts go (provider, model, agent, prompt, endpoint) is not for them to bring along.  Numbers go on where they were.
GRANT UPDATE ON SEQUENCE CadenceEventLog_event_id_seq, CadenceFlag_flag_id_seq, lead_merge_merge_id_seq, notification_notification_id_seq TO kam_restore;

-- What a dump carries.  Seed rows come with the extension.
SELECT pg_extension_config_dump('provider', 'WHERE NOT builtin');
SELECT pg_extension_config_dump('model', 'WHERE NOT builtin');
SELECT pg_extension_config_dump('agent', 'WHERE NOT builtin');
SELECT pg_extension_config_dump('prompt', 'WHERE NOT builtin');
SELECT pg_extension_config_dump('resource', '');
SELECT pg_extension_config_dump('best_practice', '');
SELECT pg_extension_config_dump('endpoint', '');
-- What is spent of a budget is counted again (kam_resume).
SELECT pg_extension_config_dump('budget', '');
SELECT pg_extension_config_dump('cost_day', '');
SELECT pg_extension_config_dump('_cost_closed', '');
SELECT pg_extension_config_dump('request', '');
SELECT pg_extension_config_dump('agent_call', '');
SELECT pg_extension_config_dump('final_decision', '');
SELECT pg_extension_config_dump('workflow_run', '');
SELECT pg_extension_config_dump('decision_evaluation', '');
SELECT pg_extension_config_dump('replay_decision', '');
SELECT pg_extension_config_dump('backtest', '');
SELECT pg_extension_config_dump('n8n_orchestrator_synthesis', '');
SELECT pg_extension_config_dump('Suppression', '');
SELECT pg_extension_config_dump('notification', '');
SELECT pg_extension_config_dump('notification_notification_id_seq', '');
-- prospect_state and coordinator_state are derived again.
SELECT pg_extension_config_dump('sequence_type', 'WHERE NOT builtin');
SELECT pg_extension_config_dump('type_transition', 'WHERE NOT builtin');
SELECT pg_extension_config_dump('Accounts', '');
SELECT pg_extension_config_dump('Leads', '');
SELECT pg_extension_config_dump('Reps', '');
SELECT pg_extension_config_dump('holiday', '');
SELECT pg_extension_config_dump('SendRule', '');
SELECT pg_extension_config_dump('BrainAnalysisLog', '');
SELECT pg_extension_config_dump('SalesPlayLibrary', '');
SELECT pg_extension_config_dump('Cadence', '');
SELECT pg_extension_config_dump('CadenceEventLog', '');
SELECT pg_extension_config_dump('CadenceEventLog_event_id_seq', '');
SELECT pg_extension_config_dump('CadenceQueue', '');
SELECT pg_extension_config_dump('CadenceFlag', '');
SELECT pg_extension_config_dump('CadenceFlag_flag_id_seq', '');
SELECT pg_extension_config_dump('lead_alias', '');
SELECT pg_extension_config_dump('lead_merge', '');
SELECT pg_extension_config_dump('lead_merge_merge_id_seq', '');
SELECT pg_extension_config_dump('ABMPlaybook', '');
SELECT pg_extension_config_dump('ExpansionLog', '');
SELECT pg_extension_config_dump('QBRLog', '');
SELECT pg_extension_config_dump('OpportunityBriefLog', '');
SELECT pg_extension_config_dump('CommBriefLog', '');
SELECT pg_extension_config_dump('NurtureRecommendations', '');
SELECT pg_extension_config_dump('Opportunities', '');
