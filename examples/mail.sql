-- From a decision to an e-mail: a person approves what kam decided, and the worker sends it.
--
--   psql -X -q -v url=smtp://127.0.0.1:2525 -f examples/mail.sql        as superuser, in a database with kam (CREATE EXTENSION kam), in the repository's root
--
-- url is a mail server on this machine (test/mock/mailserver.py serve FOLDER --port 2525).  For one of yours, docs/delivery.md.
-- The samples live on 2026-03-11: kam.clock says so to this session, and has to say so to the worker (ALTER SYSTEM) for the message to be on time.
\set ON_ERROR_STOP on
\encoding UTF8
SET client_min_messages = warning;
SET kam.clock = '2026-03-11 10:00+01';
\o /dev/null

-- Where e-mails leave.  allow_private: a mail server on this machine, without TLS.
INSERT INTO kam.endpoint (endpoint, kind, url, allow_private, sender, unsubscribe_url, footer) VALUES
	('email', 'smtp', :'url', true, 'Camille Roussel <camille@lumio.example>', 'https://lumio.example/unsubscribe?token={token}',
	 'Lumio, 3 rue des Forges, Lyon. Ne plus recevoir de messages : {unsubscribe_url}');
-- What is sent by itself once it is approved.  Without a rule the rep is told, and sends it.
INSERT INTO kam.SendRule (sequence_type, channel, mode) VALUES ('outbound', 'email', 'auto_send'), ('follow_up', 'email', 'auto_send');
-- The person, as the CRM knows her.
INSERT INTO kam.Reps (rep_id, name, email, time_zone) VALUES ('m-camille', 'Camille Roussel', 'camille@lumio.example', 'Europe/Paris');
INSERT INTO kam.Leads (lead_id, full_name, email, owner_id) VALUES ('m-ines', 'Inès Carpentier', 'ines.carpentier@fonderies-valmont.example', 'm-camille');

-- She asked for a data sheet: what to do?
\set contact `cat examples/contacts/01_inbound_question_fr.json`
SELECT kam.kam_run(:'contact'::jsonb || '{"lead_id": "m-ines"}', '{"as_of": "2026-03-11T10:00:00+01:00"}') ->> 'session_id' AS session \gset
CALL kam.kam_wait(:'session');

-- A person reads the decision and approves it.  The message is due at once, and the schedules (here a turn of theirs by hand) execute it.
SELECT kam.kam_validate(:'session', 'approved');
SELECT kam.kam_tick();
\o
