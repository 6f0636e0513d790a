//! Rows of one source become rows of one destination, or of a report: tables as examples.

use serde_json::{Value, json};

use super::*;
use crate::hashing::HashAlgorithm;
use crate::hashing::profile::HashProfile;

const IBM: &str = "a806e1cd202da3d06370a69d09203da12115c39ed53798d34c661876f1244feb";

#[expect(clippy::needless_pass_by_value, reason = "tests pass literals")]
fn definition(identifiers: Value, attributes: Value) -> EndpointDefinition {
    let database = json!({ "identifiers": identifiers, "attributes": attributes });
    EndpointDefinition {
        databases: vec![serde_json::from_value(database).expect("a database")],
        ..EndpointDefinition::default()
    }
}

fn crm() -> EndpointDefinition {
    definition(
        json!([
            { "name": "Email", "type": "email" },
            { "name": "Crm Id", "type": "crmId" },
            { "name": "session", "type": "sessionId", "isEventOnly": true },
        ]),
        json!([
            { "name": "First", "type": "string" },
            { "name": "Mobile", "type": "phone" },
            { "name": "Points", "type": "integer" },
        ]),
    )
}

fn ads() -> EndpointDefinition {
    definition(
        json!([{ "name": "em", "type": "Email", "hashMode": "REQUIRED", "hashAlgorithm": "EMAIL_SHA256" }]),
        json!([
            { "name": "ph", "type": "phone", "hashMode": "REQUIRED", "hashAlgorithm": "PHONE_SHA256" },
            { "name": "fn", "type": "string" },
            { "name": "must", "type": "string", "isRequired": true },
        ]),
    )
}

fn plain() -> EndpointDefinition {
    definition(json!([{ "name": "mail", "type": "email" }]), json!([]))
}

struct Case {
    source: EndpointDefinition,
    destination: EndpointDefinition,
    identifier: (&'static str, &'static str),
    attributes: BTreeMap<String, String>,
    terms: Terms,
}

impl Case {
    fn new(source: EndpointDefinition, destination: EndpointDefinition) -> Self {
        Self {
            source,
            destination,
            identifier: ("Email", "em"),
            attributes: BTreeMap::new(),
            terms: Terms::default(),
        }
    }

    fn by(self, from: &'static str, to: &'static str) -> Self {
        let identifier = (from, to);
        Self { identifier, ..self }
    }

    fn with(mut self, from: &str, to: &str) -> Self {
        self.attributes.insert(from.to_owned(), to.to_owned());
        self
    }

    fn mapping(&self) -> Result<Mapping, String> {
        Mapping::new(&Asked {
            source: &self.source,
            destination: &self.destination,
            identifier: self.identifier,
            attributes: &self.attributes,
            terms: self.terms,
        })
    }

    /// What becomes of a table, its header first; every row is `known` in the same way.
    fn run(&self, table: &[&[&str]], known: Known<'_>) -> Sorted {
        let mapping = self.mapping().expect("it can be mapped");
        let places = mapping
            .places(&layout(table[0]))
            .expect("the columns are there");
        let mut rows = Rows::default();
        for (number, row) in (2..).zip(&table[1..]) {
            rows.push(number, row.iter().copied());
        }
        let mut out = Sorted::default();
        mapping.header(&mut out.audience);
        for row in 0..rows.len() {
            mapping.row(("a.csv", &rows, row), &places, known, &mut out);
        }
        let counts = out.counts;
        let sum = counts.matched + counts.unmatched + counts.rejected;
        assert_eq!(counts.read, sum, "every row is one of the three");
        out
    }
}

fn layout(columns: &[&str]) -> Layout {
    Layout {
        delimiter: crate::csv::Delimiter::Comma,
        columns: columns.iter().map(|column| (*column).to_owned()).collect(),
    }
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("UTF-8")
}

#[test]
fn the_identifier_comes_first_then_attributes_by_the_name_that_the_destination_gives_them() {
    let case = Case::new(crm(), definition(json!([]), json!([])))
        .by("Email", "z, the key")
        .with("First", "b")
        .with("Points", "a");
    let out = case.run(
        &[
            &["Points", "Email", "ignored", "First"],
            &["7", "ann@example.com", "x", "Ann \"the\" first"],
            &["", "bob@example.com", "x", "Bob,\nthe other"],
        ],
        Known::Itself,
    );
    let expected = "\"z, the key\",a,b\nann@example.com,7,\"Ann \"\"the\"\" first\"\nbob@example.com,,\"Bob,\nthe other\"\n";
    assert_eq!(text(&out.audience), expected);
    assert!(out.unmatched.is_empty() && out.rejected.is_empty());
}

#[test]
fn values_are_hashed_as_the_destination_asks() {
    let case = Case::new(crm(), ads())
        .with("Mobile", "ph")
        .with("First", "fn");
    let out = case.run(
        &[
            &["Email", "Mobile", "First"],
            &[" TStark@ibm.com ", "+1 650-555-1212", "Tony"],
        ],
        Known::Itself,
    );
    let phone = crate::hashing::hash(HashAlgorithm::PhoneSha256, "+16505551212", None);
    let phone = phone.expect("a number");
    assert_eq!(
        text(&out.audience),
        format!("em,fn,ph\n{IBM},Tony,{phone}\n")
    );
}

#[test]
fn rows_that_are_not_sent_are_reported_by_row_and_column_and_never_by_value() {
    let case = Case::new(crm(), ads())
        .with("First", "must")
        .with("Mobile", "ph");
    let out = case.run(
        &[
            &["Email", "Mobile", "First"],
            &["  ", "", "Nobody"],
            &[IBM, "", "Hashed"],
            &["ann@example.com", "", " "],
            &["bob@example.com", "call me", "Bob"],
        ],
        Known::Itself,
    );
    assert_eq!(text(&out.unmatched), "a.csv,2,Email,no value\n");
    let rejected: Vec<&str> = text(&out.rejected).lines().collect();
    assert_eq!(rejected.len(), 3, "{rejected:?}");
    assert!(rejected[0].starts_with("a.csv,3,Email,\"the value looks hashed already"));
    assert!(rejected[1].starts_with("a.csv,4,First,\"the destination requires it"));
    assert!(rejected[2].starts_with("a.csv,5,Mobile,"), "{rejected:?}");
    assert!(rejected[2].ends_with("(sent empty)"), "{rejected:?}");
    assert!(!text(&out.rejected).contains("call me") && !text(&out.rejected).contains(IBM));
    let bob = crate::hashing::hash(HashAlgorithm::EmailSha256, "bob@example.com", None);
    let bob = bob.expect("hashed");
    assert_eq!(text(&out.audience), format!("em,must,ph\n{bob},Bob,\n"));
    let counts = Counts {
        read: 4,
        matched: 1,
        unmatched: 1,
        rejected: 2,
        emptied: 1,
    };
    assert_eq!(out.counts, counts);
}

#[test]
fn another_type_is_found_through_the_person() {
    let case = Case::new(crm(), ads()).by("Crm Id", "em");
    let mapping = case.mapping().expect("it can be mapped");
    assert!(!mapping.is_direct, "an id is not an address");
    let hashed = HashingOf {
        mode: HashMode::Hashed,
        algorithm: Some(HashAlgorithm::EmailSha256),
    };
    let md5 = HashingOf {
        mode: HashMode::Hashed,
        algorithm: Some(HashAlgorithm::Md5),
    };
    let clear = HashingOf::default();
    let known = [
        ("crmid", "4711", clear),
        ("email", "d41d8cd98f00b204e9800998ecf8427e", md5),
        ("email", IBM, hashed),
        ("email", "tstark@ibm.com", clear),
        ("email", "younger@ibm.com", clear),
    ];
    let table: &[&[&str]] = &[&["Crm Id"], &["4711"]];
    for (known, expected) in [
        // Clear before hashed, the older first; both become the same.
        (&known[..], IBM),
        // A hash of another kind is of no use.
        (&known[..3], IBM),
    ] {
        let chosen = mapping.choose(known.iter().copied());
        let out = case.run(table, chosen);
        assert_eq!(text(&out.audience), format!("em\n{expected}\n"));
    }
    assert!(matches!(
        mapping.choose(known[..2].iter().copied()),
        Known::Nobody
    ));
    let out = case.run(table, Known::Nobody);
    assert!(text(&out.unmatched).starts_with("a.csv,2,Crm Id,not known"));
    let out = case.run(table, Known::Barred("restricted by a privacy request"));
    assert_eq!(
        text(&out.rejected),
        "a.csv,2,,restricted by a privacy request\n"
    );
}

#[test]
fn hashes_go_as_they_are_or_are_looked_up_and_are_never_hashed_again() {
    let hashes = |algorithm: &str| {
        let email = json!([{ "name": "Email", "type": "email", "hashMode": "HASHED", "hashAlgorithm": algorithm }]);
        definition(email, json!([]))
    };
    let same = Case::new(hashes("EMAIL_SHA256"), ads());
    assert!(same.mapping().expect("mapped").is_direct);
    let out = same.run(&[&["Email"], &[IBM]], Known::Itself);
    assert_eq!(text(&out.audience), format!("em\n{IBM}\n"));
    let other = Case::new(hashes("MD5"), ads());
    assert!(
        !other.mapping().expect("mapped").is_direct,
        "only the person's clear address can become it"
    );
    let clear = Case::new(hashes("MD5"), plain()).by("Email", "mail");
    assert!(clear.mapping().expect("mapped").is_direct, "passed through");
}

#[test]
fn a_profile_leaves_out_what_its_receiver_has_no_use_for() {
    let mut case = Case::new(crm(), ads())
        .with("First", "fn")
        .with("Mobile", "ph");
    case.terms.profile = Some(HashProfile::LinkedIn);
    let mapping = case.mapping().expect("mapped");
    let names: Vec<&str> = mapping
        .attributes
        .iter()
        .map(|a| a.destination.as_str())
        .collect();
    assert_eq!(names, ["fn"]);
    let phone = definition(json!([{ "name": "em", "type": "phone" }]), json!([]));
    let mut case = Case::new(crm(), phone);
    case.terms.profile = Some(HashProfile::LinkedIn);
    let error = case.mapping().expect_err("no telephone numbers");
    assert!(
        error.contains("LINKEDIN") && error.contains("phone"),
        "{error}"
    );
}

#[test]
fn what_is_missing_is_said_with_what_there_is() {
    let case = Case::new(crm(), ads())
        .with("First", "must")
        .with("Mobile", "ph");
    let mapping = case.mapping().expect("mapped");
    let error = mapping
        .places(&layout(&["e-mail", "First"]))
        .expect_err("no such column");
    assert!(
        error.contains("`Email`") && error.contains("e-mail, First"),
        "{error}"
    );
    let error = mapping
        .places(&layout(&["email"]))
        .expect_err("it is required");
    assert!(error.contains("`First`"), "{error}");
    let places = mapping
        .places(&layout(&["FIRST", "EMAIL"]))
        .expect("letter case is forgiven");
    assert_eq!(places.identifier, 1);
    assert_eq!(mapping.absent(&places), ["Mobile"]);
    assert_eq!(
        places.known_by,
        [Some(1), None],
        "what is for events only tells nobody"
    );
    let gone = Case::new(crm(), ads()).by("Email", "gone");
    assert!(
        gone.mapping()
            .expect_err("no such identifier")
            .contains("`gone`")
    );
}
