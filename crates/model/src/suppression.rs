//! Who must not be delivered or shared: people who are restricted, and those on an account's suppression list.
//!
//! Nothing here keeps an identifier: a list is a set of keyed digests of the *forms* that an identifier may come in, so that
//! it says nothing about people without its key, and so that clear and hashed spellings of one value meet. Pure; `hub`
//! asks a [`Barrier`] for every document and every row of an audience on its way out.

use std::collections::{BTreeSet, HashMap};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::AccountId;
use crate::hashing::profile::{Field, looks_hashed};
use crate::hashing::{self, HashAlgorithm, HashMode, Region};
use crate::record::{Digest16, Identifier};

/// An identifier as it comes: its type, its value, and how its owner declared that.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// Identity type, in any letter case.
    pub kind: &'a str,
    pub value: &'a str,
    pub mode: HashMode,
    pub algorithm: Option<HashAlgorithm>,
}

impl<'a> From<&'a Identifier<'_>> for Subject<'a> {
    fn from(identifier: &'a Identifier<'_>) -> Self {
        Self {
            kind: &identifier.kind,
            value: &identifier.value,
            mode: identifier.mode,
            algorithm: identifier.algorithm,
        }
    }
}

/// Why somebody is neither delivered nor shared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Barred {
    /// By a privacy request, until it is lifted by another.
    Restricted,
    /// On the account's suppression list.
    Suppressed,
    /// The event or the row itself says that its person does not consent to be contacted.
    Unconsented,
}

impl Barred {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Restricted => "restricted",
            Self::Suppressed => "suppressed",
            Self::Unconsented => "unconsented",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [Self::Restricted, Self::Suppressed, Self::Unconsented]
            .into_iter()
            .find(|why| why.as_str() == text)
    }

    const fn bit(self) -> u8 {
        match self {
            Self::Restricted => 1,
            Self::Suppressed => 2,
            Self::Unconsented => 4,
        }
    }
}

/// The forms of one identifier: what is compared, never stored as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Forms {
    /// Clear spellings: trimmed, in lower case; of telephone numbers also E.164.
    pub clear: BTreeSet<String>,
    /// Hashes in lower-case hex: what it is, if it is one, and else those that are usually made of it.
    pub hashed: BTreeSet<String>,
    /// It is a hash, as far as can be seen: clear values meet it only in theirs.
    pub is_hash: bool,
}

impl Forms {
    /// `region` serves telephone numbers without a country code.
    pub fn of(subject: &Subject<'_>, region: Option<Region>) -> Self {
        let mut forms = Self::clear(subject, region);
        if forms.hashed.is_empty() {
            let mut spellings: BTreeSet<String> = forms.clear.clone();
            spellings.insert(subject.value.to_owned());
            spellings.insert(subject.value.trim().to_owned());
            const PLAIN: [HashAlgorithm; 3] = [
                HashAlgorithm::Sha256,
                HashAlgorithm::Sha1,
                HashAlgorithm::Md5,
            ];
            for spelling in &spellings {
                let hashes = PLAIN.map(|algorithm| hashing::hash(algorithm, spelling, None));
                forms.hashed.extend(hashes.into_iter().flatten());
            }
        }
        forms
    }

    /// What is compared with a list: hashes of a clear value only where `has_hashes`, that is, where somebody on it is
    /// known by nothing but a hash.
    pub(crate) fn compared(
        subject: &Subject<'_>,
        region: Option<Region>,
        has_hashes: bool,
    ) -> Self {
        if has_hashes {
            Self::of(subject, region)
        } else {
            Self::clear(subject, region)
        }
    }

    /// Without hashes of what is clear: cheap.
    fn clear(subject: &Subject<'_>, region: Option<Region>) -> Self {
        let mut forms = Self::default();
        let value = subject.value.trim();
        if value.is_empty() {
            return forms;
        }
        let lower = value.to_lowercase();
        if subject.mode == HashMode::Hashed || looks_hashed(value).is_some() {
            forms.is_hash = true;
            forms.hashed.insert(lower.clone());
        }
        if subject.mode != HashMode::Hashed {
            if Field::of_type(subject.kind) == Some(Field::Phone)
                && let Ok(digits) = crate::phone::e164_digits(value, region)
            {
                forms.clear.insert(format!("+{digits}"));
                forms.clear.insert(digits);
            }
            forms.clear.insert(lower);
        }
        forms
    }
}

/// The key under which an installation makes digests of identifiers.
#[derive(Clone)]
pub struct DigestKey(pub [u8; 32]);

impl std::fmt::Debug for DigestKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

/// A form as it is stored, and whether its identifier is a hash.
pub type Stored = (Digest16, bool);

impl DigestKey {
    /// Everything by which an identifier is to be found again.
    pub fn all(&self, account: AccountId, kind: &str, forms: &Forms) -> Vec<Stored> {
        let clear = forms.clear.iter().map(|form| (form, false));
        let hashed = forms.hashed.iter().map(|form| (form, true));
        clear
            .chain(hashed)
            .map(|(form, is_hash)| self.digest(account, kind, form, is_hash))
            .map(|digest| (digest, forms.is_hash))
            .collect()
    }

    /// The parts are told apart by their lengths, and no digest is as long as SHA-256's state: it cannot be continued.
    fn digest(&self, account: AccountId, kind: &str, form: &str, is_hash: bool) -> Digest16 {
        let kind = kind.trim().to_lowercase();
        let mut hash = Sha256::new()
            .chain_update(self.0)
            .chain_update(account.0.to_be_bytes())
            .chain_update([u8::from(is_hash)])
            .chain_update((kind.len() as u64).to_be_bytes())
            .chain_update(kind);
        hash.update(form);
        let mut digest = [0; 16];
        digest.copy_from_slice(&hash.finalize()[..16]);
        digest
    }
}

/// One account's restricted and suppressed people, in memory: about 200 bytes for each.
#[derive(Debug, Clone, Default)]
pub struct Barrier {
    known: HashMap<Digest16, u8>,
    has_hashes: bool,
}

impl Barrier {
    pub fn put(&mut self, why: Barred, stored: &[Stored]) {
        for (digest, is_hash) in stored {
            *self.known.entry(*digest).or_default() |= why.bit();
            self.has_hashes |= is_hash;
        }
    }

    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// Why this identifier's person is barred, a restriction first; `is_listed`: the suppression list counts.
    pub fn find(
        &self,
        (key, account): (&DigestKey, AccountId),
        subject: &Subject<'_>,
        (region, is_listed): (Option<Region>, bool),
    ) -> Option<Barred> {
        if self.known.is_empty() {
            return None;
        }
        let forms = Forms::compared(subject, region, self.has_hashes);
        let stored = key.all(account, subject.kind, &forms);
        let bits = stored
            .iter()
            .filter_map(|(digest, _)| self.known.get(digest))
            .fold(0, |bits, found| bits | found);
        let is = |why: Barred| bits & why.bit() != 0;
        if is(Barred::Restricted) {
            Some(Barred::Restricted)
        } else {
            (is_listed && is(Barred::Suppressed)).then_some(Barred::Suppressed)
        }
    }
}

/// The attribute in which events and audience rows say whether their person may be contacted; compared without letter
/// case.
pub const CONSENT: &str = "contactConsent";

/// Values of it that say no. Everything else, nothing at all included, does not.
const NO: [&str; 12] = [
    "false",
    "no",
    "n",
    "0",
    "off",
    "none",
    "denied",
    "declined",
    "revoked",
    "withdrawn",
    "optout",
    "unsubscribed",
];

/// Whether an attribute withdraws consent. Hyphens, underscores and spaces in the value are passed over: `opt-out`.
pub fn withdraws_consent(name: &str, value: &str) -> bool {
    let plain: String = value
        .chars()
        .filter(|c| !matches!(c, '-' | '_' | ' '))
        .flat_map(char::to_lowercase)
        .collect();
    name.eq_ignore_ascii_case(CONSENT) && NO.contains(&plain.as_str())
}

/// Whether an event's body, as it is delivered, withdraws consent.
pub fn event_withdraws_consent(body: &str) -> bool {
    #[derive(Deserialize)]
    struct Attribute {
        name: String,
        value: Option<String>,
    }
    #[derive(Deserialize)]
    struct Body {
        #[serde(default)]
        attributes: Vec<Attribute>,
    }
    let lower = body.as_bytes().windows(CONSENT.len());
    let mut lower = lower.filter(|window| window.eq_ignore_ascii_case(CONSENT.as_bytes()));
    // Hardly any event has it, so hardly any is parsed.
    lower.next().is_some()
        && serde_json::from_str::<Body>(body).is_ok_and(|body| {
            let mut attributes = body.attributes.iter();
            attributes
                .any(|it| withdraws_consent(&it.name, it.value.as_deref().unwrap_or_default()))
        })
}

#[cfg(test)]
mod tests;
