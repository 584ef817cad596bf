# A provider's key comes from a file that nobody else may read, goes to the provider alone, and stands nowhere else: no table, log, error, setting or dump.
use strict;
use warnings;

use File::Find;
use FindBin;
use lib $FindBin::Bin;
use KamTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $key = 'sk-kam-s3cr3t-7f1d9b52ac';
my $other_key = 'sk-kam-0th3r-11aa22bb33';
my $node = kam_node('keys', conf => "log_min_messages = debug1\nlog_statement = all\nlog_min_error_statement = debug5\ntrack_activity_query_size = 64kB\n");
my $mock = start_mock(key => $key);
my $file = $node->basedir . '/keys/guarded';

# Whether a file holds any of the keys, read in pieces that overlap.
sub holds_key
{
    my ($path) = @_;
    my ($piece, $rest) = ('', '');

    open my $in, '<:raw', $path or return 0;
    while (read $in, $piece, 1 << 20)
    {
        return 1 if index("$rest$piece", $key) >= 0 || index("$rest$piece", $other_key) >= 0;
        $rest = substr $piece, -64 if length $piece >= 64;
    }
    return 0;
}

sub files_with_key
{
    my ($folder) = @_;
    my @found;

    find({ wanted => sub { push @found, $File::Find::name if -f && holds_key($_) }, no_chdir => 1 }, $folder);
    return join ' ', @found;
}

# With a key that the server takes, one that it refuses, none, and files that must not be used.
set_provider($node, 'guarded', $mock->{url}, key => $key);
my $session = run_of($node, '01_inbound_question_fr', 'right@key.example');
is(wait_for_end($node, $session), 'judged', 'with the key of the file the run is judged');
is(mock_stats($mock)->{refused}, 0, 'the server takes it');

write_key($node, 'guarded', $other_key);
reload($node);
$session = run_of($node, '01_inbound_question_fr', 'wrong@key.example');
is(wait_for_end($node, $session), 'failed', 'a reload reads it again: with a wrong key the run fails');
like($node->safe_psql('postgres', "SELECT error FROM kam.request WHERE session_id = '$session'"), qr/401|key|auth/i, 'and says that the provider refuses it');

foreach my $mode (0640, 0604, 0660)
{
    write_key($node, 'guarded', $key, $mode);
    reload($node);
    my $before = mock_stats($mock)->{requests};
    $session = run_of($node, '01_inbound_question_fr', sprintf 'mode%o@key.example', $mode);
    is(wait_for_end($node, $session), 'failed', sprintf 'a file of mode %04o is not used', $mode);
    like($node->safe_psql('postgres', "SELECT error FROM kam.request WHERE session_id = '$session'"), qr/guarded.*readable by others|mode 0\d+/s, 'the run says why');
    is(mock_stats($mock)->{requests}, $before, 'and nothing was sent');
}
unlink $file;
append_to_file($node->basedir . '/elsewhere', "$key\n");
chmod 0600, $node->basedir . '/elsewhere';
symlink $node->basedir . '/elsewhere', $file;
reload($node);
$session = run_of($node, '01_inbound_question_fr', 'link@key.example');
is(wait_for_end($node, $session), 'failed', 'a link out of the directory is not followed');
unlink $file, $node->basedir . '/elsewhere';

# A server that is reached through TLS wants a key.
set_provider($node, 'keyless', 'https://127.0.0.1:1');
$session = run_of($node, '01_inbound_question_fr', 'none@key.example');
is(wait_for_end($node, $session), 'failed', 'without a key the run fails');
like($node->safe_psql('postgres', "SELECT error FROM kam.request WHERE session_id = '$session'"), qr/no key for provider "keyless"/, 'and says that there is none');
like($node->safe_psql('postgres', "SELECT error FROM kam.request WHERE session_id = '$session'"), qr/KEYLESS_API_KEY|keys/, 'and where it should be');

# Mended, the run goes on.
write_key($node, 'guarded', $key);
$node->safe_psql('postgres', "SELECT kam.kam_use_provider('guarded')");
reload($node);
is($node->safe_psql('postgres', "SELECT kam.kam_retry('$session')"), 't', 'with a key');
is(wait_for_end($node, $session), 'judged', 'it goes on');

# Requests that go wrong with the key in hand.
foreach my $fault (qw(cut reset redirect status/401 status/500 html error_in_200))
{
    (my $name = "f-$fault") =~ tr{/}{-};
    set_provider($node, $name, "$mock->{url}/fault/$fault/times/2", key => $key);
    $session = run_of($node, '01_inbound_question_fr', "$name\@key.example");
    wait_for_end($node, $session, "$fault: the run ends");
}
set_provider($node, 'nobody', 'http://127.0.0.1:1', key => $key, dialect => '{"connect_timeout_ms": 200}');
run_of($node, '01_inbound_question_fr', 'nobody@key.example');
wait_until($node, "SELECT count(*) > 0 FROM kam.agent_call WHERE provider = 'nobody' AND status = 'failed'", 'nobody answers');

# A key in a row is refused.
foreach my $row ("dialect) VALUES ('leaky', 'openai', 'http://127.0.0.1:1', '{\"headers\": {\"authorization\": \"Bearer x\"}}'",
    "dialect) VALUES ('leaky', 'openai', 'http://127.0.0.1:1', '{\"headers\": {\"X-Api-Key\": \"x\"}}'")
{
    my ($ret, $out, $err) = $node->psql('postgres', "INSERT INTO kam.provider (provider, api, base_url, $row)");
    isnt($ret, 0, 'a row may not carry a key');
}
my ($ret, $out, $err) = $node->psql('postgres', "INSERT INTO kam.provider (provider, api, base_url) VALUES ('leaky', 'openai', 'http://user:secret\@127.0.0.1:1')");
isnt($ret, 0, 'nor an address a password');

# Nowhere: activity, settings, what the functions tell, dumps, files.
my $told = $node->safe_psql('postgres', <<'SQL');
SELECT string_agg(a::text, '') FROM pg_stat_activity a;
SELECT string_agg(s::text, '') FROM pg_settings s;
SELECT string_agg(h::text, '') FROM kam.kam_health() h;
SELECT string_agg(w::text, '') FROM kam.kam_worker_status() w;
SELECT string_agg(kam.kam_explain(session_id)::text, '') FROM kam.request;
SQL
is(index($told, $key) + index($told, $other_key), -2, 'no function or view tells it');
my $dump = '';
run_log([ 'pg_dump', '-d', $node->connstr('postgres'), '--inserts' ], '>', \$dump) or die 'pg_dump fails';
like($dump, qr/kam\.agent_call|guarded/, 'a dump has the rows');
is(index($dump, $key) + index($dump, $other_key), -2, 'and no key');
my $worker = worker_pid($node);
unlike(slurp_file("/proc/$worker/cmdline"), qr/\Q$key\E|\Q$other_key\E/, 'nor the process title');
$node->safe_psql('postgres', 'CHECKPOINT');
is(files_with_key($node->data_dir), '', 'no file of the data directory holds it while the server runs');
$node->stop;
is(files_with_key($node->data_dir), '', 'nor afterwards');
is(holds_key($node->logfile), 0, 'nor the log');
# The search does find it where it is.
is(files_with_key($node->basedir . '/keys') ne '', 1, 'it stands in its file');
done_testing();
