//! An answer, as people read it.

use std::io::Write as _;

use jiff::Timestamp;
use serde_json::Value;

use super::table::table;

/// A heading and the JSON pointer of what stands under it.
pub(super) type Column = (&'static str, &'static str);

/// A list in a thing.
pub(super) struct Part {
    /// JSON pointer of the list.
    pub(super) at: &'static str,
    pub(super) columns: &'static [Column],
    /// What is said when it is empty.
    pub(super) none: &'static str,
}

/// How an answer is shown.
pub(super) enum View {
    /// A page of a list, a row for each item.
    List(&'static [Column]),
    /// One thing, a line for each member.
    One(&'static [Column]),
    /// One thing and a list in it.
    OneWith(&'static [Column], Part),
    /// Something that is shown this once: its lines, and a word about that.
    Once(&'static [Column]),
    /// As it came: it is no JSON.
    Raw,
    /// It was done; this says so.
    Sentence(&'static str),
}

impl View {
    /// The text, with a line end.
    pub(super) fn show(&self, answer: &Value) -> String {
        match self {
            Self::List(columns) => list(columns, answer),
            Self::One(columns) => one(columns, answer),
            Self::OneWith(columns, part) => {
                let items = answer.pointer(part.at).and_then(Value::as_array);
                let items = items.map_or(&[][..], Vec::as_slice);
                let rows = rows_of(part.columns, items, part.none);
                format!("{}\n{rows}", one(columns, answer))
            }
            Self::Once(columns) => {
                let lines = one(columns, answer);
                format!("{lines}Keep the key: it is shown this once.\n")
            }
            Self::Raw => answer.as_str().unwrap_or_default().to_owned(),
            Self::Sentence(sentence) => format!("{sentence}\n"),
        }
    }
}

fn list(columns: &[Column], answer: &Value) -> String {
    let items = answer["items"].as_array().map_or(&[][..], Vec::as_slice);
    let mut text = rows_of(columns, items, "There are none.");
    if !answer["next"].is_null() {
        let next = cell(Some(&answer["next"]));
        text.push_str(&format!("There is more: --after {next}\n"));
    }
    text
}

fn rows_of(columns: &[Column], items: &[Value], none: &str) -> String {
    if items.is_empty() {
        return format!("{none}\n");
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
        Some(Value::String(text)) => match text.parse::<Timestamp>() {
            // People read seconds.
            Ok(time) => time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            Err(_) => text.clone(),
        },
        Some(Value::Number(number)) => number.to_string(),
        Some(Value::Array(items)) if items.is_empty() => "-".to_owned(),
        Some(Value::Array(items)) => {
            let cells: Vec<String> = items.iter().map(|item| cell(Some(named(item)))).collect();
            cells.join(", ")
        }
        Some(value @ Value::Object(_)) => value.to_string(),
    }
}

/// A thing in a list is shown by its name, or what it has instead.
fn named(item: &Value) -> &Value {
    let names = ["name", "pointer", "code", "destination", "id"].iter();
    let mut known = names.filter_map(|name| item.get(name));
    known.next().unwrap_or(item)
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
    fn one_thing_has_a_line_for_each_member_and_then_its_parts() {
        let part = Part {
            at: "/parts",
            columns: &[("PART", "/n")],
            none: "It has no parts.",
        };
        let view = View::OneWith(&[("id", "/id"), ("since", "/since")], part);
        let mut answer =
            json!({ "id": 7, "since": "2026-11-21T21:22:56.451639Z", "parts": [{ "n": 1 }] });
        assert_eq!(
            view.show(&answer),
            "id     7\nsince  2026-11-21T21:22:56Z\n\nPART\n   1\n"
        );
        answer["parts"] = json!([]);
        assert!(view.show(&answer).ends_with("\nIt has no parts.\n"));
    }
}
