//! Which parts of an endpoint a reader asks for: the query parameters of `GET /v1/endpoint`.
//!
//! Without any, all of it. `event` and `segment` narrow to these kinds, `source` and `destination` to these
//! directions; together they narrow both ways. What describes the endpoint itself is always there.

use std::str::FromStr;

use model::invalid::shown;
use model::segment::SegmentRole;
use model::{EndpointId, EventType, Invalid, RegistrationType};

use crate::asked::Asked;
use crate::door::About;
use crate::problem::Problem;
use crate::segment::Wanted;

/// What was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Selection {
    event: bool,
    segment: bool,
    source: bool,
    destination: bool,
    load_events: bool,
    load_segments: bool,
    /// Which segments, where they are asked for.
    pub(super) segments: Wanted,
    /// For account keys: this one only.
    pub(super) endpoint: Option<EndpointId>,
}

/// The parameters, for the OpenAPI document.
pub(super) fn document(about: About) -> About {
    [
        ("endpointId", "with an account key: this endpoint only"),
        ("event", "true: the event types' part of endpointTypes"),
        ("segment", "true: the audiences' part of endpointTypes"),
        ("source", "true: only sources"),
        ("destination", "true: only destinations"),
        ("loadEvents", "true: with the registered event types"),
        ("loadSegments", "true: with the known segments"),
    ]
    .into_iter()
    .fold(Wanted::document(about), |about, (name, what)| {
        about.query(name, what)
    })
}

impl Selection {
    /// Reads the query; every wrong value at once.
    pub(super) fn of(asked: &Asked) -> Result<Self, Problem> {
        let mut invalid = Invalid::default();
        let mut flag = |name| asked.flag(name, &mut invalid);
        let mut selection = Self {
            event: flag("event"),
            segment: flag("segment"),
            source: flag("source"),
            destination: flag("destination"),
            load_events: flag("loadEvents"),
            load_segments: flag("loadSegments"),
            segments: Wanted::default(),
            endpoint: None,
        };
        selection.segments = Wanted::of(asked, &mut invalid);
        if let Some(text) = asked.text("endpointId") {
            selection.endpoint = EndpointId::from_str(text).ok();
            if selection.endpoint.is_none() {
                let message = format!(
                    "endpointId is {}: expected an endpoint's number",
                    shown(text)
                );
                invalid.add("", "query", message);
            }
        }
        Ok(invalid.or(selection)?)
    }

    pub(super) fn wants_event(&self) -> bool {
        self.event || !self.segment
    }

    pub(super) fn wants_segment(&self) -> bool {
        self.segment || !self.event
    }

    pub(super) fn wants_source(&self) -> bool {
        self.source || !self.destination
    }

    pub(super) fn wants_destination(&self) -> bool {
        self.destination || !self.source
    }

    pub(super) fn loads_events(&self) -> bool {
        self.load_events && self.wants_event()
    }

    pub(super) fn loads_segments(&self) -> bool {
        self.load_segments && self.wants_segment()
    }

    /// The lists of segments of these directions; `None`: both.
    pub(super) fn segment_role(&self) -> Option<SegmentRole> {
        match (self.wants_source(), self.wants_destination()) {
            (true, false) => Some(SegmentRole::Source),
            (false, true) => Some(SegmentRole::Destination),
            _ => None,
        }
    }

    /// Sources publish, destinations subscribe.
    pub(super) fn wants_type(&self, event_type: &EventType) -> bool {
        match event_type.registration {
            RegistrationType::Publish => self.wants_source(),
            RegistrationType::Subscribe => self.wants_destination(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(query: &str) -> Result<Selection, Problem> {
        let uri = format!("/v1/endpoint?{query}").parse().expect("a URI");
        Selection::of(&Asked::of(&uri).expect("a query"))
    }

    #[test]
    fn parts_narrow_by_kind_and_by_direction() {
        let cases = [
            // query, (event, segment), (source, destination)
            ("", (true, true), (true, true)),
            ("event=true", (true, false), (true, true)),
            ("segment=true", (false, true), (true, true)),
            ("event=true&segment=true", (true, true), (true, true)),
            ("source=true", (true, true), (true, false)),
            ("destination=true", (true, true), (false, true)),
            ("event=true&source=true", (true, false), (true, false)),
            ("event=false&source=false", (true, true), (true, true)),
            ("somethingNew=true", (true, true), (true, true)),
        ];
        for (query, kinds, directions) in cases {
            let s = of(query).expect(query);
            assert_eq!((s.wants_event(), s.wants_segment()), kinds, "{query}");
            assert_eq!(
                (s.wants_source(), s.wants_destination()),
                directions,
                "{query}"
            );
        }
    }

    #[test]
    fn lists_come_with_their_kind_only() {
        let s = of("segment=true&source=true&loadSegments=true&startRecord=1&pageSize=20")
            .expect("the manual's example");
        assert!(s.loads_segments() && !s.loads_events());
        let s = of("segment=true&loadEvents=true").expect("a contradiction is no error");
        assert!(!s.loads_events());
        assert!(of("loadEvents=true").expect("alone").loads_events());
    }

    #[test]
    fn bad_numbers_are_refused() {
        for query in [
            "pageSize=0",
            "pageSize=-1",
            "startRecord=x",
            "startRecord=0",
            "event=perhaps",
            "endpointId=me",
            "endpointId=0",
        ] {
            assert_eq!(of(query).expect_err(query).status(), 400, "{query}");
        }
    }
}
