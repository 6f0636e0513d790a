//! How to speak to strangers: the only HTTP client of the product, and the only one for mail.
//!
//! Every URL that a tenant can name (push destinations, notification URLs, connect calls, pull publishers) is called
//! through one [`Client`], so that one set of promises holds for all of them:
//!
//! - **Only where it may go.** The [`Guard`] judges addresses when dialling, after DNS; what it judged is what is dialled.
//! - **Only as long and as much as agreed.** A [`Call`] names its time and the bytes of an answer that are worth reading;
//!   both hold for headers and body, whatever the other side does.
//! - **Only what was asked.** Redirects are answers, not instructions. No cookies, no proxies, no retries: the flow retries.
//!
//! Who calls it: `hub` (push, notify, collect, syndicate) and the CLI's receiver (`signature::verify`). It knows neither SQL
//! nor the web framework, nor what an event is, and it logs nothing: a [`Failure`] is told once, where it is handled.
//!
//! Reading order: `guard` (which addresses) → `url` (what a tenant typed) → `dial` (how a connection is made) →
//! `client` (how a call is sent), `stream` (bodies of any size) → `call`, `failure` (what goes in and comes out) → `signature`, `authorization` (what is
//! put into the headers) → `oauth` (a token for them); `mail` stands beside
//! them.

mod authorization;
mod call;
mod client;
mod dial;
mod failure;
mod guard;
pub mod mail;
pub mod oauth;
pub mod oidc;
pub mod signature;
mod stream;
mod url;

pub use authorization::{Authorization, AuthorizationError};
pub use call::{Answer, Call, RETRY_AFTER_MAX};
pub use client::{Client, ClientOptions};
pub use dial::{Lookup, LookupFuture};
pub use failure::{Cause, Failure, Phase};
pub use guard::Guard;
pub use stream::{Chunks, Download};
