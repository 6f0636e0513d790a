//! How a stranger's server wants to be signed in to: the four schemes of the published API, read by one parser.
//!
//! Used by the subscription notification document (`notification`) and by the onboarding document, which differ in one
//! thing: in the latter a value may be [`PROMPT`], asked of a user when an endpoint is registered. Member names are taken
//! in any letter case, because the published examples spell them in several ways (`userID` and `userId`, `apikey` and
//! `APIKey`).
//!
//! Secrets are never shown again: [`Authentication::shown`] (and [`mask`], for a document kept as it was sent) puts
//! [`MASK`] in their place, and [`Authentication::keep`] takes a mask that was sent back for the stored secret.
//! Promises: all violations at once with their pointers; no secret in any of them; what is read can be put into a header
//! or a form (no control characters, bounded).

use serde_json::{Map, Value};

use crate::invalid::{Invalid, shown};
use crate::reader::{Reader, type_name};
use crate::secret::Secret;

/// Stands for a secret in what is shown. Sent back, it keeps the stored one.
pub const MASK: &str = "********";
/// Stands for a value that a user is asked for.
pub const PROMPT: &str = "PROMPT";

/// Longest value of a member, in characters: refresh tokens may be long, headers may not be endless.
const VALUE_CHARS_MAX: usize = 4_096;
const URL_CHARS_MAX: usize = 2_048;

/// Which of the four it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scheme {
    ApiKey,
    Basic,
    OAuth,
    OAuthRefreshTokenOnly,
}

/// How to sign in. Any value but a URL may be [`PROMPT`] where the document allows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Authentication {
    /// `Authorization: Bearer <key>`
    ApiKey { key: Secret },
    /// RFC 7617.
    Basic { user_id: String, password: Secret },
    /// An access token, got at `auth_url` with a refresh token (RFC 6749 §6).
    OAuth {
        auth_url: String,
        client_id: String,
        client_secret: Secret,
        refresh_token: Secret,
    },
    /// The same with the client id and secret that the operator stored under `supplier_key`.
    OAuthRefreshTokenOnly {
        auth_url: String,
        supplier_key: String,
        refresh_token: Secret,
    },
}

/// A member of an authentication object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Member {
    /// As we write it.
    pub name: &'static str,
    /// What a user is asked for.
    pub label: &'static str,
    /// Never shown again.
    pub is_secret: bool,
    form: Form,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Url,
    /// Goes into a header as it is.
    Token,
    /// The user id of RFC 7617: no colon.
    UserId,
    /// Is encoded before it is sent.
    Text,
}

const fn member(name: &'static str, label: &'static str, is_secret: bool, form: Form) -> Member {
    Member {
        name,
        label,
        is_secret,
        form,
    }
}

const AUTH_URL: Member = member("authURL", "URL for access tokens", false, Form::Url);
const REFRESH_TOKEN: Member = member("refreshToken", "Refresh token", true, Form::Text);

impl Scheme {
    const ALL: [Self; 4] = [
        Self::ApiKey,
        Self::Basic,
        Self::OAuth,
        Self::OAuthRefreshTokenOnly,
    ];

    /// What stands as `authType`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ApiKey => "APIKey",
            Self::Basic => "Basic",
            Self::OAuth => "OAuth",
            Self::OAuthRefreshTokenOnly => "OAuthRefreshTokenOnly",
        }
    }

    /// Any letter case.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|scheme| scheme.as_str().eq_ignore_ascii_case(text.trim()))
    }

    /// Its members beside `authType`; all are required.
    pub fn members(self) -> &'static [Member] {
        const API_KEY: &[Member] = &[member("APIKey", "API key", true, Form::Token)];
        const BASIC: &[Member] = &[
            member("userID", "User name", false, Form::UserId),
            member("password", "Password", true, Form::Text),
        ];
        const OAUTH: &[Member] = &[
            AUTH_URL,
            member("clientID", "Client id", false, Form::Text),
            member("clientSecret", "Client secret", true, Form::Text),
            REFRESH_TOKEN,
        ];
        const REFRESH_TOKEN_ONLY: &[Member] = &[
            AUTH_URL,
            member("supplierKey", "Supplier key", false, Form::Text),
            REFRESH_TOKEN,
        ];
        match self {
            Self::ApiKey => API_KEY,
            Self::Basic => BASIC,
            Self::OAuth => OAUTH,
            Self::OAuthRefreshTokenOnly => REFRESH_TOKEN_ONLY,
        }
    }
}

/// Whether values may be asked of a user later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prompts {
    Allowed,
    Refused,
}

impl Authentication {
    /// Reads an authentication object. A value may be [`MASK`]: then [`Authentication::keep`] must follow.
    /// `None` after a violation was reported.
    pub fn read(reader: &Reader<'_>, prompts: Prompts, invalid: &mut Invalid) -> Option<Self> {
        let names: Vec<&str> = Scheme::ALL.iter().map(|scheme| scheme.as_str()).collect();
        let expected = format!("`{}`", names.join("`, `"));
        let auth_type = spelling(reader, "authType");
        let Some(scheme) = reader.word(auth_type, &expected, Scheme::parse, invalid) else {
            if reader
                .get(auth_type)
                .is_none_or(|value| value.as_str() == Some(""))
            {
                let message = format!("`authType` is required: send one of {expected}");
                invalid.add(reader.pointer("authType"), "required", message);
            }
            return None;
        };
        let mut values = Vec::new();
        for member in scheme.members() {
            let name = spelling(reader, member.name);
            values.push(member.read(reader, name, prompts, invalid));
        }
        let values: Option<Vec<String>> = values.into_iter().collect();
        Some(Self::of(scheme, values?))
    }

    /// What [`Authentication::to_json`] wrote, as it rests sealed.
    ///
    /// # Errors
    /// The violations, if it is not of that form.
    pub fn from_json(value: &Value) -> Result<Self, Invalid> {
        let mut invalid = Invalid::default();
        let read = Reader::new(value, "", &mut invalid)
            .and_then(|reader| Self::read(&reader, Prompts::Allowed, &mut invalid));
        read.ok_or(invalid)
    }

    /// With its secrets in clear: only to be sealed.
    pub fn to_json(&self) -> Value {
        self.json(|_, value| value.to_owned())
    }

    /// As people and programs may see it: each secret masked, but not a prompt.
    pub fn shown(&self) -> Value {
        self.json(|member, value| {
            let hides = member.is_secret && value != PROMPT;
            if hides { MASK } else { value }.to_owned()
        })
    }

    fn json(&self, show: impl Fn(&Member, &str) -> String) -> Value {
        let mut object = Map::new();
        object.insert("authType".to_owned(), self.scheme().as_str().into());
        for (member, value) in self.values() {
            object.insert(member.name.to_owned(), show(member, value).into());
        }
        Value::Object(object)
    }

    pub fn scheme(&self) -> Scheme {
        match self {
            Self::ApiKey { .. } => Scheme::ApiKey,
            Self::Basic { .. } => Scheme::Basic,
            Self::OAuth { .. } => Scheme::OAuth,
            Self::OAuthRefreshTokenOnly { .. } => Scheme::OAuthRefreshTokenOnly,
        }
    }

    /// Each member with its value in clear, in the order of [`Scheme::members`].
    fn values(&self) -> impl Iterator<Item = (&'static Member, &str)> {
        let values = match self {
            Self::ApiKey { key } => vec![key.expose()],
            Self::Basic { user_id, password } => vec![user_id.as_str(), password.expose()],
            Self::OAuth {
                auth_url,
                client_id,
                client_secret,
                refresh_token,
            } => vec![
                auth_url.as_str(),
                client_id.as_str(),
                client_secret.expose(),
                refresh_token.expose(),
            ],
            Self::OAuthRefreshTokenOnly {
                auth_url,
                supplier_key,
                refresh_token,
            } => vec![
                auth_url.as_str(),
                supplier_key.as_str(),
                refresh_token.expose(),
            ],
        };
        self.scheme().members().iter().zip(values)
    }

    /// From a value for each of the scheme's members, in their order.
    fn of(scheme: Scheme, values: Vec<String>) -> Self {
        let mut values = values.into_iter();
        let mut next = || values.next().unwrap_or_default();
        match scheme {
            Scheme::ApiKey => Self::ApiKey {
                key: Secret::new(next()),
            },
            Scheme::Basic => Self::Basic {
                user_id: next(),
                password: Secret::new(next()),
            },
            Scheme::OAuth => Self::OAuth {
                auth_url: next(),
                client_id: next(),
                client_secret: Secret::new(next()),
                refresh_token: Secret::new(next()),
            },
            Scheme::OAuthRefreshTokenOnly => Self::OAuthRefreshTokenOnly {
                auth_url: next(),
                supplier_key: next(),
                refresh_token: Secret::new(next()),
            },
        }
    }

    /// The secrets in clear, so that they can be taken out of what strangers answer.
    pub fn secrets(&self) -> Vec<&str> {
        let all = self.values().filter(|(member, _)| member.is_secret);
        all.map(|(_, value)| value).collect()
    }

    /// Where access tokens are got.
    pub fn auth_url(&self) -> Option<&str> {
        match self {
            Self::OAuth { auth_url, .. } | Self::OAuthRefreshTokenOnly { auth_url, .. } => {
                Some(auth_url)
            }
            Self::ApiKey { .. } | Self::Basic { .. } => None,
        }
    }

    /// Puts the stored secret in the place of each mask. `stored` is what was there before, if its secrets may be kept: a
    /// caller passes `None` when they would go to another host than the one they were given for. `pointer` is where the
    /// authentication stands in the document.
    pub fn keep(self, stored: Option<&Self>, pointer: &str, invalid: &mut Invalid) -> Option<Self> {
        let same = stored.filter(|stored| {
            stored.scheme() == self.scheme() && origin(stored.auth_url()) == origin(self.auth_url())
        });
        let mut known =
            same.map(|stored| stored.values().map(|(_, value)| value).collect::<Vec<_>>());
        let mut values = Some(Vec::new());
        for (place, (member, value)) in self.values().enumerate() {
            let kept = if member.is_secret && value == MASK {
                known.as_mut().map(|values| values[place])
            } else {
                Some(value)
            };
            match (kept, &mut values) {
                (Some(kept), Some(values)) => values.push(kept.to_owned()),
                (Some(_), None) => {}
                (None, _) => {
                    values = None;
                    let message = "the mask keeps a stored secret, and none is stored for this scheme and host: send the secret";
                    invalid.add(format!("{pointer}/{}", member.name), "mask", message);
                }
            }
        }
        values.map(|values| Self::of(self.scheme(), values))
    }

    /// The members that a user is to be asked for.
    pub fn prompts(&self) -> Vec<Member> {
        let asked = self.values().filter(|(_, value)| *value == PROMPT);
        asked.map(|(member, _)| *member).collect()
    }

    /// With the users' answers in the place of the prompts: `values` has them under the members' names, in any letter
    /// case, and stands at `pointer`. Members that nobody is asked for are ignored.
    pub fn fill(
        &self,
        values: &Map<String, Value>,
        pointer: &str,
        invalid: &mut Invalid,
    ) -> Option<Self> {
        let object = Value::Object(values.clone());
        let reader = Reader::new(&object, pointer, invalid)?;
        let mut filled = Vec::new();
        for (member, value) in self.values() {
            filled.push(if value == PROMPT {
                let name = spelling(&reader, member.name);
                member.read(&reader, name, Prompts::Refused, invalid)
            } else {
                Some(value.to_owned())
            });
        }
        let filled: Option<Vec<String>> = filled.into_iter().collect();
        Some(Self::of(self.scheme(), filled?))
    }
}

impl Member {
    /// The value under `name`, or a violation.
    fn read(
        &self,
        reader: &Reader<'_>,
        name: &str,
        prompts: Prompts,
        invalid: &mut Invalid,
    ) -> Option<String> {
        let chars_max = match self.form {
            Form::Url => URL_CHARS_MAX,
            Form::Token | Form::UserId | Form::Text => VALUE_CHARS_MAX,
        };
        let value = reader.required_text(name, chars_max, invalid)?;
        let wrong = match self.form {
            _ if value == PROMPT && self.form == Form::Url => {
                Some(("prompt", "a URL is not asked of users: send it".to_owned()))
            }
            _ if value == PROMPT && prompts == Prompts::Refused => Some((
                "prompt",
                "`PROMPT` asks a user when an endpoint is registered, and nobody can be asked here: send the value".to_owned(),
            )),
            _ if value == PROMPT || (self.is_secret && value == MASK) => None,
            // A secret is not repeated.
            _ if value.contains(char::is_control) => {
                Some(("characters", "holds line breaks or other control characters: copy it again".to_owned()))
            }
            Form::UserId if value.contains(':') => {
                Some(("characters", "holds a colon, which Basic authentication does not allow in a user id".to_owned()))
            }
            Form::Token if !value.chars().all(|c| c.is_ascii_graphic() || c == ' ') => {
                Some(("characters", "holds characters that a header cannot carry: expected printable ASCII".to_owned()))
            }
            Form::Url if !is_web(&value) => Some(("url", format!("{} is not a URL: expected `https://host/path`", shown(&value)))),
            _ => None,
        };
        match wrong {
            None => Some(value),
            Some((code, message)) => {
                invalid.add(reader.pointer(name), code, message);
                None
            }
        }
    }
}

/// Puts [`MASK`] in the place of every secret of an authentication object that is kept as it was sent.
pub fn mask(authentication: &mut Value) {
    let Value::Object(members) = authentication else {
        return;
    };
    let secrets = Scheme::ALL.iter().flat_map(|scheme| scheme.members());
    for secret in secrets.filter(|member| member.is_secret) {
        for (name, value) in members.iter_mut() {
            let is_it = name.eq_ignore_ascii_case(secret.name);
            if is_it && !value.is_null() && value.as_str() != Some(PROMPT) {
                *value = MASK.into();
            }
        }
    }
}

/// The member `authentication` of a document, unless absent or null; reported if it is no object.
pub fn object<'v>(reader: &Reader<'v>, invalid: &mut Invalid) -> Option<Reader<'v>> {
    let name = spelling(reader, "authentication");
    let value = reader.get(name)?;
    if !value.is_object() {
        let message = format!(
            "expected an object with `authType`, found {}",
            type_name(value)
        );
        invalid.add(reader.pointer(name), "type", message);
        return None;
    }
    Reader::new(value, reader.pointer(name), invalid)
}

/// The member's name as it was sent, in whichever letter case; as we write it when it is not there.
pub fn spelling<'a>(reader: &Reader<'a>, name: &'a str) -> &'a str {
    let mut sent = reader
        .names()
        .filter(|sent| sent.eq_ignore_ascii_case(name));
    sent.find(|sent| reader.get(sent).is_some())
        .map_or(name, String::as_str)
}

/// A pointer with each name as the document spells it, for what is found wrong after it was read.
pub fn as_sent(document: &Value, pointer: &str) -> String {
    let mut at = Some(document);
    let mut sent = String::new();
    for name in pointer.split('/').skip(1) {
        let members = at.and_then(Value::as_object);
        let known = members.and_then(|members| {
            let mut names = members.iter().filter(|(_, value)| !value.is_null());
            names.find(|(known, _)| known.eq_ignore_ascii_case(name))
        });
        sent.push('/');
        sent.push_str(known.map_or(name, |(known, _)| known));
        at = known.map(|(_, value)| value);
    }
    sent
}

pub(crate) fn is_web(url: &str) -> bool {
    let rest = ["https://", "http://"].iter().find_map(|scheme| {
        url.get(..scheme.len())
            .filter(|s| s.eq_ignore_ascii_case(scheme))
            .map(|s| &url[s.len()..])
    });
    rest.is_some_and(|rest| !rest.is_empty() && !url.contains(char::is_whitespace))
}

/// Scheme, host and port of a URL, in lower case.
pub fn origin(url: Option<&str>) -> Option<String> {
    let url = url?;
    let (scheme, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let scheme = scheme.to_ascii_lowercase();
    let authority = authority.to_ascii_lowercase();
    let default_port = if scheme == "https" { ":443" } else { ":80" };
    let authority = authority.strip_suffix(default_port).unwrap_or(&authority);
    Some(format!("{scheme}://{authority}"))
}

#[cfg(test)]
mod tests;
