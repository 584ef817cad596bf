-- The retrospective, checked by hand.
\set home :DBNAME
SET client_min_messages = error;
DROP DATABASE IF EXISTS regress_retrospective;
CREATE DATABASE regress_retrospective TEMPLATE template0 ENCODING 'UTF8';
\c regress_retrospective
CREATE EXTENSION kam;
\getenv srcdir PG_ABS_SRCDIR
\set helpers :srcdir /helpers.sql
\i :helpers
\set ECHO none
SET timezone = 'UTC';
SELECT set_config('kam.default_timezone', 'UTC', false), set_config('kam.clock', '2026-01-05T09:00:00Z', false) \gset
\set ECHO all
INSERT INTO kam.BrainAnalysisLog (proposal_id) VALUES ('B');
INSERT INTO kam.SalesPlayLibrary (play_id, state, originating_proposal_id) VALUES ('brain', 'active', 'B'), ('human', 'active', NULL);
INSERT INTO kam.Accounts (account_id) SELECT a FROM unnest('{b1,b2,b3,b4,h1,h2,m1,u1}'::text[]) a;
INSERT INTO kam.Leads (lead_id, account_id, email) SELECT a.account_id || l, a.account_id, a.account_id || l || '@example.com' FROM kam.Accounts a, unnest('{x,y}'::text[]) l;
-- One touch each on 5 January: b* by the brain's play, h* by a person's play or by AGT-301, m1 by both.
INSERT INTO kam.CadenceEventLog (lead_id, sequence_id, sequence_type, event_type, play_id, step)
SELECT l.lead_id, 's', 'play', e.event, CASE WHEN l.play <> '' THEN l.play END, e.step
  FROM (VALUES ('b1x', 'brain'), ('b2x', 'brain'), ('b3y', 'brain'), ('b4x', 'brain'), ('h1x', 'human'), ('h2x', ''), ('m1x', 'brain'), ('m1y', '')) l (lead_id, play),
       (VALUES ('activation', NULL), ('touch', 1)) e (event, step)
 ORDER BY l.lead_id, e.step NULLS FIRST;
-- A touch that was held counts for nobody: what reaches u1 is observed only.
INSERT INTO kam.CadenceEventLog (lead_id, sequence_type, event_type) VALUES ('u1x', 'outbound', 'touch_observed');

INSERT INTO kam.Opportunities (opportunity_id, account_id, lead_id, status, amount, currency, created_at, closed_at) VALUES
	('1', 'b1', NULL, 'WON', 1000, 'EUR', '2026-01-10', '2026-01-20'),			-- 10 days
	('2', 'b2', NULL, 'WON', 2000, 'EUR', '2026-01-10', '2026-02-09'),			-- 30 days
	('3', 'b3', NULL, 'WON', 6000, 'EUR', '2026-01-01', '2026-03-02T12:00Z'),		-- 60.5 days
	('4', 'b4', NULL, 'LOST', 9999, 'EUR', '2026-01-10', '2026-03-31T23:59:59Z'),	-- still the first quarter
	('5', 'b4', NULL, 'OPEN', 9999, 'EUR', '2026-02-10', NULL),
	('6', NULL, 'h1x', 'WON', 500, 'EUR', '2026-01-10', '2026-01-11'),				-- by its lead alone
	('7', 'h2', NULL, 'LOST', NULL, NULL, '2026-01-10', '2026-02-10'),
	('8', 'm1', NULL, 'WON', 100, 'EUR', '2026-01-10', '2026-01-30'),
	('9', 'm1', NULL, 'WON', 100, 'USD', '2026-01-10', '2026-01-30'),
	('10', 'u1', NULL, 'WON', 7777, 'EUR', '2026-01-10', '2026-01-30'),				-- nobody's
	('11', 'b1', NULL, 'WON', 300, 'EUR', '2026-04-04', '2026-04-05'),				-- 89 days after the touch: the second quarter
	('12', 'b1', NULL, 'WON', 300, 'EUR', '2026-04-10', '2026-04-12'),				-- 95 days: nobody's
	('13', 'b1', NULL, 'LOST', 300, 'EUR', '2026-01-01', '2026-01-04');				-- closed before the touch: nobody's
INSERT INTO kam.Opportunities (opportunity_id, account_id, status, created_at, closed_at, play_id) VALUES
	('14', 'u1', 'LOST', '2026-01-10', '2026-01-12', 'brain'),						-- its own word
	('15', 'u1', 'LOST', '2026-01-10', '2026-01-12', 'human'),
	('16', 'h2', 'LOST', '2026-05-10', '2026-05-12', 'brain');						-- the touch is too old, so not mixed
SELECT o.opportunity_id, kam._deal_cohort(o) FROM kam.Opportunities o ORDER BY o.opportunity_id::integer;
-- brain, Q1: won 1, 2, 3, lost 4, 14: 3 of 5 = 0.6, Wilson (0.6 + 3.8415/10 ± 1.96 * sqrt(0.6 * 0.4 / 5 + 3.8415/100)) / (1 + 3.8415/5) = 0.231 to 0.882;
-- cycles 10, 30, 60.5; amounts 1000, 2000, 6000: mean 3000, median 2000; open 5.  non_brain: 6 won, 7 and 15 lost.  mixed: 8 and 9, in two currencies.
SELECT * FROM kam.cohort_retrospective ORDER BY quarter, cohort;
-- From thirty on without a warning.
INSERT INTO kam.Opportunities (opportunity_id, account_id, status, amount, currency, created_at, closed_at)
SELECT 'more ' || g, 'b2', CASE WHEN g <= 12 THEN 'WON' ELSE 'LOST' END, 2000, 'EUR', '2026-01-10', '2026-01-25' FROM generate_series(1, 25) g;
SELECT n, won, win_rate, win_rate_low, win_rate_high, median_cycle_days, mean_acv, note FROM kam.cohort_retrospective WHERE quarter = '2026-Q1' AND cohort = 'brain';
DELETE FROM kam.Opportunities WHERE opportunity_id = 'more 25';
SELECT n, note FROM kam.cohort_retrospective WHERE quarter = '2026-Q1' AND cohort = 'brain';
-- People who judge may look.
CREATE ROLE ret_reviewer; GRANT kam_review TO ret_reviewer;
SET ROLE ret_reviewer;
SELECT count(*) FROM kam.cohort_retrospective;
RESET ROLE;
DROP ROLE ret_reviewer;
\c :home
DROP DATABASE regress_retrospective;
