-- What plays that a brain had part in have brought, beside the others, by quarter: cohort-wise, never deal by deal.

CREATE FUNCTION _deal_cohort(deal Opportunities) RETURNS text
	LANGUAGE sql STABLE PARALLEL SAFE SECURITY DEFINER
	SET search_path = pg_catalog, kam, pg_temp
	BEGIN ATOMIC
		-- The deal's own word counts as an event's does: both are inherited from the play.
		SELECT CASE WHEN bool_or(t.brain) AND bool_or(NOT t.brain) THEN 'mixed' WHEN bool_or(t.brain) THEN 'brain' WHEN bool_or(NOT t.brain) THEN 'non_brain' END
		  FROM (SELECT deal.originating_proposal_id IS NOT NULL AS brain WHERE deal.originating_proposal_id IS NOT NULL OR deal.play_id IS NOT NULL
		        UNION ALL
		        SELECT e.originating_proposal_id IS NOT NULL
		          FROM (SELECT kam._canonical(deal.lead_id) AS lead_id WHERE deal.lead_id IS NOT NULL
		                UNION
		                SELECT l.lead_id FROM kam.Leads l WHERE l.account_id = deal.account_id) l
		         CROSS JOIN LATERAL unnest(kam._lead_ids(l.lead_id)) i (lead_id)
		          JOIN kam.CadenceEventLog e ON e.lead_id = i.lead_id
		         WHERE e.touch_no IS NOT NULL AND e.event_type = 'touch' AND e.coordinator_action = 'executed'
		           AND e.event_at >= deal.created_at - interval '2160:00:00' AND e.event_at < coalesce(deal.closed_at, 'infinity')) t;
	END;
COMMENT ON FUNCTION _deal_cohort(Opportunities) IS 'brain, non_brain, mixed: by the executed touches to the deal''s lead and to leads of its account within 90 days before it was opened and until it closed; NULL when there were none.';

CREATE VIEW cohort_retrospective AS
WITH deal AS (
	SELECT o.*, kam._deal_cohort(o) AS cohort,
	       date_trunc('quarter', (CASE WHEN o.status = 'OPEN' THEN o.created_at ELSE coalesce(o.closed_at, o.created_at) END) AT TIME ZONE current_setting('kam.default_timezone'))::date AS starts,
	       o.status = 'WON' AS won
	  FROM Opportunities o
	 WHERE o.status IS NOT NULL
), counted AS (
	SELECT d.starts, d.cohort,
	       count(*) FILTER (WHERE d.won) AS won,
	       count(*) FILTER (WHERE d.status = 'LOST') AS lost,
	       count(*) FILTER (WHERE d.status = 'OPEN') AS open,
	       percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM d.closed_at - d.created_at) / 86400)
	           FILTER (WHERE d.won AND d.closed_at >= d.created_at) AS cycle,
	       count(DISTINCT coalesce(d.currency, '')) FILTER (WHERE d.won AND d.amount IS NOT NULL) AS currencies,
	       min(d.currency) FILTER (WHERE d.won AND d.amount IS NOT NULL) AS currency,
	       avg(d.amount) FILTER (WHERE d.won) AS mean,
	       percentile_cont(0.5) WITHIN GROUP (ORDER BY d.amount::float8) FILTER (WHERE d.won AND d.amount IS NOT NULL) AS median
	  FROM deal d
	 WHERE d.cohort IS NOT NULL
	 GROUP BY d.starts, d.cohort
)
SELECT to_char(c.starts, 'YYYY"-Q"Q') AS quarter,
       c.cohort,
       c.won + c.lost AS n,
       c.won,
       c.lost,
       c.open,
       round(c.won::numeric / nullif(c.won + c.lost, 0), 3) AS win_rate,
       w.low AS win_rate_low,
       w.high AS win_rate_high,
       round(c.cycle::numeric, 1) AS median_cycle_days,
       CASE WHEN c.currencies = 1 THEN round(c.mean, 2) END AS mean_acv,
       CASE WHEN c.currencies = 1 THEN round(c.median::numeric, 2) END AS median_acv,
       CASE WHEN c.currencies = 1 THEN c.currency END AS currency,
       concat_ws('; ', CASE WHEN c.won + c.lost < 30 THEN 'n under 30: do not compare' END,
                       CASE WHEN c.currencies > 1 THEN 'ACV in several currencies: not added up' END) AS note
  FROM counted c
 CROSS JOIN LATERAL _wilson(c.won, c.won + c.lost) w;
COMMENT ON VIEW cohort_retrospective IS 'Outcomes by quarter and cohort. A deal is of the cohort brain when all executed touches to its lead and to leads of its account, from 90 days before it was opened until it closed, come from plays that a brain proposed (originating_proposal_id), non_brain when none does, mixed when some do; a play that the deal itself names counts as such a touch; deals without any are in no cohort. Won and lost deals count in the quarter in which they closed, open ones in that in which they were opened (kam.default_timezone). Cohorts are compared, not deals: under n = 30 they should not be. Example: SELECT cohort, n, win_rate, win_rate_low, win_rate_high, median_cycle_days, median_acv, note FROM kam.cohort_retrospective WHERE quarter = ''2026-Q1'' ORDER BY cohort;';
COMMENT ON COLUMN cohort_retrospective.quarter IS 'Such as 2026-Q1, in kam.default_timezone.';
COMMENT ON COLUMN cohort_retrospective.cohort IS 'brain, non_brain, mixed.';
COMMENT ON COLUMN cohort_retrospective.n IS 'Deals closed: won + lost.';
COMMENT ON COLUMN cohort_retrospective.won IS 'Deals won.';
COMMENT ON COLUMN cohort_retrospective.lost IS 'Deals lost.';
COMMENT ON COLUMN cohort_retrospective.open IS 'Deals opened in the quarter and still open; in no rate.';
COMMENT ON COLUMN cohort_retrospective.win_rate IS 'won / n; NULL for n = 0.';
COMMENT ON COLUMN cohort_retrospective.win_rate_low IS 'Of the 95 % interval of the win rate (Wilson).';
COMMENT ON COLUMN cohort_retrospective.win_rate_high IS 'Of the 95 % interval of the win rate (Wilson).';
COMMENT ON COLUMN cohort_retrospective.median_cycle_days IS 'Median days from created_at to closed_at of deals won.';
COMMENT ON COLUMN cohort_retrospective.mean_acv IS 'Mean amount of deals won; NULL when they are in several currencies.';
COMMENT ON COLUMN cohort_retrospective.median_acv IS 'Median amount of deals won; NULL when they are in several currencies.';
COMMENT ON COLUMN cohort_retrospective.currency IS 'Of both amounts; NULL when it is not said.';
COMMENT ON COLUMN cohort_retrospective.note IS 'What speaks against comparing; empty when nothing does.';
