//! How **people** ask: server-rendered pages over the same verbs of `Hub` as the API.
//!
//! A page is a handler that names who may see it ([`visitor`]) and answers [`page::Page`]; a form is a `POST` that does
//! one verb and sends the browser to a page that says what happened. Everything works without scripts; what the script
//! adds is comfort. Called by `server`, which serves one router for the address of production: people of both
//! environments come in by one door, and every page says in which environment they are.
//!
//! Promises: no request to another host, no inline script or style (the answers' `Content-Security-Policy` says so too),
//! every text of a stranger is escaped (maud does, and nothing here is pre-escaped), no `POST` of another site is taken
//! ([`guard`]).

mod access_token;
mod account;
mod application;
mod assets;
mod audit;
mod cookie;
mod delivery;
mod difference;
mod document;
mod endpoint;
mod entrance;
mod event;
mod event_type;
mod form;
mod guard;
mod hashing;
mod home;
mod identity;
mod invitation;
mod job;
mod list;
mod live;
mod member;
mod operator;
mod outbox;
mod page;
mod partner;
mod privacy;
mod problem;
mod quarantine;
mod registration;
mod review;
mod schema_drift;
mod segment;
mod session;
mod setup;
mod share;
mod sign_in;
mod sign_on;
mod subscription;
mod suppression;
mod test_drive;
mod ticket;
mod time;
mod upload;
mod user;
mod visitor;

use std::sync::Arc;

use axum::Router;
use axum::middleware;
use axum::routing::get;
use hub::Hub;
use model::Environment;
use model::key::KeyHash;

pub use live::Live;

/// Where the console is.
pub const ROOT: &str = "/console";

/// What pages need to be made.
#[derive(Clone)]
pub struct ConsoleState {
    pub(crate) hub: Arc<Hub>,
    shared: Arc<Shared>,
}

struct Shared {
    /// Of the operator token, with which the first person is let in.
    operator: KeyHash,
    trusted_proxies: Vec<ipnet::IpNet>,
    live: Arc<Live>,
}

/// The console of a process.
pub struct Console {
    /// Every path begins with [`ROOT`].
    pub pages: Router,
    /// What follows the exchange, to be ended before the process is.
    pub live: Arc<Live>,
}

impl ConsoleState {
    /// Browsers are told to send the session's cookie over TLS only, where people reach the console by it.
    pub(crate) fn is_secure(&self) -> bool {
        let url = self.hub.base_url(Environment::Production);
        url.starts_with("https://")
    }
}

/// The pages, with all that goes around them.
pub fn console(hub: &Arc<Hub>, operator: KeyHash, trusted_proxies: Vec<ipnet::IpNet>) -> Console {
    let live = Live::new();
    let state = ConsoleState {
        hub: Arc::clone(hub),
        shared: Arc::new(Shared {
            operator,
            trusted_proxies,
            live: Arc::clone(&live),
        }),
    };
    let pages = Router::new()
        .route("/console", get(entrance::entrance))
        .route("/console/", get(entrance::entrance))
        .route("/console/accounts", get(entrance::accounts))
        .route("/console/set-up", get(setup::page).post(setup::set_up))
        .merge(sign_in::routes())
        .merge(sign_on::routes())
        .merge(ticket::routes())
        .merge(user::routes())
        .merge(session::routes())
        .merge(access_token::routes())
        .merge(partner::routes())
        .route("/console/{accountId}", get(home::page))
        .route("/console/{accountId}/flow", get(home::flow))
        .merge(registration::routes())
        .merge(endpoint::routes())
        .merge(subscription::routes())
        .merge(event::routes())
        .merge(event_type::routes())
        .merge(schema_drift::routes())
        .merge(delivery::routes())
        .merge(job::routes())
        .merge(share::routes())
        .merge(application::routes())
        .merge(review::routes())
        .merge(test_drive::routes())
        .merge(segment::routes())
        .merge(identity::routes())
        .merge(privacy::routes())
        .merge(suppression::routes())
        .merge(hashing::routes())
        .merge(member::routes())
        .merge(account::routes())
        .merge(quarantine::routes())
        .merge(outbox::routes())
        .route("/console/{accountId}/audit", get(audit::page))
        .merge(operator::routes())
        .fallback(problem::no_such_page)
        .layer(middleware::from_fn_with_state(state.clone(), live::around));
    let pages = Router::new()
        .merge(pages)
        .route("/console/assets/{name}", get(assets::serve))
        .layer(middleware::from_fn_with_state(state.clone(), guard::around))
        .with_state(state);
    Console { pages, live }
}
