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
