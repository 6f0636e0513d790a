//! Which passwords are taken, after NIST SP 800-63B: long ones, of any characters, that are not among the first that
//! anybody would try. No rules of composition and no expiry: they make people choose worse.

use unicode_normalization::UnicodeNormalization as _;

use crate::invalid::Invalid;
use crate::secret::Secret;

/// Shortest password, in characters: what SP 800-63B (revision 4) asks of a password that is the only proof.
pub const CHARS_MIN: usize = 15;
/// Longest password, in characters. There has to be a limit, and no pass phrase is longer.
pub const CHARS_MAX: usize = 256;

/// Refused although they are long enough: what lists of leaked passwords and keyboards offer first. They are compared
/// without letter case, spaces and punctuation.
const COMMON: &[&str] = &[
    "passwordpassword",
    "password123456789",
    "passwort123456789",
    "123456789012345",
    "1234567890123456",
    "12345678901234567890",
    "0123456789012345",
    "qwertyuiopasdfg",
    "qwertyuiopasdfgh",
    "qwertyuiopasdfghjkl",
    "qwertyuiopasdfghjklzxcvbnm",
    "qwertzuiopasdfghjklyxcvbnm",
    "1qaz2wsx3edc4rfv",
    "1q2w3e4r5t6y7u8i",
    "1q2w3e4r5t6y7u8i9o0p",
    "abcdefghijklmno",
    "abcdefghijklmnop",
    "abcdefghijklmnopqrstuvwxyz",
    "correcthorsebatterystaple",
    "iloveyouiloveyou",
    "letmeinletmeinletmein",
    "adminadminadmin",
    "administrator123",
    "changemechangeme",
    "welcomewelcome123",
    "thisismypassword",
    "mypasswordispassword",
    "asdfghjklasdfghjkl",
    "zxcvbnmzxcvbnmzxcvbnm",
    "qazwsxedcrfvtgb",
    "trustno1trustno1",
    "superadministrator",
];

/// A password in the form that is hashed: what people type on different machines is the same text.
pub fn normal(password: &Secret) -> Secret {
    Secret::new(password.expose().nfkc().collect::<String>())
}

/// Judges a new password of somebody with these names (e-mail, name); answers it in the form that is hashed.
///
/// # Errors
/// One violation at `pointer`, which does not repeat the password.
pub fn check(pointer: &str, password: &Secret, names: &[&str]) -> Result<Secret, Invalid> {
    let refuse = |code, message: String| Err(Invalid::one(pointer, code, message));
    let password = normal(password);
    let length = password.expose().chars().count();
    if length < CHARS_MIN {
        let message = format!(
            "has {length} characters: at least {CHARS_MIN} are needed, such as a few words"
        );
        return refuse("too-short", message);
    }
    if length > CHARS_MAX {
        let message = format!("has {length} characters: at most {CHARS_MAX} are taken");
        return refuse("too-long", message);
    }
    let bare = bare(password.expose());
    if COMMON.contains(&bare.as_str()) || is_repetition(&bare) || is_run(&bare) {
        let message = "is one of the first that anybody would try: choose another";
        return refuse("common", message.to_owned());
    }
    let is_named = |name: &&str| {
        let name = self::bare(name);
        name.chars().count() >= 3 && bare.replace(&name, "").chars().count() < CHARS_MIN / 2
    };
    if names.iter().any(is_named) || is_named(&"rialto") {
        let message = "is little more than a name that everybody knows: choose another";
        return refuse("common", message.to_owned());
    }
    Ok(password)
}

/// Letters and digits only, in lower case.
fn bare(text: &str) -> String {
    let kept = text.chars().filter(|c| c.is_alphanumeric());
    kept.flat_map(char::to_lowercase).collect()
}

/// The same few characters over and over.
fn is_repetition(bare: &str) -> bool {
    const PERIOD_MAX: usize = 4;
    let chars: Vec<char> = bare.chars().collect();
    (1..=PERIOD_MAX).any(|period| {
        chars.len() < period
            || chars
                .iter()
                .zip(&chars[period..])
                .all(|(one, other)| one == other)
    })
}

/// Each character the next one of the alphabet or of the digits, or the one before; after 9 comes 0.
fn is_run(bare: &str) -> bool {
    let codes: Vec<i64> = bare.chars().map(|c| i64::from(u32::from(c))).collect();
    let is_number = bare.bytes().all(|byte| byte.is_ascii_digit());
    let is_all = |step| {
        let is_next = |pair: &[i64]| {
            let off = pair[1] - pair[0] - step;
            off == 0 || (is_number && off % 10 == 0)
        };
        codes.windows(2).all(is_next)
    };
    is_all(1) || is_all(-1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(password: &str) -> Option<String> {
        let names = ["ada.lovelace@example.com", "Ada Lovelace"];
        let refused = check("/password", &Secret::new(password), &names).err()?;
        assert_eq!(refused.violations[0].pointer, "/password");
        assert!(
            password.is_empty() || !refused.to_string().contains(password),
            "{refused}"
        );
        Some(refused.violations[0].code.clone())
    }

    #[test]
    fn length_counts_and_composition_does_not() {
        for fine in [
            "three old bridges in venice",
            "кофе на мосту риальто",
            "aaaa bbbb cccc dddd e",
            "               x y z w v u t s",
        ] {
            assert_eq!(code(fine), None, "{fine}");
        }
        assert_eq!(code("Sh0rt!But#Mixed").as_deref(), None, "fifteen");
        assert_eq!(code("Sh0rt!But#Mixe").as_deref(), Some("too-short"));
        assert_eq!(code("").as_deref(), Some("too-short"));
        assert_eq!(code(&"xyz w".repeat(52)).as_deref(), Some("too-long"));
    }

    #[test]
    fn what_anybody_would_try_first_is_refused() {
        for common in [
            "Password Password",
            "correct horse battery staple",
            "aaaaaaaaaaaaaaaa",
            "abcabcabcabcabcabc",
            "abcdefghijklmnopq",
            "98765432109876543210",
            "ada.lovelace@example.com",
            "Ada Lovelace 1815",
            "rialtorialto-2026",
            "               ",
        ] {
            assert_eq!(code(common).as_deref(), Some("common"), "{common}");
        }
        for common in COMMON {
            assert_eq!(
                code(common).as_deref(),
                Some("common"),
                "{common}: in the list for nothing"
            );
        }
    }

    #[test]
    fn one_password_typed_on_two_machines_is_the_same() {
        let [composed, decomposed] =
            ["caf\u{e9} am canal grande", "cafe\u{301} am canal grande"].map(Secret::new);
        assert_eq!(normal(&composed), normal(&decomposed));
    }
}
