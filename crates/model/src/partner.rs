//! Partners: companies that connect a product, from their request to production, and what they have to show on the way.
//!
//! ```text
//! requested ─nominate▶ nominated ─review▶ in review ─certify▶ certified ─promote▶ promoted ⟲ promote (what changed)
//!     └──────────────────┴───────────────────┴─────────────────┴──decline──▶ declined
//! ```
//!
//! A closed machine: a step that is not possible says where the partner stands and what is. A step to where the partner
//! stands already changes nothing. Called by `hub/partner`.

pub mod checklist;

use serde::{Deserialize, Serialize};

use crate::id::PartnerId;

/// Where a partner stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    Requested,
    Nominated,
    InReview,
    Certified,
    Promoted,
    Declined,
}

/// What an operator does with a partner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Step {
    Nominate,
    Review,
    Certify,
    Promote,
    Decline,
}

impl Stage {
    pub const ALL: [Self; 6] = [
        Self::Requested,
        Self::Nominated,
        Self::InReview,
        Self::Certified,
        Self::Promoted,
        Self::Declined,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::Nominated => "nominated",
            Self::InReview => "in-review",
            Self::Certified => "certified",
            Self::Promoted => "promoted",
            Self::Declined => "declined",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|stage| stage.as_str() == text)
    }

    /// What may be done from here.
    pub fn steps(self) -> &'static [Step] {
        match self {
            Self::Requested => &[Step::Nominate, Step::Decline],
            Self::Nominated => &[Step::Review, Step::Decline],
            Self::InReview => &[Step::Certify, Step::Decline],
            Self::Certified => &[Step::Promote, Step::Decline],
            Self::Promoted => &[Step::Promote],
            Self::Declined => &[],
        }
    }
}

impl Step {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Nominate => "nominate",
            Self::Review => "review",
            Self::Certify => "certify",
            Self::Promote => "promote",
            Self::Decline => "decline",
        }
    }

    /// Where it leads.
    pub fn to(self) -> Stage {
        match self {
            Self::Nominate => Stage::Nominated,
            Self::Review => Stage::InReview,
            Self::Certify => Stage::Certified,
            Self::Promote => Stage::Promoted,
            Self::Decline => Stage::Declined,
        }
    }
}

/// What a step does to a partner that stands somewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// It moves on.
    Moves(Stage),
    /// It stands there already: nothing is done twice.
    Already,
}

/// Takes a step.
///
/// # Errors
/// A sentence: where the partner stands, and what is possible.
pub fn take(id: PartnerId, stage: Stage, step: Step) -> Result<Taken, String> {
    if stage.steps().contains(&step) {
        return Ok(Taken::Moves(step.to()));
    }
    if stage == step.to() {
        return Ok(Taken::Already);
    }
    let possible: Vec<&str> = stage.steps().iter().map(|step| step.as_str()).collect();
    let possible = match possible.as_slice() {
        [] => "nothing more is possible: a new request begins anew".to_owned(),
        possible => format!("possible now: {}", possible.join(", ")),
    };
    Err(format!(
        "partner {id} is {}; it cannot {} from there; {possible}",
        stage.as_str(),
        step.as_str()
    ))
}

/// How events are published.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Form {
    /// One person's events.
    Single,
    /// Events, each with its person.
    Batch,
    /// Groups by person.
    Compound,
}

impl Form {
    pub const ALL: [Self; 3] = [Self::Single, Self::Batch, Self::Compound];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Single => "single",
            Self::Batch => "batch",
            Self::Compound => "compound",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|form| form.as_str() == text)
    }

    /// The form of a body that was taken.
    pub fn of(body: &[u8]) -> Self {
        #[derive(Deserialize)]
        struct Envelope {
            #[serde(default)]
            eventbatch: Option<serde::de::IgnoredAny>,
            #[serde(default)]
            identifiers: Option<serde::de::IgnoredAny>,
        }
        match serde_json::from_slice(body) {
            Ok(Envelope {
                eventbatch: Some(_),
                ..
            }) => Self::Compound,
            Ok(Envelope {
                identifiers: None, ..
            }) => Self::Batch,
            _ => Self::Single,
        }
    }
}

/// What a company asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Request {
    /// Becomes the provider's name.
    pub company: String,
    /// Whom mails go to.
    pub contact: String,
    pub product: String,
    /// What it exchanges, in the company's words.
    pub exchanges: String,
    /// The forms in which it will publish; none if it only receives.
    pub forms: Vec<Form>,
}

/// What was given at the end of a review.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Certificate {
    /// The mark that the product may bear.
    pub mark: String,
    /// Of the product that was reviewed.
    pub version: String,
    /// The licence agreement.
    pub licence: String,
    pub licence_version: String,
    pub date: jiff::Timestamp,
    /// Items of the checklist that were open and are not asked for.
    pub waived: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_step_from_every_stage_moves_stays_or_says_what_is_possible() {
        let steps = [
            Step::Nominate,
            Step::Review,
            Step::Certify,
            Step::Promote,
            Step::Decline,
        ];
        // Rows: stages; columns: steps. `+` moves, `=` stays, `-` refused.
        let expected = ["+---+", "=+--+", "-=+-+", "--=++", "---+-", "----="];
        for (stage, row) in Stage::ALL.into_iter().zip(expected) {
            let found: String = steps
                .into_iter()
                .map(|step| match take(PartnerId(1), stage, step) {
                    Ok(Taken::Moves(to)) => {
                        assert_eq!(to, step.to());
                        '+'
                    }
                    Ok(Taken::Already) => '=',
                    Err(why) => {
                        assert!(why.contains(stage.as_str()), "{why}");
                        for possible in stage.steps() {
                            assert!(why.contains(possible.as_str()), "{why}");
                        }
                        '-'
                    }
                })
                .collect();
            assert_eq!(found, row, "{stage:?}");
        }
    }

    #[test]
    fn words_are_read_as_they_are_written() {
        for stage in Stage::ALL {
            assert_eq!(Stage::parse(stage.as_str()), Some(stage));
        }
        for form in Form::ALL {
            assert_eq!(Form::parse(form.as_str()), Some(form));
        }
        assert_eq!(Stage::parse("Promoted"), None);
    }

    #[test]
    fn the_form_of_a_body_is_where_its_people_stand() {
        for (body, form) in [
            (r#"{"identifiers":[],"events":[]}"#, Form::Single),
            (r#"{"events":[{"identifiers":[]}]}"#, Form::Batch),
            (r#"{"eventbatch":[]}"#, Form::Compound),
            (
                r#"{"eventbatch":null,"identifiers":[],"events":[]}"#,
                Form::Single,
            ),
        ] {
            assert_eq!(Form::of(body.as_bytes()), form, "{body}");
        }
    }
}
