//! Hash profiles: how one large receiver wants values cleaned, and which of them hashed, as it publishes it itself.
//!
//! The platforms disagree: one hashes telephone numbers with the `+`, another without; one takes the country hashed, another
//! in clear; one ignores dots and `+tags` of Gmail addresses. A wrong guess matches nobody and says nothing. So a
//! profile is a table of [`Rule`]s by [`Field`], each with its source and its vectors in the tests. Pure; called for
//! what goes to a destination that names one. `docs/hashing.md` has the tables for people.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{HashAlgorithm, HashError, HashMode, HashingOf, Terms, hex};
use crate::phone;
use crate::region::Region;

/// Whose rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum HashProfile {
    /// Ours: e-mail addresses trimmed and in lower case, telephone numbers as E.164 digits, all else as it is.
    Plain,
    /// Meta, Conversions API, "Customer Information Parameters".
    Meta,
    /// Google, Data Manager API, "Format user data", and Google Ads, "Customer Match".
    GoogleCustomerMatch,
    /// TikTok, Events API; the telephone number as in its payload reference, `+` and country code.
    #[serde(rename = "TIKTOK")]
    TikTok,
    /// Snap, Conversions API, "Best Practices".
    Snap,
    /// LinkedIn, Conversions API and DMP segments: e-mail addresses; names in clear.
    #[serde(rename = "LINKEDIN")]
    LinkedIn,
    /// X, Ads API, "Custom Audiences User Data".
    X,
}

/// What a value is to a receiver, whatever its column is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Field {
    Email,
    Phone,
    FirstName,
    LastName,
    City,
    /// Of a country, two letters where it has such.
    State,
    PostalCode,
    /// ISO 3166-1, two letters.
    Country,
    /// `m` or `f`.
    Gender,
    /// `YYYYMMDD`.
    BirthDate,
    /// The sender's own id of the person.
    ExternalId,
    /// IDFA or AAID.
    MobileAdId,
    /// The receiver's own name of the person, without `@`.
    Handle,
}

/// What is done to a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    pub clean: Clean,
    /// Else it is sent in clear: hashed, the receiver would not know it.
    pub is_hashed: bool,
}

/// How a value is cleaned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clean {
    /// Nothing but white space at its ends is removed.
    Trimmed,
    /// And lower case.
    Lower,
    /// And for Gmail neither dots before the `@` nor what follows a `+`; no white space anywhere.
    GmailAware,
    /// Lower case; letters and digits of any script, nothing else.
    LettersAndDigits,
    /// Lower case; letters of any script, nothing else.
    Letters,
    /// E.164 without the `+`.
    PhoneDigits,
    /// E.164 with the `+`.
    PhonePlus,
    /// Lower case, no white space; of US codes the first five digits.
    PostalCode,
    /// Digits.
    Digits,
    /// The first letter, `m` or `f`.
    Initial,
    /// Lower case, no `@` at its start.
    Handle,
}

/// A value as the receiver takes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dressed {
    pub value: String,
    pub is_hashed: bool,
}

const fn hashed(clean: Clean) -> Option<Rule> {
    Some(Rule {
        clean,
        is_hashed: true,
    })
}

const fn clear(clean: Clean) -> Option<Rule> {
    Some(Rule {
        clean,
        is_hashed: false,
    })
}

impl Field {
    pub const ALL: [Self; 13] = [
        Self::Email,
        Self::Phone,
        Self::FirstName,
        Self::LastName,
        Self::City,
        Self::State,
        Self::PostalCode,
        Self::Country,
        Self::Gender,
        Self::BirthDate,
        Self::ExternalId,
        Self::MobileAdId,
        Self::Handle,
    ];

    /// The field that an identifier or attribute of this type is: types are compared without letter case, white space, `_` and `-`.
    pub fn of_type(name: &str) -> Option<Self> {
        let name: String = name
            .chars()
            .filter(|c| c.is_alphanumeric())
            .flat_map(char::to_lowercase)
            .collect();
        Some(match name.as_str() {
            "email" | "emailaddress" | "mail" => Self::Email,
            "phone" | "phonenumber" | "mobile" | "mobilenumber" | "telephone" | "sms" => {
                Self::Phone
            }
            "firstname" | "givenname" => Self::FirstName,
            "lastname" | "familyname" | "surname" => Self::LastName,
            "city" => Self::City,
            "state" | "province" | "region" => Self::State,
            "zip" | "zipcode" | "postalcode" | "postcode" => Self::PostalCode,
            "country" | "countrycode" => Self::Country,
            "gender" => Self::Gender,
            "birthdate" | "dateofbirth" | "dob" => Self::BirthDate,
            "externalid" | "customerid" | "userid" => Self::ExternalId,
            "mobileadid" | "madid" | "maid" | "idfa" | "aaid" | "gaid" => Self::MobileAdId,
            "handle" | "twitterhandle" | "xhandle" | "username" => Self::Handle,
            _ => return None,
        })
    }
}

impl HashProfile {
    pub const ALL: [Self; 7] = [
        Self::Plain,
        Self::Meta,
        Self::GoogleCustomerMatch,
        Self::TikTok,
        Self::Snap,
        Self::LinkedIn,
        Self::X,
    ];

    /// The name in registrations.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::Meta => "META",
            Self::GoogleCustomerMatch => "GOOGLE_CUSTOMER_MATCH",
            Self::TikTok => "TIKTOK",
            Self::Snap => "SNAP",
            Self::LinkedIn => "LINKEDIN",
            Self::X => "X",
        }
    }

    /// All names, for messages.
    pub const WORDS: &'static str =
        "PLAIN, META, GOOGLE_CUSTOMER_MATCH, TIKTOK, SNAP, LINKEDIN or X";

    /// Any letter case.
    pub fn parse(text: &str) -> Option<Self> {
        let mut all = Self::ALL.into_iter();
        all.find(|profile| profile.as_str().eq_ignore_ascii_case(text))
    }

    /// What is done to a field; `None` if the receiver has no use for it.
    pub const fn rule(self, field: Field) -> Option<Rule> {
        match self {
            Self::Plain => plain(field),
            Self::Meta => meta(field),
            Self::GoogleCustomerMatch => google(field),
            Self::TikTok => tiktok(field),
            Self::Snap => snap(field),
            Self::LinkedIn => linkedin(field),
            Self::X => x(field),
        }
    }

    /// What leaves the house for one value. What the publisher registered as hashes goes as it is where a hash is wanted, if
    /// it can be one of a value that was cleaned like this.
    pub(super) fn outbound<'v>(
        self,
        field: Field,
        value: &'v str,
        source: &HashingOf,
        terms: &Terms,
    ) -> Result<Option<Cow<'v, str>>, HashError> {
        let Some(rule) = self.rule(field) else {
            return Ok(None);
        };
        if source.mode == HashMode::Hashed {
            let fits = match source.algorithm {
                Some(HashAlgorithm::EmailSha256) => rule.clean == Clean::Lower,
                Some(HashAlgorithm::PhoneSha256) => rule.clean == Clean::PhoneDigits,
                // How the value was cleaned is the publisher's word.
                Some(HashAlgorithm::Sha256) => true,
                Some(HashAlgorithm::Md5 | HashAlgorithm::Sha1) | None => false,
            };
            return if fits && rule.is_hashed {
                Ok(Some(Cow::Borrowed(value)))
            } else {
                Err(HashError::AnotherForm {
                    has: source.algorithm,
                    profile: self,
                })
            };
        }
        match self.dress(field, value, terms.region) {
            Err(HashError::AlreadyHashed) => {
                let fits = looks_hashed(value) == Some(Digested::Sha256);
                let judged = terms.hashed_values.judge(fits);
                judged.map(|()| Some(Cow::Borrowed(value)))
            }
            dressed => Ok(dressed?.map(|dressed| Cow::Owned(dressed.value))),
        }
    }

    /// Cleans a value, and hashes it where the receiver wants that. `None` if it has no use for the field. `region` serves
    /// telephone numbers without a country code.
    ///
    /// # Errors
    /// [`HashError::Blank`] if nothing is left of it, [`HashError::Phone`], and [`HashError::AlreadyHashed`] for what looks
    /// like a hash already where a hash would be made: nothing is hashed twice.
    pub fn dress(
        self,
        field: Field,
        value: &str,
        region: Option<Region>,
    ) -> Result<Option<Dressed>, HashError> {
        let Some(rule) = self.rule(field) else {
            return Ok(None);
        };
        // Ids may be any 32 digits; what is an address or a number never looks like a hash.
        let is_id = matches!(field, Field::ExternalId | Field::MobileAdId);
        let found = looks_hashed(value).filter(|digest| !is_id || *digest == Digested::Sha256);
        if rule.is_hashed && found.is_some() {
            return Err(HashError::AlreadyHashed);
        }
        let cleaned = rule.clean.apply(value, region)?;
        if cleaned.is_empty() {
            return Err(HashError::Blank);
        }
        let value = if rule.is_hashed {
            hex(&Sha256::digest(cleaned))
        } else {
            cleaned
        };
        Ok(Some(Dressed {
            value,
            is_hashed: rule.is_hashed,
        }))
    }
}

/// Wire contract: e-mail and telephone as `EMAIL_SHA256` and `PHONE_SHA256`, all else as SHA-256 of the value.
const fn plain(field: Field) -> Option<Rule> {
    match field {
        Field::Email => hashed(Clean::Lower),
        Field::Phone => hashed(Clean::PhoneDigits),
        _ => hashed(Clean::Trimmed),
    }
}

/// Everything hashed but device ids; names and cities without punctuation, cities without blanks.
const fn meta(field: Field) -> Option<Rule> {
    match field {
        Field::Email | Field::Country => hashed(Clean::Lower),
        Field::Phone => hashed(Clean::PhoneDigits),
        Field::FirstName | Field::LastName | Field::City | Field::State => hashed(Clean::Letters),
        Field::PostalCode => hashed(Clean::PostalCode),
        Field::Gender => hashed(Clean::Initial),
        Field::BirthDate => hashed(Clean::Digits),
        Field::ExternalId => hashed(Clean::Trimmed),
        Field::MobileAdId => clear(Clean::Lower),
        Field::Handle => None,
    }
}

/// E-mail, telephone and names hashed; country and postal code must not be.
const fn google(field: Field) -> Option<Rule> {
    match field {
        Field::Email => hashed(Clean::GmailAware),
        Field::Phone => hashed(Clean::PhonePlus),
        Field::FirstName | Field::LastName => hashed(Clean::Lower),
        Field::PostalCode | Field::Country | Field::ExternalId | Field::MobileAdId => {
            clear(Clean::Trimmed)
        }
        _ => None,
    }
}

/// E-mail, telephone and the sender's id, all hashed.
const fn tiktok(field: Field) -> Option<Rule> {
    match field {
        Field::Email => hashed(Clean::Lower),
        Field::Phone => hashed(Clean::PhonePlus),
        Field::ExternalId => hashed(Clean::Trimmed),
        Field::MobileAdId => hashed(Clean::Lower),
        _ => None,
    }
}

/// Telephone numbers without `+`; device ids hashed, in lower case with their hyphens.
const fn snap(field: Field) -> Option<Rule> {
    match field {
        Field::Email | Field::MobileAdId | Field::Country | Field::State => hashed(Clean::Lower),
        Field::Phone => hashed(Clean::PhoneDigits),
        Field::FirstName | Field::LastName | Field::City => hashed(Clean::LettersAndDigits),
        Field::PostalCode => hashed(Clean::PostalCode),
        Field::Gender => hashed(Clean::Initial),
        Field::BirthDate => hashed(Clean::Digits),
        Field::ExternalId => hashed(Clean::Trimmed),
        Field::Handle => None,
    }
}

/// The e-mail hashed; names and country, which it matches by themselves, in clear.
const fn linkedin(field: Field) -> Option<Rule> {
    match field {
        Field::Email => hashed(Clean::Lower),
        Field::FirstName | Field::LastName | Field::Country | Field::MobileAdId => {
            clear(Clean::Trimmed)
        }
        _ => None,
    }
}

/// All that it takes is hashed, the handle among it.
const fn x(field: Field) -> Option<Rule> {
    match field {
        Field::Email | Field::MobileAdId => hashed(Clean::Lower),
        Field::Phone => hashed(Clean::PhonePlus),
        Field::Handle => hashed(Clean::Handle),
        _ => None,
    }
}

impl Clean {
    fn apply(self, value: &str, region: Option<Region>) -> Result<String, HashError> {
        let trimmed = value.trim();
        let digits = |value| phone::e164_digits(value, region).map_err(HashError::Phone);
        let keep = |is: fn(char) -> bool| -> String {
            let lower = trimmed.chars().flat_map(char::to_lowercase);
            lower.filter(|c| is(*c)).collect()
        };
        Ok(match self {
            Self::Trimmed => trimmed.to_owned(),
            Self::Lower => trimmed.to_lowercase(),
            Self::GmailAware => gmail_aware(&keep(|c| !c.is_whitespace())),
            Self::LettersAndDigits => keep(char::is_alphanumeric),
            Self::Letters => keep(char::is_alphabetic),
            Self::PhoneDigits => digits(trimmed)?,
            Self::PhonePlus => format!("+{}", digits(trimmed)?),
            Self::PostalCode => {
                let code = keep(|c| !c.is_whitespace());
                match code.split_once('-') {
                    Some((five, four)) if is_digits(five, 5) && is_digits(four, 4) => {
                        five.to_owned()
                    }
                    _ => code.replace('-', ""),
                }
            }
            Self::Digits => keep(|c| c.is_ascii_digit()),
            Self::Initial => keep(char::is_alphabetic).chars().take(1).collect(),
            Self::Handle => trimmed.trim_start_matches('@').trim().to_lowercase(),
        })
    }
}

/// For an address in lower case without white space.
fn gmail_aware(address: &str) -> String {
    let Some((local, domain @ ("gmail.com" | "googlemail.com"))) = address.rsplit_once('@') else {
        return address.to_owned();
    };
    let local = local.split('+').next().unwrap_or_default();
    format!("{}@{domain}", local.replace('.', ""))
}

fn is_digits(text: &str, count: usize) -> bool {
    text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The digest whose hexadecimal (or, of SHA-256, Base64) form a value has. What people write never does by chance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Digested {
    Md5,
    Sha1,
    Sha256,
}

impl fmt::Display for Digested {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Md5 => "MD5",
            Self::Sha1 => "SHA-1",
            Self::Sha256 => "SHA-256",
        })
    }
}

/// Whether a value looks like a hash: 32, 40 or 64 hexadecimal digits, letters among them, in one letter case; or 43
/// characters of Base64 and a `=`.
pub fn looks_hashed(value: &str) -> Option<Digested> {
    let value = value.trim();
    // Hardly any value has one of these lengths, so most are not looked at.
    let digest = match value.len() {
        32 => Digested::Md5,
        40 => Digested::Sha1,
        64 => Digested::Sha256,
        44 => {
            let is_base64 = |b: u8| b.is_ascii_alphanumeric() || b"+/-_".contains(&b);
            let is_digest = value.strip_suffix('=')?.bytes().all(is_base64);
            return is_digest.then_some(Digested::Sha256);
        }
        _ => return None,
    };
    let has = |is: fn(&u8) -> bool| value.as_bytes().iter().any(is);
    // Letters of one case: a long number is a number.
    let one_case = has(u8::is_ascii_uppercase) != has(u8::is_ascii_lowercase);
    (one_case && value.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(digest)
}

#[cfg(test)]
mod tests;
