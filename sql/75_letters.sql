-- What a delivery looks like: Slack's blocks, Zapier's and webhooks' JSON, e-mails.  Nothing here writes (docs/delivery.md).
--
-- Texts of models and of the CRM are data wherever they go: escaped for Slack and HTML, without line breaks in a header.

-- ---- texts -----------------------------------------------------------------------

CREATE FUNCTION _clip(t text, most integer) RETURNS text
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	BEGIN ATOMIC
		SELECT CASE WHEN length(t) > most THEN left(t, most - 1) || '…' ELSE t END;
	END;
COMMENT ON FUNCTION _clip(text, integer) IS 'The text, cut to so many characters, the last an ellipsis.';

CREATE FUNCTION _fill(template text, known jsonb) RETURNS text
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
DECLARE
	word record;
BEGIN
	FOR word IN SELECT * FROM jsonb_each_text(known) LOOP
		template := replace(template, '{' || word.key || '}', coalesce(word.value, ''));
	END LOOP;
	RETURN template;
END
$$;
COMMENT ON FUNCTION _fill(text, jsonb) IS 'A template of an endpoint with its {words} filled in.';

CREATE FUNCTION _escape_html(t text) RETURNS text
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	BEGIN ATOMIC
		SELECT replace(replace(replace(replace(t, '&', '&amp;'), '<', '&lt;'), '>', '&gt;'), '"', '&quot;');
	END;
COMMENT ON FUNCTION _escape_html(text) IS 'The text as HTML.';

-- Slack wants these three escaped, in text as in blocks; what is left of a mention or a link is text.
CREATE FUNCTION _slack_text(t text, most integer) RETURNS text
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
DECLARE
	escaped text := replace(replace(replace(t, '&', '&amp;'), '<', '&lt;'), '>', '&gt;');
BEGIN
	IF length(escaped) > most THEN
		-- Not within an escape.
		escaped := regexp_replace(left(escaped, most - 1), '&[a-z]{0,3}$', '') || '…';
	END IF;
	RETURN escaped;
END
$$;
COMMENT ON FUNCTION _slack_text(text, integer) IS 'A text escaped for Slack, cut to so many characters.';

-- ---- what a notification says --------------------------------------------------------

CREATE FUNCTION _event_kind(topic text) RETURNS text
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	BEGIN ATOMIC
		SELECT coalesce((SELECT k.kind FROM (VALUES ('decision', 'contact.decided'), ('failure', 'run.failed'), ('budget', 'budget.alert'),
			('touch', 'touch.executed'), ('activation', 'sequence.activated'), ('resume', 'sequence.resumed')) k (topic, kind)
			WHERE k.topic = _event_kind.topic), 'cadence.' || topic);
	END;
COMMENT ON FUNCTION _event_kind(text) IS 'The type that a webhook states for a topic, such as contact.decided.';

CREATE FUNCTION _say_line(n notification) RETURNS text
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
DECLARE
	p CONSTANT jsonb := n.payload;
	who CONSTANT text := coalesce(nullif(p #>> '{contact,name}', ''), (SELECT nullif(l.full_name, '') FROM kam.Leads l WHERE l.lead_id = n.lead_id),
		'lead ' || n.lead_id, 'a contact');
BEGIN
	RETURN CASE n.topic
		WHEN 'decision' THEN concat_ws(' ', replace(p ->> 'action', '_', ' '), 'by ' || lower(p ->> 'channel'), 'for', who,
		                               '(' || nullif(p #>> '{contact,company}', '') || ')')
		WHEN 'failure' THEN format('the run for %s failed: %s', who, p ->> 'error')
		WHEN 'budget' THEN format('budget %s: %s', p ->> 'budget', CASE WHEN p -> 'held' = 'true' THEN 'calls are held' ELSE 'nearly spent' END)
		WHEN 'touch' THEN format('to do: %s %s', coalesce((SELECT e.channel FROM kam.CadenceEventLog e WHERE e.lead_id = n.lead_id AND e.event_id = n.event_id),
		                                                  p ->> 'channel', 'contact'), who)
		WHEN 'activation' THEN format('a sequence has begun for %s', who)
		WHEN 'resume' THEN format('a sequence goes on for %s', who)
		ELSE concat_ws(': ', replace(n.topic, '_', ' '), who) END;
END
$$;
COMMENT ON FUNCTION _say_line(notification) IS 'A notification in one line.';

CREATE FUNCTION _say_facts(n notification) RETURNS TABLE (label text, said text)
	LANGUAGE sql STABLE PARALLEL SAFE
	BEGIN ATOMIC
		SELECT f.label, f.said
		  FROM (VALUES ('Contact', concat_ws(', ', (n).payload #>> '{contact,name}', (n).payload #>> '{contact,company}')),
		               ('Owner', (n).payload ->> 'owner'), ('Action', (n).payload ->> 'action'), ('Channel', (n).payload ->> 'channel'),
		               ('Send at', (n).payload ->> 'execute_at'), ('Look again at', (n).payload ->> 'reevaluate_at'),
		               ('Opportunity', (n).payload ->> 'opportunity_strength'), ('Compliance', (n).payload ->> 'compliance'),
		               ('Sequence', (n).payload ->> 'sequence_id'), ('Type', (n).payload ->> 'sequence_type'), ('Verdict', (n).payload ->> 'resolution'),
		               ('Rep', (n).payload ->> 'rep_id'), ('Lead', (n).lead_id), ('Error', (n).payload ->> 'error')) f (label, said)
		 WHERE f.said <> '';
	END;
COMMENT ON FUNCTION _say_facts(notification) IS 'What a notification says in short, labelled.';

CREATE FUNCTION _say_reasons(n notification) RETURNS text[]
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	BEGIN ATOMIC
		SELECT coalesce(array_agg(r.value ORDER BY r.key) FILTER (WHERE r.value <> ''), '{}') FROM jsonb_each_text(
			CASE jsonb_typeof((n).payload -> 'reasons') WHEN 'object' THEN (n).payload -> 'reasons' ELSE '{}'::jsonb END) r;
	END;
COMMENT ON FUNCTION _say_reasons(notification) IS 'Why a decision is what it is.';

-- ---- Slack ------------------------------------------------------------------------------

-- Limits as documented: 50 blocks, a header of 150 characters, a section of 3000, 10 fields of 2000 each, a button's text of 75 and its URL of 3000.
CREATE FUNCTION _slack_message(n notification, e endpoint) RETURNS jsonb
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
DECLARE
	line CONSTANT text := kam._say_line(n);
	message CONSTANT text := n.payload ->> 'message';
	reasons CONSTANT text[] := kam._say_reasons(n);
	review CONSTANT text := kam._fill(e.review_url, jsonb_build_object('session_id', coalesce(n.session_id::text, ''), 'lead_id', coalesce(n.lead_id, '')));
	fields jsonb;
	blocks jsonb := '[]';
BEGIN
	blocks := blocks || jsonb_build_object('type', 'header', 'text', jsonb_build_object('type', 'plain_text', 'text', kam._clip(line, 150), 'emoji', false));
	SELECT jsonb_agg(jsonb_build_object('type', 'mrkdwn', 'verbatim', true, 'text', format(E'*%s*\n%s', f.label, kam._slack_text(f.said, 1900)))) INTO fields
	  FROM (SELECT f.label, f.said FROM kam._say_facts(n) f LIMIT 10) f;
	IF fields IS NOT NULL THEN
		blocks := blocks || jsonb_build_object('type', 'section', 'fields', fields);
	END IF;
	IF cardinality(reasons) > 0 THEN
		blocks := blocks || jsonb_build_object('type', 'section', 'text', jsonb_build_object('type', 'mrkdwn', 'verbatim', true,
			'text', kam._slack_text(E'*Why*\n' || (SELECT string_agg('• ' || r.reason, E'\n' ORDER BY r.n) FROM unnest(reasons) WITH ORDINALITY r (reason, n)), 3000)));
	END IF;
	IF message <> '' THEN
		blocks := blocks || jsonb_build_object('type', 'section', 'text', jsonb_build_object('type', 'plain_text', 'emoji', false,
			'text', kam._clip(concat_ws(E'\n\n', n.payload ->> 'subject', message), 3000)));
	END IF;
	IF n.topic = 'decision' AND message <> '' THEN
		blocks := blocks || jsonb_build_object('type', 'section', 'text', jsonb_build_object('type', 'mrkdwn', 'verbatim', true, 'text',
			format(E'*Validate*\n`SELECT kam.kam_validate(''%1$s'', ''approved'');`\n`SELECT kam.kam_validate(''%1$s'', ''edited'', edited_message =&gt; ''...'');`\n`SELECT kam.kam_validate(''%1$s'', ''rejected'');`',
			       n.session_id)));
	END IF;
	IF review <> '' THEN
		blocks := blocks || jsonb_build_object('type', 'actions', 'elements', jsonb_build_array(jsonb_build_object('type', 'button',
			'text', jsonb_build_object('type', 'plain_text', 'text', 'Review', 'emoji', false), 'url', left(review, 3000))));
	END IF;
	IF n.session_id IS NOT NULL THEN
		blocks := blocks || jsonb_build_object('type', 'context', 'elements', jsonb_build_array(jsonb_build_object('type', 'mrkdwn', 'verbatim', true,
			'text', format('kam_explain(''%s'')', n.session_id))));
	END IF;
	RETURN jsonb_build_object('text', kam._slack_text(concat_ws(E'\n', line, message), 3000), 'blocks', blocks);
END
$$;
COMMENT ON FUNCTION _slack_message(notification, endpoint) IS 'A notification for an incoming webhook of Slack: text as fallback, and blocks with what was decided, why, the message and how to validate it. Within Slack''s limits whatever the texts are.';

-- ---- JSON ----------------------------------------------------------------------------------

CREATE FUNCTION _utc(at timestamptz) RETURNS text
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	BEGIN ATOMIC
		SELECT to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"');
	END;
COMMENT ON FUNCTION _utc(timestamptz) IS 'A time as RFC 3339 has it, in UTC.';

CREATE FUNCTION _recipient_of(l Leads) RETURNS jsonb
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	BEGIN ATOMIC
		SELECT jsonb_strip_nulls(jsonb_build_object('lead_id', (l).lead_id, 'name', (l).full_name, 'email', (l).email, 'phone', (l).phone,
			'linkedin_url', (l).linkedin_url, 'owner_id', (l).owner_id, 'time_zone', (l).time_zone));
	END;
COMMENT ON FUNCTION _recipient_of(Leads) IS 'Whom a message goes to, for who sends it.';

CREATE FUNCTION _webhook_message(n notification, l Leads) RETURNS jsonb
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
DECLARE
	e kam.CadenceEventLog;
BEGIN
	IF n.event_id IS NOT NULL THEN
		SELECT * INTO e FROM kam.CadenceEventLog c WHERE c.lead_id = n.lead_id AND c.event_id = n.event_id;
	END IF;
	RETURN jsonb_build_object('type', kam._event_kind(n.topic), 'timestamp', kam._utc(n.created_at),
		'data', jsonb_strip_nulls(jsonb_build_object('notification_id', n.notification_id, 'recipient', n.recipient, 'session_id', n.session_id,
			'lead_id', n.lead_id, 'event_id', n.event_id, 'sequence_id', e.sequence_id, 'sequence_type', e.sequence_type, 'step', e.step, 'channel', e.channel,
			'originating_agent', e.originating_agent, 'to', CASE WHEN l.lead_id IS NOT NULL THEN kam._recipient_of(l) END)) || jsonb_build_object('payload', n.payload));
END
$$;
COMMENT ON FUNCTION _webhook_message(notification, Leads) IS 'A notification as Standard Webhooks and Zapier take it: type, timestamp, data; of a message to a person, with the person''s addresses.';

-- ---- e-mail --------------------------------------------------------------------------------------

CREATE FUNCTION _mail_word(t text) RETURNS text
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
DECLARE
	plain CONSTANT text := btrim(regexp_replace(t, '[[:cntrl:][:space:]]+', ' ', 'g'));
	words text[] := '{}';
	word text := '';
	c text;
BEGIN
	IF plain IS NULL OR plain ~ '^[ -~]*$' AND plain !~ '=\?' AND length(plain) <= 900 THEN
		RETURN plain;
	END IF;
	-- An encoded word has at most 75 characters, so 45 bytes.  As few as will do: some programs put a space between two.
	FOREACH c IN ARRAY string_to_array(plain, NULL) LOOP
		IF octet_length(word) + octet_length(c) > 45 THEN
			words := words || word;
			word := '';
		END IF;
		word := word || c;
	END LOOP;
	RETURN (SELECT string_agg('=?UTF-8?B?' || encode(convert_to(w.word, 'UTF8'), 'base64') || '?=', E'\r\n ' ORDER BY w.n)
	          FROM unnest(words || word) WITH ORDINALITY w (word, n));
END
$$;
COMMENT ON FUNCTION _mail_word(text) IS 'A text as a header''s value: one line, encoded where it is not plain ASCII (RFC 2047).';

CREATE FUNCTION _bare_address(t text) RETURNS text
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
DECLARE
	bare CONSTANT text := btrim(coalesce(substring(t FROM '<([^<>]*)>[[:space:]]*$'), t));
BEGIN
	-- Nothing that ends a line or a command, or means another recipient.
	RETURN CASE WHEN bare ~ '^[^[:space:][:cntrl:]<>,;:"()\\@]+@[^[:space:][:cntrl:]<>,;:"()\\@]+$' AND octet_length(bare) <= 320 THEN bare END;
END
$$;
COMMENT ON FUNCTION _bare_address(text) IS 'The address of "Jane Doe <jane@acme.com>"; NULL for what cannot be one.';

CREATE FUNCTION _mailbox(name text, address text) RETURNS text
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
DECLARE
	word CONSTANT text := kam._mail_word(name);
BEGIN
	RETURN CASE WHEN coalesce(word, '') = '' THEN address
	            WHEN word LIKE '=?%' THEN word || ' <' || address || '>'
	            ELSE '"' || replace(replace(word, '\', ''), '"', '') || '" <' || address || '>' END;
END
$$;
COMMENT ON FUNCTION _mailbox(text, text) IS 'Name and address as From and To have them.';

CREATE FUNCTION _mail_part(kind text, t text) RETURNS text
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
DECLARE
	lines CONSTANT text := regexp_replace(regexp_replace(t, E'\r\n?', E'\n', 'g'), E'\n*$', E'\n');
BEGIN
	-- A line may have 998 bytes (RFC 5322).
	IF lines ~ E'^[\t\n -~]*$' AND (SELECT max(length(l)) FROM string_to_table(lines, E'\n') l) <= 900 THEN
		RETURN format(E'Content-Type: text/%s; charset=us-ascii\r\nContent-Transfer-Encoding: 7bit\r\n\r\n', kind) || replace(lines, E'\n', E'\r\n');
	END IF;
	RETURN format(E'Content-Type: text/%s; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n', kind)
		|| replace(encode(convert_to(replace(lines, E'\n', E'\r\n'), 'UTF8'), 'base64'), E'\n', E'\r\n') || E'\r\n';
END
$$;
COMMENT ON FUNCTION _mail_part(text, text) IS 'A part of an e-mail (plain or html): 7bit where that will do, else base64.';

CREATE FUNCTION _html_of(t text) RETURNS text
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	BEGIN ATOMIC
		-- Links are marked before the text is escaped: what an escape adds is part of none.
		SELECT '<!DOCTYPE html>' || E'\n<html><body>\n' || string_agg('<p>' || replace(
		           regexp_replace(kam._escape_html(regexp_replace(p.text, '(https?://[^[:space:]<>"]*[^[:space:]<>".,;:!?)])', E'\x01\\1\x02', 'g')),
		                          E'\x01([^\x02]*)\x02', '<a href="\1">\1</a>', 'g'), E'\n', E'<br>\n') || '</p>', E'\n' ORDER BY p.n)
		       || E'\n</body></html>'
		  FROM regexp_split_to_table(btrim(translate(regexp_replace(t, E'\r\n?', E'\n', 'g'), E'\x01\x02', ''), E'\n'), E'\n[[:space:]]*\n') WITH ORDINALITY p (text, n);
	END;
COMMENT ON FUNCTION _html_of(text) IS 'A plain text as HTML: paragraphs, line breaks, links.';

CREATE FUNCTION _mail(headers text[], body text, boundary text) RETURNS text
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	BEGIN ATOMIC
		SELECT array_to_string(array_remove(headers, NULL), E'\r\n') || E'\r\nMIME-Version: 1.0\r\nContent-Type: multipart/alternative; boundary="' || boundary || E'"\r\n\r\n'
			|| '--' || boundary || E'\r\n' || kam._mail_part('plain', body)
			|| '--' || boundary || E'\r\n' || kam._mail_part('html', kam._html_of(body))
			|| '--' || boundary || E'--\r\n';
	END;
COMMENT ON FUNCTION _mail(text[], text, text) IS 'An e-mail: headers, and the text plain and as HTML.';

CREATE FUNCTION _notification_uuid(n notification) RETURNS uuid
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	BEGIN ATOMIC
		SELECT md5('kam notification ' || (n).home || '/' || (n).notification_id)::uuid;
	END;
COMMENT ON FUNCTION _notification_uuid(notification) IS 'What a notification is known by outside, the same for every attempt.';

CREATE FUNCTION _message_id(n notification, e endpoint) RETURNS text
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	BEGIN ATOMIC
		SELECT '<' || kam._notification_uuid(n) || '@' || coalesce(split_part(kam._bare_address((e).sender), '@', 2), 'kam') || '>';
	END;
COMMENT ON FUNCTION _message_id(notification, endpoint) IS 'The Message-ID of a notification sent by e-mail.';

CREATE FUNCTION _subject_of(message text) RETURNS text
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	BEGIN ATOMIC
		-- The first line that is more than a greeting.
		SELECT kam._clip((SELECT btrim(l.line) FROM regexp_split_to_table(message, E'[\r\n]+') WITH ORDINALITY l (line, n)
		                   WHERE btrim(l.line) <> '' ORDER BY length(btrim(l.line)) < 25, l.n LIMIT 1), 70);
	END;
COMMENT ON FUNCTION _subject_of(text) IS 'A subject for a message that has none: its first line that is more than a greeting.';

CREATE FUNCTION _person_mail(n notification, e endpoint, l Leads, token uuid) RETURNS TABLE (mail_from text, mail_to text, subject text, body text)
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_column
DECLARE
	logged kam.CadenceEventLog;
	before kam.sent_message;
	transactional boolean;
	click text;
	answer_to text;
	words text := n.payload ->> 'message';
BEGIN
	SELECT * INTO logged FROM kam.CadenceEventLog c WHERE c.lead_id = n.lead_id AND c.event_id = n.event_id;
	-- Not itself, which may have been sent before (kam_redeliver).
	SELECT * INTO before FROM kam.sent_message m
	 WHERE m.lead_id = l.lead_id AND m.sequence_id = logged.sequence_id AND m.notification_id < n.notification_id ORDER BY m.notification_id DESC LIMIT 1;
	transactional := (SELECT t.family FROM kam.sequence_type t WHERE t.sequence_type = logged.sequence_type) = 'transactional';
	click := replace(e.unsubscribe_url, '{token}', token::text);
	answer_to := coalesce(kam._bare_address(e.reply_to), kam._bare_address((SELECT r.email FROM kam.Reps r WHERE r.rep_id = l.owner_id)));
	mail_from := kam._bare_address(e.sender);
	mail_to := kam._bare_address(l.email);
	subject := coalesce(nullif(btrim(n.payload ->> 'subject'), ''),
		CASE WHEN before.subject IS NOT NULL THEN regexp_replace(before.subject, '^(Re: )?', 'Re: ') END, kam._subject_of(words));
	IF NOT transactional AND e.footer <> '' THEN
		words := words || E'\n\n' || replace(e.footer, '{unsubscribe_url}', coalesce(click, ''));
	END IF;
	body := kam._mail(ARRAY[
		'From: ' || kam._mailbox(CASE WHEN e.sender LIKE '%<%' THEN btrim(split_part(e.sender, '<', 1), ' "') END, mail_from),
		'To: ' || kam._mailbox(l.full_name, mail_to),
		'Reply-To: ' || answer_to,
		'Subject: ' || kam._mail_word(subject),
		'Date: ' || to_char(clock_timestamp() AT TIME ZONE 'UTC', 'Dy, DD Mon YYYY HH24:MI:SS') || ' +0000',
		'Message-ID: ' || kam._message_id(n, e),
		'In-Reply-To: ' || before.message_id,
		'References: ' || before.message_id,
		CASE WHEN NOT transactional THEN 'List-Unsubscribe: ' || nullif(concat_ws(', ', '<' || click || '>',
			'<mailto:' || kam._bare_address(e.unsubscribe_mailto) || '?subject=' || token || '>'), '') END,
		CASE WHEN NOT transactional AND click IS NOT NULL THEN 'List-Unsubscribe-Post: List-Unsubscribe=One-Click' END,
		CASE WHEN transactional THEN 'Auto-Submitted: auto-generated' END], words, 'kam-' || kam._notification_uuid(n));
	RETURN NEXT;
END
$$;
COMMENT ON FUNCTION _person_mail(notification, endpoint, Leads, uuid) IS 'The e-mail of a touch: From the endpoint''s sender, answers to the lead''s owner, with List-Unsubscribe and its one click (RFC 8058) unless transactional, in the thread of the sequence''s earlier e-mail.';

CREATE FUNCTION _news_mail(n notification, e endpoint) RETURNS TABLE (mail_from text, mail_to text, subject text, body text)
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_column
DECLARE
	words text;
BEGIN
	mail_from := kam._bare_address(e.sender);
	mail_to := kam._bare_address(coalesce((SELECT r.email FROM kam.Reps r WHERE r.rep_id = n.recipient), e.mail_to));
	subject := kam._clip(kam._say_line(n), 200);
	words := concat_ws(E'\n\n', kam._say_line(n),
		(SELECT string_agg(f.label || ': ' || f.said, E'\n') FROM kam._say_facts(n) f),
		(SELECT string_agg('- ' || r, E'\n') FROM unnest(kam._say_reasons(n)) r),
		nullif(n.payload ->> 'subject', ''), nullif(n.payload ->> 'message', ''),
		CASE WHEN n.topic = 'decision' AND n.payload ->> 'message' <> '' THEN format('To validate: SELECT kam.kam_validate(''%s'', ''approved'');', n.session_id) END,
		kam._fill(e.review_url, jsonb_build_object('session_id', coalesce(n.session_id::text, ''), 'lead_id', coalesce(n.lead_id, ''))));
	body := kam._mail(ARRAY[
		'From: ' || kam._mailbox(CASE WHEN e.sender LIKE '%<%' THEN btrim(split_part(e.sender, '<', 1), ' "') END, mail_from),
		'To: ' || mail_to,
		'Subject: ' || kam._mail_word(subject),
		'Date: ' || to_char(clock_timestamp() AT TIME ZONE 'UTC', 'Dy, DD Mon YYYY HH24:MI:SS') || ' +0000',
		'Message-ID: ' || kam._message_id(n, e),
		'Auto-Submitted: auto-generated'], words, 'kam-' || kam._notification_uuid(n));
	RETURN NEXT;
END
$$;
COMMENT ON FUNCTION _news_mail(notification, endpoint) IS 'A notification as an e-mail to a rep (Reps.email) or to the endpoint''s mail_to.';
