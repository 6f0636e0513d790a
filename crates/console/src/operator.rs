//! The operator's pages: how the exchange stands, its accounts, providers and people.

use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use hub::Page;
use hub::flow::Standing;
use hub::user::NewUser;
use maud::{Markup, html};
use model::{AccountPolicy, Environment};

use crate::ConsoleState;
use crate::audit;
use crate::form::Form;
use crate::home::{grouped, name};
use crate::page::{self, copyable, done};
use crate::problem;
use crate::time;
use crate::visitor::Operator;

/// Rows of a list.
const LIMIT: i64 = 1_000;
/// Destinations shown, the worst first.
const BEHIND_MAX: usize = 20;

pub(crate) fn routes() -> Router<ConsoleState> {
    Router::new()
        .route("/console/operator", get(overview))
        .route(
            "/console/operator/accounts",
            get(accounts).post(open_account),
        )
        .route(
            "/console/operator/providers",
            get(providers).post(add_provider),
        )
        .route("/console/operator/people", get(people).post(invite))
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
    let content = html! {
        h1 { "The exchange" }
        @for sentence in &missing { p.warning role="alert" { (sentence) } }
        @if !hub.has_mail_server() { p.warning { "There is no mail server ([mail] in the configuration): invitations wait in the outbox, and their links are shown to whoever invites." } }
        (figures)
        h2 { "Destinations that are behind" }
        @if standings.is_empty() { p.calm { "None." } } @else { (behind(&of, &standings)) }
    };
    page::for_operator(&of, "", "The exchange", &content).into_response()
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

async fn accounts(of: Operator) -> Response {
    let page = Page {
        after: 0,
        limit: LIMIT,
    };
    let accounts = match of.hub().accounts(page).await {
        Ok(accounts) => accounts,
        Err(error) => return problem::of(of.state(), &error),
    };
    let content = html! {
        h1 { "Accounts" }
        ul.cards { @for account in &accounts {
            li { a.card href={ "/console/" (account.id) } { strong { (account.name) } (page::environment(account.environment)) span.role { "account " (account.id) } } }
        } }
        section.narrow-left {
            h2 { "Open an account" }
            form.stack method="post" {
                label { "Name" input type="text" name="name" required autocomplete="off"; }
                fieldset.choices { legend { "Environment" }
                    label.choice { input type="radio" name="environment" value="pilot" checked; span { "pilot" small { "to try things out" } } }
                    label.choice { input type="radio" name="environment" value="production"; span { "production" } }
                }
                button.main type="submit" { "Open it" }
            }
        }
    };
    page::for_operator(&of, "/accounts", "Accounts", &content).into_response()
}

async fn open_account(of: Operator, form: Form) -> Response {
    let Some(environment) = Environment::parse(form.text("environment")) else {
        return problem::invalid(of.state(), "The environment is pilot or production.");
    };
    let (actor, policy) = (of.actor(), AccountPolicy::default());
    let opened = of
        .hub()
        .account_create(&actor, form.text("name"), environment, &policy);
    match opened.await {
        Ok((account, key)) => {
            let content = html! {
                h1 { (account.name) " is open" }
                p.warning role="alert" { "This is the account's key, and it is shown this once: applications, jobs and privacy requests are called with it." }
                (copyable("The account's key", key.expose()))
                p { a.button href={ "/console/" (account.id) } { "To the account" } }
            };
            page::for_operator(&of, "/accounts", "An account", &content).into_response()
        }
        Err(error) => {
            done::<(), String>(of.state(), "/console/operator/accounts", Err(error), |()| {
                String::new()
            })
        }
    }
}

async fn providers(of: Operator) -> Response {
    let page = Page {
        after: 0,
        limit: LIMIT,
    };
    let providers = match of.hub().providers(page).await {
        Ok(providers) => providers,
        Err(error) => return problem::of(of.state(), &error),
    };
    let content = html! {
        h1 { "Providers" }
        p { "Companies whose products connect. What an endpoint states as its provider's name must be one of these." }
        ul.tags { @for provider in &providers { li { (provider.name) } } }
        section.narrow-left {
            h2 { "Make one known" }
            form.stack method="post" {
                label { "Name" input type="text" name="name" required autocomplete="off"; }
                button.main type="submit" { "Add it" }
            }
        }
    };
    page::for_operator(&of, "/providers", "Providers", &content).into_response()
}

async fn add_provider(of: Operator, form: Form) -> Response {
    let result = of
        .hub()
        .provider_create(&of.actor(), form.text("name"))
        .await;
    done(
        of.state(),
        "/console/operator/providers",
        result,
        |provider| format!("{} is known.", provider.name),
    )
}

async fn people(of: Operator) -> Response {
    let page = Page {
        after: 0,
        limit: LIMIT,
    };
    let users = match of.hub().users(None, page).await {
        Ok(users) => users,
        Err(error) => return problem::of(of.state(), &error),
    };
    let content = html! {
        h1 { "People" }
        div.scroll tabindex="0" role="region" aria-label="People" { table {
            thead { tr { th { "Name" } th { "E-mail" } th { "State" } th { "Operator" } th { "Last here" } } }
            tbody { @for user in &users { tr {
                td { (user.name) } td { (user.email) } td { (user.status.as_str()) }
                td { (if user.is_operator { "yes" } else { "" }) }
                td { @if let Some(at) = user.last_sign_in_at { (time::at(at)) } @else { "never" } }
            } } }
        } }
        section.narrow-left {
            h2 { "Invite an operator" }
            p { "An operator may do everything everywhere. Others are invited by the accounts that they work for." }
            form.stack method="post" {
                label { "E-mail" input type="email" name="email" required autocomplete="off"; }
                button.main type="submit" { "Invite" }
            }
        }
    };
    page::for_operator(&of, "/people", "People", &content).into_response()
}

async fn invite(of: Operator, form: Form) -> Response {
    let new = NewUser {
        email: form.text("email").to_owned(),
        name: None,
        is_operator: true,
        roles: Vec::new(),
    };
    match of.hub().user_invite(&of.actor(), &new).await {
        Ok((user, ticket)) => {
            let base = of.hub().base_url(Environment::Production);
            let link = format!("{base}/console/welcome/{}", ticket.expose());
            let content = html! {
                h1 { (user.email) " is invited" }
                p { "The link of the invitation, shown this once:" }
                (copyable("The link of the invitation", &link))
            };
            page::for_operator(&of, "/people", "Invited", &content).into_response()
        }
        Err(error) => {
            done::<(), String>(of.state(), "/console/operator/people", Err(error), |()| {
                String::new()
            })
        }
    }
}
