//! People as their identifiers: looking one up, seeing why these identifiers are one person, undoing what was wrong; what the
//! guard rails keep apart, the rules, the filters of endpoints, and the switch of the whole.
//!
//! Identifiers stand in bodies and never in addresses, which end up in logs: a look-up is sent as a form and leads to the
//! person's own id, which says nothing about them.

mod filter;
mod graph;
mod guarded;
mod person;
mod rules;

use std::collections::BTreeSet;

use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use hub::identity::Wanted;
use maud::{Markup, html};
use model::account::Identity;
use model::hashing::HashMode;
use model::identity::{IDENTIFIERS_OF_ONE_TYPE_MAX, Told};
use model::{Role, X1Id};

use crate::ConsoleState;
use crate::cookie::Said;
use crate::form::Form;
use crate::page::{self, Place, done, go};
use crate::problem;
use crate::visitor::{Admin, In, Member, Viewer};

pub(crate) fn routes() -> Router<ConsoleState> {
    Router::new()
        .route("/console/{accountId}/identities", get(page))
        .route("/console/{accountId}/identities/look-up", post(look_up))
        .route("/console/{accountId}/identities/switch", post(switch))
        .route(
            "/console/{accountId}/identities/people/{x1Id}",
            get(person::page),
        )
        .route(
            "/console/{accountId}/identities/facts/{factId}/undo",
            post(person::undo),
        )
        .route(
            "/console/{accountId}/identities/facts/{factId}/redo",
            post(person::redo),
        )
        .route(
            "/console/{accountId}/identities/kept-apart",
            get(guarded::kept_apart),
        )
        .route(
            "/console/{accountId}/identities/undone",
            get(guarded::undone),
        )
        .route(
            "/console/{accountId}/identities/rules",
            get(rules::page).post(rules::put),
        )
        .route(
            "/console/{accountId}/identities/rules/trial",
            post(rules::trial),
        )
        .route(
            "/console/{accountId}/identities/filters",
            get(filter::list).post(filter::put),
        )
        .route(
            "/console/{accountId}/identities/filters/{filterId}/delete",
            post(filter::delete),
        )
}

/// The pages of this place.
fn places<R>(of: &In<R>, here: &str) -> Markup {
    let all = [
        ("", "Look up", Role::Viewer),
        ("/kept-apart", "Kept apart", Role::Member),
        ("/undone", "Undone", Role::Member),
        ("/rules", "Rules", Role::Viewer),
        ("/filters", "Filters", Role::Viewer),
    ];
    html! {
        nav.tabs aria-label="Identities" {
            @for (path, name, least) in all {
                @if of.may(least) {
                    a href=(of.path(&format!("/identities{path}"))) aria-current=[(path == here).then_some("page")] { (name) }
                }
            }
        }
    }
}

async fn page(of: In<Viewer>) -> Response {
    let kinds = kinds(&of);
    let rules = &of.account.policy.identity_rules;
    let limit = rules.limit.unwrap_or(IDENTIFIERS_OF_ONE_TYPE_MAX);
    let content = html! {
        h1 { "Identities" }
        (places(&of, ""))
        @if of.account.policy.identity == Identity::Off {
            p.warning { "This account keeps no identities: nothing is learnt, and nothing is added to what is delivered." }
        }
        @if of.may(Role::Member) { (form(&of, &kinds)) }
        @else { p { "Whoever has the role member can look people up." } }
        h2 { "How it works" }
        ul {
            li { "Identifiers that are seen together, in an event or in a row of an audience, are one person's." }
            li { "A person who has more than " (limit) " identifiers of one type is taken for a till or a test: these join nobody." }
            li { "What was joined by mistake is undone on the person's page, and can be joined again." }
        }
        @if of.may(Role::Admin) { (switches(&of)) }
    };
    page::inside(&of, Place::Identities, "Identities", &content).into_response()
}

fn form(of: &In<Viewer>, kinds: &[String]) -> Markup {
    html! {
        div.columns {
            form.stack.panel method="post" action=(of.path("/identities/look-up")) {
                h2 { "By an identifier" }
                label { "Type" input type="text" name="type" required list="kinds" placeholder="email" autocomplete="off"; }
                label { "Value" input type="text" name="value" required autocomplete="off" spellcheck="false"; }
                label.choice { input type="checkbox" name="hashed" value="yes"; span { "The value is a hash" small { "hashes are found by the clear value, too" } } }
                label.choice { input type="checkbox" name="case" value="yes"; span { "Letter case matters" } }
                button.main type="submit" { "Look up this identifier" }
            }
            form.stack.panel method="post" action=(of.path("/identities/look-up")) {
                h2 { "By x1Id" }
                label { "x1Id" input type="text" name="x1Id" required autocomplete="off" spellcheck="false" aria-describedby="x1-help";
                    small #x1-help { "as it stands in delivered events; one that was merged is found, too" } }
                button type="submit" { "Look up this x1Id" }
            }
        }
        datalist #kinds { @for kind in kinds { option value=(kind) {} } }
    }
}

/// The types that the account's endpoints use.
pub(crate) fn kinds<R>(of: &In<R>) -> Vec<String> {
    let mut kinds = BTreeSet::new();
    let registry = of.hub().registry();
    registry.each_endpoint(of.account.id, |entry| {
        for one in entry.endpoint.definition.identifiers() {
            if !kinds.contains(&one.kind) {
                kinds.insert(one.kind.clone());
            }
        }
    });
    let kinds: BTreeSet<String> = kinds.iter().map(|kind| kind.to_lowercase()).collect();
    kinds.into_iter().collect()
}

async fn look_up(of: In<Member>, form: Form) -> Response {
    let again = of.path("/identities");
    let (id, kind, value) = (form.text("x1Id"), form.text("type"), form.text("value"));
    let wanted = if id.is_empty() {
        if kind.is_empty() || value.is_empty() {
            let said = Said::bad("Say the type and the value of an identifier, or an x1Id.");
            return go(of.state(), &again, &said);
        }
        let mut told = Told::clear(kind, value);
        told.is_case_sensitive = form.text("case") == "yes";
        if form.text("hashed") == "yes" {
            told.mode = HashMode::Hashed;
        }
        Wanted::Told(told)
    } else {
        match id.parse::<X1Id>() {
            Ok(id) => Wanted::X1Id(id),
            Err(_) => {
                let said = Said::bad("This is no x1Id: expected a UUID.");
                return go(of.state(), &again, &said);
            }
        }
    };
    match of.hub().identity_explain(of.scope(), &wanted).await {
        Ok(person) => person::found(&of, person.x1_id),
        // Without the value: this is kept in a cookie for a minute.
        Err(hub::Error::NotFound(_)) => {
            go(of.state(), &again, &Said::bad("Nobody is known by that."))
        }
        Err(error) => problem::of(of.state(), &error),
    }
}

fn switches(of: &In<Viewer>) -> Markup {
    let action = of.path("/identities/switch");
    html! {
        section {
            h2 { "Keep identities" }
            @match of.account.policy.identity {
                Identity::On => {
                    p { "They are kept. Switched off, nothing more is learnt, and nothing is added to what is delivered; what was learnt stays until people are erased or it is switched on again." }
                    form.inline method="post" action=(action) data-ask="Switch identities off for this account?" {
                        input type="hidden" name="identity" value="off"; button.danger type="submit" { "Switch off" }
                    }
                }
                Identity::Off => form.inline method="post" action=(action) {
                    input type="hidden" name="identity" value="on"; button.main type="submit" { "Switch on" }
                },
            }
        }
    }
}

async fn switch(of: In<Admin>, form: Form) -> Response {
    let (identity, said, undo) = match form.text("identity") {
        "on" => (
            Identity::On,
            "Identities are kept from the next event on.",
            "off",
        ),
        "off" => (
            Identity::Off,
            "Identities are off: nothing is learnt from the next event on.",
            "on",
        ),
        _ => return problem::invalid(of.state(), "Say on or off."),
    };
    let mut policy = of.account.policy.clone();
    policy.identity = identity;
    let result = of
        .hub()
        .account_set_policy(&of.actor(), of.scope(), policy)
        .await;
    let action = of.path("/identities/switch");
    done(of.state(), &of.path("/identities"), result, |_| {
        Said::good(said).undo(&action, &[("identity", undo)])
    })
}
