//! One's own sessions: where somebody is signed in as oneself, and ending that.

use axum::Router;
use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use hub::Session;
use maud::{Markup, html};
use model::SessionId;

use crate::ConsoleState;
use crate::page::{self, done};
use crate::problem;
use crate::time;
use crate::user::about_oneself;
use crate::visitor::Visitor;

const PATH: &str = "/console/me/sessions";

pub(crate) fn routes() -> Router<ConsoleState> {
    Router::new()
        .route(PATH, get(list))
        .route("/console/me/sessions/{sessionId}/end", post(end))
}

async fn list(visitor: Visitor) -> Response {
    let hub = &visitor.state.hub;
    let sessions = match hub.sessions(visitor.bearer.user.id).await {
        Ok(sessions) => sessions,
        Err(error) => return problem::of(&visitor.state, &error),
    };
    let content = html! {
        h1 { "Sessions" }
        p { "Where you are signed in. End what you do not know, and change your password then." }
        div.scroll tabindex="0" role="region" aria-label="Sessions" { table {
            thead { tr { th scope="col" { "Browser" } th scope="col" { "From" } th scope="col" { "Begun" } th scope="col" { "Last used" } th scope="col" { "Ends" } th scope="col" { span.visually-hidden { "Actions" } } } }
            tbody { @for session in sessions.iter().rev() { (row(&visitor, session)) } }
        } }
    };
    about_oneself(&visitor, PATH, "Sessions", &content).into_response()
}

fn row(visitor: &Visitor, session: &Session) -> Markup {
    let is_here = visitor.bearer.session() == Some(session.id);
    html! {
        tr {
            td.said-by-stranger { (session.agent.as_deref().unwrap_or("no browser")) }
            td { (session.address.as_deref().unwrap_or("–")) }
            td { (time::at(session.created_at)) }
            td { (time::ago(session.used_at, visitor.state.hub.now())) }
            td { (time::at(session.expires_at)) }
            td.actions {
                @if is_here { span.status.active { "this one" } }
                @else { (page::button(&format!("{PATH}/{}/end", session.id), "End it", "quiet danger", None)) }
            }
        }
    }
}

async fn end(visitor: Visitor, Path(id): Path<SessionId>) -> Response {
    let (hub, user) = (&visitor.state.hub, visitor.bearer.user.id);
    let result = hub.session_end(&visitor.actor(), user, id).await;
    done(&visitor.state, PATH, result, |()| {
        "The session has ended.".to_owned()
    })
}
