//! The rules of identity, one by one; what holds of whole graphs; and the vectors of the keys.

use std::collections::BTreeSet;

use proptest::collection::vec;
use proptest::prelude::*;

use super::partition::{Node, crowded, partition};
use super::*;

const ACCOUNT: AccountId = AccountId(7);

fn told<'a>(kind: &'a str, value: &'a str, is_case_sensitive: bool) -> Told<'a> {
    Told {
        is_case_sensitive,
        ..Told::clear(kind, value)
    }
}

#[test]
fn letter_case_matters_only_where_it_was_said_to() {
    let key = |value, sensitive| told("Email", value, sensitive).key(ACCOUNT);
    assert_eq!(key(" Bob@X.com ", false), key("bob@x.com", false));
    assert_ne!(key("Bob@X.com", true), key("bob@x.com", true));
    assert_eq!(
        told("EMAIL", "a@b.c", false).key(ACCOUNT),
        told("email", "a@b.c", false).key(ACCOUNT)
    );
    assert_ne!(
        told("email", "a@b.c", false).key(ACCOUNT),
        told("email", "a@b.c", false).key(AccountId(8)),
        "never across accounts"
    );
}

#[test]
fn a_clear_value_can_be_found_by_its_hash() {
    let vector = "a806e1cd202da3d06370a69d09203da12115c39ed53798d34c661876f1244feb";
    let hashed = Told {
        mode: HashMode::Hashed,
        algorithm: Some(HashAlgorithm::EmailSha256),
        ..Told::clear("email", vector)
    };
    assert_eq!(hashed.canonical().0, Form::Sha256);
    let hashes = hashes("email", "TStark@ibm.com", Form::Sha256, None);
    assert!(hashes.iter().any(|hash| hash == vector));
    let upper = vector.to_uppercase();
    let upper = Told {
        value: upper.into(),
        ..hashed.clone()
    };
    assert_eq!(upper.key(ACCOUNT), hashed.key(ACCOUNT));
}

#[test]
fn values_that_stand_for_nobody() {
    let rules = Rules {
        junk: ["till-7".to_owned(), "info@".to_owned()].into(),
        ..Rules::default()
    };
    for value in [
        "unknown",
        "NULL",
        "0",
        "000",
        "00000000-0000-0000-0000-000000000000",
        "",
        "--",
        "unknown@example.com",
        "NoReply@shop.example",
        "9999999999",
        "till-7",
        "info@a.example",
    ] {
        assert!(rules.is_junk(Form::Clear, value), "{value}");
    }
    for value in ["10", "anna", "a@b.c", "12", "11111", "unknown2"] {
        assert!(!rules.is_junk(Form::Clear, value), "{value}");
    }
    let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    assert!(rules.is_junk(Form::Sha256, empty));
}

fn places(nodes: &[Node<'_>], sets: &[Vec<i64>], rules: &Rules) -> BTreeSet<BTreeSet<i64>> {
    let out = crowded(nodes, sets.iter().map(Vec::as_slice), rules);
    let nodes: Vec<Node<'_>> = nodes
        .iter()
        .map(|node| Node {
            is_left_out: node.is_left_out || out.contains(&node.id),
            ..*node
        })
        .collect();
    let places = partition(&nodes, sets.iter().map(Vec::as_slice), rules);
    let mut people: std::collections::BTreeMap<i64, BTreeSet<i64>> = Default::default();
    for (id, place) in places {
        let person = if place.is_overgrown {
            id
        } else {
            place.component
        };
        people.entry(person).or_default().insert(id);
    }
    people.into_values().collect()
}

fn nodes(kinds: &[&'static str]) -> Vec<Node<'static>> {
    let node = |(id, kind): (i64, &&'static str)| Node {
        id,
        kind,
        is_left_out: false,
        overgrown: None,
    };
    (1..).zip(kinds).map(node).collect()
}

#[test]
fn a_shared_identifier_joins_nobody_and_what_is_too_large_falls_apart() {
    let rules = Rules {
        limit: Some(2),
        ..Rules::default()
    };
    let three = nodes(&["email", "cookie", "cookie", "cookie"]);
    let sets = vec![vec![1, 2], vec![1, 3]];
    assert_eq!(
        places(&three, &sets, &rules),
        [[1, 2, 3].into(), [4].into()].into()
    );
    let sets = vec![vec![1, 2], vec![1, 3], vec![1, 4]];
    assert_eq!(places(&three, &sets, &rules).len(), 4, "crowded");
    // A chain: nobody is crowded, and it is too much for one person.
    let chain = nodes(&["cookie", "email", "cookie", "phone", "cookie"]);
    let sets = vec![vec![1, 2], vec![2, 3], vec![3, 4], vec![4, 5]];
    assert_eq!(places(&chain, &sets, &rules).len(), 5, "overgrown");
}

#[test]
fn fuzz_people_do_not_depend_on_the_order_of_facts() {
    let kinds = ["email", "cookie", "phone"];
    let graph = (vec(0..3_usize, 1..14), 1..5_u32).prop_flat_map(move |(picked, limit)| {
        let count = i64::try_from(picked.len()).unwrap_or(1);
        let sets = vec(vec(1..=count, 1..4), 0..14);
        let shuffled = sets.prop_flat_map(|sets| (Just(sets.clone()), Just(sets).prop_shuffle()));
        (Just(picked), shuffled, Just(limit))
    });
    fuzzing::run(&graph, |(picked, (sets, shuffled), limit)| {
        let kinds: Vec<&'static str> = picked.iter().map(|at| kinds[*at]).collect();
        let rules = Rules {
            limit: Some(limit),
            ..Rules::default()
        };
        let nodes = nodes(&kinds);
        prop_assert_eq!(
            places(&nodes, &sets, &rules),
            places(&nodes, &shuffled, &rules)
        );
        Ok(())
    });
}
