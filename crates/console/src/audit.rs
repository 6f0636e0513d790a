//! Who changed what, newest last, found by who, what and about what.

use axum::http::Uri;
use axum::response::{IntoResponse, Response};
use hub::{Audit, AuditFilter};
use maud::{Markup, html};

use crate::list::{self, Asked, Column, Rows};
use crate::page::{self, Place, nothing};
use crate::problem;
use crate::visitor::{Admin, In, Operator};

fn filter(asked: &Asked) -> AuditFilter {
    let text = |name| Some(asked.text(name).to_owned()).filter(|text| !text.is_empty());
    AuditFilter {
        actor: text("actor"),
        action: text("action"),
        subject: text("subject"),
        ..AuditFilter::default()
    }
}

/// Of one account.
pub(crate) async fn page(of: In<Admin>, uri: Uri) -> Response {
    let asked = Asked::of(&uri);
    let filter = AuditFilter {
        account: Some(of.account.id),
        ..filter(&asked)
    };
    match find(of.hub(), &filter, &asked).await {
        Ok(found) if asked.is_csv() => list::csv("audit-trail", &columns(), &found),
        Ok(found) => {
            let content = content(&asked, &found);
            page::inside(&of, Place::Audit, "Audit trail", &content).into_response()
        }
        Err(error) => problem::of(of.state(), &error),
    }
}

/// Of the whole exchange.
pub(crate) async fn operator_page(of: Operator, uri: Uri) -> Response {
    let asked = Asked::of(&uri);
    match find(of.hub(), &filter(&asked), &asked).await {
        Ok(found) if asked.is_csv() => list::csv("audit-trail", &columns(), &found),
        Ok(found) => {
            let content = content(&asked, &found);
            page::for_operator(&of, "/audit", "Audit trail", &content).into_response()
        }
        Err(error) => problem::of(of.state(), &error),
    }
}

async fn find(hub: &hub::Hub, filter: &AuditFilter, asked: &Asked) -> hub::Result<Rows<Audit>> {
    let id = |entry: &Audit| entry.id;
    list::by_id(asked, id, |_| true, |page| hub.audit_trail(filter, page)).await
}

fn content(asked: &Asked, found: &Rows<Audit>) -> Markup {
    html! {
        h1 { "Audit trail" }
        (asked.search(&[("actor", "Who: user 3, operator"), ("action", "What: endpoint, key.rotate"), ("subject", "About: endpoint 12")]))
        @if found.rows.is_empty() {
            (nothing("Nothing was changed that fits.", &html! { a href="?" { "Show everything" } }))
        } @else {
            (list::table(asked, "Entries", &columns(), found))
        }
    }
}

fn columns() -> Vec<Column<'static, Audit>> {
    let who = |entry: &Audit| {
        let name = entry.actor_name.as_ref();
        name.unwrap_or(&entry.actor).clone()
    };
    vec![
        list::instant("When", |entry: &Audit| Some(entry.created_at)),
        list::text("Who", who),
        list::in_file("Who exactly", |entry: &Audit| entry.actor.clone()),
        list::column(
            "What",
            |entry: &Audit| html! { code { (entry.action) } },
            |entry| entry.action.clone(),
        ),
        list::text("About", |entry: &Audit| entry.subject.clone()),
        list::text("From", |entry: &Audit| {
            entry.address.clone().unwrap_or_default()
        }),
        list::column(
            "In full",
            |entry: &Audit| html! { @if entry.detail != "{}" { details { summary { "Show" } pre { (pretty(&entry.detail)) } } } },
            |entry| entry.detail.clone(),
        ),
    ]
}

fn pretty(json: &str) -> String {
    let value = serde_json::from_str::<serde_json::Value>(json);
    value
        .and_then(|value| serde_json::to_string_pretty(&value))
        .unwrap_or_else(|_| json.to_owned())
}
