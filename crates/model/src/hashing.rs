//! Hashing of identifiers and attributes: which algorithms there are, what each does to a value first,
//! and [`outbound`], the one place that decides what leaves the house. Pure; called for every identifier of every push.
//!
//! # Beside the large advertising platforms
//!
//! All of them compare lower-case hex SHA-256 of values that were cleaned first, each in its own way: a destination may
//! name a [`profile`], which follows the rules of one of them. What the algorithms here share with them:
//!
//! | who | e-mail | telephone | so, for them |
//! |---|---|---|---|
//! | Meta, Conversions API, "Customer Information Parameters" (`em`, `ph`) | trim, lower-case | digits with country code, no `+` | `EMAIL_SHA256`, `PHONE_SHA256` |
//! | Snap, Conversions API, "Best Practices" | trim, lower-case | digits with country code, no `+`, no leading zeros | `EMAIL_SHA256`, `PHONE_SHA256` |
//! | Google Ads and CM360, "Normalization and hashing" | trim, lower-case; for gmail.com and googlemail.com also no dots before the `@` | E.164 **with** `+` | `EMAIL_SHA256`, except for Gmail addresses with dots; telephones: publish `+…` and ask for plain `SHA256` |
//! | UID2, "Normalization and Encoding" | as Google, and for gmail.com no `+tag`; Base64 of the digest instead of hex | E.164 **with** `+` | not ours: a connector of its own |
//! | TikTok, Events API (third-party guides) | lower-case | E.164; guides disagree about the `+` | `EMAIL_SHA256`; telephones as the advertiser's guide says |
//!
//! We do not touch dots or `+tag` of any provider: such a rule is that provider's, changes with it, and would make our
//! `EMAIL_SHA256` unequal to the one other systems computed from the same address. Telephone digits carry no `+`.

pub mod profile;

use std::borrow::Cow;
use std::fmt;

use md5::Md5;
use serde::{Deserialize, Serialize};
use sha1::Sha1;
use sha2::{Digest, Sha256};

use crate::phone::{self, PhoneError};
pub use crate::region::Region;
use profile::{Digested, Field, HashProfile, looks_hashed};

/// How a value is obscured. The last two clean the value first, so that spellings of one address meet in one hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum HashAlgorithm {
    /// MD5 of the UTF-8 value as it is.
    #[serde(rename = "MD5")]
    Md5,
    /// SHA-1 of the UTF-8 value as it is.
    #[serde(rename = "SHA1")]
    Sha1,
    /// SHA-256 of the UTF-8 value as it is.
    #[serde(rename = "SHA256")]
    Sha256,
    /// SHA-256 of the e-mail address, trimmed and in lower case.
    #[serde(rename = "EMAIL_SHA256")]
    EmailSha256,
    /// SHA-256 of the E.164 digits of the telephone number, without `+`.
    #[serde(rename = "PHONE_SHA256")]
    PhoneSha256,
}

/// What an endpoint registered for one of its identifiers or attributes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum HashMode {
    /// Clear text.
    #[default]
    None,
    /// The values at this endpoint are hashes already.
    Hashed,
    /// Values must be hashed by the hub on their way.
    Required,
}

/// What is done with a value that looks like a hash where a hash is to be made of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HashedValues {
    /// It is not sent, and that is reported.
    #[default]
    Refuse,
    /// It is sent as it is, if it can be the hash that is wanted.
    Pass,
}

impl HashedValues {
    /// Whether such a value may be sent as it is.
    fn judge(self, fits: bool) -> Result<(), HashError> {
        match self {
            Self::Pass if fits => Ok(()),
            Self::Pass | Self::Refuse => Err(HashError::AlreadyHashed),
        }
    }
}

/// Hash mode and algorithm of one identifier or attribute at one endpoint, as registered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct HashingOf {
    /// What happens to the values.
    pub mode: HashMode,
    /// By which algorithm, where the registration says.
    pub algorithm: Option<HashAlgorithm>,
}

/// The value cannot be hashed as asked. Never carries the value: it is personal, and this text ends in logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HashError {
    /// A value of which nothing is left when it is cleaned: its hash would join strangers.
    #[error("the value is blank, so it was not hashed: send one or leave the identifier out")]
    Blank,
    /// The publisher sends hashes, and the destination's profile wants values cleaned in another way, or in clear.
    #[error("the publisher sends values hashed by {}, which is not what the profile {} takes: publish clear values", or_unnamed(.has), .profile.as_str())]
    AnotherForm {
        /// What the publisher registered; `None` when it did not say.
        has: Option<HashAlgorithm>,
        /// Whose rules the destination follows.
        profile: HashProfile,
    },
    /// What looks like a hash is not hashed again, where it was not registered as one.
    #[error(
        "the value looks hashed already, so it was not hashed again: register it as `HASHED`, or send it in clear"
    )]
    AlreadyHashed,
    /// A telephone number that cannot be read is reported and not hashed.
    #[error("the telephone number was not hashed")]
    Phone(#[source] PhoneError),
    /// The publisher sends hashes of one algorithm, the destination takes those of another; hashes cannot be converted.
    #[error("the publisher sends values hashed by {}, the destination wants {wanted}, and a hash cannot be turned into another: \
             publish clear values, or let the destination ask for what the publisher has", or_unnamed(.has))]
    AnotherAlgorithm {
        /// What the publisher registered; `None` when it did not say.
        has: Option<HashAlgorithm>,
        /// What the destination asks for.
        wanted: HashAlgorithm,
    },
}

/// The hash of `value`, as lower-case hex. `region` serves telephone numbers without a country code.
///
/// # Errors
/// [`HashError::Blank`] and [`HashError::Phone`]; the three plain algorithms hash anything.
pub fn hash(
    algorithm: HashAlgorithm,
    value: &str,
    region: Option<Region>,
) -> Result<String, HashError> {
    Ok(match algorithm {
        HashAlgorithm::Md5 => hex(&Md5::digest(value)),
        HashAlgorithm::Sha1 => hex(&Sha1::digest(value)),
        HashAlgorithm::Sha256 => hex(&Sha256::digest(value)),
        HashAlgorithm::EmailSha256 => match value.trim() {
            "" => return Err(HashError::Blank),
            address => hex(&Sha256::digest(address.to_lowercase())),
        },
        HashAlgorithm::PhoneSha256 => hex(&Sha256::digest(
            phone::e164_digits(value, region).map_err(HashError::Phone)?,
        )),
    })
}

/// What a destination endpoint and its account say of all values.
#[derive(Debug, Clone, Copy, Default)]
pub struct Terms {
    /// The `hashProfile` of the endpoint: its rules come before all else, for the fields that it knows.
    pub profile: Option<HashProfile>,
    /// The `hashAlgorithm` of the endpoint.
    pub algorithm: Option<HashAlgorithm>,
    /// Serves telephone numbers without a country code.
    pub region: Option<Region>,
    /// What is done with what looks hashed and is not registered so.
    pub hashed_values: HashedValues,
}

/// What leaves the house for one value: the value itself or its hash. `None` when the receiver, by its profile, has no
/// use for a value of this `kind` (identity type).
///
/// Without a profile, or for a type that profiles do not know:
/// - The publisher's values are hashes (`HASHED`): passed on as they are, never hashed twice.
/// - The destination is `REQUIRED` or `HASHED` ("I hold hashes, send me hashes"): hashed by its algorithm, else by the
///   endpoint's default, else by SHA-256.
/// - The publisher is `REQUIRED` ("my values do not leave in clear text"): likewise, whatever the destination says; the
///   publisher's own algorithm comes before SHA-256.
/// - Else clear text.
///
/// What looks like a hash and is not registered as one is refused or passed on ([`HashedValues`]), never hashed again.
///
/// # Errors
/// [`HashError`]: nothing may be sent for this value then.
pub fn outbound<'v>(
    kind: &str,
    value: &'v str,
    source: &HashingOf,
    destination: &HashingOf,
    terms: &Terms,
) -> Result<Option<Cow<'v, str>>, HashError> {
    Prepared::new(kind, source, destination, terms).apply(value)
}

/// The same decision, taken once for a column and carried out for each of its values.
#[derive(Debug, Clone, Copy)]
pub struct Prepared {
    source: HashingOf,
    destination: HashingOf,
    terms: Terms,
    by_profile: Option<(HashProfile, Field)>,
    wanted: Option<HashAlgorithm>,
}

impl Prepared {
    /// For values of one `kind` (identity type).
    pub fn new(kind: &str, source: &HashingOf, destination: &HashingOf, terms: &Terms) -> Self {
        Self {
            source: *source,
            destination: *destination,
            terms: *terms,
            by_profile: terms
                .profile
                .and_then(|profile| Some((profile, Field::of_type(kind)?))),
            wanted: wanted(source, destination, terms.algorithm),
        }
    }

    /// The same for values that come in another form.
    #[must_use]
    pub fn from(self, source: HashingOf) -> Self {
        Self {
            source,
            wanted: wanted(&source, &self.destination, self.terms.algorithm),
            ..self
        }
    }

    /// Whether the receiver has a use for such values at all.
    pub fn is_of_use(&self) -> bool {
        self.by_profile
            .is_none_or(|(profile, field)| profile.rule(field).is_some())
    }

    /// Whether the form in which the values come can become the one that is wanted: a hash cannot become another.
    pub fn is_possible(&self) -> bool {
        // Of hashes it does not matter which one it is.
        self.source.mode != HashMode::Hashed || self.apply("a").is_ok()
    }

    /// As [`outbound`].
    ///
    /// # Errors
    /// [`HashError`]: nothing may be sent for this value then.
    pub fn apply<'v>(&self, value: &'v str) -> Result<Option<Cow<'v, str>>, HashError> {
        match self.by_profile {
            Some((profile, field)) => profile.outbound(field, value, &self.source, &self.terms),
            None => by_algorithm(value, &self.source, self.wanted, &self.terms).map(Some),
        }
    }
}

fn by_algorithm<'v>(
    value: &'v str,
    source: &HashingOf,
    wanted: Option<HashAlgorithm>,
    terms: &Terms,
) -> Result<Cow<'v, str>, HashError> {
    match (source.mode, wanted) {
        (_, None) => Ok(Cow::Borrowed(value)),
        (HashMode::Hashed, Some(wanted)) if source.algorithm == Some(wanted) => {
            Ok(Cow::Borrowed(value))
        }
        (HashMode::Hashed, Some(wanted)) => Err(HashError::AnotherAlgorithm {
            has: source.algorithm,
            wanted,
        }),
        (HashMode::None | HashMode::Required, Some(wanted)) => {
            // Ids may be any 32 digits; what is an address or a number never looks like a hash.
            let found =
                looks_hashed(value).filter(|digest| wanted.cleans() || *digest == Digested::Sha256);
            match found {
                Some(digest) => terms
                    .hashed_values
                    .judge(digest == wanted.digest())
                    .map(|()| Cow::Borrowed(value)),
                None => hash(wanted, value, terms.region).map(Cow::Owned),
            }
        }
    }
}

fn wanted(
    source: &HashingOf,
    destination: &HashingOf,
    default: Option<HashAlgorithm>,
) -> Option<HashAlgorithm> {
    let stated = destination.algorithm.or(default);
    match (source.mode, destination.mode) {
        (HashMode::Required, _) => {
            Some(stated.or(source.algorithm).unwrap_or(HashAlgorithm::Sha256))
        }
        (_, HashMode::Required | HashMode::Hashed) => Some(stated.unwrap_or(HashAlgorithm::Sha256)),
        (_, HashMode::None) => None,
    }
}

/// Lower-case hex.
pub fn hex(digest: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(digest.len() * 2);
    for byte in digest {
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    text
}

fn or_unnamed(algorithm: &Option<HashAlgorithm>) -> &'static str {
    algorithm.map_or(
        "an algorithm that its registration does not name",
        HashAlgorithm::as_str,
    )
}

impl HashAlgorithm {
    const ALL: [Self; 5] = [
        Self::Md5,
        Self::Sha1,
        Self::Sha256,
        Self::EmailSha256,
        Self::PhoneSha256,
    ];

    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Md5 => "MD5",
            Self::Sha1 => "SHA1",
            Self::Sha256 => "SHA256",
            Self::EmailSha256 => "EMAIL_SHA256",
            Self::PhoneSha256 => "PHONE_SHA256",
        }
    }

    /// Whether it brings a value into one form first.
    const fn cleans(self) -> bool {
        matches!(self, Self::EmailSha256 | Self::PhoneSha256)
    }

    const fn digest(self) -> Digested {
        match self {
            Self::Md5 => Digested::Md5,
            Self::Sha1 => Digested::Sha1,
            Self::Sha256 | Self::EmailSha256 | Self::PhoneSha256 => Digested::Sha256,
        }
    }

    /// Reads a name in any letter case. `NONE` is not an algorithm but the absence of one: the caller's matter.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|algorithm| algorithm.as_str().eq_ignore_ascii_case(text))
    }
}

impl HashMode {
    const ALL: [Self; 3] = [Self::None, Self::Hashed, Self::Required];

    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "NONE",
            Self::Hashed => "HASHED",
            Self::Required => "REQUIRED",
        }
    }

    /// Reads a name in any letter case.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|mode| mode.as_str().eq_ignore_ascii_case(text))
    }
}

impl fmt::Display for HashAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for HashMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests;
