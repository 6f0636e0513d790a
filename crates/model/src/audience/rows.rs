//! Rows of a file, read and not yet looked at: one text and the ends of its fields, so that a row costs no allocation.

/// Some rows of one file, of as many fields each as the first has.
#[derive(Debug, Default)]
pub struct Rows {
    text: String,
    /// Of every field, in bytes of `text`.
    ends: Vec<usize>,
    /// Of every row, in the file.
    numbers: Vec<u64>,
    width: usize,
}

impl Rows {
    /// Room for rows of so many bytes together.
    pub fn with_capacity(bytes: usize) -> Self {
        Self {
            text: String::with_capacity(bytes),
            ..Self::default()
        }
    }

    /// One more.
    pub fn push<'f>(&mut self, number: u64, fields: impl Iterator<Item = &'f str>) {
        for field in fields {
            self.text.push_str(field);
            self.ends.push(self.text.len());
        }
        if self.numbers.is_empty() {
            self.width = self.ends.len();
        }
        self.numbers.push(number);
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.numbers.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.numbers.is_empty()
    }

    /// The number of a row in its file.
    pub fn number(&self, row: usize) -> u64 {
        self.numbers[row]
    }

    /// A value. Both count from 0.
    pub fn field(&self, row: usize, column: usize) -> &str {
        let at = row * self.width + column;
        let start = if at == 0 { 0 } else { self.ends[at - 1] };
        &self.text[start..self.ends[at]]
    }

    /// All values of a row.
    pub fn fields(&self, row: usize) -> impl Iterator<Item = &str> {
        (0..self.width).map(move |column| self.field(row, column))
    }
}
