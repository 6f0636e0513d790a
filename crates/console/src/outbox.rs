//! What others are and were told – mails, notifications, calls to providers – with its attempts, and sending it again. Of one
//! account, and for operators of all.

use axum::Router;
use axum::extract::Path;
use axum::http::Uri;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use hub::outbox::{OutboxFilter, OutboxState};
use hub::{Hub, OutboxKind, OutboxRow, Scope};
use maud::{Markup, html};
use model::{AccountId, OutboxId, Role};

use crate::ConsoleState;
use crate::account;
use crate::list::{self, Asked, Column, Rows};
use crate::page::{self, Place, done, nothing};
use crate::problem;
use crate::time;
use crate::visitor::{In, Member, Operator, Viewer};

const OPERATOR: &str = "/console/operator/outbox";

pub(crate) fn routes() -> Router<ConsoleState> {
    Router::new()
        .route("/console/{accountId}/outbox", get(of_account))
        .route("/console/{accountId}/outbox/{outboxId}/retry", post(retry))
}

pub(crate) fn operator_routes() -> Router<ConsoleState> {
    Router::new().route(OPERATOR, get(of_all)).route(
        "/console/operator/outbox/{outboxId}/retry",
        post(retry_of_all),
    )
}

async fn find(hub: &Hub, scope: Option<Scope>, asked: &Asked) -> hub::Result<Rows<OutboxRow>> {
    let filter = OutboxFilter {
        state: OutboxState::parse(asked.text("state")),
        kind: OutboxKind::parse(asked.text("kind")),
        endpoint: None,
    };
    list::by_id(
        asked,
        |row: &OutboxRow| row.id.0,
        |_| true,
        |page| hub.outbox(scope, filter, page),
    )
    .await
}

async fn of_account(of: In<Viewer>, uri: Uri) -> Response {
    let asked = Asked::of(&uri);
    let found = match find(of.hub(), Some(of.scope()), &asked).await {
        Ok(found) => found,
        Err(error) => return problem::of(of.state(), &error),
    };
    let base = of.path("/outbox");
    let columns = columns(&base, of.may(Role::Member));
    if asked.is_csv() {
        return list::csv("outbox", &columns, &found);
    }
    let content = html! { (account::tabs(&of, "/outbox")) (content(&asked, &columns, &found)) };
    page::inside(&of, Place::Settings, "Outbox", &content).into_response()
}

async fn of_all(of: Operator, uri: Uri) -> Response {
    let asked = Asked::of(&uri);
    let found = match find(of.hub(), None, &asked).await {
        Ok(found) => found,
        Err(error) => return problem::of(of.state(), &error),
    };
    let mut columns = columns(OPERATOR, true);
    let account = |row: &OutboxRow| {
        row.account
            .map_or_else(|| "the operator's".to_owned(), |id| id.to_string())
    };
    columns.insert(1, list::text("Account", account));
    if asked.is_csv() {
        return list::csv("outbox", &columns, &found);
    }
    let content = content(&asked, &columns, &found);
    page::for_operator(&of, "/outbox", "Outbox", &content).into_response()
}

fn content(asked: &Asked, columns: &[Column<'_, OutboxRow>], found: &Rows<OutboxRow>) -> Markup {
    let states = [
        ("All", ""),
        ("Waiting", "waiting"),
        ("Sent", "sent"),
        ("Dead", "dead"),
        ("Dropped", "dropped"),
    ];
    let kinds = [
        ("Any kind", ""),
        ("Mails", "mail"),
        ("Notifications", "notification"),
        ("Calls to providers", "connect"),
    ];
    html! {
        h1 { "Outbox" }
        p { "What others are told: it waits here until they have taken it." }
        (asked.tabs("State", "state", &states))
        (asked.tabs("Kind", "kind", &kinds))
        @if !found.rows.is_empty() {
            (list::table(asked, "Outbox", columns, found))
        } @else if asked.is_filtered() {
            (nothing("There is nothing of that.", &html! { a href="?" { "Show all" } }))
        } @else {
            (nothing("Nobody was told anything yet.", &html! { p { "Invitations, changes of subscriptions and registrations go out from here." } }))
        }
    }
}

fn columns<'a>(base: &'a str, may_retry: bool) -> Vec<Column<'a, OutboxRow>> {
    let mut columns = vec![
        list::column(
            "What",
            |row: &OutboxRow| html! { (row.summary) (attempts(row)) },
            |row| row.summary.clone(),
        ),
        list::text("Kind", |row: &OutboxRow| row.kind.as_str().to_owned()),
        list::column(
            "State",
            |row: &OutboxRow| state(row.state),
            |row| row.state.as_str().to_owned(),
        ),
        list::number("Attempts", |row: &OutboxRow| u64::from(row.attempts)),
        list::instant("Next", |row: &OutboxRow| row.next_attempt_at),
        list::instant("Since", |row: &OutboxRow| Some(row.created_at)),
    ];
    if may_retry {
        columns.push(list::actions(move |row: &OutboxRow| {
            let is_open = matches!(row.state, OutboxState::Waiting | OutboxState::Dead);
            html! { @if is_open { (page::button(&format!("{base}/{}/retry", row.id), "Send now", "quiet", None)) } }
        }));
    }
    columns
}

fn attempts(row: &OutboxRow) -> Markup {
    html! {
        @if !row.history.is_empty() {
            details { summary { "Attempts" }
                ul { @for attempt in &row.history { li {
                    (time::at(attempt.at)) ": "
                    @if let Some(status) = attempt.status { (status) " " }
                    @if let Some(failure) = &attempt.failure { (failure) " " }
                    span.said-by-stranger { (attempt.detail) }
                } } }
            }
        }
    }
}

fn state(state: OutboxState) -> Markup {
    let class = match state {
        OutboxState::Waiting => "pending",
        OutboxState::Sent => "active",
        OutboxState::Dead => "failed",
        OutboxState::Dropped => "disabled",
    };
    html! { span class={ "status " (class) } { (state.as_str()) } }
}

async fn retry(of: In<Member>, Path((_, id)): Path<(AccountId, OutboxId)>) -> Response {
    let result = of
        .hub()
        .outbox_retry(&of.actor(), Some(of.scope()), id)
        .await;
    done(of.state(), &of.path("/outbox"), result, |_| {
        "It is sent now.".to_owned()
    })
}

async fn retry_of_all(of: Operator, Path(id): Path<OutboxId>) -> Response {
    let result = of.hub().outbox_retry(&of.actor(), None, id).await;
    done(of.state(), OPERATOR, result, |_| {
        "It is sent now.".to_owned()
    })
}
