//! Files of a job: those that it made, and the one that it waits for.

use axum::body::Body;
use axum::extract::Path;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use hub::{DataFile, Job};
use maud::{Markup, html};
use model::{AccountId, JobId, Role};

use crate::home::grouped;
use crate::page::done;
use crate::problem;
use crate::upload::{self, FileForm};
use crate::visitor::{In, Member, Viewer};

/// What a file is, by its name.
fn what(name: &str) -> &'static str {
    match name {
        "audience.csv" => "the audience, as the destination gets it",
        "additions.csv" => "what is new or different since the run before",
        "removals.csv" => "who is gone since the run before",
        "unmatched.csv" => "rows whose people the destination cannot know, with the reason",
        "rejected.csv" => "rows that cannot or must not be sent, with column and reason",
        "output.csv" => "the other identifiers of these people, for other systems",
        "export.jsonl" => "everything that is kept of these people, a JSON document a line",
        _ => "",
    }
}

pub(super) fn list(of: &In<Viewer>, job: &Job, files: &[DataFile]) -> Markup {
    html! {
        h2 { "Files" }
        ul { @for file in files { li {
            @if of.may(Role::Member) {
                a href=(of.path(&format!("/jobs/{}/files/{}", job.id, file.name))) download { (file.name) }
            } @else { (file.name) }
            " (" (grouped(file.size_bytes)) " bytes)"
            @if !what(&file.name).is_empty() { ": " (what(&file.name)) }
        } } }
    }
}

/// The form that gives a job its data by hand.
pub(super) fn wanted(of: &In<Viewer>, job: &Job) -> Markup {
    html! {
        section.narrow-left {
            h2 { "Give it the data by hand" }
            p { "It waits until its source uploads the rows. You can do that here, too: CSV whose first row names the columns, plain or as gzip or zstd." }
            form.stack method="post" enctype="multipart/form-data" action=(of.path(&format!("/jobs/{}/data", job.id))) {
                label { "File" input type="file" name="file" accept=".csv,.gz,.zst,text/csv" required; }
                button.main type="submit" { "Upload" }
            }
        }
    }
}

pub(super) async fn give(
    of: In<Member>,
    Path((_, id)): Path<(AccountId, JobId)>,
    mut form: FileForm,
) -> Response {
    let result = upload::into_job(&of, id, &mut form).await;
    done(of.state(), &of.path(&format!("/jobs/{id}")), result, |_| {
        "The file is taken: it goes on.".to_owned()
    })
}

pub(super) async fn fetch(
    of: In<Member>,
    Path((_, id, name)): Path<(AccountId, JobId, String)>,
) -> Response {
    let reader = match of.hub().job_file(of.scope(), id, &name).await {
        Ok(reader) => reader,
        Err(error) => return problem::of(of.state(), &error),
    };
    let disposition = format!("attachment; filename=\"job-{id}-{}\"", reader.file.name);
    let disposition =
        HeaderValue::try_from(disposition).unwrap_or(HeaderValue::from_static("attachment"));
    let media = HeaderValue::try_from(&reader.file.content_type)
        .unwrap_or(HeaderValue::from_static("application/octet-stream"));
    let bytes = reader.file.size_bytes;
    let headers = [
        (header::CONTENT_TYPE, media),
        (header::CONTENT_DISPOSITION, disposition),
        (header::CONTENT_LENGTH, HeaderValue::from(bytes)),
    ];
    (headers, Body::from_stream(reader.stream(0, bytes))).into_response()
}
