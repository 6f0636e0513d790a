//! Placeholders of a statement: `$1` to `$n`, each used at least once, in any order. The engines number them by this, and
//! refuse everything else with the same words.

use super::DbError;
use super::error::shown;

/// Most parameters of a statement: what SQLite takes, which is less than PostgreSQL.
const PARAMETERS_MAX: usize = 32_766;

/// The parameters that a statement uses (`$1` is 0), in the order in which they first appear outside quotes.
pub(super) fn places(sql: &str) -> Result<Vec<usize>, DbError> {
    let (mut places, mut is_seen, mut quote) = (Vec::new(), Vec::new(), None);
    for (at, byte) in sql.bytes().enumerate() {
        match (quote, byte) {
            (Some(open), _) if open == byte => quote = None,
            (Some(_), _) => {}
            (None, b'\'' | b'"') => quote = Some(byte),
            (None, b'$' | b'?') => {
                let digits = sql[at + 1..].bytes().take_while(u8::is_ascii_digit);
                let name = &sql[at..=at + digits.count()];
                let number = name.strip_prefix('$').map(str::parse);
                let Some(Ok(number @ 1..=PARAMETERS_MAX)) = number else {
                    return Err(other(name, sql));
                };
                is_seen.resize(is_seen.len().max(number), false);
                if !std::mem::replace(&mut is_seen[number - 1], true) {
                    places.push(number - 1);
                }
            }
            _ => {}
        }
    }
    Ok(places)
}

/// Checks that a statement which uses the parameters `places` is given these, and no others.
pub(super) fn check(places: &[usize], given: usize, sql: &str) -> Result<(), DbError> {
    let wanted = places.len();
    if wanted != given {
        return Err(DbError::wrong(format!(
            "{given} parameters given and {wanted} used in: {}",
            shown(sql)
        )));
    }
    if let Some(place) = places.iter().find(|place| **place >= given) {
        return Err(DbError::wrong(format!(
            "`${}` used and {given} parameters given in: {}",
            place + 1,
            shown(sql)
        )));
    }
    Ok(())
}

/// Another placeholder than ours.
pub(super) fn other(name: &str, sql: &str) -> DbError {
    DbError::wrong(format!(
        "placeholder `{name}` instead of `$1`, `$2`, … in: {}",
        shown(sql)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_read_outside_quotes_in_their_order() {
        for (sql, expected) in [
            ("SELECT 1", &[][..]),
            ("SELECT $2, $10, $2, $1", &[1, 9, 0]),
            ("SELECT '$2 ? ''$3', \"a $4\", $1", &[0]),
            ("SELECT 'Grüße $2', $1 || 'ß'", &[0]),
        ] {
            assert_eq!(places(sql).expect(sql), expected, "{sql}");
        }
        for (sql, name) in [
            ("SELECT ?", "?"),
            ("SELECT ?12, $1", "?12"),
            ("SELECT $0", "$0"),
            ("SELECT $name", "$"),
            ("SELECT $99999999999999999999", "$99999999999999999999"),
        ] {
            let error = places(sql).expect_err(sql).to_string();
            assert!(
                error.contains(&format!("placeholder `{name}` instead")),
                "{error}"
            );
        }
    }
}
