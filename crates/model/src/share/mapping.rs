//! What a share of these two could ask for: an identifier and attributes that fit by their types and names, each with the
//! reason, and what is missing. A proposal is only that: people change it before they share.

use std::collections::HashSet;

use super::parties::{Field, Parties, plain};

/// A column of the source that could fill one of the destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    pub source: String,
    pub destination: String,
    /// Why these two, for people.
    pub reason: String,
}

/// A column of the destination for which nothing was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    pub destination: String,
    pub kind: String,
    pub is_required: bool,
    /// Why, and what to do, for people.
    pub reason: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Proposal {
    /// None: nothing of the source says who somebody is at the destination.
    pub identifier: Option<Pair>,
    pub attributes: Vec<Pair>,
    pub missing: Vec<Missing>,
    /// Columns of the source that nothing at the destination takes.
    pub unused: Vec<String>,
    /// All columns of the source, its identifiers first.
    pub offered: Vec<Column>,
    /// All that the destination takes, its identifiers first.
    pub wanted: Vec<Column>,
}

/// A column of one side, for people to choose from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    pub name: String,
    pub kind: String,
    pub is_identifier: bool,
    pub is_required: bool,
}

impl Column {
    fn of(field: &Field<'_>) -> Self {
        Self {
            name: field.name.to_owned(),
            kind: field.kind.to_owned(),
            is_identifier: field.is_identifier,
            is_required: field.is_required,
        }
    }
}

/// Pairs what fits. The same input gives the same proposal.
pub fn propose(parties: &Parties<'_>) -> Proposal {
    let (offered, wanted) = (parties.offered(), parties.wanted());
    let mut proposal = Proposal {
        offered: offered.iter().map(Column::of).collect(),
        wanted: wanted.iter().map(Column::of).collect(),
        ..Proposal::default()
    };
    let mut used = HashSet::new();
    let mut filled = HashSet::new();
    if let Some((source, destination, reason)) = best_identifier(parties, &offered, &wanted) {
        proposal.identifier = Some(pair(source, destination, reason));
        // A column may identify and be an attribute too, but only the source can say so.
        used.insert(source.name);
        filled.insert(destination.name);
    }
    // Better reasons first, so that a name that is alike does not take what another one has exactly.
    for reason in [Reason::SameName, Reason::NamesAlike, Reason::OnlyOfItsType] {
        for destination in &wanted {
            let free = offered.iter().filter(|field| !used.contains(field.name));
            let free: Vec<&Field<'_>> = free.collect();
            if filled.contains(destination.name) {
                continue;
            }
            if let Some(source) = reason.find(parties, &free, destination, &wanted) {
                used.insert(source.name);
                filled.insert(destination.name);
                let text = reason.text(source, destination);
                proposal.attributes.push(pair(source, destination, text));
            }
        }
    }
    proposal
        .attributes
        .sort_by(|a, b| a.destination.cmp(&b.destination));
    for field in wanted.iter().filter(|field| !filled.contains(field.name)) {
        if !field.is_identifier || field.is_required {
            proposal.missing.push(missing(field));
        }
    }
    let unused = offered.iter().filter(|field| !used.contains(field.name));
    proposal.unused = unused.map(|field| field.name.to_owned()).collect();
    proposal
}

fn pair(source: &Field<'_>, destination: &Field<'_>, reason: String) -> Pair {
    Pair {
        source: source.name.to_owned(),
        destination: destination.name.to_owned(),
        reason,
    }
}

fn missing(field: &Field<'_>) -> Missing {
    let reason = if field.is_required {
        "required by the destination: say which column of the source it comes from, or let the source offer one"
    } else {
        "nothing of the source has its name or is the only one of its type: it stays out unless you say otherwise"
    };
    Missing {
        destination: field.name.to_owned(),
        kind: field.kind.to_owned(),
        is_required: field.is_required,
        reason: reason.to_owned(),
    }
}

/// The pair by which most is to be gained: of one type before those that only identities join, then what the destination
/// requires, then names that are alike, then what comes first in the definitions.
fn best_identifier<'f, 'a>(
    parties: &Parties<'_>,
    offered: &'f [Field<'a>],
    wanted: &'f [Field<'a>],
) -> Option<(&'f Field<'a>, &'f Field<'a>, String)> {
    let mut best: Option<(u8, &Field<'a>, &Field<'a>, String)> = None;
    for destination in wanted.iter().filter(|field| field.is_identifier) {
        for source in offered.iter().filter(|field| field.is_identifier) {
            let Some((how, reason)) = meets(parties, source, destination) else {
                continue;
            };
            let is_alike = plain(source.name) == plain(destination.name);
            let score = how * 4 + u8::from(destination.is_required) * 2 + u8::from(is_alike);
            if best.as_ref().is_none_or(|(most, ..)| score > *most) {
                best = Some((score, source, destination, reason));
            }
        }
    }
    best.map(|(_, source, destination, reason)| (source, destination, reason))
}

/// How well two identifiers meet, and why; `None`: not at all.
fn meets(
    parties: &Parties<'_>,
    source: &Field<'_>,
    destination: &Field<'_>,
) -> Option<(u8, String)> {
    let kind = destination.kind;
    if !source.same_kind(destination) {
        let reason = format!(
            "people whom the exchange knows by both join `{}` and `{kind}`",
            source.kind
        );
        return parties.keeps_identities.then_some((0, reason));
    }
    match parties.unhashable(source, destination) {
        None => Some((2, format!("both are of the type `{kind}`"))),
        Some(why) => {
            let reason = format!(
                "both are of the type `{kind}`, and people whom the exchange knows in clear are found: {why}"
            );
            parties.keeps_identities.then_some((1, reason))
        }
    }
}

#[derive(Clone, Copy)]
enum Reason {
    SameName,
    NamesAlike,
    OnlyOfItsType,
}

impl Reason {
    fn find<'f, 'a>(
        self,
        parties: &Parties<'_>,
        free: &[&'f Field<'a>],
        destination: &Field<'_>,
        wanted: &[Field<'_>],
    ) -> Option<&'f Field<'a>> {
        let fits = |source: &&&Field<'_>| {
            source.fits(destination) && parties.unhashable(source, destination).is_none()
        };
        match self {
            Self::SameName => {
                let mut named = free.iter().filter(|source| source.name == destination.name);
                named.find(fits).copied()
            }
            Self::NamesAlike => {
                let name = plain(destination.name);
                let mut named = free.iter().filter(|source| plain(source.name) == name);
                named.find(fits).copied()
            }
            // Types such as `string` say nothing; one such as `zipcode` says enough when each side has it once.
            Self::OnlyOfItsType => {
                let is_plain = ["", "string", "text", "number", "integer", "boolean", "date"]
                    .iter()
                    .any(|word| destination.kind.eq_ignore_ascii_case(word));
                let there = wanted.iter().filter(|field| field.same_kind(destination));
                if is_plain || there.count() != 1 {
                    return None;
                }
                let mut of_kind = free.iter().filter(|source| source.same_kind(destination));
                let only = of_kind.next().filter(fits).copied();
                only.filter(|_| of_kind.next().is_none())
            }
        }
    }

    fn text(self, source: &Field<'_>, destination: &Field<'_>) -> String {
        match self {
            Self::SameName => "same name".to_owned(),
            Self::NamesAlike => format!(
                "the names are alike: `{}` and `{}`",
                source.name, destination.name
            ),
            Self::OnlyOfItsType => {
                format!(
                    "on both sides the only one of the type `{}`",
                    destination.kind
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::endpoint::EndpointDefinition;
    use crate::segment::SegmentAttribute;
    use serde_json::{Value, json};

    fn definition(identifiers: &Value, attributes: &Value) -> EndpointDefinition {
        let body = json!({
            "name": "x", "providerName": "p",
            "marketingDatabasesDefinition": { "marketingDatabases": [{ "identifiers": identifiers, "attributes": attributes }] },
        });
        EndpointDefinition::parse(&body).expect("a definition")
    }

    fn said(pair: &Pair) -> String {
        format!("{} > {}: {}", pair.source, pair.destination, pair.reason)
    }

    #[test]
    fn names_and_types_propose_a_mapping_and_say_what_is_missing() {
        let source = definition(
            &json!([{ "name": "mail", "type": "email" }, { "name": "customer", "type": "crmId" }]),
            &json!([{ "name": "first_name" }, { "name": "Zip", "type": "zipcode" }, { "name": "shoeSize", "type": "number" }]),
        );
        let destination = definition(
            &json!([{ "name": "ID", "type": "CRMID", "isRequired": true }, { "name": "Email", "type": "email" }]),
            &json!([{ "name": "FirstName", "isRequired": true }, { "name": "PostalCode", "type": "zipcode" },
                    { "name": "city" }, { "name": "tier", "isRequired": true }, { "name": "Size", "type": "number" }]),
        );
        let columns = [SegmentAttribute {
            name: "city".to_owned(),
            kind: "string".to_owned(),
        }];
        let parties = Parties {
            source: &source,
            columns: &columns,
            destination: &destination,
            keeps_identities: false,
        };
        let proposal = propose(&parties);
        let identifier = proposal.identifier.as_ref().map(said);
        assert_eq!(
            identifier.as_deref(),
            Some("customer > ID: both are of the type `CRMID`")
        );
        assert_eq!(
            proposal.attributes.iter().map(said).collect::<Vec<_>>(),
            [
                "mail > Email: on both sides the only one of the type `email`",
                "first_name > FirstName: the names are alike: `first_name` and `FirstName`",
                "Zip > PostalCode: on both sides the only one of the type `zipcode`",
                "city > city: same name",
            ]
        );
        let missing = proposal.missing.iter();
        let missing: Vec<_> = missing
            .map(|m| (m.destination.as_str(), m.is_required))
            .collect();
        assert_eq!(missing, [("tier", true), ("Size", false)]);
        assert_eq!(proposal.unused, ["shoeSize"]);
    }

    #[test]
    fn identities_join_what_types_do_not() {
        let source = definition(
            &json!([{ "name": "cookie", "type": "cookieId" }]),
            &json!([]),
        );
        let destination = definition(&json!([{ "name": "Email", "type": "email" }]), &json!([]));
        let of = |keeps_identities| Parties {
            source: &source,
            columns: &[],
            destination: &destination,
            keeps_identities,
        };
        assert_eq!(propose(&of(false)).identifier, None);
        let joined = propose(&of(true)).identifier.expect("identities join them");
        assert_eq!(
            said(&joined),
            "cookie > Email: people whom the exchange knows by both join `cookieId` and `email`"
        );
    }

    #[test]
    fn hashes_of_another_kind_do_not_meet() {
        let source = definition(
            &json!([{ "name": "md5", "type": "email", "hashMode": "HASHED", "hashAlgorithm": "MD5" },
                    { "name": "login", "type": "email", "isEventOnly": true }]),
            &json!([]),
        );
        let destination = definition(
            &json!([{ "name": "Email", "type": "email", "hashMode": "REQUIRED", "hashAlgorithm": "SHA256" }]),
            &json!([]),
        );
        let of = |keeps_identities| Parties {
            source: &source,
            columns: &[],
            destination: &destination,
            keeps_identities,
        };
        assert_eq!(propose(&of(false)).identifier, None);
        let joined = propose(&of(true))
            .identifier
            .expect("identities know them in clear");
        assert!(joined.reason.contains("hashed by MD5"), "{}", joined.reason);
    }
}
