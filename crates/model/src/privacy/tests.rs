//! Requests as they are asked, and people as they are found.

use serde_json::json;

use super::*;
use crate::hashing;

fn named(kind: &str, value: &str) -> Named {
    Named {
        kind: kind.to_owned(),
        value: value.to_owned(),
        is_hashed: false,
    }
}

fn finder(people: &[Named]) -> Finder {
    let key = (DigestKey([3; 32]), AccountId(1));
    Finder::new(key, None, people.to_vec()).expect("few of them")
}

#[test]
fn a_request_says_what_is_wrong_with_it() {
    let read = |value: Value| Ask::read(&value);
    let ask = read(json!({ "operationType": "REMOVE", "generateOutput": "true", "more": 1 }));
    let expected = Ask {
        operation: Operation::Erase,
        is_listed: true,
    };
    assert_eq!(ask, Ok(expected));
    assert!(
        !read(json!({ "operationType": "export" }))
            .expect("fine")
            .is_listed
    );
    for (value, pointers) in [
        (json!({}), vec!["/operationType"]),
        (json!("remove"), vec!["/operationType"]),
        (
            json!({ "operationType": "delete", "generateOutput": 1 }),
            vec!["/operationType", "/generateOutput"],
        ),
    ] {
        let invalid = read(value).expect_err("refused");
        let found: Vec<_> = invalid
            .violations
            .iter()
            .map(|it| it.pointer.as_str())
            .collect();
        assert_eq!(found, pointers);
    }
}

#[test]
fn columns_are_types_names_of_endpoints_or_pairs() {
    let columns = |names: &[&str]| {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        Columns::of(&names, |name| {
            (name == "Mail address").then(|| "email".to_owned())
        })
    };
    let rows = columns(&["Mail address", "customerId"]).named(&["a@example.com", " 7 "]);
    assert_eq!(
        rows,
        [named("email", "a@example.com"), named("customerId", "7")]
    );
    let rows = columns(&["email", "customerId"]).named(&["", "7"]);
    assert_eq!(rows, [named("customerId", "7")]);
    let rows = columns(&["Value", "Type"]).named(&["7", "customerId"]);
    assert_eq!(rows, [named("customerId", "7")]);
}

#[test]
fn people_are_found_in_every_spelling() {
    let finder = finder(&[named("email", "Ann@Example.com"), named("customerId", "77")]);
    let sha = hashing::hash(HashAlgorithm::EmailSha256, "ann@example.com", None).expect("hashes");
    let base64 = STANDARD.encode(unhex(&sha).expect("hex"));
    for text in [
        "to: ann@example.com.",
        "\"ANN@EXAMPLE.COM\"",
        &sha,
        &sha.to_uppercase(),
        &format!("<{base64}>"),
    ] {
        assert!(finder.is_in(text.as_bytes()), "{text}");
    }
    for text in ["joann@example.com", "ann@example.community", "77", ""] {
        assert!(!finder.is_in(text.as_bytes()), "{text}");
    }
    assert!(finder.is_named(&named("CustomerID", "77").subject()));
    assert!(!finder.is_named(&named("customerId", "78").subject()));
    let hashed = Named {
        is_hashed: true,
        ..named("email", &sha)
    };
    assert!(finder.is_named(&hashed.subject()));
}

#[test]
fn who_is_known_by_a_hash_is_found_by_the_clear_value() {
    let sha = hashing::hash(HashAlgorithm::Sha256, "ann@example.com", None).expect("hashes");
    let finder = finder(&[Named {
        is_hashed: true,
        ..named("email", &sha)
    }]);
    assert!(finder.is_named(&named("email", "ann@example.com").subject()));
    assert!(!finder.is_named(&named("email", "bob@example.com").subject()));
}
