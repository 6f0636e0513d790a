//! Making a share in three steps: which audience goes to whom; then, on what is proposed from types and names, which
//! column becomes which, what is done with the members, and when; then a summary, from which one can go back.
//!
//! What was chosen travels in the forms themselves, so that nothing is kept here, the first two steps have an address that
//! can be sent to somebody, and whatever is refused comes back as it was filled in. Called by `share`.

mod choice;
mod draft;
mod mapping;
mod summary;

use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};

use crate::cookie::Said;
use crate::form::{self, Form};
use crate::page::{self, Place, go};
use crate::problem;
use crate::visitor::{In, Member};
use draft::Chosen;
pub(super) use summary::{asks, columns, window};

/// The first step; the second, once the address says what is shared with whom.
pub(super) async fn page(of: In<Member>, uri: Uri) -> Response {
    let query = form::query(&uri);
    let is_searching = query.all("find").next().is_some();
    let made = match Chosen::read(&query).filter(|_| !is_searching) {
        Some(chosen) => mapping::page(&of, &chosen, &query, None).await,
        None => choice::page(&of, &query).await,
    };
    shown(&of, made)
}

/// Back from the summary, with what was filled in.
pub(super) async fn back(of: In<Member>, form: Form) -> Response {
    again(&of, &form, None).await
}

/// The third step: everything is checked, and nothing is made.
pub(super) async fn check(of: In<Member>, form: Form) -> Response {
    let new = match draft::read(&form) {
        Ok(new) => new,
        Err(why) => return again(&of, &form, Some(&why)).await,
    };
    match of.hub().share_try(of.scope(), &new).await {
        Ok(plan) => shown(&of, summary::page(&of, &form, &plan, &new.schedule).await),
        Err(error @ hub::Error::Invalid(_)) => {
            again(&of, &form, Some(&problem::sentence(&error))).await
        }
        Err(error) => problem::of(of.state(), &error),
    }
}

pub(super) async fn create(of: In<Member>, form: Form) -> Response {
    let new = match draft::read(&form) {
        Ok(new) => new,
        Err(why) => return again(&of, &form, Some(&why)).await,
    };
    match of.hub().share_create(&of.actor(), of.scope(), new).await {
        Ok((_, Some(job))) => go(
            of.state(),
            &of.path(&format!("/jobs/{job}")),
            &Said::good("It runs: this page follows it."),
        ),
        Ok((share, None)) => go(
            of.state(),
            &of.path(&format!("/shares/{}", share.id)),
            &Said::good("It runs when it is due."),
        ),
        Err(error @ (hub::Error::Invalid(_) | hub::Error::Conflict(_))) => {
            again(&of, &form, Some(&problem::sentence(&error))).await
        }
        Err(error) => problem::of(of.state(), &error),
    }
}

/// The second step, filled in as it was.
async fn again(of: &In<Member>, form: &Form, wrong: Option<&str>) -> Response {
    let Some(chosen) = Chosen::read(form) else {
        let said = Said::bad("Choose an audience and to whom it goes.");
        return go(of.state(), &of.path("/shares/new"), &said);
    };
    let made = mapping::page(of, &chosen, form, wrong).await;
    let mut response = shown(of, made);
    if wrong.is_some() && response.status() == StatusCode::OK {
        *response.status_mut() = StatusCode::BAD_REQUEST;
    }
    response
}

fn shown(of: &In<Member>, made: hub::Result<Markup>) -> Response {
    match made {
        Ok(content) => {
            page::inside(of, Place::Audiences, "Share an audience", &content).into_response()
        }
        // These two cannot share: others may.
        Err(error @ hub::Error::Invalid(_)) => {
            let said = Said::bad(problem::sentence(&error));
            go(of.state(), &of.path("/shares/new"), &said)
        }
        Err(error) => problem::of(of.state(), &error),
    }
}

/// Where one is: the first step is 0.
fn stations(at: usize) -> Markup {
    html! {
        ol.stations aria-label="Steps" {
            @for (number, name) in ["Choose", "Map", "Check"].into_iter().enumerate() {
                li.done[number < at] aria-current=[(number == at).then_some("step")] { (name) }
            }
        }
    }
}
