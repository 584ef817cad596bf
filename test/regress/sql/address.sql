-- Addresses have one spelling, and Suppression keeps to it.
\getenv srcdir PG_ABS_SRCDIR
\set helpers :srcdir /helpers.sql
\i :helpers
SET timezone = 'Europe/Paris';
SET kam.clock = '2026-03-02 09:00+01';

\pset null '-'
SELECT n, kam._address(a) AS address, kam._address_kind(a) AS kind, kam._address_domain(a) AS domain
  FROM unnest(ARRAY[
	'Jane Doe <Jane.Doe@ACME.example>', 'mailto:jane+x@acme.example?subject=Hi', '  jane@acme.example.  ',
	'@ACME.example', 'acme.example.',
	'+33 (0)6 12 34 56 78', '0033 6.12.34.56.78', '06 12 34 56 78',
	'https://fr.linkedin.com/in/Jane-Doe-1/?locale=fr_FR', 'linkedin.com/in/jane-doe-1',
	'', 'n/a', '12345', 'jane@', 'https://acme.example', NULL]) WITH ORDINALITY t (a, n);

-- Indexes and checks stand on them.
SELECT proname, provolatile, proisstrict, proparallel FROM pg_proc WHERE pronamespace = 'kam'::regnamespace AND proname LIKE '\_address%' ORDER BY 1;
-- What is too long for an index is none, not an error.
INSERT INTO kam.Leads (lead_id, email, phone) VALUES ('addr-long', repeat('x', 5000) || '@acme.example', repeat('7', 5000));
SELECT kam._address(email), kam._address(phone) FROM kam.Leads WHERE lead_id = 'addr-long';

-- Suppression: whoever writes it.
INSERT INTO kam.Suppression (address, kind, source) VALUES
	('Addr One <ADDR1@acme.example>', 'email', 'import'), ('@addr.example', 'email', 'import'), ('00 33 6 00 00 00 01', 'linkedin', 'import');
INSERT INTO kam.Suppression (address, source) VALUES ('http://www.linkedin.com/in/Addr-One', 'import');
SELECT address, kind, source, created_at, settled_at FROM kam.Suppression WHERE address ~ 'addr|3360000000' ORDER BY kind;
SELECT pg_temp.refused('INSERT INTO kam.Suppression (address, source) VALUES (''addr1@ACME.example'', ''import'')');
SELECT pg_temp.refused('INSERT INTO kam.Suppression (address, source) VALUES (''not an address'', ''import'')');
SELECT pg_temp.refused('INSERT INTO kam.Suppression (address, source) VALUES (NULL, ''import'')');
SELECT pg_temp.refused('UPDATE kam.Suppression SET address = ''nobody'' WHERE address = ''addr1@acme.example''');
UPDATE kam.Suppression SET settled_at = kam._now() WHERE address LIKE 'addr1@%';
UPDATE kam.Suppression SET reason = 'as they asked' WHERE address LIKE 'addr1@%' RETURNING settled_at IS NOT NULL AS still_settled;
UPDATE kam.Suppression SET address = 'ADDR2@acme.example', kind = 'phone' WHERE address LIKE 'addr1@%' RETURNING address, kind, settled_at;
DELETE FROM kam.Suppression WHERE address ~ 'addr|3360000000';
DELETE FROM kam.Leads WHERE lead_id = 'addr-long';
