//! Telephone numbers as people write them, brought to the one form that can be compared: the digits of E.164.
//!
//! Called by [`crate::hashing`]. A number that cannot be brought there is refused, never guessed:
//! the hash of a guessed number would be somebody else.

use rlibphonenumber::{NumberLengthType, PhoneNumber, PhoneNumberFormat};

use crate::region::Region;

/// No complete telephone number can be read from the value. The value itself is left out on purpose:
/// this text ends in logs, and telephone numbers are personal data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PhoneError {
    /// There is no country code, and no default region that could supply one.
    #[error(
        "not a telephone number with a country code: write it like +44 7700 900123, or give the account a default region"
    )]
    NoCountry,
    /// The text is no number, or has too few or too many digits for its country.
    #[error("not a complete telephone number{}: write it with country and area code, like +44 7700 900123", in_region(.region))]
    NotANumber {
        /// The region that was assumed for numbers without a country code.
        region: Option<Region>,
    },
}

fn in_region(region: &Option<Region>) -> String {
    region.map_or_else(String::new, |region| {
        format!(" (numbers without country code are read as of {region})")
    })
}

/// The number as E.164 digits without the `+`: country code, then national number.
/// Numbers without a country code belong to `region`. An extension (`ext. 5`) is dropped, letters count as
/// the digits of their keys (`1-800-FLOWERS`), digits of any script are digits.
///
/// Checked is the length that the country's plan allows, not whether the range has been assigned: ranges are
/// opened faster than anybody's table is updated. A number that only works inside its town is refused.
///
/// # Errors
/// [`PhoneError`] when no complete number can be read. Never panics.
pub fn e164_digits(value: &str, region: Option<Region>) -> Result<String, PhoneError> {
    let refused = match region {
        None if !value.trim_start().starts_with(['+', '＋']) => PhoneError::NoCountry,
        _ => PhoneError::NotANumber { region },
    };
    let number = PhoneNumber::parse(value, region.map(Region::for_phones)).map_err(|_| refused)?;
    match number.is_possible_with_reason() {
        Ok(NumberLengthType::IsPossible) => {}
        Ok(NumberLengthType::IsPossibleLocalOnly) | Err(_) => return Err(refused),
    }
    let mut digits = number.format_as(PhoneNumberFormat::E164).into_owned();
    digits.retain(|c| c.is_ascii_digit());
    Ok(digits)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn region(code: &str) -> Option<Region> {
        (!code.is_empty()).then(|| Region::parse(code).expect("a region of the table"))
    }

    /// As written, default region (empty: none), digits. Numbers are from the ranges that each
    /// country's regulator keeps for fiction, where it has one.
    #[test]
    fn one_number_in_many_spellings_is_one_number() {
        let table = [
            // The international form needs no region, and no default region changes it.
            ("+1 650-555-1212", "", "16505551212"),
            ("+16505551212", "DE", "16505551212"),
            ("  +44 7700 900123  ", "", "447700900123"),
            ("+44 (0) 20 7946 0958", "", "442079460958"),
            ("+44.20.7946.0958", "US", "442079460958"),
            ("tel:+33-6-39-98-01-23", "", "33639980123"),
            ("+46 70-174 06 05", "", "46701740605"),
            ("＋８１　３　１２３４　５６７８", "", "81312345678"),
            ("+٩٦٦ ٥٠ ١٢٣ ٤٥٦٧", "", "966501234567"),
            // The trunk zero goes, except where it is part of the number, as in Italy.
            ("0171 3920012", "DE", "491713920012"),
            ("(030) 23125 000", "DE", "493023125000"),
            ("030/23125-000", "de", "493023125000"),
            ("020 7946 0958", "GB", "442079460958"),
            ("06 39 98 01 23", "FR", "33639980123"),
            ("06 1234 5678", "IT", "390612345678"),
            ("+39 06 1234 5678", "", "390612345678"),
            ("8 (912) 345-67-89", "RU", "79123456789"),
            // North America: with or without the one.
            ("(650)555-1212", "US", "16505551212"),
            ("1 650 555 1212", "US", "16505551212"),
            ("650.555.1212", "CA", "16505551212"),
            ("1-800-FLOWERS", "US", "18003569377"),
            // The way out of the own country instead of a plus.
            ("0049 30 23125 000", "FR", "493023125000"),
            ("011 49 30 23125 000", "US", "493023125000"),
            ("00 44 7700 900123", "DE", "447700900123"),
            // Extensions are not part of the line.
            ("+1 650-555-1212 ext. 5", "", "16505551212"),
            ("650-555-1212 x77", "US", "16505551212"),
            ("Tel. +49 171 3920012", "", "491713920012"),
        ];
        for (written, code, digits) in table {
            assert_eq!(
                e164_digits(written, region(code)).as_deref(),
                Ok(digits),
                "{written} in {code:?}"
            );
        }
    }

    #[test]
    fn what_is_no_complete_number_is_refused() {
        let table = [
            ("", ""),
            ("", "US"),
            ("   ", "US"),
            ("+", ""),
            ("unknown", "US"),
            ("0", "US"),
            ("12", "DE"),
            ("911", "US"),
            ("555-1212", "US"),       // local only
            ("0171 3920012", ""),     // whose?
            ("6505551212", ""),       // whose?
            ("+999 12345678", ""),    // no such country
            ("+1 650 555 121", ""),   // a digit short
            ("+1 650 555 12123", ""), // a digit long
            ("+49 171 39200123456789", ""),
            ("someone@example.com", "US"),
            ("+49@example.com", ""),
            (
                "e323ec626319ca94ee8bff2e4c87cf613be6ea19919ed1364124e16807ab3176",
                "US",
            ), // a hash already
            ("\u{0}", "US"),
            ("+\u{200b}", ""),
            ("💥💥💥", "US"),
        ];
        for (written, code) in table {
            let error = e164_digits(written, region(code)).expect_err(written);
            assert!(
                error.to_string().contains("+44 7700 900123"),
                "shows the way: {error}"
            );
        }
        assert!(
            e164_digits("0171 3920012", None)
                .expect_err("whose?")
                .to_string()
                .contains("default region")
        );
        assert!(
            e164_digits("12", region("DE"))
                .expect_err("short")
                .to_string()
                .contains("as of DE")
        );
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused_and_what_is_read_is_digits(text in "\\PC{0,40}", code in "DE|US|") {
            if let Ok(digits) = e164_digits(&text, region(&code)) {
                // E.164 ends at 15 digits; a few German numbers are longer in practice.
                prop_assert!((7..=18).contains(&digits.len()), "{digits}");
                prop_assert!(digits.bytes().all(|b| b.is_ascii_digit()));
            }
        }

        #[test]
        fn reading_the_result_again_changes_nothing(national in "[2-9][0-9]{2}[2-9][0-9]{6}") {
            let digits = e164_digits(&national, region("US")).expect("ten digits of the North American plan");
            prop_assert_eq!(e164_digits(&format!("+{digits}"), None), Ok(digits));
        }
    }
}
