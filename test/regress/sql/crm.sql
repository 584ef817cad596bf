-- kam_lead_on_change, kam_account_on_change: Leads and Accounts follow the tables that a CRM is synced into.
\getenv srcdir PG_ABS_SRCDIR
\set helpers :srcdir /helpers.sql
\i :helpers
\set ECHO none
SET client_min_messages = warning;
SET timezone = 'Europe/Paris';
SET kam.clock = '2026-03-02 09:00+01';
-- Asks or tells, and says what became of it.
CREATE FUNCTION pg_temp.ask(lead text, type text, event text, sequence text DEFAULT NULL, step integer DEFAULT NULL) RETURNS text LANGUAGE sql AS $$
	SELECT concat_ws(' ', r.event_type, r.coordinator_action, r.suppressed_reason, r.compliance_status)
	  FROM kam.kam_request(lead, type, event, sequence, 'email', 'AGT-301', step) r
$$;
CREATE FUNCTION pg_temp.lead(lead text) RETURNS text LANGUAGE sql AS $$
	SELECT jsonb_pretty(jsonb_strip_nulls(to_jsonb(l) - '{unsubscribe_flag,opt_out_flag}'::text[]) ||
	       jsonb_build_object('flags', concat_ws(' ', CASE WHEN unsubscribe_flag THEN 'unsubscribed' END, CASE WHEN opt_out_flag THEN 'opted_out' END)))
	  FROM kam.Leads l WHERE lead_id = lead
$$;
-- The row's version: another one after a write.
CREATE FUNCTION pg_temp.version(lead text) RETURNS text LANGUAGE sql AS $$ SELECT xmin || ' ' || ctid FROM kam.Leads WHERE lead_id = lead $$;
\pset null '-'
\set ECHO all
BEGIN;
CREATE SCHEMA crm;
CREATE VIEW pg_temp.accounts AS SELECT account_id, name, icp_tier, abm_active, owner_id, attributes FROM kam.Accounts WHERE account_id LIKE 'crm-%' ORDER BY account_id;

-- ---- HubSpot: the properties of its API in one column
CREATE TABLE crm.hubspot_contacts (id text PRIMARY KEY, properties jsonb, updated_at timestamptz);
CREATE TRIGGER kam AFTER INSERT OR UPDATE OR DELETE ON crm.hubspot_contacts FOR EACH ROW
	EXECUTE FUNCTION kam.kam_lead_on_change('hubspot', 'attributes.seats=properties,seats');
CREATE TABLE crm.hubspot_companies (id text PRIMARY KEY, properties jsonb);
CREATE TRIGGER kam AFTER INSERT OR UPDATE ON crm.hubspot_companies FOR EACH ROW EXECUTE FUNCTION kam.kam_account_on_change('hubspot');
-- The contact comes before its company.
INSERT INTO crm.hubspot_contacts VALUES ('crm-h1', '{"email": "ines@crm-h.example", "firstname": "Inès", "lastname": " Carpentier ", "jobtitle": "CTO", "phone": "",
	"mobilephone": "+33 6 12 34 56 78", "hs_timezone": "america_slash_new_york", "associatedcompanyid": "crm-77", "hubspot_owner_id": 5, "seats": 300, "hs_email_optout": "false"}');
SELECT pg_temp.lead('crm-h1');
TABLE pg_temp.accounts;
INSERT INTO crm.hubspot_companies VALUES ('crm-77', '{"name": "Valmont", "hs_ideal_customer_profile": "tier_2", "hubspot_owner_id": "5", "hs_is_target_account": "true"}');
TABLE pg_temp.accounts;
-- And in columns.
CREATE TABLE crm.fivetran_contact (id bigint, property_email text, property_firstname text, property_hs_email_optout boolean, property_associatedcompanyid numeric);
CREATE TRIGGER kam AFTER INSERT OR UPDATE ON crm.fivetran_contact FOR EACH ROW EXECUTE FUNCTION kam.kam_lead_on_change('hubspot');
INSERT INTO crm.fivetran_contact VALUES (880011, 'tom@crm-h.example', 'Tom', NULL, 880077.0);
SELECT pg_temp.lead('880011');

-- ---- Salesforce: quoted, folded or split names
CREATE TABLE crm.contact ("Id" text, "Name" text, "FirstName" text, "Title" text, "Email" text, "Phone" text, "AccountId" text, "OwnerId" text, "HasOptedOutOfEmail" boolean,
	"DoNotCall" boolean, "IsDeleted" boolean);
CREATE TRIGGER kam AFTER INSERT OR UPDATE ON crm.contact FOR EACH ROW EXECUTE FUNCTION kam.kam_lead_on_change('salesforce');
INSERT INTO crm.contact VALUES ('crm-s1', 'Ada Byron', 'Ada', 'COO', 'ada@crm-s.example', '+44 20 7946 0000', 'crm-sa', '005A', false, true, false);
SELECT pg_temp.lead('crm-s1');
CREATE TABLE crm.lead (Id text, Email text, FirstName text, LastName text, OwnerId text, has_opted_out_of_email text);
CREATE TRIGGER kam AFTER INSERT OR UPDATE ON crm.lead FOR EACH ROW EXECUTE FUNCTION kam.kam_lead_on_change('salesforce');
INSERT INTO crm.lead VALUES ('crm-s2', 'bob@crm-s.example', 'Bob', 'Ray', '005A', 'Yes');
SELECT pg_temp.lead('crm-s2');
CREATE TABLE crm.account (Id text, Name text, OwnerId text, ICP_Tier__c text, ABM_Active__c boolean, NumberOfEmployees int);
CREATE TRIGGER kam AFTER INSERT OR UPDATE ON crm.account FOR EACH ROW
	EXECUTE FUNCTION kam.kam_account_on_change('salesforce', 'attributes.employees=NumberOfEmployees');
INSERT INTO crm.account VALUES ('crm-sa', 'Analytical', '005A', 't1', NULL, 120);
TABLE pg_temp.accounts;

-- ---- Pipedrive: several addresses, objects for references
CREATE TABLE crm.persons (id int, name text, email jsonb, phone jsonb, org_id jsonb, owner_id jsonb, marketing_status text);
CREATE TRIGGER kam AFTER INSERT OR UPDATE ON crm.persons FOR EACH ROW EXECUTE FUNCTION kam.kam_lead_on_change('pipedrive');
INSERT INTO crm.persons VALUES
	(770001, 'Eva Lund', '[{"value": "old@crm-p.example", "primary": false}, {"value": "eva@crm-p.example", "primary": true, "label": "work"}]',
	 '[{"value": "", "primary": true}, {"value": "+46 8 123 456", "primary": false}]', '{"name": "Lund AB", "value": 770099}', '{"id": 31, "name": "Jo"}', 'no_consent'),
	(770002, 'Max', '[]', '[{"value": "", "primary": true}]', '770099', '31', 'unsubscribed');
SELECT pg_temp.lead('770001');
SELECT pg_temp.lead('770002');
CREATE TABLE crm.organizations (id int, name text, owner_id jsonb);
CREATE TRIGGER kam AFTER INSERT OR UPDATE ON crm.organizations FOR EACH ROW EXECUTE FUNCTION kam.kam_account_on_change('pipedrive');
INSERT INTO crm.organizations VALUES (770099, 'Lund AB', '{"id": 31}');
SELECT * FROM kam.Accounts WHERE account_id = '770099';

-- ---- what a change does
-- Nothing that maps has changed: nothing is written.
SELECT pg_temp.version('crm-h1') AS before \gset
UPDATE crm.hubspot_contacts SET updated_at = now(), properties = properties || '{"hs_object_source": "x"}';
SELECT pg_temp.version('crm-h1') = :'before' AS unchanged;
-- An empty property becomes empty, one that is absent is left alone; so is what kam or a person knows besides.
UPDATE kam.Leads SET attributes = attributes || '{"mine": 1}', icp_tier = 'T1' WHERE lead_id = 'crm-h1';
UPDATE crm.hubspot_contacts SET properties = (properties || '{"jobtitle": "", "mobilephone": null, "seats": null}') - 'email';
SELECT pg_temp.lead('crm-h1');
-- What cannot be read is left out and noted; once it can, the note goes.
UPDATE crm.hubspot_contacts SET properties = properties || '{"hs_timezone": "(GMT+01:00) Paris", "jobtitle": "CFO"}';
SELECT time_zone, job_title, attributes -> 'crm_unread' AS unread FROM kam.Leads WHERE lead_id = 'crm-h1';
UPDATE crm.hubspot_contacts SET properties = properties || '{"hs_timezone": "Europe/Paris"}';
SELECT time_zone, attributes ? 'crm_unread' AS unread FROM kam.Leads WHERE lead_id = 'crm-h1';
UPDATE crm.account SET icp_tier__c = 'gold', abm_active__c = true;
SELECT * FROM pg_temp.accounts WHERE account_id = 'crm-sa';
-- A deleted row means nothing; a row without a key is left out.
DELETE FROM crm.hubspot_contacts;
SELECT count(*) AS still_there FROM kam.Leads WHERE lead_id = 'crm-h1';
INSERT INTO crm.contact ("Name") VALUES ('Nobody');
-- Its opt-out counts all the same, for its address and whoever has it.
INSERT INTO kam.Leads (lead_id, email) VALUES ('crm-word', 'keyless@crm.example');
INSERT INTO crm.contact ("Name", "Email", "HasOptedOutOfEmail") VALUES ('Nobody', 'keyless@crm.example', true), ('Nobody', NULL, true), ('Nobody', 'still@crm.example', false);
SELECT address, source FROM kam.Suppression WHERE address LIKE '%@crm.example' ORDER BY 1;
SELECT unsubscribe_flag FROM kam.Leads WHERE lead_id = 'crm-word';

-- ---- opt-outs
INSERT INTO crm.hubspot_contacts VALUES ('crm-o1', '{"email": "one@crm-o.example"}'), ('crm-o2', '{"email": "two@crm-o.example"}'), ('crm-o3', '{"email": "three@crm-o.example"}'),
	('crm-o4', '{"email": "four@crm-o.example"}');
SELECT pg_temp.ask('crm-o1', 'outbound', 'activation', 'crm-S'), pg_temp.ask('crm-o1', 'transactional', 'activation', 'crm-T');
SELECT pg_temp.ask('crm-o1', 'outbound', 'touch', 'crm-S', i) FROM generate_series(1, 4) i;
-- In the same transaction: the hold is cancelled, the sequences end, the gate refuses.
UPDATE crm.hubspot_contacts SET properties = properties || '{"hs_email_optout": "true"}' WHERE id = 'crm-o1';
SELECT sequence_id, state, end_reason FROM kam.Cadence WHERE lead_id = 'crm-o1' ORDER BY 1;
SELECT kind, state, end_reason FROM kam.CadenceQueue WHERE lead_id = 'crm-o1';
SELECT allowed, gate, suppressed_reason, compliance_status FROM kam.kam_gate('crm-o1', 'transactional', 'touch', 'crm-T');
SELECT address, source, reason FROM kam.Suppression WHERE address = 'one@crm-o.example';
SELECT pg_temp.ask('crm-o1', 'outbound', 'activation', 'crm-again');
-- The CRM's false, or its silence, revives nothing.
UPDATE crm.hubspot_contacts SET properties = properties || '{"hs_email_optout": "false", "jobtitle": "CEO"}' WHERE id = 'crm-o1';
UPDATE crm.hubspot_contacts SET properties = properties - 'hs_email_optout' WHERE id = 'crm-o1';
SELECT job_title, unsubscribe_flag FROM kam.Leads WHERE lead_id = 'crm-o1';
SELECT allowed, gate FROM kam.kam_gate('crm-o1', 'outbound');
-- A person does, until the CRM says it again.
UPDATE kam.Leads SET unsubscribe_flag = false WHERE lead_id = 'crm-o1';
UPDATE crm.hubspot_contacts SET properties = properties || '{"jobtitle": "CFO"}' WHERE id = 'crm-o1';
SELECT allowed FROM kam.kam_gate('crm-o1', 'outbound');
UPDATE crm.hubspot_contacts SET properties = properties || '{"hs_email_optout": "YES"}' WHERE id = 'crm-o1';
SELECT allowed FROM kam.kam_gate('crm-o1', 'outbound');
-- A value that nobody understands is an opt-out.
UPDATE crm.hubspot_contacts SET properties = properties || '{"do_not_contact": "asked on the phone"}' WHERE id = 'crm-o2';
SELECT unsubscribe_flag, opt_out_flag, attributes FROM kam.Leads WHERE lead_id = 'crm-o2';
UPDATE crm.hubspot_contacts SET properties = properties || '{"hs_email_optout": {"since": 2024}, "jobtitle": {"de": "Leiter"}, "do_not_contact": {}}' WHERE id = 'crm-o2';
SELECT unsubscribe_flag, job_title, attributes FROM kam.Leads WHERE lead_id = 'crm-o2';
-- Taken back with what brought it.
SAVEPOINT s;
UPDATE crm.hubspot_contacts SET properties = properties || '{"do_not_contact": 1}' WHERE id = 'crm-o3';
SELECT allowed FROM kam.kam_gate('crm-o3', 'outbound');
ROLLBACK TO s;
SELECT allowed FROM kam.kam_gate('crm-o3', 'outbound');
-- Of a merged lead: the one that stands for it stops.
SELECT kam.kam_merge_leads('crm-o4', 'crm-o3') IS NOT NULL AS merged;
SELECT pg_temp.ask('crm-o3', 'outbound', 'activation', 'crm-M');
UPDATE crm.hubspot_contacts SET properties = properties || '{"hs_email_optout": true}' WHERE id = 'crm-o4';
SELECT sequence_id, state, end_reason FROM kam.Cadence WHERE lead_id = 'crm-o3';
SELECT lead_id, unsubscribe_flag FROM kam.Leads WHERE lead_id IN ('crm-o3', 'crm-o4') ORDER BY 1;

-- ---- arguments, and shapes of one's own
-- Instead of the mapping's sources, in the order given; a field is left alone; the row lies in a jsonb.
CREATE TABLE crm.webhook (n int, data jsonb);
CREATE TRIGGER kam AFTER INSERT OR UPDATE ON crm.webhook FOR EACH ROW
	EXECUTE FUNCTION kam.kam_lead_on_change('salesforce', 'row=data', 'email=Work_Email__c', 'email=Email', 'owner_id=', 'opt_out_flag=DoNotCall', 'sales_signal_at=Replied__c',
		'attributes.plan=Plan__c,name');
INSERT INTO crm.webhook VALUES (1, '{"Id": "crm-w1", "Email": "w@crm-w.example", "Work_Email__c": " ", "OwnerId": "005", "DoNotCall": false, "Replied__c": "2026-02-01T10:00:00Z",
	"Plan__c": {"name": "gold"}}');
SELECT pg_temp.lead('crm-w1');
-- A signal only moves forward.
UPDATE crm.webhook SET data = data || '{"Replied__c": "2026-01-01", "DoNotCall": true}';
SELECT sales_signal_at, opt_out_flag FROM kam.Leads WHERE lead_id = 'crm-w1';
UPDATE crm.webhook SET data = data || '{"Replied__c": 1772000000000}';
SELECT sales_signal_at FROM kam.Leads WHERE lead_id = 'crm-w1';
UPDATE crm.webhook SET data = data || '{"Replied__c": "tomorrow"}';
SELECT sales_signal_at, attributes -> 'crm_unread' AS unread FROM kam.Leads WHERE lead_id = 'crm-w1';

-- Of several places for an opt-out one is enough.
CREATE TABLE crm.two (id text, sms_stop text, mail_stop text);
CREATE TRIGGER kam AFTER INSERT ON crm.two FOR EACH ROW EXECUTE FUNCTION kam.kam_lead_on_change('pipedrive', 'opt_out_flag=sms_stop', 'opt_out_flag=mail_stop');
INSERT INTO crm.two VALUES ('crm-t1', 'no', '1'), ('crm-t2', 'N', 'off'), ('crm-t3', '', '2026-01-07'), ('crm-t4', NULL, NULL);
SELECT lead_id, opt_out_flag, attributes FROM kam.Leads WHERE lead_id LIKE 'crm-t%' ORDER BY 1;

INSERT INTO kam.crm_mapping (mapping, target, field, sources, words) VALUES
	('house', 'lead', 'lead_id', '{kunde}', '{}'), ('house', 'lead', 'email', '{mail}', '{}'), ('house', 'lead', 'opt_out_flag', '{sperre}', '{"ja": true, "nein": false}'),
	('house', 'lead', 'icp_tier', '{klasse}', '{"a": "T1", "b": "T2"}');
CREATE TABLE crm.kunden (kunde text, mail text, sperre text, klasse text);
CREATE TRIGGER kam AFTER INSERT OR UPDATE ON crm.kunden FOR EACH ROW EXECUTE FUNCTION kam.kam_lead_on_change('house');
INSERT INTO crm.kunden VALUES ('crm-k1', 'k1@crm-k.example', 'nein', 'A'), ('crm-k2', 'k2@crm-k.example', 'Ja', 'C');
SELECT lead_id, email, opt_out_flag, icp_tier, attributes FROM kam.Leads WHERE lead_id LIKE 'crm-k%' ORDER BY 1;
-- What a table gives: of each field the sources that it has.
SELECT * FROM kam.kam_crm_check('crm.contact');
SELECT field, source FROM kam.kam_crm_check('crm.fivetran_contact') WHERE source <> '';
SELECT target, field, source FROM kam.kam_crm_check('crm.webhook') WHERE field IN ('email', 'owner_id', 'opt_out_flag', 'attributes.plan');

SAVEPOINT s;
-- A row of the extension's that is changed, or replaced, is the user's, and dumped; there is one for each field.
UPDATE kam.crm_mapping SET sources = '{"properties,work_email","properties,email"}' WHERE (mapping, target, field) = ('hubspot', 'lead', 'email');
INSERT INTO kam.crm_mapping (mapping, target, field, sources) VALUES ('hubspot', 'lead', 'time_zone', '{}');
SELECT mapping, target, field, sources FROM kam.crm_mapping WHERE NOT builtin AND mapping <> 'house' ORDER BY 1, 2, 3;
SELECT count(*) FROM kam.crm_mapping WHERE mapping = 'hubspot' AND target = 'lead' AND field IN ('email', 'time_zone');
SELECT c.condition FROM pg_extension e, unnest(e.extconfig, e.extcondition) c (rel, condition) WHERE e.extname = 'kam' AND c.rel = 'kam.crm_mapping'::regclass;
UPDATE crm.hubspot_contacts SET properties = properties || '{"work_email": "work@crm-o.example", "hs_timezone": "Asia/Tokyo"}' WHERE id = 'crm-o2';
SELECT email, time_zone FROM kam.Leads WHERE lead_id = 'crm-o2';
ROLLBACK TO s;
SELECT pg_temp.refused($$INSERT INTO kam.crm_mapping (mapping, target, field, sources) VALUES ('house', 'lead', 'cadence_state', '{x}')$$);
SELECT pg_temp.refused($$INSERT INTO kam.crm_mapping (mapping, target, field, sources) VALUES ('house', 'deal', 'name', '{x}')$$);
SELECT pg_temp.refused($$INSERT INTO kam.crm_mapping (mapping, target, field, sources) VALUES ('house', 'lead', 'phone', '{""}')$$);

-- ---- a trigger set up wrongly says so with the first row
CREATE TABLE crm.wrong (id text, name text, deleted boolean);
CREATE FUNCTION pg_temp.with_trigger(made text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE 'CREATE TRIGGER kam ' || made;
	RETURN pg_temp.refused('INSERT INTO crm.wrong VALUES (''crm-wrong'', ''x'')');
END
$$;
SAVEPOINT s; SELECT pg_temp.with_trigger('AFTER INSERT ON crm.wrong FOR EACH ROW EXECUTE FUNCTION kam.kam_lead_on_change()'); ROLLBACK TO s;
SAVEPOINT s; SELECT pg_temp.with_trigger('AFTER INSERT ON crm.wrong FOR EACH ROW EXECUTE FUNCTION kam.kam_lead_on_change(''zoho'')'); ROLLBACK TO s;
SAVEPOINT s; SELECT pg_temp.with_trigger('AFTER INSERT ON crm.wrong FOR EACH ROW EXECUTE FUNCTION kam.kam_account_on_change(''house'')'); ROLLBACK TO s;
SAVEPOINT s; SELECT pg_temp.with_trigger('AFTER INSERT ON crm.wrong FOR EACH ROW EXECUTE FUNCTION kam.kam_lead_on_change(''house'')'); ROLLBACK TO s;
SAVEPOINT s; SELECT pg_temp.with_trigger('AFTER INSERT ON crm.wrong FOR EACH ROW EXECUTE FUNCTION kam.kam_lead_on_change(''pipedrive'', ''name'')'); ROLLBACK TO s;
SAVEPOINT s; SELECT pg_temp.with_trigger('AFTER INSERT ON crm.wrong FOR EACH ROW EXECUTE FUNCTION kam.kam_lead_on_change(''pipedrive'', ''merged_into=name'')'); ROLLBACK TO s;
SAVEPOINT s; SELECT pg_temp.with_trigger('AFTER INSERT ON crm.wrong FOR EACH ROW EXECUTE FUNCTION kam.kam_lead_on_change(''pipedrive'', ''email=mail,work'')'); ROLLBACK TO s;
SAVEPOINT s; SELECT pg_temp.with_trigger('AFTER INSERT ON crm.wrong FOR EACH ROW EXECUTE FUNCTION kam.kam_lead_on_change(''pipedrive'', ''row=data'')'); ROLLBACK TO s;
SAVEPOINT s; SELECT pg_temp.with_trigger('AFTER INSERT ON crm.wrong FOR EACH ROW EXECUTE FUNCTION kam.kam_lead_on_change(''pipedrive'', ''lead_id='')'); ROLLBACK TO s;
SAVEPOINT s; SELECT pg_temp.with_trigger('BEFORE INSERT ON crm.wrong FOR EACH ROW EXECUTE FUNCTION kam.kam_lead_on_change(''pipedrive'')'); ROLLBACK TO s;
SAVEPOINT s; SELECT pg_temp.with_trigger('AFTER INSERT ON crm.wrong FOR EACH STATEMENT EXECUTE FUNCTION kam.kam_account_on_change(''pipedrive'')'); ROLLBACK TO s;

-- ---- who may: administrators make such a trigger; then whoever may write the table needs no right on kam
CREATE ROLE regress_syncer;
CREATE ROLE regress_program IN ROLE kam_submit;
GRANT USAGE ON SCHEMA crm TO regress_syncer;
GRANT CREATE, USAGE ON SCHEMA crm TO regress_program;
GRANT INSERT, UPDATE, SELECT ON crm.kunden TO regress_syncer;
SET ROLE regress_syncer;
INSERT INTO crm.kunden VALUES ('crm-k3', 'k3@crm-k.example', NULL, NULL);
UPDATE crm.kunden SET sperre = 'ja' WHERE kunde = 'crm-k3';
SELECT pg_temp.refused('SELECT FROM kam.Leads');
SET ROLE regress_program;
CREATE TABLE crm.mine (id text);
SELECT pg_temp.refused('CREATE TRIGGER kam AFTER INSERT ON crm.mine FOR EACH ROW EXECUTE FUNCTION kam.kam_lead_on_change(''pipedrive'')');
RESET ROLE;
SELECT opt_out_flag FROM kam.Leads WHERE lead_id = 'crm-k3';
GRANT kam_admin TO regress_program;
SET ROLE regress_program;
CREATE TRIGGER kam AFTER INSERT ON crm.mine FOR EACH ROW EXECUTE FUNCTION kam.kam_lead_on_change('pipedrive');
INSERT INTO crm.mine VALUES ('crm-mine');
SELECT count(*) FROM kam.Leads WHERE lead_id = 'crm-mine';
SELECT count(*) AS read FROM kam.kam_crm_check('crm.mine') WHERE source <> '';
RESET ROLE;
SET ROLE kam_admin;
INSERT INTO kam.crm_mapping (mapping, target, field, sources) VALUES ('house', 'lead', 'attributes.note', '{notiz}');
DELETE FROM kam.crm_mapping WHERE mapping = 'house' AND field = 'attributes.note';
RESET ROLE;

-- ---- many rows at once, in any order, again and again
INSERT INTO crm.kunden SELECT 'crm-k-' || n, 'many' || n || '@crm-k.example', CASE WHEN n % 100 = 0 THEN 'ja' END, 'B' FROM generate_series(1, 1000) n ORDER BY md5(n::text);
SELECT count(*), count(*) FILTER (WHERE opt_out_flag) AS opted_out, count(DISTINCT icp_tier) AS tiers FROM kam.Leads WHERE lead_id LIKE 'crm-k-%';
SELECT md5(string_agg(xmin || ' ' || ctid, ',' ORDER BY lead_id)) AS before FROM kam.Leads WHERE lead_id LIKE 'crm-k-%' \gset
UPDATE crm.kunden SET kunde = kunde;
SELECT md5(string_agg(xmin || ' ' || ctid, ',' ORDER BY lead_id)) = :'before' AS unchanged FROM kam.Leads WHERE lead_id LIKE 'crm-k-%';

ROLLBACK;
