//! The published vectors of each receiver, and what no rule may do.

use proptest::prelude::*;

use super::*;

fn us() -> Option<Region> {
    Region::parse("US").ok()
}

fn dressed(profile: HashProfile, field: Field, value: &str) -> Dressed {
    let dressed = profile
        .dress(field, value, us())
        .expect("it can be dressed");
    dressed.expect("the receiver takes it")
}

fn sha256(cleaned: &str) -> String {
    hex(&Sha256::digest(cleaned))
}

/// Of what is hashed, the hash; of what is not, the value.
fn sends(profile: HashProfile, rows: &[(Field, &str, &str)]) {
    for (field, value, expected) in rows {
        let sent = dressed(profile, *field, value);
        assert_eq!(sent.value, *expected, "{profile:?} {field:?} {value:?}");
    }
}

#[test]
fn meta_publishes_these_vectors() {
    sends(
        HashProfile::Meta,
        &[
            (
                Field::Email,
                " John_Smith@gmail.com",
                "62a14e44f765419d10fea99367361a727c12365e2520f32218d505ed9aa0f62f",
            ),
            (
                Field::Phone,
                "(650)555-1212",
                "e323ec626319ca94ee8bff2e4c87cf613be6ea19919ed1364124e16807ab3176",
            ),
            (
                Field::FirstName,
                "Mary",
                "6915771be1c5aa0c886870b6951b03d7eafc121fea0e80a5ea83beb7c449f4ec",
            ),
            (
                Field::FirstName,
                "정",
                "8fa8cd9c440be61d0151429310034083132b35975c4bea67fdd74158eb51db14",
            ),
            (
                Field::FirstName,
                "Valéry",
                "08e1996b5dd49e62a4b4c010d44e4345592a863bb9f8e3976219bac29417149c",
            ),
        ],
    );
}

#[test]
fn meta_hashes_places_too_but_no_device_ids() {
    let meta = HashProfile::Meta;
    sends(
        meta,
        &[
            (Field::City, "San Francisco", &sha256("sanfrancisco")),
            (Field::State, "CA", &sha256("ca")),
            (Field::PostalCode, "94303-5300", &sha256("94303")),
            (Field::PostalCode, "WC2H 8LG", &sha256("wc2h8lg")),
            (Field::Country, "US", &sha256("us")),
            (Field::Gender, "Female", &sha256("f")),
            (Field::BirthDate, "1997-02-16", &sha256("19970216")),
            (
                Field::MobileAdId,
                "AB1234CD-E123-12FG-J123-0123456789AB",
                "ab1234cd-e123-12fg-j123-0123456789ab",
            ),
        ],
    );
    assert!(!dressed(meta, Field::MobileAdId, "ab1234cd").is_hashed);
    let none = meta.dress(Field::Handle, "jack", None).expect("no error");
    assert_eq!(none, None, "Meta has no use for it");
}

/// The addresses and the number of Google's "Format user data", and the digest that it prints for the address.
#[test]
fn google_ignores_dots_and_tags_of_gmail_only_and_keeps_the_plus_of_telephones() {
    let gmail = "223ebda6f6889b1494551ba902d9d381daf2f642bae055888e96343d53e9f9c4";
    sends(
        HashProfile::GoogleCustomerMatch,
        &[
            (Field::Email, "cloudysanfrancisco@gmail.com", gmail),
            (Field::Email, " Cloudy.SanFrancisco@Gmail.com ", gmail),
            (
                Field::Email,
                "cloudy.sanfrancisco+shopping@gmail.com",
                gmail,
            ),
            (
                Field::Email,
                "user.name+NYC@Example.com",
                &sha256("user.name+nyc@example.com"),
            ),
            (Field::Phone, "(800) 555-0100", &sha256("+18005550100")),
            (Field::FirstName, " John", &sha256("john")),
            (Field::Country, "US", "US"),
            (Field::PostalCode, "94016", "94016"),
        ],
    );
    let country = dressed(HashProfile::GoogleCustomerMatch, Field::Country, "US");
    assert!(
        !country.is_hashed,
        "country and postal code must not be hashed"
    );
}

#[test]
fn tiktok_keeps_the_plus_and_snap_and_meta_drop_it() {
    let with = sha256("+16505551212");
    let without = sha256("16505551212");
    for (profile, expected) in [
        (HashProfile::TikTok, &with),
        (HashProfile::X, &with),
        (HashProfile::Snap, &without),
        (HashProfile::Plain, &without),
    ] {
        for number in ["(650) 555-1212", "+1 650 555 1212", "1-650-555-1212"] {
            let sent = dressed(profile, Field::Phone, number);
            assert_eq!(sent.value, *expected, "{profile:?} {number}");
        }
    }
    let britain = Region::parse("GB").ok();
    let snap = HashProfile::Snap.dress(Field::Phone, "07700 900123", britain);
    let snap = snap.expect("a number").expect("taken");
    assert_eq!(snap.value, sha256("447700900123"), "no leading zero");
}

/// The handle and its digest are X's own example.
#[test]
fn x_hashes_handles_and_device_ids() {
    sends(
        HashProfile::X,
        &[
            (
                Field::Handle,
                " @AdsAPI ",
                "49e0be2aeccfb51a8dee4c945c8a70a9ac500cf6f5cb08112575f74db9b1470d",
            ),
            (
                Field::Email,
                " Support@Twitter.com",
                &sha256("support@twitter.com"),
            ),
            (
                Field::MobileAdId,
                "4B61639E-47CC-4056-A16A-C8217E029462",
                &sha256("4b61639e-47cc-4056-a16a-c8217e029462"),
            ),
        ],
    );
}

#[test]
fn snap_hashes_device_ids_with_their_hyphens() {
    sends(
        HashProfile::Snap,
        &[
            (Field::Email, " A@B.example", &sha256("a@b.example")),
            (
                Field::MobileAdId,
                "4B61639E-47CC-4056-A16A-C8217E029462",
                &sha256("4b61639e-47cc-4056-a16a-c8217e029462"),
            ),
        ],
    );
}

#[test]
fn linkedin_takes_the_address_hashed_and_names_in_clear() {
    sends(
        HashProfile::LinkedIn,
        &[
            (Field::Email, "Ada@Example.com ", &sha256("ada@example.com")),
            (Field::FirstName, " Ada ", "Ada"),
            (Field::Country, "GB", "GB"),
        ],
    );
    let phone = HashProfile::LinkedIn.dress(Field::Phone, "+16505551212", None);
    assert_eq!(phone, Ok(None));
}

/// The vectors of the published API's own address.
#[test]
fn the_plain_profile_is_what_the_algorithms_do() {
    sends(
        HashProfile::Plain,
        &[
            (
                Field::Email,
                "tstark@ibm.com",
                "a806e1cd202da3d06370a69d09203da12115c39ed53798d34c661876f1244feb",
            ),
            (
                Field::Email,
                " STEVER@ibm.com ",
                "04c59359f9509d9f38cb9e8ddca4dbcf937ef95d8563482a6b4c65d59d438cb8",
            ),
        ],
    );
}

#[test]
fn nothing_is_hashed_twice() {
    let digest = sha256("ada@example.com");
    for profile in HashProfile::ALL {
        for value in [
            digest.as_str(),
            &digest.to_uppercase(),
            &format!(" {digest} "),
        ] {
            let sent = profile.dress(Field::Email, value, us());
            assert_eq!(sent, Err(HashError::AlreadyHashed), "{profile:?} {value}");
        }
    }
}

#[test]
fn what_looks_hashed() {
    for (value, expected) in [
        ("5d41402abc4b2a76b9719d911017c592", Some(Digested::Md5)),
        (
            "aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d",
            Some(Digested::Sha1),
        ),
        (
            "LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=",
            Some(Digested::Sha256),
        ),
        // A UUID, a long number, a word, mixed letter case, an address.
        ("1e69c5ff-2784-494f-a2f7-28fd93c878f0", None),
        ("12345678901234567890123456789012", None),
        ("deadbeef", None),
        ("5D41402abc4b2a76b9719d911017c592", None),
        ("ada@example.com", None),
        ("", None),
    ] {
        assert_eq!(looks_hashed(value), expected, "{value}");
    }
}

#[test]
fn nothing_left_is_refused() {
    for (field, value) in [
        (Field::Email, "  "),
        (Field::FirstName, " -- "),
        (Field::PostalCode, " "),
        (Field::BirthDate, "unknown"),
    ] {
        let sent = HashProfile::Meta.dress(field, value, None);
        assert_eq!(sent, Err(HashError::Blank), "{field:?} {value:?}");
    }
    let handle = HashProfile::X.dress(Field::Handle, "@", None);
    assert_eq!(handle, Err(HashError::Blank));
}

#[test]
fn fields_are_known_by_their_types_however_they_are_written() {
    for (name, field) in [
        ("email", Some(Field::Email)),
        ("E-Mail", Some(Field::Email)),
        ("phone_number", Some(Field::Phone)),
        ("First Name", Some(Field::FirstName)),
        ("IDFA", Some(Field::MobileAdId)),
        ("cookie", None),
        ("", None),
    ] {
        assert_eq!(Field::of_type(name), field, "{name}");
    }
    for profile in HashProfile::ALL {
        assert_eq!(
            HashProfile::parse(&profile.as_str().to_lowercase()),
            Some(profile)
        );
    }
}

proptest! {
    /// Whatever strangers send: no panic, what is said to be hashed is 64 hexadecimal digits, and cleaning what is
    /// clean changes nothing.
    #[test]
    fn dressing_is_sound(value in "\\PC{0,40}", profile in 0..7usize, field in 0..13usize) {
        let (profile, field) = (HashProfile::ALL[profile], Field::ALL[field]);
        if let Ok(Some(sent)) = profile.dress(field, &value, us()) {
            prop_assert_eq!(looks_hashed(&sent.value) == Some(Digested::Sha256), sent.is_hashed);
            if let Some(rule) = profile.rule(field) {
                let once = rule.clean.apply(&value, us()).expect("it was cleaned");
                prop_assert_eq!(rule.clean.apply(&once, us()).expect("clean"), once);
            }
        }
    }
}
