//! Making a share: first which audience goes to whom; then, on what is proposed from types and names, which column becomes
//! which, what is done with the members, and when.

use std::collections::BTreeMap;

use axum::http::Uri;
use axum::response::{IntoResponse, Response};
use hub::share::NewShare;
use hub::{KnownSegment, Page, SegmentFilter, Window};
use maud::{Markup, html};
use model::endpoint::ShareAction;
use model::segment::SegmentRole;
use model::share::{Cron, Guard, IdentifierPair, Proposal, Schedule, Zone};
use model::{Endpoint, EndpointId, EndpointStatus, SegmentId};

use crate::cookie::Said;
use crate::form::{self, Form};
use crate::home::name;
use crate::page::{self, Place, go, nothing};
use crate::problem;
use crate::visitor::{In, Member};

/// Audiences and endpoints that are offered.
const OFFERED_MAX: i64 = 500;

pub(super) async fn page(of: In<Member>, uri: Uri) -> Response {
    let query = form::query(&uri);
    let chosen = query
        .text("segment")
        .split_once(' ')
        .and_then(|(endpoint, segment)| {
            Some((
                endpoint.parse::<EndpointId>().ok()?,
                segment.parse::<SegmentId>().ok()?,
            ))
        });
    let made = match (chosen, query.number::<EndpointId>("destination")) {
        (Some((source, segment)), Some(destination)) => {
            mapping(&of, (source, &segment), destination).await
        }
        _ => choice(&of).await,
    };
    match made {
        Ok(content) => {
            page::inside(&of, Place::Audiences, "Share an audience", &content).into_response()
        }
        Err(error @ hub::Error::Invalid(_)) => {
            let said = Said::bad(problem::sentence(&error));
            go(of.state(), &of.path("/shares/new"), &said)
        }
        Err(error) => problem::of(of.state(), &error),
    }
}

/// The first step.
async fn choice(of: &In<Member>) -> hub::Result<Markup> {
    let filter = SegmentFilter {
        role: Some(SegmentRole::Source),
        ..SegmentFilter::default()
    };
    let window = Window {
        after: 0,
        skip: 0,
        limit: OFFERED_MAX,
    };
    let segments = of.hub().segments(of.scope(), &filter, window).await?;
    let page = Page {
        after: 0,
        limit: OFFERED_MAX,
    };
    let endpoints = of.hub().endpoints(of.scope(), page).await?;
    let names: BTreeMap<EndpointId, String> = endpoints.iter().map(|e| (e.id, name(e))).collect();
    let takes = |e: &&Endpoint| {
        let role = e.definition.roles.segment_destination.as_ref();
        e.status == EndpointStatus::Active && e.enabled && role.is_some_and(|role| role.enabled)
    };
    let destinations: Vec<&Endpoint> = endpoints.iter().filter(takes).collect();
    let source = |known: &KnownSegment| names.get(&known.endpoint).cloned().unwrap_or_default();
    Ok(html! {
        h1 { "Share an audience" }
        @if segments.is_empty() || destinations.is_empty() {
            (nothing("Nothing can be shared yet.", &html! { p {
                @if segments.is_empty() { "No endpoint has told of an audience. Ask them again from the page before. " }
                @if destinations.is_empty() { "No active endpoint receives audiences." }
            } }))
        } @else {
            form.columns method="get" {
                fieldset { legend { "Which audience" }
                    @for known in &segments {
                        label.choice { input type="radio" name="segment" required value={ (known.endpoint) " " (known.segment.id) };
                            span { (known.segment.name) small { "of " (source(known)) } } }
                    }
                }
                fieldset { legend { "To whom" }
                    @for endpoint in &destinations {
                        label.choice { input type="radio" name="destination" required value=(endpoint.id); span { (name(endpoint)) small { (endpoint.definition.provider_name) } } }
                    }
                }
                div.summary { h2 { "Next" } p { "Which column becomes which is proposed to you." } button.main type="submit" { "Go on" } }
            }
        }
    })
}

/// The second step.
async fn mapping(
    of: &In<Member>,
    (source, segment): (EndpointId, &SegmentId),
    destination: EndpointId,
) -> hub::Result<Markup> {
    let (action, proposal) = of
        .hub()
        .share_propose(of.scope(), (source, segment), destination)
        .await?;
    let known = of
        .hub()
        .segment(of.scope(), (source, SegmentRole::Source), segment)
        .await?;
    let names = [source, destination].map(|id| of.hub().endpoint(of.scope(), id).map(|e| name(&e)));
    let [from, to] = names;
    let (from, to) = (from?, to?);
    let role = of
        .hub()
        .endpoint(of.scope(), destination)?
        .definition
        .roles
        .segment_destination;
    let actions = role.and_then(|role| role.share_actions).unwrap_or_default();
    let allowed = ShareAction::ALL
        .into_iter()
        .filter(|action| actions.allows(*action));
    let allowed: Vec<ShareAction> = allowed.collect();
    Ok(html! {
        h1 { "Share " (known.segment.name) " of " (from) " with " (to) }
        form.stack.wide method="post" {
            input type="hidden" name="segment" value={ (source) " " (segment) };
            input type="hidden" name="destination" value=(destination);
            section { h2 { "Which column becomes which" } (columns(&proposal)) }
            section { h2 { "What is done with the members" }
                div.columns {
                    fieldset.choices { legend { "At the destination" }
                        @for one in allowed {
                            label.choice { input type="radio" name="action" value=(one.as_str()) checked[one == action]; span { (one.as_str()) small { (meaning(one)) } } }
                        }
                    }
                    fieldset.choices { legend { "Also" }
                        label.choice { input type="checkbox" name="incremental" value="yes"; span { "Only changes" small { "later runs hand over who came and who went" } } }
                        label.choice { input type="checkbox" name="identities" value="yes"; span { "Learn identities" small { "identifiers of one row are one person" } } }
                    }
                }
                label { "What it is called there" input type="text" name="name" value=(known.segment.name) required; }
            }
            section { h2 { "When" }
                div.columns {
                    fieldset.choices { legend { "It runs" }
                        label.choice { input type="radio" name="when" value="now" checked; span { "now" } }
                        label.choice { input type="radio" name="when" value="cron"; span { "again and again" small { "by the two fields beside" } } }
                    }
                    label { "Minute, hour, day, month, weekday" input type="text" name="cron" value="30 6 * * *" aria-describedby="cron-help"; small #cron-help { "30 6 * * mon-fri is half past six on working days" } }
                    label { "Time zone" input type="text" name="zone" value="UTC" aria-describedby="zone-help"; small #zone-help { "such as Europe/Berlin" } }
                }
            }
            div.actions { button.main type="submit" { "Share it" } a.button href=(of.path("/shares/new")) { "Back" } }
        }
    })
}

fn meaning(action: ShareAction) -> &'static str {
    match action {
        ShareAction::Add => "the rows are added to what is there",
        ShareAction::Remove => "the rows are taken out of what is there",
        ShareAction::Replace => "the rows take the place of what is there",
    }
}

/// For each column of the destination, one of the source.
fn columns(proposal: &Proposal) -> Markup {
    let taken = proposal
        .identifier
        .iter()
        .chain(&proposal.attributes)
        .map(|pair| &pair.source);
    let mut offered: Vec<&String> = taken.chain(&proposal.unused).collect();
    offered.sort();
    offered.dedup();
    let select = |field: &str, chosen: Option<&String>, is_required: bool| {
        html! {
            select name=(field) aria-label={ "Source of " (field) } required[is_required] {
                option value="" selected[chosen.is_none()] { "–" }
                @for one in &offered { option value=(one) selected[chosen == Some(one)] { (one) } }
            }
        }
    };
    html! {
        div.scroll tabindex="0" role="region" aria-label="Columns" { table {
            thead { tr { th { "At the destination" } th { "From the source" } th { "Why" } } }
            tbody {
                @if let Some(pair) = &proposal.identifier {
                    input type="hidden" name="identifier" value=(pair.destination);
                    tr { td { strong { (pair.destination) } " (who it is)" } td { (select("identifier-source", Some(&pair.source), true)) } td { (pair.reason) } }
                }
                @for pair in &proposal.attributes {
                    tr { td { (pair.destination) } td { (select(&format!("column:{}", pair.destination), Some(&pair.source), false)) } td { (pair.reason) } }
                }
                @for missing in &proposal.missing {
                    tr { td { (missing.destination) @if missing.is_required { " (required)" } } td { (select(&format!("column:{}", missing.destination), None, missing.is_required)) } td { (missing.reason) } }
                }
            }
        } }
    }
}

pub(super) async fn create(of: In<Member>, form: Form) -> Response {
    let new = match read(&form) {
        Ok(new) => new,
        Err(why) => return again(&of, &form, &why),
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
            again(&of, &form, &problem::sentence(&error))
        }
        Err(error) => problem::of(of.state(), &error),
    }
}

fn again(of: &In<Member>, form: &Form, why: &str) -> Response {
    let segment: String =
        form_urlencoded::byte_serialize(form.text("segment").as_bytes()).collect();
    let to = of.path(&format!(
        "/shares/new?segment={segment}&destination={}",
        form.text("destination")
    ));
    go(of.state(), &to, &Said::bad(why))
}

fn read(form: &Form) -> Result<NewShare, String> {
    let chosen = form
        .text("segment")
        .split_once(' ')
        .and_then(|(endpoint, segment)| {
            Some((
                endpoint.parse::<EndpointId>().ok()?,
                segment.parse::<SegmentId>().ok()?,
            ))
        });
    let (source, segment) = chosen.ok_or("choose an audience")?;
    let schedule = match form.text("when") {
        "cron" => Schedule::Cron {
            cron: form
                .text("cron")
                .parse::<Cron>()
                .map_err(|error| error.to_string())?,
            zone: Zone::named(form.text("zone")).map_err(|error| error.to_string())?,
        },
        _ => Schedule::Now,
    };
    let columns = form.fields().filter_map(|(name, source)| {
        let destination = name.strip_prefix("column:")?;
        (!source.is_empty()).then(|| (source.to_owned(), destination.to_owned()))
    });
    let identifier = IdentifierPair {
        source: form.text("identifier-source").to_owned(),
        destination: form.text("identifier").to_owned(),
    };
    Ok(NewShare {
        source,
        segment,
        destination: form.number("destination").ok_or("choose to whom")?,
        destination_segment: None,
        destination_segment_name: Some(form.text("name").to_owned())
            .filter(|name| !name.is_empty()),
        destination_segment_description: None,
        action: ShareAction::parse(form.text("action")),
        identifier: Some(identifier).filter(|pair| !pair.source.is_empty()),
        attributes: Some(columns.collect()),
        schedule,
        upload_identities: form.text("identities") == "yes",
        window: None,
        guard: Guard::default(),
        incremental: form.text("incremental") == "yes",
    })
}
