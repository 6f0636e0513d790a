//! What documents state to sign in: every spelling and every mistake, as data; masks, prompts and secrets that stay
//! hidden.

use proptest::prelude::*;
use serde_json::json;

use super::*;

#[expect(clippy::needless_pass_by_value, reason = "tests pass literals")]
fn read(body: Value, prompts: Prompts) -> Result<Authentication, Vec<(String, String)>> {
    let mut invalid = Invalid::default();
    let read = Reader::new(&body, "/authentication", &mut invalid)
        .and_then(|reader| Authentication::read(&reader, prompts, &mut invalid));
    assert_eq!(read.is_none(), !invalid.is_empty(), "{invalid}");
    read.ok_or_else(|| {
        let violations = invalid.violations.into_iter();
        violations.map(|v| (v.pointer, v.code)).collect()
    })
}

#[track_caller]
fn refused(body: Value, prompts: Prompts, expected: &[(&str, &str)]) {
    let found = read(body, prompts).expect_err("refused");
    let found: Vec<(&str, &str)> = found
        .iter()
        .map(|(p, c)| (p.as_str(), c.as_str()))
        .collect();
    assert_eq!(found, expected);
}

fn samples() -> [Value; 4] {
    [
        json!({ "authType": "APIKey", "APIKey": "k-1" }),
        json!({ "authType": "Basic", "userID": "ada", "password": "p w:\u{fc}" }),
        json!({ "authType": "OAuth", "authURL": "https://id.example/token", "clientID": "c", "clientSecret": "s", "refreshToken": "r" }),
        json!({ "authType": "OAuthRefreshTokenOnly", "authURL": "https://id.example/token", "supplierKey": "sup", "refreshToken": "r" }),
    ]
}

#[test]
fn each_scheme_is_read_and_rests_as_it_was_sent() {
    for sample in samples() {
        let read = read(sample.clone(), Prompts::Refused).expect("sound");
        assert_eq!(read.to_json(), sample);
        assert_eq!(
            Authentication::from_json(&read.to_json()).expect("sound"),
            read
        );
    }
}

#[test]
fn names_and_types_in_any_letter_case() {
    for body in [
        json!({ "authType": "basic", "userId": "ada", "password": "x" }),
        json!({ "AuthType": "BASIC", "userID": "ada", "Password": "x" }),
        json!({ "authtype": " Basic ", "userid": "ada", "userID": null, "password": "x" }),
    ] {
        let expected = Authentication::Basic {
            user_id: "ada".into(),
            password: Secret::new("x"),
        };
        assert_eq!(read(body, Prompts::Refused), Ok(expected));
    }
    let key = read(
        json!({ "authType": "apikey", "apikey": "k" }),
        Prompts::Refused,
    );
    assert_eq!(
        key,
        Ok(Authentication::ApiKey {
            key: Secret::new("k")
        })
    );
}

#[test]
fn every_member_that_is_wrong_is_named() {
    use Prompts::{Allowed, Refused};
    let at = "/authentication";
    refused(json!([]), Refused, &[(at, "type")]);
    refused(
        json!({}),
        Refused,
        &[("/authentication/authType", "required")],
    );
    refused(
        json!({ "authType": "" }),
        Refused,
        &[("/authentication/authType", "required")],
    );
    refused(
        json!({ "authType": "Digest" }),
        Refused,
        &[("/authentication/authType", "unknown-value")],
    );
    refused(
        json!({ "authType": 7 }),
        Refused,
        &[("/authentication/authType", "unknown-value")],
    );
    refused(
        json!({ "authType": [] }),
        Refused,
        &[("/authentication/authType", "type")],
    );
    refused(
        json!({ "authType": "APIKey" }),
        Refused,
        &[("/authentication/APIKey", "required")],
    );
    refused(
        json!({ "authType": "APIKey", "apikey": "a\nb" }),
        Refused,
        &[("/authentication/apikey", "characters")],
    );
    refused(
        json!({ "authType": "APIKey", "apikey": "gr\u{fc}n" }),
        Refused,
        &[("/authentication/apikey", "characters")],
    );
    refused(
        json!({ "authType": "Basic", "userId": "a:b", "password": {} }),
        Refused,
        &[
            ("/authentication/userId", "characters"),
            ("/authentication/password", "type"),
        ],
    );
    refused(
        json!({ "authType": "OAuth", "authURL": "ftp://x", "clientID": "", "clientSecret": "\u{7}" }),
        Refused,
        &[
            ("/authentication/authURL", "url"),
            ("/authentication/clientID", "required"),
            ("/authentication/clientSecret", "characters"),
            ("/authentication/refreshToken", "required"),
        ],
    );
    refused(
        json!({ "authType": "OAuthRefreshTokenOnly", "authURL": "PROMPT", "refreshToken": "x".repeat(5_000) }),
        Allowed,
        &[
            ("/authentication/authURL", "prompt"),
            ("/authentication/supplierKey", "required"),
            ("/authentication/refreshToken", "too-long"),
        ],
    );
}

#[test]
fn a_prompt_is_taken_only_where_somebody_can_be_asked() {
    let body = json!({ "authType": "Basic", "userID": "PROMPT", "password": "PROMPT" });
    refused(
        body.clone(),
        Prompts::Refused,
        &[
            ("/authentication/userID", "prompt"),
            ("/authentication/password", "prompt"),
        ],
    );
    let asks = read(body, Prompts::Allowed).expect("sound");
    let labels: Vec<&str> = asks.prompts().iter().map(|member| member.label).collect();
    assert_eq!(labels, ["User name", "Password"]);
    assert_eq!(asks.shown()["password"], PROMPT, "a prompt is no secret");
    // Only the exact word, as the published text says.
    for word in ["prompt", " PROMPT", "PROMPT "] {
        let body = json!({ "authType": "Basic", "userID": "a", "password": word });
        assert!(
            read(body, Prompts::Allowed)
                .expect("sound")
                .prompts()
                .is_empty()
        );
    }

    let answers = json!({ "userId": "ada", "Password": "x", "other": 1 });
    let mut invalid = Invalid::default();
    let filled = asks.fill(
        answers.as_object().expect("an object"),
        "/values",
        &mut invalid,
    );
    let expected = Authentication::Basic {
        user_id: "ada".into(),
        password: Secret::new("x"),
    };
    assert_eq!(filled, Some(expected));
    assert_eq!(asks.fill(&Map::new(), "/values", &mut invalid), None);
    let pointers: Vec<&str> = invalid
        .violations
        .iter()
        .map(|v| v.pointer.as_str())
        .collect();
    assert_eq!(pointers, ["/values/userID", "/values/password"]);
}

#[test]
fn secrets_are_masked_and_a_mask_keeps_them() {
    for sample in samples() {
        let stored = read(sample.clone(), Prompts::Refused).expect("sound");
        let shown = stored.shown();
        for secret in stored.secrets() {
            assert!(
                !shown
                    .as_object()
                    .expect("an object")
                    .values()
                    .any(|v| v == secret),
                "{shown}"
            );
        }
        let mut sent = sample.clone();
        mask(&mut sent);
        assert_eq!(sent, shown);

        let back = read(shown, Prompts::Refused).expect("sound");
        let mut invalid = Invalid::default();
        assert_eq!(
            back.clone().keep(Some(&stored), "/a", &mut invalid),
            Some(stored.clone())
        );
        assert!(invalid.is_empty());
        assert_eq!(back.keep(None, "/a", &mut invalid), None);
        assert_eq!(invalid.violations.len(), stored.secrets().len());
    }
}

#[test]
fn a_mask_keeps_nothing_of_another_scheme_or_for_another_host() {
    let [_, basic, mut oauth, _] = samples();
    let stored = read(oauth.clone(), Prompts::Refused).expect("sound");
    mask(&mut oauth);
    let keep = |body: Value| {
        let mut invalid = Invalid::default();
        let kept =
            read(body, Prompts::Refused)
                .expect("sound")
                .keep(Some(&stored), "/a", &mut invalid);
        (kept.is_some(), invalid.violations.len())
    };
    oauth["authURL"] = "HTTPS://ID.example:443/other".into();
    assert_eq!(keep(oauth.clone()), (true, 0), "the same host");
    oauth["authURL"] = "https://id.example.evil/token".into();
    assert_eq!(keep(oauth), (false, 2));
    let mut masked = basic;
    mask(&mut masked);
    assert_eq!(keep(masked), (false, 1));
}

#[test]
fn a_document_as_it_was_sent_is_masked_in_every_spelling() {
    let mut sent = json!({ "authType": "APIKey", "apikey": "k", "APIKEY": 7, "password": null, "clientID": "c", "REFRESHTOKEN": "PROMPT" });
    mask(&mut sent);
    assert_eq!(
        sent,
        json!({ "authType": "APIKey", "apikey": MASK, "APIKEY": MASK, "password": null, "clientID": "c", "REFRESHTOKEN": "PROMPT" })
    );
}

#[test]
fn a_pointer_is_spelt_as_the_document_is() {
    let document = json!({ "Authentication": { "apikey": "k", "APIKEY": null }, "a": [] });
    for (pointer, sent) in [
        ("/authentication/APIKey", "/Authentication/apikey"),
        ("/authentication/password", "/Authentication/password"),
        ("/A/b/c", "/a/b/c"),
        ("", ""),
    ] {
        assert_eq!(as_sent(&document, pointer), sent);
    }
}

#[test]
fn nothing_secret_is_printed() {
    let stored = read(
        json!({ "authType": "Basic", "userID": "ada", "password": "hunter2" }),
        Prompts::Refused,
    );
    assert!(!format!("{stored:?}").contains("hunter2"));
    let body = json!({ "authType": "APIKey", "apikey": "hunter2\n" });
    let mut invalid = Invalid::default();
    let reader = Reader::new(&body, "", &mut invalid).expect("an object");
    Authentication::read(&reader, Prompts::Refused, &mut invalid);
    assert!(!invalid.is_empty() && !invalid.to_string().contains("hunter2"));
}

proptest! {
    #[test]
    fn whatever_is_sent_gets_a_verdict(scheme in 0..4_usize, values in proptest::collection::vec("\\PC{0,20}|PROMPT|\\*{8}", 5)) {
        let mut body = samples()[scheme].clone();
        for (member, value) in body.as_object_mut().expect("an object").values_mut().zip(&values).skip(1) {
            *member = value.as_str().into();
        }
        for prompts in [Prompts::Allowed, Prompts::Refused] {
            if let Ok(read) = read(body.clone(), prompts) {
                prop_assert_eq!(Authentication::from_json(&read.to_json()), Ok(read));
            }
        }
    }
}
