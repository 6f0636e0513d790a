//! `rialto status`

use clap::Args;

use super::remote::Remote;
use super::view::{Part, View};
use super::{CliError, Request};

const VIEW: View = View::OneWith(
    &[
        ("version", "/version"),
        ("ready", "/ready"),
        ("missing", "/missing"),
        ("mail server", "/mailServer"),
        ("batches to route", "/routerLagBatches"),
        ("waiting", "/waiting"),
        ("retrying", "/retrying"),
        ("in flight", "/inFlight"),
        ("destinations", "/destinations"),
        ("circuits open", "/circuitsOpen"),
    ],
    Part {
        at: "/behind",
        columns: &[
            ("ACCOUNT", "/accountId"),
            ("BEHIND", "/endpointId"),
            ("WAITING", "/waiting"),
            ("RETRYING", "/retrying"),
            ("LAG s", "/lagSeconds"),
            ("CIRCUIT", "/circuit"),
        ],
        none: "No destination is behind.",
    },
);

#[derive(Args)]
pub struct Status {
    #[command(flatten)]
    remote: Remote,
}

impl Status {
    pub(super) fn split(self) -> (Remote, Result<Request, CliError>) {
        (self.remote, Ok(Request::get("/status", VIEW)))
    }
}
