//! What audiences the endpoints have: those that can be shared, and those that destinations keep; asking for them again.

use axum::Router;
use axum::http::Uri;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use hub::{JobFilter, KnownSegment, Page, SegmentFilter, Window};
use maud::{Markup, html};
use model::job::JobCategory;
use model::segment::SegmentRole;
use model::{EndpointId, Role};

use crate::ConsoleState;
use crate::event::{endpoint, named};
use crate::form::Form;
use crate::job::status;
use crate::list::{self, Asked, Column};
use crate::page::{self, Place, done, nothing};
use crate::problem;
use crate::time;
use crate::visitor::{In, Member, Viewer};

pub(crate) fn routes() -> Router<ConsoleState> {
    Router::new()
        .route("/console/{accountId}/segments", get(list))
        .route("/console/{accountId}/segments/refresh", post(refresh))
}

async fn list(of: In<Viewer>, uri: Uri) -> Response {
    let asked = Asked::of(&uri);
    let filter = SegmentFilter {
        endpoint: asked.number("endpointId"),
        role: role(asked.text("role")),
        anywhere: Some(asked.text("q").to_owned()).filter(|text| !text.is_empty()),
        ..SegmentFilter::default()
    };
    let found = list::by_id(
        &asked,
        |known: &KnownSegment| known.number,
        |_| true,
        |page| {
            let window = Window {
                after: page.after,
                skip: 0,
                limit: page.limit,
            };
            of.hub().segments(of.scope(), &filter, window)
        },
    );
    let found = match found.await {
        Ok(found) => found,
        Err(error) => return problem::of(of.state(), &error),
    };
    let refreshed = match last_refresh(&of).await {
        Ok(refreshed) => refreshed,
        Err(error) => return problem::of(of.state(), &error),
    };
    let columns = columns(&of);
    if asked.is_csv() {
        return list::csv("audiences-of-endpoints", &columns, &found);
    }
    let tabs = [
        ("All", ""),
        ("To be shared", "source"),
        ("At destinations", "destination"),
    ];
    let content = html! {
        div.title {
            h1 { "Audiences of the endpoints" }
            @if of.may(Role::Member) {
                form.inline.actions method="post" action=(of.path("/segments/refresh")) {
                    @if let Some(id) = filter.endpoint { input type="hidden" name="endpointId" value=(id); }
                    button type="submit" { @if filter.endpoint.is_some() { "Ask this endpoint again" } @else { "Ask the endpoints again" } }
                }
            }
        }
        p { (refreshed) }
        (asked.tabs("Which", "role", &tabs))
        (asked.search(&[("q", "Name or description")]))
        @if let Some(id) = filter.endpoint { p { "Only those of " (endpoint(&of, id)) ". " a href=(asked.with("endpointId", "")) { "Of all endpoints" } } }
        @if !found.rows.is_empty() {
            (list::table(&asked, "Audiences of the endpoints", &columns, &found))
        } @else if asked.is_filtered() {
            (nothing("No audience is like this.", &html! { p { a href=(of.path("/segments")) { "See them all" } } }))
        } @else {
            (nothing("No endpoint has told of an audience.", &html! { p { "Some endpoints tell by themselves, with " code { "POST /v1/endpoint/{id}/segments" } "; the others are asked every night, and when you ask." } }))
        }
    };
    page::inside(
        &of,
        Place::Audiences,
        "Audiences of the endpoints",
        &content,
    )
    .into_response()
}

fn role(text: &str) -> Option<SegmentRole> {
    [SegmentRole::Source, SegmentRole::Destination]
        .into_iter()
        .find(|role| role.as_str() == text)
}

fn role_words(role: SegmentRole) -> &'static str {
    match role {
        SegmentRole::Source => "can be shared",
        SegmentRole::Destination => "is at this destination",
    }
}

fn columns<'a>(of: &'a In<Viewer>) -> Vec<Column<'a, KnownSegment>> {
    let members = |known: &KnownSegment| {
        let names = known.segment.attributes.iter().map(|it| it.name.as_str());
        names.collect::<Vec<_>>().join(", ")
    };
    let mut columns = vec![
        list::column(
            "Audience",
            |known: &KnownSegment| {
                html! { strong { (known.segment.name) } @if let Some(text) = &known.segment.description { p.faint { (text) } } }
            },
            |known| known.segment.name.clone(),
        ),
        list::in_file("Description", |known: &KnownSegment| {
            known.segment.description.clone().unwrap_or_default()
        }),
        list::column(
            "Id",
            |known: &KnownSegment| html! { code { (known.segment.id) } },
            |known| known.segment.id.to_string(),
        ),
        list::column(
            "Of",
            |known: &KnownSegment| endpoint(of, known.endpoint),
            |known| named(of, known.endpoint),
        ),
        list::text("It", |known: &KnownSegment| {
            role_words(known.role).to_owned()
        }),
        list::text("Columns of its own", members),
        list::instant("Told", |known: &KnownSegment| Some(known.updated_at)),
    ];
    if of.may(Role::Member) {
        columns.push(list::actions(|known: &KnownSegment| share(of, known)));
    }
    columns
}

fn share(of: &In<Viewer>, known: &KnownSegment) -> Markup {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair(
        "segment",
        &format!("{} {}", known.endpoint, known.segment.id),
    );
    let to = format!("/shares/new?{}", query.finish());
    html! { @if known.role == SegmentRole::Source { a href=(of.path(&to)) { "Share" span.visually-hidden { " " (known.segment.name) } } } }
}

/// When the endpoints were asked for their lists.
async fn last_refresh(of: &In<Viewer>) -> hub::Result<Markup> {
    let filter = JobFilter {
        category: Some(JobCategory::SegmentPopulateDb),
        is_newest_first: true,
        ..JobFilter::default()
    };
    let page = Page { after: 0, limit: 1 };
    let jobs = of.hub().job_list(of.scope(), filter, page).await?;
    Ok(match jobs.first() {
        Some(job) => html! {
            "The endpoints were asked " (time::ago(job.created_at, of.hub().now())) ": "
            a href=(of.path(&format!("/jobs/{}", job.id))) { "what they answered" } " " (status(job.status))
        },
        None => html! { "The endpoints have not been asked yet; they are every night." },
    })
}

async fn refresh(of: In<Member>, form: Form) -> Response {
    let only = form.number::<EndpointId>("endpointId");
    let result = of
        .hub()
        .segments_refresh(&of.actor(), of.scope(), only)
        .await;
    let to = result.as_ref().map_or_else(
        |_| of.path("/segments"),
        |job| of.path(&format!("/jobs/{job}")),
    );
    done(of.state(), &to, result, |_| {
        "The endpoints are asked for their audiences.".to_owned()
    })
}
