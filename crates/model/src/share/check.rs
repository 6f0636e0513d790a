//! What a share may ask for: every violation with its pointer into the call that creates it.

use super::parties::{Field, Parties, allowed, plain};
use super::{DataWindow, Plan};
use crate::endpoint::ShareAction;
use crate::invalid::{Invalid, shown, token};

/// Most attributes of one share; no endpoint defines more.
const ATTRIBUTES_MAX: usize = 5_000;

/// Adds to `invalid` what is wrong with `plan` between these two. That they are a source and a destination of audiences,
/// and have the segments that it names, is the caller's matter.
pub fn check(plan: &Plan, parties: &Parties<'_>, invalid: &mut Invalid) {
    check_action(plan, parties, invalid);
    check_window(plan, parties, invalid);
    let (offered, wanted) = (parties.offered(), parties.wanted());
    check_identifier(plan, parties, (&offered, &wanted), invalid);
    check_attributes(plan, parties, (&offered, &wanted), invalid);
    check_required(plan, &wanted, invalid);
    if plan.upload_identities && !parties.keeps_identities {
        let message =
            "this account keeps no identities: switch them on in its policy, or send false";
        invalid.add("/uploadIdentities", "no-identities", message);
    }
}

fn check_action(plan: &Plan, parties: &Parties<'_>, invalid: &mut Invalid) {
    let actions = parties.actions();
    if !actions.allows(plan.action) {
        let message = format!(
            "the destination does not allow {}: it allows {}",
            plan.action.as_str(),
            allowed(actions)
        );
        invalid.add("/shareAction", "not-allowed", message);
    }
    if !plan.incremental {
        return;
    }
    if plan.action == ShareAction::Remove {
        let message = "an incremental share adds and removes by itself: choose ADD or REPLACE for its first run";
        invalid.add("/incremental", "not-allowed", message);
    } else if !(actions.add && actions.remove) {
        let message = format!(
            "an incremental share needs a destination that allows ADD and REMOVE; this one allows {}",
            allowed(actions)
        );
        invalid.add("/incremental", "not-allowed", message);
    }
}

fn check_window(plan: &Plan, parties: &Parties<'_>, invalid: &mut Invalid) {
    let source = parties.source.roles.segment_source.as_ref();
    // 0 is how some registrations say that there is no limit.
    let max = source
        .and_then(|role| role.data_window)
        .filter(|days| *days > 0);
    match plan.window {
        Some(DataWindow::Days { days }) if days < 1 || max.is_some_and(|max| days > max) => {
            let expected = max.map_or_else(
                || "1 or more".to_owned(),
                |max| format!("1 to {max}, the `dataWindow` of the source"),
            );
            let message = format!("is {days} days: expected {expected}");
            invalid.add("/dataWindow/days", "range", message);
        }
        Some(DataWindow::Dates { from, to }) if from > to => {
            let message = format!("{to} is before {from}: the window ends after it begins");
            invalid.add("/dataWindow/to", "range", message);
        }
        Some(DataWindow::Dates { from, to }) => {
            let days = from.until(to).map_or(0, |span| i64::from(span.get_days())) + 1;
            if let Some(max) = max.filter(|max| days > *max) {
                let message = format!(
                    "{from} to {to} are {days} days; the `dataWindow` of the source is {max}"
                );
                invalid.add("/dataWindow", "range", message);
            }
        }
        Some(DataWindow::Days { .. }) | None => {}
    }
}

type Fields<'f, 'a> = (&'f [Field<'a>], &'f [Field<'a>]);

fn check_identifier(
    plan: &Plan,
    parties: &Parties<'_>,
    (offered, wanted): Fields<'_, '_>,
    invalid: &mut Invalid,
) {
    let pair = &plan.identifier;
    let source = identifier(offered, &pair.source, "source", invalid);
    let destination = identifier(wanted, &pair.destination, "destination", invalid);
    let (Some(source), Some(destination)) = (source, destination) else {
        return;
    };
    if !source.same_kind(destination) {
        if !parties.keeps_identities {
            let message = format!(
                "is of the type `{}`, and {} of the source of the type `{}`: choose two of one type, or let the account keep \
                 identities, through which different types meet",
                destination.kind,
                shown(source.name),
                source.kind
            );
            invalid.add("/identifier/destination", "type-mismatch", message);
        }
    } else if let Some(why) = parties.unhashable(source, destination)
        && !parties.keeps_identities
    {
        invalid.add("/identifier/destination", "hash", why);
    }
}

fn identifier<'f, 'a>(
    fields: &'f [Field<'a>],
    name: &str,
    side: &str,
    invalid: &mut Invalid,
) -> Option<&'f Field<'a>> {
    let found = fields
        .iter()
        .find(|field| field.is_identifier && field.name == name);
    if found.is_none() {
        let identifiers = fields.iter().filter(|field| field.is_identifier);
        let message = unknown(name, &format!("identifier of the {side}"), identifiers);
        invalid.add(format!("/identifier/{side}"), "unknown-identifier", message);
    }
    found
}

fn check_attributes(
    plan: &Plan,
    parties: &Parties<'_>,
    (offered, wanted): Fields<'_, '_>,
    invalid: &mut Invalid,
) {
    if plan.attributes.len() > ATTRIBUTES_MAX {
        let count = plan.attributes.len();
        let message = format!("{count} attributes; at most {ATTRIBUTES_MAX} are taken");
        invalid.add("/attributes", "too-many", message);
        return;
    }
    let mut taken = vec![plan.identifier.destination.as_str()];
    for (from, to) in &plan.attributes {
        let pointer = format!("/attributes/{}", token(from));
        let source = offered.iter().find(|field| field.name == from);
        if source.is_none() {
            let message = unknown(from, "column of the source", offered.iter());
            invalid.add(&pointer, "unknown-attribute", message);
        }
        let destination = wanted.iter().find(|field| field.name == to);
        if destination.is_none() {
            let message = unknown(to, "column of the destination", wanted.iter());
            invalid.add(&pointer, "unknown-attribute", message);
        }
        if taken.contains(&to.as_str()) {
            let message = format!(
                "{} is filled already: each name of the destination once",
                shown(to)
            );
            invalid.add(&pointer, "duplicate", message);
        }
        taken.push(to);
        let (Some(source), Some(destination)) = (source, destination) else {
            continue;
        };
        if !source.fits(destination) {
            let message = format!(
                "{} is of the type `{}`, and the {} {} of the destination of the type `{}`",
                shown(from),
                source.kind,
                destination.what(),
                shown(to),
                destination.kind
            );
            invalid.add(&pointer, "type-mismatch", message);
        } else if let Some(why) = parties.unhashable(source, destination) {
            invalid.add(&pointer, "hash", why);
        }
    }
}

fn check_required(plan: &Plan, wanted: &[Field<'_>], invalid: &mut Invalid) {
    for field in wanted.iter().filter(|field| field.is_required) {
        let is_filled = plan.identifier.destination == field.name
            || plan.attributes.values().any(|to| to == field.name);
        if !is_filled {
            let message = format!(
                "the destination requires its {} {} (type `{}`): say which column of the source it comes from",
                field.what(),
                shown(field.name),
                field.kind
            );
            invalid.add("/attributes", "required", message);
        }
    }
}

/// Somebody mistyped a name: what there is, or what was probably meant.
fn unknown<'f, 'a: 'f>(
    name: &str,
    what: &str,
    fields: impl Iterator<Item = &'f Field<'a>>,
) -> String {
    const SHOWN_MAX: usize = 10;
    let names: Vec<&str> = fields.map(|field| field.name).collect();
    let hint = match names.iter().find(|known| plain(known) == plain(name)) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None if names.is_empty() => "its definition has none".to_owned(),
        None => {
            let more = if names.len() > SHOWN_MAX { ", …" } else { "" };
            let shown = &names[..names.len().min(SHOWN_MAX)];
            format!("expected one of {}{more}", shown.join(", "))
        }
    };
    format!("{} is no {what}: {hint}", shown(name))
}

#[cfg(test)]
mod tests;
