//! What is sent to share, to change a share and to have one proposed: read member by member, so that everything that is
//! wrong is said at once.

use std::collections::BTreeMap;

use hub::share::NewShare;
use jiff::civil::Date;
use model::endpoint::ShareAction;
use model::share::{Cron, DataWindow, Guard, IdentifierPair, Schedule, ShareStatus, Zone};
use model::{EndpointId, SegmentId};
use schemars::JsonSchema;

use super::super::input::{Fields, FromBody};

/// A segment's id as its owner has it: a whole number of 64 bits, or a text.
#[derive(JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "it only describes JSON")]
pub(super) enum SegmentIdSchema {
    Number(i64),
    Text(String),
}

/// `null`: now, once. `{"at"}`: once, then. `{"cron","timeZone"}`: again and again.
#[derive(JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "it only describes JSON")]
pub(super) enum ScheduleSchema {
    At {
        at: String,
    },
    Cron {
        /// Minute, hour, day of month, month, day of week.
        cron: String,
        /// IANA name; UTC if not given.
        #[serde(rename = "timeZone")]
        time_zone: Option<String>,
    },
}

/// `{"days"}`: the last days before each run; `{"from","to"}`: both days included.
#[derive(JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "it only describes JSON")]
pub(super) enum WindowSchema {
    Days { days: i64 },
    Dates { from: String, to: String },
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Wanted {
    #[schemars(with = "i64")]
    source_endpoint_id: EndpointId,
    #[schemars(with = "SegmentIdSchema")]
    segment_id: SegmentId,
    #[schemars(with = "i64")]
    destination_endpoint_id: EndpointId,
    /// An audience that the destination has; not given: the first run creates one.
    #[schemars(with = "Option<SegmentIdSchema>")]
    destination_segment_id: Option<SegmentId>,
    /// Not given: as at the source.
    destination_segment_name: Option<String>,
    destination_segment_description: Option<String>,
    /// `ADD`, `REMOVE` or `REPLACE`; not given: the destination's default.
    #[schemars(with = "Option<String>")]
    share_action: Option<ShareAction>,
    /// Not given: as proposed.
    #[schemars(with = "Option<PairSchema>")]
    identifier: Option<IdentifierPair>,
    /// Names of the source to names of the destination; not given: as proposed.
    attributes: Option<BTreeMap<String, String>>,
    #[schemars(with = "Option<ScheduleSchema>")]
    schedule: Schedule,
    upload_identities: Option<bool>,
    #[schemars(with = "Option<WindowSchema>")]
    data_window: Option<DataWindow>,
    #[schemars(with = "Option<GuardSchema>")]
    guard: Guard,
    incremental: Option<bool>,
}

#[derive(JsonSchema)]
#[expect(dead_code, reason = "it only describes JSON")]
pub(super) struct PairSchema {
    source: String,
    destination: String,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase")]
#[expect(dead_code, reason = "it only describes JSON")]
pub(super) struct GuardSchema {
    /// Ask before nothing replaces or removes; true if not given.
    empty: Option<bool>,
    /// Ask when the source shrank by more than this, 0 to 100; 50 if not given, null for never.
    shrink_percent_max: Option<u8>,
}

impl From<Wanted> for NewShare {
    fn from(wanted: Wanted) -> Self {
        Self {
            source: wanted.source_endpoint_id,
            segment: wanted.segment_id,
            destination: wanted.destination_endpoint_id,
            destination_segment: wanted.destination_segment_id,
            destination_segment_name: wanted.destination_segment_name,
            destination_segment_description: wanted.destination_segment_description,
            action: wanted.share_action,
            identifier: wanted.identifier,
            attributes: wanted.attributes,
            schedule: wanted.schedule,
            upload_identities: wanted.upload_identities.unwrap_or(false),
            window: wanted.data_window,
            guard: wanted.guard,
            incremental: wanted.incremental.unwrap_or(false),
        }
    }
}

impl FromBody for Wanted {
    fn read(fields: &mut Fields<'_, '_>) -> Option<Self> {
        let source = fields.required_id("sourceEndpointId", EndpointId);
        let segment = required_segment(fields);
        let destination = fields.required_id("destinationEndpointId", EndpointId);
        let destination_segment_id = segment_id(fields, "destinationSegmentId");
        let destination_segment_name = fields.text("destinationSegmentName");
        let destination_segment_description = fields.text("destinationSegmentDescription");
        let actions = "ADD, REMOVE or REPLACE";
        let share_action = fields.word("shareAction", actions, |w| ShareAction::parse(w.trim()));
        let identifier = fields.object("identifier", |pair| {
            let source = pair.required_text("source");
            let destination = pair.required_text("destination");
            Some(IdentifierPair {
                source: source?,
                destination: destination?,
            })
        });
        let has_attributes = fields.is_given("attributes");
        let attributes = fields.renames("attributes").into_iter().collect();
        let schedule = schedule(fields);
        let upload_identities = fields.flag("uploadIdentities");
        let data_window = window(fields);
        let guard = guard(fields);
        let incremental = fields.flag("incremental");
        Some(Self {
            source_endpoint_id: source?,
            segment_id: segment?,
            destination_endpoint_id: destination?,
            destination_segment_id,
            destination_segment_name,
            destination_segment_description,
            share_action,
            identifier,
            attributes: has_attributes.then_some(attributes),
            schedule: schedule?,
            upload_identities,
            data_window,
            guard,
            incremental,
        })
    }
}

fn segment_id(fields: &mut Fields<'_, '_>, name: &'static str) -> Option<SegmentId> {
    let value = fields.value(name)?;
    match SegmentId::parse(value) {
        Ok(id) => Some(id),
        Err(bad) => {
            fields.refuse(name, "id", bad.to_string());
            None
        }
    }
}

fn required_segment(fields: &mut Fields<'_, '_>) -> Option<SegmentId> {
    if !fields.is_given("segmentId") {
        let message = "`segmentId` is required: send the id of a segment of the source";
        fields.refuse("segmentId", "required", message);
    }
    segment_id(fields, "segmentId")
}

/// `None` when it is wrong, after that was reported.
fn schedule(fields: &mut Fields<'_, '_>) -> Option<Schedule> {
    if !fields.is_given("schedule") {
        return Some(Schedule::Now);
    }
    fields.object("schedule", |schedule| {
        let at = schedule.time("at");
        let cron = schedule.text("cron");
        let zone = schedule.text("timeZone");
        let read_zone = |zone: &str| Zone::named(zone);
        match (schedule.is_given("at"), cron) {
            (true, None) if zone.is_some() => {
                let message = "belongs to `cron`: a time says its own offset";
                schedule.refuse("timeZone", "ambiguous", message);
                None
            }
            (true, None) => at.map(|at| Schedule::At { at }),
            (false, Some(text)) => {
                let cron = text.parse::<Cron>();
                if let Err(bad) = &cron {
                    schedule.refuse("cron", "cron", bad.to_string());
                }
                let zone = zone
                    .as_deref()
                    .map_or_else(|| Ok(Zone::default()), read_zone);
                if let Err(bad) = &zone {
                    schedule.refuse("timeZone", "time-zone", bad.to_string());
                }
                Some(Schedule::Cron {
                    cron: cron.ok()?,
                    zone: zone.ok()?,
                })
            }
            (true, Some(_)) => {
                let message =
                    "is given beside `cron`: send `at` for once, or `cron` for again and again";
                schedule.refuse("at", "ambiguous", message);
                None
            }
            (false, None) => {
                let message =
                    "`at` or `cron` is required: send one of them, or no schedule to share now";
                schedule.refuse("at", "required", message);
                None
            }
        }
    })
}

fn window(fields: &mut Fields<'_, '_>) -> Option<DataWindow> {
    fields.object("dataWindow", |window| {
        let days = window.count("days");
        let date = |text: &str| text.trim().parse::<Date>().ok();
        let from = window.word("from", "a date, such as 2026-11-21", date);
        let to = window.word("to", "a date, such as 2026-11-21", date);
        match (
            window.is_given("days"),
            window.is_given("from") || window.is_given("to"),
        ) {
            (true, false) => {
                let days = i64::try_from(days?).unwrap_or(i64::MAX);
                Some(DataWindow::Days { days })
            }
            (false, true) => {
                for name in ["from", "to"] {
                    if !window.is_given(name) {
                        window.refuse(
                            name,
                            "required",
                            format!("`{name}` is required: send a date"),
                        );
                    }
                }
                Some(DataWindow::Dates {
                    from: from?,
                    to: to?,
                })
            }
            _ => {
                let message = "send either `days`, or `from` and `to`";
                window.refuse("days", "ambiguous", message);
                None
            }
        }
    })
}

fn guard(fields: &mut Fields<'_, '_>) -> Guard {
    let guard = fields.object("guard", |guard| {
        let mut read = Guard::default();
        if let Some(empty) = guard.flag("empty") {
            read.empty = empty;
        }
        let number = |word: &str| word.parse::<u8>().ok().filter(|percent| *percent <= 100);
        let percent = guard.word(
            "shrinkPercentMax",
            "a whole number from 0 to 100, or null",
            number,
        );
        if guard.is_null("shrinkPercentMax") || percent.is_some() {
            read.shrink_percent_max = percent;
        }
        Some(read)
    });
    guard.unwrap_or_default()
}

/// Members that are not given stay as they are.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Changed {
    /// `ACTIVE` resumes, `PAUSED` pauses.
    pub(super) status: Option<String>,
    /// `null`: no longer by itself, only by hand.
    #[schemars(with = "Option<ScheduleSchema>")]
    pub(super) schedule: Option<Schedule>,
}

impl FromBody for Changed {
    fn read(fields: &mut Fields<'_, '_>) -> Option<Self> {
        let one_of_two = |word: &str| {
            let status = ShareStatus::parse(word.trim())?;
            (status != ShareStatus::Ended).then(|| status.as_str().to_owned())
        };
        let status = fields.word(
            "status",
            "ACTIVE or PAUSED (DELETE ends a share)",
            one_of_two,
        );
        let is_stated = fields.is_given("schedule") || fields.is_null("schedule");
        let schedule = if is_stated { schedule(fields) } else { None };
        if !is_stated && !fields.is_given("status") {
            let message = "nothing is to be changed: send `status`, `schedule` or both";
            fields.refuse("status", "required", message);
        }
        Some(Self { status, schedule })
    }
}

/// Between which columns a mapping is to be proposed.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Between {
    #[schemars(with = "i64")]
    pub(super) source_endpoint_id: EndpointId,
    #[schemars(with = "SegmentIdSchema")]
    pub(super) segment_id: SegmentId,
    #[schemars(with = "i64")]
    pub(super) destination_endpoint_id: EndpointId,
}

impl FromBody for Between {
    fn read(fields: &mut Fields<'_, '_>) -> Option<Self> {
        let source = fields.required_id("sourceEndpointId", EndpointId);
        let segment = required_segment(fields);
        let destination = fields.required_id("destinationEndpointId", EndpointId);
        Some(Self {
            source_endpoint_id: source?,
            segment_id: segment?,
            destination_endpoint_id: destination?,
        })
    }
}
