//! The operator's pages: how the exchange stands here, and below it who is on it and what it does: accounts, partners,
//! providers, people, jobs, what goes out, tasks and storage.

mod account;
mod job;
mod partner;
mod promotion;
mod provider;
mod storage;
mod task;
mod user;

use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use hub::flow::Standing;
use maud::{Markup, html};
use model::partner::Stage;

use crate::ConsoleState;
use crate::audit;
use crate::home::{grouped, name};
use crate::outbox;
use crate::page;
use crate::problem;
use crate::time;
use crate::visitor::Operator;

/// What waits for an operator is counted up to here.
const WAITING_MAX: usize = 50;
/// Destinations shown, the worst first.
const BEHIND_MAX: usize = 20;

pub(crate) fn routes() -> Router<ConsoleState> {
    Router::new()
        .route("/console/operator", get(overview))
        .merge(account::routes())
        .merge(partner::routes())
        .merge(promotion::routes())
        .merge(provider::routes())
        .merge(user::routes())
        .merge(job::routes())
        .merge(outbox::operator_routes())
        .merge(task::routes())
        .merge(storage::routes())
        .route("/console/operator/audit", get(audit::operator_page))
}

async fn overview(of: Operator) -> Response {
    let hub = of.hub();
    let missing = hub.missing().await;
    let mut standings = hub.standings();
    let sum = |each: fn(&Standing) -> u64| standings.iter().map(each).sum::<u64>();
    let figures = html! {
        dl.figures {
            div.bad[!missing.is_empty()] { dt { "Stores" } dd { strong { (if missing.is_empty() { "well" } else { "missing" }) } } }
            div { dt { "To be routed" } dd { strong { (grouped(hub.router_lag())) } span { "committed batches" } } }
            div { dt { "Waiting" } dd { strong { (grouped(sum(|s| s.waiting))) } } }
            div.bad[sum(|s| s.retrying) > 0] { dt { "Retrying" } dd { strong { (grouped(sum(|s| s.retrying))) } } }
            div { dt { "Under way" } dd { strong { (grouped(sum(|s| u64::from(s.in_flight)))) } } }
            div { dt { "Delivered" } dd { strong { (grouped(sum(|s| s.delivered))) } span { "since this process started" } } }
        }
    };
    standings.retain(|s| s.waiting + s.retrying > 0 || !s.circuit_closed);
    standings.sort_by_key(|s| std::cmp::Reverse((s.lag, s.waiting + s.retrying)));
    standings.truncate(BEHIND_MAX);
    let one = hub::Page {
        after: 0,
        limit: 51,
    };
    let waiting = async {
        let asked = hub.partners(Some(Stage::Requested), one).await?;
        let reviews = hub.partners(Some(Stage::InReview), one).await?;
        hub::Result::Ok((asked.len(), reviews.len()))
    };
    let (asked, reviews) = match waiting.await {
        Ok(waiting) => waiting,
        Err(error) => return problem::of(of.state(), &error),
    };
    let troubled = hub.tasks().into_iter().filter(|t| t.trouble.is_some());
    let troubled: Vec<_> = troubled.collect();
    let content = html! {
        h1 { "The exchange" }
        @for sentence in &missing { p.warning role="alert" { (sentence) } }
        @for task in &troubled { p.warning { "The task " strong { (task.name) } " fails: " (task.trouble.as_deref().unwrap_or_default()) " " a href="/console/operator/tasks" { "See the tasks" } } }
        @if asked + reviews > 0 {
            h2 { "What waits for an operator" }
            ul.attention {
                @if asked > 0 { li { (counted(asked, "request of a company that wants to connect", "requests of companies that want to connect")) ". " a href="/console/operator/partners?stage=requested" { "Look at them" } } }
                @if reviews > 0 { li { (counted(reviews, "product in review", "products in review")) ". " a href="/console/operator/partners?stage=in-review" { "Look at them" } } }
            }
        }
        @if !hub.has_mail_server() { p.warning { "There is no mail server ([mail] in the configuration): mails wait in the outbox. The link of an invitation is shown to the operator who sends it." } }
        (figures)
        h2 { "Destinations that are behind" }
        @if standings.is_empty() { p.calm { "None." } } @else { (behind(&of, &standings)) }
    };
    page::for_operator(&of, "", "The exchange", &content).into_response()
}

/// So many, with the words for one and for more; a page is looked at, not the whole list.
fn counted(count: usize, one: &str, many: &str) -> String {
    match count {
        1 => format!("1 {one}"),
        count if count > WAITING_MAX => format!("more than {WAITING_MAX} {many}"),
        count => format!("{count} {many}"),
    }
}

fn behind(of: &Operator, standings: &[Standing]) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label="Destinations that are behind" { table {
            thead { tr { th { "Destination" } th { "Account" } th.number { "Waiting" } th.number { "Retrying" } th { "Behind by" } th { "Reached" } } }
            tbody { @for one in standings {
                @let endpoint = of.hub().registry().endpoint(one.endpoint);
                tr {
                    td { a href={ "/console/" (one.account) "/endpoints/" (one.endpoint) } { (endpoint.map_or_else(|| one.endpoint.to_string(), |e| name(&e.endpoint))) } }
                    td { (of.hub().registry().account(one.account).map_or_else(String::new, |a| a.name.clone())) }
                    td.number { (grouped(one.waiting)) }
                    td.number { (grouped(one.retrying)) }
                    td { (one.lag.map_or_else(|| "–".to_owned(), time::length)) }
                    td { (if one.circuit_closed { "yes" } else { "no" }) }
                }
            } }
        } }
    }
}
