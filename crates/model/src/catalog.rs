//! The event catalog, version 1: the event types that everybody knows, as data in `catalog.json`.
//!
//! An event type whose code is here is *recognized*; any other is custom, allowed and marked so. The catalog suggests
//! attributes and forbids none. Called when event types are registered and listed, and by the pages that show them.

use std::collections::HashMap;
use std::sync::OnceLock;

use serde::Deserialize;

use crate::event_type::AttributeDefinition;

/// The only version there is.
pub const VERSION: i64 = 1;

/// One recognized event type.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CatalogEvent {
    /// Case-sensitive; may contain `/`.
    pub code: String,
    /// For people, such as "Added to cart".
    pub name: String,
    /// One sentence.
    pub description: String,
    /// What such an event usually says; types as in [`AttributeDefinition`].
    pub attributes: Vec<AttributeDefinition>,
}

/// All recognized event types, commerce first.
pub fn all() -> &'static [CatalogEvent] {
    static ALL: OnceLock<Vec<CatalogEvent>> = OnceLock::new();
    ALL.get_or_init(|| {
        serde_json::from_str(include_str!("catalog.json")).expect("a test has read the catalog")
    })
}

/// The recognized event type of that code; `None` means custom.
pub fn recognized(code: &str) -> Option<&'static CatalogEvent> {
    static BY_CODE: OnceLock<HashMap<&'static str, &'static CatalogEvent>> = OnceLock::new();
    let by_code = BY_CODE.get_or_init(|| {
        all()
            .iter()
            .map(|event| (event.code.as_str(), event))
            .collect()
    });
    by_code.get(code).copied()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    /// The codes that integrations in the field use.
    const CODES: [&str; 34] = [
        "ibmcartPurchase",
        "ibmcartPurchaseItem",
        "ibmcartAbandonment",
        "ibmcartAbandonmentItem",
        "ibmproductView",
        "ibmpageView",
        "ibmregistration",
        "ibmsearchedSite",
        "ibmbrowseAbandonment",
        "ibmbrowseAbandonmentItem",
        "ibmabandonedConversion",
        "ibmelementFormError",
        "ibmelementVideoLaunched",
        "ibmelementVideoPlayed",
        "ibmelementVideoPaused",
        "ibmelementVideoCompleted",
        "cartAdd",
        "cartRemove",
        "wroteReview",
        "providedRating",
        "emailSend",
        "emailOpen",
        "emailClick",
        "emailBounce",
        "emailOptOut",
        "sentSMS",
        "interactedSMS",
        "appInstalled",
        "appUninstalled",
        "appSessionOpen",
        "appSessionClose",
        "appCrashed",
        "application/installed",
        "opptyQualified",
    ];

    #[test]
    fn every_code_of_the_field_is_recognized_and_no_other() {
        for code in CODES {
            assert_eq!(
                recognized(code).map(|event| event.code.as_str()),
                Some(code)
            );
        }
        assert_eq!(all().len(), CODES.len());
        for custom in ["", "EMAILSEND", "emailsend", "orderShipped", "application"] {
            assert_eq!(
                recognized(custom),
                None,
                "{custom}: codes are case-sensitive"
            );
        }
    }

    #[test]
    fn every_event_is_described_for_people() {
        let types = ["string", "number", "boolean", "date", "integer", "email"];
        for event in all() {
            assert!(
                !event.name.is_empty() && event.description.ends_with('.'),
                "{event:?}"
            );
            assert!(event.attributes.len() >= 5, "{event:?}");
            assert!(
                event
                    .attributes
                    .iter()
                    .all(|attribute| types.contains(&attribute.kind.as_str())),
                "{event:?}"
            );
            let names: HashSet<_> = event
                .attributes
                .iter()
                .map(|attribute| &attribute.name)
                .collect();
            assert_eq!(
                names.len(),
                event.attributes.len(),
                "a name twice in {event:?}"
            );
        }
        let names: HashSet<_> = all().iter().map(|event| &event.name).collect();
        assert_eq!(names.len(), all().len(), "people tell them apart by name");
    }
}
