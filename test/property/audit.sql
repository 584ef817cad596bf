-- What the oracle reads: every change of the Coordinator's tables, numbered by the sequence that also numbers events.
--
-- A change is noted while its row is locked and a decision draws its event_id under the lead's lock, so for one lead the numbers are the order in which
-- things happened.  Accounts and Suppression are not locked by decisions: commit_interval says between which numbers a transaction became visible.
CREATE SCHEMA property;

CREATE UNLOGGED TABLE property.journal (
	seq			bigint NOT NULL,
	xid			bigint NOT NULL,
	began		bigint,				-- drawn when the transaction began: what it read, it read later
	clock		timestamptz NOT NULL,
	relation	text NOT NULL,
	op			"char" NOT NULL,
	old			jsonb,
	new			jsonb
);

CREATE UNLOGGED TABLE property.commit_interval (
	xid			bigint NOT NULL,
	earliest	bigint NOT NULL,
	latest		bigint NOT NULL
);

-- What kam_request answered; the key is empty when none was given.
CREATE UNLOGGED TABLE property.answer (
	lead_id		text NOT NULL,
	key			text NOT NULL,
	event_id	bigint NOT NULL
);

CREATE FUNCTION property.number() RETURNS bigint
	LANGUAGE sql VOLATILE
	AS $$ SELECT nextval('kam.cadenceeventlog_event_id_seq') $$;

CREATE FUNCTION property.note() RETURNS trigger
	LANGUAGE plpgsql SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	AS $$
BEGIN
	INSERT INTO property.journal
	VALUES (nextval('kam.cadenceeventlog_event_id_seq'), txid_current(), nullif(current_setting('property.began', true), '')::bigint, kam._now(), TG_TABLE_NAME, left(TG_OP, 1)::"char",
			CASE WHEN TG_OP <> 'INSERT' THEN to_jsonb(OLD) END, CASE WHEN TG_OP <> 'DELETE' THEN to_jsonb(NEW) END);
	IF TG_TABLE_NAME IN ('accounts', 'suppression') THEN
		PERFORM set_config('property.shared', 'yes', true);
	END IF;
	RETURN NULL;
END
$$;

-- First among the AFTER triggers: a change is noted before its consequences.
DO $$
DECLARE
	name text;
BEGIN
	FOREACH name IN ARRAY ARRAY['accounts', 'leads', 'suppression', 'cadence', 'cadenceeventlog', 'cadencequeue', 'cadenceflag', 'lead_alias', 'lead_merge', 'salesplaylibrary'] LOOP
		EXECUTE format('CREATE TRIGGER "0_property" AFTER INSERT OR UPDATE OR DELETE ON kam.%I FOR EACH ROW EXECUTE FUNCTION property.note()', name);
	END LOOP;
END
$$;
