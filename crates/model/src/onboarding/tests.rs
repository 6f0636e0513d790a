//! What an onboarding document may say, what each mistake in one is answered, and what is made of the answers.

#![expect(
    clippy::needless_pass_by_value,
    reason = "cases read better without ampersands"
)]

use proptest::prelude::*;
use serde_json::json;

use super::*;

/// A document that says everything.
fn direct() -> Value {
    json!({
        "onboardingType": "DIRECTCONNECT", "instructions": "Sign in and wait.", "connectUrl": "https://acme.example/connect",
        "includeSubscriptionNotifications": true, "subscriptionNotificationUrl": "https://acme.example/told", "notificationType": "PUBLISHER_V1_2",
        "authentication": { "authType": "Basic", "userID": "PROMPT", "password": "PROMPT" },
        "extraFields": [
            { "name": "region", "value": "eu" },
            { "name": "tenant", "value": "PROMPT", "displayName": "Number of your tenant", "type": "Integer" },
        ],
    })
}

fn read(body: &Value) -> Onboarding {
    Onboarding::parse(body).unwrap_or_else(|invalid| panic!("{body}: {invalid}"))
}

#[track_caller]
fn refused(body: Value, expected: &[&str]) {
    let invalid = Onboarding::parse(&body).expect_err("refused");
    let mut found: Vec<&str> = invalid
        .violations
        .iter()
        .map(|v| v.pointer.as_str())
        .collect();
    found.sort_unstable();
    let mut expected = expected.to_vec();
    expected.sort_unstable();
    assert_eq!(found, expected, "{body}");
}

fn with(name: &str, value: Value) -> Value {
    let mut body = direct();
    body[name] = value;
    body
}

#[test]
fn the_published_forms_are_read() {
    let onboarding = read(&direct());
    assert_eq!(onboarding.kind, OnboardingType::DirectConnect);
    assert_eq!(
        onboarding.connect_url.as_deref(),
        Some("https://acme.example/connect")
    );
    let told = onboarding.notifications.expect("wanted");
    assert_eq!(
        (told.url.as_str(), told.kind),
        ("https://acme.example/told", NotificationType::PublisherV1_2)
    );

    let least = read(&json!({ "onboardingType": "instructionsonly" }));
    assert_eq!(
        (least.kind, least.notifications),
        (OnboardingType::InstructionsOnly, None)
    );

    let spelled = json!({
        "onboardingType": "DIRECTCONNECT", "connectURL": "http://acme.example", "includeSubscriptionNotifications": "true",
        "subscriptionNotificationURL": "http://acme.example/told",
        "authentication": { "authType": "APIKey", "apikey": "k" }, "extraFields": null, "invented": [],
    });
    let spelled = read(&spelled);
    assert!(spelled.connect_url.is_some() && spelled.notifications.is_some());
    let not_told = read(&with("includeSubscriptionNotifications", json!("false")));
    assert_eq!(not_told.notifications, None);
}

#[test]
fn every_wrong_member_is_told_at_once() {
    refused(json!("x"), &[""]);
    refused(json!({}), &["/onboardingType"]);
    refused(
        json!({ "onboardingType": "DIRECTCONNECT" }),
        &["/authentication", "/connectUrl"],
    );
    refused(
        json!({ "onboardingType": "DIRECTCONNECT", "connectURL": "", "authentication": {} }),
        &["/connectURL", "/authentication/authType"],
    );
    refused(
        json!({
            "onboardingType": "MAYBE", "instructions": [], "connectUrl": "acme.example", "includeSubscriptionNotifications": "yes",
            "subscriptionNotificationUrl": 7, "notificationType": "V2", "authentication": { "authType": "OAuth", "authURL": "PROMPT", "clientID": {} },
            "extraFields": [5, {}, { "name": "n", "value": true, "type": "Date" }, { "name": "n", "value": "x1", "type": "Integer" },
                { "name": [], "displayName": 5.5, "value": "********" }],
        }),
        &[
            "/onboardingType",
            "/instructions",
            "/connectUrl",
            "/includeSubscriptionNotifications",
            "/subscriptionNotificationUrl",
            "/notificationType",
            "/authentication/authURL",
            "/authentication/clientID",
            "/authentication/clientSecret",
            "/authentication/refreshToken",
            "/extraFields/0",
            "/extraFields/1/name",
            "/extraFields/2/value",
            "/extraFields/2/type",
            "/extraFields/3/value",
            "/extraFields/3/name",
            "/extraFields/4/name",
            "/extraFields/4/value",
        ],
    );
    refused(
        with("subscriptionNotificationUrl", Value::Null),
        &["/subscriptionNotificationUrl"],
    );
    refused(
        with(
            "extraFields",
            json!([{ "name": "Password", "value": "PROMPT" }]),
        ),
        &["/extraFields/0/name"],
    );
    refused(
        with("extraFields", json!(vec![json!({ "name": "x" }); 51])),
        &["/extraFields"],
    );
    refused(with("extraFields", json!({})), &["/extraFields"]);
    refused(with("authentication", json!("Basic")), &["/authentication"]);
    refused(
        with("instructions", json!("x".repeat(4_001))),
        &["/instructions"],
    );
    refused(with("notes", json!("x".repeat(DOCUMENT_BYTES_MAX))), &[""]);
}

#[test]
fn a_mask_keeps_the_secret_for_the_hosts_it_was_given_for() {
    let mut body = direct();
    body["authentication"] = json!({ "authType": "Basic", "userID": "ada", "password": "hush" });
    let stored = read(&body);
    mask(&mut body);
    assert_eq!(body["authentication"]["password"], MASK);
    assert!(!body.to_string().contains("hush"));
    assert_eq!(read(&body).keep(Some(&stored)), Ok(stored.clone()));
    unmask(&mut body, stored.authentication.as_ref());
    assert_eq!(read(&body), stored);
    mask(&mut body);

    let none = read(&body).keep(None).expect_err("nothing is stored");
    assert_eq!(none.violations[0].pointer, "/authentication/password");
    for name in ["connectUrl", "subscriptionNotificationUrl"] {
        let mut moved = body.clone();
        moved[name] = "https://elsewhere.example/connect".into();
        let refused = read(&moved).keep(Some(&stored)).expect_err("another host");
        assert_eq!(refused.violations[0].pointer, "/authentication/password");
    }
    let prompted = read(&direct());
    assert_eq!(
        prompted.clone().keep(None),
        Ok(prompted),
        "prompts are no masks"
    );
}

fn values(values: Value) -> Map<String, Value> {
    values.as_object().cloned().expect("an object")
}

#[test]
fn answers_take_the_place_of_prompts() {
    let onboarding = read(&direct());
    let asked: Vec<(String, bool, FieldType)> = onboarding
        .prompts()
        .into_iter()
        .map(|p| (p.label, p.is_secret, p.kind))
        .collect();
    assert_eq!(
        asked,
        [
            ("User name".to_owned(), false, FieldType::String),
            ("Password".to_owned(), true, FieldType::String),
            (
                "Number of your tenant".to_owned(),
                false,
                FieldType::Integer
            ),
        ]
    );
    let answered = onboarding
        .fill(&values(
            json!({ "userId": "ada", "password": "hush", "tenant": " 12 " }),
        ))
        .expect("all is answered");
    let basic = json!({ "authType": "Basic", "userID": "ada", "password": "hush" });
    assert_eq!(answered.authentication.map(|a| a.to_json()), Some(basic));
    assert_eq!(
        Value::Object(answered.extra_fields),
        json!({ "region": "eu", "tenant": 12 })
    );
}

#[test]
fn every_answer_that_is_missing_or_wrong_is_told() {
    let onboarding = read(&direct());
    let check = |answers: Value, expected: &[&str]| {
        let invalid = onboarding.fill(&values(answers)).expect_err("refused");
        let found: Vec<&str> = invalid
            .violations
            .iter()
            .map(|v| v.pointer.as_str())
            .collect();
        assert_eq!(found, expected);
    };
    check(
        json!({}),
        &["/values/userID", "/values/password", "/values/tenant"],
    );
    check(
        json!({ "userID": "a:b", "password": "", "tenant": "twelve", "other/one": 1 }),
        &[
            "/values/other~1one",
            "/values/userID",
            "/values/password",
            "/values/tenant",
        ],
    );
    check(
        json!({ "userID": "PROMPT", "password": MASK, "tenant": 1.5 }),
        &["/values/userID", "/values/tenant"],
    );
    check(
        json!({ "userID": "ada", "password": MASK, "tenant": 1 }),
        &["/values/password"],
    );
}

#[test]
fn who_only_instructs_asks_for_what_notifications_need() {
    let mut body = with("onboardingType", json!("INSTRUCTIONSONLY"));
    let names = |body: &Value| -> Vec<String> {
        read(body).prompts().into_iter().map(|p| p.name).collect()
    };
    assert_eq!(names(&body), ["userID", "password"]);
    body["includeSubscriptionNotifications"] = json!(false);
    assert_eq!(names(&body), Vec::<String>::new());
    let answered = read(&body).fill(&Map::new()).expect("nothing is asked");
    assert_eq!(
        (answered.authentication, answered.extra_fields.len()),
        (None, 0)
    );
}

/// Members of the document, and others, with anything in any place.
fn anything() -> impl Strategy<Value = Value> + Clone {
    const NAMES: &[&str] = &[
        "onboardingType",
        "instructions",
        "connectUrl",
        "connectURL",
        "CONNECTURL",
        "includeSubscriptionNotifications",
        "subscriptionNotificationUrl",
        "notificationType",
        "authentication",
        "authType",
        "userID",
        "userId",
        "password",
        "apikey",
        "APIKey",
        "authURL",
        "clientID",
        "clientSecret",
        "refreshToken",
        "supplierKey",
        "extraFields",
        "name",
        "value",
        "displayName",
        "type",
        "other",
    ];
    const TEXTS: &[&str] = &[
        "DIRECTCONNECT",
        "INSTRUCTIONSONLY",
        "Basic",
        "APIKey",
        "OAuth",
        "OAuthRefreshTokenOnly",
        "PROMPT",
        MASK,
        "true",
        "Integer",
        "12",
        "https://acme.example",
        "PUBLISHER_V1_3",
        "",
    ];
    fuzzing::documents::json(NAMES, TEXTS)
}

/// A sound document with some members replaced by anything.
fn changed() -> impl Strategy<Value = Value> {
    const PLACES: &[&str] = &[
        "/onboardingType",
        "/connectUrl",
        "/includeSubscriptionNotifications",
        "/subscriptionNotificationUrl",
        "/notificationType",
        "/authentication",
        "/authentication/authType",
        "/authentication/password",
        "/extraFields",
        "/extraFields/0",
        "/extraFields/1/name",
        "/extraFields/1/value",
        "/extraFields/1/type",
    ];
    fuzzing::documents::changed(direct(), PLACES, anything())
}

#[test]
fn fuzz_any_document_is_taken_or_refused_and_none_shows_its_secrets() {
    fuzzing::run(&prop_oneof![anything(), changed()], |mut body| {
        let read = Onboarding::parse(&body);
        if let Err(invalid) = &read {
            prop_assert!(!invalid.is_empty());
            for violation in &invalid.violations {
                prop_assert!(
                    !violation.message.is_empty() && violation.message.len() < 1_000,
                    "{}",
                    violation
                );
            }
        }
        if let Ok(onboarding) = read {
            let sealed = onboarding.clone().keep(None);
            mask(&mut body);
            // What is shown can be sent back, and means the same with the stored secrets in it.
            let again = Onboarding::parse(&body).expect("what is shown is sound");
            if let Ok(stored) = sealed {
                prop_assert_eq!(again.keep(Some(&stored)), Ok(stored));
            }
        }
        Ok(())
    });
}

#[test]
fn fuzz_any_answers_are_taken_or_refused() {
    let answers = prop::collection::vec(
        (
            prop::sample::select(vec![
                "userID", "USERID", "password", "tenant", "region", "other",
            ]),
            anything(),
        ),
        0..6,
    );
    let onboarding = read(&direct());
    fuzzing::run(&answers, |answers| {
        let values: Map<String, Value> = answers
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect();
        if let Ok(answered) = onboarding.fill(&values) {
            prop_assert!(answered.extra_fields["tenant"].is_i64());
            let credentials = answered.authentication.expect("they were asked for");
            prop_assert!(credentials.prompts().is_empty());
            prop_assert!(!credentials.secrets().contains(&MASK));
        }
        Ok(())
    });
}
