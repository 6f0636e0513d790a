//! What becomes of the rows of an audience on their way: the source's columns and values become the destination's.
//!
//! [`Mapping`] is decided once for a run, from both definitions; [`Places`] once for a file, from its header row; then
//! [`Mapping::row`] is called for every row, millions of times, and appends to [`Sorted`]: what is handed over, and two
//! reports of rows that are not, which name a row, a column and a reason and never a value. Pure. Called by the run of a
//! share in `hub/flow/syndicate`; a row costs no allocation but that of a hash.

mod rows;

use std::collections::BTreeMap;

use crate::csv::{Layout, write_value as field};
use crate::endpoint::EndpointDefinition;
use crate::hashing::{HashMode, HashingOf, Prepared, Terms};
use crate::identifier::IdentifierDefinition;

pub use rows::Rows;

/// Header of both reports.
pub const REPORT_HEADER: &[u8] = b"file,row,column,reason\n";

/// Nobody is known by the row's identifier, or nobody who has one that the destination could get.
pub const NOT_KNOWN: &str = "not known by an identifier of the destination";

/// One column of the destination's file, and where its values come from.
#[derive(Debug, Clone)]
pub struct Column {
    /// The source's name: what the header row of its files says.
    pub source: String,
    /// The destination's name.
    pub destination: String,
    /// Identity or attribute type at the destination, in lower case.
    pub kind: String,
    /// A row that has no value for it is rejected.
    is_required: bool,
    dress: Prepared,
}

/// How rows are turned, the same for the whole run.
#[derive(Debug, Clone)]
pub struct Mapping {
    /// By what the destination knows a person.
    pub identifier: Column,
    /// What the source says of its own.
    pub source: IdentifierDefinition,
    /// Whether the value in the row becomes the destination's; else the person's other identifiers are asked.
    pub is_direct: bool,
    /// By the destination's names, in order.
    pub attributes: Vec<Column>,
    /// Identifiers of the source that tell who somebody is: all but those that are for events only.
    pub known_by: Vec<IdentifierDefinition>,
}

/// Where the columns of a mapping are in one file. `None`: the file does not have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Places {
    /// The identifier.
    pub identifier: usize,
    attributes: Vec<Option<usize>>,
    /// Of [`Mapping::known_by`].
    pub known_by: Vec<Option<usize>>,
}

/// By what a row is known at the destination.
#[derive(Debug, Clone, Copy)]
pub enum Known<'a> {
    /// The row says it itself.
    Itself,
    /// A value that the person is known by, and the form in which it is known.
    As(&'a str, HashingOf),
    /// Nobody, or nobody with such an identifier.
    Nobody,
    /// Must not be shared, for this reason.
    Barred(&'a str),
}

/// What became of rows. The texts are appended to, and taken by the caller as it likes.
#[derive(Debug, Default)]
pub struct Sorted {
    /// Rows for the destination.
    pub audience: Vec<u8>,
    /// Rows of [`REPORT_HEADER`] about people who are not known to the destination.
    pub unmatched: Vec<u8>,
    /// Rows of [`REPORT_HEADER`] about what must not or cannot be sent.
    pub rejected: Vec<u8>,
    /// How many of each.
    pub counts: Counts,
}

/// Rows by what became of them: `read` is the sum of the others.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// All rows.
    pub read: u64,
    /// Rows that are handed over.
    pub matched: u64,
    /// Rows whose person the destination cannot know.
    pub unmatched: u64,
    /// Rows that must not or cannot be sent.
    pub rejected: u64,
    /// Attributes that were left empty because their value could not be sent; their rows are matched ones.
    pub emptied: u64,
}

/// What a mapping is made from.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// Who has the audience.
    pub source: &'a EndpointDefinition,
    /// Who gets it.
    pub destination: &'a EndpointDefinition,
    /// Names of an identifier at the source and at the destination.
    pub identifier: (&'a str, &'a str),
    /// Names at the source, and at the destination.
    pub attributes: &'a BTreeMap<String, String>,
    /// What the destination and its account say of all values.
    pub terms: Terms,
}

/// What a definition says of one name.
struct Defined {
    kind: String,
    hashing: HashingOf,
    is_required: bool,
}

fn identifier(definition: &EndpointDefinition, name: &str) -> Option<IdentifierDefinition> {
    let mut all = definition.identifiers();
    all.find(|identifier| identifier.name == name).cloned()
}

fn hashing_of(identifier: &IdentifierDefinition) -> HashingOf {
    HashingOf {
        mode: identifier.hash_mode,
        algorithm: identifier.hash_algorithm,
    }
}

/// What is not declared is a string in clear.
fn attribute(definition: &EndpointDefinition, name: &str) -> Defined {
    let mut all = definition.databases.iter().flat_map(|d| &d.attributes);
    let found = all.find(|attribute| attribute.name == name);
    let found = found.map(|attribute| Defined {
        kind: attribute.kind.to_lowercase(),
        hashing: HashingOf {
            mode: attribute.hash_mode,
            algorithm: attribute.hash_algorithm,
        },
        is_required: attribute.is_required,
    });
    found
        .or_else(|| {
            identifier(definition, name).map(|identifier| Defined {
                hashing: hashing_of(&identifier),
                kind: identifier.kind.to_lowercase(),
                is_required: identifier.is_required,
            })
        })
        .unwrap_or_else(|| Defined {
            kind: "string".to_owned(),
            hashing: HashingOf::default(),
            is_required: false,
        })
}

impl Mapping {
    /// Decides how rows are turned.
    ///
    /// # Errors
    /// A sentence: one of the two no longer has the identifier, or the destination has no use for it.
    pub fn new(asked: &Asked<'_>) -> Result<Self, String> {
        let (from, to) = asked.identifier;
        let source = identifier(asked.source, from).ok_or_else(|| {
            format!(
                "the source has no identifier `{from}` any more: choose another one for the share"
            )
        })?;
        let wanted = identifier(asked.destination, to);
        if wanted.is_none() && asked.destination.identifiers().next().is_some() {
            return Err(format!(
                "the destination has no identifier `{to}` any more: choose another one for the share"
            ));
        }
        // A destination that defined nothing takes what there is.
        let (kind, wants) = match &wanted {
            Some(wanted) => (wanted.kind.to_lowercase(), hashing_of(wanted)),
            None => (source.kind.to_lowercase(), HashingOf::default()),
        };
        let dress = Prepared::new(&kind, &hashing_of(&source), &wants, &asked.terms);
        if !dress.is_of_use() {
            let profile = asked.terms.profile.map_or("", |profile| profile.as_str());
            return Err(format!(
                "by its hash profile {profile}, the destination takes no values of type {kind}: choose another identifier"
            ));
        }
        let is_direct = source.kind.eq_ignore_ascii_case(&kind) && dress.is_possible();
        let mut attributes = Vec::new();
        for (from, to) in asked.attributes {
            let (has, wants) = (
                attribute(asked.source, from),
                attribute(asked.destination, to),
            );
            let dress = Prepared::new(&wants.kind, &has.hashing, &wants.hashing, &asked.terms);
            if !dress.is_of_use() {
                continue;
            }
            attributes.push(Column {
                source: from.clone(),
                destination: to.clone(),
                kind: wants.kind,
                is_required: wants.is_required,
                dress,
            });
        }
        attributes.sort_by(|a, b| a.destination.cmp(&b.destination));
        Ok(Self {
            identifier: Column {
                source: from.to_owned(),
                destination: to.to_owned(),
                kind,
                is_required: true,
                dress,
            },
            source,
            is_direct,
            attributes,
            known_by: telling(asked.source),
        })
    }

    /// Where the columns are, by the header row of a file.
    ///
    /// # Errors
    /// A sentence: the identifier or a required attribute is not there.
    pub fn places(&self, layout: &Layout) -> Result<Places, String> {
        let source = &self.identifier.source;
        let identifier = layout.column(source);
        let identifier = identifier.ok_or_else(|| missing(source, "the identifier", layout))?;
        let mut attributes = Vec::with_capacity(self.attributes.len());
        for attribute in &self.attributes {
            let found = layout.column(&attribute.source);
            if found.is_none() && attribute.is_required {
                return Err(missing(&attribute.source, "which is required", layout));
            }
            attributes.push(found);
        }
        let known_by = self.known_by.iter().map(|known| layout.column(&known.name));
        Ok(Places {
            identifier,
            attributes,
            known_by: known_by.collect(),
        })
    }

    /// Names of mapped columns that a file does not have: they are sent empty.
    pub fn absent(&self, places: &Places) -> Vec<&str> {
        let attributes = self.attributes.iter().zip(&places.attributes);
        attributes
            .filter(|(_, place)| place.is_none())
            .map(|(attribute, _)| attribute.source.as_str())
            .collect()
    }

    /// The header row: the destination's names, identifier first, then attributes sorted by name.
    pub fn header(&self, out: &mut Vec<u8>) {
        field(out, &self.identifier.destination);
        for attribute in &self.attributes {
            out.push(b',');
            field(out, &attribute.destination);
        }
        out.push(b'\n');
    }

    /// Of the values by which a person is known, the one that the destination gets: of its type and in a form that can
    /// become the one it wants, clear before hashed, the one known longest first.
    pub fn choose<'k>(
        &self,
        known: impl Iterator<Item = (&'k str, &'k str, HashingOf)>,
    ) -> Known<'k> {
        let mut hashed = Known::Nobody;
        for (kind, value, form) in known {
            if !kind.eq_ignore_ascii_case(&self.identifier.kind)
                || !self.identifier.dress.from(form).is_possible()
            {
                continue;
            }
            if form.mode != HashMode::Hashed {
                return Known::As(value, form);
            }
            if matches!(hashed, Known::Nobody) {
                hashed = Known::As(value, form);
            }
        }
        hashed
    }

    /// Appends what becomes of one row. `file` names the file in reports.
    pub fn row(
        &self,
        (file, rows, row): (&str, &Rows, usize),
        places: &Places,
        known: Known<'_>,
        out: &mut Sorted,
    ) {
        let before = out.audience.len();
        let line = Line {
            file,
            number: rows.number(row),
        };
        out.counts.read += 1;
        let own = rows.field(row, places.identifier);
        let identifier = &self.identifier;
        if let Known::Barred(reason) = known {
            line.report(&mut out.rejected, "", reason);
            out.counts.rejected += 1;
            return;
        }
        if own.trim().is_empty() {
            line.report(&mut out.unmatched, &identifier.source, "no value");
            out.counts.unmatched += 1;
            return;
        }
        let dressed = match known {
            Known::As(value, form) => identifier.dress.from(form).apply(value),
            _ if self.is_direct => identifier.dress.apply(own),
            _ => {
                line.report(&mut out.unmatched, &identifier.source, NOT_KNOWN);
                out.counts.unmatched += 1;
                return;
            }
        };
        match dressed {
            Ok(Some(value)) => field(&mut out.audience, &value),
            Ok(None) => field(&mut out.audience, ""),
            Err(why) => {
                line.report(&mut out.rejected, &identifier.source, &why.to_string());
                out.counts.rejected += 1;
                return;
            }
        }
        if self.attributes_of(line, (rows, row), places, out) {
            out.audience.push(b'\n');
            out.counts.matched += 1;
        } else {
            out.audience.truncate(before);
            out.counts.rejected += 1;
        }
    }

    /// False, and reported, if a required one is missing.
    fn attributes_of(
        &self,
        line: Line<'_>,
        (rows, row): (&Rows, usize),
        places: &Places,
        out: &mut Sorted,
    ) -> bool {
        for (attribute, place) in self.attributes.iter().zip(&places.attributes) {
            out.audience.push(b',');
            let value = place.map_or("", |place| rows.field(row, place));
            if value.trim().is_empty() {
                if attribute.is_required {
                    let reason = "the destination requires it, and there is no value";
                    line.report(&mut out.rejected, &attribute.source, reason);
                    return false;
                }
                continue;
            }
            match attribute.dress.apply(value) {
                Ok(Some(value)) => field(&mut out.audience, &value),
                Ok(None) => {}
                Err(why) => {
                    let kept = if attribute.is_required {
                        ""
                    } else {
                        " (sent empty)"
                    };
                    let reason = format!("{why}{kept}");
                    line.report(&mut out.rejected, &attribute.source, &reason);
                    if attribute.is_required {
                        return false;
                    }
                    out.counts.emptied += 1;
                }
            }
        }
        true
    }
}

/// What may tell who somebody is: not what is for events only.
pub fn telling(definition: &EndpointDefinition) -> Vec<IdentifierDefinition> {
    let mut known_by: Vec<IdentifierDefinition> = Vec::new();
    for identifier in definition.identifiers().filter(|i| !i.is_event_only) {
        if known_by.iter().all(|known| known.name != identifier.name) {
            known_by.push(identifier.clone());
        }
    }
    known_by
}

fn missing(name: &str, what: &str, layout: &Layout) -> String {
    /// Enough to see what is wrong.
    const SHOWN: usize = 20;
    let header = &layout.columns;
    let mut shown = header[..header.len().min(SHOWN)].join(", ");
    if header.len() > SHOWN {
        shown.push_str(", …");
    }
    format!("the file has no column `{name}`, {what}: its header row says {shown}")
}

/// A row in a report.
#[derive(Clone, Copy)]
pub struct Line<'a> {
    /// Which of the source's files.
    pub file: &'a str,
    /// As a spreadsheet counts: the header is row 1.
    pub number: u64,
}

impl Line<'_> {
    /// Appends a row of [`REPORT_HEADER`].
    pub fn report(self, out: &mut Vec<u8>, column: &str, reason: &str) {
        use std::io::Write as _;
        field(out, self.file);
        let _ = write!(out, ",{},", self.number);
        field(out, column);
        out.push(b',');
        field(out, reason);
        out.push(b'\n');
    }
}

#[cfg(test)]
mod tests;
