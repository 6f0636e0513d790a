//! Aligned tables for a terminal: columns as wide as their widest cell, numbers to the right, no lines drawn.
//!
//! What strangers wrote may stand in a cell, so characters that steer a terminal are replaced.

/// The table's text, a line for each row. Every row has a cell for each heading.
pub(super) fn table(headings: &[&str], rows: Vec<Vec<String>>) -> String {
    let heading = headings.iter().map(|text| (*text).to_owned()).collect();
    let rows: Vec<Vec<String>> = std::iter::once(heading)
        .chain(rows)
        .map(|row: Vec<String>| row.iter().map(|cell| harmless(cell)).collect())
        .collect();
    let columns: Vec<(usize, bool)> = (0..headings.len())
        .map(|column| (width(&rows, column), is_number(&rows[1..], column)))
        .collect();
    rows.iter().map(|row| line(row, &columns)).collect()
}

fn line(row: &[String], columns: &[(usize, bool)]) -> String {
    let mut line = String::new();
    for (cell, &(width, is_number)) in row.iter().zip(columns) {
        if !line.is_empty() {
            line.push_str("  ");
        }
        let padding = " ".repeat(width - cell.chars().count());
        if is_number {
            line.push_str(&padding);
            line.push_str(cell);
        } else {
            line.push_str(cell);
            line.push_str(&padding);
        }
    }
    // The last column needs no padding.
    format!("{}\n", line.trim_end())
}

fn width(rows: &[Vec<String>], column: usize) -> usize {
    let widths = rows.iter().map(|row| row[column].chars().count());
    widths.max().unwrap_or(0)
}

/// Every cell is a number or missing, and one is a number.
fn is_number(rows: &[Vec<String>], column: usize) -> bool {
    let cells = || rows.iter().map(|row| row[column].as_str());
    let is_number = |cell: &str| cell.parse::<f64>().is_ok();
    cells().all(|cell| cell == "-" || is_number(cell)) && cells().any(is_number)
}

fn harmless(cell: &str) -> String {
    let replace = |c: char| if c.is_control() { ' ' } else { c };
    cell.chars().map(replace).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(headings: &[&str], rows: &[&[&str]], expected: &str) {
        let owned = |row: &&[&str]| row.iter().map(|cell| (*cell).to_owned()).collect();
        assert_eq!(table(headings, rows.iter().map(owned).collect()), expected);
    }

    #[test]
    fn columns_are_aligned_and_numbers_stand_to_the_right() {
        check(
            &["ID", "NAME", "WAITING"],
            &[&["1", "Shop", "12"], &["10", "Ünïcode", "-"]],
            "ID  NAME     WAITING\n 1  Shop          12\n10  Ünïcode        -\n",
        );
    }

    #[test]
    fn lines_end_where_their_text_ends() {
        check(&["A", "B"], &[&["long", ""]], "A     B\nlong\n");
    }

    #[test]
    fn a_cell_cannot_steer_the_terminal() {
        check(&["A"], &[&["x\u{1b}[2Jy\n"]], "A\nx [2Jy\n");
    }
}
