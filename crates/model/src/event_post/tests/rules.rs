//! What is wrong: every rule with the exact pointer, all at once; strict and lenient; refused and kept.

use super::*;

/// An individual call around one event's members.
fn individual(event: &str) -> String {
    format!(
        r#"{{"channel":"web","identifiers":[{{"name":"emailId","value":"a"}}],"events":[{event}]}}"#
    )
}

#[test]
fn the_three_mistakes_that_the_manual_lists() {
    // Identifiers at the batch level and the event level.
    check(
        r#"{"channel":"web","identifiers":[{"name":"emailId","value":"a"}],
            "events":[{"code":"buy","timestamp":"2015-02-28"},
                      {"code":"buy","timestamp":"2015-02-28","identifiers":[{"name":"emailId","value":"a"}]}]}"#,
        "/events/1/identifiers both-levels",
    );
    // No channel.
    check(
        r#"{"identifiers":[{"name":"emailId","value":"a"}],"events":[{"code":"buy","timestamp":"2015-02-28"}]}"#,
        "/channel required",
    );
    // A channel at the batch level and the event level.
    check(
        &individual(r#"{"code":"buy","timestamp":"2015-02-28","channel":"web"}"#),
        "/events/0/channel both-levels",
    );
}

#[test]
fn channels_and_identifiers_stand_at_one_level() {
    for (body, expect) in [
        (
            r#"{"events":[{"code":"buy","timestamp":"2015-02-28","channel":"web","identifiers":[{"name":"emailId","value":"a"}]},
                          {"code":"buy","timestamp":"2015-02-28"}]}"#,
            "/events/1/channel required\n/events/1/identifiers required",
        ),
        (
            r#"{"channel":"","identifiers":[],"events":[{"code":"buy","timestamp":"2015-02-28"}]}"#,
            "/identifiers required\n/channel required",
        ),
        (
            r#"{"channel":"web","eventbatch":[{"channel":"web","identifiers":[{"name":"emailId","value":"a"}],"events":[{"code":"buy"}]}]}"#,
            "/eventbatch/0/channel both-levels",
        ),
        (
            r#"{"eventbatch":[{"channel":"web","identifiers":[{"name":"emailId","value":"a"}],
                               "events":[{"code":"buy"},{"code":"buy","channel":"web"}]}]}"#,
            "/eventbatch/0/events/1/channel both-levels",
        ),
        (
            r#"{"channel":"web","eventbatch":[{"identifiers":[{"name":"emailId","value":"a"}],"events":[{"code":"buy","channel":"web"}]}]}"#,
            "/eventbatch/0/events/0/channel both-levels",
        ),
        (
            r#"{"eventbatch":[{"identifiers":[{"name":"emailId","value":"a"}],"events":[{"code":"buy"}]}]}"#,
            "/eventbatch/0/channel required",
        ),
        (
            r#"{"channel":"web","eventbatch":[{"events":[{"code":"buy"}]}]}"#,
            "/eventbatch/0/identifiers required",
        ),
        (
            r#"{"channel":"web","identifiers":[{"name":"emailId","value":"a"}],"events":[{}],"eventbatch":
                [{"identifiers":[{"name":"emailId","value":"a"}],"events":[{"code":"buy"}]}]}"#,
            "/events both-levels\n/identifiers both-levels",
        ),
        (
            r#"{"channel":5,"identifiers":"a","events":[{"code":"buy","timestamp":"2015-02-28"}]}"#,
            "/channel type\n/identifiers type",
        ),
    ] {
        check(body, expect);
    }
}

#[test]
fn an_envelope_has_events() {
    for (body, expect) in [
        ("[]", "body type"),
        ("null", "body type"),
        ("5", "body type"),
        (r#""events""#, "body type"),
        ("{}", "/events required"),
        (r#"{"events":null}"#, "/events required"),
        (r#"{"events":[]}"#, "/events required"),
        (r#"{"events":{}}"#, "/events type"),
        (r#"{"events":"x"}"#, "/events type"),
        (r#"{"eventbatch":{}}"#, "/eventbatch type"),
        (r#"{"eventbatch":[]}"#, "/eventbatch required"),
        (
            r#"{"eventbatch":[5,{"channel":"web"}]}"#,
            "/eventbatch/0 type\n/eventbatch/1/events required",
        ),
        (
            r#"{"eventbatch":[{"channel":"web","events":5}]}"#,
            "/eventbatch/0/events type",
        ),
    ] {
        check(body, expect);
    }
}

#[test]
fn an_event_needs_a_registered_code_and_a_time() {
    for (event, expect) in [
        ("5", "/events/0 type"),
        ("null", "/events/0 type"),
        ("[]", "/events/0 type"),
        (
            "{}",
            "/events/0/code required\n/events/0/timestamp required",
        ),
        (
            r#"{"code":null,"timestamp":""}"#,
            "/events/0/code required\n/events/0/timestamp required",
        ),
        (
            r#"{"code":5,"timestamp":1425154572}"#,
            "/events/0/code type\n/events/0/timestamp type",
        ),
        (
            r#"{"code":{},"timestamp":[]}"#,
            "/events/0/code type\n/events/0/timestamp type",
        ),
        (
            r#"{"code":"Buy","timestamp":"2015-02-28"}"#,
            "/events/0/code unknown-event-type",
        ),
        (
            r#"{"code":"buy","timestamp":"yesterday"}"#,
            "/events/0/timestamp timestamp",
        ),
        (
            r#"{"code":"buy","timestamp":"2015-02-30"}"#,
            "/events/0/timestamp timestamp",
        ),
        (
            r#"{"code":"buy","timestamp":"2015-02-28","namespace":"x"}"#,
            "/events/0/namespace unknown-event-type",
        ),
        (
            r#"{"code":"buy","timestamp":"2015-02-28","version":2}"#,
            "/events/0/version unknown-event-type",
        ),
        (
            r#"{"code":"buy","timestamp":"2015-02-28","version":"one"}"#,
            "/events/0/version unknown-event-type",
        ),
        (
            r#"{"code":"buy","timestamp":"2015-02-28","version":true}"#,
            "/events/0/version type",
        ),
        (
            r#"{"code":"send","timestamp":"2015-02-28","namespace":"own \"space\"","version":2}"#,
            "/events/0/version unknown-event-type",
        ),
        (
            r#"{"code":"buy","timestamp":"2015-02-28","eventId":true}"#,
            "/events/0/eventId type",
        ),
        (
            r#"{"code":"buy","timestamp":"2015-02-28","eventId":[]}"#,
            "/events/0/eventId type",
        ),
        (
            r#"{"code":"\ud800","timestamp":"2015-02-28"}"#,
            "/events/0/code text",
        ),
    ] {
        check(&individual(event), expect);
    }
}

#[test]
fn a_person_needs_a_registered_identifier_with_a_value() {
    for (identifiers, expect) in [
        ("[]", "/identifiers required"),
        ("null", "/identifiers required"),
        ("[null]", "/identifiers required"),
        ("{}", "/identifiers type"),
        ("[5]", "/identifiers/0 type"),
        ("[{}]", "/identifiers/0/name required"),
        (r#"[{"name":"emailId"}]"#, "/identifiers/0/value required"),
        (
            r#"[{"name":"emailId","value":null},{"name":"phone","value":""}]"#,
            "/identifiers/0/value required\n/identifiers/1/value required",
        ),
        (r#"[{"value":"a"}]"#, "/identifiers/0/name required"),
        (r#"[{"name":5,"value":"a"}]"#, "/identifiers/0/name type"),
        (
            r#"[{"name":"emailId","value":true}]"#,
            "/identifiers/0/value type",
        ),
        (
            r#"[{"name":"emailId","value":{}}]"#,
            "/identifiers/0/value type",
        ),
        (
            r#"[{"name":"emailId","value":"\udc00"}]"#,
            "/identifiers/0/value text",
        ),
        (
            r#"[{"name":"emailid","value":"a"}]"#,
            "/identifiers/0/name unknown-identifier",
        ),
        (
            r#"[{"name":"emailId","value":"a"},{"name":"a/b","value":null}]"#,
            "/identifiers/1/name unknown-identifier",
        ),
    ] {
        let body = format!(
            r#"{{"channel":"web","identifiers":{identifiers},"events":[{{"code":"buy","timestamp":"2015-02-28"}}]}}"#
        );
        check(&body, expect);
    }
}

#[test]
fn identifiers_that_the_registration_requires_must_be_there() {
    let mut publisher = shop();
    publisher
        .identifiers
        .get_mut("phone")
        .expect("it is there")
        .is_required = true;
    let event = r#"{"code":"buy","timestamp":"2015-02-28"}"#;
    check_with(&publisher, &individual(event), "/identifiers required");
    let body = format!(
        r#"{{"channel":"web","identifiers":[{{"name":"emailId","value":"a"}},{{"name":"phone","value":1}}],"events":[{event}]}}"#
    );
    check_with(&publisher, &body, "web emailId=a phone=1: buy@2015-02-28");
}

#[test]
fn attributes_are_scalars_with_names() {
    for (attributes, expect) in [
        ("5", "/events/0/attributes type"),
        (r#""x""#, "/events/0/attributes type"),
        ("[5]", "/events/0/attributes/0 type"),
        ("[{}]", "/events/0/attributes/0/name required"),
        (
            r#"[{"value":"x","type":"t"}]"#,
            "/events/0/attributes/0/name required",
        ),
        (
            r#"[{"name":null,"value":"x"}]"#,
            "/events/0/attributes/0/name required",
        ),
        (
            r#"[{"name":7,"value":"x"}]"#,
            "/events/0/attributes/0/name type",
        ),
        (
            r#"[{"name":"note","value":["x"]}]"#,
            "/events/0/attributes/0/value type",
        ),
        (
            r#"[{"name":"note","value":{"x":1},"type":5}]"#,
            "/events/0/attributes/0/value type\n/events/0/attributes/0/type type",
        ),
        (
            r#"[{"name":"note","value":"\ud83d"}]"#,
            "/events/0/attributes/0/value text",
        ),
        (
            r#"[{"note":"x"},{"a/b~c":[]}]"#,
            "/events/0/attributes/1/a~1b~0c type",
        ),
        (
            r#"[{"note":"x","note":"y"}]"#,
            "/events/0/attributes/0/note duplicate",
        ),
        (r#"[{"":"x"}]"#, "/events/0/attributes/0/ too-long"),
        (r#"{"note":{}}"#, "/events/0/attributes/note type"),
    ] {
        let event =
            format!(r#"{{"code":"buy","timestamp":"2015-02-28","attributes":{attributes}}}"#);
        check(&individual(&event), expect);
    }
}

#[test]
fn everything_wrong_is_told_at_once() {
    check(
        r#"{"eventbatch":[
            {"identifiers":[{"name":"nobody","value":"a"}],"events":[{"code":"what","channel":"web","attributes":[{"name":"x","value":[]}]}]},
            {"identifiers":[{"name":"emailId","value":"a"}],"events":[{"code":"buy","channel":"web"},{"code":"buy","timestamp":"x"}]}]}"#,
        "/eventbatch/0/identifiers/0/name unknown-identifier
         /eventbatch/0/events/0/code unknown-event-type
         /eventbatch/0/events/0/attributes/0/value type
         /eventbatch/1/events/1/channel required
         /eventbatch/1/events/1/timestamp timestamp",
    );
    let many = individual(&vec!["{}"; 200].join(","));
    let publisher = shop();
    let invalid =
        parse(many.as_bytes(), &publisher, now(), &PostLimits::default()).expect_err("all are bad");
    assert_eq!((invalid.violations.len(), invalid.more), (100, 300));
}

/// A bad name does not hide a bad value.
#[test]
fn all_members_of_one_thing_are_checked() {
    check(
        r#"{"channel":"web","identifiers":[{"name":"nobody","value":[]}],"events":[{"code":"buy","timestamp":"2015-02-28",
            "attributes":[{"name":5,"value":[],"type":[]},{"":{}}]}]}"#,
        "/identifiers/0/value type
         /identifiers/0/name unknown-identifier
         /events/0/attributes/0/name type
         /events/0/attributes/0/value type
         /events/0/attributes/0/type type
         /events/0/attributes/1/ too-long
         /events/0/attributes/1/ type",
    );
    check_with(
        &with(Strictness::Strict, RefusedEvents::Reject),
        &individual(
            r#"{"code":"buy","timestamp":"2015-02-28","attributes":[{"name":"x","value":[]}]}"#,
        ),
        "/events/0/attributes/0/value type
         /events/0/attributes/0/name undeclared-attribute",
    );
}

/// What an attribute's value must look like to be of its declared type.
#[test]
fn declared_types_are_a_matter_of_policy() {
    let strict = with(Strictness::Strict, RefusedEvents::Reject);
    let lenient = shop();
    for (name, good, bad) in [
        (
            "total",
            &["1", "-1.5e3", "\"125.53\"", "\"\"", "null"][..],
            &["\"x\"", "true", "\"inf\"", "1e999", "\"1,5\""][..],
        ),
        (
            "count",
            &["1", "\"-17\"", "123456789012345678901234567890"],
            &["1.0", "\"1.5\"", "true", "\"-\""],
        ),
        ("gift", &["true", "\"FALSE\"", "null"], &["1", "\"yes\""]),
        (
            "due",
            &["\"2015-02-28T20:16:12+01:00\"", "\"2015-02-28\""],
            &["1425154572", "\"soon\"", "true"],
        ),
        ("note", &["1", "true", "\"x\""], &[]),
        ("friend", &["\"b@x\"", "5"], &[]),
    ] {
        for (values, is_good) in [(good, true), (bad, false)] {
            for value in values {
                let event = format!(
                    r#"{{"code":"buy","timestamp":"2015-02-28","attributes":[{{"name":"{name}","value":{value}}}]}}"#
                );
                let body = individual(&event);
                let refused = parse(body.as_bytes(), &strict, now(), &PostLimits::default());
                assert_eq!(refused.is_ok(), is_good, "{name} {value}");
                if let Err(invalid) = refused {
                    assert_eq!(
                        violations_summary(&invalid.violations),
                        "/events/0/attributes/0/value attribute-type"
                    );
                }
                let taken = parse(body.as_bytes(), &lenient, now(), &PostLimits::default())
                    .expect("lenient");
                assert_eq!(taken.drift.is_empty(), is_good, "{name} {value}");
            }
        }
    }
}

#[test]
fn undeclared_attributes_are_a_matter_of_policy() {
    let attributes = r#""attributes":[{"name":"note","value":"x"},{"colour":"red"},{"name":"total","value":"much"},{"name":"size","value":1}]"#;
    let event = format!(r#"{{"code":"buy","timestamp":"2015-02-28",{attributes}}}"#);
    let body = individual(&format!("{event},{event}"));
    check_with(
        &with(Strictness::Strict, RefusedEvents::Reject),
        &body,
        "/events/0/attributes/1/colour undeclared-attribute
         /events/0/attributes/2/value attribute-type
         /events/0/attributes/3/name undeclared-attribute
         /events/1/attributes/1/colour undeclared-attribute
         /events/1/attributes/2/value attribute-type
         /events/1/attributes/3/name undeclared-attribute",
    );
    let publisher = shop();
    let parsed =
        parse(body.as_bytes(), &publisher, now(), &PostLimits::default()).expect("lenient");
    let drift: Vec<(&str, &str, DriftKind<'_>)> = parsed
        .drift
        .iter()
        .map(|drift| (&*drift.code, &*drift.attribute, drift.what))
        .collect();
    assert_eq!(
        drift,
        [
            ("buy", "colour", DriftKind::Undeclared),
            (
                "buy",
                "total",
                DriftKind::Type {
                    declared: "number",
                    seen: "a string"
                }
            ),
            ("buy", "size", DriftKind::Undeclared),
        ]
    );
}

#[test]
fn what_is_no_json_ends_with_line_and_column() {
    for (body, place) in [
        (&b""[..], "line 1 column 0"),
        (b"{\"events\":\n[}", "line 2 column 2"),
        (b"{\"events\":[]} x", "line 1 column 15"),
        (b"{\"events\":[], \"events\":[]}", "line 1 column 2"),
        (b"{\"a\":01}", "line 1 column"),
        (b"{\"a\":\"\n\"}", "line 1 column 6"),
        (b"{\n\"a\":\"\xff\"}", "line 2 column 6"),
        (b"\xc3", "line 1 column 1"),
        (br#"{"events":[{"code":"a","code":"b"}]}"#, "line 1 column"),
        (
            br#"{"events":[{"identifiers":[{"name":null,"name":"b"}]}]}"#,
            "line 1 column",
        ),
    ] {
        let publisher = shop();
        let invalid =
            parse(body, &publisher, now(), &PostLimits::default()).expect_err("it is no JSON");
        assert_eq!(
            violations_summary(&invalid.violations),
            "body syntax",
            "{}",
            body.escape_ascii()
        );
        let message = &invalid.violations[0].message;
        assert!(
            message.contains(place),
            "{}: {message}",
            body.escape_ascii()
        );
    }
}

fn tight() -> PostLimits {
    PostLimits {
        events_max: 3,
        identifiers_max: 2,
        attributes_max: 2,
        attributes_total_max: 5,
        channels_max: 1,
        word_bytes_max: 12,
        identifier_value_bytes_max: 4,
        attribute_value_bytes_max: 4,
        event_id_bytes_max: 4,
        refused_bytes_max: 100,
    }
}

#[track_caller]
fn check_tight(body: &str, expect: &str) {
    let publisher = shop();
    let invalid = parse(body.as_bytes(), &publisher, now(), &tight()).expect_err("over a limit");
    assert_eq!(violations_summary(&invalid.violations), expect, "{body}");
}

#[test]
fn limits_of_number_are_told() {
    let id = r#"{"name":"emailId","value":"a"}"#;
    let event = r#"{"code":"buy","timestamp":"2015-02-28"}"#;
    check_tight(&individual(&[event; 4].join(",")), "body too-many");
    let groups = format!(
        r#"{{"channel":"w","eventbatch":[{}]}}"#,
        ["{}"; 4].join(",")
    );
    check_tight(&groups, "body too-many");
    let ids = format!(r#"{{"channel":"w","identifiers":[{id},{id},{id}],"events":[{event}]}}"#);
    check_tight(&ids, "/identifiers too-many");
    let channels = ["a", "b"].map(|c| event.replace('}', &format!(r#","channel":"{c}"}}"#)));
    let channels = format!(
        r#"{{"identifiers":[{id}],"events":[{}]}}"#,
        channels.join(",")
    );
    check_tight(&channels, "/events/1/channel too-many");
    for (attributes, expect) in [
        (r#"[{"a":1,"b":2,"c":3}]"#, "/events/0/attributes too-many"),
        ("[{},{},{}]", "/events/0/attributes too-many"),
        (r#"{"a":1,"b":2,"c":3}"#, "/events/0/attributes too-many"),
        ("[{},{},{},{},{},{}]", "body too-many"),
        (r#"{"a":1,"b":2,"c":3,"d":4,"e":5,"f":6}"#, "body too-many"),
    ] {
        check_tight(
            &individual(&event.replace('}', &format!(r#","attributes":{attributes}}}"#))),
            expect,
        );
    }
}

#[test]
fn limits_of_length_are_told() {
    for (member, expect) in [
        (
            r#""attributes":[{"name":"123456789012","value":"12345"}]"#,
            "/attributes/0/value too-long",
        ),
        (
            r#""attributes":[{"name":"1234567890123","value":"1"}]"#,
            "/attributes/0/name too-long",
        ),
        (
            r#""attributes":[{"name":"n","value":12345}]"#,
            "/attributes/0/value too-long",
        ),
        (
            r#""attributes":[{"1234567890123":"1"}]"#,
            "/attributes/0/1234567890123 too-long",
        ),
        (
            r#""attributes":[{"name":"n","type":"1234567890123"}]"#,
            "/attributes/0/type too-long",
        ),
        (r#""eventId":12345"#, "/eventId too-long"),
    ] {
        let event = format!(r#"{{"code":"buy","timestamp":"2015-02-28",{member}}}"#);
        check_tight(&individual(&event), &format!("/events/0{expect}"));
    }
    let shared = |channel: &str, value: &str| {
        let id = format!(r#"{{"name":"phone","value":{value}}}"#);
        format!(
            r#"{{"channel":"{channel}","identifiers":[{id}],"events":[{{"code":"buy","timestamp":"2015-02-28"}}]}}"#
        )
    };
    check_tight(&shared("1234567890123", "1"), "/channel too-long");
    check_tight(&shared("web", "12345"), "/identifiers/0/value too-long");
}

#[test]
fn more_than_can_be_kept_is_refused() {
    let keeping = with(Strictness::Lenient, RefusedEvents::Quarantine);
    let body = individual(r#"{"code":"what"},{"code":"what"}"#);
    let invalid = parse(body.as_bytes(), &keeping, now(), &tight()).expect_err("too much to keep");
    assert!(violations_summary(&invalid.violations).contains("\nbody too-many"));
}

/// The kept body is a call of its own: publishing it again, repaired, is all it takes.
#[test]
fn quarantine_takes_the_good_events_and_keeps_the_others() {
    let keeping = with(Strictness::Strict, RefusedEvents::Quarantine);
    for (body, taken, kept) in [
        (
            r#"{"channel":"web","provider":"x","identifiers":[ {"name":"emailId","value":"a", "x":1} ],
                "events":[{"code":"buy","timestamp":"2015-02-28"},{"code":"Buy", "timestamp":"2015-02-28"},5]}"#,
            "web emailId=a: buy@2015-02-28",
            &[
                (
                    r#"{"channel":"web","identifiers":[ {"name":"emailId","value":"a", "x":1} ],"events":[{"code":"Buy", "timestamp":"2015-02-28"}]}"#,
                    "/events/0/code unknown-event-type",
                ),
                (
                    r#"{"channel":"web","identifiers":[ {"name":"emailId","value":"a", "x":1} ],"events":[5]}"#,
                    "/events/0 type",
                ),
            ][..],
        ),
        (
            r#"{"events":[{"code":"buy","timestamp":"x","channel":"web","identifiers":[{"name":"emailId","value":"a"}]},
                          {"code":"buy","timestamp":"2015-02-28","channel":"web","identifiers":[{"name":"emailId","value":"a"}]}]}"#,
            "web emailId=a: buy@2015-02-28",
            &[(
                r#"{"events":[{"code":"buy","timestamp":"x","channel":"web","identifiers":[{"name":"emailId","value":"a"}]}]}"#,
                "/events/0/timestamp timestamp",
            )],
        ),
        (
            r#"{"channel":"web","eventbatch":[
                {"identifiers":[{"name":"emailId","value":"a"}],"events":[{"code":"buy"},{"code":"buy","attributes":{"x":1}}]},
                {"identifiers":[{"name":"nobody","value":"a"}],"events":[{"code":"buy"}]}]}"#,
            "web emailId=a: buy@2026-01-02T03:04:05.678Z",
            &[
                (
                    r#"{"channel":"web","eventbatch":[{"identifiers":[{"name":"emailId","value":"a"}],"events":[{"code":"buy","attributes":{"x":1}}]}]}"#,
                    "/eventbatch/0/events/0/attributes/x undeclared-attribute",
                ),
                (
                    r#"{"channel":"web","eventbatch":[{"identifiers":[{"name":"nobody","value":"a"}],"events":[{"code":"buy"}]}]}"#,
                    "/eventbatch/0/identifiers/0/name unknown-identifier",
                ),
            ],
        ),
    ] {
        let parsed = parse(body.as_bytes(), &keeping, now(), &PostLimits::default())
            .expect("the envelope is fine");
        assert_eq!(summary(&parsed), taken);
        let found: Vec<(String, String)> = refused(&parsed)
            .iter()
            .map(|kept| {
                let violations: Vec<Violation> =
                    serde_json::from_str(&kept.violations).expect("violations");
                (kept.body.to_string(), violations_summary(&violations))
            })
            .collect();
        let expect: Vec<(String, String)> = kept
            .iter()
            .map(|(b, v)| ((*b).to_owned(), (*v).to_owned()))
            .collect();
        assert_eq!(found, expect);
        assert_eq!(parsed.quarantined as usize, kept.len());
        for (entry, place) in parsed.entries.iter().zip(0..) {
            let (Entry::Document(Document { ordinal, .. })
            | Entry::Refused(Refused { ordinal, .. })) = entry;
            assert_eq!(*ordinal, place);
        }
    }
}

#[test]
fn a_bad_envelope_is_refused_even_where_events_are_kept() {
    let keeping = with(Strictness::Lenient, RefusedEvents::Quarantine);
    check_with(&keeping, "{}", "/events required");
    check_with(
        &keeping,
        r#"{"channel":"web","eventbatch":[{"identifiers":[{"name":"emailId","value":"a"}],"events":[{"code":"what"}]},5]}"#,
        "/eventbatch/0/events/0/code unknown-event-type\n/eventbatch/1 type",
    );
}
