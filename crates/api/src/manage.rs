//! `/manage/v1`: what operators do, for programs; the command line is its client.
//!
//! One file for each noun. Everything here is our own, so it is strict: members and parameters that are not known are
//! refused with the names that are, every violation at once. Answers are 200; a list is
//! `{"items":[…],"next":…}`, where `next` goes into `?after=` for the following page and is null on the last one; a
//! removal answers `true`. Ids are numbers, times RFC 3339. The addresses of both environments serve all of it.

mod access_token;
mod account;
mod application;
mod audit;
mod delivery;
mod endpoint;
mod event;
mod hashing;
mod identity;
mod identity_filter;
mod input;
mod job;
mod key;
mod member;
mod notice;
mod notification;
mod oidc;
mod outbox;
mod page;
mod partner;
mod provider;
mod quarantine;
mod registration;
mod schema_drift;
mod segment;
mod session;
mod share;
mod status;
mod subscription;
mod supplier_key;
mod suppression;
mod test_drive;
mod user;

use axum::Json;
use schemars::JsonSchema;
use serde::Serialize;

use crate::door::Door;
use crate::problem::Problem;

/// What a handler of this file's children answers.
type Answer<T> = Result<Json<T>, Problem>;

pub(crate) fn routes(door: &mut Door) {
    status::routes(door);
    provider::routes(door);
    account::routes(door);
    partner::routes(door);
    test_drive::routes(door);
    key::routes(door);
    application::routes(door);
    registration::routes(door);
    endpoint::routes(door);
    subscription::routes(door);
    share::routes(door);
    event::routes(door);
    delivery::routes(door);
    notification::routes(door);
    outbox::routes(door);
    supplier_key::routes(door);
    quarantine::routes(door);
    job::routes(door);
    identity::routes(door);
    identity_filter::routes(door);
    suppression::routes(door);
    hashing::routes(door);
    schema_drift::routes(door);
    segment::routes(door);
    notice::routes(door);
    audit::routes(door);
    session::routes(door);
    oidc::routes(door);
    access_token::routes(door);
    user::routes(door);
    member::routes(door);
}

/// A violation, as answers show it.
#[derive(Serialize, JsonSchema)]
struct ViolationView {
    pointer: String,
    code: String,
    message: String,
}

impl From<model::Violation> for ViolationView {
    fn from(violation: model::Violation) -> Self {
        let model::Violation {
            pointer,
            code,
            message,
        } = violation;
        Self {
            pointer,
            code,
            message,
        }
    }
}
