//! What a command shows while it works: on a terminal a few lines that are drawn anew in place, elsewhere one line a
//! second. Used by `demo` and `send`; small enough to be ours.
//!
//! Promises: nothing but plain text when the output is not a terminal, no colour when `NO_COLOR` is set, and a line that
//! is too long is cut by the terminal rather than wrapped, so that a picture always has as many lines as it was given.

use std::fmt::Write as _;
use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

/// Between two pictures on a terminal.
pub const FRAME: Duration = Duration::from_millis(80);
/// Between two lines elsewhere.
const LINE: Duration = Duration::from_secs(1);

/// How a piece of text looks on a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    Strong,
    Faint,
    Good,
    Bad,
}

/// Where a command draws.
pub struct Screen {
    out: Box<dyn Write + Send>,
    is_terminal: bool,
    has_colour: bool,
    /// Lines of the picture that is shown now.
    drawn: usize,
    last: Option<Instant>,
}

impl Screen {
    /// Draws on standard output.
    pub fn stdout() -> Self {
        let out = std::io::stdout();
        let is_terminal = out.is_terminal();
        Self::new(Box::new(out), is_terminal)
    }

    /// Draws on standard error, for commands whose output is for programs.
    pub fn stderr() -> Self {
        let out = std::io::stderr();
        let is_terminal = out.is_terminal();
        Self::new(Box::new(out), is_terminal)
    }

    fn new(out: Box<dyn Write + Send>, is_terminal: bool) -> Self {
        Self {
            out,
            is_terminal,
            has_colour: is_terminal && std::env::var_os("NO_COLOR").is_none(),
            drawn: 0,
            last: None,
        }
    }

    /// The text, with its look where there are looks.
    pub fn paint(&self, look: Look, text: &str) -> String {
        if !self.has_colour {
            return text.to_owned();
        }
        let code = match look {
            Look::Strong => 1,
            Look::Faint => 2,
            Look::Good => 32,
            Look::Bad => 31,
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }

    /// Shows where things stand: `picture` on a terminal, `line` elsewhere if the last one is a second old.
    pub fn draw(
        &mut self,
        picture: impl FnOnce(&Self) -> Vec<String>,
        line: impl FnOnce() -> String,
    ) {
        let now = Instant::now();
        let pause = if self.is_terminal { FRAME } else { LINE };
        if self.last.is_some_and(|last| now < last + pause) {
            return;
        }
        if self.is_terminal {
            let picture = picture(self);
            self.picture(&picture);
        } else if self.last.is_some() {
            self.say(&line());
        }
        self.last = Some(now);
    }

    /// Shows the last picture and leaves it standing; elsewhere the last line.
    pub fn rest(
        &mut self,
        picture: impl FnOnce(&Self) -> Vec<String>,
        line: impl FnOnce() -> String,
    ) {
        if self.is_terminal {
            let picture = picture(self);
            self.picture(&picture);
            self.drawn = 0;
        } else {
            self.say(&line());
        }
        self.last = None;
    }

    /// A line that stays; a picture goes on below it.
    pub fn say(&mut self, text: &str) {
        let up = self.up();
        self.drawn = 0;
        self.last = None;
        self.write(&format!("{up}{text}\n"));
    }

    fn picture(&mut self, lines: &[String]) {
        let mut text = self.up();
        // Without automatic wrapping, so that a line is a line.
        text.push_str("\x1b[?7l");
        for line in lines {
            let _ = writeln!(text, "{line}");
        }
        text.push_str("\x1b[?7h");
        self.drawn = lines.len();
        self.write(&text);
    }

    /// Back to the start of the picture, and wipes it.
    fn up(&self) -> String {
        if self.drawn == 0 {
            String::new()
        } else {
            format!("\x1b[{}A\r\x1b[J", self.drawn)
        }
    }

    fn write(&mut self, text: &str) {
        // Whoever closed the other end does not want to read on; the work itself is not disturbed.
        let _ = self.out.write_all(text.as_bytes());
        let _ = self.out.flush();
    }
}

/// `done` of `total` as a bar of `width` characters.
pub fn bar(done: u64, total: u64, width: u64) -> String {
    let share = done.min(total).saturating_mul(width);
    let filled = share.checked_div(total).unwrap_or(width);
    let mut text = String::new();
    for at in 0..width {
        text.push(if at < filled { '█' } else { '░' });
    }
    text
}

/// `1234567` as `1,234,567`.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 line`, `1,234 lines`.
pub fn counted(number: u64, what: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {what}{plural}", count(number))
}

/// How long something took, in three or four characters and a unit.
pub fn span(time: Duration) -> String {
    let micros = time.as_micros();
    match micros {
        0..1_000 => format!("{micros} µs"),
        1_000..10_000 => format!("{:.1} ms", time.as_secs_f64() * 1e3),
        10_000..1_000_000 => format!("{} ms", time.as_millis()),
        _ => format!("{:.1} s", time.as_secs_f64()),
    }
}

/// How many a second; nothing yet after no time.
pub fn rate(number: u64, time: Duration) -> u64 {
    let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX).max(1);
    u64::try_from(u128::from(number) * 1_000_000 / u128::from(micros)).unwrap_or(u64::MAX)
}

/// Columns of a table: the first to the left, the others to the right, with a rule under the head.
pub fn table(rows: &[Vec<String>]) -> Vec<String> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells
            .map(|cell| cell.chars().count())
            .max()
            .unwrap_or_default()
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut lines = Vec::new();
    for (at, row) in rows.iter().enumerate() {
        let mut line = String::new();
        for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
            let _ = if column == 0 {
                write!(line, "{cell:<width$}")
            } else {
                write!(line, "  {cell:>width$}")
            };
        }
        lines.push(line);
        if at == 0 {
            let total = widths.iter().sum::<usize>() + 2 * columns.saturating_sub(1);
            lines.push("─".repeat(total));
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Paper(Arc<Mutex<Vec<u8>>>);

    impl Write for Paper {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().expect("paper").extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    impl Paper {
        fn text(&self) -> String {
            String::from_utf8(self.0.lock().expect("paper").clone()).expect("text")
        }
    }

    #[test]
    fn a_terminal_gets_a_picture_and_a_file_gets_lines() {
        let two = |_: &Screen| vec!["a".to_owned(), "b".to_owned()];
        let paper = Paper::default();
        let mut screen = Screen::new(Box::new(paper.clone()), true);
        screen.draw(two, || unreachable!("a terminal"));
        screen.say("by the way");
        screen.rest(two, || unreachable!("a terminal"));
        assert_eq!(
            paper.text(),
            "\x1b[?7la\nb\n\x1b[?7h\x1b[2A\r\x1b[Jby the way\n\x1b[?7la\nb\n\x1b[?7h"
        );

        let paper = Paper::default();
        let mut screen = Screen::new(Box::new(paper.clone()), false);
        let none = |_: &Screen| unreachable!("not a terminal");
        screen.draw(none, || "too early".to_owned());
        screen.rest(none, || "done".to_owned());
        assert_eq!(paper.text(), "done\n");
        assert_eq!(screen.paint(Look::Good, "fine"), "fine");
    }

    #[test]
    fn numbers_as_people_read_them() {
        assert_eq!(
            [0, 999, 1_000, 1_234_567].map(count),
            ["0", "999", "1,000", "1,234,567"]
        );
        assert_eq!(
            [1, 2_000].map(|n| counted(n, "line")),
            ["1 line", "2,000 lines"]
        );
        let micros = [7, 1_500, 42_000, 1_600_000].map(Duration::from_micros);
        assert_eq!(micros.map(span), ["7 µs", "1.5 ms", "42 ms", "1.6 s"]);
        assert_eq!(rate(500, Duration::from_millis(250)), 2_000);
        assert_eq!(rate(1, Duration::ZERO), 1_000_000);
        assert_eq!(
            [bar(0, 4, 4), bar(1, 4, 4), bar(9, 4, 4)],
            ["░░░░", "█░░░", "████"]
        );
    }

    #[test]
    fn a_table_is_aligned() {
        let row = |cells: [&str; 2]| cells.map(str::to_owned).to_vec();
        let lines = table(&[row(["who", "n"]), row(["Ünal", "1,000"])]);
        assert_eq!(lines, ["who       n", "───────────", "Ünal  1,000"]);
    }
}
