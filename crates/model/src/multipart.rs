//! Multipart bodies (RFC 2046, RFC 7578), read as they arrive: whatever the size, only the end of what came last is held.
//!
//! Called by `api` for uploads. Total: any bytes are parts or an error that says what was expected; where the pieces are cut
//! makes no difference.

/// Longest boundary, by RFC 2046.
const BOUNDARY_BYTES_MAX: usize = 70;
/// Longest head of a part.
const HEAD_BYTES_MAX: usize = 8 << 10;

/// Why it is not a multipart body.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MultipartError {
    #[error(
        "the Content-Type names no boundary of 1 to 70 characters: multipart/form-data; boundary=…"
    )]
    NoBoundary,
    #[error("the head of part {0} is longer than 8192 bytes, or is not readable")]
    Head(usize),
    #[error("after a boundary there is neither a line end nor `--`")]
    Boundary,
    #[error("the body ended before its last boundary: send it again")]
    Unfinished,
}

/// What a part says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PartHead {
    /// Of the form's field; empty when it has none.
    pub name: String,
    pub has_file_name: bool,
    /// Without parameters, in lower case; empty when it says none.
    pub media: String,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// A part begins.
    Part(PartHead),
    /// Bytes of the part that began last.
    Data(Vec<u8>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    /// Before the first boundary.
    Preamble,
    /// Right behind a boundary.
    Boundary,
    Head,
    Data,
    /// Behind the last boundary.
    End,
}

/// Reads one body.
#[derive(Debug)]
pub struct Multipart {
    /// The line end and dashes before it included.
    boundary: Vec<u8>,
    at: At,
    /// What could not be decided yet.
    held: Vec<u8>,
    parts: usize,
}

impl Multipart {
    /// # Errors
    /// [`MultipartError::NoBoundary`].
    pub fn new(content_type: &str) -> Result<Self, MultipartError> {
        let boundary = parameter(content_type, "boundary").unwrap_or_default();
        if !(1..=BOUNDARY_BYTES_MAX).contains(&boundary.len()) {
            return Err(MultipartError::NoBoundary);
        }
        Ok(Self {
            boundary: format!("\r\n--{boundary}").into_bytes(),
            at: At::Preamble,
            // The first boundary needs no line end before it.
            held: b"\r\n".to_vec(),
            parts: 0,
        })
    }

    /// Takes more bytes; answers what they complete.
    ///
    /// # Errors
    /// [`MultipartError`]; it cannot be fed any more then.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<Vec<Found>, MultipartError> {
        let mut all = Vec::new();
        self.held.extend_from_slice(bytes);
        while self.step(&mut all)? {}
        Ok(all)
    }

    /// Nothing follows.
    ///
    /// # Errors
    /// [`MultipartError::Unfinished`].
    pub fn finish(self) -> Result<(), MultipartError> {
        if self.at == At::End {
            Ok(())
        } else {
            Err(MultipartError::Unfinished)
        }
    }

    /// Goes on as far as one thing; `false` when more bytes are needed.
    fn step(&mut self, all: &mut Vec<Found>) -> Result<bool, MultipartError> {
        match self.at {
            At::End => {
                self.held.clear();
                Ok(false)
            }
            At::Boundary => self.after_boundary(),
            At::Head => {
                let Some(end) = find(&self.held, b"\r\n\r\n") else {
                    return if self.held.len() > HEAD_BYTES_MAX {
                        Err(MultipartError::Head(self.parts))
                    } else {
                        Ok(false)
                    };
                };
                let head = std::str::from_utf8(&self.held[..end]);
                let head = head.map_err(|_| MultipartError::Head(self.parts))?;
                all.push(Found::Part(part_head(head)));
                self.held.drain(..end + 4);
                self.at = At::Data;
                Ok(true)
            }
            At::Preamble | At::Data => {
                let found = find(&self.held, &self.boundary);
                // What may be the beginning of a boundary is kept.
                let kept = self.boundary.len() - 1;
                let end = found.unwrap_or(self.held.len().saturating_sub(kept));
                let data: Vec<u8> = self.held.drain(..end).collect();
                if self.at == At::Data && !data.is_empty() {
                    all.push(Found::Data(data));
                }
                if found.is_some() {
                    self.held.drain(..self.boundary.len());
                    self.at = At::Boundary;
                }
                Ok(found.is_some())
            }
        }
    }

    /// Behind a boundary: `--` if it was the last one, else blanks and a line end, which is left for the head.
    fn after_boundary(&mut self) -> Result<bool, MultipartError> {
        if self.held.starts_with(b"--") {
            self.at = At::End;
            return Ok(true);
        }
        let blanks = self.held.iter().take_while(|byte| b" \t".contains(byte));
        let blanks = blanks.count();
        match &self.held[blanks..] {
            [b'\r', b'\n', ..] => {
                self.held.drain(..blanks);
                self.parts += 1;
                self.at = At::Head;
                Ok(true)
            }
            [] | [b'\r'] | [b'-'] if self.held.len() <= HEAD_BYTES_MAX => Ok(false),
            _ => Err(MultipartError::Boundary),
        }
    }
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    let first = *wanted.first()?;
    let mut from = 0;
    while let Some(at) = bytes[from..].iter().position(|byte| *byte == first) {
        let at = from + at;
        if bytes[at..].starts_with(wanted) {
            return Some(at);
        }
        from = at + 1;
    }
    None
}

fn part_head(text: &str) -> PartHead {
    let mut head = PartHead::default();
    for line in text.split("\r\n") {
        let Some((name, value)) = line.split_once(':') else {
            continue;
        };
        match name.trim().to_ascii_lowercase().as_str() {
            "content-disposition" => {
                head.name = parameter(value, "name").unwrap_or_default();
                head.has_file_name = parameter(value, "filename").is_some()
                    || parameter(value, "filename*").is_some();
            }
            "content-type" => head.media = media(value),
            _ => {}
        }
    }
    head
}

/// A media type without its parameters, in lower case.
pub fn media(value: &str) -> String {
    let plain = value.split(';').next().unwrap_or_default();
    plain.trim().to_ascii_lowercase()
}

/// A parameter of a header's value; its name in any letter case, its value quoted or not.
fn parameter(value: &str, wanted: &str) -> Option<String> {
    let mut rest = value.split_once(';')?.1;
    loop {
        let (name, after) = rest.split_once('=')?;
        let after = after.trim_start();
        let (found, next) = match after.strip_prefix('"') {
            Some(quoted) => unquoted(quoted),
            None => {
                let end = after.find(';').unwrap_or(after.len());
                (after[..end].trim().to_owned(), &after[end..])
            }
        };
        if name.trim().eq_ignore_ascii_case(wanted) {
            return Some(found);
        }
        rest = next.trim_start().strip_prefix(';')?;
    }
}

/// Up to the closing quote, and what follows it.
fn unquoted(text: &str) -> (String, &str) {
    let mut found = String::new();
    let mut chars = text.char_indices();
    while let Some((at, char)) = chars.next() {
        match char {
            '"' => return (found, &text[at + 1..]),
            '\\' => found.extend(chars.next().map(|(_, char)| char)),
            _ => found.push(char),
        }
    }
    (found, "")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TYPE: &str = "multipart/form-data; boundary=\"x y\"";

    /// Everything that a body holds, its parts' data put together.
    fn read(pieces: &[&[u8]]) -> Result<Vec<(PartHead, Vec<u8>)>, MultipartError> {
        let mut multipart = Multipart::new(TYPE)?;
        let mut parts: Vec<(PartHead, Vec<u8>)> = Vec::new();
        for piece in pieces {
            for found in multipart.feed(piece)? {
                match found {
                    Found::Part(head) => parts.push((head, Vec::new())),
                    Found::Data(data) => {
                        parts.last_mut().expect("a part comes first").1.extend(data);
                    }
                }
            }
        }
        multipart.finish()?;
        Ok(parts)
    }

    fn body(parts: &[(&str, &[u8])]) -> Vec<u8> {
        let mut body = b"nobody reads this\r\n".to_vec();
        for (head, data) in parts {
            body.extend_from_slice(b"--x y\r\n");
            body.extend_from_slice(head.as_bytes());
            body.extend_from_slice(b"\r\n");
            body.extend_from_slice(data);
            body.extend_from_slice(b"\r\n");
        }
        body.extend_from_slice(b"--x y--\r\nnor this");
        body
    }

    #[test]
    fn a_form_with_metadata_and_a_file() {
        let body = body(&[
            (
                "Content-Disposition: form-data; name=\"metadata\"\r\nContent-Type: Application/JSON; charset=utf-8\r\n",
                b"{}",
            ),
            (
                "content-disposition: form-data; name=file; filename=\"a \\\"b\\\".csv\"\r\n",
                b"email\r\n--x\r\nada@example.com",
            ),
            ("", b""),
        ]);
        let parts = read(&[&body]).expect("a form");
        let told: Vec<_> = parts
            .iter()
            .map(|(head, data)| {
                let text = std::str::from_utf8(data).expect("text");
                (
                    head.name.as_str(),
                    head.has_file_name,
                    head.media.as_str(),
                    text,
                )
            })
            .collect();
        assert_eq!(
            told,
            [
                ("metadata", false, "application/json", "{}"),
                ("file", true, "", "email\r\n--x\r\nada@example.com"),
                ("", false, "", ""),
            ]
        );
    }

    #[test]
    fn what_is_no_multipart_body_is_said_to_be_none() {
        use MultipartError::{Boundary, Head, Unfinished};
        let long = format!("--x y\r\na: {}", "b".repeat(9_000));
        for (text, error) in [
            ("", Unfinished),
            ("email\nada@example.com", Unfinished),
            ("--x y\r\n\r\ndata", Unfinished),
            ("--x y\r\n\r\ndata\r\n--x y", Unfinished),
            ("--x yz", Boundary),
            (&long, Head(1)),
        ] {
            assert_eq!(read(&[text.as_bytes()]), Err(error), "{text:.20}");
        }
        let long = format!("multipart/form-data; boundary={}", "b".repeat(71));
        for media in ["multipart/form-data", "multipart/mixed; boundary=", &long] {
            assert!(Multipart::new(media).is_err(), "{media}");
        }
    }

    #[test]
    fn fuzz_where_a_body_is_cut_makes_no_difference() {
        let data = proptest::collection::vec("[\r\n x-y]{0,40}", 1..4);
        let cuts = proptest::collection::vec(0.0..1.0_f64, 0..6);
        fuzzing::run(&(data, cuts), |(data, cuts)| {
            let parts: Vec<(&str, &[u8])> = data
                .iter()
                .map(|data| ("Content-Type: text/csv\r\n", data.as_bytes()))
                .collect();
            let body = body(&parts);
            let whole = read(&[&body]);
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                clippy::cast_precision_loss,
                reason = "a part of a small length"
            )]
            let mut ends: Vec<usize> = cuts
                .iter()
                .map(|cut| (body.len() as f64 * cut) as usize)
                .collect();
            ends.sort_unstable();
            let mut pieces = Vec::new();
            let mut from = 0;
            for end in ends.into_iter().chain([body.len()]) {
                pieces.push(&body[from..end]);
                from = end;
            }
            prop_assert_eq!(&read(&pieces), &whole);
            if data.iter().all(|data| !data.contains("--x y")) {
                let read: Vec<Vec<u8>> = whole
                    .map_err(|error| TestCaseError::fail(error.to_string()))?
                    .into_iter()
                    .map(|(_, data)| data)
                    .collect();
                let given: Vec<Vec<u8>> =
                    data.iter().map(|data| data.clone().into_bytes()).collect();
                prop_assert_eq!(read, given);
            }
            Ok(())
        });
    }

    #[test]
    fn fuzz_any_bytes_end_in_parts_or_an_error() {
        let bytes = proptest::collection::vec("(\r\n|--|x y|[a: ;\"=]){0,30}", 0..4);
        fuzzing::run(&bytes, |pieces| {
            let pieces: Vec<&[u8]> = pieces.iter().map(String::as_bytes).collect();
            let _ = read(&pieces);
            Ok(())
        });
    }
}
