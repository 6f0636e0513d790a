//! One person in many spellings, and strangers who are like them.

use proptest::prelude::*;

use super::*;

const KEY: DigestKey = DigestKey([7; 32]);
const ACCOUNT: AccountId = AccountId(1);

fn clear<'a>(kind: &'a str, value: &'a str) -> Subject<'a> {
    Subject {
        kind,
        value,
        mode: HashMode::None,
        algorithm: None,
    }
}

fn hashed<'a>(kind: &'a str, value: &'a str) -> Subject<'a> {
    Subject {
        mode: HashMode::Hashed,
        ..clear(kind, value)
    }
}

fn barrier(why: Barred, subject: &Subject<'_>) -> Barrier {
    let mut barrier = Barrier::default();
    let stored = KEY.all(ACCOUNT, subject.kind, &Forms::of(subject, None));
    barrier.put(why, &stored);
    barrier
}

fn find(barrier: &Barrier, subject: &Subject<'_>) -> Option<Barred> {
    barrier.find((&KEY, ACCOUNT), subject, (None, true))
}

const ADDRESS: &str = "Ann.Smith@Example.com";
/// SHA-256, SHA-1 and MD5 of the address in lower case, and SHA-256 of it as it is.
fn hashes() -> Vec<String> {
    let lower = ADDRESS.to_lowercase();
    let of = |algorithm, text: &str| hashing::hash(algorithm, text, None).expect("hashes");
    vec![
        of(HashAlgorithm::EmailSha256, ADDRESS),
        of(HashAlgorithm::Sha1, &lower),
        of(HashAlgorithm::Md5, &lower),
        of(HashAlgorithm::Sha256, ADDRESS),
    ]
}

#[test]
fn a_clear_entry_bars_every_spelling_of_it() {
    let barrier = barrier(Barred::Suppressed, &clear("email", ADDRESS));
    for same in ["ann.smith@example.com", " ANN.SMITH@example.com "] {
        assert_eq!(
            find(&barrier, &clear("Email", same)),
            Some(Barred::Suppressed)
        );
    }
    for hash in hashes() {
        for spelling in [hash.clone(), hash.to_uppercase()] {
            assert_eq!(
                find(&barrier, &hashed("email", &spelling)),
                Some(Barred::Suppressed)
            );
            // Also where nobody said that it is a hash.
            assert!(find(&barrier, &clear("email", &spelling)).is_some());
        }
    }
}

#[test]
fn a_hashed_entry_bars_the_clear_value() {
    for hash in hashes() {
        let barrier = barrier(Barred::Restricted, &hashed("email", &hash));
        assert_eq!(
            find(&barrier, &clear("email", ADDRESS)),
            Some(Barred::Restricted)
        );
        assert_eq!(find(&barrier, &clear("email", "bob@example.com")), None);
    }
}

#[test]
fn telephone_numbers_meet_in_their_digits() {
    let barrier = barrier(Barred::Suppressed, &clear("phone", "+44 20 7946 0018"));
    assert!(find(&barrier, &clear("phone", "+442079460018")).is_some());
    let digest = hashing::hash(HashAlgorithm::PhoneSha256, "+442079460018", None).expect("hashes");
    assert!(find(&barrier, &hashed("phone", &digest)).is_some());
    assert!(find(&barrier, &clear("phone", "+442079460019")).is_none());
}

#[test]
fn strangers_are_not_barred() {
    let barrier = barrier(Barred::Restricted, &clear("email", ADDRESS));
    assert_eq!(find(&barrier, &clear("customerId", ADDRESS)), None);
    assert_eq!(find(&barrier, &clear("email", "")), None);
    let other = (&KEY, AccountId(2));
    let subject = clear("email", ADDRESS);
    assert_eq!(barrier.find(other, &subject, (None, true)), None);
    let other = (&DigestKey([8; 32]), ACCOUNT);
    assert_eq!(barrier.find(other, &subject, (None, true)), None);
}

#[test]
fn a_restriction_counts_whatever_the_account_says_of_its_list() {
    let subject = clear("email", ADDRESS);
    let listed = barrier(Barred::Suppressed, &subject);
    assert_eq!(listed.find((&KEY, ACCOUNT), &subject, (None, false)), None);
    let mut both = barrier(Barred::Restricted, &subject);
    let stored = KEY.all(ACCOUNT, "email", &Forms::of(&subject, None));
    both.put(Barred::Suppressed, &stored);
    assert_eq!(
        both.find((&KEY, ACCOUNT), &subject, (None, false)),
        Some(Barred::Restricted)
    );
}

#[test]
fn consent_is_withdrawn_in_so_many_words() {
    for (name, value, is_no) in [
        ("contactConsent", "false", true),
        ("CONTACTCONSENT", "Opt-Out", true),
        ("contactConsent", "opted in", false),
        ("contactConsent", "true", false),
        ("contactConsent", "", false),
        ("consent", "false", false),
    ] {
        assert_eq!(withdraws_consent(name, value), is_no, "{name} {value}");
        let body = serde_json::json!({
            "code": "x", "attributes": [{ "name": "a", "value": null, "type": "string" }, { "name": name, "value": value }]
        });
        assert_eq!(event_withdraws_consent(&body.to_string()), is_no);
    }
    assert!(!event_withdraws_consent("{}"));
}

#[test]
fn fuzz_whoever_is_put_is_found_in_any_letter_case() {
    let values = ("[ -~]{1,40}", "[a-zA-Z]{1,9}", any::<bool>());
    fuzzing::run(&values, |(value, kind, is_hash)| {
        let subject = match is_hash {
            true => hashed(&kind, &value),
            false => clear(&kind, &value),
        };
        let barrier = barrier(Barred::Suppressed, &subject);
        let is_blank = value.trim().is_empty();
        prop_assert_eq!(find(&barrier, &subject).is_none(), is_blank);
        let (upper, lower) = (kind.to_uppercase(), value.to_lowercase());
        let again = Subject {
            kind: &upper,
            value: &lower,
            ..subject
        };
        prop_assert_eq!(find(&barrier, &again).is_none(), is_blank);
        Ok(())
    });
}
