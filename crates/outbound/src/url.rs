//! What a tenant typed as a URL: kindness at entry, so that a mistake is told at once and not at the first push.
//!
//! `Client::check` calls this. It asks no DNS and is no safety: that is `dial`, each time a connection is made. `dial` uses
//! [`literal`] too, so that both mean the same by an address.

use std::net::{IpAddr, Ipv4Addr};

use http::Uri;
use http::uri::Scheme;

use crate::{Failure, Guard};

/// Characters of a URL that an error repeats.
const SHOWN_CHARS_MAX: usize = 200;

/// Parses a URL and judges what can be judged without asking anybody.
pub(crate) fn check(guard: &Guard, url: &str) -> Result<Uri, Failure> {
    let wrong = |reason| Failure::Url {
        url: shown(url),
        reason,
    };
    if !url.is_ascii() {
        return Err(wrong(
            "it has characters outside ASCII; write the host as punycode and percent-encode the path",
        ));
    }
    let uri: Uri = url
        .parse()
        .map_err(|_| wrong("it is not a URL; expected `https://host/path`"))?;
    supported(&uri).map_err(wrong)?;
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    if authority.contains('@') {
        return Err(wrong(
            "it holds a user name or password; put credentials into the endpoint's attributes",
        ));
    }
    let host = uri.host().unwrap_or_default();
    let port = authority.strip_prefix(host).unwrap_or_default();
    if !port.is_empty() && uri.port_u16().is_none_or(|port| port == 0) {
        return Err(wrong("its port is not a number from 1 to 65535"));
    }
    if let Some(address) = literal(host).or_else(|| localhost(host)) {
        guard
            .check(address)
            .map_err(|range| Failure::Refused { address, range })?;
    }
    Ok(uri)
}

/// What every call needs of its URL, cheap enough for each push: `http` or `https`, and a host.
pub(crate) fn supported(uri: &Uri) -> Result<(), &'static str> {
    match uri.scheme() {
        Some(scheme) if *scheme == Scheme::HTTPS || *scheme == Scheme::HTTP => {}
        _ => return Err("it does not start with `https://` or `http://`"),
    }
    match uri.host() {
        Some("") | None => Err("it names no host"),
        Some(_) => Ok(()),
    }
}

/// The address that a host spells out, in every spelling that a system resolver takes for one: `127.0.0.1`, `[::1]`,
/// `2130706433`, `0x7f.1`, `0177.0.0.1`.
pub(crate) fn literal(host: &str) -> Option<IpAddr> {
    let bare = host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(host);
    match bare.parse() {
        Ok(address) => Some(address),
        Err(_) => loose_v4(bare).map(IpAddr::V4),
    }
}

/// `inet_aton`: one to four parts, each decimal, octal or hexadecimal, the last one filling what remains.
fn loose_v4(host: &str) -> Option<Ipv4Addr> {
    let parts: Vec<u32> = host
        .strip_suffix('.')
        .unwrap_or(host)
        .split('.')
        .map(loose_part)
        .collect::<Option<_>>()?;
    let (last, leading) = parts.split_last()?;
    if leading.len() > 3 || leading.iter().any(|part| *part > 255) {
        return None;
    }
    let mut bits = 0u32;
    let mut shift = 32u32;
    for part in leading {
        shift -= 8;
        bits |= part << shift;
    }
    // `shift` is 8, 16, 24 or 32: the bits that the last part may fill.
    (u64::from(*last) < 1u64 << shift).then(|| Ipv4Addr::from_bits(bits | last))
}

fn loose_part(part: &str) -> Option<u32> {
    let (digits, radix) = match part.as_bytes() {
        [b'0', b'x' | b'X', ..] => (&part[2..], 16),
        [b'0', _, ..] => (&part[1..], 8),
        _ => (part, 10),
    };
    // `from_str_radix` takes a sign, a host does not.
    if digits.starts_with('+') {
        return None;
    }
    u32::from_str_radix(digits, radix).ok()
}

/// RFC 6761: these names are this machine, whatever DNS says.
fn localhost(host: &str) -> Option<IpAddr> {
    let name = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    (name == "localhost" || name.ends_with(".localhost")).then_some(IpAddr::V4(Ipv4Addr::LOCALHOST))
}

/// A URL as an error may repeat it: cut, on one line, and without a password.
pub(crate) fn shown(url: &str) -> String {
    let start = url.find("://").map_or(0, |at| at + 3);
    let end = url[start..]
        .find(['/', '?', '#'])
        .map_or(url.len(), |at| start + at);
    let safe = match url[start..end].rfind('@') {
        Some(at) => format!("{}***{}", &url[..start], &url[start + at..]),
        None => url.to_owned(),
    };
    safe.chars()
        .take(SHOWN_CHARS_MAX)
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn verdict(url: &str) -> &'static str {
        match check(&Guard::default(), url) {
            Ok(_) => "ok",
            Err(Failure::Refused { range, .. }) => range,
            Err(failure) => failure.code(),
        }
    }

    #[test]
    fn a_url_is_judged_when_entered() {
        for (url, expected) in [
            ("https://example.com/base/", "ok"),
            ("HTTPS://example.com:8443/a?b=c", "ok"),
            ("http://8.8.8.8/", "ok"),
            ("http://[2606:4700::1111]:80/", "ok"),
            ("http://internal.example/", "ok"), // DNS is asked when dialling
            ("http://127.0.0.1/", "loopback"),
            ("http://127.0.0.1:8080", "loopback"),
            ("http://127.1/", "loopback"),
            ("http://2130706433/", "loopback"),
            ("http://0x7f000001/", "loopback"),
            ("http://0X7F.0.0.1/", "loopback"),
            ("http://017700000001/", "loopback"),
            ("http://0177.0.0.1/", "loopback"),
            ("http://127.0.0.1./", "loopback"),
            ("http://localhost:3000/", "loopback"),
            ("http://LOCALHOST./", "loopback"),
            ("http://shop.localhost/", "loopback"),
            ("http://[::1]/", "loopback"),
            ("http://[::ffff:127.0.0.1]/", "loopback"),
            ("http://[::ffff:7f00:1]/", "loopback"),
            ("http://[64:ff9b::a9fe:a9fe]/", "metadata"),
            ("http://169.254.169.254/latest/meta-data/", "metadata"),
            ("http://2852039166/", "metadata"),
            ("http://0/", "unspecified"),
            ("http://10.1/", "private"),
            ("https://[fd12::1]/", "unique-local"),
            ("", "url"),
            ("example.com", "url"),
            ("//example.com/", "url"),
            ("/v1/events", "url"),
            ("ftp://example.com/", "url"),
            ("file:///etc/passwd", "url"),
            ("http://", "url"),
            ("http:///path", "url"),
            ("http://:80/", "url"),
            ("http://example.com:0/", "url"),
            ("http://example.com:99999/", "url"),
            ("http://example.com:/", "url"),
            ("http://user:secret@example.com/", "url"),
            ("http://example.com@127.0.0.1/", "url"),
            ("http://example.com\\@127.0.0.1/", "url"),
            ("http://example.com/ space", "url"),
            ("http://ex\u{e4}mple.com/", "url"),
            ("http://127.0.0.1/", "loopback"),
            ("http://①②⑦.0.0.1/", "url"),
        ] {
            assert_eq!(verdict(url), expected, "{url}");
        }
    }

    #[test]
    fn an_operator_who_allows_private_addresses_is_not_told_off() {
        let guard = Guard {
            allow_private: true,
            allow: vec![],
        };
        for url in [
            "http://localhost:3000/hook",
            "http://127.0.0.1:3000/hook",
            "http://[::1]/",
        ] {
            let uri = check(&guard, url).expect("allowed");
            assert_eq!(uri.to_string(), url);
        }
    }

    #[test]
    fn an_error_repeats_the_url_without_its_password_or_a_flood() {
        let error =
            check(&Guard::default(), "http://user:hunter2@example.com/a").expect_err("credentials");
        assert_eq!(
            error.to_string(),
            "the URL `http://***@example.com/a` cannot be called: it holds a user name or password; put credentials into the \
             endpoint's attributes"
        );
        let error = check(
            &Guard::default(),
            &format!("ftp://{}\n", "x".repeat(100_000)),
        )
        .expect_err("scheme");
        assert!(error.to_string().len() < 400);
    }

    #[test]
    fn numbers_that_are_no_address_are_names() {
        for host in [
            "4294967296",
            "256.1.1.1",
            "1.2.3.4.5",
            "0x",
            "1.2.65536",
            "+1",
            "1.+2",
            "",
            ".",
            "1..2",
            "08",
            "a.b",
            "[::1",
        ] {
            assert_eq!(literal(host), None, "{host}");
        }
    }

    proptest! {
        #[test]
        fn every_spelling_of_an_address_is_that_address(bits: u32) {
            let v4 = Ipv4Addr::from_bits(bits);
            let [a, b, c, d] = v4.octets();
            let low = bits & 0xffff;
            let lower = bits & 0xff_ffff;
            for host in [
                format!("{a}.{b}.{c}.{d}"), format!("{bits}"), format!("0x{bits:x}"), format!("0{bits:o}"),
                format!("{a}.{lower}"), format!("0{a:o}.0x{b:X}.{low}"), format!("0x{a:04x}.{b}.0{c:o}.{d}."),
            ] {
                prop_assert_eq!(literal(&host), Some(IpAddr::V4(v4)), "{}", host);
            }
        }
    }

    #[test]
    fn fuzz_whatever_is_typed_gets_a_verdict() {
        let typed = ("\\PC{0,40}", "[0-9a-zA-Z.:@%\\[\\]x-]{0,20}");
        fuzzing::run(&typed, |(url, host)| {
            verdict(&url);
            verdict(&format!("http://{host}/"));
            Ok(())
        });
    }
}
