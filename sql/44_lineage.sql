-- What other agents write and read along the lineage of plays (spec AGT-302, wire 4): each row may name the play and the proposal it derives from.

CREATE TABLE ABMPlaybook (
	playbook_id		text PRIMARY KEY CHECK (playbook_id <> ''),
	account_id		text REFERENCES Accounts,
	lead_id			text,
	sequence_type	text REFERENCES sequence_type,
	steps			jsonb NOT NULL DEFAULT '[]' CHECK (jsonb_typeof(steps) = 'array'),
	state			text NOT NULL DEFAULT 'draft' CHECK (state IN ('draft', 'active', 'ended')),
	attributes		jsonb NOT NULL DEFAULT '{}',
	created_at		timestamptz NOT NULL DEFAULT kam._now(),
	play_id			text REFERENCES SalesPlayLibrary,
	originating_proposal_id text REFERENCES BrainAnalysisLog,
	home			bigint NOT NULL DEFAULT kam._home(),
	CONSTRAINT abmplaybook_for_somebody CHECK (account_id IS NOT NULL OR lead_id IS NOT NULL OR state <> 'active')
);
COMMENT ON TABLE ABMPlaybook IS 'Sequences for accounts in account-based marketing (AGT-203). While a row is active the schedules enrol its lead, once, through all gates; when it ends, the sequence is stopped.';
COMMENT ON COLUMN ABMPlaybook.playbook_id IS 'Key.';
COMMENT ON COLUMN ABMPlaybook.account_id IS 'The account.';
COMMENT ON COLUMN ABMPlaybook.lead_id IS 'The lead; NULL for the account''s primary one: the lowest lead_id with an address.';
COMMENT ON COLUMN ABMPlaybook.sequence_type IS 'Type of the sequence; NULL for abm.';
COMMENT ON COLUMN ABMPlaybook.steps IS 'As Cadence.steps.';
COMMENT ON COLUMN ABMPlaybook.state IS 'draft, active, ended.';
COMMENT ON COLUMN ABMPlaybook.attributes IS 'Everything else.';
COMMENT ON COLUMN ABMPlaybook.created_at IS 'When.';
COMMENT ON COLUMN ABMPlaybook.play_id IS 'The play it derives from.';
COMMENT ON COLUMN ABMPlaybook.originating_proposal_id IS 'The proposal that the play derives from; inherited from play_id.';
COMMENT ON COLUMN ABMPlaybook.home IS 'The database it was written in; rows of another enrol nobody until kam_resume().';

CREATE TABLE ExpansionLog (
	expansion_id	text PRIMARY KEY CHECK (expansion_id <> ''),
	account_id		text REFERENCES Accounts,
	body			jsonb NOT NULL DEFAULT '{}',
	created_at		timestamptz NOT NULL DEFAULT kam._now(),
	play_id			text REFERENCES SalesPlayLibrary,
	originating_proposal_id text REFERENCES BrainAnalysisLog
);
COMMENT ON TABLE ExpansionLog IS 'Expansions.';
COMMENT ON COLUMN ExpansionLog.expansion_id IS 'Key.';
COMMENT ON COLUMN ExpansionLog.account_id IS 'The account.';
COMMENT ON COLUMN ExpansionLog.body IS 'The record.';
COMMENT ON COLUMN ExpansionLog.created_at IS 'When.';
COMMENT ON COLUMN ExpansionLog.play_id IS 'The play it derives from.';
COMMENT ON COLUMN ExpansionLog.originating_proposal_id IS 'The proposal that the play derives from; inherited from play_id.';

CREATE TABLE QBRLog (
	qbr_id			text PRIMARY KEY CHECK (qbr_id <> ''),
	account_id		text REFERENCES Accounts,
	body			jsonb NOT NULL DEFAULT '{}',
	created_at		timestamptz NOT NULL DEFAULT kam._now(),
	play_id			text REFERENCES SalesPlayLibrary,
	originating_proposal_id text REFERENCES BrainAnalysisLog
);
COMMENT ON TABLE QBRLog IS 'Quarterly business reviews.';
COMMENT ON COLUMN QBRLog.qbr_id IS 'Key.';
COMMENT ON COLUMN QBRLog.account_id IS 'The account.';
COMMENT ON COLUMN QBRLog.body IS 'The record.';
COMMENT ON COLUMN QBRLog.created_at IS 'When.';
COMMENT ON COLUMN QBRLog.play_id IS 'The play it derives from.';
COMMENT ON COLUMN QBRLog.originating_proposal_id IS 'The proposal that the play derives from; inherited from play_id.';

CREATE TABLE OpportunityBriefLog (
	brief_id		text PRIMARY KEY CHECK (brief_id <> ''),
	account_id		text REFERENCES Accounts,
	body			jsonb NOT NULL DEFAULT '{}',
	created_at		timestamptz NOT NULL DEFAULT kam._now(),
	play_id			text REFERENCES SalesPlayLibrary,
	originating_proposal_id text REFERENCES BrainAnalysisLog
);
COMMENT ON TABLE OpportunityBriefLog IS 'Briefs on opportunities.';
COMMENT ON COLUMN OpportunityBriefLog.brief_id IS 'Key.';
COMMENT ON COLUMN OpportunityBriefLog.account_id IS 'The account.';
COMMENT ON COLUMN OpportunityBriefLog.body IS 'The record.';
COMMENT ON COLUMN OpportunityBriefLog.created_at IS 'When.';
COMMENT ON COLUMN OpportunityBriefLog.play_id IS 'The play it derives from.';
COMMENT ON COLUMN OpportunityBriefLog.originating_proposal_id IS 'The proposal that the play derives from; inherited from play_id.';

CREATE TABLE CommBriefLog (
	brief_id		text PRIMARY KEY CHECK (brief_id <> ''),
	account_id		text REFERENCES Accounts,
	lead_id			text,
	body			jsonb NOT NULL DEFAULT '{}',
	created_at		timestamptz NOT NULL DEFAULT kam._now(),
	play_id			text REFERENCES SalesPlayLibrary,
	originating_proposal_id text REFERENCES BrainAnalysisLog
);
COMMENT ON TABLE CommBriefLog IS 'Briefs on communications.';
COMMENT ON COLUMN CommBriefLog.brief_id IS 'Key.';
COMMENT ON COLUMN CommBriefLog.account_id IS 'The account.';
COMMENT ON COLUMN CommBriefLog.lead_id IS 'The lead.';
COMMENT ON COLUMN CommBriefLog.body IS 'The record.';
COMMENT ON COLUMN CommBriefLog.created_at IS 'When.';
COMMENT ON COLUMN CommBriefLog.play_id IS 'The play it derives from.';
COMMENT ON COLUMN CommBriefLog.originating_proposal_id IS 'The proposal that the play derives from; inherited from play_id.';

CREATE TABLE NurtureRecommendations (
	recommendation_id text PRIMARY KEY CHECK (recommendation_id <> ''),
	account_id		text REFERENCES Accounts,
	lead_id			text,
	body			jsonb NOT NULL DEFAULT '{}',
	suppressed_reason text,
	created_at		timestamptz NOT NULL DEFAULT kam._now(),
	play_id			text REFERENCES SalesPlayLibrary,
	originating_proposal_id text REFERENCES BrainAnalysisLog
);
COMMENT ON TABLE NurtureRecommendations IS 'What AGT-304 recommends, and what it held back itself.';
COMMENT ON COLUMN NurtureRecommendations.recommendation_id IS 'Key.';
COMMENT ON COLUMN NurtureRecommendations.account_id IS 'The account.';
COMMENT ON COLUMN NurtureRecommendations.lead_id IS 'The lead.';
COMMENT ON COLUMN NurtureRecommendations.body IS 'The record.';
COMMENT ON COLUMN NurtureRecommendations.suppressed_reason IS 'Why AGT-304 held it back.';
COMMENT ON COLUMN NurtureRecommendations.created_at IS 'When.';
COMMENT ON COLUMN NurtureRecommendations.play_id IS 'The play it derives from.';
COMMENT ON COLUMN NurtureRecommendations.originating_proposal_id IS 'The proposal that the play derives from; inherited from play_id.';

CREATE TABLE Opportunities (
	opportunity_id	text PRIMARY KEY CHECK (opportunity_id <> ''),
	account_id		text REFERENCES Accounts,
	lead_id			text,
	name			text,
	stage			text,
	status			text CHECK (status IN ('OPEN', 'WON', 'LOST')),
	amount			numeric,
	currency		text,
	created_at		timestamptz NOT NULL DEFAULT kam._now(),
	closed_at		timestamptz,
	play_id			text REFERENCES SalesPlayLibrary,
	originating_proposal_id text REFERENCES BrainAnalysisLog
);
CREATE INDEX opportunities_account ON Opportunities (account_id);
COMMENT ON TABLE Opportunities IS 'Deals, as the CRM has them: what plays are compared by.';
COMMENT ON COLUMN Opportunities.opportunity_id IS 'The CRM''s key.';
COMMENT ON COLUMN Opportunities.account_id IS 'The account.';
COMMENT ON COLUMN Opportunities.lead_id IS 'The lead.';
COMMENT ON COLUMN Opportunities.name IS 'Name.';
COMMENT ON COLUMN Opportunities.stage IS 'Stage.';
COMMENT ON COLUMN Opportunities.status IS 'OPEN, WON, LOST.';
COMMENT ON COLUMN Opportunities.amount IS 'Annual contract value.';
COMMENT ON COLUMN Opportunities.currency IS 'ISO 4217.';
COMMENT ON COLUMN Opportunities.created_at IS 'When it was opened.';
COMMENT ON COLUMN Opportunities.closed_at IS 'When it was won or lost.';
COMMENT ON COLUMN Opportunities.play_id IS 'The play it derives from.';
COMMENT ON COLUMN Opportunities.originating_proposal_id IS 'The proposal that the play derives from; inherited from play_id.';

-- ---- inheritance ---------------------------------------------------------------------

CREATE FUNCTION _inherit_proposal() RETURNS trigger
	LANGUAGE plpgsql SECURITY DEFINER
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
DECLARE
	proposal text;
BEGIN
	SELECT p.originating_proposal_id INTO proposal FROM kam.SalesPlayLibrary p WHERE p.play_id = NEW.play_id;
	IF NOT FOUND THEN
		RETURN NEW;				-- the foreign key says so
	END IF;
	-- Another play brings another proposal along.
	IF TG_OP = 'UPDATE' THEN
		IF NEW.play_id IS DISTINCT FROM OLD.play_id AND NEW.originating_proposal_id IS NOT DISTINCT FROM OLD.originating_proposal_id THEN
			NEW.originating_proposal_id := NULL;
		END IF;
	END IF;
	IF NEW.originating_proposal_id IS NOT NULL AND NEW.originating_proposal_id IS DISTINCT FROM proposal THEN
		RAISE EXCEPTION USING ERRCODE = 'check_violation', TABLE = TG_TABLE_NAME, SCHEMA = TG_TABLE_SCHEMA, COLUMN = 'originating_proposal_id',
			MESSAGE = format('play "%s" does not derive from proposal "%s"', NEW.play_id, NEW.originating_proposal_id),
			DETAIL = CASE WHEN proposal IS NULL THEN 'No brain had part in it.' ELSE format('It derives from "%s".', proposal) END,
			HINT = 'Leave originating_proposal_id out: it is inherited from the play.';
	END IF;
	NEW.originating_proposal_id := proposal;
	RETURN NEW;
END
$$;
COMMENT ON FUNCTION _inherit_proposal() IS 'Row trigger: a row that names a play has the proposal that the play derives from; another one raises 23514.';

CREATE TRIGGER _inherit_proposal BEFORE INSERT OR UPDATE OF play_id, originating_proposal_id ON ABMPlaybook
	FOR EACH ROW WHEN (NEW.play_id IS NOT NULL) EXECUTE FUNCTION _inherit_proposal();
CREATE TRIGGER _inherit_proposal BEFORE INSERT OR UPDATE OF play_id, originating_proposal_id ON ExpansionLog
	FOR EACH ROW WHEN (NEW.play_id IS NOT NULL) EXECUTE FUNCTION _inherit_proposal();
CREATE TRIGGER _inherit_proposal BEFORE INSERT OR UPDATE OF play_id, originating_proposal_id ON QBRLog
	FOR EACH ROW WHEN (NEW.play_id IS NOT NULL) EXECUTE FUNCTION _inherit_proposal();
CREATE TRIGGER _inherit_proposal BEFORE INSERT OR UPDATE OF play_id, originating_proposal_id ON OpportunityBriefLog
	FOR EACH ROW WHEN (NEW.play_id IS NOT NULL) EXECUTE FUNCTION _inherit_proposal();
CREATE TRIGGER _inherit_proposal BEFORE INSERT OR UPDATE OF play_id, originating_proposal_id ON CommBriefLog
	FOR EACH ROW WHEN (NEW.play_id IS NOT NULL) EXECUTE FUNCTION _inherit_proposal();
CREATE TRIGGER _inherit_proposal BEFORE INSERT OR UPDATE OF play_id, originating_proposal_id ON NurtureRecommendations
	FOR EACH ROW WHEN (NEW.play_id IS NOT NULL) EXECUTE FUNCTION _inherit_proposal();
CREATE TRIGGER _inherit_proposal BEFORE INSERT OR UPDATE OF play_id, originating_proposal_id ON Opportunities
	FOR EACH ROW WHEN (NEW.play_id IS NOT NULL) EXECUTE FUNCTION _inherit_proposal();
-- An import of enrolments; the gate names both.
CREATE TRIGGER _inherit_proposal BEFORE INSERT OR UPDATE OF play_id, originating_proposal_id ON Cadence
	FOR EACH ROW WHEN (NEW.play_id IS NOT NULL AND NEW.originating_proposal_id IS NULL) EXECUTE FUNCTION _inherit_proposal();
