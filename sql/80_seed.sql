-- Seed rows: kam answers for itself until somebody names another provider.

INSERT INTO provider (provider, api, in_doubt, default_model, builtin) VALUES ('builtin', 'builtin', 'retry', 'builtin', true);

INSERT INTO model (model, capabilities, builtin) VALUES ('builtin', '{}', true);

INSERT INTO agent (agent, wave, provider, model, max_tokens, prompt_version, builtin) VALUES
	('context_relationship_analyzer', 1, 'builtin', 'builtin', 4096, 1, true),
	('opportunity_detector', 1, 'builtin', 'builtin', 4096, 1, true),
	('state_analyzer', 1, 'builtin', 'builtin', 4096, 1, true),
	('timing_strategist', 1, 'builtin', 'builtin', 4096, 1, true),
	('wave1_evaluator', 1, 'builtin', 'builtin', 4096, 1, true),
	('channel_selector', 2, 'builtin', 'builtin', 2048, 1, true),
	('content_generator', 2, 'builtin', 'builtin', 4096, 1, true),
	('sequence_strategist', 2, 'builtin', 'builtin', 4096, 1, true),
	('synthesis_orchestrator', 3, 'builtin', 'builtin', 8192, 1, true),
	('decision_evaluator', 4, 'builtin', 'builtin', 2048, 1, true);

-- Kinds of sequences (contract section 7).
INSERT INTO sequence_type (sequence_type, family, builtin) VALUES
	('outbound', 'sales', true),
	('follow_up', 'sales', true),
	('abm', 'sales', true),
	('expansion', 'sales', true),
	('renewal', 'sales', true),
	('play', 'sales', true),
	('nurture', 'marketing', true),
	('newsletter', 'marketing', true),
	('event', 'marketing', true),
	('transactional', 'transactional', true);

DO $do$
DECLARE
	t text;
BEGIN
	FOREACH t IN ARRAY '{sequence_type,type_transition}'::text[]
	LOOP
		EXECUTE format('CREATE TRIGGER seed_changed BEFORE UPDATE ON kam.%I FOR EACH ROW
			WHEN (OLD.builtin AND NEW.builtin AND OLD IS DISTINCT FROM NEW) EXECUTE FUNCTION kam._seed_changed()', t);
		EXECUTE format('CREATE TRIGGER seed_replaced BEFORE INSERT ON kam.%I FOR EACH ROW
			WHEN (NOT NEW.builtin) EXECUTE FUNCTION kam._seed_replaced()', t);
	END LOOP;
END
$do$;
