//! The operator's pages: how the exchange stands, its accounts, providers and people.

use axum::Router;
use axum::http::Uri;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use hub::flow::Standing;
use hub::user::NewUser;
use maud::{Markup, html};
use model::{Account, AccountPolicy, Environment, Provider, User};

use crate::ConsoleState;
use crate::audit;
use crate::form::Form;
use crate::home::{grouped, name};
use crate::invitation::invited;
use crate::list::{self, Asked, Column};
use crate::page::{self, copyable, done, nothing};
use crate::problem;
use crate::time;
use crate::visitor::Operator;

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

async fn accounts(of: Operator, uri: Uri) -> Response {
    let asked = Asked::of(&uri);
    let wanted = asked.text("q").to_lowercase();
    let found = list::by_id(
        &asked,
        |account: &Account| account.id.0,
        |account| account.name.to_lowercase().contains(&wanted) || account.id.to_string() == wanted,
        |page| of.hub().accounts(page),
    );
    let found = match found.await {
        Ok(found) => found,
        Err(error) => return problem::of(of.state(), &error),
    };
    let columns = account_columns();
    if asked.is_csv() {
        return list::csv("accounts", &columns, &found);
    }
    let content = html! {
        h1 { "Accounts" }
        (asked.search(&[("q", "Name or number")]))
        @if !found.rows.is_empty() {
            (list::table(&asked, "Accounts", &columns, &found))
        } @else if asked.is_filtered() {
            (nothing("No account is called so.", &html! { a href="?" { "Show all" } }))
        } @else {
            (nothing("There is no account yet.", &html! { p { "An account is one company's: its endpoints, its events, its people. Open the first one below." } }))
        }
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

fn account_columns() -> Vec<Column<'static, Account>> {
    vec![
        list::column(
            "Name",
            |a: &Account| html! { a href={ "/console/" (a.id) } { (a.name) } },
            |a| a.name.clone(),
        ),
        list::text("Number", |a: &Account| a.id.to_string()),
        list::column(
            "Environment",
            |a: &Account| page::environment(a.environment),
            |a| a.environment.as_str().to_owned(),
        ),
    ]
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

async fn providers(of: Operator, uri: Uri) -> Response {
    let asked = Asked::of(&uri);
    let wanted = asked.text("q").to_lowercase();
    let found = list::by_id(
        &asked,
        |provider: &Provider| provider.id.0,
        |provider| provider.name.to_lowercase().contains(&wanted),
        |page| of.hub().providers(page),
    );
    let found = match found.await {
        Ok(found) => found,
        Err(error) => return problem::of(of.state(), &error),
    };
    let columns = [
        list::text("Name", |p: &Provider| p.name.clone()),
        list::text("Number", |p: &Provider| p.id.to_string()),
    ];
    if asked.is_csv() {
        return list::csv("providers", &columns, &found);
    }
    let content = html! {
        h1 { "Providers" }
        p { "Companies whose products connect. What an endpoint states as its provider's name must be one of these." }
        (asked.search(&[("q", "Name")]))
        @if !found.rows.is_empty() {
            (list::table(&asked, "Providers", &columns, &found))
        } @else {
            (nothing("No provider is called so.", &html! { a href="?" { "Show all" } }))
        }
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

async fn people(of: Operator, uri: Uri) -> Response {
    let asked = Asked::of(&uri);
    let email = Some(asked.text("email")).filter(|email| !email.is_empty());
    let found = list::by_id(
        &asked,
        |user: &User| user.id.0,
        |_| true,
        |page| of.hub().users(email, page),
    );
    let found = match found.await {
        Ok(found) => found,
        Err(error) => return problem::of(of.state(), &error),
    };
    let columns = [
        list::text("Name", |u: &User| u.name.clone()),
        list::text("E-mail", |u: &User| u.email.to_string()),
        list::text("State", |u: &User| u.status.as_str().to_owned()),
        list::text("Operator", |u: &User| {
            if u.is_operator { "yes" } else { "" }.to_owned()
        }),
        list::instant("Last here", |u: &User| u.last_sign_in_at),
    ];
    if asked.is_csv() {
        return list::csv("people", &columns, &found);
    }
    let content = html! {
        h1 { "People" }
        (asked.search(&[("email", "E-mail")]))
        @if found.rows.is_empty() {
            (nothing("Nobody has this e-mail.", &html! { a href="?" { "Show all" } }))
        } @else {
            (list::table(&asked, "People", &columns, &found))
        }
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
            let back = ("/console/operator/people", "To the people");
            let content = invited(of.state(), &user.email, &ticket, back);
            page::for_operator(&of, "/people", "Invited", &content).into_response()
        }
        Err(error) => {
            done::<(), String>(of.state(), "/console/operator/people", Err(error), |()| {
                String::new()
            })
        }
    }
}
