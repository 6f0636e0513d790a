//! The arguments of a command: at most one number by name, or nothing.
//!
//! It exists so that a wrong argument is answered with the right one instead of being ignored.

use crate::shell::Failure;

/// The value of `--name N`, or `default` when no arguments are given; anything else is refused.
pub(crate) fn number(arguments: &[String], name: &str, default: u64) -> Result<u64, Failure> {
    match arguments {
        [] => Ok(default),
        [flag, value] if flag == name => match value.parse() {
            Ok(number) if number > 0 => Ok(number),
            _ => Err(Failure::new(format!(
                "`{name} {value}`: expected a whole number above 0"
            ))),
        },
        _ => Err(Failure::new(format!(
            "`{}`: expected nothing or `{name} N`",
            arguments.join(" ")
        ))),
    }
}

/// Whether the one flag that a command knows is given; any other argument is refused.
pub(crate) fn flag(arguments: &[String], name: &str) -> Result<bool, Failure> {
    match arguments {
        [] => Ok(false),
        [flag] if flag == name => Ok(true),
        _ => Err(Failure::new(format!(
            "`{}`: expected nothing or `{name}`",
            arguments.join(" ")
        ))),
    }
}

/// Takes a flag out of the arguments; whether it was there.
pub(crate) fn take(arguments: &mut Vec<String>, name: &str) -> bool {
    let before = arguments.len();
    arguments.retain(|argument| argument != name);
    arguments.len() < before
}

/// For a command that takes nothing: any argument is refused.
pub(crate) fn none(arguments: &[String]) -> Result<(), Failure> {
    if arguments.is_empty() {
        Ok(())
    } else {
        Err(Failure::new(format!(
            "`{}`: expected no arguments",
            arguments.join(" ")
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn a_number_by_name_or_the_default() {
        assert_eq!(number(&words(""), "--rounds", 20).expect("the default"), 20);
        assert_eq!(
            number(&words("--rounds 200"), "--rounds", 20).expect("a number"),
            200
        );
        for wrong in [
            "--rounds",
            "--rounds 0",
            "--rounds many",
            "--minutes 3",
            "200",
        ] {
            assert!(number(&words(wrong), "--rounds", 20).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_flag_or_nothing() {
        assert!(flag(&words("--check"), "--check").expect("the flag"));
        assert!(!flag(&words(""), "--check").expect("nothing"));
        assert!(flag(&words("--chekc"), "--check").is_err());
    }
}
