//! The examples are what this program writes, and as large as they may be.

use std::collections::HashSet;

use super::*;

fn events() -> String {
    let [(_, events), _] = files();
    events
}

#[test]
fn the_committed_files_are_what_the_generator_writes() {
    for (name, text) in files() {
        let path = shell::root().join("examples").join(name);
        let committed = fs::read_to_string(&path).expect(name);
        assert!(
            committed == text,
            "examples/{name} is stale: run `cargo xtask examples`"
        );
    }
}

#[test]
fn the_stream_is_as_long_as_promised_and_in_the_order_of_the_day() {
    let lines = events().lines().count();
    assert!((2_500..3_500).contains(&lines), "{lines} lines");
    assert!(events().len() <= 1_500_000, "{} bytes", events().len());
    let mut told = day().lines;
    told.sort_by_key(|(at, _)| *at);
    assert!(
        told.last().is_some_and(|(at, _)| *at < 24 * 3_600_000),
        "it is one day"
    );
}

#[test]
fn every_form_and_every_event_type_occurs() {
    let events = events();
    for start in [
        "{\"channel\":",
        "{\"events\":[",
        "{\"provider\":\"Lantern & Quill\",\"eventbatch\":",
        "{\"provider\":\"Lantern & Quill\",\"channel\":",
        "{\"eventbatch\":null,",
    ] {
        assert!(
            events
                .lines()
                .filter(|line| line.starts_with(start))
                .count()
                > 10,
            "{start}"
        );
    }
    let codes = kinds::registrations();
    for code in codes
        .lines()
        .filter_map(|line| line.trim().strip_prefix("\"code\": "))
    {
        assert!(events.contains(&format!("\"code\":{code}")), "{code}");
    }
}

#[test]
fn nobody_who_exists_gets_a_letter() {
    let mut people = Dice::new(1);
    let people = people::invent(PEOPLE, &mut people);
    let addresses: HashSet<&str> = people.iter().map(|person| person.email.as_str()).collect();
    assert_eq!(addresses.len(), PEOPLE);
    for address in addresses {
        let domain = address.split_once('@').map(|(_, domain)| domain);
        assert!(
            matches!(domain, Some("example.com" | "example.org" | "example.net")),
            "{address}"
        );
        assert!(address.is_ascii(), "{address}");
    }
    assert!(
        people
            .iter()
            .filter(|person| person.phone.is_some())
            .count()
            > 80
    );
}
