-- Decide: facts, decisions and checks of a contact given as an argument.  Nothing is written.

CREATE FUNCTION kam_facts(contact jsonb, as_of timestamptz DEFAULT NULL) RETURNS jsonb
	LANGUAGE c STABLE PARALLEL SAFE
	SET search_path = pg_catalog, kam, pg_temp
	AS 'MODULE_PATHNAME', 'kam_api_facts';
COMMENT ON FUNCTION kam_facts(jsonb, timestamptz) IS 'What is known of a contact, every fact with its evidence: {"fact": {"value": ..., "evidence": [{"path", "quote"}]}}. as_of: the moment to judge from, NULL for the present. Example: SELECT kam.kam_facts(contact) -> ''opted_out'' FROM crm;';

CREATE FUNCTION kam_decide(contact jsonb, as_of timestamptz DEFAULT NULL) RETURNS jsonb
	LANGUAGE c STABLE PARALLEL SAFE SECURITY DEFINER
	SET search_path = pg_catalog, kam, pg_temp
	AS 'MODULE_PATHNAME', 'kam_api_decide';
COMMENT ON FUNCTION kam_decide(jsonb, timestamptz) IS 'The whole workflow at once with the built-in agents: {"final_decision": {...}, "metadata": {...}}. No network, nothing written. Example: SELECT kam.kam_decide(contact) -> ''final_decision'' ->> ''action'' FROM crm;';

CREATE FUNCTION kam_check(decision jsonb, contact jsonb, as_of timestamptz DEFAULT NULL)
	RETURNS TABLE (rule text, severity text, path text, message text)
	LANGUAGE c STABLE PARALLEL SAFE SECURITY DEFINER ROWS 5
	SET search_path = pg_catalog, kam, pg_temp
	AS 'MODULE_PATHNAME', 'kam_api_check';
COMMENT ON FUNCTION kam_check(jsonb, jsonb, timestamptz) IS 'The guard: one row per rule that a decision (whole, or its final_decision) breaks for this contact, none for a sound one. severity: error or warning. What a message may link to is read from the active rows of kam.resource; docs/guard.md has a line for each rule. Example: SELECT * FROM kam.kam_check(kam.kam_decide(contact), contact);';

CREATE FUNCTION kam_when(expression text, as_of timestamptz, zone text DEFAULT 'Europe/Paris') RETURNS timestamptz
	LANGUAGE c STABLE PARALLEL SAFE STRICT
	SET search_path = pg_catalog, kam, pg_temp
	AS 'MODULE_PATHNAME', 'kam_api_when';
COMMENT ON FUNCTION kam_when(text, timestamptz, text) IS 'The time that French or English words mean, said at as_of in zone; NULL when they mean none. Example: SELECT kam.kam_when(''mi-mars'', ''2026-02-10 10:00+01'');  -- 2026-03-15 09:00+01';

CREATE FUNCTION _agent(agent text, contact jsonb, inputs jsonb DEFAULT '{}', as_of timestamptz DEFAULT NULL) RETURNS jsonb
	LANGUAGE c STABLE PARALLEL SAFE
	SET search_path = pg_catalog, kam, pg_temp
	AS 'MODULE_PATHNAME', 'kam_api_agent';
COMMENT ON FUNCTION _agent(text, jsonb, jsonb, timestamptz) IS 'Runs one built-in agent. inputs: {"output": {agent: its output, ...}, "resources": [...], "practices": [...], "history": [...], "instruction": ..., "decision": {...}, "iteration": 1-3}, all optional; earlier outputs not given are made. Example: SELECT kam._agent(''channel_selector'', contact) FROM crm;';

CREATE FUNCTION _basis(contact jsonb, as_of timestamptz, decision jsonb DEFAULT NULL) RETURNS jsonb
	LANGUAGE c STABLE PARALLEL SAFE
	SET search_path = pg_catalog, kam, pg_temp
	AS 'MODULE_PATHNAME', 'kam_api_basis';
COMMENT ON FUNCTION _basis(jsonb, timestamptz, jsonb) IS 'What a run starts from: {"facts", "plan", "score", "steering"}, the plan with what forbids to write, as the decision states it; NULL for a contact that cannot be read. For kam_explain.';

CREATE FUNCTION _claim_verdicts(output jsonb, contact jsonb, as_of timestamptz) RETURNS jsonb
	LANGUAGE c STABLE PARALLEL SAFE STRICT
	SET search_path = pg_catalog, kam, pg_temp
	AS 'MODULE_PATHNAME', 'kam_api_claim_verdicts';
COMMENT ON FUNCTION _claim_verdicts(jsonb, jsonb, timestamptz) IS 'The claims of an agent''s output, each with "holds", "verdict" (verified, repaired, unverified), "fault" or "repair" where it is not simply verified, and "at": where its evidence stands, [{path, quote, found, recorded_on}]. For kam_explain.';

CREATE FUNCTION _decision_evidence(decision jsonb, contact jsonb, as_of timestamptz) RETURNS jsonb
	LANGUAGE c STABLE PARALLEL SAFE STRICT
	SET search_path = pg_catalog, kam, pg_temp
	AS 'MODULE_PATHNAME', 'kam_api_decision_evidence';
COMMENT ON FUNCTION _decision_evidence(jsonb, jsonb, timestamptz) IS 'The evidence that a decision carries in itself: [{"part": pointer into the decision, "text", "holds", "verdict", "fault" or "repair", "at"}]. For kam_explain.';
