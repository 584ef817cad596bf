-- Sheets that the worker fetches: resources and best practices kept in a spreadsheet.

CREATE TABLE sheet_import (
	import_id		bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	kind			text NOT NULL,
	url				text NOT NULL,
	state			text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'fetching', 'imported', 'failed')),
	imported		bigint,
	error			text,
	created_by		text NOT NULL DEFAULT session_user,
	created_at		timestamptz NOT NULL DEFAULT kam._now(),
	finished_at		timestamptz,
	home			bigint NOT NULL DEFAULT kam._home()
);
CREATE INDEX sheet_import_open ON sheet_import (import_id) WHERE state IN ('waiting', 'fetching');
COMMENT ON TABLE sheet_import IS 'Sheets that were asked for with kam_import_sheet().';
COMMENT ON COLUMN sheet_import.import_id IS 'What kam_import_sheet() returned.';
COMMENT ON COLUMN sheet_import.kind IS 'What is imported, as of kam_import_csv().';
COMMENT ON COLUMN sheet_import.url IS 'From where.';
COMMENT ON COLUMN sheet_import.state IS 'waiting for the worker, fetching, imported or failed.';
COMMENT ON COLUMN sheet_import.imported IS 'Rows added or replaced.';
COMMENT ON COLUMN sheet_import.error IS 'Why nothing was imported.';
COMMENT ON COLUMN sheet_import.created_by IS 'Who asked.';
COMMENT ON COLUMN sheet_import.created_at IS 'When.';
COMMENT ON COLUMN sheet_import.finished_at IS 'When it was done.';
COMMENT ON COLUMN sheet_import.home IS 'The database it was asked in (_home()); one that came with a restore is not fetched again.';
CREATE TRIGGER sheet_import_wake AFTER INSERT ON sheet_import FOR EACH STATEMENT EXECUTE FUNCTION _wake();

CREATE FUNCTION kam_import_sheet(kind text, url text) RETURNS bigint
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
DECLARE
	-- Google's address for people, and the one for programs.
	google CONSTANT text[] := regexp_match(kam_import_sheet.url, '^(https://docs\.google\.com/spreadsheets/d/[A-Za-z0-9_-]+)/(?:edit|view)[^#]*(?:#(?:.*[?&])?gid=([0-9]+))?');
	address CONSTANT text := CASE WHEN google IS NULL THEN kam_import_sheet.url ELSE google[1] || '/export?format=csv&gid=' || coalesce(google[2], '0') END;
	id bigint;
BEGIN
	IF kam_import_sheet.kind IS NULL OR kam_import_sheet.kind NOT IN ('resource', 'best_practice') THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = format('unknown kind: %s', coalesce(quote_ident(kam_import_sheet.kind), 'NULL')),
			HINT = 'Kinds are resource and best_practice.';
	END IF;
	IF address IS NULL OR address !~ '^https?://[^/?#@[:space:]]+([/?#][^[:space:]]*)?$'
	   OR address LIKE 'http:%' AND NOT kam._private_allowed(address) THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = 'the url of the sheet cannot be fetched',
			HINT = 'Write https://..., the address of a CSV file or of a sheet of Google Sheets that everybody with the link may read.';
	END IF;
	INSERT INTO kam.sheet_import (kind, url) VALUES (kam_import_sheet.kind, address) RETURNING import_id INTO id;
	RETURN id;
END
$$;
COMMENT ON FUNCTION kam_import_sheet(text, text) IS 'Has the worker fetch a CSV file and import it as kam_import_csv() does, all or nothing; returns the import_id at once, and sheet_import tells what came of it. kind: resource or best_practice. Addresses of Google Sheets as the browser shows them are taken as their CSV export. Up to 10 MB, over https; private addresses only where an endpoint with allow_private stands at the same host and port. Example: SELECT kam.kam_import_sheet(''resource'', ''https://docs.google.com/spreadsheets/d/1AbC/edit#gid=0'');';

CREATE FUNCTION _private_allowed(address text) RETURNS boolean
	LANGUAGE sql STABLE
	SET search_path = pg_catalog, kam, pg_temp
	BEGIN ATOMIC
		SELECT EXISTS (SELECT FROM kam.endpoint e
		                WHERE e.allow_private AND e.enabled AND lower(substring(e.url FROM '^[a-z]+://[^/?#]+')) = lower(substring(address FROM '^[a-z]+://[^/?#]+')));
	END;
COMMENT ON FUNCTION _private_allowed(text) IS 'Whether a superuser allowed this host and port, private or not, by a row of endpoint.';

CREATE FUNCTION _sheets_take() RETURNS TABLE (import_id bigint, url text, allow_private boolean)
	LANGUAGE plpgsql VOLATILE SECURITY DEFINER
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_column
BEGIN
	-- Nothing is written where nothing waits: this is asked often.
	IF NOT EXISTS (SELECT FROM kam.sheet_import s WHERE s.state IN ('waiting', 'fetching')) THEN
		RETURN;
	END IF;
	RETURN QUERY
	UPDATE kam.sheet_import s SET state = 'fetching'
	  FROM (SELECT w.import_id FROM kam.sheet_import w WHERE w.state = 'waiting' AND w.home = kam._home() ORDER BY w.import_id LIMIT 4 FOR UPDATE SKIP LOCKED) w
	 WHERE s.import_id = w.import_id
	RETURNING s.import_id, s.url, kam._private_allowed(s.url);
END
$$;
COMMENT ON FUNCTION _sheets_take() IS 'Sheets for the worker to fetch, a few at a time.';

CREATE FUNCTION _sheet_settle(import_id bigint, loss text, status integer, words text, sheet text) RETURNS void
	LANGUAGE plpgsql VOLATILE SECURITY DEFINER
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_column
DECLARE
	asked kam.sheet_import;
	fault text := CASE WHEN loss <> 'none' THEN concat_ws(': ', loss, nullif(words, ''))
	                   WHEN status NOT BETWEEN 200 AND 299 THEN format('the server answered %s', status)
	                   WHEN sheet ~ '^[[:space:]]*<' THEN 'this is a web page, no CSV: may everybody with the link read the sheet?' END;
	rows bigint;
BEGIN
	SELECT s.* INTO asked FROM kam.sheet_import s WHERE s.import_id = _sheet_settle.import_id FOR UPDATE;
	IF fault IS NULL THEN
		BEGIN
			rows := kam.kam_import_csv(asked.kind, sheet);
		EXCEPTION WHEN OTHERS THEN
			fault := SQLERRM;
		END;
	END IF;
	UPDATE kam.sheet_import s
	   SET state = CASE WHEN fault IS NULL THEN 'imported' ELSE 'failed' END, imported = rows, error = kam._clip(fault, 500), finished_at = kam._now()
	 WHERE s.import_id = asked.import_id;
END
$$;
COMMENT ON FUNCTION _sheet_settle(bigint, text, integer, text, text) IS 'What came of fetching a sheet, and its rows.';
