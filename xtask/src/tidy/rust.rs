//! Reading Rust just well enough: which bytes are code, which are strings, and which of the code is tests.
//!
//! It exists so that the rules can search text without being fooled by comments and strings, and without a parser that
//! would have to be built first. It promises that each part has the length and the lines of the whole: what does not
//! belong to it is blank.

/// The parts of one file.
pub(crate) struct Rust {
    /// All code; comments and the insides of strings and characters are blank.
    pub(crate) code: String,
    /// The code outside tests.
    pub(crate) product: String,
    /// The code inside tests.
    pub(crate) tests: String,
    /// The insides of the strings outside tests; all else is blank.
    pub(crate) strings: String,
}

impl Rust {
    /// Takes `text` apart; `all_tests` says that the file as a whole is one of tests.
    pub(crate) fn new(text: &str, all_tests: bool) -> Self {
        let (code, strings) = split(text);
        let mut product = code.clone().into_bytes();
        let mut tests = blank(&code);
        let mut strings = strings.into_bytes();
        let whole = std::iter::once((0, code.len()));
        let spans: Vec<(usize, usize)> = if all_tests {
            whole.collect()
        } else {
            test_modules(&code)
        };
        for (start, end) in spans {
            for at in start..end {
                if code.as_bytes()[at] != b'\n' {
                    tests[at] = code.as_bytes()[at];
                    product[at] = b' ';
                    strings[at] = b' ';
                }
            }
        }
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Self {
            product: text(product),
            tests: text(tests),
            strings: text(strings),
            code,
        }
    }

    /// Every function with a body outside tests: its name, its first line (from 1) and how many lines it has.
    pub(crate) fn functions(&self) -> Vec<(String, usize, usize)> {
        words(&self.product, "fn")
            .filter_map(|at| function(&self.product, at))
            .collect()
    }
}

/// Where `word` stands in `code` as a whole word.
pub(crate) fn words<'a>(code: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    let part =
        |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
    let bytes = code.as_bytes();
    let guard_start = part(word.as_bytes().first());
    let guard_end = part(word.as_bytes().last());
    code.match_indices(word)
        .map(|(at, _)| at)
        .filter(move |at| {
            let before = at.checked_sub(1).and_then(|before| bytes.get(before));
            !(guard_start && part(before) || guard_end && part(bytes.get(at + word.len())))
        })
}

/// The line, from 1, of the byte at `at`.
pub(crate) fn line(text: &str, at: usize) -> usize {
    text.as_bytes()[..at]
        .iter()
        .filter(|byte| **byte == b'\n')
        .count()
        + 1
}

fn blank(text: &str) -> Vec<u8> {
    text.bytes()
        .map(|byte| if byte == b'\n' { byte } else { b' ' })
        .collect()
}

fn function(code: &str, at: usize) -> Option<(String, usize, usize)> {
    let rest = code[at + 2..].trim_start();
    let name: String = rest
        .chars()
        .take_while(|letter| letter.is_alphanumeric() || *letter == '_')
        .collect();
    if name.is_empty() {
        return None;
    }
    let mut depth = 0_i32;
    for (offset, byte) in code.as_bytes()[at..].iter().enumerate() {
        match byte {
            b'(' | b'[' => depth += 1,
            b')' | b']' => depth -= 1,
            b';' if depth == 0 => return None,
            b'{' if depth == 0 => {
                let end = closing(code, at + offset)?;
                return Some((name, line(code, at), line(code, end) + 1 - line(code, at)));
            }
            _ => {}
        }
    }
    None
}

/// The place of the brace that closes the one at `open`.
fn closing(code: &str, open: usize) -> Option<usize> {
    let mut depth = 0_i32;
    for (offset, byte) in code.as_bytes()[open..].iter().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some(open + offset);
        }
    }
    None
}

/// From `#[cfg(test)]` to the end of what it stands on.
fn test_modules(code: &str) -> Vec<(usize, usize)> {
    let mut spans = Vec::new();
    for (start, mark) in code.match_indices("#[cfg(test)]") {
        let body = code.as_bytes()[start + mark.len()..]
            .iter()
            .position(|byte| [b'{', b';'].contains(byte));
        let Some(body) = body.map(|offset| start + mark.len() + offset) else {
            continue;
        };
        let end = if code.as_bytes()[body] == b';' {
            body
        } else {
            closing(code, body).unwrap_or(code.len() - 1)
        };
        spans.push((start, end + 1));
    }
    spans
}

/// `text` twice: with only its code, and with only the insides of its strings.
fn split(text: &str) -> (String, String) {
    let bytes = text.as_bytes();
    let (mut code, mut strings) = (blank(text), blank(text));
    let mut at = 0;
    while at < bytes.len() {
        let (kind, end) = token(bytes, at);
        match kind {
            Kind::Code => code[at..end].copy_from_slice(&bytes[at..end]),
            Kind::String => {
                strings[at..end].copy_from_slice(&bytes[at..end]);
                code[at] = b'"';
                code[end - 1] = b'"';
            }
            Kind::Comment => {}
        }
        at = end;
    }
    (
        String::from_utf8_lossy(&code).into_owned(),
        String::from_utf8_lossy(&strings).into_owned(),
    )
}

#[derive(Debug, PartialEq)]
enum Kind {
    Code,
    String,
    Comment,
}

/// What starts at `at`, and where it ends; code comes byte by byte.
fn token(bytes: &[u8], at: usize) -> (Kind, usize) {
    let rest = &bytes[at..];
    let in_word = at > 0 && (bytes[at - 1].is_ascii_alphanumeric() || bytes[at - 1] == b'_');
    if rest.starts_with(b"//") {
        let length = rest
            .iter()
            .position(|byte| *byte == b'\n')
            .unwrap_or(rest.len());
        return (Kind::Comment, at + length);
    }
    if rest.starts_with(b"/*") {
        return (Kind::Comment, at + block_comment(rest));
    }
    if rest[0] == b'"' {
        return (Kind::String, at + quoted(rest, b'"'));
    }
    if rest[0] == b'r' && (!in_word || bytes[at - 1] == b'b') {
        let hashes = rest[1..].iter().take_while(|byte| **byte == b'#').count();
        if rest.get(1 + hashes) == Some(&b'"') {
            return (Kind::String, at + raw_string(rest, hashes));
        }
    }
    if rest[0] == b'\'' {
        let letter = if rest.get(1).is_some_and(|byte| *byte >= 0x80) {
            wide(rest)
        } else {
            1
        };
        if rest.get(1) == Some(&b'\\') || rest.get(1 + letter) == Some(&b'\'') {
            return (Kind::String, at + quoted(rest, b'\''));
        }
    }
    (Kind::Code, at + 1)
}

/// The bytes of the letter after a quote.
fn wide(rest: &[u8]) -> usize {
    1 + rest[2..]
        .iter()
        .take_while(|byte| (0x80..0xC0).contains(*byte))
        .count()
}

fn quoted(rest: &[u8], quote: u8) -> usize {
    let mut at = 1;
    while at < rest.len() {
        match rest[at] {
            b'\\' => at += 2,
            byte if byte == quote => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}

fn raw_string(rest: &[u8], hashes: usize) -> usize {
    let mut end = vec![b'"'];
    end.resize(1 + hashes, b'#');
    let start = hashes + 2;
    let length = rest[start..]
        .windows(end.len())
        .position(|window| window == end);
    length.map_or(rest.len(), |length| start + length + end.len())
}

fn block_comment(rest: &[u8]) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        if rest[at..].starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if rest[at..].starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    rest.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_strings_are_no_code() {
        let text = r##"let a = "x { y"; // fn no() {
/* fn no() /* nested */ { */ let b = r#"raw "quoted" {"#; let c = '{'; let d: &'static str = b"\"{";"##;
        let rust = Rust::new(text, false);
        assert!(
            !rust.code.contains('{') && !rust.code.contains("no"),
            "{}",
            rust.code
        );
        assert!(
            rust.code.contains("let b =") && rust.code.contains("&'static str"),
            "{}",
            rust.code
        );
        assert!(
            rust.strings.contains("x { y") && rust.strings.contains("raw \"quoted\" {"),
            "{}",
            rust.strings
        );
        assert_eq!(rust.code.len(), text.len());
    }

    #[test]
    fn letters_of_many_bytes_do_not_end_a_character() {
        let rust = Rust::new(
            "match c { 'é' => '\\'', '\\u{7b}' => '→', _ => 'x' } fn after<'a>() {}",
            false,
        );
        assert_eq!(rust.functions().len(), 1, "{}", rust.code);
    }

    #[test]
    fn functions_are_measured_from_their_name_to_their_last_brace() {
        let rust = Rust::new(
            "trait T { fn none(&self); }\nfn one(x: [u8; 2])\n{\n  if x { }\n}\nfn two() {}\ntype F = fn(u8);",
            false,
        );
        assert_eq!(
            rust.functions(),
            [("one".to_owned(), 2, 4), ("two".to_owned(), 6, 1)]
        );
    }

    #[test]
    fn tests_at_the_end_of_a_file_are_told_from_the_product() {
        let rust = Rust::new(
            "fn a() { b() }\n#[cfg(test)]\nmod tests {\n fn c() { let s = \"sql\"; }\n}\nfn e() {}",
            false,
        );
        assert!(
            rust.product.contains("b()")
                && rust.product.contains("fn e")
                && !rust.product.contains("fn c")
        );
        assert!(rust.tests.contains("fn c") && !rust.tests.contains("fn a"));
        assert!(!rust.strings.contains("sql"));
        assert!(Rust::new("fn a() {}", true).product.trim().is_empty());
    }

    #[test]
    fn a_word_is_found_only_whole() {
        let found = |word| words("fnord fn my_fn todo!() x.unwrap() .unwrap_or()", word).count();
        assert_eq!(found("fn"), 1);
        assert_eq!(found("todo!"), 1);
        assert_eq!(found(".unwrap()"), 1);
    }
}
