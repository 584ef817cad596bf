-- What leaves the database: which notifications are due at which endpoint, the last look before a message leaves, what an answer means (docs/delivery.md).
--
-- The worker of slot 1 calls _outbox_take() and commits before a byte leaves, and _outbox_settle() with what came back.  A row of _delivery says that a
-- notification is on its way; while it does, nobody takes it again.  Locks are taken lead, notification, endpoint's state; the first two never waited for.

-- ---- what an answer means --------------------------------------------------------------

CREATE FUNCTION _delivery_verdict(kind text, loss text, status integer, in_doubt boolean, policy text) RETURNS text
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	BEGIN ATOMIC
		SELECT CASE WHEN r.verdict = 'retry' AND in_doubt AND policy = 'hold' THEN 'in_doubt' ELSE r.verdict END
		  FROM (VALUES
			-- An answer came.  First match counts; NULL is any.
			(1, 'smtp', 'none', 0, 399, 'sent'),
			(2, 'smtp', 'none', 421, 421, 'endpoint'),		-- it closes for everybody
			(3, 'smtp', 'none', 400, 499, 'retry'),
			(4, 'smtp', 'none', 530, 538, 'endpoint'),		-- who we are, not who it is for
			(5, 'smtp', 'none', 500, 599, 'dead'),
			(6, NULL, 'none', 200, 299, 'sent'),
			(7, 'slack', 'none', 403, 404, 'halt'),			-- no_service, no_team, invalid_token, action_prohibited: for whatever comes
			(8, NULL, 'none', 410, 410, 'halt'),
			(9, NULL, 'none', 401, 404, 'endpoint'),
			(10, NULL, 'none', 429, 429, 'endpoint'),
			(11, NULL, 'none', 502, 504, 'endpoint'),
			(12, NULL, 'none', 300, 399, 'endpoint'),		-- redirects are not followed
			(13, NULL, 'none', 408, 408, 'retry'),
			(14, NULL, 'none', 425, 425, 'retry'),
			(15, NULL, 'none', 400, 499, 'dead'),
			(16, NULL, 'none', NULL, NULL, 'retry'),
			-- None did.
			(17, NULL, 'address', NULL, NULL, 'halt'),
			(18, NULL, 'cut', NULL, NULL, 'retry'),
			(19, NULL, 'timeout', NULL, NULL, 'retry'),
			(20, NULL, NULL, NULL, NULL, 'endpoint')
		  ) r (n, kind, loss, low, high, verdict)
		 WHERE coalesce(r.kind = _delivery_verdict.kind, true) AND coalesce(r.loss = _delivery_verdict.loss, true)
		   AND coalesce(_delivery_verdict.status BETWEEN r.low AND r.high, true)
		 ORDER BY r.n LIMIT 1;
	END;
COMMENT ON FUNCTION _delivery_verdict(text, text, integer, boolean, text) IS 'What becomes of a delivery that ended: sent; retry (this one later), endpoint (all of the endpoint''s later), halt (none until a person looks), dead (this one will never be taken), in_doubt (it may have arrived and the endpoint''s policy is hold).';

CREATE FUNCTION _delivery_pause(schedule interval[], n integer) RETURNS interval
	LANGUAGE sql VOLATILE PARALLEL SAFE
	-- A tenth more or less, so that what failed together does not come back together.
	RETURN schedule[greatest(1, least(n, cardinality(schedule)))] * (0.9 + random() * 0.2);
COMMENT ON FUNCTION _delivery_pause(interval[], integer) IS 'How long to wait after the n-th failure.';

-- ---- what is due where --------------------------------------------------------------------

CREATE FUNCTION _outbox_due(endpoint text, most integer) RETURNS TABLE (notification_id bigint)
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_column
DECLARE
	-- What is volatile is no condition of an index.
	present CONSTANT timestamptz := clock_timestamp();
BEGIN
	-- Its own and those of the reps who get theirs there; what waits for its first try beside what is tried again.
	RETURN QUERY
	SELECT d.notification_id
	  FROM (SELECT _outbox_due.endpoint AS name UNION SELECT r.rep_id FROM kam.Reps r WHERE r.endpoint = _outbox_due.endpoint) w
	 CROSS JOIN LATERAL (
	      (SELECT n.notification_id FROM kam.notification n
	        WHERE n.home = kam._home() AND n.recipient = w.name AND n.status IN ('pending', 'failed') AND n.next_attempt_at IS NULL
	        -- All NULL: so it is the index's order, which passes nothing by that was sent.
	        ORDER BY n.next_attempt_at, n.notification_id LIMIT most)
	      UNION ALL
	      (SELECT n.notification_id FROM kam.notification n
	        WHERE n.home = kam._home() AND n.recipient = w.name AND n.status IN ('pending', 'failed') AND n.next_attempt_at <= present
	        ORDER BY n.next_attempt_at, n.notification_id LIMIT most)) d
	 ORDER BY d.notification_id LIMIT most;
END
$$;
COMMENT ON FUNCTION _outbox_due(text, integer) IS 'The first notifications that are due at an endpoint, oldest first.';

CREATE FUNCTION _outbox_next(endpoint text) RETURNS timestamptz
	LANGUAGE sql STABLE
	SET search_path = pg_catalog, kam, pg_temp
	BEGIN ATOMIC
		SELECT min(d.next_attempt_at)
		  FROM (SELECT _outbox_next.endpoint AS name UNION SELECT r.rep_id FROM kam.Reps r WHERE r.endpoint = _outbox_next.endpoint) w
		 CROSS JOIN LATERAL (SELECT n.next_attempt_at FROM kam.notification n
		        WHERE n.home = kam._home() AND n.recipient = w.name AND n.status IN ('pending', 'failed') AND n.next_attempt_at IS NOT NULL
		        ORDER BY n.next_attempt_at LIMIT 1) d
		 WHERE d.next_attempt_at < 'infinity';
	END;
COMMENT ON FUNCTION _outbox_next(text) IS 'When the next notification that waits for another try is due at an endpoint; NULL for none.';

CREATE FUNCTION _outbox_endpoints() RETURNS TABLE (endpoint text, kind text, url text, allow_private boolean, username text, timeout_s integer,
	room integer, pause_us bigint, due boolean, next_at timestamptz)
	LANGUAGE plpgsql STABLE SECURITY DEFINER
	SET search_path = pg_catalog, kam, pg_temp
	SET enable_seqscan = off
	AS $$
#variable_conflict use_column
BEGIN
	RETURN QUERY
	SELECT e.endpoint, e.kind, e.url, e.allow_private, e.username, extract(epoch FROM e.timeout)::integer,
	       -- After a failure one goes ahead.
	       CASE WHEN s.retry_at IS NOT NULL THEN 1 ELSE e.concurrency END, coalesce(60000000 / e.per_minute, 0)::bigint,
	       s.halted_at IS NULL AND coalesce(s.retry_at <= clock_timestamp(), true) AND w.waits,
	       -- NULL where nothing waits: a pause that is over is no reason to look.
	       CASE WHEN s.halted_at IS NOT NULL THEN NULL WHEN w.waits THEN s.retry_at WHEN w.again_at IS NOT NULL THEN greatest(s.retry_at, w.again_at) END
	  FROM kam.endpoint e
	  LEFT JOIN kam.delivery_state s USING (endpoint)
	 CROSS JOIN LATERAL (SELECT EXISTS (SELECT FROM kam._outbox_due(e.endpoint, 1)) AS waits, kam._outbox_next(e.endpoint) AS again_at OFFSET 0) w
	 WHERE e.enabled AND e.url IS NOT NULL
	 ORDER BY e.endpoint;
END
$$;
COMMENT ON FUNCTION _outbox_endpoints() IS 'The endpoints that kam delivers to: how, how many at once (room) and how far apart (pause_us), whether anything is due now, else when.';

-- ---- the last look --------------------------------------------------------------------------

CREATE FUNCTION _quiet_until(at timestamptz, zone text, sequence_type text, channel text) RETURNS timestamptz
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_column
BEGIN
	RETURN (SELECT max(q.till)
	          FROM kam._quiet_spans(kam._send_rule(sequence_type, channel), (_quiet_until.at AT TIME ZONE _quiet_until.zone)::date, zone) q
	         WHERE _quiet_until.at >= q.since AND _quiet_until.at < q.till);
END
$$;
COMMENT ON FUNCTION _quiet_until(timestamptz, text, text, text) IS 'When the SendRule''s quiet hours that a moment is in are over, in the zone; NULL when it is in none.';

CREATE FUNCTION _forbidden(topic text, lead_id text) RETURNS text
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
BEGIN
	RETURN CASE WHEN topic = 'touch' THEN (SELECT x.status FROM kam._contact_compliance('{}', lead_id) x) END;
END
$$;
COMMENT ON FUNCTION _forbidden(text, text) IS 'Why a person whom a notification asks to contact must not be contacted any more (unsubscribed, opted_out, suppressed); NULL when that is not so, and for other news.';

CREATE FUNCTION _send_refusal(n notification, e endpoint, l Leads, logged CadenceEventLog, OUT why text, OUT until timestamptz) RETURNS record
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
DECLARE
	present CONSTANT timestamptz := kam._now();
	transactional CONSTANT boolean := (SELECT t.family FROM kam.sequence_type t WHERE t.sequence_type = logged.sequence_type) = 'transactional';
	c kam.Cadence;
	address CONSTANT text := CASE e.kind WHEN 'smtp' THEN kam._bare_address(l.email) ELSE '' END;
BEGIN
	why := (SELECT x.status FROM kam._contact_compliance('{}', l.lead_id) x);
	IF why IS NOT NULL THEN
		RETURN;
	END IF;
	SELECT * INTO c FROM kam.Cadence k
	 WHERE k.lead_id = l.lead_id AND k.sequence_id = logged.sequence_id AND k.enrolment_no = logged.enrolment_no;
	-- Somebody answered, or stopped it, between the verdict and now.  What has run its course is not stopped.
	IF c.state = 'finished' AND c.end_reason <> 'completed' THEN
		why := 'sequence ended: ' || c.end_reason;
	ELSIF e.kind = 'smtp' AND address IS NULL THEN
		why := 'the lead has no e-mail address';
	ELSIF e.kind = 'smtp' AND coalesce(n.payload ->> 'message', '') !~ '[^[:space:]]' THEN
		why := 'there is no message';
	ELSIF e.kind = 'smtp' AND NOT transactional AND e.unsubscribe_url IS NULL AND e.unsubscribe_mailto IS NULL THEN
		why := format('endpoint "%s" has neither unsubscribe_url nor unsubscribe_mailto', e.endpoint);
	ELSIF c.state = 'paused' THEN
		why := 'the sequence is paused';
		until := clock_timestamp() + interval '1 hour';
	ELSIF NOT transactional AND NOT current_setting('kam.outreach')::boolean THEN
		why := 'kam.outreach is off';
		until := clock_timestamp() + interval '1 min';
	ELSE
		until := kam._quiet_until(present, kam._recipient_zone(l.lead_id), logged.sequence_type, logged.channel);
		IF until IS NOT NULL THEN
			why := 'quiet hours';
			until := clock_timestamp() + (until - present);
		END IF;
	END IF;
END
$$;
COMMENT ON FUNCTION _send_refusal(notification, endpoint, Leads, CadenceEventLog) IS 'The last look before a message leaves for a person, under the lead''s lock: why it must not, for good (until NULL) or not before; NULL when it may. An unsubscribe, opt-out, suppression or answer that came since the verdict is seen here.';

CREATE FUNCTION _hand_to_rep(n notification, l Leads, logged CadenceEventLog) RETURNS boolean
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
DECLARE
	rule CONSTANT kam.SendRule := kam._send_rule(logged.sequence_type, logged.channel);
BEGIN
	IF rule.requires_consent IS NOT TRUE OR kam._consent_in_force(l.lead_id, logged.sequence_type, logged.channel, kam._now()) THEN
		RETURN false;
	END IF;
	-- The touch is the rep's now and keeps its slot.
	UPDATE kam.notification u
	   SET recipient = coalesce(l.owner_id, 'AGT-301'), payload = u.payload || '{"reason": "no consent in force"}', last_error = NULL, next_attempt_at = NULL,
	       status = CASE rule.mode WHEN 'both' THEN 'acknowledged' ELSE 'pending' END
	 WHERE u.notification_id = n.notification_id;
	RETURN true;
END
$$;
COMMENT ON FUNCTION _hand_to_rep(notification, Leads, CadenceEventLog) IS 'A message that the send rule lets go with a consent alone, and there is none: it becomes a task of the rep (who has one already where the rule says both). True when that was so.';

-- ---- taking ------------------------------------------------------------------------------------

CREATE TYPE _parcel AS (notification_id bigint, webhook_id text, headers text[], body text, mail_from text, mail_to text);
COMMENT ON TYPE _parcel IS 'A notification as it leaves.';

CREATE FUNCTION _message_event(n notification, e endpoint) RETURNS CadenceEventLog
	LANGUAGE sql STABLE
	SET search_path = pg_catalog, kam, pg_temp
	BEGIN ATOMIC
		SELECT c.* FROM kam.CadenceEventLog c
		 WHERE (n).topic = 'touch' AND (n).recipient = (e).endpoint AND c.lead_id = (n).lead_id AND c.event_id = (n).event_id AND c.channel = (e).endpoint;
	END;
COMMENT ON FUNCTION _message_event(notification, endpoint) IS 'The touch that a notification sends to a person; NULL for news.';

CREATE FUNCTION _outbox_give_up(n notification, logged CadenceEventLog, why text, doubtful boolean) RETURNS void
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
BEGIN
	UPDATE kam.notification u
	   SET status = 'dead', next_attempt_at = 'infinity', last_error = why, in_doubt = doubtful, endpoint = n.endpoint
	 WHERE u.notification_id = n.notification_id AND u.status IN ('pending', 'failed');
	-- It never left: its slot is free again.  One in doubt keeps it.
	IF FOUND AND logged.event_id IS NOT NULL AND NOT doubtful AND EXISTS (SELECT FROM kam.Leads l WHERE l.lead_id = logged.lead_id) THEN
		INSERT INTO kam.CadenceEventLog (lead_id, sequence_id, sequence_type, event_type, step, channel, originating_agent, parent_event_id, payload)
		VALUES (logged.lead_id, logged.sequence_id, logged.sequence_type, 'send_failed', logged.step, logged.channel, 'AGT-302', logged.event_id,
		        jsonb_build_object('reason', why, 'notification_id', n.notification_id));
	END IF;
END
$$;
COMMENT ON FUNCTION _outbox_give_up(notification, CadenceEventLog, text, boolean) IS 'A notification that will not be delivered: dead, with why; the touch behind it gives its slot back (send_failed) unless it may have arrived.';

CREATE FUNCTION _lock_recipient(logged CadenceEventLog) RETURNS Leads
	LANGUAGE sql VOLATILE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
	SELECT l.* FROM kam.Leads l WHERE l.lead_id = kam._canonical((logged).lead_id) FOR NO KEY UPDATE SKIP LOCKED;
$$;
COMMENT ON FUNCTION _lock_recipient(CadenceEventLog) IS 'The lead that a message is for, locked; NULL when somebody else has it, or it is gone.';

CREATE FUNCTION _outbox_take_one(id bigint, e endpoint) RETURNS _parcel
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
DECLARE
	n kam.notification;
	logged kam.CadenceEventLog;
	l kam.Leads;
	forbidden text;
	refused record;
	mail record;
	token uuid;
	parcel kam._parcel;
BEGIN
	SELECT * INTO n FROM kam.notification c WHERE c.notification_id = id;
	logged := kam._message_event(n, e);
	IF logged.event_id IS NOT NULL THEN
		l := kam._lock_recipient(logged);
		IF l.lead_id IS NULL AND EXISTS (SELECT FROM kam.Leads k WHERE k.lead_id = kam._canonical(logged.lead_id)) THEN
			RETURN NULL;		-- at the next look
		END IF;
	END IF;
	SELECT * INTO n FROM kam.notification c
	 WHERE c.notification_id = id AND c.status IN ('pending', 'failed') AND coalesce(c.next_attempt_at <= clock_timestamp(), true) AND c.home = kam._home()
	   FOR UPDATE SKIP LOCKED;
	IF NOT FOUND THEN
		RETURN NULL;
	END IF;
	-- By which it is found again where it is given up before it ever left.
	n.endpoint := e.endpoint;

	IF kam._now() - greatest(n.created_at, n.renewed_at) > e.max_age THEN
		PERFORM kam._outbox_give_up(n, logged, format('not delivered within %s%s', e.max_age, coalesce(': ' || n.last_error, '')), false);
		RETURN NULL;
	ELSIF logged.event_id IS NOT NULL THEN
		IF l.lead_id IS NULL THEN
			PERFORM kam._outbox_give_up(n, logged, 'the lead is gone', false);
			RETURN NULL;
		END IF;
		SELECT * INTO refused FROM kam._send_refusal(n, e, l, logged);
		IF refused.until IS NOT NULL THEN
			UPDATE kam.notification u SET next_attempt_at = refused.until, last_error = refused.why WHERE u.notification_id = id;
			RETURN NULL;
		ELSIF refused.why IS NOT NULL THEN
			PERFORM kam._outbox_give_up(n, logged, refused.why, false);
			RETURN NULL;
		ELSIF kam._hand_to_rep(n, l, logged) THEN
			RETURN NULL;
		END IF;
	ELSIF n.topic = 'touch' AND n.recipient = e.endpoint AND n.event_id IS NOT NULL AND NOT EXISTS (
		SELECT FROM kam.CadenceEventLog c WHERE c.lead_id = n.lead_id AND c.event_id = n.event_id) THEN
		-- A message, or news: nothing says any more, and a message does not leave without the last look.
		PERFORM kam._outbox_give_up(n, logged, 'its event is no longer in the log', false);
		RETURN NULL;
	ELSE
		forbidden := kam._forbidden(n.topic, n.lead_id);
		IF forbidden IS NOT NULL THEN
			PERFORM kam._outbox_give_up(n, logged, forbidden, false);
			RETURN NULL;
		END IF;
	END IF;

	parcel.notification_id := id;
	parcel.webhook_id := 'msg_' || replace(kam._notification_uuid(n)::text, '-', '');
	IF e.kind = 'smtp' THEN
		IF logged.event_id IS NULL THEN
			SELECT * INTO mail FROM kam._news_mail(n, e);
		ELSE
			INSERT INTO kam.unsubscribe_token (lead_id) VALUES (l.lead_id) ON CONFLICT (lead_id) DO NOTHING;
			token := (SELECT t.token FROM kam.unsubscribe_token t WHERE t.lead_id = l.lead_id);
			SELECT * INTO mail FROM kam._person_mail(n, e, l, token);
		END IF;
		IF mail.mail_to IS NULL OR mail.mail_from IS NULL THEN
			PERFORM kam._outbox_give_up(n, logged, CASE WHEN mail.mail_from IS NULL THEN format('the sender of endpoint "%s" is no e-mail address', e.endpoint)
				ELSE format('no e-mail address is known for "%s" (Reps.email, endpoint.mail_to)', n.recipient) END, false);
			RETURN NULL;
		END IF;
		parcel.mail_from := mail.mail_from;
		parcel.mail_to := mail.mail_to;
		parcel.body := mail.body;
	ELSE
		parcel.headers := ARRAY['content-type: application/json', 'webhook-id: ' || parcel.webhook_id];
		parcel.body := CASE e.kind WHEN 'slack' THEN kam._slack_message(n, e) ELSE kam._webhook_message(n, l) END;
	END IF;
	INSERT INTO kam._delivery (notification_id, endpoint) VALUES (id, e.endpoint);
	UPDATE kam.notification u SET endpoint = e.endpoint, attempts = u.attempts + 1, next_attempt_at = 'infinity' WHERE u.notification_id = id;
	RETURN parcel;
END
$$;
COMMENT ON FUNCTION _outbox_take_one(bigint, endpoint) IS 'A notification made ready to leave, as one on its way; NULL when it does not leave now (somebody has it or its lead, it must wait, it was given up).';

CREATE FUNCTION _outbox_take(endpoint text, most integer) RETURNS SETOF _parcel
	LANGUAGE plpgsql VOLATILE SECURITY DEFINER
	SET search_path = pg_catalog, kam, pg_temp
	SET enable_seqscan = off
	AS $$
#variable_conflict use_column
DECLARE
	e kam.endpoint;
	id bigint;
	taken integer := 0;
	parcel kam._parcel;
BEGIN
	SELECT * INTO e FROM kam.endpoint x WHERE x.endpoint = _outbox_take.endpoint AND x.enabled;
	-- A bounded number beyond, of those that turn out not to leave.
	FOR id IN SELECT d.notification_id FROM kam._outbox_due(e.endpoint, most + 100) d ORDER BY d.notification_id LOOP
		EXIT WHEN taken >= most;
		-- In order: one that must wait has those behind it wait.
		EXIT WHEN e.ordered AND EXISTS (
			SELECT FROM kam.notification n
			 WHERE n.home = kam._home() AND n.recipient IN (SELECT e.endpoint UNION ALL SELECT r.rep_id FROM kam.Reps r WHERE r.endpoint = e.endpoint)
			   AND n.status IN ('pending', 'failed') AND n.next_attempt_at > clock_timestamp() AND n.next_attempt_at < 'infinity' AND n.notification_id < id);
		BEGIN
			parcel := kam._outbox_take_one(id, e);
		EXCEPTION WHEN data_exception OR integrity_constraint_violation OR program_limit_exceeded OR raise_exception OR no_data_found THEN
			-- One that cannot be written down holds up no other.
			parcel := NULL;
			UPDATE kam.notification u
			   SET status = 'failed', attempts = u.attempts + 1, last_error = SQLERRM, next_attempt_at = clock_timestamp() + kam._delivery_pause(e.schedule, u.attempts + 1)
			 WHERE u.notification_id = id AND u.status IN ('pending', 'failed');
		END;
		IF parcel.notification_id IS NOT NULL THEN
			taken := taken + 1;
			RETURN NEXT parcel;
		ELSIF e.ordered AND EXISTS (SELECT FROM kam.notification n WHERE n.notification_id = id AND n.status IN ('pending', 'failed')) THEN
			EXIT;				-- those behind it wait with it
		END IF;
	END LOOP;
END
$$;
COMMENT ON FUNCTION _outbox_take(text, integer) IS 'Takes what is due at an endpoint, at most so many, for the worker to send when this has committed.';

-- ---- settling ---------------------------------------------------------------------------------------

CREATE FUNCTION _outbox_failed(e endpoint, verdict text, why text, wait_s integer) RETURNS void
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
BEGIN
	INSERT INTO kam.delivery_state AS s (endpoint, failures, last_error, last_error_at) VALUES (e.endpoint, 1, why, clock_timestamp())
	-- Several that were on their way together are one failure: while it waits, nothing new has been tried.
	ON CONFLICT (endpoint) DO UPDATE SET failures = s.failures + CASE WHEN s.retry_at > clock_timestamp() THEN 0 ELSE 1 END,
		last_error = EXCLUDED.last_error, last_error_at = EXCLUDED.last_error_at;
	UPDATE kam.delivery_state s
	   SET halted_at = CASE WHEN verdict = 'halt' THEN coalesce(s.halted_at, clock_timestamp()) ELSE s.halted_at END,
	       -- Of single messages that fail, five in a row are the receiver's trouble.
	       retry_at = CASE WHEN verdict = 'endpoint' OR e.ordered
	                       THEN greatest(s.retry_at, clock_timestamp() + greatest(kam._delivery_pause(e.schedule, s.failures), make_interval(secs => wait_s)))
	                       WHEN s.failures >= 5 THEN greatest(s.retry_at, clock_timestamp() + kam._delivery_pause(e.schedule, s.failures - 4)) ELSE s.retry_at END
	 WHERE s.endpoint = e.endpoint;
END
$$;
COMMENT ON FUNCTION _outbox_failed(endpoint, text, text, integer) IS 'A delivery to an endpoint failed: counts, and says when the next may be tried.';

CREATE FUNCTION _remember_message(n notification, e endpoint, logged CadenceEventLog) RETURNS void
	LANGUAGE sql VOLATILE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
	INSERT INTO kam.sent_message (lead_id, notification_id, event_id, sequence_id, message_id, subject, sent_at)
	SELECT k.lead_id, (n).notification_id, (logged).event_id, (logged).sequence_id, kam._message_id(n, e), m.subject, clock_timestamp()
	  FROM kam.Leads k CROSS JOIN LATERAL kam._person_mail(n, e, k, NULL) m WHERE k.lead_id = kam._canonical((logged).lead_id)
	ON CONFLICT DO NOTHING;
$$;
COMMENT ON FUNCTION _remember_message(notification, endpoint, CadenceEventLog) IS 'Keeps the Message-ID of an e-mail that a person has, or may have, so that their answer is recognised.';

CREATE FUNCTION _outbox_settle_one(id bigint, loss text, status integer, doubtful boolean, wait_s integer, words text) RETURNS boolean
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
DECLARE
	n kam.notification;
	e kam.endpoint;
	logged kam.CadenceEventLog;
	l kam.Leads;
	verdict text;
	said CONSTANT text := kam._clip(concat_ws(': ', CASE WHEN loss = 'none' THEN status::text ELSE loss END, nullif(btrim(words), '')), 500);
BEGIN
	-- Somebody's open transaction may have it, or the endpoint's state: the worker has others to settle.
	SELECT * INTO n FROM kam.notification c WHERE c.notification_id = id FOR UPDATE SKIP LOCKED;
	IF NOT FOUND AND EXISTS (SELECT FROM kam.notification c WHERE c.notification_id = id) THEN
		RETURN false;
	END IF;
	SELECT * INTO e FROM kam.endpoint x WHERE x.endpoint = (SELECT d.endpoint FROM kam._delivery d WHERE d.notification_id = id);
	PERFORM FROM kam.delivery_state s WHERE s.endpoint = e.endpoint FOR NO KEY UPDATE SKIP LOCKED;
	IF NOT FOUND AND EXISTS (SELECT FROM kam.delivery_state s WHERE s.endpoint = e.endpoint) THEN
		RETURN false;
	END IF;
	verdict := kam._delivery_verdict(coalesce(e.kind, 'webhook'), loss, status, doubtful, coalesce(e.in_doubt, 'retry'));
	-- Slack says so in the body.
	IF verdict = 'sent' AND e.kind = 'slack' AND btrim(words) <> 'ok' THEN
		verdict := 'dead';
	END IF;
	logged := kam._message_event(n, e);
	IF verdict = 'dead' AND logged.event_id IS NOT NULL THEN
		l := kam._lock_recipient(logged);
		IF l.lead_id IS NULL AND EXISTS (SELECT FROM kam.Leads k WHERE k.lead_id = kam._canonical(logged.lead_id)) THEN
			RETURN false;		-- when its lead is free
		END IF;
	END IF;

	DELETE FROM kam._delivery d WHERE d.notification_id = id;
	UPDATE kam.notification u SET answer_status = nullif(_outbox_settle_one.status, 0) WHERE u.notification_id = id;
	IF verdict = 'sent' THEN
		UPDATE kam.notification u
		   SET status = CASE WHEN u.status IN ('pending', 'failed') THEN 'sent' ELSE u.status END, sent_at = clock_timestamp(), next_attempt_at = NULL, last_error = NULL,
		       in_doubt = false
		 WHERE u.notification_id = id;
		IF e.kind = 'smtp' AND logged.event_id IS NOT NULL THEN
			PERFORM kam._remember_message(n, e, logged);
		END IF;
		-- What was on its way already shortens no wait that the receiver asked for since.
		UPDATE kam.delivery_state s
		   SET failures = 0, retry_at = CASE WHEN s.retry_at > clock_timestamp() THEN s.retry_at END, halted_at = NULL, last_sent_at = clock_timestamp()
		 WHERE s.endpoint = e.endpoint;
		IF NOT FOUND THEN
			INSERT INTO kam.delivery_state (endpoint, last_sent_at) SELECT e.endpoint, clock_timestamp() WHERE e.endpoint IS NOT NULL ON CONFLICT DO NOTHING;
		END IF;
	ELSIF verdict IN ('dead', 'in_doubt') THEN
		PERFORM kam._outbox_give_up(n, logged, CASE verdict WHEN 'in_doubt' THEN 'in doubt: it went out and no answer came (' || said || ')' ELSE said END, verdict = 'in_doubt');
		IF verdict = 'in_doubt' THEN
			PERFORM kam._outbox_failed(e, verdict, said, NULL);
			IF e.kind = 'smtp' AND logged.event_id IS NOT NULL THEN
				PERFORM kam._remember_message(n, e, logged);
			END IF;
		END IF;
	ELSE
		-- What the endpoint's trouble is costs the message no turn: it is the first to go when that is over.
		UPDATE kam.notification u
		   SET status = 'failed', last_error = said,
		       next_attempt_at = CASE WHEN verdict = 'retry' AND NOT e.ordered
		                              THEN clock_timestamp() + greatest(kam._delivery_pause(e.schedule, u.attempts), make_interval(secs => wait_s)) END
		 WHERE u.notification_id = id AND u.status IN ('pending', 'failed');
		UPDATE kam.notification u SET next_attempt_at = NULL WHERE u.notification_id = id AND u.next_attempt_at = 'infinity' AND u.status <> 'dead';
		IF e.endpoint IS NOT NULL THEN
			PERFORM kam._outbox_failed(e, verdict, said, wait_s);
		END IF;
	END IF;
	RETURN true;
END
$$;
COMMENT ON FUNCTION _outbox_settle_one(bigint, text, integer, boolean, integer, text) IS 'What came of one delivery, written down. False, and nothing is written, while somebody else has the notification, the endpoint''s state, or the lead of a message whose slot is to be given back.';

CREATE FUNCTION _outbox_settle(ids bigint[], losses text[], statuses integer[], doubts boolean[], waits integer[], words text[]) RETURNS bigint[]
	LANGUAGE plpgsql VOLATILE SECURITY DEFINER
	SET search_path = pg_catalog, kam, pg_temp
	SET enable_seqscan = off
	AS $$
DECLARE
	later bigint[] := '{}';
	settled boolean;
BEGIN
	FOR i IN 1 .. cardinality(ids) LOOP
		BEGIN
			settled := kam._outbox_settle_one(ids[i], losses[i], statuses[i], doubts[i], waits[i], words[i]);
		EXCEPTION WHEN data_exception OR integrity_constraint_violation OR program_limit_exceeded OR raise_exception OR no_data_found THEN
			-- The answer is known and must not be lost with what hangs on it.
			settled := true;
			DELETE FROM kam._delivery d WHERE d.notification_id = ids[i];
			UPDATE kam.notification u
			   SET status = CASE WHEN losses[i] = 'none' AND statuses[i] BETWEEN 200 AND 299 THEN 'sent' WHEN doubts[i] THEN 'dead' ELSE 'failed' END,
			       -- Not sent again by itself if it may have arrived; anything else is tried again, and answered again.
			       in_doubt = doubts[i], answer_status = nullif(statuses[i], 0), last_error = kam._clip(format('%s (%s)', words[i], SQLERRM), 500),
			       next_attempt_at = CASE WHEN losses[i] = 'none' AND statuses[i] BETWEEN 200 AND 299 THEN NULL WHEN doubts[i] THEN 'infinity' ELSE clock_timestamp() + interval '5 min' END
			 WHERE u.notification_id = ids[i] AND u.status IN ('pending', 'failed');
		END;
		IF NOT settled THEN
			later := later || ids[i];
		END IF;
	END LOOP;
	RETURN later;
END
$$;
COMMENT ON FUNCTION _outbox_settle(bigint[], text[], integer[], boolean[], integer[], text[]) IS 'What came of deliveries, each by itself: how the connection failed (none: an answer came), its status, whether it may have arrived, the seconds the receiver asks to wait (NULL: none), its words. Returns those to be told again a moment later.';

CREATE FUNCTION _outbox_recover(came boolean DEFAULT false) RETURNS integer
	LANGUAGE plpgsql VOLATILE SECURITY DEFINER
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
DECLARE
	lost record;
	found integer := 0;
	n kam.notification;
	e kam.endpoint;
	logged kam.CadenceEventLog;
BEGIN
	FOR lost IN SELECT d.notification_id, d.endpoint, x.in_doubt, x.kind FROM kam._delivery d LEFT JOIN kam.endpoint x USING (endpoint) WHERE (d.home <> kam._home()) = came LOOP
		found := found + 1;
		DELETE FROM kam._delivery d WHERE d.notification_id = lost.notification_id;
		UPDATE kam.notification u
		   SET status = CASE WHEN u.status NOT IN ('pending', 'failed') THEN u.status WHEN lost.in_doubt = 'hold' THEN 'dead' ELSE 'failed' END,
		       in_doubt = lost.in_doubt IS NOT DISTINCT FROM 'hold',
		       next_attempt_at = CASE WHEN lost.in_doubt = 'hold' THEN 'infinity'::timestamptz END,
		       last_error = CASE WHEN lost.in_doubt = 'hold' THEN 'in doubt: the worker died while it was on its way' ELSE 'the worker died while it was on its way' END
		 WHERE u.notification_id = lost.notification_id;
		IF lost.kind = 'smtp' AND lost.in_doubt = 'hold' THEN
			SELECT x.* INTO n FROM kam.notification x WHERE x.notification_id = lost.notification_id;
			SELECT x.* INTO e FROM kam.endpoint x WHERE x.endpoint = lost.endpoint;
			logged := kam._message_event(n, e);
			BEGIN
				IF logged.event_id IS NOT NULL THEN
					PERFORM kam._remember_message(n, e, logged);
				END IF;
			EXCEPTION WHEN data_exception OR integrity_constraint_violation OR program_limit_exceeded OR raise_exception OR no_data_found THEN
				NULL;			-- one that cannot be written down holds up no other
			END;
		END IF;
	END LOOP;
	UPDATE kam.sheet_import s SET state = 'waiting' WHERE NOT came AND s.state = 'fetching' AND s.home = kam._home();
	RETURN found;
END
$$;
COMMENT ON FUNCTION _outbox_recover(boolean) IS 'For a worker that starts: what was on its way when the one before died goes again, or is in doubt where the endpoint holds such; sheets that were being fetched are fetched again. For kam_resume() (came): the same for what was on its way when the copy was made. Returns how many.';

CREATE FUNCTION _outbox_give_back(ids bigint[]) RETURNS void
	LANGUAGE plpgsql VOLATILE SECURITY DEFINER
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
DECLARE
	id bigint;
BEGIN
	FOR id IN
		SELECT n.notification_id FROM kam.notification n JOIN kam._delivery d USING (notification_id)
		 WHERE n.notification_id = ANY (ids) AND d.home = kam._home() FOR UPDATE OF n SKIP LOCKED
	LOOP
		DELETE FROM kam._delivery d WHERE d.notification_id = id;
		UPDATE kam.notification n SET attempts = n.attempts - 1, next_attempt_at = NULL
		 WHERE n.notification_id = id AND n.status IN ('pending', 'failed') AND n.next_attempt_at = 'infinity';
	END LOOP;
END
$$;
COMMENT ON FUNCTION _outbox_give_back(bigint[]) IS 'By a worker that is told to go: of these not all went out, so they are as they were before they were taken. Waits for no row: what somebody has locked is recovered by the next worker.';

-- ---- people and programs -------------------------------------------------------------------------------

CREATE FUNCTION kam_redeliver(notification_id bigint) RETURNS text
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_column
DECLARE
	n kam.notification;
	e kam.endpoint;
	logged kam.CadenceEventLog;
	again kam.CadenceEventLog;
BEGIN
	SELECT c.* INTO n FROM kam.notification c WHERE c.notification_id = kam_redeliver.notification_id;
	IF n.notification_id IS NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'no_data_found', MESSAGE = format('there is no notification %s', coalesce(kam_redeliver.notification_id::text, 'NULL')),
			HINT = 'SELECT * FROM kam.kam_delivery WHERE state IN (''dead'', ''in_doubt'').';
	END IF;
	SELECT x.* INTO e FROM kam.endpoint x WHERE x.endpoint = n.endpoint;
	logged := kam._message_event(n, e);
	IF logged.event_id IS NOT NULL THEN
		PERFORM kam._lock_lead(logged.lead_id);
	END IF;
	SELECT c.* INTO n FROM kam.notification c WHERE c.notification_id = kam_redeliver.notification_id FOR UPDATE;
	IF n.status <> 'dead' THEN
		RAISE EXCEPTION USING ERRCODE = 'object_not_in_prerequisite_state', MESSAGE = format('notification %s is %s', n.notification_id, n.status),
			HINT = 'Only what was given up (dead) is delivered again.';
	END IF;
	IF logged.event_id IS NOT NULL AND NOT n.in_doubt THEN
		-- Its slot was given back: the gates decide anew, and what they allow writes a notification of its own.
		UPDATE kam.notification c SET status = 'acknowledged', acknowledged_at = kam._now(), acknowledged_by = session_user WHERE c.notification_id = n.notification_id;
		INSERT INTO kam.CadenceEventLog AS c (lead_id, sequence_id, sequence_type, event_type, channel, originating_agent, idempotency_key, payload)
		VALUES (logged.lead_id, logged.sequence_id, logged.sequence_type, 'touch', logged.channel, logged.originating_agent,
		        'redelivery of ' || n.notification_id, n.payload || jsonb_build_object('redelivers', n.notification_id))
		RETURNING c.* INTO again;
		RETURN again.coordinator_action;
	END IF;
	UPDATE kam.notification c SET status = 'pending', in_doubt = false, next_attempt_at = NULL, renewed_at = kam._now() WHERE c.notification_id = n.notification_id;
	UPDATE kam.delivery_state s SET halted_at = NULL, retry_at = clock_timestamp() WHERE s.endpoint = coalesce(n.endpoint, n.recipient);
	PERFORM kam._wake_worker();
	RETURN 'pending';
END
$$;
COMMENT ON FUNCTION kam_redeliver(bigint) IS 'Delivers a dead notification again: pending. A message to a person that never left has given its slot back, so a touch is asked for anew, and the verdict is returned (executed, held, blocked); one in doubt kept its slot and goes again as it is. Unknown P0002, not dead 55000. Example: SELECT kam.kam_redeliver(4711);';

CREATE FUNCTION kam_redeliver(endpoint text, since timestamptz DEFAULT NULL) RETURNS bigint
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_column
DECLARE
	id bigint;
	found bigint := 0;
BEGIN
	IF NOT EXISTS (SELECT FROM kam.endpoint e WHERE e.endpoint = kam_redeliver.endpoint) THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = format('there is no endpoint "%s"', coalesce(kam_redeliver.endpoint, 'NULL')),
			HINT = 'SELECT endpoint FROM kam.endpoint.';
	END IF;
	UPDATE kam.delivery_state s SET halted_at = NULL, retry_at = clock_timestamp() WHERE s.endpoint = kam_redeliver.endpoint;
	-- In lead order, as everybody locks leads.
	FOR id IN
		SELECT n.notification_id FROM kam.notification n
		 WHERE n.endpoint = kam_redeliver.endpoint AND n.status = 'dead' AND NOT n.in_doubt AND n.home = kam._home()
		   AND (kam_redeliver.since IS NULL OR n.created_at >= kam_redeliver.since)
		 ORDER BY n.lead_id, n.notification_id
	LOOP
		PERFORM kam.kam_redeliver(id);
		found := found + 1;
	END LOOP;
	PERFORM kam._wake_worker();
	RETURN found;
END
$$;
COMMENT ON FUNCTION kam_redeliver(text, timestamptz) IS 'The same for all dead notifications of an endpoint (since: written then or later), those in doubt excepted, and lets an endpoint go on that was halted or waits. Returns how many. Example: SELECT kam.kam_redeliver(''slack'');';

CREATE FUNCTION kam_inbox(recipient text, most integer DEFAULT 100) RETURNS TABLE (notification_id bigint, topic text, session_id uuid, lead_id text, event_id bigint,
	channel text, payload jsonb, status text, forbidden text, created_at timestamptz)
	LANGUAGE plpgsql STABLE PARALLEL SAFE SECURITY DEFINER
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_column
BEGIN
	RETURN QUERY
	SELECT n.notification_id, n.topic, n.session_id, n.lead_id, n.event_id,
	       (SELECT e.channel FROM kam.CadenceEventLog e WHERE e.lead_id = n.lead_id AND e.event_id = n.event_id), n.payload, n.status::text, kam._forbidden(n.topic, n.lead_id), n.created_at
	  FROM (SELECT * FROM kam.notification n
	         WHERE n.home = kam._home() AND n.recipient = kam_inbox.recipient AND n.status IN ('pending', 'failed', 'dead')
	         ORDER BY n.notification_id LIMIT kam_inbox.most) n
	 ORDER BY n.notification_id;
END
$$;
COMMENT ON FUNCTION kam_inbox(text, integer) IS 'What waits for an agent, a rep or an endpoint and reached nobody yet, oldest first: kam_acknowledge() takes it out. forbidden: why the person whom a touch is for must not be contacted any more; NULL otherwise. Example: SELECT notification_id, topic, payload FROM kam.kam_inbox(''AGT-304'');';

CREATE FUNCTION kam_acknowledge(VARIADIC notification_ids bigint[]) RETURNS bigint
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
DECLARE
	taken bigint;
BEGIN
	UPDATE kam.notification n SET status = 'acknowledged', acknowledged_at = kam._now(), acknowledged_by = session_user
	  FROM (SELECT c.notification_id FROM kam.notification c
	         WHERE c.notification_id = ANY (notification_ids) AND c.status NOT IN ('acknowledged', 'parked') ORDER BY c.notification_id FOR UPDATE) c
	 WHERE n.notification_id = c.notification_id;
	GET DIAGNOSTICS taken = ROW_COUNT;
	RETURN taken;
END
$$;
COMMENT ON FUNCTION kam_acknowledge(bigint[]) IS 'Marks notifications as taken note of, so that nobody is told again; returns how many were not yet. Example: SELECT kam.kam_acknowledge(17, 18);';

CREATE FUNCTION kam_unsubscribe_token(token text, source text DEFAULT 'list_unsubscribe') RETURNS boolean
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_column
DECLARE
	l kam.Leads;
BEGIN
	-- What is no token is nobody's; who asks learns no more than that.
	IF kam_unsubscribe_token.token !~* '^[0-9a-f]{8}-?([0-9a-f]{4}-?){3}[0-9a-f]{12}$' THEN
		RETURN false;
	END IF;
	SELECT k.* INTO l FROM kam.unsubscribe_token t JOIN kam.Leads k ON k.lead_id = kam._canonical(t.lead_id) WHERE t.token = kam_unsubscribe_token.token::uuid;
	IF l.lead_id IS NULL THEN
		RETURN false;
	ELSIF l.unsubscribe_flag THEN
		RETURN true;
	END IF;
	INSERT INTO kam.CadenceEventLog (lead_id, event_type, channel, originating_agent, payload)
	VALUES (l.lead_id, 'unsubscribe', 'email', 'AGT-302', jsonb_build_object('reason', kam_unsubscribe_token.source));
	RETURN true;
END
$$;
COMMENT ON FUNCTION kam_unsubscribe_token(text, text) IS 'Unsubscribes the person to whom an e-mail with this token went (List-Unsubscribe): what the page or program behind endpoint.unsubscribe_url calls. False for an unknown token; again is as good as once. Example: SELECT kam.kam_unsubscribe_token(''5f0c...'');';

CREATE FUNCTION kam_reply(in_reply_to text, payload jsonb DEFAULT '{}', occurred_at timestamptz DEFAULT NULL) RETURNS bigint
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_column
DECLARE
	m kam.sent_message;
	written bigint;
BEGIN
	SELECT s.* INTO m FROM kam.sent_message s
	 WHERE s.message_id IN (SELECT found[1] FROM regexp_matches(kam_reply.in_reply_to, '<[^<>[:space:]]+>', 'g') found)
	 ORDER BY s.sent_at DESC LIMIT 1;
	IF m.lead_id IS NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'no_data_found', MESSAGE = 'no message that was sent has that Message-ID',
			HINT = 'Pass the headers In-Reply-To and References of the answer, with their angle brackets.';
	END IF;
	INSERT INTO kam.CadenceEventLog AS c (lead_id, sequence_id, event_type, channel, originating_agent, payload, occurred_at, idempotency_key)
	VALUES (m.lead_id, m.sequence_id, 'reply', 'email', 'AGT-302',
	        jsonb_build_object('in_reply_to', m.message_id, 'event_id', m.event_id) || kam_reply.payload, kam_reply.occurred_at,
	        'reply ' || (kam_reply.payload ->> 'message_id'))
	RETURNING c.event_id INTO written;
	RETURN written;
END
$$;
COMMENT ON FUNCTION kam_reply(text, jsonb, timestamptz) IS 'Records an answer by e-mail as the fact reply of the lead and sequence whose message it answers, which ends what a reply ends; returns the event_id. in_reply_to: the answer''s In-Reply-To and References; a message_id in the payload makes it known again (23505). No such message P0002. Example: SELECT kam.kam_reply(''<6b1f...@acme.com>'', ''{"message_id": "<x@y>"}'');';

-- ---- views ---------------------------------------------------------------------------------------------

CREATE VIEW kam_delivery WITH (security_barrier) AS
SELECT n.notification_id, n.recipient, coalesce(n.endpoint, e.endpoint, r.endpoint) AS endpoint, n.topic, n.session_id, n.lead_id, n.event_id,
       CASE WHEN n.status = 'dead' AND n.in_doubt THEN 'in_doubt'
            WHEN n.status IN ('pending', 'failed') AND n.next_attempt_at = 'infinity' THEN 'sending'
            WHEN n.home <> kam._home() AND n.status IN ('pending', 'failed') THEN 'parked'
            WHEN n.status = 'pending' AND coalesce(e.endpoint, r.endpoint) IS NULL THEN 'inbox'
            ELSE n.status END AS state,
       n.attempts, nullif(n.next_attempt_at, 'infinity') AS next_attempt_at, n.answer_status, n.last_error, n.created_at, n.sent_at, m.message_id
  FROM notification n
  LEFT JOIN endpoint e ON e.endpoint = n.recipient AND e.enabled AND e.url IS NOT NULL
  LEFT JOIN Reps r ON r.rep_id = n.recipient
  LEFT JOIN sent_message m ON m.lead_id = n.lead_id AND m.notification_id = n.notification_id;
COMMENT ON VIEW kam_delivery IS 'Where each notification stands. state: pending, sending, failed (tried again at next_attempt_at or when its endpoint is), sent, dead, in_doubt (it may have arrived: see the mail server''s log, then kam_redeliver), inbox (nobody delivers it: kam_inbox), acknowledged, parked.';
COMMENT ON COLUMN kam_delivery.notification_id IS 'The notification.';
COMMENT ON COLUMN kam_delivery.recipient IS 'Whom it is for.';
COMMENT ON COLUMN kam_delivery.endpoint IS 'By which endpoint it goes, or went.';
COMMENT ON COLUMN kam_delivery.topic IS 'What it is about.';
COMMENT ON COLUMN kam_delivery.session_id IS 'The run it is about.';
COMMENT ON COLUMN kam_delivery.lead_id IS 'The lead it is about.';
COMMENT ON COLUMN kam_delivery.event_id IS 'The event it is about.';
COMMENT ON COLUMN kam_delivery.state IS 'Where it stands.';
COMMENT ON COLUMN kam_delivery.attempts IS 'Deliveries tried.';
COMMENT ON COLUMN kam_delivery.next_attempt_at IS 'Not before this; NULL: as soon as its endpoint takes any.';
COMMENT ON COLUMN kam_delivery.answer_status IS 'What the receiver last answered.';
COMMENT ON COLUMN kam_delivery.last_error IS 'Why it is not delivered.';
COMMENT ON COLUMN kam_delivery.created_at IS 'When it was written.';
COMMENT ON COLUMN kam_delivery.sent_at IS 'When the receiver took it.';
COMMENT ON COLUMN kam_delivery.message_id IS 'Of an e-mail to a person, its Message-ID.';

CREATE VIEW kam_endpoints WITH (security_barrier) AS
SELECT e.endpoint, e.kind, regexp_replace(e.url, '^([a-z]+://[^/]*).*$', '\1') AS host,
       CASE WHEN NOT e.enabled OR e.url IS NULL THEN 'off' WHEN s.halted_at IS NOT NULL THEN 'halted' WHEN s.retry_at IS NOT NULL THEN 'waiting' ELSE 'open' END AS state,
       s.failures, s.retry_at, s.last_error, s.last_error_at, s.last_sent_at, coalesce(c.waiting, 0) AS waiting, coalesce(c.dead, 0) AS dead, c.oldest
  FROM endpoint e
  LEFT JOIN delivery_state s USING (endpoint)
  LEFT JOIN LATERAL (SELECT count(*) FILTER (WHERE n.status IN ('pending', 'failed')) AS waiting, count(*) FILTER (WHERE n.status = 'dead') AS dead,
                            min(n.created_at) FILTER (WHERE n.status IN ('pending', 'failed')) AS oldest
                       FROM notification n
                      WHERE n.home = kam._home() AND n.status IN ('pending', 'failed', 'dead')
                        AND n.recipient IN (SELECT e.endpoint UNION ALL SELECT r.rep_id FROM Reps r WHERE r.endpoint = e.endpoint)) c ON true;
COMMENT ON VIEW kam_endpoints IS 'How each endpoint does: open, waiting (for retry_at, after failures), halted (its address is none: kam_redeliver(endpoint) when that is mended), off. Without its path, which may be a secret.';
COMMENT ON COLUMN kam_endpoints.endpoint IS 'Name.';
COMMENT ON COLUMN kam_endpoints.kind IS 'slack, zapier, webhook or smtp.';
COMMENT ON COLUMN kam_endpoints.host IS 'Where it is.';
COMMENT ON COLUMN kam_endpoints.state IS 'How it does.';
COMMENT ON COLUMN kam_endpoints.failures IS 'Deliveries that failed in a row.';
COMMENT ON COLUMN kam_endpoints.retry_at IS 'Nothing is tried before this.';
COMMENT ON COLUMN kam_endpoints.last_error IS 'Why the last one failed.';
COMMENT ON COLUMN kam_endpoints.last_error_at IS 'When.';
COMMENT ON COLUMN kam_endpoints.last_sent_at IS 'When one was last taken.';
COMMENT ON COLUMN kam_endpoints.waiting IS 'Notifications that wait for it.';
COMMENT ON COLUMN kam_endpoints.dead IS 'Those given up.';
COMMENT ON COLUMN kam_endpoints.oldest IS 'When the oldest that waits was written.';

CREATE FUNCTION _delivery_health() RETURNS TABLE (item text, state text, found text, remedy text)
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
DECLARE
	stuck record;
BEGIN
	SELECT count(*) AS n, count(*) FILTER (WHERE n.in_doubt) AS doubtful, (array_agg(n.last_error ORDER BY n.notification_id DESC))[1] AS latest INTO stuck
	  FROM kam.notification n WHERE n.status = 'dead' AND n.home = kam._home();
	IF stuck.n > 0 THEN
		RETURN QUERY VALUES ('notifications', 'warning', format('%s could not be delivered%s: %s', stuck.n,
			CASE WHEN stuck.doubtful > 0 THEN format(' (%s in doubt)', stuck.doubtful) END, stuck.latest),
			'SELECT * FROM kam.kam_delivery WHERE state IN (''dead'', ''in_doubt''); then kam_redeliver(notification_id) or kam_redeliver(endpoint), or kam_acknowledge().');
	END IF;
	FOR stuck IN SELECT e.endpoint, s.halted_at, s.retry_at, s.failures, s.last_error FROM kam.endpoint e JOIN kam.delivery_state s USING (endpoint)
	              WHERE e.enabled AND (s.halted_at IS NOT NULL OR s.failures >= 5) ORDER BY e.endpoint LOOP
		RETURN QUERY VALUES (format('endpoint %s', stuck.endpoint), CASE WHEN stuck.halted_at IS NOT NULL THEN 'error' ELSE 'warning' END,
			CASE WHEN stuck.halted_at IS NOT NULL THEN format('halted: %s', stuck.last_error) ELSE format('%s failures in a row: %s', stuck.failures, stuck.last_error) END,
			CASE WHEN stuck.halted_at IS NOT NULL THEN 'Mend the row of kam.endpoint or its key, or have it go on as it is: SELECT kam.kam_redeliver(endpoint).'
			     ELSE format('The next try is at %s; nothing is lost meanwhile. SELECT * FROM kam.kam_endpoints.', stuck.retry_at) END);
	END LOOP;
	SELECT count(*) AS n, min(n.created_at) AS since INTO stuck
	  FROM (SELECT n.created_at FROM kam.notification n JOIN kam.endpoint e ON e.endpoint = n.recipient
	         WHERE n.home = kam._home() AND n.status IN ('pending', 'failed') AND n.created_at < kam._now() - interval '1 day' LIMIT 1000) n;
	IF stuck.n > 0 THEN
		RETURN QUERY VALUES ('old notifications', 'warning', format('%s wait for delivery for more than a day, the oldest since %s', stuck.n, stuck.since),
			'SELECT * FROM kam.kam_endpoints says why; those of an endpoint without url are for whoever fetches them (kam_inbox, kam_acknowledge).');
	END IF;
	SELECT string_agg(DISTINCT r.channel, ', ') AS channels INTO stuck
	  FROM kam.SendRule r WHERE r.mode <> 'notify_rep' AND r.channel <> '*'
	   AND NOT EXISTS (SELECT FROM kam.endpoint e WHERE e.endpoint = r.channel AND e.enabled);
	IF stuck.channels IS NOT NULL THEN
		RETURN QUERY VALUES ('send rules', 'warning', format('messages are to be sent by %s, and no endpoint has that name', stuck.channels),
			'INSERT INTO kam.endpoint, or have them fetched from kam_inbox(channel).');
	END IF;
END
$$;
COMMENT ON FUNCTION _delivery_health() IS 'The rows of kam_health() about deliveries.';
