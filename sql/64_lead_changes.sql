-- What follows when somebody else than the gate writes Leads, Suppression or Accounts: mostly a CRM sync.

-- ---- Suppression -----------------------------------------------------------------------

CREATE FUNCTION _suppression_normal() RETURNS trigger
	LANGUAGE plpgsql SECURITY DEFINER
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
DECLARE
	plain text := kam._address(NEW.address);
BEGIN
	-- Of who was erased: by the erasure itself, or a restore.
	IF NEW.address ~ '^sha256:[0-9a-f]{64}$' AND NEW.kind IS NOT NULL THEN
		RETURN NEW;
	END IF;
	IF plain IS NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
			MESSAGE = format('not an address: %s', coalesce(quote_literal(NEW.address), 'NULL')),
			HINT = 'Give an e-mail address, a domain, a phone number with its country code, or a LinkedIn profile.';
	END IF;
	NEW.address := plain;
	NEW.kind := kam._address_kind(plain);
	IF TG_OP = 'INSERT' THEN
		-- Known by its hash is as good, and says less.
		IF EXISTS (SELECT FROM kam.Suppression s WHERE s.address <> plain AND s.address = ANY (kam._suppression_keys(ARRAY[plain]))) THEN
			RETURN NULL;
		END IF;
		-- Any other source outweighs a flag that a sync may clear again; and a dump's rows take the place of those that its leads just made.
		DELETE FROM kam.Suppression s WHERE s.address = plain AND s.source = 'lead_flag';
	ELSIF NEW.address <> OLD.address THEN
		NEW.settled_at := NULL;
	END IF;
	RETURN NEW;
END
$$;
COMMENT ON FUNCTION _suppression_normal() IS 'Row trigger: writes the address normalised and tells its kind; 22023 for what is no address. An insert takes the place of a lead_flag row; an address whose person was erased is not written again.';
CREATE TRIGGER _suppression_normal BEFORE INSERT OR UPDATE OF address, kind ON Suppression FOR EACH ROW EXECUTE FUNCTION _suppression_normal();
-- The schedules end what the leads with the address have running.
CREATE TRIGGER _suppression_wake AFTER INSERT OR UPDATE ON Suppression FOR EACH STATEMENT EXECUTE FUNCTION _wake();

-- ---- flags of Leads ----------------------------------------------------------------------

CREATE FUNCTION _suppress_flagged(lead Leads) RETURNS void
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
DECLARE
	named text := (kam._lead_addresses(lead))[1];
BEGIN
	IF named IS NULL OR EXISTS (SELECT FROM kam.Suppression s WHERE s.address = named) THEN
		RETURN;
	END IF;
	INSERT INTO kam.Suppression (address, kind, source, reason)
	VALUES (named, kam._address_kind(named), 'lead_flag',
		format('%s of lead %s', CASE WHEN lead.opt_out_flag THEN 'opt_out_flag' ELSE 'unsubscribe_flag' END, lead.lead_id))
	ON CONFLICT (address) DO NOTHING;
END
$$;
COMMENT ON FUNCTION _suppress_flagged(Leads) IS 'Suppresses the address that names a flagged lead best: its e-mail, else phone, else profile.';

CREATE FUNCTION _lead_flagged() RETURNS trigger
	LANGUAGE plpgsql SECURITY DEFINER
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
DECLARE
	reason text := CASE WHEN NEW.opt_out_flag THEN 'opted_out' ELSE 'unsubscribed' END;
	canonical text := kam._canonical(NEW.lead_id);
BEGIN
	PERFORM kam._suppress_flagged(NEW);
	IF canonical <> NEW.lead_id THEN
		-- Its own trigger does the rest.
		UPDATE kam.Leads l SET unsubscribe_flag = l.unsubscribe_flag OR NEW.unsubscribe_flag, opt_out_flag = l.opt_out_flag OR NEW.opt_out_flag
		 WHERE l.lead_id = canonical AND (NEW.unsubscribe_flag AND NOT l.unsubscribe_flag OR NEW.opt_out_flag AND NOT l.opt_out_flag);
	ELSIF NOT kam._stop_lead(NEW.lead_id, reason, kam._now()) AND TG_OP = 'UPDATE' THEN
		PERFORM kam._rebuild_state(NEW.lead_id);
	END IF;
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION _lead_flagged() IS 'Row trigger on Leads: a flag that somebody sets has the effects of an unsubscribe or opt_out event: the address is suppressed (source lead_flag), sequences end, holds are cancelled; of a merged lead, those of the lead that stands for it.';
CREATE TRIGGER _lead_flagged AFTER UPDATE OF unsubscribe_flag, opt_out_flag ON Leads FOR EACH ROW
	WHEN (NEW.unsubscribe_flag AND NOT OLD.unsubscribe_flag OR NEW.opt_out_flag AND NOT OLD.opt_out_flag)
	EXECUTE FUNCTION _lead_flagged();
CREATE TRIGGER _lead_came_flagged AFTER INSERT ON Leads FOR EACH ROW
	WHEN (NEW.unsubscribe_flag OR NEW.opt_out_flag)
	EXECUTE FUNCTION _lead_flagged();

CREATE FUNCTION _lead_cleared() RETURNS trigger
	LANGUAGE plpgsql SECURITY DEFINER
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
BEGIN
	IF NOT NEW.unsubscribe_flag AND NOT NEW.opt_out_flag THEN
		-- Only what flags had suppressed, and of an address that no other flagged lead has.
		DELETE FROM kam.Suppression s
		 WHERE s.source = 'lead_flag' AND s.address = ANY (kam._lead_addresses(OLD) || kam._lead_addresses(NEW))
		   AND NOT EXISTS (SELECT FROM kam.Leads l WHERE kam._address(l.email) = s.address AND (l.unsubscribe_flag OR l.opt_out_flag))
		   AND NOT EXISTS (SELECT FROM kam.Leads l WHERE kam._address(l.phone) = s.address AND (l.unsubscribe_flag OR l.opt_out_flag))
		   AND NOT EXISTS (SELECT FROM kam.Leads l WHERE kam._address(l.linkedin_url) = s.address AND (l.unsubscribe_flag OR l.opt_out_flag));
	END IF;
	IF kam._canonical(NEW.lead_id) = NEW.lead_id THEN
		PERFORM kam._rebuild_state(NEW.lead_id);
	END IF;
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION _lead_cleared() IS 'Row trigger on Leads: a flag that somebody clears lifts what it had suppressed itself (source lead_flag), nothing else, and revives nothing.';
CREATE TRIGGER _lead_cleared AFTER UPDATE OF unsubscribe_flag, opt_out_flag ON Leads FOR EACH ROW
	WHEN (OLD.unsubscribe_flag AND NOT NEW.unsubscribe_flag OR OLD.opt_out_flag AND NOT NEW.opt_out_flag)
	EXECUTE FUNCTION _lead_cleared();

-- ---- addresses of Leads ---------------------------------------------------------------------

CREATE FUNCTION _lead_moved() RETURNS trigger
	LANGUAGE plpgsql SECURITY DEFINER
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
DECLARE
	addresses text[] := kam._lead_addresses(NEW);
	said text;
BEGIN
	IF NEW.unsubscribe_flag OR NEW.opt_out_flag THEN
		PERFORM kam._suppress_flagged(NEW);
		RETURN NULL;
	END IF;
	IF cardinality(kam._lead_addresses(OLD)) = 0 AND cardinality(addresses) > 0 THEN
		-- What the person said while there was no address to suppress holds for the first that comes.
		SELECT e.event_type INTO said
		  FROM kam.CadenceEventLog e
		 WHERE e.lead_id = ANY (kam._lead_ids(NEW.lead_id)) AND e.event_type IN ('opt_out', 'unsubscribe')
		 ORDER BY e.event_id DESC LIMIT 1;
		IF FOUND THEN
			INSERT INTO kam.Suppression (address, kind, source) VALUES (addresses[1], kam._address_kind(addresses[1]), said)
			ON CONFLICT (address) DO NOTHING;
			PERFORM kam._rebuild_state(NEW.lead_id);
		END IF;
	END IF;
	-- The schedules have settled the new address long ago.
	IF kam._canonical(NEW.lead_id) = NEW.lead_id
	   AND EXISTS (SELECT FROM kam.Suppression s WHERE s.address = ANY (kam._suppression_keys(addresses || kam._address_domain(NEW.email)))) THEN
		PERFORM kam._stop_lead(NEW.lead_id, 'suppressed', kam._now());
	END IF;
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION _lead_moved() IS 'Row trigger on Leads: a flagged lead''s new address is suppressed too; a lead that takes on a suppressed address is stopped.';
CREATE TRIGGER _lead_moved AFTER UPDATE OF email, phone, linkedin_url ON Leads FOR EACH ROW
	WHEN ((OLD.email, OLD.phone, OLD.linkedin_url) IS DISTINCT FROM (NEW.email, NEW.phone, NEW.linkedin_url))
	EXECUTE FUNCTION _lead_moved();

-- ---- coming and going -------------------------------------------------------------------------

CREATE FUNCTION _leads_came() RETURNS trigger
	LANGUAGE plpgsql SECURITY DEFINER
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
BEGIN
	UPDATE kam.Leads l SET merged_into = a.canonical_id
	  FROM kam.lead_alias a
	 WHERE l.lead_id = a.lead_id AND l.lead_id IN (SELECT c.lead_id FROM came c) AND l.merged_into IS DISTINCT FROM a.canonical_id;
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION _leads_came() IS 'Statement trigger on Leads: a merged lead that a sync brings back stays merged.';
CREATE TRIGGER _leads_came AFTER INSERT ON Leads REFERENCING NEW TABLE AS came FOR EACH STATEMENT EXECUTE FUNCTION _leads_came();

CREATE FUNCTION _lead_renamed() RETURNS trigger
	LANGUAGE plpgsql
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
BEGIN
	RAISE EXCEPTION USING ERRCODE = 'feature_not_supported',
		MESSAGE = format('lead "%s" cannot become "%s"', OLD.lead_id, NEW.lead_id),
		HINT = format('Insert the new lead, then SELECT kam.kam_merge_leads(%L, %L): its history goes along.', OLD.lead_id, NEW.lead_id);
END
$$;
COMMENT ON FUNCTION _lead_renamed() IS 'Row trigger on Leads: the key of a lead is that of its history and stays.';
CREATE TRIGGER _lead_renamed BEFORE UPDATE OF lead_id ON Leads FOR EACH ROW WHEN (NEW.lead_id <> OLD.lead_id) EXECUTE FUNCTION _lead_renamed();

CREATE FUNCTION _lead_deleted() RETURNS trigger
	LANGUAGE plpgsql SECURITY DEFINER
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
BEGIN
	PERFORM kam._end_enrolments(OLD.lead_id, NULL, 'lead_deleted', kam._now(), true);
	PERFORM kam._cancel_holds(OLD.lead_id, NULL, 'lead_deleted', kam._now());
	UPDATE kam.CadenceFlag f SET closed_at = kam._now() WHERE f.lead_id = OLD.lead_id AND f.closed_at IS NULL;
	DELETE FROM kam.prospect_state s WHERE s.lead_id = OLD.lead_id;
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION _lead_deleted() IS 'Row trigger on Leads: sequences end, holds are cancelled, flags close. The log, Suppression and merges stay.';
CREATE TRIGGER _lead_deleted AFTER DELETE ON Leads FOR EACH ROW EXECUTE FUNCTION _lead_deleted();

CREATE FUNCTION _leads_emptied() RETURNS trigger
	LANGUAGE plpgsql SECURITY DEFINER
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
BEGIN
	TRUNCATE kam.prospect_state;
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION _leads_emptied() IS 'Statement trigger on Leads: when it is truncated, states are derived again for the leads that come back; what they have running goes on.';
CREATE TRIGGER _leads_emptied AFTER TRUNCATE ON Leads FOR EACH STATEMENT EXECUTE FUNCTION _leads_emptied();

-- ---- Accounts ------------------------------------------------------------------------------------

CREATE FUNCTION _accounts_changed() RETURNS trigger
	LANGUAGE plpgsql SECURITY DEFINER
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
BEGIN
	INSERT INTO kam.notification (recipient, topic, payload)
	SELECT s.agent, 'abm_active_suppression',
	       jsonb_build_object('accounts', jsonb_agg(DISTINCT s.account_id), 'sequences', count(*),
	           'leads', to_jsonb((array_agg(DISTINCT s.lead_id))[:100]), 'lead_count', count(DISTINCT s.lead_id))
	  FROM (SELECT coalesce(c.originating_agent, 'AGT-304') AS agent, l.account_id, l.lead_id
	          FROM after a
	          JOIN before b USING (account_id)
	          JOIN kam.Leads l ON l.account_id = a.account_id
	          JOIN kam.Cadence c ON c.lead_id = l.lead_id AND c.sequence_type = 'nurture' AND c.state <> 'finished'
	         WHERE a.abm_active AND NOT b.abm_active) s
	 GROUP BY s.agent
	 ORDER BY s.agent;
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION _accounts_changed() IS 'Statement trigger on Accounts: when account-based marketing begins, each agent with nurture sequences there is told once that gate 2 blocks them from now on. The sequences themselves are left as they are.';
CREATE TRIGGER _accounts_changed AFTER UPDATE ON Accounts REFERENCING OLD TABLE AS before NEW TABLE AS after
	FOR EACH STATEMENT EXECUTE FUNCTION _accounts_changed();
