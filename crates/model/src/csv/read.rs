//! The incremental reader. The machine under it (`csv-core`) never refuses anything; what is refused, is refused here.

use super::{Delimiter, Layout, Limits, Place, Read, Row, RowProblem};

/// Reads a file in pieces, one row at a time. After an `Err` nothing more can be read.
pub struct Reader {
    core: csv_core::Reader,
    limits: Limits,
    /// None until the header row is complete.
    layout: Option<Layout>,
    head: Head,
    /// The values of the row, one after the other; grows to `row_bytes_max`.
    text: Vec<u8>,
    text_len: usize,
    /// Where each value ends.
    ends: Vec<usize>,
    ends_len: usize,
    /// The row is larger than what is kept: it is read to its end and thrown away.
    too_large: Option<String>,
    place: Place,
}

/// The start of the file up to the end of the header row, looked at before it is known how values are separated.
#[derive(Default)]
struct Head {
    bytes: Vec<u8>,
    in_quotes: bool,
    counts: [usize; Delimiter::ALL.len()],
}

/// How far the machine came.
enum Step {
    Hungry,
    Row,
}

impl Reader {
    /// For the start of a file.
    pub fn new(limits: Limits) -> Self {
        Self {
            core: core(Delimiter::Comma),
            layout: None,
            head: Head::default(),
            text: vec![0; limits.row_bytes_max.min(4 << 10)],
            text_len: 0,
            ends: vec![0; (limits.columns_max + 1).min(32)],
            ends_len: 0,
            too_large: None,
            place: Place { offset: 0, row: 0 },
            limits,
        }
    }

    /// For the middle of a file whose header is known: the first byte that it is fed is the one at `place.offset`.
    pub fn resume(limits: Limits, layout: Layout, place: Place) -> Self {
        let mut reader = Self {
            core: core(layout.delimiter),
            layout: Some(layout),
            ..Self::new(limits)
        };
        // A blank line, so that the machine takes nothing here for the mark at the start of a file.
        reader.step(&mut &b"\n"[..]);
        reader.place = place;
        reader
    }

    /// Known as soon as the first row was read, or the end.
    pub fn layout(&self) -> Option<&Layout> {
        self.layout.as_ref()
    }

    /// Reads the header, unless that was done; `None` when more of the file is needed. For whoever must know the columns
    /// before the first row; [`Reader::read`] does it by itself.
    ///
    /// # Errors
    /// When the header cannot be read.
    pub fn header(
        &mut self,
        input: &mut &[u8],
        is_last: bool,
    ) -> Result<Option<&Layout>, RowProblem> {
        if self.layout.is_none() {
            self.read_header(input, is_last)?;
        }
        Ok(self.layout.as_ref())
    }

    /// Where the row after the last one begins. Only meaningful right after a row, a problem, or the end.
    pub fn place(&self) -> Place {
        self.place
    }

    /// The next row. Takes from `input` what it reads; `is_last` says that nothing follows it.
    ///
    /// # Errors
    /// When the header cannot be read, or the rest of the file is behind a quote that is never closed.
    pub fn read(&mut self, input: &mut &[u8], is_last: bool) -> Result<Read<'_>, RowProblem> {
        if self.layout.is_none() && !self.read_header(input, is_last)? {
            return Ok(Read::Hungry);
        }
        match self.step(input) {
            Step::Row => self.row(),
            Step::Hungry if !is_last => Ok(Read::Hungry),
            Step::Hungry => self.end(),
        }
    }

    /// After the last byte: the row that no line break ends, or the end. A line break is fed to the machine: it ends a row,
    /// or is blank, or has become part of a value whose quote was never closed.
    fn end(&mut self) -> Result<Read<'_>, RowProblem> {
        let offset = self.place.offset;
        let ended = self.step(&mut &b"\n"[..]);
        self.place.offset = offset;
        match ended {
            Step::Row => self.row(),
            Step::Hungry if self.text_len == 0 && self.too_large.is_none() => Ok(Read::End),
            Step::Hungry => Err(self.unclosed()),
        }
    }

    fn unclosed(&self) -> RowProblem {
        let column = self.column_name(self.ends_len);
        let message = "a quote that opens here, or in a later value, is never closed, so all that follows it belongs to one value: close it, or double the quotes inside of values";
        problem(self.place.row + 1, Some(column), message)
    }

    /// Feeds the machine until a row is complete or the input is used up.
    fn step(&mut self, input: &mut &[u8]) -> Step {
        use csv_core::ReadRecordResult::{End, InputEmpty, OutputEndsFull, OutputFull, Record};
        // An empty input means the end to the machine.
        while !input.is_empty() {
            let (result, taken, texts, ends) = self.core.read_record(
                input,
                &mut self.text[self.text_len..],
                &mut self.ends[self.ends_len..],
            );
            *input = &input[taken..];
            self.place.offset += taken as u64;
            self.text_len += texts;
            self.ends_len += ends;
            match result {
                Record => return Step::Row,
                InputEmpty | End => return Step::Hungry,
                OutputFull => self.make_room_for_text(),
                OutputEndsFull => self.make_room_for_ends(),
            }
        }
        Step::Hungry
    }

    fn make_room_for_text(&mut self) {
        let max = self.limits.row_bytes_max;
        if self.text_len >= max {
            let message = format!(
                "is longer than {max} bytes: split it, or close a quote that is still open"
            );
            self.too_large = Some(message);
            self.text_len = 0;
        } else {
            self.text.resize((self.text.len() * 2).min(max), 0);
        }
    }

    fn make_room_for_ends(&mut self) {
        let max = self.limits.columns_max + 1;
        if self.ends_len >= max {
            let max = self.limits.columns_max;
            self.too_large = Some(format!(
                "has more than {max} values, the most that are taken"
            ));
            self.ends_len = 0;
        } else {
            self.ends.resize((self.ends.len() * 2).min(max), 0);
        }
    }

    /// The row that the machine has completed, judged.
    fn row(&mut self) -> Result<Read<'_>, RowProblem> {
        self.place.row += 1;
        let (text_len, ends_len) = (self.text_len, self.ends_len);
        (self.text_len, self.ends_len) = (0, 0);
        let number = self.place.row;
        if let Some(message) = self.too_large.take() {
            return Ok(Read::Problem(problem(number, None, message)));
        }
        let (bytes, ends) = (&self.text[..text_len], &self.ends[..ends_len]);
        let columns = self
            .layout
            .as_ref()
            .map_or(0, |layout| layout.columns.len());
        let wrong = self
            .wrong_width(ends, columns)
            .or_else(|| self.wrong_value(bytes, ends));
        if let Some((column, message)) = wrong {
            return Ok(Read::Problem(problem(number, Some(column), message)));
        }
        // Judged above: it is text.
        let text = std::str::from_utf8(bytes).unwrap_or_default();
        let ends = &ends[..columns];
        Ok(Read::Row(Row { number, text, ends }))
    }

    /// Too few values, or too many: then nobody knows which belongs to which column. Empty ones at the end are harmless.
    fn wrong_width(&self, ends: &[usize], columns: usize) -> Option<(String, String)> {
        let found = ends.len();
        if found < columns {
            let message =
                format!("is missing: the row has {found} values, the header {columns} columns");
            return Some((self.column_name(found), message));
        }
        let end = ends[columns - 1];
        let extra = ends[columns..].iter().position(|&later| later > end)?;
        let message = format!(
            "is one value too many: the row has {found}, the header {columns} columns; put values with separators in them in quotes"
        );
        Some((self.column_name(columns + extra), message))
    }

    fn wrong_value(&self, bytes: &[u8], ends: &[usize]) -> Option<(String, String)> {
        let max = self.limits.field_bytes_max;
        let whole = std::str::from_utf8(bytes);
        let is_text = |end: usize| whole.is_ok_and(|text| text.is_char_boundary(end));
        let mut start = 0;
        let has_zeros = bytes.contains(&0);
        for (column, &end) in ends.iter().enumerate() {
            let value = &bytes[start..end];
            let message = if !is_text(end) && std::str::from_utf8(value).is_err() {
                "is not UTF-8: save the file as UTF-8".to_owned()
            } else if value.len() > max {
                format!("is {} bytes long; at most {max} are taken", value.len())
            } else if has_zeros && value.contains(&0) {
                "has a zero byte in it: save the file as text in UTF-8".to_owned()
            } else {
                start = end;
                continue;
            };
            return Some((self.column_name(column), message));
        }
        None
    }

    fn column_name(&self, column: usize) -> String {
        let columns = self.layout.as_ref().map(|layout| &layout.columns);
        let name = columns.and_then(|columns| columns.get(column));
        name.cloned().unwrap_or_else(|| (column + 1).to_string())
    }

    /// Collects the header row, and reads it when it is complete; `false` when more of the file is needed.
    fn read_header(&mut self, input: &mut &[u8], is_last: bool) -> Result<bool, RowProblem> {
        let is_complete = self.head.collect(input);
        let header = |message: &str| problem(1, None, message);
        self.head.no_text().map_or(Ok(()), |what| {
            Err(header(&format!(
                "the file is {what}, and not CSV in UTF-8: save it as that"
            )))
        })?;
        if self.head.bytes.len() > self.limits.row_bytes_max {
            let max = self.limits.row_bytes_max;
            return Err(header(&format!(
                "the header is longer than {max} bytes: close a quote that is still open"
            )));
        }
        if !is_complete && !is_last {
            return Ok(false);
        }
        let delimiter = self.head.delimiter();
        self.core = core(delimiter);
        let head = std::mem::take(&mut self.head.bytes);
        let ended = match self.step(&mut head.as_slice()) {
            Step::Row => Step::Row,
            Step::Hungry => {
                let offset = self.place.offset;
                let ended = self.step(&mut &b"\n"[..]);
                self.place.offset = offset;
                ended
            }
        };
        match ended {
            Step::Row => {}
            Step::Hungry if self.text_len == 0 => {
                return Err(header(
                    "the file is empty: expected a header row with the names of the columns",
                ));
            }
            Step::Hungry => return Err(self.unclosed()),
        }
        let columns = self.columns()?;
        self.layout = Some(Layout { delimiter, columns });
        self.place.row = 1;
        (self.text_len, self.ends_len) = (0, 0);
        Ok(true)
    }

    /// The names in the row that the machine has just completed.
    fn columns(&self) -> Result<Vec<String>, RowProblem> {
        let (bytes, ends) = (&self.text[..self.text_len], &self.ends[..self.ends_len]);
        if let Some(message) = &self.too_large {
            return Err(problem(1, None, message.as_str()));
        }
        if let Some((column, message)) = self.wrong_value(bytes, ends) {
            return Err(problem(1, Some(column), message));
        }
        let mut columns = Vec::new();
        let mut start = 0;
        for &end in ends {
            let name = String::from_utf8_lossy(&bytes[start..end]);
            columns.push(name.trim().to_owned());
            start = end;
        }
        // Separators at the end of the header name nothing.
        while columns.last().is_some_and(String::is_empty) {
            columns.pop();
        }
        if columns.is_empty() {
            return Err(problem(1, None, "the header names no column"));
        }
        for (column, name) in columns.iter().enumerate() {
            let number = Some((column + 1).to_string());
            if name.is_empty() {
                return Err(problem(1, number, "has no name in the header: give it one"));
            }
            if let Some(first) = columns[..column].iter().position(|other| other == name) {
                let message = format!(
                    "has the same name as column {}: give each column a name of its own",
                    first + 1
                );
                return Err(problem(1, number, message));
            }
        }
        Ok(columns)
    }
}

impl Head {
    /// Takes bytes up to the line break that ends the header; `true` when it is there.
    fn collect(&mut self, input: &mut &[u8]) -> bool {
        while let Some((&byte, rest)) = input.split_first() {
            *input = rest;
            self.bytes.push(byte);
            match byte {
                b'"' => self.in_quotes = !self.in_quotes,
                b'\n' | b'\r' if !self.in_quotes => {
                    let is_blank = |byte: &u8| matches!(byte, b'\n' | b'\r' | 0xef | 0xbb | 0xbf);
                    if !self.bytes.iter().all(is_blank) {
                        return true;
                    }
                }
                _ if !self.in_quotes => {
                    for (count, delimiter) in self.counts.iter_mut().zip(Delimiter::ALL) {
                        *count += usize::from(byte == delimiter.byte());
                    }
                }
                _ => {}
            }
        }
        false
    }

    /// The one that the header has most of.
    fn delimiter(&self) -> Delimiter {
        let mut best = (0, Delimiter::Comma);
        for (&count, delimiter) in self.counts.iter().zip(Delimiter::ALL) {
            if count > best.0 {
                best = (count, delimiter);
            }
        }
        best.1
    }

    /// What the file is, judged by its first bytes, when it is something else.
    fn no_text(&self) -> Option<&'static str> {
        let known: [(&[u8], &str); 6] = [
            (b"\xff\xfe", "UTF-16"),
            (b"\xfe\xff", "UTF-16"),
            (b"\x1f\x8b", "compressed (gzip)"),
            (b"\x28\xb5\x2f\xfd", "compressed (zstd)"),
            (b"PK\x03\x04", "a spreadsheet or a zip archive"),
            (b"%PDF", "a PDF"),
        ];
        let bytes = self.bytes.as_slice();
        let found = known.iter().find(|(magic, _)| bytes.starts_with(magic));
        found.map(|(_, what)| *what)
    }
}

fn core(delimiter: Delimiter) -> csv_core::Reader {
    csv_core::ReaderBuilder::new()
        .delimiter(delimiter.byte())
        .build()
}

fn problem(row: u64, column: Option<String>, message: impl Into<String>) -> RowProblem {
    RowProblem {
        row,
        column,
        message: message.into(),
    }
}
