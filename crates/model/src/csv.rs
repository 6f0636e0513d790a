//! CSV, read piece by piece and written row by row: the form in which audiences travel.
//!
//! Read as the field has it (RFC 4180 and its habits): UTF-8 with or without a byte order mark; comma, tab or semicolon,
//! which the header row shows; quotes, doubled quotes and line breaks inside of values; `\n`, `\r\n` or `\r` between rows.
//! The first row names the columns. Blank lines are no rows.
//!
//! A [`Reader`] is fed with whatever pieces arrive and keeps one row, so memory is flat whatever the size. A row that is
//! wrong becomes a [`RowProblem`] and the next one is read; only what makes the rest of a file meaningless ends it. After
//! each row the [`Place`] of the next is known, and a reader can [resume](Reader::resume) there.
//!
//! [`write_row`] writes what every reader of RFC 4180 takes: commas, quotes where they are needed, and `\n` at the end of a
//! row rather than `\r\n`, since receivers that merely split lines would find a `\r` in the last column.
//!
//! Called by `hub` for audiences and privacy requests. Nothing here knows what a column means.

mod read;
mod write;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use read::Reader;
pub use write::{write_row, write_value};

/// What separates the values of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Delimiter {
    Comma,
    Tab,
    Semicolon,
}

impl Delimiter {
    /// In the order in which they are preferred when a header has as many of one as of another.
    const ALL: [Self; 3] = [Self::Comma, Self::Tab, Self::Semicolon];

    pub fn byte(self) -> u8 {
        match self {
            Self::Comma => b',',
            Self::Tab => b'\t',
            Self::Semicolon => b';',
        }
    }
}

/// What a file may ask of our memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Longest value, in bytes after its quotes are taken off.
    pub field_bytes_max: usize,
    /// Longest row, all its values together; also the longest header.
    pub row_bytes_max: usize,
    pub columns_max: usize,
}

impl Default for Limits {
    /// A value as long as a long text, a row as large as a large event, and as many columns as a spreadsheet of people has.
    fn default() -> Self {
        Self {
            field_bytes_max: 64 << 10,
            row_bytes_max: 1 << 20,
            columns_max: 1_000,
        }
    }
}

/// What the header row said: all that is needed to read on in the middle of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layout {
    pub delimiter: Delimiter,
    /// Without the blanks around them; no two alike.
    pub columns: Vec<String>,
}

impl Layout {
    /// The column of this name, else the only one that differs from it in letter case alone.
    pub fn column(&self, name: &str) -> Option<usize> {
        let exact = self.columns.iter().position(|column| column == name);
        exact.or_else(|| {
            let mut alike = self.columns.iter().enumerate();
            let first = alike.find(|(_, column)| column.eq_ignore_ascii_case(name))?;
            let second = alike.find(|(_, column)| column.eq_ignore_ascii_case(name));
            second.is_none().then_some(first.0)
        })
    }
}

/// Where a reader stands, between two rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// Bytes of the file that are read.
    pub offset: u64,
    /// Rows that are read, the header included: also the number of the last of them, as a spreadsheet counts.
    pub row: u64,
}

/// What is wrong with a row, for people: where it is, what was expected, what to do. Repeats no value of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub struct RowProblem {
    /// Counted from 1, the header row, without blank lines.
    pub row: u64,
    /// The column's name, or its number when it has none.
    pub column: Option<String>,
    pub message: String,
}

impl fmt::Display for RowProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.column {
            Some(column) => write!(f, "row {}, column `{column}`: {}", self.row, self.message),
            None => write!(f, "row {}: {}", self.row, self.message),
        }
    }
}

/// What reading came to.
#[derive(Debug, PartialEq, Eq)]
pub enum Read<'r> {
    /// A row with a value for each column.
    Row(Row<'r>),
    /// A row that cannot be used; the next one can be read.
    Problem(RowProblem),
    /// More of the file is needed.
    Hungry,
    /// There are no more rows.
    End,
}

/// The values of a row, as many as there are columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row<'r> {
    /// Counted from 1, the header row, without blank lines.
    pub number: u64,
    text: &'r str,
    ends: &'r [usize],
}

impl<'r> Row<'r> {
    /// The value of a column, counted from 0; the empty text when there is no such column.
    pub fn get(&self, column: usize) -> &'r str {
        let start = match column.checked_sub(1) {
            None => Some(&0),
            Some(before) => self.ends.get(before),
        };
        match (start, self.ends.get(column)) {
            (Some(&start), Some(&end)) => &self.text[start..end],
            _ => "",
        }
    }

    pub fn values(&self) -> impl Iterator<Item = &'r str> + use<'r> {
        let row = *self;
        (0..row.ends.len()).map(move |column| row.get(column))
    }
}

#[cfg(test)]
mod tests;
