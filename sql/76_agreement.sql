-- How often people agree with decisions: by what was decided, and by who and what decided it.

CREATE FUNCTION _wilson(hits bigint, n bigint, OUT low numeric, OUT high numeric)
	RETURNS record
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, kam, pg_temp
	BEGIN ATOMIC
		SELECT CASE WHEN _wilson.n > 0 THEN round(greatest(0, w.centre - w.half)::numeric, 3) END, CASE WHEN _wilson.n > 0 THEN round(least(1, w.centre + w.half)::numeric, 3) END
		  FROM (SELECT (p.p + z.z * z.z / (2 * p.n)) / (1 + z.z * z.z / p.n) AS centre,
		               z.z * sqrt(p.p * (1 - p.p) / p.n + z.z * z.z / (4 * p.n * p.n)) / (1 + z.z * z.z / p.n) AS half
		          FROM (SELECT greatest(_wilson.n, 1)::float8 AS n, _wilson.hits::float8 / greatest(_wilson.n, 1) AS p) p, (SELECT 1.959964::float8 AS z) z) w;
	END;
COMMENT ON FUNCTION _wilson(bigint, bigint) IS 'The 95 % interval of a share of n by Wilson''s score: honest for few, and for shares near 0 and 1. NULL for n = 0.';

CREATE VIEW kam_agreement AS
WITH judged AS (
	SELECT d.session_id, d.action, d.selected_channel AS channel, d.owner_name AS owner, d.type_of_validation AS verdict
	  FROM final_decision d WHERE d.type_of_validation <> ''
), made AS (
	-- Who answered last: a call that was repaired or stood in for counts for what stood in.
	SELECT DISTINCT ON (j.session_id, c.agent) j.verdict, c.agent, c.provider, c.model, c.prompt_version
	  FROM judged j JOIN agent_call c USING (session_id)
	 WHERE c.status = 'succeeded'
	 ORDER BY j.session_id, c.agent, c.call_no DESC
), grouped AS (
	SELECT 'all' AS by, NULL::text AS name, verdict FROM judged
	UNION ALL SELECT 'action', action, verdict FROM judged
	UNION ALL SELECT 'channel', channel, verdict FROM judged WHERE channel IS NOT NULL
	UNION ALL SELECT 'owner', owner, verdict FROM judged WHERE owner IS NOT NULL
	UNION ALL SELECT 'model', provider || '/' || model, verdict FROM made WHERE agent = 'synthesis_orchestrator'
	UNION ALL SELECT 'prompt', agent || '/' || prompt_version, verdict FROM made WHERE provider <> 'builtin'
), counted AS (
	SELECT g.by, g.name, count(*) AS n, count(*) FILTER (WHERE verdict = 'approved') AS approved, count(*) FILTER (WHERE verdict = 'edited') AS edited,
	       count(*) FILTER (WHERE verdict = 'rejected') AS rejected
	  FROM grouped g GROUP BY g.by, g.name
)
SELECT c.by, c.name, c.n, c.approved, c.edited, c.rejected, round(c.approved::numeric / c.n, 3) AS rate, w.low, w.high,
       CASE WHEN c.n < 30 THEN 'fewer than 30 verdicts: the interval says more than the rate' END AS note
  FROM counted c CROSS JOIN LATERAL _wilson(c.approved, c.n) w;
COMMENT ON VIEW kam_agreement IS 'How far people agree with decisions, from their verdicts (kam_validate): one row for all, one per action, channel, owner, model that made the synthesis (provider/model), and prompt that a model was asked with (agent/version). Replays have no verdicts. Example: SELECT name, n, rate, low, high FROM kam.kam_agreement WHERE by = ''prompt'' ORDER BY name;';
COMMENT ON COLUMN kam_agreement.by IS 'all, action, channel, owner, model or prompt.';
COMMENT ON COLUMN kam_agreement.name IS 'Which one; NULL for all.';
COMMENT ON COLUMN kam_agreement.n IS 'Decisions that a person judged.';
COMMENT ON COLUMN kam_agreement.approved IS 'Approved as they were.';
COMMENT ON COLUMN kam_agreement.edited IS 'Sent with another message.';
COMMENT ON COLUMN kam_agreement.rejected IS 'Rejected.';
COMMENT ON COLUMN kam_agreement.rate IS 'approved / n.';
COMMENT ON COLUMN kam_agreement.low IS 'Of the 95 % interval of the rate (Wilson).';
COMMENT ON COLUMN kam_agreement.high IS 'Of the 95 % interval of the rate (Wilson).';
COMMENT ON COLUMN kam_agreement.note IS 'When there are too few to rely on the rate.';
