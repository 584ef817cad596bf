-- Words and shapes that columns take.  Domains, where a statement of the gate writes the table: the server reads a domain's rule once per session and applies it to
-- the columns that are written; it reads the text of a table's CHECKs anew in every statement.

CREATE DOMAIN crm_key AS text CHECK (VALUE <> '');
COMMENT ON DOMAIN crm_key IS 'A key as the CRM or an agent gives it: any text but the empty one.';
CREATE DOMAIN tier AS text CHECK (VALUE IN ('T1', 'T2', 'T3'));
COMMENT ON DOMAIN tier IS 'How well an account fits the ideal customer: T1 best.';
CREATE DOMAIN sequence_family AS text CHECK (VALUE IN ('sales', 'marketing', 'transactional'));
COMMENT ON DOMAIN sequence_family IS 'Who competes with whom.';
CREATE DOMAIN enrolment_state AS text CHECK (VALUE IN ('queued', 'active', 'paused', 'finished'));
COMMENT ON DOMAIN enrolment_state IS 'Where an enrolment stands.';
CREATE DOMAIN object_jsonb AS jsonb CHECK (jsonb_typeof(VALUE) = 'object');
COMMENT ON DOMAIN object_jsonb IS 'A jsonb that is an object.';
CREATE DOMAIN array_jsonb AS jsonb CHECK (jsonb_typeof(VALUE) = 'array');
COMMENT ON DOMAIN array_jsonb IS 'A jsonb that is an array.';

CREATE DOMAIN notification_status AS text CHECK (VALUE IN ('pending', 'sent', 'failed', 'dead', 'acknowledged', 'parked'));
COMMENT ON DOMAIN notification_status IS 'Where a notification stands.';
CREATE DOMAIN tally AS integer CHECK (VALUE >= 0);
COMMENT ON DOMAIN tally IS 'A number of times.';

CREATE FUNCTION _log_row_is_sound(coordinator_action text, event_type text, suppressed_reason text, compliance_status text, family text, counted boolean,
	touch_no bigint, touch_at timestamptz, event_at timestamptz) RETURNS boolean
	LANGUAGE c IMMUTABLE PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'kam_cadence_row_is_sound';
COMMENT ON FUNCTION _log_row_is_sound(text, text, text, text, text, boolean, bigint, timestamptz, timestamptz) IS 'Whether a row of CadenceEventLog is one that can be: a verdict of the contract''s table; nothing executed unless compliance_status is clear; an executed touch numbered and counted from its event_at unless transactional; only numbered touches counted.';
