//! What is taken: every form, every tolerance, and the bytes that subscribers get.

use super::*;

const AT: &str = "2015-02-28T20:16:12Z";

#[test]
fn individual_events_share_identifiers_and_channel() {
    check(
        r#"{"channel":"web","identifiers":[{"name":"emailId","value":"a@x.org"},{"name":"phone","value":12345}],
            "events":[{"code":"buy","timestamp":"2015-02-28T20:16:12Z",
                       "attributes":[{"name":"total","value":"125.53","type":"number"},{"name":"note","value":"hi"}]},
                      {"code":"application/look","timestamp":"2015-02-28T20:16:13Z"}]}"#,
        "web emailId=a@x.org phone=12345: buy@2015-02-28T20:16:12Z total=125.53:number note=hi:string; \
         application/look@2015-02-28T20:16:13Z",
    );
}

#[test]
fn individual_events_may_each_name_their_channel() {
    check(
        r#"{"identifiers":[{"name":"emailId","value":"a"}],
            "events":[{"code":"buy","timestamp":"2015","channel":"web"}]}"#,
        "/events/0/timestamp timestamp",
    );
    check(
        r#"{"identifiers":[{"name":"emailId","value":"a"}],
            "events":[{"code":"buy","timestamp":"2015-02-28","channel":"web"},
                      {"code":"buy","timestamp":"2015-03-01","channel":"app"},
                      {"code":"buy","timestamp":"2015-03-02","channel":"web"}]}"#,
        "web emailId=a: buy@2015-02-28; buy@2015-03-02
         app emailId=a: buy@2015-03-01",
    );
}

#[test]
fn a_simple_batch_is_a_document_for_each_event() {
    check(
        r#"{"events":[
            {"code":"buy","timestamp":"2015-02-28T20:16:12Z","channel":"web","identifiers":[{"name":"emailId","value":"a"}]},
            {"code":"buy","timestamp":"2015-02-28T20:16:12Z","channel":"app","identifiers":[{"name":"phone","value":"1"}]}]}"#,
        "web emailId=a: buy@2015-02-28T20:16:12Z
         app phone=1: buy@2015-02-28T20:16:12Z",
    );
    check(
        r#"{"channel":"web","events":[
            {"code":"buy","timestamp":"2015-02-28T20:16:12Z","identifiers":[{"name":"emailId","value":"a"}]},
            {"code":"buy","timestamp":"2015-02-28T20:16:12Z","identifiers":[{"name":"emailId","value":"a"}]}]}"#,
        "web emailId=a: buy@2015-02-28T20:16:12Z
         web emailId=a: buy@2015-02-28T20:16:12Z",
    );
}

#[test]
fn a_compound_batch_is_a_document_for_each_group_and_channel() {
    // Channel in the events; no timestamp, so the time of arrival.
    check(
        r#"{"provider":"Acoustic","eventbatch":[
            {"identifiers":[{"name":"emailId","value":"a"}],
             "events":[{"code":"buy","channel":"web","attributes":[{"name":"note","value":"x"},{"total":"1"}]},
                       {"code":"buy","channel":"app","timestamp":null}]},
            {"identifiers":[{"name":"emailId","value":"b","channel":"web","provider":"Acoustic"}],
             "events":[{"code":"application/look","channel":"web","timestamp":"2015-02-28"}]}]}"#,
        "web emailId=a: buy@2026-01-02T03:04:05.678Z note=x:string total=1:number
         app emailId=a: buy@2026-01-02T03:04:05.678Z
         web emailId=b: application/look@2015-02-28",
    );
    // Channel at the top.
    check(
        r#"{"provider":"Acoustic","channel":"web","eventbatch":[
            {"identifiers":[{"name":"emailId","value":"a"}],"events":[{"code":"buy"},{"code":"buy"}]}]}"#,
        "web emailId=a: buy@2026-01-02T03:04:05.678Z; buy@2026-01-02T03:04:05.678Z",
    );
    // Channel in the groups; identifiers in the events of one.
    check(
        r#"{"eventbatch":[
            {"channel":"web","identifiers":[{"name":"emailId","value":"a"}],"events":[{"code":"buy"}]},
            {"channel":"app","events":[{"code":"buy","identifiers":[{"name":"phone","value":"1"}]}]}]}"#,
        "web emailId=a: buy@2026-01-02T03:04:05.678Z
         app phone=1: buy@2026-01-02T03:04:05.678Z",
    );
}

#[test]
fn the_delivered_form_with_its_nulls_can_be_published() {
    check(
        r#"{"eventbatch":null,"version":"1","provider":"IBM","source":"EmailMarketing","channel":"Email","x1Id":null,
            "identifiers":[{"name":"emailId","value":"a","provider":null,"channel":null,"source":null,"isOriginal":true}],
            "events":[{"code":"buy","timestamp":"2015-02-28T20:16:12Z","channel":null,"identifiers":null,
                       "namespace":"com.ibm.commerce.ubx","version":"1","eventId":null,
                       "attributes":[{"name":"total","value":null,"type":null}]}]}"#,
        "Email emailId=a: buy@2015-02-28T20:16:12Z total=(null):number",
    );
}

#[test]
fn attributes_come_in_many_shapes() {
    for (attributes, expect) in [
        ("null", ""),
        ("[]", ""),
        ("[null]", ""),
        (
            r#"[{"name":"note","value":"x","type":"text"}]"#,
            " note=x:text",
        ),
        (
            r#"[{"type":"t","value":true,"name":"gift"}]"#,
            " gift=true:t",
        ),
        (r#"[{"name":"note"}]"#, " note=(null):string"),
        (
            r#"[{"note":"x"},{"total":5}]"#,
            " note=x:string total=5:number",
        ),
        (
            r#"[{"note":"x","total":"5"}]"#,
            " note=x:string total=5:number",
        ),
        (r#"[{"type":"x"}]"#, " type=x:string"),
        (
            r#"{"note":"x","total":5,"gift":null}"#,
            " note=x:string total=5:number gift=(null):BOOLEAN",
        ),
        (r#"{"name":"note","value":"x"}"#, " note=x:string"),
        (
            r#"[{"name":"total","value":125.530}]"#,
            " total=125.530:number",
        ),
        (
            r#"[{"name":"total","value":-1.0E+2,"type":""}]"#,
            " total=-1.0E+2:number",
        ),
        (
            r#"[{"name":"count","value":9007199254740993000000001}]"#,
            " count=9007199254740993000000001:Integer",
        ),
        (r#"[{"name":"friend","value":"b@x"}]"#, " friend=b@x:email"),
        (
            r#"[{"n\u006fte":"\u00e9\n\"\/"}]"#,
            " note=\u{e9}\n\"/:string",
        ),
        (
            r#"[{"name":"no\u0074e","value":"\ud83d\ude00","type":"a\tb"}]"#,
            " note=\u{1f600}:a\tb",
        ),
        (r#"[{"we \"quote\"":"x"}]"#, " we \"quote\"=x:string"),
        (
            r#"[{"name":"note","value":"x","type":"t","unknown":[{"deep":{}}]}]"#,
            " note=x:t",
        ),
    ] {
        let body = format!(
            r#"{{"channel":"web","identifiers":[{{"name":"emailId","value":"a"}}],
                "events":[{{"code":"buy","timestamp":"{AT}","attributes":{attributes}}}]}}"#
        );
        let expect = format!("web emailId=a: buy@{AT}{expect}");
        assert_eq!(outcome(&shop(), &body), expect, "{attributes}");
    }
}

#[test]
fn identifiers_without_a_value_beside_others_say_nothing() {
    check(
        r#"{"channel":"web","identifiers":[{"name":"phone","value":null},{"name":"phone"},null,{"name":"phone","value":""},
                                           {"name":"emailId","value":"a"},{"name":"emailId","value":"b"}],
            "events":[{"code":"buy","timestamp":"2015-02-28"}]}"#,
        "web emailId=a emailId=b: buy@2015-02-28",
    );
}

#[test]
fn unknown_members_are_ignored_and_names_are_exact() {
    check(
        r#"{"Channel":5,"channel":"web","x":{"a":[1,{}]},"Events":1,"x":2,"identifiers":[{"name":"emailId","value":"a","Value":{}}],
            "events":[{"code":"buy","Code":7,"timestamp":"2015-02-28","Attributes":"x"}]}"#,
        "web emailId=a: buy@2015-02-28",
    );
}

/// Wire contract, "What subscribers get": members, their order, and every value as it came.
#[test]
fn the_body_is_what_subscribers_get() {
    let body = r#"{"channel":"Email","identifiers":[{"name":"emailId","value":"ubxdemo@example.com"}],
        "events":[{"code":"send","timestamp":"2010-07-29T13:33:59.028Z",
                   "attributes":[{"name":"messageId","value":"11835","type":"number"}]}]}"#;
    let publisher = shop();
    let parsed =
        parse(body.as_bytes(), &publisher, now(), &PostLimits::default()).expect("it is fine");
    let event = &documents(&parsed)[0].events[0];
    assert_eq!(
        event.body,
        r#"{"code":"send","timestamp":"2010-07-29T13:33:59.028Z","namespace":"com.ibm.commerce.ubx","version":"1","#.to_owned()
            + r#""attributes":[{"name":"messageId","value":"11835","type":"number"}]}"#
    );
    assert_eq!(event.happened_at_us, 1_280_410_439_028_000);
    assert_eq!(
        (&*event.code, &*event.namespace, event.ordinal),
        ("send", NAMESPACE_DEFAULT, 0)
    );
}

/// Escapes are copied, not decoded; what we write ourselves is escaped where it must be.
#[test]
fn strings_are_copied_as_they_came() {
    let body = r#"{"channel":"E\u006dail","identifiers":[{"name":"email\u0049d","value":"a\/b"}],
        "events":[{"code":"application\/look","timestamp":"2010-07-29T13:33:59\u005a","attributes":{"caf\u00e9 \"1\"":false}},
                  {"code":"send","namespace":"own \"space\"","timestamp":"2010-07-29"}]}"#;
    let publisher = shop();
    let parsed =
        parse(body.as_bytes(), &publisher, now(), &PostLimits::default()).expect("it is fine");
    let document = documents(&parsed)[0];
    assert_eq!(document.channel, "Email");
    assert_eq!(
        (
            &*document.identifiers[0].name,
            &*document.identifiers[0].value
        ),
        ("emailId", "a/b")
    );
    assert_eq!(document.events[0].code, "application/look");
    assert_eq!(
        document.events[0].body,
        r#"{"code":"application\/look","timestamp":"2010-07-29T13:33:59\u005a","namespace":"com.ibm.commerce.ubx","#.to_owned()
            + r#""version":"1","attributes":[{"name":"café \"1\"","value":"false","type":"string"}]}"#
    );
    assert_eq!(
        document.events[1].body,
        r#"{"code":"send","timestamp":"2010-07-29","namespace":"own \"space\"","version":"1","attributes":[]}"#
    );
}

#[test]
fn a_document_says_who_published_it_and_when() {
    let body = r#"{"events":[
        {"code":"buy","timestamp":"2015-02-28","channel":"web","identifiers":[{"name":"emailId","value":"a"}]},
        {"code":"buy","timestamp":"2015-02-28","channel":"app","identifiers":[{"name":"phone","value":"1"}]}]}"#;
    let publisher = shop();
    let parsed =
        parse(body.as_bytes(), &publisher, now(), &PostLimits::default()).expect("it is fine");
    assert_eq!((parsed.accepted, parsed.quarantined), (2, 0));
    for (document, place) in documents(&parsed).into_iter().zip(0..) {
        assert_eq!(
            (document.account, document.endpoint),
            (AccountId(3), EndpointId(7))
        );
        assert_eq!(
            (&*document.provider, &*document.source),
            ("IBM", "EmailMarketing")
        );
        assert_eq!(document.published_at_us, now().as_microsecond());
        assert_eq!(
            (document.ordinal, document.events[0].ordinal),
            (place, place)
        );
        assert_eq!((document.x1_id, document.idempotency), (None, None));
    }
    assert_eq!(documents(&parsed)[1].identifiers[0].kind, "mobileNumber");
}

#[test]
fn an_event_chooses_among_types_of_the_same_code() {
    for (members, namespace, version) in [
        ("", NAMESPACE_DEFAULT, "1"),
        (r#","version":2"#, NAMESPACE_DEFAULT, "2"),
        (r#","version":"2","namespace":null"#, NAMESPACE_DEFAULT, "2"),
        (r#","version":1"#, NAMESPACE_DEFAULT, "1"),
        (
            r#","namespace":"com.ibm.commerce.ubx""#,
            NAMESPACE_DEFAULT,
            "1",
        ),
        (
            r#","namespace":"own \"space\"","version":"1""#,
            "own \"space\"",
            "1",
        ),
    ] {
        let body = format!(
            r#"{{"channel":"web","identifiers":[{{"name":"emailId","value":"a"}}],
                "events":[{{"code":"send","timestamp":"2015-02-28"{members}}}]}}"#
        );
        let publisher = shop();
        let parsed =
            parse(body.as_bytes(), &publisher, now(), &PostLimits::default()).expect("it is fine");
        let event = &documents(&parsed)[0].events[0];
        let rendered: Value = serde_json::from_str(&event.body).expect("JSON");
        assert_eq!(
            (&*event.namespace, text_of(&rendered["version"])),
            (namespace, version),
            "{members}"
        );
        assert_eq!(text_of(&rendered["namespace"]), namespace);
    }
}

#[test]
fn an_event_id_is_taken_once_in_a_call() {
    let body = r#"{"channel":"web","identifiers":[{"name":"emailId","value":"a"}],"events":[
        {"code":"buy","timestamp":"2015-02-28","eventId":"7"},{"code":"buy","timestamp":"2015-03-01","eventId":7},
        {"code":"buy","timestamp":"2015-03-02","eventId":"\u0037"},{"code":"buy","timestamp":"2015-03-03","eventId":"8"},
        {"code":"buy","timestamp":"2015-03-04"},{"code":"buy","timestamp":"2015-03-05","eventId":""}]}"#;
    let publisher = shop();
    let parsed =
        parse(body.as_bytes(), &publisher, now(), &PostLimits::default()).expect("it is fine");
    assert_eq!(
        summary(&parsed),
        "web emailId=a: buy@2015-02-28; buy@2015-03-03; buy@2015-03-04; buy@2015-03-05"
    );
    assert_eq!(parsed.accepted, 6);
    let events = &documents(&parsed)[0].events;
    let ordinals: Vec<u32> = events.iter().map(|event| event.ordinal).collect();
    assert_eq!(ordinals, [0, 3, 4, 5]);
    assert_eq!(
        parsed.keys,
        [
            events[0].key.expect("it has an id"),
            events[1].key.expect("it has an id")
        ]
    );
    assert_eq!(events[2].key, None);

    // Another endpoint's `7` is another event.
    let mut other = shop();
    other.endpoint = EndpointId(8);
    let elsewhere =
        parse(body.as_bytes(), &other, now(), &PostLimits::default()).expect("it is fine");
    assert_ne!(elsewhere.keys[0], parsed.keys[0]);
}

#[test]
fn a_repeat_alone_makes_no_document() {
    let body = r#"{"channel":"web","events":[
        {"code":"buy","timestamp":"2015-02-28","eventId":"7","identifiers":[{"name":"emailId","value":"a"}]},
        {"code":"buy","timestamp":"2015-02-28","eventId":"7","identifiers":[{"name":"emailId","value":"a"}]}]}"#;
    let publisher = shop();
    let parsed =
        parse(body.as_bytes(), &publisher, now(), &PostLimits::default()).expect("it is fine");
    assert_eq!((parsed.entries.len(), parsed.accepted), (1, 2));
}
