//! What hashing does, as tables: vectors that others published, and every pair of publisher and destination.

use super::*;
use HashAlgorithm::{EmailSha256, Md5 as MD5, PhoneSha256, Sha1 as SHA1, Sha256 as SHA256};

fn us() -> Option<Region> {
    Region::parse("US").ok()
}

fn of(mode: HashMode, algorithm: Option<HashAlgorithm>) -> HashingOf {
    HashingOf { mode, algorithm }
}

/// By algorithms alone.
fn sent<'v>(
    value: &'v str,
    source: &HashingOf,
    destination: &HashingOf,
    algorithm: Option<HashAlgorithm>,
) -> Result<Cow<'v, str>, HashError> {
    let terms = Terms {
        algorithm,
        ..Terms::default()
    };
    let sent = outbound("email", value, source, destination, &terms)?;
    Ok(sent.expect("without a profile everything is taken"))
}

#[test]
fn what_looks_hashed_already_is_refused_or_passed_on_and_never_hashed() {
    let digest = hash(EmailSha256, "tstark@ibm.com", None).expect("an address");
    let md5 = hash(MD5, "tstark@ibm.com", None).expect("anything");
    let pass = Terms {
        hashed_values: HashedValues::Pass,
        ..Terms::default()
    };
    let meta = Terms {
        profile: Some(HashProfile::Meta),
        ..pass
    };
    let required = of(HashMode::Required, Some(EmailSha256));
    for terms in [Terms::default(), pass, meta] {
        let outbound = |value| outbound("email", value, &HashingOf::default(), &required, &terms);
        let expected = match terms.hashed_values {
            HashedValues::Pass => Ok(Some(Cow::Borrowed(digest.as_str()))),
            HashedValues::Refuse => Err(HashError::AlreadyHashed),
        };
        assert_eq!(outbound(&digest), expected, "{terms:?}");
        // Of another kind: it would match nobody.
        assert_eq!(outbound(&md5), Err(HashError::AlreadyHashed), "{terms:?}");
    }
    // An id may look like an MD5.
    let id = of(HashMode::Required, Some(SHA256));
    let hashed = outbound(
        "cookie",
        &md5,
        &HashingOf::default(),
        &id,
        &Terms::default(),
    );
    assert_eq!(
        hashed,
        Ok(Some(hash(SHA256, &md5, None).expect("anything").into()))
    );
}

#[test]
fn a_profile_comes_before_algorithms_for_the_fields_that_it_knows() {
    let google = Terms {
        profile: Some(HashProfile::GoogleCustomerMatch),
        algorithm: Some(MD5),
        ..Terms::default()
    };
    let send = |kind, value, source: HashingOf| {
        let clear = HashingOf::default();
        outbound(kind, value, &source, &clear, &google).map(|sent| sent.map(Cow::into_owned))
    };
    let clear = HashingOf::default();
    let expected = hash(SHA256, "cloudysanfrancisco@gmail.com", None).expect("anything");
    let address = "Cloudy.SanFrancisco+x@gmail.com";
    assert_eq!(send("E-Mail", address, clear), Ok(Some(expected.clone())));
    assert_eq!(send("gender", "f", clear), Ok(None), "no use for it");
    assert_eq!(send("cookie", "c1", clear), Ok(Some("c1".to_owned())));
    // Hashed without looking at dots: not what Google wants.
    let by_address = of(HashMode::Hashed, Some(EmailSha256));
    assert!(matches!(
        send("email", &expected, by_address),
        Err(HashError::AnotherForm { .. })
    ));
    let sha256 = of(HashMode::Hashed, Some(SHA256));
    assert_eq!(send("email", &expected, sha256), Ok(Some(expected)));
}

#[test]
fn published_vectors_come_out() {
    let table = [
        // RFC 1321 A.5 and FIPS 180.
        (MD5, "", "d41d8cd98f00b204e9800998ecf8427e"),
        (MD5, "abc", "900150983cd24fb0d6963f7d28e17f72"),
        (MD5, "message digest", "f96b697d7cb7938d525a2f31aaf161d0"),
        (SHA1, "abc", "a9993e364706816aba3e25717850c26c9cd0d89d"),
        (SHA1, "", "da39a3ee5e6b4b0d3255bfef95601890afd80709"),
        (
            SHA256,
            "abc",
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        ),
        (
            SHA256,
            "",
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        ),
        // The original service's own documentation.
        (
            EmailSha256,
            "tstark@ibm.com",
            "a806e1cd202da3d06370a69d09203da12115c39ed53798d34c661876f1244feb",
        ),
        (
            EmailSha256,
            "stever@ibm.com",
            "04c59359f9509d9f38cb9e8ddca4dbcf937ef95d8563482a6b4c65d59d438cb8",
        ),
        // Meta, "Customer Information Parameters": em and ph.
        (
            EmailSha256,
            "John_Smith@gmail.com",
            "62a14e44f765419d10fea99367361a727c12365e2520f32218d505ed9aa0f62f",
        ),
        (
            PhoneSha256,
            "(650)555-1212",
            "e323ec626319ca94ee8bff2e4c87cf613be6ea19919ed1364124e16807ab3176",
        ),
    ];
    for (algorithm, value, expect) in table {
        assert_eq!(
            hash(algorithm, value, us()).as_deref(),
            Ok(expect),
            "{algorithm} of {value:?}"
        );
    }
}

#[test]
fn plain_algorithms_take_the_value_as_it_is() {
    for algorithm in [MD5, SHA1, SHA256] {
        let clean = hash(algorithm, "tstark@ibm.com", None);
        for other in [" tstark@ibm.com", "Tstark@ibm.com", "tstark@ibm.com\n"] {
            assert_ne!(hash(algorithm, other, None), clean, "{algorithm} {other:?}");
        }
    }
    // UTF-8, not Latin-1.
    let expect = "08e1996b5dd49e62a4b4c010d44e4345592a863bb9f8e3976219bac29417149c"; // Meta's "valéry"
    assert_eq!(hash(SHA256, "valéry", None).as_deref(), Ok(expect));
}

#[test]
fn an_address_is_trimmed_and_lowered_and_nothing_else() {
    let clean = hash(SHA256, "tstark@ibm.com", None);
    for spelling in [
        "tstark@ibm.com",
        " TStark@IBM.com ",
        "\ttstark@ibm.com\r\n",
        "\u{a0}TSTARK@IBM.COM\u{3000}",
    ] {
        assert_eq!(hash(EmailSha256, spelling, None), clean, "{spelling:?}");
    }
    assert_eq!(
        hash(EmailSha256, "ÄÖÜ@EXAMPLE.DE", None),
        hash(SHA256, "äöü@example.de", None)
    );
    // Here we differ from Google and UID2 on purpose, see the head of the module.
    for (written, other) in [
        ("a.b@gmail.com", "ab@gmail.com"),
        ("ab+shop@gmail.com", "ab@gmail.com"),
    ] {
        assert_ne!(
            hash(EmailSha256, written, None),
            hash(EmailSha256, other, None)
        );
    }
    for blank in ["", " ", "\n\t"] {
        assert_eq!(hash(EmailSha256, blank, None), Err(HashError::Blank));
    }
}

#[test]
fn a_telephone_number_is_its_digits_and_what_cannot_be_read_is_not_hashed() {
    let digits = hash(SHA256, "16505551212", None);
    for spelling in [
        "+1 650-555-1212",
        "(650) 555-1212",
        "1.650.555.1212",
        "tel:+1-650-555-1212",
    ] {
        assert_eq!(hash(PhoneSha256, spelling, us()), digits, "{spelling}");
    }
    // Google wants the plus: plain SHA256 of a number that was published with it.
    assert_ne!(hash(SHA256, "+16505551212", None), digits);
    for unreadable in ["", "unknown", "555-1212", "0"] {
        let error = hash(PhoneSha256, unreadable, us()).expect_err(unreadable);
        assert!(matches!(error, HashError::Phone(_)), "{error:?}");
        assert!(
            unreadable.is_empty() || !format!("{error:?} {error}").contains(unreadable),
            "personal data in {error}"
        );
    }
    assert_eq!(
        hash(PhoneSha256, "650-555-1212", None),
        Err(HashError::Phone(PhoneError::NoCountry))
    );
}

#[test]
fn clear_values_leave_as_the_destination_asks() {
    let value = " TStark@ibm.com";
    let clear = of(HashMode::None, None);
    let table = [
        // destination, endpoint's default → algorithm
        (of(HashMode::None, None), None, None),
        (of(HashMode::None, None), Some(MD5), None),
        (of(HashMode::None, Some(SHA256)), None, None),
        (
            of(HashMode::Required, Some(EmailSha256)),
            None,
            Some(EmailSha256),
        ),
        (
            of(HashMode::Required, Some(EmailSha256)),
            Some(MD5),
            Some(EmailSha256),
        ),
        (of(HashMode::Required, None), Some(MD5), Some(MD5)),
        (of(HashMode::Required, None), None, Some(SHA256)),
        (
            of(HashMode::Hashed, Some(EmailSha256)),
            None,
            Some(EmailSha256),
        ),
        (of(HashMode::Hashed, Some(SHA1)), Some(MD5), Some(SHA1)),
        (of(HashMode::Hashed, None), Some(MD5), Some(MD5)),
        (of(HashMode::Hashed, None), None, Some(SHA256)),
    ];
    for (destination, default, algorithm) in table {
        let expect = algorithm.map_or_else(
            || value.to_owned(),
            |a| hash(a, value, None).expect("an address"),
        );
        let sent = sent(value, &clear, &destination, default).expect("an address");
        assert_eq!(sent, expect, "{destination:?} {default:?}");
        assert_eq!(
            matches!(sent, Cow::Borrowed(_)),
            algorithm.is_none(),
            "clear text is not copied"
        );
    }
}

#[test]
fn a_publisher_that_requires_hashing_never_leaves_in_clear() {
    let table = [
        // publisher's algorithm, destination, endpoint's default → algorithm
        (
            Some(EmailSha256),
            of(HashMode::None, None),
            None,
            EmailSha256,
        ),
        (None, of(HashMode::None, None), None, SHA256),
        (Some(EmailSha256), of(HashMode::None, None), Some(MD5), MD5),
        (
            Some(EmailSha256),
            of(HashMode::Required, Some(SHA1)),
            Some(MD5),
            SHA1,
        ),
        (
            Some(EmailSha256),
            of(HashMode::Hashed, None),
            None,
            EmailSha256,
        ),
    ];
    for (algorithm, destination, default, expect) in table {
        let source = of(HashMode::Required, algorithm);
        let sent = sent("tstark@ibm.com", &source, &destination, default).expect("an address");
        assert_eq!(
            sent,
            hash(expect, "tstark@ibm.com", None).expect("an address"),
            "{algorithm:?} {destination:?}"
        );
    }
}

#[test]
fn a_hash_is_never_hashed_again() {
    let value = "A806E1CD"; // as the publisher wrote it, capitals included
    let source = of(HashMode::Hashed, Some(EmailSha256));
    for destination in [
        of(HashMode::None, None),
        of(HashMode::Required, Some(EmailSha256)),
        of(HashMode::Hashed, Some(EmailSha256)),
    ] {
        assert_eq!(
            sent(value, &source, &destination, None),
            Ok(Cow::Borrowed(value)),
            "{destination:?}"
        );
    }
    assert_eq!(
        sent(
            value,
            &source,
            &of(HashMode::Required, None),
            Some(EmailSha256)
        ),
        Ok(Cow::Borrowed(value))
    );
    // Nobody asked for anything: passed on, whatever it is.
    assert_eq!(
        sent(
            value,
            &of(HashMode::Hashed, None),
            &HashingOf::default(),
            Some(MD5)
        ),
        Ok(Cow::Borrowed(value))
    );
}

#[test]
fn hashes_of_the_wrong_kind_stay_at_home() {
    let table = [
        (
            Some(SHA1),
            of(HashMode::Required, Some(EmailSha256)),
            None,
            EmailSha256,
        ),
        (
            Some(EmailSha256),
            of(HashMode::Hashed, Some(MD5)),
            None,
            MD5,
        ),
        (Some(MD5), of(HashMode::Required, None), None, SHA256),
        (
            Some(EmailSha256),
            of(HashMode::Required, None),
            Some(SHA1),
            SHA1,
        ),
        (None, of(HashMode::Required, Some(MD5)), None, MD5),
    ];
    for (has, destination, default, wanted) in table {
        let error = sent("ab", &of(HashMode::Hashed, has), &destination, default)
            .expect_err("another algorithm");
        assert_eq!(error, HashError::AnotherAlgorithm { has, wanted });
        assert!(error.to_string().contains(wanted.as_str()), "{error}");
    }
}

#[test]
fn names_are_read_in_any_letter_case_and_written_in_capitals() {
    for algorithm in HashAlgorithm::ALL {
        let name = algorithm.as_str();
        assert_eq!(HashAlgorithm::parse(name), Some(algorithm));
        assert_eq!(HashAlgorithm::parse(&name.to_lowercase()), Some(algorithm));
        assert_eq!(
            serde_json::to_string(&algorithm).expect("a string"),
            format!("\"{name}\"")
        );
    }
    for mode in HashMode::ALL {
        let name = mode.as_str();
        assert_eq!(HashMode::parse(name), Some(mode));
        assert_eq!(HashMode::parse(&name.to_lowercase()), Some(mode));
        assert_eq!(
            serde_json::to_string(&mode).expect("a string"),
            format!("\"{name}\"")
        );
    }
    for unknown in ["", "SHA512", "SHA-256", "NONE"] {
        assert_eq!(HashAlgorithm::parse(unknown), None);
    }
    assert_eq!(HashMode::parse("SOMETIMES"), None);
}
