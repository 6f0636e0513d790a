//! Credentials as a header: Bearer, Basic (RFC 7617) and API keys in a header of their own.
//!
//! Built once for a destination and applied to each call, so a push does not encode them again. What is built prints `***`
//! and is marked sensitive for every layer below.

use std::fmt;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName, HeaderValue};

/// One header that proves who we are.
#[derive(Clone, PartialEq, Eq)]
pub struct Authorization {
    name: HeaderName,
    value: HeaderValue,
}

/// A credential that no header can carry. The credential itself is not repeated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuthorizationError {
    #[error(
        "the {what} is empty or holds characters that a header cannot carry; check it for line breaks and copy it again"
    )]
    Value { what: &'static str },
    #[error(
        "the user id holds a colon or a control character, which Basic authentication does not allow"
    )]
    UserId,
    #[error("`{name}` is not a header that may carry a key; expected a name such as `x-api-key`")]
    Name { name: String },
}

impl Authorization {
    /// `Authorization: Bearer <token>`; also what the wire contract means by the `APIKey` of a notification.
    ///
    /// # Errors
    /// [`AuthorizationError::Value`] when a header cannot carry the token.
    pub fn bearer(token: &str) -> Result<Authorization, AuthorizationError> {
        Ok(Authorization {
            name: AUTHORIZATION,
            value: sensitive("token", &format!("Bearer {token}"), token)?,
        })
    }

    /// `Authorization: Basic <base64 of user:password>`, in UTF-8.
    ///
    /// # Errors
    /// [`AuthorizationError::UserId`] for a colon in the user id, [`AuthorizationError::Value`] for control characters.
    pub fn basic(user_id: &str, password: &str) -> Result<Authorization, AuthorizationError> {
        if user_id.contains(|c: char| c == ':' || c.is_control()) {
            return Err(AuthorizationError::UserId);
        }
        if password.contains(char::is_control) {
            return Err(AuthorizationError::Value { what: "password" });
        }
        let encoded = BASE64_STANDARD.encode(format!("{user_id}:{password}"));
        Ok(Authorization {
            name: AUTHORIZATION,
            value: sensitive("password", &format!("Basic {encoded}"), &encoded)?,
        })
    }

    /// `<header>: <key>`, for services that want their key in a header of their own.
    ///
    /// # Errors
    /// [`AuthorizationError::Name`] when the header is none or would change how the request is read,
    /// [`AuthorizationError::Value`] when it cannot carry the key.
    pub fn api_key(header: &str, key: &str) -> Result<Authorization, AuthorizationError> {
        let wrong = || AuthorizationError::Name {
            name: header
                .chars()
                .filter(|c| !c.is_control())
                .take(64)
                .collect(),
        };
        let name = HeaderName::try_from(header).map_err(|_| wrong())?;
        if FRAMING.contains(&name.as_str()) {
            return Err(wrong());
        }
        Ok(Authorization {
            name,
            value: sensitive("key", key, key)?,
        })
    }

    /// What the header carries, without the name of its scheme: to be taken out of what a stranger repeats.
    pub fn credential(&self) -> &str {
        let value = self.value.to_str().unwrap_or_default();
        let schemes = ["Bearer ", "Basic "];
        let bare = schemes.iter().find_map(|scheme| value.strip_prefix(scheme));
        bare.unwrap_or(value)
    }

    /// Puts the header into a request, in place of one of the same name.
    pub fn apply(&self, headers: &mut HeaderMap) {
        headers.insert(self.name.clone(), self.value.clone());
    }

    /// A stranger's words with `***` in the place of these credentials: who is called may repeat what it was sent. To be
    /// asked before anything is cut off, since half a secret is too much of it.
    pub fn hidden_in(&self, text: &[u8]) -> Option<String> {
        let text = String::from_utf8_lossy(text);
        let value = String::from_utf8_lossy(self.value.as_bytes());
        let credential = value.split_once(' ').map_or(&*value, |(_, rest)| rest);
        let mut secrets = vec![credential.to_owned()];
        if let Some(encoded) = value.strip_prefix("Basic ")
            && let Ok(clear) = BASE64_STANDARD.decode(encoded)
            && let Ok(clear) = String::from_utf8(clear)
        {
            secrets.extend(
                clear
                    .split_once(':')
                    .map(|(_, password)| password.to_owned()),
            );
        }
        let mut hidden = text.to_string();
        for secret in secrets.iter().filter(|secret| !secret.is_empty()) {
            hidden = hidden.replace(secret, "***");
        }
        (hidden != text).then_some(hidden)
    }
}

/// Headers that say where a request ends or for whom it is.
const FRAMING: &[&str] = &[
    "connection",
    "content-length",
    "expect",
    "host",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

impl fmt::Debug for Authorization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Authorization({}: ***)", self.name)
    }
}

fn sensitive(
    what: &'static str,
    value: &str,
    credential: &str,
) -> Result<HeaderValue, AuthorizationError> {
    let wrong = AuthorizationError::Value { what };
    if credential.trim().is_empty() {
        return Err(wrong);
    }
    let mut value = HeaderValue::from_str(value).map_err(|_| wrong)?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(authorization: &Authorization, name: &str) -> String {
        let mut headers = HeaderMap::new();
        headers.insert(
            name.parse::<HeaderName>().expect("a name"),
            HeaderValue::from_static("replaced"),
        );
        authorization.apply(&mut headers);
        assert_eq!(headers.len(), 1);
        headers[name].to_str().expect("text").to_owned()
    }

    #[test]
    fn each_scheme_has_its_header() {
        let bearer = Authorization::bearer("1234-abcd").expect("a token");
        assert_eq!(header(&bearer, "authorization"), "Bearer 1234-abcd");
        assert_eq!(bearer.credential(), "1234-abcd");
        // The example of RFC 7617.
        let basic = Authorization::basic("Aladdin", "open sesame").expect("credentials");
        assert_eq!(
            header(&basic, "authorization"),
            "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="
        );
        // And its example in UTF-8.
        let basic = Authorization::basic("test", "123\u{a3}").expect("credentials");
        assert_eq!(header(&basic, "authorization"), "Basic dGVzdDoxMjPCow==");
        let key = Authorization::api_key("X-Api-Key", "k").expect("a key");
        assert_eq!(header(&key, "x-api-key"), "k");
    }

    #[test]
    fn what_a_header_cannot_carry_is_refused() {
        for token in ["", " ", "a\r\nHost: evil", "a\0"] {
            assert_eq!(
                Authorization::bearer(token),
                Err(AuthorizationError::Value { what: "token" }),
                "{token:?}"
            );
        }
        assert_eq!(
            Authorization::basic("a:b", "c"),
            Err(AuthorizationError::UserId)
        );
        assert_eq!(
            Authorization::basic("a", "c\n"),
            Err(AuthorizationError::Value { what: "password" })
        );
        for name in [
            "",
            "two words",
            "Host",
            "Content-Length",
            "transfer-encoding",
            "x\n",
        ] {
            assert!(
                matches!(
                    Authorization::api_key(name, "k"),
                    Err(AuthorizationError::Name { .. })
                ),
                "{name}"
            );
        }
    }

    #[test]
    fn what_a_stranger_repeats_of_it_is_hidden() {
        let basic = Authorization::basic("me", "hunter2").expect("credentials");
        let said = b"not Basic bWU6aHVudGVyMg==, not hunter2!";
        assert_eq!(
            basic.hidden_in(said).as_deref(),
            Some("not Basic ***, not ***!")
        );
        let key = Authorization::bearer("k-123").expect("a token");
        assert_eq!(key.hidden_in(b"k-123").as_deref(), Some("***"));
        assert_eq!(key.hidden_in(b"nothing of it"), None);
    }

    #[test]
    fn a_credential_is_never_printed() {
        let key = Authorization::api_key("x-api-key", "hunter2").expect("a key");
        let mut headers = HeaderMap::new();
        key.apply(&mut headers);
        assert!(!format!("{key:?} {headers:?}").contains("hunter2"));
    }
}
