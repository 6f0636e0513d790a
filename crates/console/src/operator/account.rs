//! Accounts of the exchange: found by name, number and environment; opening one. What one decides and may:
//! [`crate::account`], which shows operators more.

use axum::Router;
use axum::http::Uri;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use maud::html;
use model::{Account, AccountPolicy, Environment};

use crate::ConsoleState;
use crate::form::Form;
use crate::list::{self, Asked, Column};
use crate::page::{self, copyable, done, nothing};
use crate::problem;
use crate::visitor::Operator;

pub(super) fn routes() -> Router<ConsoleState> {
    Router::new().route("/console/operator/accounts", get(accounts).post(open))
}

async fn accounts(of: Operator, uri: Uri) -> Response {
    let asked = Asked::of(&uri);
    let wanted = asked.text("q").to_lowercase();
    let environment = Environment::parse(asked.text("environment"));
    let found = list::by_id(
        &asked,
        |account: &Account| account.id.0,
        |account| {
            let is_called = account.name.to_lowercase().contains(&wanted);
            let is_there = environment.is_none_or(|one| account.environment == one);
            is_there && (is_called || account.id.to_string() == wanted)
        },
        |page| of.hub().accounts(page),
    );
    let found = match found.await {
        Ok(found) => found,
        Err(error) => return problem::of(of.state(), &error),
    };
    let columns = columns(&of);
    if asked.is_csv() {
        return list::csv("accounts", &columns, &found);
    }
    let content = html! {
        h1 { "Accounts" }
        (asked.search(&[("q", "Name or number")]))
        (asked.tabs("Environment", "environment", &[("All", ""), ("Production", "production"), ("Pilot", "pilot")]))
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

fn columns<'a>(of: &'a Operator) -> Vec<Column<'a, Account>> {
    let counts = of.hub().registry().endpoint_counts();
    let endpoints = move |account: &Account| counts.get(&account.id).copied().unwrap_or(0);
    let limit = |limit: Option<u64>, what: &str| {
        limit.map_or_else(String::new, |limit| format!("{limit} events {what}"))
    };
    vec![
        list::linked(
            "Name",
            |a: &Account| format!("/console/{}", a.id),
            |a| a.name.clone(),
        ),
        list::text("Number", |a: &Account| a.id.to_string()),
        list::column(
            "Environment",
            |a: &Account| page::environment(a.environment),
            |a| a.environment.as_str().to_owned(),
        ),
        list::number("Endpoints", endpoints),
        list::text("A second", move |a: &Account| {
            limit(a.policy.max_events_per_second, "a second")
        }),
        list::text("A day", move |a: &Account| {
            limit(a.policy.max_events_per_day, "a day")
        }),
        list::actions(
            |a: &Account| html! { a href={ "/console/" (a.id) "/settings" } { "Policy and limits" } },
        ),
    ]
}

async fn open(of: Operator, form: Form) -> Response {
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
