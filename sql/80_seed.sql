-- Seed rows: kam answers for itself until somebody names another provider (kam_use_provider).

INSERT INTO provider (provider, api, base_url, in_doubt, default_model, fallback_model, agent_models, builtin) VALUES
	('builtin', 'builtin', NULL, 'retry', 'builtin', NULL, '{}', true),
	-- The workflow names the model of its two orchestrators; it is an old one, so there is a current one behind it.
	('anthropic', 'anthropic', 'https://api.anthropic.com', 'retry', 'claude-sonnet-5-5', 'claude-opus-5-5',
	 '{"wave1_evaluator": "claude-opus-4-5-20251101", "synthesis_orchestrator": "claude-opus-4-5-20251101"}', true),
	('openai', 'openai', 'https://api.openai.com/v1', 'retry', 'gpt-6.1-terra', 'gpt-6.1-sol', '{}', true),
	('replay', 'replay', NULL, 'retry', 'replay', NULL, '{}', true);

-- Prices as known in November 2026 (OpenAI's as others quote them: compare with your contract), US dollars per million tokens: input, output, cache read, cache write (of five minutes).  A day stands
-- where a price changed.  What gpt-6 costs above 272,000 tokens is not known well enough to be told.
INSERT INTO model (model, effective_from, capabilities, input_usd_per_mtok, output_usd_per_mtok, cache_read_usd_per_mtok, cache_write_usd_per_mtok,
	long_prompt_tokens, long_input_factor, long_output_factor, retires_on, builtin)
SELECT m.model, m.effective_from, c.capabilities || m.more, m.input, m.output, m.read, m.write,
       l.tokens, coalesce(l.input, 1), coalesce(l.output, 1), m.retires_on, true
  FROM (VALUES
	-- Sampling may be set.
	('sampled', '{"structured_output": true, "cache": true}'::jsonb),
	-- It may not: a request with a temperature is refused.  It thinks first, out of the same max_tokens, as much as the effort says.
	('adaptive', '{"temperature": false, "structured_output": true, "cache": true, "max_output_tokens": 128000, "body": {"output_config": {"effort": "medium"}}}'),
	-- It reasons first, and as little as will do for a task of this size; prefixes are cached without a mark.
	('reasoning', '{"temperature": false, "structured_output": true, "max_output_tokens": 128000, "body": {"reasoning_effort": "low"}}'),
	('plain', '{"structured_output": true}'),
	('none', '{}')
  ) c (kind, capabilities)
  JOIN (VALUES
	('builtin', '2000-01-01'::date, 'none', '{}'::jsonb, 0, 0, 0, 0, NULL::date),
	('replay', '2000-01-01', 'none', '{}', 0, 0, 0, 0, NULL),
	('claude-opus-4-5-20251101', '2000-01-01', 'sampled', '{"cache_min_tokens": 4096, "max_output_tokens": 64000}', 5, 25, 0.50, 6.25, '2026-11-24'),
	('claude-opus-4-5', '2000-01-01', 'sampled', '{"cache_min_tokens": 4096, "max_output_tokens": 64000}', 5, 25, 0.50, 6.25, '2026-11-24'),
	('claude-sonnet-4-5-20250929', '2000-01-01', 'sampled', '{"cache_min_tokens": 1024, "max_output_tokens": 64000}', 3, 15, 0.30, 3.75, '2026-11-30'),
	('claude-sonnet-4-5', '2000-01-01', 'sampled', '{"cache_min_tokens": 1024, "max_output_tokens": 64000}', 3, 15, 0.30, 3.75, '2026-11-30'),
	('claude-haiku-4-5-20251001', '2000-01-01', 'sampled', '{"cache_min_tokens": 4096, "max_output_tokens": 64000}', 1, 5, 0.10, 1.25, NULL),
	('claude-haiku-4-5', '2000-01-01', 'sampled', '{"cache_min_tokens": 4096, "max_output_tokens": 64000}', 1, 5, 0.10, 1.25, NULL),
	('claude-opus-4-6', '2000-01-01', 'sampled', '{"cache_min_tokens": 4096, "max_output_tokens": 128000}', 5, 25, 0.50, 6.25, NULL),
	('claude-sonnet-4-6', '2000-01-01', 'sampled', '{"cache_min_tokens": 1024, "max_output_tokens": 64000}', 3, 15, 0.30, 3.75, NULL),
	('claude-opus-4-7', '2000-01-01', 'adaptive', '{"cache_min_tokens": 2048}', 5, 25, 0.50, 6.25, NULL),
	('claude-opus-4-8', '2000-01-01', 'adaptive', '{"cache_min_tokens": 1024}', 5, 25, 0.50, 6.25, NULL),
	('claude-opus-5', '2000-01-01', 'adaptive', '{"cache_min_tokens": 512}', 5, 25, 0.50, 6.25, NULL),
	('claude-opus-5-5', '2000-01-01', 'adaptive', '{"cache_min_tokens": 512}', 4, 20, 0.20, 5, NULL),
	('claude-sonnet-5', '2000-01-01', 'adaptive', '{"cache_min_tokens": 1024}', 2, 10, 0.20, 2.50, NULL),
	('claude-sonnet-5-5', '2000-01-01', 'adaptive', '{"cache_min_tokens": 512}', 2, 10, 0.20, 2.50, NULL),
	('claude-sonnet-5-5', '2026-10-07', 'adaptive', '{"cache_min_tokens": 512}', 2, 10, 0.10, 2.50, NULL),
	('claude-haiku-5-5', '2000-01-01', 'adaptive', '{"cache_min_tokens": 512}', 0.10, 0.50, 0.01, 0.125, NULL),
	('claude-fable-5-1', '2000-01-01', 'adaptive', '{"cache_min_tokens": 512}', 10, 50, 0.25, 12.50, NULL),
	('gpt-6.1-sol', '2000-01-01', 'reasoning', '{}', 2, 10, 0.10, 2.50, NULL),
	('gpt-6.1-terra', '2000-01-01', 'reasoning', '{}', 1, 5, 0.05, 1.25, NULL),
	('gpt-6-sol', '2000-01-01', 'reasoning', '{}', 2, 10, 0.20, 2.50, NULL),
	('gpt-6-luna', '2000-01-01', 'reasoning', '{}', 0.10, 0.50, 0.01, 0.125, NULL),
	('gpt-5', '2000-01-01', 'reasoning', '{}', 1.25, 10, 0.125, 0, NULL),
	('gpt-5-mini', '2000-01-01', 'reasoning', '{}', 0.25, 2, 0.025, 0, NULL),
	('gpt-4.1', '2000-01-01', 'plain', '{"max_output_tokens": 32768}', 2, 8, 0.50, 0, NULL),
	('gpt-4.1-mini', '2000-01-01', 'plain', '{"max_output_tokens": 32768}', 0.40, 1.60, 0.10, 0, NULL)
  ) m (model, effective_from, kind, more, input, output, read, write, retires_on) USING (kind)
  LEFT JOIN (VALUES ('claude-haiku-5-5', 100000, 5, 5)) l (model, tokens, input, output) USING (model);

-- Temperature and length are the workflow's where it names them; length leaves room for models that think before they write.
INSERT INTO agent (agent, wave, provider, model, temperature, max_tokens, prompt_version, builtin) VALUES
	('context_relationship_analyzer', 1, 'builtin', 'builtin', NULL, 8192, 1, true),
	('opportunity_detector', 1, 'builtin', 'builtin', NULL, 8192, 1, true),
	('state_analyzer', 1, 'builtin', 'builtin', NULL, 8192, 1, true),
	('timing_strategist', 1, 'builtin', 'builtin', NULL, 8192, 1, true),
	('wave1_evaluator', 1, 'builtin', 'builtin', 0.1, 15000, 1, true),
	('channel_selector', 2, 'builtin', 'builtin', NULL, 8192, 1, true),
	('content_generator', 2, 'builtin', 'builtin', NULL, 8192, 1, true),
	('sequence_strategist', 2, 'builtin', 'builtin', NULL, 8192, 1, true),
	('synthesis_orchestrator', 3, 'builtin', 'builtin', 0.6, 10000, 1, true),
	('decision_evaluator', 4, 'builtin', 'builtin', NULL, 8192, 1, true);

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

-- Who answers a sequence answers its family; who writes or books of their own accord wants to talk to sales, unless it is a form of marketing's.
INSERT INTO signal_rule (event_type, channel, answers, family, builtin) VALUES
	('reply', '*', '*', 'sales', true),
	('reply', '*', 'marketing', 'marketing', true),
	('reply', 'form', '*', 'marketing', true),
	('reply', 'newsletter', '*', 'marketing', true),
	('reply', 'webinar', '*', 'marketing', true),
	('reply', 'event', '*', 'marketing', true),
	('meeting_booked', '*', '*', 'sales', true),
	('meeting_booked', '*', 'marketing', 'marketing', true);

DO $do$
DECLARE
	t text;
BEGIN
	FOREACH t IN ARRAY '{sequence_type,type_transition,signal_rule,crm_mapping}'::text[]
	LOOP
		EXECUTE format('CREATE TRIGGER seed_changed BEFORE UPDATE ON kam.%I FOR EACH ROW
			WHEN (OLD.builtin AND NEW.builtin AND OLD IS DISTINCT FROM NEW) EXECUTE FUNCTION kam._seed_changed()', t);
		EXECUTE format('CREATE TRIGGER seed_replaced BEFORE INSERT ON kam.%I FOR EACH ROW
			WHEN (NOT NEW.builtin) EXECUTE FUNCTION kam._seed_replaced()', t);
	END LOOP;
END
$do$;
