//! Who must not be delivered or shared: the account's suppression list, who is restricted by request, and what the account
//! heeds of both the list and of what publishers say about consent.
//!
//! The list keeps digests: it says when and why somebody was entered, never who. Values are sent in bodies only.

use axum::Router;
use axum::http::Uri;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use hub::Suppression;
use maud::{Markup, html};
use model::account::{Heed, Honour};
use model::privacy::Named;
use model::{Barred, Role, Subject};

use crate::ConsoleState;
use crate::cookie::Said;
use crate::form::Form;
use crate::identity::kinds;
use crate::list::{self, Asked, Column};
use crate::page::{self, Place, done, go, nothing};
use crate::privacy::places;
use crate::problem;
use crate::time;
use crate::upload::FileForm;
use crate::visitor::{Admin, In, Member, Viewer};

/// Larger files are sent by the API.
const FILE_BYTES_MAX: usize = 16 << 20;

pub(crate) fn routes() -> Router<ConsoleState> {
    Router::new()
        .route("/console/{accountId}/suppressions", get(list).post(add))
        .route("/console/{accountId}/suppressions/remove", post(remove))
        .route("/console/{accountId}/suppressions/find", post(find))
        .route("/console/{accountId}/suppressions/file", post(file))
        .route("/console/{accountId}/suppressions/policy", post(policy))
}

async fn list(of: In<Viewer>, uri: Uri) -> Response {
    let asked = Asked::of(&uri);
    let why = Barred::parse(asked.text("why")).filter(|why| *why == Barred::Restricted);
    let why = why.unwrap_or(Barred::Suppressed);
    let found = list::by_id(
        &asked,
        |entry: &Suppression| entry.id,
        |_| true,
        |page| of.hub().suppressions(of.scope(), why, page),
    );
    let found = match found.await {
        Ok(found) => found,
        Err(error) => return problem::of(of.state(), &error),
    };
    let columns = columns();
    if asked.is_csv() {
        return list::csv("suppressions", &columns, &found);
    }
    let tabs = [("On the list", ""), ("Restricted by request", "restricted")];
    let content = html! {
        h1 { "Suppression list" }
        (places(&of, "/suppressions"))
        (heeded(&of))
        (asked.tabs("Which", "why", &tabs))
        @if !found.rows.is_empty() {
            p { "The list keeps digests: it says when and why somebody was entered, and not who." }
            (list::table(&asked, "Suppression list", &columns, &found))
        } @else if why == Barred::Restricted {
            (nothing("Nobody is restricted.", &html! { p { "A " a href=(of.path("/privacy")) { "privacy request" } " restricts people, and another one lifts that." } }))
        } @else {
            (nothing("Nobody is on the list.", &html! { p { "Whoever is on it is neither delivered nor shared, whichever identifier an event has." } }))
        }
        @if of.may(Role::Member) { (forms(&of)) }
    };
    page::inside(&of, Place::Privacy, "Suppression list", &content).into_response()
}

fn columns<'a>() -> Vec<Column<'a, Suppression>> {
    vec![
        list::text("Number", |entry: &Suppression| entry.id.to_string()),
        list::text("Type", |entry: &Suppression| entry.kind.clone()),
        list::text("Reference", |entry: &Suppression| entry.reference.clone()),
        list::instant("Since", |entry: &Suppression| Some(entry.created_at)),
    ]
}

/// What the account heeds, and the switches of it.
fn heeded(of: &In<Viewer>) -> Markup {
    let policy = &of.account.policy;
    let is_honoured = policy.suppression_list == Honour::Honour;
    let is_heeded = policy.contact_consent == Heed::Honour;
    html! {
        @if !is_honoured { p.warning { "The list is ignored: whoever is on it is delivered and shared all the same." } }
        details.panel {
            summary { "What counts: " @if is_honoured { "the list" } @else { "not the list" } ", " @if is_heeded { "consent that is withdrawn" } @else { "not what publishers say of consent" } }
            @if of.may(Role::Admin) {
                form.stack method="post" action=(of.path("/suppressions/policy")) {
                    label.choice { input type="checkbox" name="list" value="honour" checked[is_honoured]; span { "People on the list are left out" small { "of what is delivered and shared" } } }
                    label.choice { input type="checkbox" name="consent" value="honour" checked[is_heeded]; span { "Events and rows that say so are left out" small { "their attribute contactConsent says no, such as false, opt-out or withdrawn" } } }
                    button type="submit" { "Save" }
                }
            } @else { p { "An admin of the account decides that." } }
        }
    }
}

fn forms(of: &In<Viewer>) -> Markup {
    let kind = || html! { label { "Type" input type="text" name="type" required list="kinds" autocomplete="off"; } };
    html! {
        h2 { "Change it" }
        div.columns {
            form.stack.panel method="post" action=(of.path("/suppressions")) {
                h3 { "Put people on it" }
                (kind())
                label { "Values, one a line" textarea name="values" rows="3" required spellcheck="false" {} }
                label { "Reference" input type="text" name="reference" maxlength="200" aria-describedby="ref-help"; small #ref-help { "kept with them: a ticket, a reason" } }
                label.choice { input type="checkbox" name="hashed" value="yes"; span { "The values are hashes" } }
                button.main type="submit" { "Put them on the list" }
            }
            form.stack.panel method="post" action=(of.path("/suppressions/remove")) {
                h3 { "Take people off it" }
                (kind())
                label { "Values, one a line" textarea name="values" rows="3" required spellcheck="false" {} }
                label.choice { input type="checkbox" name="hashed" value="yes"; span { "The values are hashes" } }
                div.actions {
                    button type="submit" formaction=(of.path("/suppressions/find")) { "Are they on it?" }
                    button.danger type="submit" { "Take them off" }
                }
            }
            form.stack.panel method="post" enctype="multipart/form-data" action=(of.path("/suppressions/file")) {
                h3 { "Put the people of a file on it" }
                label { "Reference" input type="text" name="reference" maxlength="200"; }
                label { "File" input type="file" name="file" accept=".csv,text/csv" required aria-describedby="csv-help";
                    small #csv-help { "CSV whose first row names identity types, such as email" } }
                button type="submit" { "Put them on the list" }
            }
        }
        datalist #kinds { @for kind in kinds(of) { option value=(kind) {} } }
    }
}

fn named(form: &Form) -> Vec<Named> {
    let values = form.text("values").lines().map(str::trim);
    let values = values.filter(|value| !value.is_empty());
    values
        .map(|value| Named {
            kind: form.text("type").to_owned(),
            value: value.to_owned(),
            is_hashed: form.text("hashed") == "yes",
        })
        .collect()
}

async fn add(of: In<Member>, form: Form) -> Response {
    let named = named(&form);
    let subjects: Vec<Subject<'_>> = named.iter().map(Named::subject).collect();
    let result = of
        .hub()
        .suppression_add(&of.actor(), of.scope(), form.text("reference"), &subjects)
        .await;
    done(of.state(), &of.path("/suppressions"), result, |added| {
        format!("{added} of {} are new on the list.", named.len())
    })
}

async fn remove(of: In<Member>, form: Form) -> Response {
    let named = named(&form);
    let subjects: Vec<Subject<'_>> = named.iter().map(Named::subject).collect();
    let result = of
        .hub()
        .suppression_remove(&of.actor(), of.scope(), &subjects)
        .await;
    done(of.state(), &of.path("/suppressions"), result, |removed| {
        format!("{removed} of {} are off the list.", named.len())
    })
}

/// Says of each value whether it is barred; it is a form so that values stay out of addresses.
async fn find(of: In<Viewer>, form: Form) -> Response {
    let mut rows = Vec::new();
    for named in named(&form) {
        match of
            .hub()
            .suppression_find(of.scope(), &named.subject())
            .await
        {
            Ok(entries) => rows.push((named.value, entries)),
            Err(error) => return problem::of(of.state(), &error),
        }
    }
    let content = html! {
        h1 { "Are they on the list?" }
        (places(&of, "/suppressions"))
        div.scroll tabindex="0" role="region" aria-label="Found" { table {
            thead { tr { th scope="col" { "Value" } th scope="col" { "Why" } th scope="col" { "Since" } th scope="col" { "Reference" } } }
            tbody { @for (value, entries) in &rows {
                @if entries.is_empty() { tr { td.value { (value) } td { "neither listed nor restricted" } td { "–" } td {} } }
                @for entry in entries { tr {
                    td.value { (value) } td { (entry.why.as_str()) } td { (time::at(entry.created_at)) } td { (entry.reference) }
                } }
            } }
        } }
        p { a.button href=(of.path("/suppressions")) { "To the list" } }
    };
    page::inside(&of, Place::Privacy, "Are they on the list?", &content).into_response()
}

async fn file(of: In<Member>, mut form: FileForm) -> Response {
    let to = of.path("/suppressions");
    let bytes = match form.whole(FILE_BYTES_MAX).await {
        Ok(bytes) => bytes,
        Err(error) => return go(of.state(), &to, &Said::bad(problem::sentence(&error))),
    };
    let reference = form.form.text("reference");
    let result = of
        .hub()
        .suppression_add_file(&of.actor(), of.scope(), reference, &bytes)
        .await;
    done(of.state(), &to, result, |(added, problems)| {
        let mut said = format!("{added} are new on the list.");
        if !problems.is_empty() {
            let first: Vec<&str> = problems.iter().take(5).map(String::as_str).collect();
            said = format!("{said} Rows that were not taken: {}", first.join("; "));
        }
        said
    })
}

async fn policy(of: In<Admin>, form: Form) -> Response {
    let before = of.account.policy.clone();
    let mut policy = before.clone();
    policy.suppression_list = match form.text("list") {
        "honour" => Honour::Honour,
        _ => Honour::Ignore,
    };
    policy.contact_consent = match form.text("consent") {
        "honour" => Heed::Honour,
        _ => Heed::Ignore,
    };
    let result = of
        .hub()
        .account_set_policy(&of.actor(), of.scope(), policy)
        .await;
    let to = of.path("/suppressions");
    done(of.state(), &to, result, |_| {
        let word = |is: bool| if is { "honour" } else { "ignore" };
        let list = word(before.suppression_list == Honour::Honour);
        let consent = word(before.contact_consent == Heed::Honour);
        let fields = [("list", list), ("consent", consent)];
        let undo = of.path("/suppressions/policy");
        Said::good("It is in effect for what is delivered from now on.").undo(&undo, &fields)
    })
}
