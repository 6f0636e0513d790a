//! A country, by its two-letter ISO 3166-1 code: where phone numbers without a country code are taken to be from.
//!
//! Accounts carry one as a default; [`crate::phone`] reads it. Only countries that have a numbering
//! plan are regions, so a typing error is refused when it is entered and not at the first event.

use std::fmt;

use rlibphonenumber::PHONE_NUMBER_UTIL;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A country with a telephone numbering plan, such as `DE`. Parsed in any letter case.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Region(rlibphonenumber::Region);

/// The text is not the code of a country with a numbering plan.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{given}` is not a region: give the two-letter ISO 3166-1 code of a country, such as DE, GB or US"
)]
pub struct UnknownRegion {
    given: String,
}

impl Region {
    /// The country of a two-letter code, in any letter case.
    ///
    /// # Errors
    /// [`UnknownRegion`] for anything else, `UK` (the code is `GB`) and `EU` included.
    pub fn parse(text: &str) -> Result<Self, UnknownRegion> {
        let unknown = || UnknownRegion {
            given: text.chars().take(16).collect(),
        };
        let region = rlibphonenumber::Region::try_from(text).map_err(|_| unknown())?;
        // The library's type also has codes that no country uses.
        let supported = text.len() == 2
            && PHONE_NUMBER_UTIL
                .get_supported_regions()
                .any(|known| known == region);
        if supported {
            Ok(Self(region))
        } else {
            Err(unknown())
        }
    }

    pub(crate) fn for_phones(self) -> rlibphonenumber::Region {
        self.0
    }
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Region({self})")
    }
}

impl std::str::FromStr for Region {
    type Err = UnknownRegion;

    fn from_str(text: &str) -> Result<Self, UnknownRegion> {
        Self::parse(text)
    }
}

impl Serialize for Region {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Region {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_country_is_known_in_any_letter_case_and_printed_in_capitals() {
        for text in ["DE", "de", "De"] {
            let region = Region::parse(text).expect("Germany has telephones");
            assert_eq!(region.to_string(), "DE");
            assert_eq!(serde_json::to_string(&region).expect("a string"), "\"DE\"");
        }
    }

    #[test]
    fn what_is_no_country_is_refused_with_advice() {
        for text in [
            "",
            "D",
            "DEU",
            "UK",
            "EU",
            "XX",
            "ZZ",
            "001",
            "1",
            "+49",
            "Ä",
            "日",
            "Germany and all of her neighbours",
        ] {
            let error = Region::parse(text).expect_err(text).to_string();
            assert!(error.contains("two-letter"), "{error}");
            assert!(error.len() < 200, "a long value is cut: {error}");
        }
    }
}
