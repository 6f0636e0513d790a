//! A JSON document as a form: its main members as fields, and the whole of it as text, with what is wrong by its place.
//!
//! Both can be changed at once. A field counts when it was changed from what it showed; else the text does. So a page needs no
//! script to keep the two alike. Called by the pages of applications, deployments, onboarding and event types.

mod place;

use maud::{Markup, html};
use model::Invalid;
use model::invalid::Violation;
use serde_json::{Map, Value};

use crate::form::Form;

/// Lines of the text that are shown at least and at most without scrolling.
const LINES: std::ops::RangeInclusive<usize> = 8..=40;

/// A member that has a field of its own.
pub(crate) struct Field {
    /// Where it is in the document (RFC 6901).
    pub(crate) pointer: &'static str,
    pub(crate) label: &'static str,
    pub(crate) help: &'static str,
    pub(crate) kind: Kind,
}

pub(crate) enum Kind {
    Line,
    Text,
    Flag,
    /// Words and what they mean; nothing chosen takes the member away.
    Choice(&'static [(&'static str, &'static str)]),
}

/// A document that is being written.
pub(crate) struct Editor {
    fields: &'static [Field],
    value: Value,
    /// As it was typed, where that is no JSON.
    raw: Option<String>,
    invalid: Invalid,
}

impl Editor {
    pub(crate) fn new(fields: &'static [Field], value: Value) -> Self {
        Self {
            fields,
            value,
            raw: None,
            invalid: Invalid::default(),
        }
    }

    /// What a form sent: the text, with the fields that were changed put into it.
    ///
    /// # Errors
    /// The editor with what was typed, where that is no JSON.
    pub(crate) fn read(fields: &'static [Field], form: &Form) -> Result<Value, Self> {
        let text = form.text("document");
        let mut value = match serde_json::from_str::<Value>(text) {
            Ok(value) => value,
            Err(error) => {
                let message = format!("this is no JSON: {error}");
                return Err(Self {
                    fields,
                    value: Value::Null,
                    raw: Some(text.to_owned()),
                    invalid: Invalid::one("", "json", message),
                });
            }
        };
        for field in fields {
            let sent = form.text(&format!("field:{}", field.pointer)).to_owned();
            let was = form.text(&format!("was:{}", field.pointer)).to_owned();
            if sent != was {
                field.put(&mut value, &sent);
            }
        }
        Ok(value)
    }

    /// The same document with what is wrong with it.
    pub(crate) fn wrong(mut self, invalid: Invalid) -> Self {
        self.invalid = invalid;
        self
    }

    fn violations(&self, pointer: &str) -> impl Iterator<Item = &Violation> {
        let all = self.invalid.violations.iter();
        all.filter(move |violation| violation.pointer == pointer)
    }

    pub(crate) fn markup(&self) -> Markup {
        let text = match &self.raw {
            Some(raw) => raw.clone(),
            None => pretty(&self.value),
        };
        let line = |violation: &Violation| {
            let is_shown = self.raw.is_none();
            is_shown.then(|| place::line(&self.value, &violation.pointer))
        };
        let bad: Vec<usize> = self.invalid.violations.iter().filter_map(line).collect();
        let count = text.lines().count().max(1);
        let rows = count.clamp(*LINES.start(), *LINES.end());
        html! {
            @if !self.invalid.is_empty() {
                section.wrong role="alert" aria-labelledby="wrong-title" {
                    h2 #wrong-title { "Not taken: " (self.invalid.violations.len() + self.invalid.more) " to put right" }
                    ul { @for violation in &self.invalid.violations {
                        li {
                            @if let Some(line) = line(violation) { strong { "Line " (line) } " " }
                            @if !violation.pointer.is_empty() { code { (violation.pointer) } " " }
                            (violation.message)
                        }
                    } }
                    @if self.invalid.more > 0 { p { "and " (self.invalid.more) " more" } }
                }
            }
            div.document {
                @if !self.fields.is_empty() && self.raw.is_none() {
                    fieldset.stack { legend { "Main members" }
                        @for field in self.fields { (self.field(field)) }
                    }
                }
                div.whole {
                    label for="document" { "The whole document" }
                    p.hint #document-help { "JSON. A field beside it that you change counts, too." }
                    div.editor {
                        pre.lines aria-hidden="true" { @for number in 1..=count.max(rows) {
                            span.bad[bad.contains(&number)] { (number) "\n" }
                        } }
                        textarea #document name="document" rows=(count.max(rows)) spellcheck="false" wrap="off" autocomplete="off"
                            aria-describedby="document-help" aria-invalid=[(!self.invalid.is_empty()).then_some("true")] { (text) }
                    }
                }
            }
        }
    }

    fn field(&self, field: &Field) -> Markup {
        let name = format!("field:{}", field.pointer);
        let now = field.get(&self.value);
        let id = field.pointer.replace('/', "-");
        let wrong: Vec<&Violation> = self.violations(field.pointer).collect();
        let described = format!("help{id}");
        let invalid = (!wrong.is_empty()).then_some("true");
        let help = html! {
            small id=(described) { (field.help) @for one in &wrong { span.error { " " (one.message) } } }
        };
        html! {
            input type="hidden" name={ "was:" (field.pointer) } value=(now);
            @match field.kind {
                Kind::Line => label { (field.label) input type="text" name=(name) value=(now) autocomplete="off" aria-describedby=(described) aria-invalid=[invalid]; (help) },
                Kind::Text => label { (field.label) textarea name=(name) rows="3" aria-describedby=(described) aria-invalid=[invalid] { (now) } (help) },
                Kind::Flag => label.choice { input type="checkbox" name=(name) value="true" checked[now == "true"] aria-describedby=(described); span { (field.label) (help) } },
                Kind::Choice(words) => label { (field.label)
                    select name=(name) aria-describedby=(described) aria-invalid=[invalid] {
                        option value="" selected[now.is_empty()] { "–" }
                        @for (word, meaning) in words { option value=(word) selected[now.eq_ignore_ascii_case(word)] { (meaning) } }
                    }
                    (help)
                },
            }
        }
    }
}

impl Field {
    /// As its field shows it.
    fn get(&self, value: &Value) -> String {
        match value.pointer(self.pointer) {
            Some(Value::String(text)) => match self.kind {
                // What a choice shows is one of its words.
                Kind::Choice(words) => {
                    let known = words
                        .iter()
                        .find(|(word, _)| word.eq_ignore_ascii_case(text));
                    known.map_or_else(|| text.clone(), |(word, _)| (*word).to_owned())
                }
                _ => text.trim().replace('\r', ""),
            },
            Some(Value::Bool(true)) => "true".to_owned(),
            _ => String::new(),
        }
    }

    /// Puts what was sent into its place; nothing takes the member away.
    fn put(&self, value: &mut Value, sent: &str) {
        let mut names: Vec<&str> = self.pointer.split('/').skip(1).collect();
        let Some(last) = names.pop() else { return };
        let mut at = value;
        for name in names {
            let Value::Object(members) = at else { return };
            let missing = || Value::Object(Map::new());
            at = members.entry(name.to_owned()).or_insert_with(missing);
        }
        let Value::Object(members) = at else { return };
        let new = match self.kind {
            Kind::Flag => Value::Bool(sent == "true"),
            _ if sent.is_empty() => {
                members.remove(last);
                return;
            }
            _ => Value::String(sent.replace('\r', "")),
        };
        members.insert(last.to_owned(), new);
    }
}

/// As pages show JSON.
pub(crate) fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const FIELDS: &[Field] = &[
        Field {
            pointer: "/name",
            label: "Name",
            help: "",
            kind: Kind::Line,
        },
        Field {
            pointer: "/a/enabled",
            label: "A",
            help: "",
            kind: Kind::Flag,
        },
    ];

    fn check(sent: &[(&str, &str)], expected: &Value) {
        let text = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(sent)
            .finish();
        let read = Editor::read(FIELDS, &Form::read(text.as_bytes()));
        let value = read.map_err(|editor| editor.invalid);
        assert_eq!(value.as_ref(), Ok(expected), "{sent:?}");
    }

    #[test]
    fn a_field_counts_when_it_was_changed_and_else_the_text() {
        let document = ("document", "{\"name\": \"new\", \"b\": 1}");
        let untouched = [document, ("was:/name", "old"), ("field:/name", "old")];
        check(&untouched, &json!({ "name": "new", "b": 1 }));
        let changed = [document, ("was:/name", "old"), ("field:/name", "field")];
        check(&changed, &json!({ "name": "field", "b": 1 }));
        let emptied = [document, ("was:/name", "old"), ("field:/name", "")];
        check(&emptied, &json!({ "b": 1 }));
        let ticked = [document, ("field:/a/enabled", "true")];
        let expected = json!({ "name": "new", "b": 1, "a": { "enabled": true } });
        check(&ticked, &expected);
    }

    #[test]
    fn what_is_no_json_stays_as_it_was_typed() {
        let form = Form::read(b"document=%7B%22a%22");
        let editor = Editor::read(FIELDS, &form).expect_err("no JSON");
        let text = editor.markup().into_string();
        assert!(text.contains("{&quot;a&quot;"), "{text}");
        assert!(text.contains("this is no JSON"), "{text}");
    }
}
