//! One's own access tokens: for one's programs. Made and shown once, listed, revoked.

use std::time::Duration;

use axum::Router;
use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use hub::AccessToken;
use maud::{Markup, html};
use model::access_token::Scopes;
use model::{AccountId, TokenId};

use crate::ConsoleState;
use crate::form::Form;
use crate::page::{self, copyable, done, nothing};
use crate::problem;
use crate::time;
use crate::user::about_oneself;
use crate::visitor::Visitor;

const PATH: &str = "/console/me/tokens";
/// Lives that are offered, in days.
const LIVES: [(u64, &str); 4] = [
    (7, "a week"),
    (30, "a month"),
    (90, "three months"),
    (366, "a year"),
];
const DAY: Duration = Duration::from_secs(24 * 3_600);
/// Accounts that a token can be limited to by ticking; more are named by the command line.
const ACCOUNTS_MAX: usize = 50;

pub(crate) fn routes() -> Router<ConsoleState> {
    Router::new()
        .route(PATH, get(list).post(make))
        .route("/console/me/tokens/{tokenId}/revoke", post(revoke))
}

async fn list(visitor: Visitor) -> Response {
    let hub = &visitor.state.hub;
    let tokens = match hub.tokens(visitor.bearer.user.id).await {
        Ok(tokens) => tokens,
        Err(error) => return problem::of(&visitor.state, &error),
    };
    let content = html! {
        h1 { "Access tokens" }
        p { "For programs that call " code { "/manage/v1" } " in your name. A token may never do more than you." }
        @if tokens.is_empty() { (nothing("You have none.", &html! { p { "Make one for each program, so that each can be ended alone." } })) }
        @else { (table(&visitor, &tokens)) }
        (form(&visitor))
    };
    about_oneself(&visitor, PATH, "Access tokens", &content).into_response()
}

fn table(visitor: &Visitor, tokens: &[AccessToken]) -> Markup {
    let now = visitor.state.hub.now();
    let question = "Revoke this token? The program that has it is out at once.";
    html! {
        div.scroll tabindex="0" role="region" aria-label="Access tokens" { table {
            thead { tr { th scope="col" { "Name" } th scope="col" { "Begins" } th scope="col" { "May" } th scope="col" { "Last used" } th scope="col" { "Ends" } th scope="col" { span.visually-hidden { "Actions" } } } }
            tbody { @for token in tokens.iter().rev() { tr {
                td { (token.name) }
                td { code { (token.prefix) "…" } }
                td { (token.scopes.words().join(", ")) }
                td { @if let Some(at) = token.used_at { (time::ago(at, now)) } @else { "never" } }
                td { (time::at(token.expires_at)) @if token.expires_at <= now { " " span.status.disabled { "ended" } } }
                td.actions { (page::button(&format!("{PATH}/{}/revoke", token.id), "Revoke", "quiet danger", Some(question))) }
            } } }
        } }
    }
}

fn form(visitor: &Visitor) -> Markup {
    let accounts = visitor.bearer.accounts().unwrap_or_default();
    let name = |id: AccountId| {
        let account = visitor.state.hub.registry().account(id);
        account.map_or_else(|| format!("account {id}"), |account| account.name.clone())
    };
    html! {
        section.narrow-left {
            h2 { "Make one" }
            form.stack method="post" {
                label { "Name" input type="text" name="name" required maxlength="256" autocomplete="off" placeholder="what it is for"; }
                fieldset.choices { legend { "It may" }
                    label.choice { input type="checkbox" name="scope" value="read" checked; span { "read" } }
                    label.choice { input type="checkbox" name="scope" value="write"; span { "write" small { "change things" } } }
                }
                @if !accounts.is_empty() {
                    fieldset.choices { legend { "Only in" }
                        @for (id, _) in accounts.iter().take(ACCOUNTS_MAX) {
                            label.choice { input type="checkbox" name="scope" value={ "account:" (id) }; span { (name(*id)) } }
                        }
                        small { "None: in all of your accounts." }
                    }
                }
                label { "Good for" select name="days" { @for (days, words) in LIVES { option value=(days) selected[days == 90] { (words) } } } }
                button.main type="submit" { "Make it" }
            }
        }
    }
}

async fn make(visitor: Visitor, form: Form) -> Response {
    let state = &visitor.state;
    let mut scopes = Scopes::default();
    for word in form.all("scope") {
        scopes = match scopes.with(word) {
            Some(scopes) => scopes,
            None => {
                let why = format!("What a token may is one of {}.", Scopes::WORDS);
                return problem::invalid(state, &why);
            }
        };
    }
    let days = form.number::<u32>("days").unwrap_or(90).clamp(1, 366);
    let (actor, user) = (visitor.actor(), visitor.bearer.user.id);
    let made = state
        .hub
        .token_create(&actor, user, form.text("name"), scopes, DAY * days);
    match made.await {
        Ok((token, secret)) => {
            let content = html! {
                h1 { (token.name) " is made" }
                p.warning role="alert" { "This token is shown this once. Copy it now: nobody can show it again." }
                (copyable("The access token", secret.expose()))
                p { a.button href=(PATH) { "To your tokens" } }
            };
            about_oneself(&visitor, PATH, "A token", &content).into_response()
        }
        Err(error) => done::<(), String>(state, PATH, Err(error), |()| String::new()),
    }
}

async fn revoke(visitor: Visitor, Path(id): Path<TokenId>) -> Response {
    let (hub, user) = (&visitor.state.hub, visitor.bearer.user.id);
    let result = hub.token_revoke(&visitor.actor(), user, id).await;
    done(&visitor.state, PATH, result, |()| {
        "The token is revoked.".to_owned()
    })
}
