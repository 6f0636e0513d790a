//! People who use the exchange, and what each may do in which account.
//!
//! A person is known by an e-mail address and has one [`Role`] in each account that they belong to; an operator may do
//! everything everywhere. Roles are in one order: whoever has a greater one may do all that a smaller one allows.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::UserId;

/// What a person may do in one account, from the least.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Builds a product that others connect to: sees the account's own applications and the endpoints made from them,
    /// never what customers send through them.
    Partner,
    /// Sees everything in the account, events among it.
    Viewer,
    /// Changes what flows: endpoints, subscriptions, replays.
    Member,
    /// Decides who may: keys, members, the account's policy.
    Admin,
}

impl Role {
    pub const ALL: [Self; 4] = [Self::Partner, Self::Viewer, Self::Member, Self::Admin];
    /// For messages.
    pub const WORDS: &'static str = "`admin`, `member`, `viewer` or `partner`";

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Partner => "partner",
            Self::Viewer => "viewer",
            Self::Member => "member",
            Self::Admin => "admin",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == text)
    }
}

/// Longest e-mail address: what SMTP carries (RFC 5321).
const EMAIL_BYTES_MAX: usize = 254;

/// An e-mail address, in lower case: people are found by it, and nobody tells their addresses apart by letter case.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Email(String);

/// What cannot be an e-mail address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected an e-mail address such as ada@example.com, at most 254 characters long")]
pub struct BadEmail;

impl Email {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What follows the `@`.
    pub fn domain(&self) -> &str {
        self.0.rsplit_once('@').map_or("", |(_, domain)| domain)
    }
}

impl FromStr for Email {
    type Err = BadEmail;

    /// Takes what is safe to write into the head of a mail: printable ASCII without the characters that have a meaning
    /// there. Whether somebody reads it, only a mail tells.
    fn from_str(text: &str) -> Result<Self, BadEmail> {
        let text = text.trim();
        let is_plain = |byte: u8| byte.is_ascii_graphic() && !b"()<>[]:;,\\\"@".contains(&byte);
        let (local, domain) = text.rsplit_once('@').ok_or(BadEmail)?;
        let is_sound = text.len() <= EMAIL_BYTES_MAX
            && !local.is_empty()
            && local.bytes().all(is_plain)
            && domain.split('.').all(|label| !label.is_empty())
            && domain
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b".-".contains(&byte));
        if is_sound {
            Ok(Self(text.to_ascii_lowercase()))
        } else {
            Err(BadEmail)
        }
    }
}

impl fmt::Display for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How far somebody has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UserStatus {
    /// Has not accepted yet, so cannot sign in.
    Invited,
    Active,
    /// May do nothing until enabled again.
    Disabled,
}

impl UserStatus {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Invited => "invited",
            Self::Active => "active",
            Self::Disabled => "disabled",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [Self::Invited, Self::Active, Self::Disabled]
            .into_iter()
            .find(|status| status.as_str() == text)
    }
}

/// A person, without what proves that it is them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    pub id: UserId,
    pub email: Email,
    pub name: String,
    /// May do everything everywhere.
    pub is_operator: bool,
    pub status: UserStatus,
    pub created_at: Timestamp,
    pub last_sign_in_at: Option<Timestamp>,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_greater_role_may_do_what_a_smaller_one_may() {
        assert!(Role::Admin > Role::Member && Role::Member > Role::Viewer);
        assert!(Role::Viewer > Role::Partner);
        assert!(Role::ALL.is_sorted());
        for role in Role::ALL {
            assert_eq!(Role::parse(role.as_str()), Some(role));
            assert!(Role::WORDS.contains(role.as_str()));
        }
        assert_eq!(Role::parse("Admin"), None);
    }

    #[test]
    fn addresses_are_taken_whatever_their_letter_case() {
        for (text, read) in [
            (" Ada@Example.COM ", "ada@example.com"),
            ("o'brien+x1@mail.co.uk", "o'brien+x1@mail.co.uk"),
            ("root@localhost", "root@localhost"),
        ] {
            let email: Email = text.parse().expect(text);
            assert_eq!(email.as_str(), read);
        }
        assert_eq!(
            "a@b.example".parse::<Email>().expect("sound").domain(),
            "b.example"
        );
    }

    #[test]
    fn what_could_break_out_of_a_mails_head_is_no_address() {
        let long = format!("{}@example.com", "a".repeat(250));
        for text in [
            "",
            "ada",
            "@example.com",
            "ada@",
            "a b@c.d",
            "ada@b..c",
            "ada@.b",
            "ada@b.",
            "ada@b.c\r\nBcc: eve@b.c",
            "<ada@b.c>",
            "ada@b.c,eve@b.c",
            "\"a\"@b.c",
            "a@b@c",
            "ada@bücher.example",
            "ada@b_c",
            &long,
        ] {
            assert_eq!(text.parse::<Email>(), Err(BadEmail), "{text:?}");
        }
    }

    #[test]
    fn fuzz_an_address_is_read_as_it_is_shown() {
        let text = prop_oneof![".{0,40}", "[a-zA-Z.+-]{1,12}@[a-zA-Z.-]{1,12}"];
        fuzzing::run(&text, |text| {
            if let Ok(email) = text.parse::<Email>() {
                prop_assert_eq!(email.to_string().parse(), Ok(email.clone()));
                prop_assert!(
                    !email
                        .as_str()
                        .contains(|c: char| c.is_whitespace() || c.is_control())
                );
                prop_assert!(!email.domain().is_empty());
            }
            Ok(())
        });
    }
}
