# The scripts of examples/ print what their .out files say, with a worker running, and a second time does nothing.
use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use KamTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = kam_node('week', conf => "kam.schedules = off\n");

is(cadence_week($node), slurp_file("$FindBin::Bin/../../examples/cadence.out"), 'the week is as examples/cadence.out has it');
is(example($node, 'play.sql'), slurp_file("$FindBin::Bin/../../examples/play.out"), 'the play is as examples/play.out has it');
is(cadence_troubles($node), '', 'the tables agree');
my $rows = $node->safe_psql('postgres', 'SELECT count(*) FROM kam.CadenceEventLog');
my ($ret, $out, $err) = $node->psql('postgres', slurp_file("$FindBin::Bin/../../examples/cadence.sql"));
isnt($ret, 0, 'a second time it stops');
is($node->safe_psql('postgres', 'SELECT count(*) FROM kam.CadenceEventLog'), $rows, 'and changes nothing');

$node->stop;
done_testing();
