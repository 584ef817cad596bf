# A prepared transaction holds its lead, also over a restart, and nobody else's; kam.paused and kam.schedules stop what they say they stop.
use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use KamTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = kam_node('prepared', conf => "kam.clock = '2026-03-02 09:00+01'\nkam.schedules = off\nmax_prepared_transactions = 4\n");

$node->safe_psql('postgres', <<'SQL');
INSERT INTO kam.Leads (lead_id, icp_tier) VALUES ('a', 'T1'), ('b', 'T1'), ('c', 'T1');
INSERT INTO kam.CadenceEventLog (lead_id, sequence_type, event_type, sequence_id)
VALUES ('a', 'outbound', 'activation', 's'), ('b', 'outbound', 'activation', 's'), ('c', 'outbound', 'activation', 's');
SQL

sub touch
{
    my ($lead, $n) = @_;

    return "INSERT INTO kam.CadenceEventLog (lead_id, sequence_type, event_type, sequence_id, channel)"
        . " SELECT '$lead', 'outbound', 'touch', 's', 'email' FROM generate_series(1, $n) RETURNING coordinator_action";
}

# ---- a prepared transaction

$node->safe_psql('postgres', "BEGIN; @{[ touch('a', 2) ]}; PREPARE TRANSACTION 'two'");
my ($ret, $out, $err) = $node->psql('postgres', "SET lock_timeout = '100ms'; @{[ touch('a', 1) ]}");
like($err, qr/canceling statement due to lock timeout/, 'a lead that a prepared transaction has touched waits for it');
is($node->safe_psql('postgres', "SET lock_timeout = '5s'; @{[ touch('b', 4) ]}"), "executed\nexecuted\nexecuted\nheld", 'other leads do not');
is($node->safe_psql('postgres', "SET lock_timeout = '5s'; SELECT touch_count FROM kam.kam_gate('a', 'outbound', 'touch', 's')"), '0', 'kam_gate does not wait');
$node->restart;
($ret, $out, $err) = $node->psql('postgres', "SET lock_timeout = '100ms'; @{[ touch('a', 1) ]}");
like($err, qr/canceling statement due to lock timeout/, 'after a restart it still waits');
$node->safe_psql('postgres', "COMMIT PREPARED 'two'");
is($node->safe_psql('postgres', touch('a', 2)), "executed\nheld", 'once it is committed its touches count');
is(cadence_troubles($node), '', 'sound');

# One that is given up leaves nothing.
$node->safe_psql('postgres', "BEGIN; @{[ touch('c', 3) ]}; INSERT INTO kam.CadenceEventLog (lead_id, event_type) VALUES ('b', 'opt_out'); PREPARE TRANSACTION 'three'");
# The tick passes over whom it holds.
my $tick = "SELECT concat_ws(' ', t ->> 'released', t ->> 'skipped', t ->> 'failed') FROM kam.kam_tick('2026-03-09 10:00+01') t";
is($node->safe_psql('postgres', "SET lock_timeout = '1s'; $tick"), '1 1 0', 'kam_tick releases one lead\'s hold and passes over the other\'s');
$node->safe_psql('postgres', "ROLLBACK PREPARED 'three'");
is($node->safe_psql('postgres', "SET kam.clock = '2026-03-09 11:00+01'; @{[ touch('c', 4) ]}"), "executed\nexecuted\nexecuted\nheld", 'a transaction that is given up has used no slot');
is($node->safe_psql('postgres', $tick), '1 0 0', 'and the hold that was passed over is released');
is($node->safe_psql('postgres', 'SELECT count(*) FROM kam.Suppression'), '0', 'its opt-out was never said');
is(cadence_troubles($node), '', 'sound');

# ---- kam.schedules, kam.paused

# c has one touch that waits until the 16th; its clock strikes with the schedules off, then with kam.paused on.
my $due = "SELECT count(*) FROM kam.CadenceQueue WHERE state = 'waiting' AND lead_id = 'c'";
reload($node, "kam.clock = '2026-03-16 12:00+01'");
# A run asked for after it is decided: the worker had its turn.
my $session = kam_run($node, '17_opted_out_fr');
wait_until($node, "SELECT status = 'judged' FROM kam.request WHERE session_id = '$session'", 'the worker works');
is($node->safe_psql('postgres', $due), '1', 'with kam.schedules off it leaves what is due');
is($node->safe_psql('postgres', "SELECT state FROM kam.kam_health() WHERE item = 'holds'"), 'warning', 'kam_health tells');
reload($node, 'kam.paused = on', 'kam.schedules = on');
wait_until($node, "SELECT state = 'paused' FROM kam.kam_worker_status() WHERE database = 'postgres'", 'the worker is paused');
is($node->safe_psql('postgres', "SELECT kam.kam_tick()"), '{"more": false, "paused": true}', 'nor does kam_tick do anything while kam.paused is on');
is($node->safe_psql('postgres', $due), '1', 'everything is kept');
is($node->safe_psql('postgres', touch('c', 1)), 'held', 'requests are judged all the same: this one goes behind the one that is due');
reload($node, 'kam.paused = off');
wait_until($node, "SELECT count(*) = 0 FROM kam.CadenceQueue WHERE state = 'waiting' AND lead_id = 'c'", 'then the worker releases both');
is($node->safe_psql('postgres', "SELECT count(*) FROM kam.CadenceEventLog WHERE lead_id = 'c' AND event_type = 'touch'"), '5', 'in their order');
is(cadence_troubles($node), '', 'sound');

$node->stop;
done_testing();
