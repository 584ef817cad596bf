-- kam_decide: the sample contacts, each with the decision a person expects.
\getenv srcdir PG_ABS_SRCDIR
\set helpers :srcdir /helpers.sql
\i :helpers

SET timezone = 'Europe/Paris';
CREATE TEMP TABLE decided AS
	SELECT x AS name, c, e, kam.kam_decide(c, (e ->> 'as_of')::timestamptz) AS d
	  FROM pg_temp.examples() x, pg_temp.example(x) c, pg_temp.example(x || '.expect') e;
SELECT name, d #>> '{final_decision,action}' AS action, d #>> '{final_decision,wait_type,type}' AS wait_type,
       d #>> '{final_decision,selected_channel}' AS channel, d #>> '{final_decision,selected_content,variant}' AS variant
  FROM decided ORDER BY name COLLATE "C";
-- Where a decision is not the expected one.
SELECT name, e - 'why' AS expected, d #> '{final_decision,execution_timing}' AS timing
  FROM decided
 WHERE d #>> '{final_decision,action}' IS DISTINCT FROM e ->> 'action'
    OR d #>> '{final_decision,wait_type,type}' IS DISTINCT FROM e ->> 'wait_type'
    OR d #>> '{final_decision,selected_channel}' IS DISTINCT FROM e ->> 'selected_channel'
    OR d #>> '{final_decision,selected_content,variant}' IS DISTINCT FROM e ->> 'variant'
    OR left(d #>> '{final_decision,execution_timing,execute_at}', 10) <> e ->> 'execute_on'
    OR left(d #>> '{final_decision,execution_timing,reevaluate_at}', 10) IS DISTINCT FROM e ->> 'reevaluate_on'
 ORDER BY name COLLATE "C";

-- The shape of contract section 5: all keys in every decision.
SELECT DISTINCT string_agg(k, ' ' ORDER BY k COLLATE "C") AS keys
  FROM decided, jsonb_object_keys(d -> 'final_decision') k GROUP BY name;
SELECT DISTINCT string_agg(k, ' ' ORDER BY k COLLATE "C") AS metadata FROM decided, jsonb_object_keys(d -> 'metadata') k GROUP BY name;
SELECT DISTINCT string_agg(k, ' ' ORDER BY k COLLATE "C") AS checks
  FROM decided, jsonb_object_keys(d #> '{final_decision,synthesis_safety_checks}') k GROUP BY name;
-- The score adds up; office hours are kept.
SELECT count(*) FILTER (WHERE abs((b ->> 'base_score')::numeric + f.total - (b ->> 'calculated_total')::numeric) > 0.005) AS wrong_sums,
       count(*) FILTER (WHERE (r ->> 'opportunity_strength')::numeric <> (b ->> 'calculated_total')::numeric) AS wrong_totals
  FROM decided, LATERAL (SELECT d #> '{final_decision,rationale}') x (r), LATERAL (SELECT r -> 'opportunity_strength_breakdown') y (b),
       LATERAL (SELECT coalesce(sum((i ->> 'impact')::numeric), 0) FROM jsonb_array_elements(b -> 'factors') i) f (total);
SELECT count(*) AS out_of_office_hours
  FROM decided, LATERAL (SELECT (d #>> '{final_decision,execution_timing,execute_at}')::timestamptz
                         AT TIME ZONE (d #>> '{final_decision,execution_timing,timezone}')) t (at)
 WHERE extract(isodow FROM at) > 5 OR at::time NOT BETWEEN '09:00' AND '18:00';

-- The same contact gets the same decision, in whatever order and zone its activities are written; only the evidence points to where things stand now.
SELECT count(*) AS differ
  FROM decided, LATERAL (SELECT jsonb_set(c, '{activities}', coalesce((
	SELECT jsonb_agg(a || jsonb_build_object('recorded_on', to_char((a ->> 'recorded_on')::timestamptz AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')) ORDER BY md5(a::text))
	  FROM jsonb_array_elements(c -> 'activities') a), '[]')) || '{"unknown": 1e400}') s (other)
 WHERE pg_temp.bare(kam.kam_decide(other, (e ->> 'as_of')::timestamptz) -> 'final_decision') <> pg_temp.bare(d -> 'final_decision');

-- In parallel workers too.
SET max_parallel_workers_per_gather = 2;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
CREATE TABLE decide_parallel AS SELECT c, e FROM decided, generate_series(1, 4);
ALTER TABLE decide_parallel SET (parallel_workers = 2);
SELECT count(kam.kam_decide(c, (e ->> 'as_of')::timestamptz)) = (SELECT 4 * count(*) FROM decided) AS all_decided FROM decide_parallel;
DROP TABLE decide_parallel;

-- What may be drawn on is read when it changes, in the transaction that changes it too.
SELECT pg_temp.contact(
	pg_temp.act('email', '2026-03-03T09:00:00+01:00', 'outbound', 'Bonjour Ines, comment gérez-vous vos relances ?'),
	pg_temp.act('email', '2026-03-04T09:00:00+01:00', 'inbound', 'Bonjour, auriez-vous un document sur la facturation électronique ?')) AS c \gset
SELECT kam.kam_decide(:'c', '2026-03-05 10:00+01')::text ~ 'Guide de la facturation' AS offered;
BEGIN;
INSERT INTO kam.resource (resource_id, title, url, language, match_terms)
VALUES ('guide', 'Guide de la facturation électronique', 'https://x.example/guide', 'fr', '{facturation électronique}');
SELECT kam.kam_decide(:'c', '2026-03-05 10:00+01')::text ~ 'Guide de la facturation' AS offered;
ROLLBACK;
SELECT kam.kam_decide(:'c', '2026-03-05 10:00+01')::text ~ 'Guide de la facturation' AS offered;
