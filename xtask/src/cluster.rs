//! `cargo xtask cluster [--chaos] [--seconds N]`: three processes on PostgreSQL, a three-node JetStream and S3, all on this
//! machine, with publishers and subscribers at all three.
//!
//! The scenario lives with the other tests in `crates/server/tests/it/cluster.rs`, which run it briefly; this runs it for
//! as long as asked and shows what flows. With `--chaos`, processes of ours and nodes of NATS are killed and paused at
//! random meanwhile; in the end every acknowledged event must be at every subscriber, in order.

use crate::options;
use crate::shell::{self, Failure};

/// Without `--chaos` and with it.
const SCENARIOS: [&str; 2] = [
    "cluster::three_processes_share_the_work",
    "cluster::whatever_dies_or_sleeps_nothing_is_lost_and_order_is_kept",
];

/// Runs the scenario for `--seconds N` (default 60).
pub(crate) fn run(arguments: &[String]) -> Result<(), Failure> {
    let mut arguments = arguments.to_vec();
    let is_chaos = options::take(&mut arguments, "--chaos");
    let seconds = options::number(&arguments, "--seconds", 60)?;
    let mut command = shell::cargo();
    command.args([
        "test",
        "--locked",
        "-p",
        "server",
        "--features",
        "distributed",
        "--test",
        "it",
        SCENARIOS[usize::from(is_chaos)],
        "--",
        "--exact",
        "--nocapture",
    ]);
    command.env("RIALTO_TEST_ENGINE", "distributed");
    shell::run(command.env("RIALTO_CLUSTER_SECONDS", seconds.to_string()))
}
