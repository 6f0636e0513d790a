//! Keys of an account: those that call for all of it, made anew and revoked, and those of its endpoints, seen.

use axum::Router;
use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use hub::{Key, KeysOf};
use maud::{Markup, html};
use model::key::KeyLevel;
use model::{AccountId, KeyId};

use super::tabs;
use crate::ConsoleState;
use crate::page::{self, Place, copyable, done, nothing};
use crate::problem;
use crate::time;
use crate::visitor::{Admin, In};

/// How long an old key works beside a new one.
const OVERLAP: std::time::Duration = std::time::Duration::from_secs(24 * 60 * 60);

pub(super) fn routes() -> Router<ConsoleState> {
    Router::new()
        .route("/console/{accountId}/settings/keys", get(list).post(rotate))
        .route(
            "/console/{accountId}/settings/keys/{keyId}/revoke",
            post(revoke),
        )
}

async fn list(of: In<Admin>) -> Response {
    let own = match of.hub().keys(of.scope(), KeysOf::Account).await {
        Ok(own) => own,
        Err(error) => return problem::of(of.state(), &error),
    };
    let content = html! {
        (tabs(&of, "/settings/keys"))
        div.title { h1 { "Keys of the account" } (page::button(&of.path("/settings/keys"), "Make a new key", "main", None)) }
        p { "Applications, jobs and privacy requests are called with it. Endpoints have keys of their own, on their pages. When a new one is made, the old ones work for another day." }
        @if own.is_empty() { (nothing("It has none.", &html! {})) } @else { (table(&of, &own)) }
    };
    page::inside(&of, Place::Settings, "Keys", &content).into_response()
}

fn table(of: &In<Admin>, keys: &[Key]) -> Markup {
    let now = of.hub().now();
    let question = "Revoke this key? What calls with it is refused at once.";
    html! {
        div.scroll tabindex="0" role="region" aria-label="Keys" { table {
            thead { tr { th scope="col" { "Begins" } th scope="col" { "State" } th scope="col" { "Made" } th scope="col" { "Ends" } th scope="col" { span.visually-hidden { "Actions" } } } }
            tbody { @for key in keys.iter().rev() {
                @let has_ended = key.revoked_at.is_some() || key.expires_at.is_some_and(|end| end <= now);
                tr {
                    td { code { (key.prefix) "…" } }
                    td { @if has_ended { span.status.disabled { "ended" } } @else { span.status.active { "good" } } }
                    td { (time::at(key.created_at)) }
                    td { @if let Some(end) = key.revoked_at.or(key.expires_at) { (time::at(end)) } @else { "–" } }
                    td.actions { @if !has_ended { (page::button(&of.path(&format!("/settings/keys/{}/revoke", key.id)), "Revoke", "quiet danger", Some(question))) } }
                }
            } }
        } }
    }
}

async fn rotate(of: In<Admin>) -> Response {
    let actor = of.actor();
    let rotated = of
        .hub()
        .key_rotate(&actor, of.scope(), None, KeyLevel::Account, OVERLAP);
    match rotated.await {
        Ok((_, key)) => {
            let content = html! {
                h1 { "A new key: the old ones work for another day" }
                p.warning role="alert" { "This key is shown this once. Copy it now: nobody can show it again, only replace it." }
                (copyable("The key of the account", key.expose()))
                p { a.button href=(of.path("/settings/keys")) { "To the keys" } }
            };
            page::inside(&of, Place::Settings, "A key", &content).into_response()
        }
        Err(error) => problem::of(of.state(), &error),
    }
}

async fn revoke(of: In<Admin>, Path((_, id)): Path<(AccountId, KeyId)>) -> Response {
    let result = of.hub().key_revoke(&of.actor(), of.scope(), id).await;
    done(of.state(), &of.path("/settings/keys"), result, |()| {
        "The key opens nothing any more.".to_owned()
    })
}
