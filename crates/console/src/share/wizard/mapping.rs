//! The second step: which column becomes which, what is done with the members, when, and what must not happen.
//!
//! Without the script the columns are chosen from lists; with it they can be dragged, or picked up and put down with the
//! keyboard (`mapping` in `console.js`), which sets the same lists.

use hub::{KnownSegment, SegmentFilter, Window};
use maud::{Markup, html};
use model::Endpoint;
use model::endpoint::ShareAction;
use model::segment::SegmentRole;
use model::share::{Column, Guard, Proposal};

use super::draft::Chosen;
use super::{stations, summary};
use crate::form::Form;
use crate::home::name;
use crate::share::when;
use crate::visitor::{In, Member};

/// Audiences of the destination that are offered.
const INTO_MAX: i64 = 200;
/// More choices than this on one page are typed with suggestions instead of chosen from lists.
const OPTIONS_MAX: usize = 4_000;

/// What a page of this step is made of.
struct Seen<'a> {
    form: &'a Form,
    /// Nothing was filled in yet: what is proposed stands there.
    is_fresh: bool,
    proposal: Proposal,
    action: ShareAction,
    known: KnownSegment,
    destination: Endpoint,
    into: Vec<KnownSegment>,
}

pub(super) async fn page(
    of: &In<Member>,
    chosen: &Chosen,
    form: &Form,
    wrong: Option<&str>,
) -> hub::Result<Markup> {
    let (hub, scope) = (of.hub(), of.scope());
    let (source, destination) = (chosen.source, chosen.destination);
    let (action, proposal) = hub
        .share_propose(scope, (source, &chosen.segment), destination)
        .await?;
    let list = (source, SegmentRole::Source);
    let filter = SegmentFilter {
        endpoint: Some(destination),
        role: Some(SegmentRole::Destination),
        ..SegmentFilter::default()
    };
    let window = Window {
        after: 0,
        skip: 0,
        limit: INTO_MAX,
    };
    let seen = Seen {
        form,
        is_fresh: form.text("mapped").is_empty(),
        proposal,
        action,
        known: hub.segment(scope, list, &chosen.segment).await?,
        destination: hub.endpoint(scope, destination)?,
        into: hub.segments(scope, &filter, window).await?,
    };
    let from = name(&hub.endpoint(scope, source)?);
    let to = name(&seen.destination);
    let again = format!(
        "/shares/new?find=yes&destination={destination}&segment={}",
        form_urlencoded::byte_serialize(chosen.audience().as_bytes()).collect::<String>()
    );
    Ok(html! {
        h1 { "Share " (seen.known.segment.name) " of " (from) " with " (to) }
        (stations(1))
        @if let Some(wrong) = wrong { div.said.bad role="alert" { (wrong) } }
        form.stack.wide method="post" action=(of.path("/shares/new/summary")) data-mapping {
            input type="hidden" name="segment" value=(chosen.audience());
            input type="hidden" name="destination" value=(destination);
            input type="hidden" name="mapped" value="yes";
            section { h2 { "Which column becomes which" } (columns(&seen)) }
            section { h2 { "How many would match" } (summary::estimate(of, source, &seen.destination).await?) }
            section { h2 { "What is done with the members" } (deed(&seen)) }
            section { h2 { "When" } (when::fields(of, form, ("now", "once"))) }
            section { h2 { "Which members" } (window_of(&seen)) }
            section { h2 { "Before anything is lost" } (guard(&seen)) }
            div.actions { button.main type="submit" { "Check it" } a.button href=(of.path(&again)) { "Choose others" } }
        }
    })
}

/// For each column of the destination, one of the source.
fn columns(seen: &Seen<'_>) -> Markup {
    let proposal = &seen.proposal;
    let reason = |destination: &str| {
        let pairs = proposal
            .attributes
            .iter()
            .map(|p| (&p.destination, &p.reason));
        let missing = proposal.missing.iter().map(|m| (&m.destination, &m.reason));
        let mut all = pairs.chain(missing);
        all.find(|(name, _)| *name == destination)
            .map_or("", |(_, reason)| reason.as_str())
    };
    let proposed = |destination: &str| {
        let mut pairs = proposal.attributes.iter();
        let pair = pairs.find(|pair| pair.destination == destination);
        pair.map_or("", |pair| pair.source.as_str())
    };
    let identifiers = proposal.wanted.iter().filter(|c| c.is_identifier).count();
    let identifier = proposal.identifier.as_ref();
    // The one by which people are known has a place of its own; it may become another one only if there is one.
    let wanted = proposal.wanted.iter().filter(|column| {
        identifiers > 1 || identifier.is_none_or(|pair| pair.destination != column.name)
    });
    let is_long = proposal.wanted.len() * proposal.offered.len() > OPTIONS_MAX;
    html! {
        p { "Choose for each column of the destination where it comes from. What fits is proposed, with the reason." }
        div data-chips hidden {
            p #pick-help { "Drag a column of the source to its place; or press Enter on it, choose the place with the arrow keys, and press Enter again." }
            ul.chips aria-label="Columns of the source" { @for column in &proposal.offered {
                li { button.chip type="button" draggable="true" data-chip=(column.name) aria-pressed="false" aria-describedby="pick-help" {
                    (column.name) small { (column.kind) } span data-used {}
                } }
            } }
        }
        p.visually-hidden role="status" data-said {}
        @if is_long { datalist #offered { @for column in &proposal.offered { option value=(column.name) {} } } }
        div.scroll tabindex="0" role="region" aria-label="Columns" { table.mapping {
            thead { tr { th scope="col" { "At the destination" } th scope="col" { "From the source" } th scope="col" { "Why" } } }
            tbody {
                (who(seen))
                @for column in wanted {
                    @let chosen = if seen.is_fresh { proposed(&column.name).to_owned() } else { seen.form.text(&format!("column:{}", column.name)).to_owned() };
                    tr data-column=(column.name) {
                        td { (column.name) small { (column.kind) } @if column.is_required { strong.required { "required" } } }
                        td { (source(&proposal.offered, column, &chosen, is_long)) (put(&column.name)) }
                        td data-why { @if chosen == proposed(&column.name) { (reason_of(reason(&column.name))) } @else { "chosen by you" } }
                    }
                }
            }
        } }
    }
}

/// By which identifier people are known.
fn who(seen: &Seen<'_>) -> Markup {
    let proposal = &seen.proposal;
    let pair = proposal.identifier.as_ref();
    let chosen = |field: &str, proposed: Option<&String>| match seen.is_fresh {
        true => proposed.cloned().unwrap_or_default(),
        false => seen.form.text(field).to_owned(),
    };
    let from = chosen("identifier-source", pair.map(|pair| &pair.source));
    let to = chosen("identifier", pair.map(|pair| &pair.destination));
    let is_proposed = pair.is_some_and(|pair| pair.source == from && pair.destination == to);
    let select = |field: &str, label: &str, columns: &[Column], chosen: &str| {
        html! {
            select name=(field) aria-label=(label) required {
                @if chosen.is_empty() { option value="" selected { "–" } }
                @for one in columns.iter().filter(|column| column.is_identifier) {
                    option value=(one.name) selected[one.name == chosen] { (one.name) }
                }
            }
        }
    };
    html! {
        tr.knowing data-column=(to) data-who {
            td { (select("identifier", "Identifier at the destination", &proposal.wanted, &to)) " (who it is)" }
            td { (select("identifier-source", "Identifier of the source", &proposal.offered, &from)) (put(&to)) }
            td data-why {
                @match pair {
                    Some(pair) if is_proposed => (reason_of(&pair.reason)),
                    None if from.is_empty() => "nothing of the source is of the type of an identifier of the destination: choose both",
                    _ => "chosen by you",
                }
            }
        }
    }
}

/// What a column may come from: an identifier takes only what is of its own type.
fn source(offered: &[Column], column: &Column, chosen: &str, is_long: bool) -> Markup {
    let to = &column.name;
    let (field, label) = (format!("column:{to}"), format!("Source of {to}"));
    let fits = |one: &&Column| {
        !column.is_identifier || one.kind.eq_ignore_ascii_case(&column.kind) || one.name == chosen
    };
    // An identifier that is not given here may be the one by which people are known.
    let is_required = column.is_required && !column.is_identifier;
    html! {
        @if is_long {
            input type="text" name=(field) value=(chosen) list="offered" aria-label=(label) required[is_required] spellcheck="false";
        } @else {
            select name=(field) aria-label=(label) required[is_required] {
                option value="" selected[chosen.is_empty()] { "–" }
                @for one in offered.iter().filter(fits) { option value=(one.name) selected[one.name == chosen] { (one.name) } }
            }
        }
    }
}

/// A reason, whose names stand between backticks.
fn reason_of(text: &str) -> Markup {
    html! { @for (at, part) in text.split('`').enumerate() { @if at % 2 == 1 { code { (part) } } @else { (part) } } }
}

/// Where the keyboard puts down what it has picked up.
fn put(to: &str) -> Markup {
    html! { button.put type="button" data-put hidden { "Put here" span.visually-hidden { ": " (to) } } }
}

fn deed(seen: &Seen<'_>) -> Markup {
    let roles = &seen.destination.definition.roles;
    let actions = roles
        .segment_destination
        .as_ref()
        .and_then(|role| role.share_actions);
    let actions = actions.unwrap_or_default();
    let allowed = ShareAction::ALL
        .into_iter()
        .filter(|one| actions.allows(*one));
    let chosen = ShareAction::parse(seen.form.text("action")).unwrap_or(seen.action);
    let into = seen.form.text("into");
    let title = if seen.is_fresh {
        &seen.known.segment.name
    } else {
        seen.form.text("name")
    };
    html! {
        div.columns {
            fieldset.choices { legend { "At the destination" }
                @for one in allowed {
                    label.choice { input type="radio" name="action" value=(one.as_str()) checked[one == chosen]; span { (one.as_str()) small { (meaning(one)) } } }
                }
            }
            fieldset.choices { legend { "Also" }
                label.choice { input type="checkbox" name="incremental" value="yes" checked[seen.form.text("incremental") == "yes"];
                    span { "Only changes" small { "later runs hand over who came and who went" } } }
                label.choice { input type="checkbox" name="identities" value="yes" checked[seen.form.text("identities") == "yes"];
                    span { "Learn identities" small { "identifiers of one row are one person" } } }
            }
            div.stack {
                @if !seen.into.is_empty() {
                    label { "Into" select name="into" {
                        option value="" selected[into.is_empty()] { "a new audience" }
                        @for known in &seen.into {
                            @let id = known.segment.id.to_string();
                            option value=(id) selected[id == into] { (known.segment.name) }
                        }
                    } }
                }
                label { "What it is called there" input type="text" name="name" value=(title) aria-describedby="name-help";
                    small #name-help { "a new audience gets this name" } }
            }
        }
    }
}

pub(super) fn meaning(action: ShareAction) -> &'static str {
    match action {
        ShareAction::Add => "the rows are added to what is there",
        ShareAction::Remove => "the rows are taken out of what is there",
        ShareAction::Replace => "the rows take the place of what is there",
    }
}

fn window_of(seen: &Seen<'_>) -> Markup {
    let chosen = match seen.form.text("window") {
        "" => "all",
        chosen => chosen,
    };
    let days = match seen.form.text("days") {
        "" => "30",
        days => days,
    };
    html! {
        div.columns {
            fieldset.choices { legend { "The source gives" }
                @for (value, name) in [("all", "all that it can give"), ("days", "those of the last days"), ("dates", "those of these days")] {
                    label.choice { input type="radio" name="window" value=(value) checked[value == chosen]; span { (name) } }
                }
            }
            label { "How many days" input type="number" name="days" min="1" value=(days); }
            div.stack {
                label { "First day" input type="date" name="from" value=(seen.form.text("from")); }
                label { "Last day" input type="date" name="to" value=(seen.form.text("to")); }
            }
        }
    }
}

fn guard(seen: &Seen<'_>) -> Markup {
    let default = Guard::default();
    let (is_empty, shrink) = match seen.is_fresh {
        true => (
            default.empty,
            default
                .shrink_percent_max
                .map_or_else(String::new, |p| p.to_string()),
        ),
        false => (
            seen.form.text("guard-empty") == "yes",
            seen.form.text("shrink").to_owned(),
        ),
    };
    html! {
        p { "A run that replaces or removes stops and asks you first:" }
        div.columns {
            label.choice { input type="checkbox" name="guard-empty" value="yes" checked[is_empty]; span { "when nobody would be left" } }
            label { "when there are fewer rows than the last time, by more than so many percent" input type="number" name="shrink" min="0" max="100" value=(shrink) aria-describedby="shrink-help";
                small #shrink-help { "empty: never" } }
        }
    }
}
