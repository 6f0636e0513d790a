//! The way in: to the account in which this browser was last, or the choice of one.

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use hub::Page;
use maud::{Markup, html};
use model::{Account, Environment};

use crate::page::{self, nothing};
use crate::problem;
use crate::visitor::Visitor;

/// Accounts shown; an operator finds the others in a list of their own.
const ACCOUNTS_MAX: i64 = 200;

/// To the account in which this browser was last, or the only one there is for this person; else to the choice.
pub(crate) async fn entrance(visitor: Visitor) -> Response {
    let last = visitor.last.filter(|id| {
        let is_there = visitor.state.hub.registry().account(*id).is_some();
        is_there && visitor.bearer.role_in(*id).is_some()
    });
    let to = match last {
        Some(id) => page::door(&visitor, id),
        None => match known(&visitor).await.as_deref() {
            Ok([one]) => page::door(&visitor, one.id),
            Ok(_) => "/console/accounts".to_owned(),
            Err(error) => return problem::of(&visitor.state, error),
        },
    };
    (StatusCode::SEE_OTHER, [(header::LOCATION, to)]).into_response()
}

async fn known(visitor: &Visitor) -> hub::Result<Vec<Account>> {
    let page = Page {
        after: 0,
        limit: ACCOUNTS_MAX,
    };
    match visitor.bearer.accounts() {
        None => visitor.state.hub.accounts(page).await,
        Some(roles) => {
            let ids: Vec<_> = roles.iter().map(|(id, _)| *id).collect();
            Ok(visitor.state.hub.accounts_among(&ids, page))
        }
    }
}

pub(crate) async fn accounts(visitor: Visitor) -> Response {
    let accounts = match known(&visitor).await {
        Ok(accounts) => accounts,
        Err(error) => return problem::of(&visitor.state, &error),
    };
    let of = |environment| {
        let all = accounts.iter();
        all.filter(move |account| account.environment == environment)
            .collect::<Vec<_>>()
    };
    let content = html! {
        h1 { "Accounts" }
        @if accounts.is_empty() {
            (nothing("You have no role in any account yet.", &html! { p { "Ask an admin of an account to take you in, or an operator to open one." } }))
        } @else {
            (cards(&visitor, "Production", &of(Environment::Production)))
            (cards(&visitor, "Pilot", &of(Environment::Pilot)))
            @if accounts.len() >= usize::try_from(ACCOUNTS_MAX).unwrap_or(usize::MAX) {
                p { "These are the first " (ACCOUNTS_MAX) ". " @if visitor.bearer.is_operator() { a href="/console/operator/accounts" { "Find the others" } } }
            }
        }
        p { a href="/console/partner" { "Connect a product of yours" } " to the exchange, as a partner." }
    };
    page::outside(&visitor, "Accounts", &content).into_response()
}

fn cards(visitor: &Visitor, title: &str, accounts: &[&Account]) -> Markup {
    html! {
        @if !accounts.is_empty() {
            h2 { (title) }
            ul.cards {
                @for account in accounts {
                    li { a.card href=(page::door(visitor, account.id)) {
                        strong { (account.name) } (page::environment(account.environment))
                        @if let Some(role) = visitor.bearer.role_in(account.id) { span.role { (role.as_str()) } }
                    } }
                }
            }
        }
    }
}
