//! Oneself: name and password. Sessions and tokens have pages of their own beside it.

use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use hub::user::UserChange;
use maud::{Markup, html};

use crate::ConsoleState;
use crate::form::Form;
use crate::page::{self, done};
use crate::time;
use crate::visitor::Visitor;

pub(crate) fn routes() -> Router<ConsoleState> {
    Router::new()
        .route("/console/me", get(page))
        .route("/console/me/name", post(rename))
        .route("/console/me/password", post(password))
}

/// The places of oneself: path and name.
const PLACES: [(&str, &str); 3] = [
    ("/console/me", "You"),
    ("/console/me/sessions", "Sessions"),
    ("/console/me/tokens", "Access tokens"),
];

/// A page about oneself.
pub(crate) fn about_oneself(
    visitor: &Visitor,
    path: &str,
    title: &str,
    content: &Markup,
) -> page::Page {
    let content = html! {
        nav.tabs aria-label="You" {
            @for (at, name) in PLACES { a href=(at) aria-current=[(at == path).then_some("page")] { (name) } }
        }
        (content)
    };
    page::outside(visitor, title, &content)
}

async fn page(visitor: Visitor) -> Response {
    let user = &visitor.bearer.user;
    let content = html! {
        h1 { (user.name) }
        dl.properties {
            dt { "E-mail" } dd { (user.email) }
            dt { "Here since" } dd { (time::at(user.created_at)) }
            @if user.is_operator { dt { "Operator" } dd { "may do everything everywhere" } }
        }
        div.columns {
            form.panel.stack method="post" action="/console/me/name" {
                h2 { "Name" }
                label { "What others see" input type="text" name="name" value=(user.name) required maxlength="256" autocomplete="name"; }
                button type="submit" { "Change it" }
            }
            form.panel.stack method="post" action="/console/me/password" {
                h2 { "Password" }
                p { "All your other sessions end with it. Access tokens stay." }
                label { "Password so far" input type="password" name="old" required autocomplete="current-password"; }
                label { "New password, at least 15 characters" input type="password" name="new" required minlength="15" autocomplete="new-password"; }
                button type="submit" { "Change it" }
            }
        }
    };
    about_oneself(&visitor, "/console/me", "You", &content).into_response()
}

async fn rename(visitor: Visitor, form: Form) -> Response {
    let change = UserChange {
        name: Some(form.text("name").to_owned()),
        ..UserChange::default()
    };
    let (hub, id) = (&visitor.state.hub, visitor.bearer.user.id);
    let result = hub.user_change(&visitor.actor(), id, &change).await;
    done(&visitor.state, "/console/me", result, |user| {
        format!("You are {} from now on.", user.name)
    })
}

async fn password(visitor: Visitor, form: Form) -> Response {
    let (old, new) = (form.secret("old"), form.secret("new"));
    let actor = visitor.actor();
    let hub = &visitor.state.hub;
    let result = hub.password_change(&actor, &visitor.bearer, &old, &new);
    done(&visitor.state, "/console/me", result.await, |()| {
        "This is your password from now on. Your other sessions have ended.".to_owned()
    })
}
