//! The forms in which `POST /v1/event` takes events, written as JSON: each line of the examples is one of them.

use super::goods::euro;
use super::kinds;
use super::people::Identifier;

/// The day on which all of it happens.
const DATE: &str = "2026-10-16";

/// Who publishes; the delivered form names both.
const PROVIDER: &str = "Lantern & Quill";
const SOURCE: &str = "Lantern & Quill Shop";

/// How the body is built.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Form {
    /// Channel and identifiers at the top, then one or more events.
    Individual,
    /// `events` only; each has its own channel and identifiers.
    SimpleBatch,
    /// `eventbatch`, the channel at the top.
    CompoundTop,
    /// `eventbatch`, the channel in each group; attributes as `{"name": "value"}`.
    CompoundGroup,
    /// `eventbatch`, the channel in each event.
    CompoundEvent,
    /// As subscribers get it, nulls and all; some publishers send what they once received.
    Delivered,
}

/// Where it happened; the three systems of the shop write times in different ways.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Channel {
    Web,
    Email,
    Sms,
    Mobile,
}

/// What one person did together.
pub(super) struct Document {
    pub(super) identifiers: Vec<Identifier>,
    pub(super) channel: Channel,
    pub(super) events: Vec<Event>,
}

/// One event.
pub(super) struct Event {
    pub(super) code: &'static str,
    /// Milliseconds of the day, UTC.
    pub(super) at: u64,
    pub(super) attributes: Vec<(&'static str, Value)>,
}

/// An attribute's value: most systems send everything as text, some do not.
pub(super) enum Value {
    Text(String),
    Number(u64),
    Flag(bool),
    /// Known to be unknown.
    Null,
}

impl Event {
    pub(super) const fn new(code: &'static str, at: u64) -> Self {
        Self {
            code,
            at,
            attributes: Vec::new(),
        }
    }

    pub(super) fn text(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.attributes.push((name, Value::Text(value.into())));
        self
    }

    pub(super) fn number(mut self, name: &'static str, value: u64) -> Self {
        self.attributes.push((name, Value::Number(value)));
        self
    }

    pub(super) fn flag(mut self, name: &'static str, value: bool) -> Self {
        self.attributes.push((name, Value::Flag(value)));
        self
    }

    pub(super) fn null(mut self, name: &'static str) -> Self {
        self.attributes.push((name, Value::Null));
        self
    }

    /// An amount of money, as text: half of all systems do.
    pub(super) fn money(self, name: &'static str, cents: u64) -> Self {
        self.text(name, euro(cents)).text("currency", "EUR")
    }
}

impl Channel {
    const fn name(self) -> &'static str {
        match self {
            Self::Web => "web",
            Self::Email => "Email",
            Self::Sms => "SMS",
            Self::Mobile => "mobile",
        }
    }

    /// The web shop writes milliseconds, mail and text messages whole seconds, the app local time with its offset.
    fn time(self, at: u64) -> String {
        let clock = |at: u64| {
            format!(
                "{DATE}T{:02}:{:02}:{:02}",
                at / 3_600_000,
                at / 60_000 % 60,
                at / 1000 % 60
            )
        };
        match self {
            Self::Web => format!("{}.{:03}Z", clock(at), at % 1000),
            Self::Email => format!("{}Z", clock(at)),
            Self::Sms => format!("{}+00:00", clock(at)),
            Self::Mobile => format!("{}.{:03}+02:00", clock(at + 2 * 3_600_000), at % 1000),
        }
    }
}

/// The body of one call.
pub(super) fn write(form: Form, documents: &[Document]) -> String {
    match (form, documents) {
        (Form::Individual, [document]) => format!(
            r#"{{"channel":{},"identifiers":{},"events":{}}}"#,
            quoted(document.channel.name()),
            identifiers(document, ""),
            events(form, document)
        ),
        (Form::Delivered, [document]) => format!(
            r#"{{"eventbatch":null,"version":"1","provider":{},"source":{},"channel":{},"x1Id":null,"identifiers":{},"events":{}}}"#,
            quoted(PROVIDER),
            quoted(SOURCE),
            quoted(document.channel.name()),
            identifiers(
                document,
                r#","provider":null,"channel":null,"source":null,"isOriginal":true"#
            ),
            events(form, document)
        ),
        (Form::Individual | Form::Delivered, _) => panic!("one document has this form"),
        (Form::SimpleBatch, documents) => {
            format!(
                r#"{{"events":{}}}"#,
                list(documents.iter().flat_map(|document| each(form, document)))
            )
        }
        (Form::CompoundTop | Form::CompoundGroup | Form::CompoundEvent, documents) => {
            let top = match documents {
                [first, ..] if form == Form::CompoundTop => {
                    format!(r#""channel":{},"#, quoted(first.channel.name()))
                }
                _ => String::new(),
            };
            let groups = list(documents.iter().map(|document| group(form, document)));
            format!(
                r#"{{"provider":{},{top}"eventbatch":{groups}}}"#,
                quoted(PROVIDER)
            )
        }
    }
}

fn group(form: Form, document: &Document) -> String {
    let channel = match form {
        Form::CompoundGroup => format!(r#""channel":{},"#, quoted(document.channel.name())),
        _ => String::new(),
    };
    format!(
        r#"{{{channel}"identifiers":{},"events":{}}}"#,
        identifiers(document, ""),
        events(form, document)
    )
}

fn identifiers(document: &Document, more: &str) -> String {
    let one = |(name, value): &Identifier| {
        format!(
            r#"{{"name":{},"value":{}{more}}}"#,
            quoted(name),
            quoted(value)
        )
    };
    list(document.identifiers.iter().map(one))
}

fn events(form: Form, document: &Document) -> String {
    list(each(form, document).into_iter())
}

fn each(form: Form, document: &Document) -> Vec<String> {
    let one = |event: &Event| {
        let before = match form {
            Form::SimpleBatch => {
                let channel = quoted(document.channel.name());
                format!(
                    r#""channel":{channel},"identifiers":{},"#,
                    identifiers(document, "")
                )
            }
            Form::CompoundEvent => format!(r#""channel":{},"#, quoted(document.channel.name())),
            Form::Delivered => r#""namespace":"com.ibm.commerce.ubx","version":"1","#.to_owned(),
            Form::Individual | Form::CompoundTop | Form::CompoundGroup => String::new(),
        };
        let attributes = list(
            event
                .attributes
                .iter()
                .map(|attribute| member(form, event.code, attribute)),
        );
        let time = quoted(&document.channel.time(event.at));
        format!(
            r#"{{"code":{},"timestamp":{time},{before}"attributes":{attributes}}}"#,
            quoted(event.code)
        )
    };
    document.events.iter().map(one).collect()
}

fn member(form: Form, code: &str, (name, value): &(&'static str, Value)) -> String {
    let kind = kinds::type_of(code, name);
    let json = match value {
        Value::Text(text) => quoted(text),
        Value::Number(number) => number.to_string(),
        Value::Flag(flag) => flag.to_string(),
        Value::Null => "null".to_owned(),
    };
    let name = quoted(name);
    match (form, kind) {
        (Form::CompoundGroup, _) => format!("{{{name}:{json}}}"),
        // The web shop says a type only where it is not the usual one.
        (Form::Individual, "string") => format!(r#"{{"name":{name},"value":{json}}}"#),
        _ => format!(
            r#"{{"name":{name},"value":{json},"type":{}}}"#,
            quoted(kind)
        ),
    }
}

fn list(items: impl Iterator<Item = String>) -> String {
    format!("[{}]", items.collect::<Vec<_>>().join(","))
}

/// A JSON string. Nothing here has control characters; the two that matter are escaped.
pub(super) fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}
