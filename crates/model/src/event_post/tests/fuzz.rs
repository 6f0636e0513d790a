//! Strangers' bytes: nothing panics, memory stays bounded, and what is taken is well formed.

use proptest::prelude::*;
use proptest::test_runner::TestCaseResult;

use super::*;

const SEEDS: [&str; 4] = [
    r#"{"channel":"web","identifiers":[{"name":"emailId","value":"a@x.org"}],"events":[{"code":"buy","timestamp":"2015-02-28T20:16:12Z","eventId":"7","attributes":[{"name":"total","value":125.530,"type":"number"},{"name":"note","value":"\ud83d\ude00 \"x\""}]}]}"#,
    r#"{"events":[{"code":"buy","timestamp":"2015-02-28","channel":"web","identifiers":[{"name":"emailId","value":"a"}],"attributes":{"gift":true,"x":null}},{"code":"send","version":2,"timestamp":"2015-02-28","channel":"app","identifiers":[{"name":"phone","value":1}]}]}"#,
    r#"{"provider":"x","eventbatch":[{"channel":"web","identifiers":[{"name":"emailId","value":"a"}],"events":[{"code":"buy","attributes":[{"note":"x"}]},{"code":"application\/look"}]},{"channel":"web","identifiers":[{"name":"phone","value":"1"}],"events":[{"code":"buy"}]}]}"#,
    r#"{"eventbatch":null,"version":"1","x1Id":null,"channel":"Email","identifiers":[{"name":"emailId","value":"a","isOriginal":true}],"events":[{"code":"send","timestamp":"2010-07-29T13:33:59.028Z","namespace":"com.ibm.commerce.ubx","version":"1","attributes":null}]}"#,
];

/// Pieces that matter to the parser, for splicing into bodies.
const PIECES: [&str; 24] = [
    "null",
    "true",
    "1e999",
    "-0.0",
    "125.530",
    "\"\"",
    "\"x\"",
    "\"\\ud800\"",
    "\"\\u0000\"",
    "[]",
    "{}",
    "[[[[",
    "{\"a\":",
    "\"channel\":",
    "\"identifiers\":",
    "\"events\":",
    "\"eventbatch\":",
    "\"code\":\"buy\",",
    "\"timestamp\":\"2015-02-28\"",
    "\"name\":\"emailId\"",
    "\"value\":",
    "\"attributes\":[{\"x\":1}]",
    ",",
    "\u{1f600}",
];

/// Scalars, right and wrong ones.
fn leaf() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("null".to_owned()),
        any::<bool>().prop_map(|b| b.to_string()),
        any::<i64>().prop_map(|n| n.to_string()),
        (any::<i32>(), 0..400_u32).prop_map(|(n, e)| format!("{n}.50e{e}")),
        "\\PC{0,12}".prop_map(|text| Value::from(text).to_string()),
        prop::sample::select(vec![
            "buy",
            "send",
            "web",
            "emailId",
            "a",
            "2015-02-28",
            "total",
            "\\u0062uy",
            "\\udead"
        ])
        .prop_map(|text| format!("\"{text}\"")),
    ]
}

/// JSON of the forms' members and of anything else, with anything in any place.
fn json() -> impl Strategy<Value = String> {
    let names = vec![
        "channel",
        "identifiers",
        "events",
        "eventbatch",
        "code",
        "timestamp",
        "namespace",
        "version",
        "eventId",
        "attributes",
        "name",
        "value",
        "type",
        "other",
        "caf\\u00e9",
    ];
    leaf().prop_recursive(7, 96, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5)
                .prop_map(|items| format!("[{}]", items.join(","))),
            prop::collection::vec((prop::sample::select(names.clone()), inner), 0..6).prop_map(
                |members| {
                    let members: Vec<String> = members
                        .iter()
                        .map(|(name, value)| format!("\"{name}\":{value}"))
                        .collect();
                    format!("{{{}}}", members.join(","))
                }
            ),
        ]
    })
}

/// A good body with any scalars in it: much of this is taken.
fn filled() -> impl Strategy<Value = String> {
    let attributes = prop::collection::vec((leaf(), leaf(), prop::option::of(leaf())), 0..3);
    let scalars = (leaf(), leaf(), attributes, prop::option::of(leaf()));
    (scalars, any::<bool>()).prop_map(|((channel, value, attributes, id), as_object)| {
        let attribute = |(name, value, kind): &(String, String, Option<String>)| match kind {
            _ if as_object && name.starts_with('"') => format!("{{{name}:{value}}}"),
            Some(kind) => format!(r#"{{"name":{name},"value":{value},"type":{kind}}}"#),
            None => format!(r#"{{"name":{name},"value":{value}}}"#),
        };
        let attributes: Vec<String> = attributes.iter().map(attribute).collect();
        let id = id.map_or(String::new(), |id| format!(r#","eventId":{id}"#));
        format!(
            r#"{{"channel":{channel},"identifiers":[{{"name":"emailId","value":{value}}},{{"name":"phone","value":1}}],
                "events":[{{"code":"buy","timestamp":"2015-02-28"{id},"attributes":[{}]}}]}}"#,
            attributes.join(",")
        )
    })
}

/// A good body with a few bytes or pieces changed.
fn mutated() -> impl Strategy<Value = Vec<u8>> {
    let change = (
        any::<prop::sample::Index>(),
        0..12_usize,
        0..PIECES.len() + 40,
        any::<u8>(),
    );
    (
        prop::sample::select(SEEDS.to_vec()),
        prop::collection::vec(change, 0..4),
    )
        .prop_map(|(seed, changes)| {
            let mut body = seed.as_bytes().to_vec();
            for (at, cut, piece, byte) in changes {
                let start = at.index(body.len() + 1);
                let end = (start + cut).min(body.len());
                let put = PIECES
                    .get(piece)
                    .map_or(vec![byte], |piece| piece.as_bytes().to_vec());
                body.splice(start..end, put);
            }
            body
        })
}

/// Everything that is promised about any body.
fn promises(body: &[u8]) -> TestCaseResult {
    for strictness in [Strictness::Lenient, Strictness::Strict] {
        let rejecting = with(strictness, RefusedEvents::Reject);
        let keeping = with(strictness, RefusedEvents::Quarantine);
        let rejected = parse(body, &rejecting, now(), &PostLimits::default());
        let kept = parse(body, &keeping, now(), &PostLimits::default());
        match (&rejected, &kept) {
            (Ok(all), Ok(also)) => {
                prop_assert_eq!(&all.entries, &also.entries);
                prop_assert_eq!(also.quarantined, 0);
            }
            (Err(invalid), Ok(kept)) => {
                prop_assert!(!invalid.is_empty());
                prop_assert!(kept.quarantined > 0);
            }
            (Err(invalid), Err(also)) => prop_assert!(!invalid.is_empty() && !also.is_empty()),
            (Ok(_), Err(_)) => prop_assert!(false, "keeping refuses what rejecting takes"),
        }
        for parsed in [rejected, kept].iter().flatten() {
            well_formed(parsed)?;
        }
    }
    Ok(())
}

fn well_formed(parsed: &Parsed<'_>) -> TestCaseResult {
    for (entry, place) in parsed.entries.iter().zip(0_u32..) {
        let again = entry.encode();
        prop_assert_eq!(&Entry::decode(&again).expect("what was encoded"), entry);
        match entry {
            Entry::Document(document) => {
                prop_assert_eq!(document.ordinal, place);
                prop_assert!(!document.identifiers.is_empty() && !document.events.is_empty());
                prop_assert!(!document.channel.is_empty());
                for event in &document.events {
                    let body: Value =
                        serde_json::from_str(&event.body).expect("a rendered body is JSON");
                    prop_assert_eq!(text_of(&body["code"]), &*event.code);
                    prop_assert_eq!(text_of(&body["namespace"]), &*event.namespace);
                    for attribute in body["attributes"].as_array().expect("an array") {
                        prop_assert!(
                            attribute["name"].is_string() && attribute["type"].is_string()
                        );
                        prop_assert!(
                            attribute["value"].is_string() || attribute["value"].is_null()
                        );
                    }
                }
            }
            Entry::Refused(refused) => {
                prop_assert_eq!(refused.ordinal, place);
                let violations: Vec<Violation> =
                    serde_json::from_str(&refused.violations).expect("violations");
                prop_assert!(!violations.is_empty());
                prop_assert!(
                    violations
                        .iter()
                        .all(|violation| violation.code != "refused"),
                    "{}",
                    refused.body
                );
            }
        }
    }
    Ok(())
}

#[test]
fn fuzz_event_post_json() {
    fuzzing::run(&json(), |body| promises(body.as_bytes()));
}

#[test]
fn fuzz_event_post_mutated() {
    fuzzing::run(&mutated(), |body| promises(&body));
}

#[test]
fn fuzz_event_post_filled() {
    fuzzing::run(&filled(), |body| promises(body.as_bytes()));
}

#[test]
fn fuzz_event_post_bytes() {
    fuzzing::run(&prop::collection::vec(any::<u8>(), 0..200), |body| {
        promises(&body)
    });
}

/// The seeds above are good bodies, or the mutations would prove nothing.
#[test]
fn the_seeds_of_the_mutations_are_taken() {
    for seed in SEEDS {
        let publisher = shop();
        assert!(
            parse(seed.as_bytes(), &publisher, now(), &PostLimits::default()).is_ok(),
            "{seed}"
        );
    }
}

/// Nesting is walked without recursion wherever it may be deep.
#[test]
fn deep_nesting_is_an_error_or_ignored() {
    let deep = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
    let nest = deep(100_000);
    let event = r#"{"code":"buy","timestamp":"2015-02-28"}"#;
    let id = r#"[{"name":"emailId","value":"a"}]"#;
    for (body, expect) in [
        (nest.clone(), "body type"),
        ("[".repeat(100_000), "body syntax"),
        ("{\"events\":".repeat(100_000), "body syntax"),
        (format!(r#"{{"events":{nest}}}"#), "/events/0 type"),
        (
            format!(r#"{{"channel":{nest},"identifiers":{id},"events":[{event}]}}"#),
            "/channel type",
        ),
        (
            format!(
                r#"{{"channel":"w","identifiers":{id},"events":[{{"code":"buy","timestamp":"2015-02-28","attributes":{{"x":{nest}}}}}]}}"#
            ),
            "/events/0/attributes/x type",
        ),
        (
            format!(r#"{{"x":{nest},"channel":"w","identifiers":{id},"events":[{event}]}}"#),
            "w emailId=a: buy@2015-02-28",
        ),
    ] {
        let found = outcome(&shop(), &body);
        let last = found.lines().last().expect("a line");
        assert!(
            last == expect || found.starts_with(expect),
            "{found}, not {expect}"
        );
        let keeping = with(Strictness::Lenient, RefusedEvents::Quarantine);
        let _ = parse(body.as_bytes(), &keeping, now(), &PostLimits::default());
    }
}

/// A few bytes of body may not become many in memory or in the log.
#[test]
fn small_bodies_stay_small() {
    let keeping = with(Strictness::Lenient, RefusedEvents::Quarantine);
    let value = "v".repeat(2000);
    let ids = vec![format!(r#"{{"name":"emailId","value":"{value}"}}"#); 64].join(",");
    let zeros = vec!["0"; 4096].join(",");
    let body = format!(r#"{{"channel":"w","identifiers":[{ids}],"events":[{zeros}]}}"#);
    let invalid = parse(body.as_bytes(), &keeping, now(), &PostLimits::default())
        .expect_err("too much to keep");
    assert_eq!(
        invalid.violations.last().map(|v| v.code.as_str()),
        Some("type")
    );

    let millions = format!(r#"{{"events":[{}]}}"#, "{},".repeat(3_000_000));
    let invalid =
        parse(millions.as_bytes(), &keeping, now(), &PostLimits::default()).expect_err("too many");
    assert_eq!(violations_summary(&invalid.violations), "body too-many");
}
