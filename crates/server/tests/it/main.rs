//! The one integration-test binary: the real server on port 0, spoken to over HTTP, one file for each noun.
//!
//! Start reading at `publish.rs`. The harness (`harness/`) starts the server with a clock that tests move and steps the
//! work that runs by itself with `settle`, so nothing here sleeps.

mod harness;

mod application;
mod audience;
mod audit;
mod backup;
mod body;
mod browser;
mod cli;
#[cfg(feature = "distributed")]
mod cluster;
mod collect;
mod console;
mod console_browser;
mod coverage;
mod crash;
mod damage;
mod data_file;
mod demo;
mod deploy;
mod door;
mod endless;
mod endpoint;
mod event_type;
mod fairness;
mod faults;
mod fuzz;
mod hangup;
mod hashing;
mod hostile;
mod idempotency;
mod identity;
mod job;
mod listen;
mod mail;
mod manage;
mod migrate;
mod notification;
mod oidc;
mod onboarding;
mod openapi;
mod order;
#[cfg(feature = "distributed")]
mod outage;
mod partner;
mod partner_guide;
mod privacy;
mod processes;
mod publish;
mod pull;
mod push;
mod quarantine;
mod readme;
mod replay;
mod retention;
mod roles;
mod secrets;
mod segment;
mod send;
mod serve;
mod share;
mod shutdown;
mod stored;
mod test_drive;
mod user;
