//! What a personal access token may be used for. Never more than its user may at the moment of the call.

use serde::{Deserialize, Serialize};

use crate::id::AccountId;

/// Written as words: `read`, `write`, `account:17`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(into = "Vec<String>", try_from = "Vec<String>")]
pub struct Scopes {
    /// `GET`.
    pub read: bool,
    /// Everything else.
    pub write: bool,
    /// Only in these accounts; everywhere when empty.
    pub accounts: Vec<AccountId>,
}

impl Scopes {
    /// For messages.
    pub const WORDS: &'static str = "`read`, `write` or `account:<id>`";

    /// Adds what one word allows; `None` when it is no scope.
    #[must_use]
    pub fn with(mut self, word: &str) -> Option<Self> {
        match (word, word.strip_prefix("account:")) {
            ("read", _) => self.read = true,
            ("write", _) => self.write = true,
            (_, Some(id)) => {
                let id = id.parse().ok()?;
                if !self.accounts.contains(&id) {
                    self.accounts.push(id);
                }
            }
            _ => return None,
        }
        Some(self)
    }

    /// Whether it reaches into an account.
    pub fn reaches(&self, account: AccountId) -> bool {
        self.accounts.is_empty() || self.accounts.contains(&account)
    }

    pub fn words(&self) -> Vec<String> {
        let mut words = Vec::new();
        words.extend(self.read.then(|| "read".to_owned()));
        words.extend(self.write.then(|| "write".to_owned()));
        words.extend(self.accounts.iter().map(|id| format!("account:{id}")));
        words
    }
}

impl From<Scopes> for Vec<String> {
    fn from(scopes: Scopes) -> Self {
        scopes.words()
    }
}

impl TryFrom<Vec<String>> for Scopes {
    type Error = String;

    fn try_from(words: Vec<String>) -> Result<Self, String> {
        let mut scopes = Self::default();
        for word in words {
            let wrong = || format!("`{word}` is no scope");
            scopes = scopes.with(&word).ok_or_else(wrong)?;
        }
        Ok(scopes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_read_as_they_were_written() {
        let words = ["read", "account:17", "account:4"].map(str::to_owned);
        let scopes = Scopes::try_from(words.to_vec()).expect("scopes");
        assert_eq!(scopes.words(), words);
        assert!(scopes.read && !scopes.write);
        assert!(scopes.reaches(AccountId(4)) && !scopes.reaches(AccountId(5)));
        assert!(Scopes::default().reaches(AccountId(5)));
        for wrong in ["admin", "Read", "account:", "account:0", "account:x", ""] {
            assert_eq!(Scopes::default().with(wrong), None, "{wrong:?}");
        }
    }
}
