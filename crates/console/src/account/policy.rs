//! An account's policy as a form: each choice with what it means. Limits are an operator's form of its own.

use axum::response::{IntoResponse, Response};
use maud::{Markup, html};
use model::account::{Heed, Honour, Identity};
use model::hashing::HashedValues;
use model::{AccountPolicy, RefusedEvents, Role, Strictness};
use serde_json::Value;

use crate::form::Form;
use crate::page::done;
use crate::problem;
use crate::visitor::{Admin, In, Viewer};

/// A choice: the member of the policy, its label, and its words with what each means.
type Choice = (
    &'static str,
    &'static str,
    [(&'static str, &'static str); 2],
);

const CHOICES: [Choice; 6] = [
    (
        "strictness",
        "Attributes that were not declared, or of another type",
        [
            ("lenient", "are delivered, and shown as drift"),
            ("strict", "are refused"),
        ],
    ),
    (
        "refusedEvents",
        "One event of a call is refused",
        [
            ("reject", "then the whole call is"),
            (
                "quarantine",
                "the others are taken, and it is kept to be repaired",
            ),
        ],
    ),
    (
        "hashedValues",
        "Values that look hashed where a hash is to be made of them",
        [
            ("refuse", "are not sent, and reported"),
            ("pass", "are sent as they are"),
        ],
    ),
    (
        "suppressionList",
        "The suppression list",
        [
            ("honour", "is honoured on the way out"),
            ("ignore", "is ignored"),
        ],
    ),
    (
        "contactConsent",
        "What events and audiences say in contactConsent",
        [
            ("honour", "is honoured on the way out"),
            ("ignore", "is ignored"),
        ],
    ),
    (
        "identity",
        "Who is who",
        [
            ("on", "is learnt from events and audiences"),
            ("off", "is not kept"),
        ],
    ),
];

pub(super) fn shown(of: &In<Viewer>) -> Markup {
    let policy = &of.account.policy;
    let now = serde_json::to_value(policy).unwrap_or_default();
    let region = policy.default_region.as_deref().unwrap_or_default();
    html! {
        section {
            h2 { "Policy" }
            @if of.may(Role::Admin) {
                form.stack.wide method="post" action=(of.path("/settings/policy")) {
                    div.columns.policy { @for (name, label, words) in CHOICES { (choice(&now, name, label, words)) } }
                    label.narrow-left { "Region of phone numbers without a country code" input type="text" name="defaultRegion" value=(region) maxlength="2" autocomplete="off" placeholder="DE"; small { "two letters; none: such numbers are reported and not hashed" } }
                    div { button.main type="submit" { "Save the policy" } }
                }
            } @else {
                dl.properties {
                    @for (name, label, words) in CHOICES {
                        dt { (label) } dd { @for (word, meaning) in words { @if now[name] == word { (meaning) } } }
                    }
                    dt { "Region of phone numbers" } dd { (if region.is_empty() { "none" } else { region }) }
                }
            }
        }
    }
}

fn choice(now: &Value, name: &str, label: &str, words: [(&str, &str); 2]) -> Markup {
    html! {
        fieldset.choices { legend { (label) }
            @for (word, meaning) in words {
                label.choice { input type="radio" name=(name) value=(word) checked[now[name] == word]; span { (meaning) } }
            }
        }
    }
}

/// What a form says; what it does not say stays.
fn read(form: &Form, before: &AccountPolicy) -> AccountPolicy {
    let region = form.text("defaultRegion").to_ascii_uppercase();
    AccountPolicy {
        strictness: match form.text("strictness") {
            "lenient" => Strictness::Lenient,
            "strict" => Strictness::Strict,
            _ => before.strictness,
        },
        refused_events: match form.text("refusedEvents") {
            "reject" => RefusedEvents::Reject,
            "quarantine" => RefusedEvents::Quarantine,
            _ => before.refused_events,
        },
        hashed_values: match form.text("hashedValues") {
            "refuse" => HashedValues::Refuse,
            "pass" => HashedValues::Pass,
            _ => before.hashed_values,
        },
        suppression_list: match form.text("suppressionList") {
            "honour" => Honour::Honour,
            "ignore" => Honour::Ignore,
            _ => before.suppression_list,
        },
        contact_consent: match form.text("contactConsent") {
            "honour" => Heed::Honour,
            "ignore" => Heed::Ignore,
            _ => before.contact_consent,
        },
        identity: match form.text("identity") {
            "on" => Identity::On,
            "off" => Identity::Off,
            _ => before.identity,
        },
        default_region: Some(region).filter(|region| !region.is_empty()),
        ..before.clone()
    }
}

pub(super) async fn save(of: In<Admin>, form: Form) -> Response {
    let policy = read(&form, &of.account.policy);
    put(
        &of,
        policy,
        "The policy is saved: it counts from the next call on.",
    )
    .await
}

async fn put(of: &In<Admin>, policy: AccountPolicy, said: &str) -> Response {
    let actor = of.actor();
    let result = of.hub().account_set_policy(&actor, of.scope(), policy);
    done(of.state(), &of.path("/settings"), result.await, |_| {
        said.to_owned()
    })
}

/// For operators: how much the account may publish.
pub(super) fn limits(of: &In<Viewer>) -> Markup {
    let policy = &of.account.policy;
    let text = |limit: Option<u64>| limit.map_or_else(String::new, |limit| limit.to_string());
    html! {
        form.panel.stack.narrow-left method="post" action=(of.path("/settings/limits")) {
            h3 { "Limits, for operators to set" }
            label { "Events in one second" input type="text" inputmode="numeric" pattern="[0-9]*" name="second" value=(text(policy.max_events_per_second)) autocomplete="off"; small { "nothing: as many as are taken" } }
            label { "Events in one day (UTC)" input type="text" inputmode="numeric" pattern="[0-9]*" name="day" value=(text(policy.max_events_per_day)) autocomplete="off"; }
            button type="submit" { "Set them" }
        }
    }
}

pub(super) async fn limit(of: In<Admin>, form: Form) -> Response {
    if !of.visitor.bearer.is_operator() {
        let why = "How many events an account may publish is for operators to change.";
        return problem::forbidden(of.state(), why).into_response();
    }
    let number = |name: &str| match form.text(name) {
        "" => Ok(None),
        text => text.parse::<u64>().map(Some),
    };
    let (Ok(second), Ok(day)) = (number("second"), number("day")) else {
        return problem::invalid(of.state(), "A limit is a whole number, or nothing.");
    };
    let policy = AccountPolicy {
        max_events_per_second: second,
        max_events_per_day: day,
        ..of.account.policy.clone()
    };
    put(
        &of,
        policy,
        "The limits are set: they count from the next call on.",
    )
    .await
}
