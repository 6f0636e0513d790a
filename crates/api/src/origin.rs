//! Where a call comes from, for the audit trail and for the limits on sign-in: its address, and a name by which it is
//! found again in logs.
//!
//! The address is that of the connection. `X-Forwarded-For` is only believed when a proxy of the configuration says it:
//! anybody can write that header. Called by the door, which names every call but those that publish, and by
//! [`crate::caller`].

use std::net::{IpAddr, SocketAddr};

use axum::extract::{ConnectInfo, Request};
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue};
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
    let lines = parts.headers.get_all(FORWARDED_FOR).iter();
    let lines: Vec<&str> = lines
        .map(|line| line.to_str().unwrap_or_default())
        .collect();
    Some(Origin::address(peer.ip(), &lines, trusted))
}
