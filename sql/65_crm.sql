-- Leads and Accounts follow the tables that a CRM is synced into: which column becomes what is data (crm_mapping), two row triggers do the rest.
--
-- They run inside the sync's transaction, which no value of a row may break: what cannot be read is left out and noted with the lead.  A trigger that is
-- set up wrongly does raise: nobody would ever notice it otherwise.  Columns that are kam's own (cadence_state to last_touch_at, merged_into) are never written.

-- ---- the mapping --------------------------------------------------------------------

CREATE FUNCTION _crm_fields() RETURNS jsonb
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	RETURN '{
		"lead": {"lead_id": "text", "account_id": "text", "full_name": "text", "job_title": "text", "email": "text", "phone": "text", "linkedin_url": "text",
			"owner_id": "text", "icp_tier": "tier", "time_zone": "zone", "unsubscribe_flag": "opt_out", "opt_out_flag": "opt_out",
			"sales_signal_at": "time", "marketing_signal_at": "time"},
		"account": {"account_id": "text", "name": "text", "icp_tier": "tier", "abm_active": "boolean", "owner_id": "text"}
	}'::jsonb;
COMMENT ON FUNCTION _crm_fields() IS 'What a sync may write, and how each field is read; besides these attributes.… as they come.';

CREATE FUNCTION _crm_is_field(target text, field text) RETURNS boolean
	LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT
	RETURN coalesce(_crm_fields() -> target ? field OR _crm_fields() ? target AND field ~ '^attributes\.[^=]', false);
COMMENT ON FUNCTION _crm_is_field(text, text) IS 'Whether a sync may write this field.';

CREATE TABLE crm_mapping (
	mapping			text NOT NULL CHECK (mapping <> ''),
	target			text NOT NULL,
	field			text NOT NULL,
	sources			text[] NOT NULL CHECK (array_position(sources, NULL) IS NULL AND array_position(sources, '') IS NULL),
	words			object_jsonb NOT NULL DEFAULT '{}',
	builtin			boolean NOT NULL DEFAULT false,
	PRIMARY KEY (mapping, target, field),
	CHECK (kam._crm_is_field(target, field))
);
COMMENT ON TABLE crm_mapping IS 'From which columns of a sync table each field of Leads and Accounts comes, by the shape that kam_lead_on_change() and kam_account_on_change() are told. Add rows for a shape of your own; give a row that came with the extension empty sources rather than delete it: deleted ones come back with a restore. Example: INSERT INTO kam.crm_mapping (mapping, target, field, sources) VALUES (''hubspot'', ''lead'', ''attributes.seats'', ''{"properties,seats"}'');';
COMMENT ON COLUMN crm_mapping.mapping IS 'The shape: hubspot, salesforce, pipedrive, or one of your own.';
COMMENT ON COLUMN crm_mapping.target IS 'lead or account.';
COMMENT ON COLUMN crm_mapping.field IS 'A column of Leads or Accounts that is not kam''s own, or attributes.… for a key of attributes.';
COMMENT ON COLUMN crm_mapping.sources IS 'Where it is looked for, in order; the first that is not empty wins. A column, whatever its case, or after commas a path into its jsonb: properties,email.';
COMMENT ON COLUMN crm_mapping.words IS 'What values of this CRM mean, by the value in lower case: {"tier_1": "T1", "unsubscribed": true}.';
COMMENT ON COLUMN crm_mapping.builtin IS 'Came with the extension and was not changed since.';

-- A property of HubSpot stands in the properties of its API, or in a column of its own: property_ (Fivetran), properties_ (Airbyte), or bare.
INSERT INTO crm_mapping (mapping, target, field, sources, words, builtin)
SELECT 'hubspot', p.target, p.field, ARRAY(SELECT v.prefix || n.name FROM unnest(p.properties) WITH ORDINALITY n (name, n),
		unnest('{"properties,",property_,properties_,""}'::text[]) WITH ORDINALITY v (prefix, n) ORDER BY n.n, v.n), p.words::jsonb, true
  FROM (VALUES
	('lead', 'lead_id', '{id,hs_object_id,vid}'::text[], '{}'),
	('lead', 'account_id', '{associatedcompanyid}', '{}'),
	('lead', 'attributes.first_name', '{firstname}', '{}'),
	('lead', 'attributes.last_name', '{lastname}', '{}'),
	('lead', 'job_title', '{jobtitle}', '{}'),
	('lead', 'email', '{email}', '{}'),
	('lead', 'phone', '{phone,mobilephone}', '{}'),
	('lead', 'linkedin_url', '{hs_linkedin_url}', '{}'),
	('lead', 'owner_id', '{hubspot_owner_id}', '{}'),
	('lead', 'time_zone', '{hs_timezone}', '{}'),
	('lead', 'unsubscribe_flag', '{hs_email_optout}', '{}'),
	('lead', 'opt_out_flag', '{do_not_contact}', '{}'),
	('account', 'account_id', '{id,hs_object_id,companyid}', '{}'),
	('account', 'name', '{name}', '{}'),
	('account', 'icp_tier', '{hs_ideal_customer_profile}', '{"tier_1": "T1", "tier_2": "T2", "tier_3": "T3"}'),
	('account', 'abm_active', '{hs_is_target_account}', '{}'),
	('account', 'owner_id', '{hubspot_owner_id}', '{}')) p (target, field, properties, words);

INSERT INTO crm_mapping (mapping, target, field, sources, words, builtin) VALUES
	('salesforce', 'lead', 'lead_id', '{Id}', '{}', true),
	('salesforce', 'lead', 'account_id', '{AccountId,account_id}', '{}', true),
	('salesforce', 'lead', 'full_name', '{Name}', '{}', true),
	('salesforce', 'lead', 'attributes.first_name', '{FirstName,first_name}', '{}', true),
	('salesforce', 'lead', 'attributes.last_name', '{LastName,last_name}', '{}', true),
	('salesforce', 'lead', 'attributes.do_not_call', '{DoNotCall,do_not_call}', '{"true": true, "false": false}', true),
	('salesforce', 'lead', 'job_title', '{Title}', '{}', true),
	('salesforce', 'lead', 'email', '{Email}', '{}', true),
	('salesforce', 'lead', 'phone', '{Phone,MobilePhone,mobile_phone}', '{}', true),
	('salesforce', 'lead', 'linkedin_url', '{LinkedIn__c,LinkedIn_URL__c}', '{}', true),
	('salesforce', 'lead', 'owner_id', '{OwnerId,owner_id}', '{}', true),
	('salesforce', 'lead', 'time_zone', '{TimeZone__c,Time_Zone__c}', '{}', true),
	('salesforce', 'lead', 'unsubscribe_flag', '{HasOptedOutOfEmail,has_opted_out_of_email}', '{}', true),
	('salesforce', 'lead', 'opt_out_flag', '{DoNotContact__c,Do_Not_Contact__c}', '{}', true),
	('salesforce', 'account', 'account_id', '{Id}', '{}', true),
	('salesforce', 'account', 'name', '{Name}', '{}', true),
	('salesforce', 'account', 'icp_tier', '{ICP_Tier__c}', '{}', true),
	('salesforce', 'account', 'abm_active', '{ABM_Active__c}', '{}', true),
	('salesforce', 'account', 'owner_id', '{OwnerId,owner_id}', '{}', true),

	('pipedrive', 'lead', 'lead_id', '{id}', '{}', true),
	('pipedrive', 'lead', 'account_id', '{org_id}', '{}', true),
	('pipedrive', 'lead', 'full_name', '{name}', '{}', true),
	('pipedrive', 'lead', 'attributes.first_name', '{first_name}', '{}', true),
	('pipedrive', 'lead', 'attributes.last_name', '{last_name}', '{}', true),
	('pipedrive', 'lead', 'job_title', '{job_title}', '{}', true),
	('pipedrive', 'lead', 'email', '{email,emails,primary_email}', '{}', true),
	('pipedrive', 'lead', 'phone', '{phone,phones}', '{}', true),
	('pipedrive', 'lead', 'linkedin_url', '{linkedin,linkedin_url}', '{}', true),
	('pipedrive', 'lead', 'owner_id', '{owner_id}', '{}', true),
	('pipedrive', 'lead', 'time_zone', '{timezone}', '{}', true),
	-- no_consent is what a person begins with, archived an address that bounced: neither is a word of the person's.
	('pipedrive', 'lead', 'unsubscribe_flag', '{marketing_status}', '{"unsubscribed": true, "subscribed": false, "no_consent": false, "archived": false}', true),
	('pipedrive', 'lead', 'opt_out_flag', '{do_not_contact}', '{}', true),
	('pipedrive', 'account', 'account_id', '{id}', '{}', true),
	('pipedrive', 'account', 'name', '{name}', '{}', true),
	('pipedrive', 'account', 'icp_tier', '{icp_tier}', '{}', true),
	('pipedrive', 'account', 'abm_active', '{abm_active}', '{}', true),
	('pipedrive', 'account', 'owner_id', '{owner_id}', '{}', true);

-- ---- reading a row --------------------------------------------------------------------

-- PostgreSQL folds the names of columns that nobody quoted.
CREATE FUNCTION _crm_folded(entry jsonb) RETURNS jsonb
	LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT
	RETURN (SELECT coalesce(jsonb_object_agg(lower(e.key), e.value ORDER BY e.key = lower(e.key)), '{}') FROM jsonb_each(entry) e);
COMMENT ON FUNCTION _crm_folded(jsonb) IS 'A row, or an object in its stead, with its outermost keys in lower case.';

CREATE FUNCTION _crm_path(source text) RETURNS text[]
	LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT
	RETURN lower(split_part(source, ',', 1)) || (string_to_array(source, ','))[2:];
COMMENT ON FUNCTION _crm_path(text) IS 'A source of crm_mapping as a path into a folded row.';

CREATE FUNCTION _crm_text(value jsonb) RETURNS text
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE STRICT
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
BEGIN
	IF jsonb_typeof(value) = 'array' THEN
		value := (SELECT e.value FROM jsonb_array_elements(value) WITH ORDINALITY e (value, n)
		           WHERE kam._crm_text(e.value) IS NOT NULL ORDER BY e.value -> 'primary' IS NOT DISTINCT FROM 'true' DESC, e.n LIMIT 1);
	END IF;
	IF jsonb_typeof(value) = 'object' THEN
		IF NOT value ?| '{value,id}' AND value <> '{}' THEN
			RETURN value::text;
		END IF;
		value := coalesce(value -> 'value', value -> 'id');
	END IF;
	RETURN CASE jsonb_typeof(value)
		WHEN 'number' THEN trim_scale(value::numeric)::text
		WHEN 'string' THEN nullif(btrim(value #>> '{}'), '')
		WHEN 'boolean' THEN value #>> '{}' END;
END
$$;
COMMENT ON FUNCTION _crm_text(jsonb) IS 'A value as a CRM means it: of several the primary one, else the first that is not empty; of an object its value or id, or else its own text. NULL for an empty one.';

CREATE FUNCTION _crm_time(written text) RETURNS timestamptz
	LANGUAGE plpgsql STABLE STRICT
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
BEGIN
	RETURN CASE WHEN written ~ '^\d{4}-\d\d-\d\d' THEN written::timestamptz
	            WHEN written ~ '^\d{12,13}$' THEN to_timestamp(written::numeric / 1000) END;
EXCEPTION WHEN data_exception THEN
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION _crm_time(text) IS 'A time as a CRM writes it: ISO 8601, or milliseconds since 1970; NULL when it is none.';

CREATE FUNCTION _crm_as(kind text, written text) RETURNS jsonb
	LANGUAGE plpgsql STABLE STRICT
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
BEGIN
	RETURN CASE kind
		-- An object that is no reference to anything is no name either.
		WHEN 'text' THEN CASE WHEN written NOT LIKE '{"%' THEN to_jsonb(written) END
		WHEN 'tier' THEN to_jsonb(substring(upper(written) FROM '^T[123]$'))
		-- HubSpot's names of zones have no slash: europe_slash_paris.
		WHEN 'zone' THEN to_jsonb(kam._zone(CASE WHEN strpos(written, '_slash_') > 0 THEN initcap(replace(written, '_slash_', '/')) ELSE written END))
		WHEN 'time' THEN to_jsonb(kam._crm_time(written))
		ELSE CASE WHEN lower(written) = ANY ('{true,t,yes,y,on,1}') THEN 'true'::jsonb
		          WHEN lower(written) = ANY ('{false,f,no,n,off,0}') THEN 'false' END
	END;
END
$$;
COMMENT ON FUNCTION _crm_as(text, text) IS 'A value of one of the kinds of _crm_fields(); NULL for what cannot be read.';

CREATE FUNCTION _crm_plan(relation regclass, target text, mapping text, options text[], has jsonb)
	RETURNS TABLE (field text, kind text, sources text[], words jsonb)
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_column
DECLARE
	bad text;
BEGIN
	IF NOT EXISTS (SELECT FROM kam.crm_mapping m WHERE m.mapping = _crm_plan.mapping AND m.target = _crm_plan.target) THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
			MESSAGE = CASE WHEN _crm_plan.mapping IS NULL THEN format('kam_%s_on_change needs the name of a mapping', _crm_plan.target)
			               ELSE format('there is no mapping "%s" for %ss', _crm_plan.mapping, _crm_plan.target) END,
			HINT = format('Mappings are the rows of kam.crm_mapping: %s.', (SELECT string_agg(DISTINCT quote_literal(m.mapping), ', ')
			                                                                FROM kam.crm_mapping m WHERE m.target = _crm_plan.target));
	END IF;
	IF cardinality(options) > 0 THEN
		SELECT o INTO bad FROM unnest(options) o
		 WHERE NOT (strpos(o, '=') > 0 AND kam._crm_is_field(_crm_plan.target, split_part(o, '=', 1)) OR o LIKE 'row=_%') LIMIT 1;
		IF FOUND THEN
			RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
				MESSAGE = format('unknown argument "%s" of kam_%s_on_change', bad, _crm_plan.target),
				HINT = format('After the mapping come field=column or field=column,key, and row=column. Fields are %s and attributes.….',
					(SELECT string_agg(f.name, ', ' ORDER BY f.name) FROM jsonb_object_keys(kam._crm_fields() -> _crm_plan.target) f (name)));
		END IF;
		-- Of a row that lies in a jsonb nobody can say which keys it ought to have.
		SELECT split_part(s.path, ',', 1) INTO bad
		  FROM unnest(options) o CROSS JOIN LATERAL (SELECT substr(o, strpos(o, '=') + 1)) s (path)
		 WHERE s.path <> '' AND NOT has ? (kam._crm_path(s.path))[1] AND (o LIKE 'row=%' OR NOT EXISTS (SELECT FROM unnest(options) r WHERE r LIKE 'row=%')) LIMIT 1;
		IF FOUND THEN
			RAISE EXCEPTION USING ERRCODE = 'undefined_column',
				MESSAGE = format('column "%s" of relation "%s" does not exist', bad, relation),
				HINT = format('An argument of kam_%s_on_change names it; keys within a column follow after a comma: properties,email.', _crm_plan.target);
		END IF;
	END IF;

	RETURN QUERY
	WITH asked AS (
		SELECT split_part(o, '=', 1) AS field, coalesce(array_agg(s.path ORDER BY u.n) FILTER (WHERE s.path <> ''), '{}') AS sources
		  FROM unnest(options) WITH ORDINALITY u (o, n) CROSS JOIN LATERAL (SELECT substr(o, strpos(o, '=') + 1)) s (path)
		 WHERE o NOT LIKE 'row=%'
		 GROUP BY 1
	), mapped AS (
		SELECT m.field, m.sources, m.words FROM kam.crm_mapping m WHERE m.mapping = _crm_plan.mapping AND m.target = _crm_plan.target
	)
	SELECT p.field, coalesce(kam._crm_fields() -> _crm_plan.target ->> p.field, 'any'),
	       ARRAY(SELECT s.path FROM unnest(p.sources) WITH ORDINALITY s (path, n) WHERE has IS NULL OR has ? lower(split_part(s.path, ',', 1)) ORDER BY s.n),
	       p.words
	  FROM (SELECT coalesce(a.field, m.field), coalesce(a.sources, m.sources), coalesce(m.words::jsonb, '{}')
	          FROM mapped m FULL JOIN asked a ON a.field = m.field) p (field, sources, words);
END
$$;
COMMENT ON FUNCTION _crm_plan(regclass, text, text, text[], jsonb) IS 'Each field of a mapping with those of its sources that a table or row has, with all when has is NULL; what the trigger''s options name goes before the mapping. 22023 for an unknown mapping or argument, 42703 for an unknown column.';

CREATE FUNCTION _crm_read(relation regclass, target text, mapping text, options text[], entry jsonb) RETURNS jsonb
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_column
DECLARE
	key CONSTANT text := _crm_read.target || '_id';
	whole jsonb := kam._crm_folded(entry);
	within CONSTANT text := (SELECT lower(substr(o, 5)) FROM unnest(options) o WHERE o LIKE 'row=%' LIMIT 1);
	said jsonb := '{}';
	attributes jsonb := '{}';
	unread jsonb := '{}';
	has_key boolean := within IS NOT NULL;
	f record;
	meant jsonb;
BEGIN
	IF jsonb_typeof(whole -> within) = 'object' THEN
		whole := whole || kam._crm_folded(whole -> within);
	END IF;

	FOR f IN
		SELECT p.field, p.kind, p.sources, p.words, s.value, s.written
		  FROM kam._crm_plan(relation, _crm_read.target, _crm_read.mapping, options, whole) p
		  -- The first source that says something; of opt-outs the first that does not say no.
		  LEFT JOIN LATERAL (
			SELECT v.value, t.written
			  FROM unnest(p.sources) WITH ORDINALITY u (path, n)
			 CROSS JOIN LATERAL (SELECT whole #> kam._crm_path(u.path)) v (value)
			 CROSS JOIN LATERAL (SELECT kam._crm_text(v.value) OFFSET 0) t (written)
			 WHERE v.value IS NOT NULL
			 ORDER BY t.written IS NULL AND NOT (p.kind = 'any' AND jsonb_typeof(v.value) IN ('array', 'object')),
			          p.kind = 'opt_out' AND coalesce(p.words -> lower(t.written), kam._crm_as('boolean', t.written)) IS NOT DISTINCT FROM 'false', u.n
			 LIMIT 1) s ON true
		 WHERE s.value IS NOT NULL OR p.field = key
	LOOP
		has_key := has_key OR f.field = key AND cardinality(f.sources) > 0;
		meant := CASE WHEN f.written IS NULL AND f.kind <> 'any' THEN 'null'
		              WHEN f.words ? lower(f.written) THEN f.words -> lower(f.written)
		              WHEN jsonb_typeof(f.value) = 'string' AND f.kind = 'any' THEN coalesce(to_jsonb(f.written), 'null')
		              WHEN f.kind = 'any' THEN f.value
		              ELSE kam._crm_as(f.kind, f.written) END;
		IF meant IS NULL THEN
			unread := unread || jsonb_build_object(f.field, f.written);
			-- Who fills in such a field means something by it.
			CONTINUE WHEN f.kind <> 'opt_out';
			meant := 'true';
		END IF;
		IF f.kind = 'any' THEN
			attributes := attributes || jsonb_build_object(substr(f.field, length('attributes.') + 1), meant);
		ELSIF f.kind = 'boolean' THEN
			said := said || jsonb_build_object(f.field, meant = 'true');
		-- The CRM sets an opt-out and never lifts one.
		ELSIF f.kind <> 'opt_out' OR meant = 'true' THEN
			said := said || jsonb_build_object(f.field, meant);
		END IF;
	END LOOP;

	IF NOT has_key THEN
		RAISE EXCEPTION USING ERRCODE = 'undefined_column',
			MESSAGE = format('relation "%s" has none of the columns that hold %s in the mapping "%s"', relation, key, _crm_read.mapping),
			HINT = format('Name it as an argument: ''%s=column''.', key);
	ELSIF said ->> key IS NULL THEN
		RAISE WARNING USING MESSAGE = format('a row of "%s" has no %s: it is left out', relation, key);
		RETURN CASE WHEN 'true' IN (said ->> 'unsubscribe_flag', said ->> 'opt_out_flag') THEN said END;
	END IF;
	IF _crm_read.target = 'lead' AND said ->> 'full_name' IS NULL AND attributes ?| '{first_name,last_name}' THEN
		said := said || jsonb_build_object('full_name', nullif(concat_ws(' ', attributes ->> 'first_name', attributes ->> 'last_name'), ''));
	END IF;
	RETURN said || jsonb_build_object('attributes', attributes || jsonb_build_object('crm_unread', nullif(unread, '{}')));
END
$$;
COMMENT ON FUNCTION _crm_read(regclass, text, text, text[], jsonb) IS 'What a row of a sync table says of a lead or account, by field. A field that the row does not have is absent, an empty one null; what cannot be read is absent and stands in attributes.crm_unread, but an opt-out that cannot be read is one. NULL, with a WARNING, for a row without a key, unless it carries an opt-out.';

CREATE FUNCTION _crm_attributes(known jsonb, said jsonb) RETURNS jsonb
	LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT
	RETURN (known || said) - ARRAY(SELECT s.key FROM jsonb_each(said) s WHERE s.value = 'null');
COMMENT ON FUNCTION _crm_attributes(jsonb, jsonb) IS 'Attributes with what a row says of them; an empty one goes.';

-- ---- the triggers ------------------------------------------------------------------------

CREATE FUNCTION _crm_fires(called text, tg_when text, tg_level text, tg_op text) RETURNS boolean
	LANGUAGE plpgsql IMMUTABLE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
BEGIN
	IF tg_when <> 'AFTER' OR tg_level <> 'ROW' THEN
		RAISE EXCEPTION USING ERRCODE = 'trigger_protocol_violated',
			MESSAGE = format('%s must be an AFTER INSERT OR UPDATE trigger FOR EACH ROW', called);
	END IF;
	-- A sync that loads a table anew deletes first: nobody is forgotten for that.
	RETURN tg_op <> 'DELETE';
END
$$;
COMMENT ON FUNCTION _crm_fires(text, text, text, text) IS 'Refuses a trigger of another kind (39P01); false for a deletion, which means nothing.';

CREATE FUNCTION kam_lead_on_change() RETURNS trigger
	LANGUAGE plpgsql SECURITY DEFINER
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
DECLARE
	said jsonb;
	lead kam.Leads;
	wanted kam.Leads;
	known boolean;
	locked boolean := false;
BEGIN
	IF NOT kam._crm_fires('kam_lead_on_change', TG_WHEN, TG_LEVEL, TG_OP) THEN
		RETURN NULL;
	END IF;
	said := kam._crm_read(TG_RELID, 'lead', TG_ARGV[0], TG_ARGV[1:], to_jsonb(NEW));
	IF said ->> 'lead_id' IS NULL THEN
		-- Nobody's row may be somebody's word.
		PERFORM kam.kam_unsubscribe(a.address, 'crm')
		   FROM (SELECT coalesce(kam._address(said ->> 'email'), kam._address(said ->> 'phone'), kam._address(said ->> 'linkedin_url')) AS address) a
		  WHERE a.address IS NOT NULL;
		RETURN NULL;
	END IF;
	-- Looked at without a lock first: most of what a sync brings is known.
	LOOP
		SELECT l.* INTO lead FROM kam.Leads l WHERE l.lead_id = said ->> 'lead_id';
		known := FOUND;
		IF NOT known THEN
			lead := jsonb_populate_record(NULL::kam.Leads, '{"unsubscribe_flag": false, "opt_out_flag": false, "attributes": {}}');
		END IF;
		wanted := jsonb_populate_record(lead, said - 'attributes');
		wanted.attributes := kam._crm_attributes(lead.attributes, said -> 'attributes');
		wanted.sales_signal_at := greatest(lead.sales_signal_at, wanted.sales_signal_at);
		wanted.marketing_signal_at := greatest(lead.marketing_signal_at, wanted.marketing_signal_at);
		EXIT WHEN known AND wanted IS NOT DISTINCT FROM lead;

		-- The company may come later.
		IF wanted.account_id IS NOT NULL AND NOT EXISTS (SELECT FROM kam.Accounts a WHERE a.account_id = wanted.account_id) THEN
			INSERT INTO kam.Accounts (account_id) VALUES (wanted.account_id) ON CONFLICT (account_id) DO NOTHING;
		END IF;
		IF NOT known THEN
			INSERT INTO kam.Leads (lead_id, account_id, full_name, job_title, email, phone, linkedin_url, owner_id, icp_tier, time_zone,
				unsubscribe_flag, opt_out_flag, sales_signal_at, marketing_signal_at, attributes)
			VALUES (wanted.lead_id, wanted.account_id, wanted.full_name, wanted.job_title, wanted.email, wanted.phone, wanted.linkedin_url, wanted.owner_id,
				wanted.icp_tier, wanted.time_zone, wanted.unsubscribe_flag, wanted.opt_out_flag, wanted.sales_signal_at, wanted.marketing_signal_at, wanted.attributes)
			ON CONFLICT (lead_id) DO NOTHING;
			EXIT WHEN FOUND;
		ELSIF locked THEN
			UPDATE kam.Leads l
			   SET (account_id, full_name, job_title, email, phone, linkedin_url, owner_id, icp_tier, time_zone,
			        unsubscribe_flag, opt_out_flag, sales_signal_at, marketing_signal_at, attributes)
			     = (wanted.account_id, wanted.full_name, wanted.job_title, wanted.email, wanted.phone, wanted.linkedin_url, wanted.owner_id, wanted.icp_tier, wanted.time_zone,
			        wanted.unsubscribe_flag, wanted.opt_out_flag, wanted.sales_signal_at, wanted.marketing_signal_at, wanted.attributes)
			 WHERE l.lead_id = wanted.lead_id;
			EXIT;
		END IF;
		-- With the lead that stands for it, which an opt-out stops too: in the order that everybody locks leads in.
		PERFORM FROM kam.Leads l WHERE l.lead_id IN (wanted.lead_id, kam._canonical(wanted.lead_id)) ORDER BY l.lead_id FOR NO KEY UPDATE;
		locked := true;
	END LOOP;
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION kam_lead_on_change() IS 'Row trigger for a table of contacts that a CRM is synced into: Leads follows it, in the same transaction. Arguments: a mapping (hubspot, salesforce, pipedrive, or one of your own in crm_mapping); then field=column, or field=column,key for a value within a jsonb, instead of the mapping''s sources (several for one field are tried in order; field= leaves it alone), and row=column when the row lies in a jsonb. An opt-out ends sequences and cancels holds at once; no value of the CRM lifts one. A field that the row does not have is left alone, an empty one becomes empty; what cannot be read is left out and stands in attributes.crm_unread, but an opt-out that cannot be read is one. A deleted row changes nothing. Wrong arguments raise 22023, 42703 or 39P01 with the first row. Example: CREATE TRIGGER kam AFTER INSERT OR UPDATE ON hubspot_contacts FOR EACH ROW EXECUTE FUNCTION kam.kam_lead_on_change(''hubspot'', ''attributes.seats=properties,seats'');';

CREATE FUNCTION kam_account_on_change() RETURNS trigger
	LANGUAGE plpgsql SECURITY DEFINER
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
DECLARE
	said jsonb;
	account kam.Accounts;
	wanted kam.Accounts;
	known boolean;
	locked boolean := false;
BEGIN
	IF NOT kam._crm_fires('kam_account_on_change', TG_WHEN, TG_LEVEL, TG_OP) THEN
		RETURN NULL;
	END IF;
	said := kam._crm_read(TG_RELID, 'account', TG_ARGV[0], TG_ARGV[1:], to_jsonb(NEW));
	IF said IS NULL THEN
		RETURN NULL;
	END IF;
	LOOP
		SELECT a.* INTO account FROM kam.Accounts a WHERE a.account_id = said ->> 'account_id';
		known := FOUND;
		IF NOT known THEN
			account := jsonb_populate_record(NULL::kam.Accounts, '{"abm_active": false, "attributes": {}}');
		END IF;
		wanted := jsonb_populate_record(account, said - 'attributes');
		wanted.attributes := kam._crm_attributes(account.attributes, said -> 'attributes');
		EXIT WHEN known AND wanted IS NOT DISTINCT FROM account;

		IF NOT known THEN
			INSERT INTO kam.Accounts (account_id, name, icp_tier, abm_active, owner_id, attributes)
			VALUES (wanted.account_id, wanted.name, wanted.icp_tier, wanted.abm_active, wanted.owner_id, wanted.attributes)
			ON CONFLICT (account_id) DO NOTHING;
			EXIT WHEN FOUND;
		ELSIF locked THEN
			UPDATE kam.Accounts a
			   SET (name, icp_tier, abm_active, owner_id, attributes)
			     = (wanted.name, wanted.icp_tier, wanted.abm_active, wanted.owner_id, wanted.attributes)
			 WHERE a.account_id = wanted.account_id;
			EXIT;
		END IF;
		PERFORM FROM kam.Accounts a WHERE a.account_id = wanted.account_id FOR NO KEY UPDATE;
		locked := true;
	END LOOP;
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION kam_account_on_change() IS 'Row trigger for a table of companies that a CRM is synced into: Accounts follows it, in the same transaction. Arguments as those of kam_lead_on_change(). Example: CREATE TRIGGER kam AFTER INSERT OR UPDATE ON hubspot_companies FOR EACH ROW EXECUTE FUNCTION kam.kam_account_on_change(''hubspot'', ''icp_tier=properties,fit'');';

CREATE FUNCTION kam_crm_check(relation regclass) RETURNS TABLE (trigger_name name, target text, field text, source text)
	LANGUAGE plpgsql STABLE STRICT SECURITY DEFINER
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_column
DECLARE
	columns jsonb := (SELECT jsonb_object_agg(lower(a.attname), NULL) FROM pg_attribute a
	                   WHERE a.attrelid = kam_crm_check.relation AND a.attnum > 0 AND NOT a.attisdropped);
	t record;
BEGIN
	FOR t IN
		SELECT g.tgname, substring(p.proname FROM 'kam_(lead|account)_') AS target,
		       ARRAY(SELECT convert_from(decode(a.arg, 'escape'), 'UTF8')
		               FROM regexp_split_to_table(encode(g.tgargs, 'escape'), '\\000') WITH ORDINALITY a (arg, n) WHERE a.n <= g.tgnargs ORDER BY a.n) AS args
		  FROM pg_trigger g JOIN pg_proc p ON p.oid = g.tgfoid
		 WHERE g.tgrelid = kam_crm_check.relation AND g.tgfoid IN ('kam.kam_lead_on_change()'::regprocedure, 'kam.kam_account_on_change()'::regprocedure)
		 ORDER BY g.tgname
	LOOP
		PERFORM kam._crm_plan(kam_crm_check.relation, t.target, t.args[1], t.args[2:], columns);
		RETURN QUERY
		SELECT t.tgname, t.target, p.field, array_to_string(p.sources, ' ')
		  FROM kam._crm_plan(kam_crm_check.relation, t.target, t.args[1], t.args[2:],
		       CASE WHEN NOT EXISTS (SELECT FROM unnest(t.args[2:]) o WHERE o LIKE 'row=%') THEN columns END) p
		 ORDER BY p.field;
	END LOOP;
END
$$;
COMMENT ON FUNCTION kam_crm_check(regclass) IS 'What the triggers kam_lead_on_change() and kam_account_on_change() of a sync table read: each field with those of its sources that the table has, in the order they are tried; empty when it has none. Which keys a jsonb has is known with a row only: of them, and with row=column, all stand there. Raises what the triggers would for their arguments. Example: SELECT field, source FROM kam.kam_crm_check(''hubspot_contacts'');';
