//! What every answer of the console carries, and which requests are not taken.
//!
//! A request that changes something is only taken from a page of the console itself: browsers say where a request comes
//! from in `Sec-Fetch-Site`, older ones in `Origin`, and a page cannot forge either. So no form needs a token of its own,
//! and none can be forgotten (`docs/adr`).

use std::net::SocketAddr;

use axum::extract::{ConnectInfo, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::ConsoleState;
use crate::problem;

/// Nothing from anywhere else, nothing inline, in nobody's frame.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

const HEADERS: [(HeaderName, &str); 6] = [
    (header::CONTENT_SECURITY_POLICY, POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "same-origin"),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        "same-origin",
    ),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    ),
];

pub(crate) async fn around(
    State(state): State<ConsoleState>,
    request: Request,
    next: Next,
) -> Response {
    let is_taken = request.method().is_safe() || is_own(request.headers());
    let mut response = if is_taken {
        next.run(request).await
    } else {
        let why = "This was sent by a page of another site, so nothing was done. Go to the console and do it there.";
        problem::shown(&state, StatusCode::FORBIDDEN, "Not from here", why).into_response()
    };
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    // What pages show is for whoever is signed in, and not for the next one at this machine.
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    response
}

/// The request comes from a page of this very address. One that says nothing of where it comes from is no browser's.
fn is_own(headers: &HeaderMap) -> bool {
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(site) = text(HeaderName::from_static("sec-fetch-site")) {
        return site == "same-origin";
    }
    let (Some(origin), Some(host)) = (text(header::ORIGIN), text(header::HOST)) else {
        return false;
    };
    let bare = origin
        .strip_prefix("https://")
        .or_else(|| origin.strip_prefix("http://"));
    bare == Some(host)
}

/// Where the request came from, for the audit trail and the limits on signing in.
pub(crate) fn origin(parts: &Parts, state: &ConsoleState) -> Option<hub::Origin> {
    let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
    let forwarded = parts.headers.get_all("x-forwarded-for");
    let lines: Vec<&str> = forwarded
        .iter()
        .map(|line| line.to_str().unwrap_or_default())
        .collect();
    let trusted = &state.shared.trusted_proxies;
    Some(hub::Origin {
        address: peer.map(|ConnectInfo(peer)| hub::Origin::address(peer.ip(), &lines, trusted)),
        request: uuid::Uuid::now_v7().to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(headers: &[(&'static str, &'static str)], expected: bool) {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, HeaderValue::from_static(value));
        }
        assert_eq!(is_own(&map), expected, "{headers:?}");
    }

    #[test]
    fn only_pages_of_the_console_may_change_something() {
        let host = ("host", "rialto.example.com");
        check(&[host, ("sec-fetch-site", "same-origin")], true);
        check(&[host, ("sec-fetch-site", "same-site")], false);
        check(&[host, ("sec-fetch-site", "cross-site")], false);
        check(&[host, ("sec-fetch-site", "none")], false);
        check(&[host, ("origin", "https://rialto.example.com")], true);
        check(&[host, ("origin", "https://evil.example.com")], false);
        check(&[host, ("origin", "null")], false);
        // What a browser says counts, whatever else stands there.
        let both = [
            host,
            ("origin", "https://rialto.example.com"),
            ("sec-fetch-site", "cross-site"),
        ];
        check(&both, false);
        check(&[host], false);
    }
}
