-- What the tables' defaults and triggers stand on.

CREATE FUNCTION _now() RETURNS timestamptz
	LANGUAGE c VOLATILE PARALLEL SAFE STRICT
	AS 'MODULE_PATHNAME', 'kam_api_now';
COMMENT ON FUNCTION _now() IS 'The present: the setting kam.clock, or the real time when that is empty.';

CREATE FUNCTION _home() RETURNS bigint
	LANGUAGE c STABLE PARALLEL SAFE STRICT
	AS 'MODULE_PATHNAME', 'kam_api_home';
COMMENT ON FUNCTION _home() IS 'A number that stands for this database of this cluster (system identifier and database oid). A row that carries another number came with a restore or a copy, and stays parked until kam_resume().';

CREATE FUNCTION _wake() RETURNS trigger
	LANGUAGE c
	AS 'MODULE_PATHNAME', 'kam_api_wake_trigger';
COMMENT ON FUNCTION _wake() IS 'Statement trigger: wakes the worker of this database when the transaction commits.';

CREATE FUNCTION _wake_worker() RETURNS void
	LANGUAGE c VOLATILE STRICT
	AS 'MODULE_PATHNAME', 'kam_api_wake_worker';
COMMENT ON FUNCTION _wake_worker() IS 'Wakes the worker of this database when the transaction commits.';

-- Addresses in the one spelling in which they are compared; indexes stand on these.
CREATE FUNCTION _address(address text) RETURNS text
	LANGUAGE c IMMUTABLE PARALLEL SAFE STRICT
	AS 'MODULE_PATHNAME', 'kam_api_address';
COMMENT ON FUNCTION _address(text) IS 'An e-mail address, domain, phone number or LinkedIn profile as Suppression writes it: jane@acme.com, acme.com, +33612345678, linkedin.com/in/jane. NULL for what is none.';

CREATE FUNCTION _address_kind(address text) RETURNS text
	LANGUAGE c IMMUTABLE PARALLEL SAFE STRICT
	AS 'MODULE_PATHNAME', 'kam_api_address_kind';
COMMENT ON FUNCTION _address_kind(text) IS 'email, domain, phone or linkedin; NULL for what is no address.';

CREATE FUNCTION _address_domain(address text) RETURNS text
	LANGUAGE c IMMUTABLE PARALLEL SAFE STRICT
	AS 'MODULE_PATHNAME', 'kam_api_address_domain';
COMMENT ON FUNCTION _address_domain(text) IS 'The domain of an e-mail address; NULL for anything else.';

-- Seed rows are not dumped, changed ones are.  A changed seed row therefore stops being one, and a restored row takes the place of the seed.
CREATE FUNCTION _seed_changed() RETURNS trigger
	LANGUAGE plpgsql
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
BEGIN
	NEW.builtin := false;
	RETURN NEW;
END
$$;
COMMENT ON FUNCTION _seed_changed() IS 'Row trigger: a seed row that somebody changes is the user''s from then on, and is dumped.';

CREATE FUNCTION _seed_replaced() RETURNS trigger
	LANGUAGE plpgsql SECURITY DEFINER
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
DECLARE
	condition text;
BEGIN
	SELECT string_agg(format('%I = ($1).%I', a.attname, a.attname), ' AND ') INTO condition
	  FROM pg_index i
	  JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
	 WHERE i.indrelid = TG_RELID AND i.indisprimary;
	-- Between the two rows the agents' provider is missing.
	IF TG_TABLE_NAME = 'provider' THEN
		SET CONSTRAINTS kam.agent_provider_fkey DEFERRED;
	END IF;
	EXECUTE format('DELETE FROM %I.%I WHERE builtin AND %s', TG_TABLE_SCHEMA, TG_TABLE_NAME, condition) USING NEW;
	RETURN NEW;
END
$$;
COMMENT ON FUNCTION _seed_replaced() IS 'Row trigger: a user''s row takes the place of the seed row with its key, so that a dump of changed seeds restores.';

CREATE FUNCTION _suppression_keys(addresses text[]) RETURNS text[]
	LANGUAGE c STABLE PARALLEL SAFE STRICT
	AS 'MODULE_PATHNAME', 'kam_cadence_suppression_keys';
COMMENT ON FUNCTION _suppression_keys(text[]) IS 'Normalised addresses and, where somebody was erased, the hash under which Suppression keeps each if its person was (sha256:…). NULLs are left out.';
