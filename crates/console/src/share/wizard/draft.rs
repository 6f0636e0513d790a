//! What the steps' form says, as a share to be.

use std::collections::BTreeMap;

use hub::share::NewShare;
use model::endpoint::ShareAction;
use model::share::{DataWindow, Guard, IdentifierPair};
use model::{EndpointId, SegmentId};

use crate::form::Form;
use crate::share::when;

/// What is shared with whom: all that the first step asks.
#[derive(Debug)]
pub(super) struct Chosen {
    pub(super) source: EndpointId,
    pub(super) segment: SegmentId,
    pub(super) destination: EndpointId,
}

impl Chosen {
    pub(super) fn read(form: &Form) -> Option<Self> {
        let (source, segment) = audience(form.text("segment"))?;
        Some(Self {
            source,
            segment,
            destination: form.number("destination")?,
        })
    }

    /// The audience as one field of a form.
    pub(super) fn audience(&self) -> String {
        format!("{} {}", self.source, self.segment)
    }
}

/// An endpoint and one of its audiences.
pub(super) fn audience(text: &str) -> Option<(EndpointId, SegmentId)> {
    let (endpoint, segment) = text.split_once(' ')?;
    Some((endpoint.parse().ok()?, segment.parse().ok()?))
}

pub(super) fn read(form: &Form) -> Result<NewShare, String> {
    let chosen = Chosen::read(form).ok_or("Choose an audience and to whom it goes.")?;
    let identifier = IdentifierPair {
        source: form.text("identifier-source").to_owned(),
        destination: form.text("identifier").to_owned(),
    };
    let into = form.text("into");
    let into: Option<SegmentId> = match into {
        "" => None,
        id => Some(
            id.parse()
                .map_err(|_| "Choose an audience of the destination.")?,
        ),
    };
    let name = Some(form.text("name").to_owned());
    Ok(NewShare {
        source: chosen.source,
        segment: chosen.segment,
        destination: chosen.destination,
        // What is there already keeps its name.
        destination_segment_name: name.filter(|name| !name.is_empty() && into.is_none()),
        destination_segment: into,
        destination_segment_description: None,
        action: ShareAction::parse(form.text("action")),
        attributes: Some(columns(form, &identifier.destination)?),
        identifier: Some(identifier).filter(|pair| !pair.source.is_empty()),
        schedule: when::read(form)?,
        upload_identities: form.text("identities") == "yes",
        window: window(form)?,
        guard: guard(form)?,
        incremental: form.text("incremental") == "yes",
    })
}

/// By the source's names. A column goes to one place, so two places for one are a mistake.
fn columns(form: &Form, identifier: &str) -> Result<BTreeMap<String, String>, String> {
    let mut columns: BTreeMap<String, String> = BTreeMap::new();
    for (field, source) in form.fields() {
        let Some(destination) = field.strip_prefix("column:") else {
            continue;
        };
        // Who it is stands in a place of its own.
        if source.is_empty() || destination == identifier {
            continue;
        }
        if let Some(other) = columns.insert(source.to_owned(), destination.to_owned()) {
            return Err(format!(
                "{source} would go to {other} and to {destination}: a column goes to one place."
            ));
        }
    }
    Ok(columns)
}

fn window(form: &Form) -> Result<Option<DataWindow>, String> {
    let date = |name: &str| {
        let text = form.text(name);
        text.parse()
            .map_err(|_| "Which members: say the first and the last day.".to_owned())
    };
    match form.text("window") {
        "days" => {
            let days = form.number("days");
            let days = days.ok_or("Which members: say how many days.")?;
            Ok(Some(DataWindow::Days { days }))
        }
        "dates" => Ok(Some(DataWindow::Dates {
            from: date("from")?,
            to: date("to")?,
        })),
        _ => Ok(None),
    }
}

fn guard(form: &Form) -> Result<Guard, String> {
    if form.text("mapped").is_empty() {
        return Ok(Guard::default());
    }
    let shrink_percent_max = match form.text("shrink") {
        "" => None,
        text => Some(
            text.parse()
                .map_err(|_| "Fewer than the last time: a number from 0 to 100, or nothing.")?,
        ),
    };
    Ok(Guard {
        empty: form.text("guard-empty") == "yes",
        shrink_percent_max,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHOSEN: &str = "segment=7+8000000000000001152&destination=9";

    #[test]
    fn a_form_becomes_a_share() {
        let form = format!(
            "{CHOSEN}&mapped=yes&identifier=Email&identifier-source=mail&column%3AEmail=mail&column%3AFirst=first&column%3AAge=\
             &action=REPLACE&name=+Gold+&window=days&days=7&shrink=20&when=cron&cron=30+6+*+*+*&zone=Europe%2FBerlin"
        );
        let new = read(&Form::read(form.as_bytes())).expect("a share");
        assert_eq!(new.segment, SegmentId::Number(8_000_000_000_000_001_152));
        assert_eq!(new.window, Some(DataWindow::Days { days: 7 }));
        assert_eq!(new.destination_segment_name.as_deref(), Some("Gold"));
        let guard = Guard {
            empty: false,
            shrink_percent_max: Some(20),
        };
        assert_eq!(new.guard, guard);
        let columns = BTreeMap::from([("first".to_owned(), "First".to_owned())]);
        assert_eq!(new.attributes, Some(columns), "who it is goes to one place");
        assert!(new.schedule.recurs() && !new.incremental);
    }

    #[test]
    fn what_is_missing_or_twice_is_said() {
        for (form, why) in [
            ("segment=7+gold", "to whom"),
            (
                "segment=7+gold&destination=9&column%3AA=x&column%3AB=x",
                "one place",
            ),
            (
                "segment=7+gold&destination=9&window=dates&from=2026-01-01",
                "last day",
            ),
            (
                "segment=7+gold&destination=9&window=days&days=x",
                "how many days",
            ),
            (
                "segment=7+gold&destination=9&mapped=yes&shrink=1000",
                "0 to 100",
            ),
            (
                "segment=7+gold&destination=9&when=cron&cron=x",
                "five fields",
            ),
        ] {
            let error = read(&Form::read(form.as_bytes())).expect_err(form);
            assert!(error.contains(why), "{form}: {error}");
        }
    }
}
