//! Who changed what, newest last, found by who, what and about what.

use axum::http::Uri;
use axum::response::{IntoResponse, Response};
use hub::{Audit, AuditFilter, Page};
use maud::{Markup, html};

use crate::form::{self, Form};
use crate::page::{self, Place, nothing};
use crate::problem;
use crate::time;
use crate::visitor::{Admin, In, Operator};

/// Entries on one page.
const LIMIT: usize = 100;

fn filter(query: &Form) -> AuditFilter {
    let text = |name| Some(query.text(name).to_owned()).filter(|text| !text.is_empty());
    AuditFilter {
        actor: text("actor"),
        action: text("action"),
        subject: text("subject"),
        ..AuditFilter::default()
    }
}

/// Of one account.
pub(crate) async fn page(of: In<Admin>, uri: Uri) -> Response {
    let query = form::query(&uri);
    let filter = AuditFilter {
        account: Some(of.account.id),
        ..filter(&query)
    };
    match find(of.hub(), &filter, &query).await {
        Ok(entries) => {
            let content = content(&query, entries, &of.path("/audit"));
            page::inside(&of, Place::Audit, "Audit trail", &content).into_response()
        }
        Err(error) => problem::of(of.state(), &error),
    }
}

/// Of the whole exchange.
pub(crate) async fn operator_page(of: Operator, uri: Uri) -> Response {
    let query = form::query(&uri);
    match find(of.hub(), &filter(&query), &query).await {
        Ok(entries) => {
            let content = content(&query, entries, "/console/operator/audit");
            page::for_operator(&of, "/audit", "Audit trail", &content).into_response()
        }
        Err(error) => problem::of(of.state(), &error),
    }
}

async fn find(hub: &hub::Hub, filter: &AuditFilter, query: &Form) -> hub::Result<Vec<Audit>> {
    let page = Page {
        after: query.number("after").unwrap_or(0),
        limit: 101,
    };
    hub.audit_trail(filter, page).await
}

fn content(query: &Form, mut entries: Vec<Audit>, path: &str) -> Markup {
    let next = (entries.len() > LIMIT).then(|| entries[LIMIT - 1].id);
    entries.truncate(LIMIT);
    let field = |name: &'static str, label: &'static str| {
        html! {
            label { span.visually-hidden { (label) } input type="search" name=(name) value=(query.text(name)) placeholder=(label); }
        }
    };
    html! {
        h1 { "Audit trail" }
        form.search.wide role="search" method="get" {
            (field("actor", "Who: user 3, operator")) (field("action", "What: endpoint, key.rotate")) (field("subject", "About: endpoint 12"))
            button type="submit" { "Find" }
        }
        @if entries.is_empty() {
            (nothing("Nothing was changed that fits.", &html! { a href=(path) { "Show everything" } }))
        } @else {
            div.scroll tabindex="0" role="region" aria-label="Entries" { table {
                thead { tr { th { "When" } th { "Who" } th { "What" } th { "About" } th { "From" } th { "In full" } } }
                tbody { @for entry in &entries { tr {
                    td { (time::at(entry.created_at)) }
                    td { (entry.actor_name.as_deref().unwrap_or(&entry.actor)) }
                    td { code { (entry.action) } }
                    td { (entry.subject) }
                    td { (entry.address.as_deref().unwrap_or("–")) }
                    td { @if entry.detail != "{}" { details { summary { "Show" } pre { (pretty(&entry.detail)) } } } }
                } } }
            } }
            @if let Some(next) = next {
                p.more { a.button href={ (path) "?after=" (next) "&actor=" (query.text("actor")) "&action=" (query.text("action")) "&subject=" (query.text("subject")) } { "Later" } }
            }
        }
    }
}

fn pretty(json: &str) -> String {
    let value = serde_json::from_str::<serde_json::Value>(json);
    value
        .and_then(|value| serde_json::to_string_pretty(&value))
        .unwrap_or_else(|_| json.to_owned())
}
