//! What a change does to endpoints, as answers show it: each member that would be another, by its place in the endpoint's
//! registration.

use hub::application::{Effect, TypeChange};
use model::difference::{Difference, difference};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use crate::endpoint::DefinitionView;

/// The endpoints that a change touches.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EffectsView {
    /// Nothing was changed.
    dry_run: bool,
    endpoints: Vec<EffectView>,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct EffectView {
    endpoint_id: i64,
    account_id: i64,
    changes: Vec<Change>,
    event_types: Vec<TypeChangeView>,
}

/// A member of the endpoint's registration.
#[derive(Serialize, JsonSchema)]
struct Change {
    pointer: String,
    /// Null: it is not there.
    before: Value,
    after: Value,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct TypeChangeView {
    /// `added`, `changed` or `removed`.
    change: &'static str,
    code: String,
    namespace: String,
    /// PUBLISH or SUBSCRIBE.
    registration_type: &'static str,
    /// Of a changed one: how it differs.
    differences: Vec<String>,
}

impl EffectsView {
    pub(crate) fn of(effects: Vec<Effect>) -> Self {
        Self {
            dry_run: true,
            endpoints: effects.into_iter().map(EffectView::from).collect(),
        }
    }
}

impl From<Effect> for EffectView {
    fn from(effect: Effect) -> Self {
        let mut changes = Vec::new();
        if let Some((before, after)) = effect.definition {
            let shown = |definition| {
                serde_json::to_value(DefinitionView::whole(definition)).unwrap_or_default()
            };
            changes = difference(&shown(before), &shown(after));
        }
        let types = effect.event_types.iter();
        Self {
            endpoint_id: effect.endpoint.0,
            account_id: effect.account.0,
            changes: changes.into_iter().map(Change::from).collect(),
            event_types: types.map(TypeChangeView::from).collect(),
        }
    }
}

impl From<Difference> for Change {
    fn from(difference: Difference) -> Self {
        use model::difference::Change as Kind;
        let (before, after) = match difference.change {
            Kind::Added(after) => (Value::Null, after),
            Kind::Removed(before) => (before, Value::Null),
            Kind::Changed { before, after } => (before, after),
        };
        Self {
            pointer: difference.pointer,
            before,
            after,
        }
    }
}

impl From<&TypeChange> for TypeChangeView {
    fn from(change: &TypeChange) -> Self {
        let (what, event_type) = change.parts();
        Self {
            change: what,
            code: event_type.code.clone(),
            namespace: event_type.namespace.clone(),
            registration_type: event_type.registration.as_str(),
            differences: match change {
                TypeChange::Changed { before, after } => {
                    model::deployment::differences(before, after)
                }
                _ => Vec::new(),
            },
        }
    }
}
