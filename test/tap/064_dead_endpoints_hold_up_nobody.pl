# Receivers that never answer and one that is not there, each with a thousand messages waiting, hold up neither another endpoint nor decisions nor gates: all of those end while not one of the others has.
use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use KamReceiver;
use KamTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = kam_node('dead');
my $receiver = KamReceiver->new;
my $hanging = 5;
my $each = 1000;

# As many at once as there may be, together more than the worker has at once; before the healthy one in every order.
foreach my $n (1 .. $hanging)
{
    $receiver->script("/hang$n", { hang => 1 });
    set_endpoint($node, "a-hang$n", $receiver->url("/hang$n"), kind => "'zapier'", concurrency => 64, per_minute => 1000000, timeout => "'10 min'");
    notify($node, "a-hang$n", undef, $each);
}
set_endpoint($node, 'a-refuses', 'http://127.0.0.1:' . PostgreSQL::Test::Cluster::get_free_port(), kind => "'zapier'", per_minute => 1000000);
notify($node, 'a-refuses', undef, $each);
set_endpoint($node, 'z-healthy', $receiver->url('/healthy'), kind => "'zapier'", topics => "'{decision}'", per_minute => 1000000);
wait_until($node, "SELECT count(*) >= 256 FROM kam._delivery WHERE endpoint LIKE 'a-hang%'", 'as many as may be are with receivers that do not answer');
wait_until($node, "SELECT state = 'waiting' FROM kam.kam_endpoints WHERE endpoint = 'a-refuses'", 'one is not there');

notify($node, 'z-healthy', undef, 100);
wait_until($node, "SELECT count(*) = 100 FROM kam.notification WHERE recipient = 'z-healthy' AND status = 'sent'", 'a healthy one gets its hundred');

my @session = map { run_of($node, '01_inbound_question_fr', "dead$_\@dead.example") } 1 .. 5;
is(wait_for_end($node, $_), 'judged', 'a run is decided') foreach @session;
wait_until($node, "SELECT count(*) = 5 FROM kam.notification WHERE recipient = 'z-healthy' AND session_id IS NOT NULL AND status = 'sent'", 'and told');

$node->safe_psql('postgres', <<'SQL');
INSERT INTO kam.Leads (lead_id, icp_tier) SELECT 'lead-' || n, 'T1' FROM generate_series(1, 20) n;
SELECT kam.kam_request(lead_id, 'outbound', 'activation', lead_id, NULL, 'AGT-301') FROM kam.Leads;
SQL
is($node->safe_psql('postgres', "SELECT string_agg(DISTINCT r.coordinator_action, ' ') FROM kam.Leads l CROSS JOIN LATERAL kam.kam_request(l.lead_id, 'outbound', 'touch', l.lead_id, 'email', 'AGT-301') r"),
    'executed', 'gates answer');

is($node->safe_psql('postgres', "SELECT count(*) FROM kam.notification WHERE recipient LIKE 'a-%' AND status NOT IN ('pending', 'failed')"), '0', 'of the others not one has ended');
is($node->safe_psql('postgres', "SELECT count(DISTINCT endpoint) FROM kam._delivery WHERE endpoint LIKE 'a-hang%'"), $hanging, 'each of which has some on its way');
cmp_ok($node->safe_psql('postgres', 'SELECT count(*) FROM kam._delivery'), '<=', 256 + 4 * ($hanging + 2), 'and no more than may be');

# A worker that is to end does not wait for answers.
$node->stop('fast');
$node->start;
is($node->safe_psql('postgres', "SELECT count(*) FROM kam.notification WHERE recipient LIKE 'a-hang%' AND status NOT IN ('pending', 'failed')"), '0', 'the server ends with them under way; nothing is lost');
$node->stop('immediate');
done_testing();
