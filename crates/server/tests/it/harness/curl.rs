//! Runs the examples of the published API as they are printed: `curl` commands, once quotes and placeholders are
//! repaired.
//!
//! Understands what the examples use: `-v`, `-X`, `-H`, `-d`, quoted words, line ends after a backslash, and a URL that
//! begins with `<base URL>`.

use super::{Answer, Http};

impl Http {
    /// Runs one command against this address.
    pub(crate) async fn curl(&self, command: &str) -> Answer {
        let mut words = words(command).into_iter().peekable();
        assert_eq!(words.next().as_deref(), Some("curl"), "a curl command");
        let mut method = None;
        let mut headers = Vec::new();
        let mut body = None;
        let mut path = None;
        while let Some(word) = words.next() {
            let mut value = || words.next().expect("the option has a value");
            match word.as_str() {
                "-v" => {}
                "-X" => method = Some(value()),
                "-H" => headers.push(value()),
                "-d" => body = Some(value()),
                url => {
                    let url = url.trim_start_matches("https://").to_owned();
                    path = url.strip_prefix("<base URL>").map(str::to_owned);
                    assert!(path.is_some(), "{url} does not begin with <base URL>");
                }
            }
        }
        let default = if body.is_some() { "POST" } else { "GET" };
        let method = method.unwrap_or_else(|| default.to_owned());
        let headers: Vec<(&str, &str)> = headers
            .iter()
            .map(|header| header.split_once(": ").expect("a header"))
            .collect();
        let path = path.expect("a URL");
        self.send(&method, &path, &headers, body.unwrap_or_default())
            .await
    }
}

/// The words of a command, as a shell would have them.
fn words(command: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut chars = command.chars();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (Some(open), _) if c == open => quote = None,
            (Some(_), _) => word.get_or_insert_default().push(c),
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, '\\') => match chars.next() {
                Some('\n') | None => {}
                Some(escaped) => word.get_or_insert_default().push(escaped),
            },
            // The base URL is a placeholder with a space in it.
            (None, ' ') if word.as_deref().is_some_and(|w| w.ends_with("<base")) => {
                word.get_or_insert_default().push(c);
            }
            (None, _) if c.is_whitespace() => words.extend(word.take()),
            (None, _) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}
