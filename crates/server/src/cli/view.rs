//! An answer, as people read it.

use std::io::Write as _;

use serde_json::Value;

use super::table::table;

/// A heading and the JSON pointer of what stands under it.
pub(super) type Column = (&'static str, &'static str);

/// How an answer is shown.
pub(super) enum View {
    /// A page of a list, a row for each item.
    List(&'static [Column]),
    /// One thing, a line for each member.
    One(&'static [Column]),
    /// One thing and a list in it: its lines, then the list at the pointer.
    OneWith(&'static [Column], &'static str, &'static [Column]),
    /// Something that is shown this once: its lines, and a word about that.
    Once(&'static [Column]),
    /// It was done; this says so.
    Sentence(&'static str),
}

impl View {
    /// The text, with a line end.
    pub(super) fn show(&self, answer: &Value) -> String {
        match self {
            Self::List(columns) => list(columns, answer),
            Self::One(columns) => one(columns, answer),
            Self::OneWith(columns, pointer, rows) => {
                let items = answer.pointer(pointer).and_then(Value::as_array);
                let items = items.map_or(&[][..], Vec::as_slice);
                format!("{}\n{}", one(columns, answer), rows_of(rows, items))
            }
            Self::Once(columns) => {
                let lines = one(columns, answer);
                format!("{lines}Keep the key: it is shown this once.\n")
            }
            Self::Sentence(sentence) => format!("{sentence}\n"),
        }
    }
}

fn list(columns: &[Column], answer: &Value) -> String {
    let items = answer["items"].as_array().map_or(&[][..], Vec::as_slice);
    let mut text = rows_of(columns, items);
    if !answer["next"].is_null() {
        let next = cell(Some(&answer["next"]));
        text.push_str(&format!("There is more: --after {next}\n"));
    }
    text
}

fn rows_of(columns: &[Column], items: &[Value]) -> String {
    if items.is_empty() {
        return "There are none.\n".to_owned();
    }
    let headings: Vec<&str> = columns.iter().map(|(heading, _)| *heading).collect();
    let row = |item: &Value| {
        let cells = columns.iter().map(|(_, at)| cell(item.pointer(at)));
        cells.collect()
    };
    table(&headings, items.iter().map(row).collect())
}

fn one(columns: &[Column], answer: &Value) -> String {
    let width = columns.iter().map(|(name, _)| name.chars().count()).max();
    let width = width.unwrap_or(0);
    let mut text = String::new();
    for (name, at) in columns {
        let value = cell(answer.pointer(at));
        text.push_str(&format!("{name:width$}  {value}\n"));
    }
    text
}

/// A value in one line.
fn cell(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => "-".to_owned(),
        Some(Value::Bool(true)) => "yes".to_owned(),
        Some(Value::Bool(false)) => "no".to_owned(),
        Some(Value::String(text)) if text.is_empty() => "-".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(number)) => number.to_string(),
        Some(Value::Array(items)) if items.is_empty() => "-".to_owned(),
        Some(Value::Array(items)) => {
            let cells: Vec<String> = items.iter().map(|item| cell(Some(item))).collect();
            cells.join(", ")
        }
        Some(value @ Value::Object(_)) => value.to_string(),
    }
}

/// To the standard output; a reader that went away has read enough.
pub(super) fn print(text: &str) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_list_has_a_row_for_each_item_and_says_where_it_goes_on() {
        let view = View::List(&[("ID", "/id"), ("CODES", "/codes"), ("ON", "/on")]);
        let answer = json!({ "items": [
            { "id": 7, "codes": ["a", "b"], "on": true }, { "id": 1000, "codes": [], "on": null },
        ], "next": 1000 });
        assert_eq!(
            view.show(&answer),
            "  ID  CODES  ON\n   7  a, b   yes\n1000  -      -\nThere is more: --after 1000\n"
        );
        let none = json!({ "items": [], "next": null });
        assert_eq!(view.show(&none), "There are none.\n");
    }

    #[test]
    fn one_thing_has_a_line_for_each_member() {
        let view = View::OneWith(
            &[("id", "/id"), ("name", "/name")],
            "/parts",
            &[("PART", "/n")],
        );
        let answer = json!({ "id": 7, "name": "Shop", "parts": [{ "n": 1 }] });
        assert_eq!(view.show(&answer), "id    7\nname  Shop\n\nPART\n   1\n");
    }
}
