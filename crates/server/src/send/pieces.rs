//! Cuts a file into pieces, each the body of one call: the lines of a file of JSON lines, or the elements of one array.
//!
//! Reads in a thread of its own, a bounded way ahead, so that a file of any size takes little memory. It does not judge
//! what a piece says: a line that is not JSON is a piece, and the exchange says what is wrong with it.

use std::io::BufRead;

use tokio::sync::mpsc;

/// Longest piece: more than any exchange takes in one call.
const PIECE_BYTES_MAX: usize = 16 << 20;
/// Pieces read ahead.
const AHEAD: usize = 256;

/// What becomes one call, or a part of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Piece {
    /// Where it begins, from 1.
    pub(super) line: u64,
    /// Bytes of the file up to its end.
    pub(super) end: u64,
    /// Whole lines up to its end.
    pub(super) lines: u64,
    pub(super) text: Vec<u8>,
}

/// Where in a file reading begins: its start, or where an earlier run stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Start {
    pub(super) offset: u64,
    /// Lines that lie before it.
    pub(super) lines: u64,
    /// It lies within an array.
    pub(super) is_array: bool,
}

/// Why a file cannot be read on.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error("the file cannot be read at line {line}")]
    Read {
        line: u64,
        #[source]
        source: std::io::Error,
    },
    #[error("line {line}: an event of more than {} MiB; no exchange takes that", PIECE_BYTES_MAX >> 20)]
    TooLong { line: u64 },
    #[error("line {line}: {what}")]
    Array { line: u64, what: &'static str },
}

/// Reads pieces in a thread of its own; ends after an error, or when nobody takes them any more.
pub(super) fn read(
    source: impl BufRead + Send + 'static,
    start: Start,
) -> mpsc::Receiver<Result<Piece, ReadError>> {
    let (pieces, receiver) = mpsc::channel(AHEAD);
    std::thread::spawn(move || {
        let mut cutter = Cutter::new(source, start);
        while let Some(piece) = cutter.next().transpose() {
            let is_end = piece.is_err();
            if pieces.blocking_send(piece).is_err() || is_end {
                return;
            }
        }
    });
    receiver
}

struct Cutter<R> {
    source: R,
    offset: u64,
    /// The line on which the next byte lies, from 1.
    line: u64,
    form: Option<Form>,
    has_begun: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Lines,
    Array,
    /// Behind the end of the array.
    Over,
}

impl<R: BufRead> Cutter<R> {
    fn new(source: R, start: Start) -> Self {
        let resumed = if start.is_array {
            Form::Array
        } else {
            Form::Lines
        };
        Self {
            source,
            offset: start.offset,
            line: start.lines + 1,
            form: (start.offset > 0).then_some(resumed),
            has_begun: start.offset > 0,
        }
    }

    /// The next piece; none at the end.
    fn next(&mut self) -> Result<Option<Piece>, ReadError> {
        loop {
            let Some(byte) = self.peek()? else {
                return match self.form {
                    Some(Form::Array) => Err(self.wrong("the array does not end: expected `]`")),
                    _ => Ok(None),
                };
            };
            if byte.is_ascii_whitespace() || (self.offset < 3 && b"\xef\xbb\xbf".contains(&byte)) {
                self.take(byte);
                continue;
            }
            match (self.form, byte) {
                (None, b'[') => {
                    self.take(byte);
                    self.form = Some(Form::Array);
                }
                (None, _) => self.form = Some(Form::Lines),
                (Some(Form::Lines), _) => return self.cut(Self::line_end).map(Some),
                (Some(Form::Array), b']') => {
                    self.take(byte);
                    self.form = Some(Form::Over);
                }
                (Some(Form::Array), b',') if self.has_begun => {
                    self.take(byte);
                    self.has_begun = false;
                }
                (Some(Form::Array), _) if self.has_begun => {
                    return Err(self.wrong("expected `,` or `]` after an element of the array"));
                }
                (Some(Form::Array), b',') => {
                    return Err(self.wrong("an element of the array is missing"));
                }
                (Some(Form::Array), _) => {
                    self.has_begun = true;
                    return self.cut(Self::element_end).map(Some);
                }
                (Some(Form::Over), _) => {
                    return Err(self.wrong("something follows the end of the array"));
                }
            }
        }
    }

    /// Everything up to where `ends` says.
    fn cut(&mut self, ends: fn(&mut Nesting, u8) -> bool) -> Result<Piece, ReadError> {
        let line = self.line;
        let mut text = Vec::new();
        let mut nesting = Nesting::default();
        loop {
            let read = self.source.fill_buf();
            let bytes = read.map_err(|source| ReadError::Read { line, source })?;
            let end = bytes.iter().position(|byte| ends(&mut nesting, *byte));
            let part = &bytes[..end.unwrap_or(bytes.len())];
            if text.len() + part.len() > PIECE_BYTES_MAX {
                return Err(ReadError::TooLong { line });
            }
            text.extend_from_slice(part);
            let (length, is_end) = (part.len(), end.is_some() || bytes.is_empty());
            self.line += part.iter().filter(|byte| **byte == b'\n').count() as u64;
            self.offset += length as u64;
            self.source.consume(length);
            if is_end {
                break;
            }
        }
        if self.form == Some(Form::Lines) && self.peek()? == Some(b'\n') {
            self.take(b'\n');
        }
        while text.last().is_some_and(u8::is_ascii_whitespace) {
            text.pop();
        }
        Ok(Piece {
            line,
            end: self.offset,
            lines: self.line - 1,
            text,
        })
    }

    fn line_end(_: &mut Nesting, byte: u8) -> bool {
        byte == b'\n'
    }

    fn element_end(nesting: &mut Nesting, byte: u8) -> bool {
        if nesting.depth == 0 && !nesting.in_string && matches!(byte, b',' | b']') {
            return true;
        }
        nesting.step(byte);
        false
    }

    fn peek(&mut self) -> Result<Option<u8>, ReadError> {
        let line = self.line;
        let read = self.source.fill_buf();
        let bytes = read.map_err(|source| ReadError::Read { line, source })?;
        Ok(bytes.first().copied())
    }

    fn take(&mut self, byte: u8) {
        self.source.consume(1);
        self.offset += 1;
        self.line += u64::from(byte == b'\n');
    }

    fn wrong(&self, what: &'static str) -> ReadError {
        ReadError::Array {
            line: self.line,
            what,
        }
    }
}

/// How deep inside a JSON value a byte lies.
#[derive(Default)]
struct Nesting {
    depth: u64,
    in_string: bool,
    is_escaped: bool,
}

impl Nesting {
    fn step(&mut self, byte: u8) {
        match byte {
            _ if self.is_escaped => self.is_escaped = false,
            b'\\' if self.in_string => self.is_escaped = true,
            b'"' => self.in_string = !self.in_string,
            b'{' | b'[' if !self.in_string => self.depth += 1,
            b'}' | b']' if !self.in_string => self.depth = self.depth.saturating_sub(1),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cut(text: &str) -> Result<Vec<(u64, String)>, String> {
        let mut cutter = Cutter::new(text.as_bytes(), Start::default());
        let mut pieces = Vec::new();
        while let Some(piece) = cutter.next().map_err(|error| error.to_string())? {
            pieces.push((
                piece.line,
                String::from_utf8_lossy(&piece.text).into_owned(),
            ));
        }
        Ok(pieces)
    }

    fn pieces(expected: &[(u64, &str)]) -> Result<Vec<(u64, String)>, String> {
        Ok(expected
            .iter()
            .map(|(line, text)| (*line, (*text).to_owned()))
            .collect())
    }

    #[test]
    fn lines_and_arrays() {
        assert_eq!(
            cut("{\"a\":1}\n\n  not json \r\n{}"),
            pieces(&[(1, "{\"a\":1}"), (3, "not json"), (4, "{}")])
        );
        assert_eq!(
            cut("\u{feff} [\n {\"a\":\"],\\\"[\"} ,\n{\"b\":[1,{}]}\n]\n"),
            pieces(&[(2, "{\"a\":\"],\\\"[\"}"), (3, "{\"b\":[1,{}]}")])
        );
        assert_eq!(cut(""), pieces(&[]));
        assert_eq!(cut(" [ ] "), pieces(&[]));
    }

    #[test]
    fn an_array_that_is_none_is_told_with_its_line() {
        for (text, expected) in [
            ("[\n{}", "line 2: the array does not end"),
            ("[{},,{}]", "line 1: an element"),
            ("[{}]\nx", "line 2: something follows"),
        ] {
            let error = cut(text).expect_err(text);
            assert!(error.starts_with(expected), "{text}: {error}");
        }
    }

    #[test]
    fn reading_goes_on_where_it_stopped() {
        for text in [
            "{\"a\":1}\n{\"b\":2}\n{\"c\":3}",
            "[{\"a\":1},\n{\"b\":2}\n,{\"c\":3}]",
        ] {
            let mut cutter = Cutter::new(text.as_bytes(), Start::default());
            let first = cutter.next().expect("readable").expect("a piece");
            let start = Start {
                offset: first.end,
                lines: first.lines,
                is_array: text.starts_with('['),
            };
            let from = usize::try_from(first.end).expect("a short text");
            let mut resumed = Cutter::new(&text.as_bytes()[from..], start);
            loop {
                let (one, other) = (
                    cutter.next().expect("readable"),
                    resumed.next().expect("readable"),
                );
                assert_eq!(one, other);
                if one.is_none() {
                    break;
                }
            }
        }
    }

    proptest! {
        #[test]
        fn whatever_is_read_is_cut_or_refused(bytes: Vec<u8>, text in "[\\[\\]{},\"\\\\ \na1]{0,40}") {
            for bytes in [&bytes[..], text.as_bytes()] {
                let mut cutter = Cutter::new(bytes, Start::default());
                let mut end = 0;
                while let Ok(Some(piece)) = cutter.next() {
                    prop_assert!(piece.end > end && piece.end <= bytes.len() as u64);
                    end = piece.end;
                }
            }
        }
    }
}
