//! Where a call comes from, for the audit trail and for the limits on sign-in: its address, and a name by which it is
//! found again in logs.
//!
//! The address is that of the connection. `X-Forwarded-For` is only believed when a proxy of the configuration says it:
//! anybody can write that header. Called by the door, which names every call but those that publish, and by
//! [`crate::caller`].

use std::net::{IpAddr, SocketAddr};

use axum::extract::{ConnectInfo, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use hub::Origin;
use ipnet::IpNet;

/// Carries the name of a call in both directions.
pub(crate) const HEADER: HeaderName = HeaderName::from_static("x-request-id");
const FORWARDED_FOR: &str = "x-forwarded-for";
/// Longest name that a caller may give to a call, in bytes.
const NAME_BYTES_MAX: usize = 64;

/// A call's name.
#[derive(Clone)]
struct Name(HeaderValue);

/// Names a call as its caller or a proxy did, else by a new id; the answer carries it too.
pub(crate) fn name(request: &mut Request) -> HeaderValue {
    let is_sound = |value: &&HeaderValue| {
        let bytes = value.as_bytes();
        (1..=NAME_BYTES_MAX).contains(&bytes.len()) && bytes.iter().all(u8::is_ascii_graphic)
    };
    let given = request.headers().get(HEADER).filter(is_sound).cloned();
    let name = given.unwrap_or_else(|| {
        let id = uuid::Uuid::now_v7().to_string();
        HeaderValue::try_from(id).expect("hexadecimal digits are printable")
    });
    request.extensions_mut().insert(Name(name.clone()));
    name
}

/// Where the call comes from; `None` for calls without a name, which change nothing that is audited.
pub(crate) fn of(parts: &Parts, trusted: &[IpNet]) -> Option<Origin> {
    let Name(name) = parts.extensions.get::<Name>()?;
    Some(Origin {
        address: address(parts, trusted),
        request: String::from_utf8_lossy(name.as_bytes()).into_owned(),
    })
}

fn address(parts: &Parts, trusted: &[IpNet]) -> Option<IpAddr> {
    let ConnectInfo(peer) = parts.extensions.get::<ConnectInfo<SocketAddr>>()?;
    Some(client(peer.ip().to_canonical(), &parts.headers, trusted))
}

/// From the right, each proxy tells of the one before: the first that is not ours is the caller, whatever it says of
/// others. What cannot be read ends the chain at the proxy that passed it on.
fn client(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    let is_ours = |address: &IpAddr| trusted.iter().any(|net| net.contains(address));
    let mut nearest = peer;
    let lines: Vec<&HeaderValue> = headers.get_all(FORWARDED_FOR).iter().collect();
    let told = lines.iter().rev().flat_map(|line| {
        let text = line.to_str().unwrap_or_default();
        text.rsplit(',').map(str::trim)
    });
    for text in told {
        if !is_ours(&nearest) {
            break;
        }
        match read(text) {
            Some(address) => nearest = address,
            None => break,
        }
    }
    nearest
}

/// Some proxies write the port too.
fn read(text: &str) -> Option<IpAddr> {
    let bare = text.trim_start_matches('[').trim_end_matches(']');
    let address = bare.parse::<IpAddr>().ok();
    address
        .or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()))
        .map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(peer: &str, lines: &[&str], expected: &str) {
        let trusted = ["10.0.0.0/8", "fd00::/8"].map(|net| net.parse().expect("a network"));
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(FORWARDED_FOR, line.parse().expect("a header"));
        }
        let address = client(peer.parse().expect("an address"), &headers, &trusted);
        assert_eq!(address.to_string(), expected, "{peer} {lines:?}");
    }

    #[test]
    fn only_our_proxies_are_believed() {
        check("203.0.113.9", &[], "203.0.113.9");
        check("203.0.113.9", &["198.51.100.1"], "203.0.113.9");
        check("10.0.0.1", &[], "10.0.0.1");
        check("10.0.0.1", &["198.51.100.1"], "198.51.100.1");
        check("10.0.0.1", &["1.1.1.1, 198.51.100.1"], "198.51.100.1");
        check(
            "10.0.0.1",
            &["1.1.1.1, 198.51.100.1, 10.0.0.2"],
            "198.51.100.1",
        );
        check(
            "10.0.0.1",
            &["1.1.1.1", "198.51.100.1", "10.0.0.2"],
            "198.51.100.1",
        );
        check("10.0.0.1", &["10.0.0.3, 10.0.0.2"], "10.0.0.3");
        check("fd00::1", &["[2001:db8::7]:4711"], "2001:db8::7");
        check("10.0.0.1", &["198.51.100.1:80"], "198.51.100.1");
        check("10.0.0.1", &["::ffff:198.51.100.1"], "198.51.100.1");
        check("10.0.0.1", &["1.1.1.1, unknown"], "10.0.0.1");
        check("10.0.0.1", &["1.1.1.1, unknown, 10.0.0.2"], "10.0.0.2");
    }
}
