# PUBLIC may do nothing; what users' triggers do inside the worker's transactions they do as kam_worker, who is nobody.
use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use KamTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = kam_node('rights');

$node->safe_psql('postgres', 'CREATE ROLE nobody LOGIN; CREATE ROLE asker LOGIN IN ROLE kam_submit');
is($node->safe_psql('postgres', <<'SQL'), '0', 'PUBLIC has no right on any object of kam');
SELECT (SELECT count(*) FROM pg_class c, aclexplode(coalesce(c.relacl, acldefault('r', c.relowner))) a
         WHERE c.relnamespace = 'kam'::regnamespace AND a.grantee = 0)
     + (SELECT count(*) FROM pg_proc p, aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
         WHERE p.pronamespace = 'kam'::regnamespace AND a.grantee = 0)
     + (SELECT count(*) FROM pg_namespace n, aclexplode(coalesce(n.nspacl, acldefault('n', n.nspowner))) a
         WHERE n.nspname = 'kam' AND a.grantee = 0)
SQL
foreach my $call ('kam_worker_start()', 'kam_worker_stop()', 'kam_worker_status()', "kam_run('{}')", "kam_cancel(gen_random_uuid())", 'kam_resume()')
{
    my ($ret, $out, $err) = $node->psql('postgres', "SELECT kam.$call", extra_params => ['-U', 'nobody']);
    like($err, qr/permission denied/, "nobody may not call $call");
}
foreach my $call ('kam_worker_start()', 'kam_worker_stop()', 'kam_resume()')
{
    my ($ret, $out, $err) = $node->psql('postgres', "SELECT kam.$call", extra_params => ['-U', 'asker']);
    like($err, qr/permission denied/, "who asks for decisions may not call $call");
}
is($node->safe_psql('postgres', "SELECT kam.kam_run(@{[contact('17_opted_out_fr')]}) ? 'session_id'", extra_params => ['-U', 'asker']), 't', 'but may ask');
wait_until($node, "SELECT count(*) = 1 FROM kam.request WHERE status = 'judged'", 'and is answered');
is($node->safe_psql('postgres', "SELECT rolsuper OR rolcanlogin OR rolcreaterole OR rolcreatedb OR rolbypassrls OR rolreplication FROM pg_roles WHERE rolname = 'kam_worker'"),
    'f', 'kam_worker has no powers of its own');

# A trigger on a table of kam tries everything; immediate and at commit.
$node->safe_psql('postgres', <<'SQL');
CREATE TABLE public.seen (moment text, who text, attempt text, outcome text);
GRANT INSERT ON public.seen TO kam_worker;
CREATE FUNCTION public.climb() RETURNS trigger LANGUAGE plpgsql AS
$$
DECLARE
	try text;
	outcome text;
BEGIN
	FOREACH try IN ARRAY ARRAY['SET ROLE postgres', 'RESET ROLE', 'SET SESSION AUTHORIZATION postgres', 'RESET SESSION AUTHORIZATION', 'SET SESSION AUTHORIZATION DEFAULT',
		'ALTER ROLE nobody SUPERUSER', 'CREATE ROLE friend SUPERUSER', 'GRANT pg_write_server_files TO nobody',
		'COPY public.seen TO PROGRAM ''true''', 'ALTER SYSTEM SET work_mem = ''1GB''', 'SELECT pg_catalog.pg_read_file(''PG_VERSION'')',
		'UPDATE pg_catalog.pg_authid SET rolsuper = true', 'UPDATE kam.provider SET base_url = ''http://evil.example''', 'DROP TABLE kam.endpoint']
	LOOP
		BEGIN
			EXECUTE try;
			outcome := 'went through as ' || current_user;
		EXCEPTION WHEN OTHERS THEN
			outcome := SQLSTATE;
		END;
		INSERT INTO public.seen VALUES (TG_ARGV[0], current_user, try, outcome);
	END LOOP;
	-- What it sets must not steer the worker's later statements.
	PERFORM pg_catalog.set_config('search_path', 'public', false);
	PERFORM pg_catalog.set_config('default_transaction_read_only', 'on', false);
	RETURN NEW;
END
$$;
CREATE TRIGGER climb AFTER INSERT ON kam.agent_call FOR EACH ROW WHEN (NEW.call_no = 1) EXECUTE FUNCTION public.climb('row');
CREATE CONSTRAINT TRIGGER climb_late AFTER INSERT ON kam.agent_call DEFERRABLE INITIALLY DEFERRED
	FOR EACH ROW WHEN (NEW.call_no = 2) EXECUTE FUNCTION public.climb('commit');
SQL
my $session = kam_run($node, '01_inbound_question_fr');
wait_until($node, "SELECT status = 'judged' FROM kam.request WHERE session_id = '$session'", 'the run is decided all the same');
is($node->safe_psql('postgres', 'SELECT moment, count(*), min(who), max(who) FROM public.seen GROUP BY 1 ORDER BY 1'),
    "commit|14|kam_worker|kam_worker\nrow|14|kam_worker|kam_worker", 'triggers of users run as kam_worker, at commit too');
is($node->safe_psql('postgres', "SELECT DISTINCT attempt, outcome FROM public.seen WHERE outcome NOT IN ('42501', '42514', '25001', '0A000') AND outcome <> 'went through as kam_worker'"), '',
    'whatever they try ends in a refusal');
is($node->safe_psql('postgres', "SELECT attempt FROM public.seen WHERE outcome LIKE 'went%' AND attempt NOT LIKE 'RESET%' AND attempt NOT LIKE '%DEFAULT'"), '', 'nothing went through');
is($node->safe_psql('postgres', "SELECT count(*) FROM pg_roles WHERE rolname IN ('nobody', 'friend', 'kam_worker') AND rolsuper"), '0', 'nobody has become superuser');
my $other = kam_run($node, '17_opted_out_fr');
wait_until($node, "SELECT status = 'judged' FROM kam.request WHERE session_id = '$other'", 'the worker goes on with settings of its own');

# A trigger that releases the slot's lock costs the worker its life, not two workers one slot.
$node->safe_psql('postgres', <<'SQL');
DROP TRIGGER climb ON kam.agent_call;
DROP TRIGGER climb_late ON kam.agent_call;
CREATE FUNCTION public.unlock() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_catalog.pg_advisory_unlock_all(); RETURN NEW; END $$;
CREATE TRIGGER unlock AFTER INSERT ON kam.agent_call FOR EACH ROW WHEN (NEW.call_no = 3) EXECUTE FUNCTION public.unlock();
SQL
my $careless = kam_run($node, '01_inbound_question_fr');
wait_until($node, "SELECT status = 'judged' FROM kam.request WHERE session_id = '$careless'", 'a run whose trigger releases the lock is decided by the next worker');
is($node->safe_psql('postgres', "SELECT restarts, last_error FROM kam.kam_worker_status()"), '1|kam worker 1 lost the lock of its slot', 'since the first one ended itself');

# Settings that the owner of the database makes do not steer the worker.
my $pid = $node->safe_psql('postgres', 'SELECT pid FROM kam.kam_worker_status()');
$node->safe_psql('postgres', <<'SQL');
DROP TRIGGER unlock ON kam.agent_call;
ALTER DATABASE postgres SET search_path = 'public';
ALTER DATABASE postgres SET default_transaction_read_only = on;
ALTER DATABASE postgres SET default_transaction_isolation = 'serializable';
ALTER DATABASE postgres SET session_replication_role = 'replica';
ALTER DATABASE postgres SET statement_timeout = '1ms';
ALTER DATABASE postgres SET role = 'nobody';
SQL
$node->safe_psql('template1', "SELECT pg_terminate_backend($pid)");
wait_until($node, 'SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = \'kam worker\' AND pid <> ' . $pid, 'a new worker starts', 'template1');
$node->safe_psql('template1', 'ALTER DATABASE postgres RESET ALL');
$session = kam_run($node, '01_inbound_question_fr');
wait_until($node, "SELECT status = 'judged' FROM kam.request WHERE session_id = '$session'", 'it works under settings that would keep it from it');

$node->stop;
done_testing();
