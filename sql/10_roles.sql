-- Roles that an administrator grants to people and programs.  They are shared by the whole cluster, so another database may have made them already.

DO $do$
DECLARE
	wanted pg_catalog.text;
BEGIN
	FOREACH wanted IN ARRAY '{kam_submit,kam_review,kam_read,kam_admin,kam_restore,kam_worker}'::pg_catalog.text[]
	LOOP
		BEGIN
			EXECUTE pg_catalog.format('CREATE ROLE %I NOLOGIN', wanted);
		EXCEPTION WHEN duplicate_object THEN
			NULL;
		END;
	END LOOP;
END
$do$;
