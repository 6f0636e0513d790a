//! The two sides of a share as their definitions describe them, and what fits what.

use std::borrow::Cow;

use crate::endpoint::{EndpointDefinition, ShareAction, ShareActions};
use crate::hashing::{self, HashAlgorithm, HashMode, HashingOf, Terms};
use crate::segment::SegmentAttribute;

/// Who shares what with whom.
#[derive(Debug, Clone, Copy)]
pub struct Parties<'a> {
    pub source: &'a EndpointDefinition,
    /// Those that the segment has besides those of its endpoint.
    pub columns: &'a [SegmentAttribute],
    pub destination: &'a EndpointDefinition,
    /// Whether the account keeps identities: then identifiers of different types meet through the people who have both.
    pub keeps_identities: bool,
}

/// One identifier or attribute of one side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Field<'a> {
    pub(super) name: &'a str,
    pub(super) kind: &'a str,
    pub(super) is_identifier: bool,
    pub(super) is_required: bool,
    pub(super) hashing: HashingOf,
}

impl Field<'_> {
    fn is_text(&self) -> bool {
        ["", "string", "text"]
            .iter()
            .any(|word| self.kind.eq_ignore_ascii_case(word))
    }

    pub(super) fn same_kind(&self, other: &Field<'_>) -> bool {
        self.kind.eq_ignore_ascii_case(other.kind)
    }

    /// Whether values of this field may go into `destination`. They travel as text, so `string` fits with every attribute;
    /// an identifier takes only what is of its own type, because it says who somebody is.
    pub(super) fn fits(&self, destination: &Field<'_>) -> bool {
        let widens = self.kind.eq_ignore_ascii_case("integer")
            && destination.kind.eq_ignore_ascii_case("number");
        self.same_kind(destination)
            || (!destination.is_identifier && (widens || self.is_text() || destination.is_text()))
    }

    pub(super) fn what(&self) -> &'static str {
        if self.is_identifier {
            "identifier"
        } else {
            "attribute"
        }
    }
}

impl<'a> Parties<'a> {
    /// What rows of the source can hold: identifiers first, each name once.
    pub(super) fn offered(&self) -> Vec<Field<'a>> {
        let mut fields = fields(self.source);
        for column in self.columns {
            if !fields.iter().any(|field| field.name == column.name) {
                fields.push(Field {
                    name: &column.name,
                    kind: &column.kind,
                    is_identifier: false,
                    is_required: false,
                    hashing: HashingOf::default(),
                });
            }
        }
        fields
    }

    /// What the destination takes.
    pub(super) fn wanted(&self) -> Vec<Field<'a>> {
        fields(self.destination)
    }

    /// What the destination allows to be done with its audiences.
    pub(super) fn actions(&self) -> ShareActions {
        let role = self.destination.roles.segment_destination.as_ref();
        role.and_then(|role| role.share_actions).unwrap_or_default()
    }

    /// Why values of `source` cannot be turned into what `destination` takes, whatever they are: hashes stay what they are.
    pub(super) fn unhashable(&self, source: &Field<'_>, destination: &Field<'_>) -> Option<String> {
        if source.hashing.mode != HashMode::Hashed {
            return None;
        }
        let algorithm = source.hashing.algorithm.or(self.source.hash_algorithm);
        // Any hash of that form stands for all of them.
        let plain = match algorithm {
            Some(HashAlgorithm::Md5) => HashAlgorithm::Md5,
            Some(HashAlgorithm::Sha1) => HashAlgorithm::Sha1,
            _ => HashAlgorithm::Sha256,
        };
        let sample = hashing::hash(plain, "sample", None).unwrap_or_default();
        let has = HashingOf {
            algorithm,
            ..source.hashing
        };
        let terms = Terms {
            profile: self.destination.hash_profile,
            algorithm: self.destination.hash_algorithm,
            ..Terms::default()
        };
        let kind = destination.kind;
        match hashing::outbound(kind, &sample, &has, &destination.hashing, &terms) {
            Ok(Some(Cow::Borrowed(_) | Cow::Owned(_))) => None,
            Ok(None) => Some(format!(
                "the destination's hash profile has no use for values of the type `{kind}`"
            )),
            Err(error) => Some(error.to_string()),
        }
    }
}

/// Identifiers that may identify members, and attributes, of all databases; each name once.
fn fields(definition: &EndpointDefinition) -> Vec<Field<'_>> {
    let mut fields: Vec<Field<'_>> = Vec::new();
    let identifiers = definition
        .identifiers()
        .filter(|field| !field.is_event_only);
    let identifiers = identifiers.map(|field| Field {
        name: &field.name,
        kind: &field.kind,
        is_identifier: true,
        is_required: field.is_required,
        hashing: HashingOf {
            mode: field.hash_mode,
            algorithm: field.hash_algorithm,
        },
    });
    let attributes = definition.databases.iter().flat_map(|d| &d.attributes);
    let attributes = attributes.map(|field| Field {
        name: &field.name,
        kind: &field.kind,
        is_identifier: false,
        is_required: field.is_required,
        hashing: HashingOf {
            mode: field.hash_mode,
            algorithm: field.hash_algorithm,
        },
    });
    for field in identifiers.chain(attributes) {
        if !fields.iter().any(|known| known.name == field.name) {
            fields.push(field);
        }
    }
    fields
}

/// Those of the allowed actions, for messages.
pub(super) fn allowed(actions: ShareActions) -> String {
    let all = [ShareAction::Add, ShareAction::Remove, ShareAction::Replace];
    let allowed: Vec<&str> = all
        .into_iter()
        .filter(|action| actions.allows(*action))
        .map(ShareAction::as_str)
        .collect();
    match allowed.as_slice() {
        [] => "none".to_owned(),
        allowed => allowed.join(", "),
    }
}

/// A name without what people write differently: `First Name`, `first_name` and `firstName` are alike.
pub(super) fn plain(name: &str) -> String {
    name.chars()
        .filter(|c| c.is_alphanumeric())
        .flat_map(char::to_lowercase)
        .collect()
}
