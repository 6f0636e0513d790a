//! Making a privacy request: for one person by identifiers, or for the people of a file.
//!
//! Identifiers are sent in bodies only. Erasing asks for a tick, because nothing brings anybody back.

use axum::http::Uri;
use axum::response::{IntoResponse, Response};
use hub::identity::Wanted;
use maud::{Markup, html};
use model::csv;
use model::privacy::{Ask, Operation};
use model::{JobId, X1Id};

use super::{places, words};
use crate::cookie::Said;
use crate::form::{self, Form};
use crate::identity::kinds;
use crate::page::{self, Place, go};
use crate::problem;
use crate::upload::{self, FileForm};
use crate::visitor::{Admin, In};

/// Identifiers of one form, filled in from what is known of a person.
const IDENTIFIERS_MAX: usize = 30;
/// Empty lines that are offered.
const LINES: usize = 3;

fn meaning(operation: Operation) -> &'static str {
    match operation {
        Operation::Erase => {
            "everything that is kept of them goes, in all places; nothing brings it back"
        }
        Operation::Restrict => "they are neither delivered nor shared, until it is lifted",
        Operation::Lift => {
            "they are delivered and shared again; what was withheld is not sent later"
        }
        Operation::Export => "everything that is kept of them is put into a file",
    }
}

pub(super) async fn page(of: In<Admin>, uri: Uri) -> Response {
    let query = form::query(&uri);
    let operation = Operation::parse(query.text("operation"));
    let mut named: Vec<(String, String)> = Vec::new();
    if let Ok(id) = query.text("x1Id").parse::<X1Id>() {
        match of
            .hub()
            .identity_explain(of.scope(), &Wanted::X1Id(id))
            .await
        {
            Ok(person) => named.extend(
                person
                    .identifiers
                    .into_iter()
                    .map(|one| (one.kind, one.value)),
            ),
            Err(error) => return problem::of(of.state(), &error),
        }
    }
    let of_more = named.len().saturating_sub(IDENTIFIERS_MAX);
    named.truncate(IDENTIFIERS_MAX);
    shown(
        &of,
        operation.unwrap_or(Operation::Export),
        &named,
        of_more,
        None,
    )
}

fn shown(
    of: &In<Admin>,
    operation: Operation,
    named: &[(String, String)],
    of_more: usize,
    wrong: Option<&str>,
) -> Response {
    let content = html! {
        h1 { "New privacy request" }
        (places(of, "/privacy"))
        @if let Some(wrong) = wrong { div.said.bad role="alert" { (wrong) } }
        p { "Whoever has one of the identifiers is meant, with all other identifiers that are known of the same person. Every event that names them counts as theirs." }
        div.columns {
            form.stack.panel method="post" action=(of.path("/privacy")) {
                h2 { "One person" }
                (operations(operation, "one"))
                @for (at, (kind, value)) in named.iter().map(|(k, v)| (k.as_str(), v.as_str())).chain([("", ""); LINES]).enumerate() {
                    div.pair {
                        label { "Type" input type="text" name="type" value=(kind) list="kinds" autocomplete="off" required[at == 0]; }
                        label { "Value" input type="text" name="value" value=(value) autocomplete="off" spellcheck="false" required[at == 0]; }
                    }
                }
                @if of_more > 0 { p { "There are " (of_more) " more; these find them." } }
                button.main type="submit" { "Make the request" }
            }
            form.stack.panel method="post" enctype="multipart/form-data" action=(of.path("/privacy/file")) {
                h2 { "The people of a file" }
                (operations(operation, "file"))
                label { "File" input type="file" name="file" accept=".csv,text/csv" required aria-describedby="file-help";
                    small #file-help { "CSV whose first row names identity types, such as email, or the columns type and value; 10 000 people at most" } }
                button.main type="submit" { "Make the request" }
            }
        }
        datalist #kinds { @for kind in kinds(of) { option value=(kind) {} } }
    };
    let status = match wrong {
        Some(_) => http::StatusCode::BAD_REQUEST,
        None => http::StatusCode::OK,
    };
    let page = page::inside(of, Place::Privacy, "New privacy request", &content);
    page.with_status(status).into_response()
}

fn operations(chosen: Operation, form: &str) -> Markup {
    html! {
        fieldset.choices { legend { "What is to be done" }
            @for one in Operation::ALL {
                label.choice { input type="radio" name="operation" value=(one.as_str()) checked[one == chosen]; span { (words(one)) small { (meaning(one)) } } }
            }
            label.choice { input type="checkbox" name="sure" value="yes" aria-describedby={ "sure-" (form) }; span { "Erasing cannot be undone, and I mean it" small id={ "sure-" (form) } { "only asked for to erase" } } }
        }
        label.choice { input type="checkbox" name="listed" value="yes"; span { "List their other identifiers" small { "a file by which other systems can be told" } } }
    }
}

fn read(form: &Form) -> Result<Ask, String> {
    let operation = Operation::parse(form.text("operation"));
    let operation = operation.ok_or("Say what is to be done.")?;
    if operation == Operation::Erase && form.text("sure") != "yes" {
        return Err("Erasing cannot be undone: tick that you mean it.".to_owned());
    }
    Ok(Ask {
        operation,
        is_listed: form.text("listed") == "yes",
    })
}

/// The identifiers of the form, as the file that a request takes.
pub(super) async fn one(of: In<Admin>, form: Form) -> Response {
    let pairs = form.all("type").zip(form.all("value"));
    let pairs: Vec<(String, String)> = pairs
        .map(|(kind, value)| (kind.trim().to_owned(), value.trim().to_owned()))
        .filter(|(kind, value)| !(kind.is_empty() && value.is_empty()))
        .collect();
    let is_whole = |(kind, value): &(String, String)| !kind.is_empty() && !value.is_empty();
    let operation = Operation::parse(form.text("operation")).unwrap_or(Operation::Export);
    if pairs.is_empty() || !pairs.iter().all(is_whole) {
        let why = "Say the type and the value of each identifier.";
        return shown(&of, operation, &pairs, 0, Some(why));
    }
    let ask = match read(&form) {
        Ok(ask) => ask,
        Err(why) => return shown(&of, operation, &pairs, 0, Some(&why)),
    };
    let mut file = Vec::new();
    csv::write_row(&mut file, ["type", "value"]);
    for (kind, value) in &pairs {
        csv::write_row(&mut file, [kind.as_str(), value.as_str()]);
    }
    let made = async {
        let id = request(&of, ask).await?;
        let hub = of.hub();
        let mut upload = hub
            .job_upload_begin(of.scope(), (None, id), "text/csv")
            .await?;
        upload.append(&file).await?;
        hub.job_upload_finish(&of.actor(), upload, None).await?;
        Ok::<JobId, hub::Error>(id)
    };
    under_way(&of, made.await)
}

pub(super) async fn many(of: In<Admin>, mut form: FileForm) -> Response {
    let ask = match read(&form.form) {
        Ok(ask) => ask,
        Err(why) => return go(of.state(), &of.path("/privacy/new"), &Said::bad(why)),
    };
    let made = async {
        let id = request(&of, ask).await?;
        if let Err(error) = upload::into_job(&of, id, &mut form).await {
            // Nobody waits for it.
            of.hub().job_cancel(&of.actor(), of.scope(), id).await?;
            return Err(error);
        }
        Ok::<JobId, hub::Error>(id)
    };
    under_way(&of, made.await)
}

async fn request(of: &In<Admin>, ask: Ask) -> hub::Result<JobId> {
    of.hub()
        .privacy_request(&of.actor(), of.scope(), Some(ask))
        .await
}

fn under_way(of: &In<Admin>, made: hub::Result<JobId>) -> Response {
    match made {
        Ok(id) => {
            let said = Said::good("The request is under way: this page follows it.");
            go(of.state(), &of.path(&format!("/jobs/{id}")), &said)
        }
        Err(error) => {
            let said = Said::bad(problem::sentence(&error));
            go(of.state(), &of.path("/privacy/new"), &said)
        }
    }
}
