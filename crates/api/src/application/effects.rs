//! What a change does to endpoints, as answers show it: each member that would be another, by its place in the endpoint's
//! registration.

use hub::application::{Effect, TypeChange};
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
            differ("", shown(before), shown(after), &mut changes);
        }
        let types = effect.event_types.iter();
        Self {
            endpoint_id: effect.endpoint.0,
            account_id: effect.account.0,
            changes,
            event_types: types.map(TypeChangeView::from).collect(),
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

/// The members that differ: objects, and lists of the same length, are looked into.
fn differ(pointer: &str, before: Value, after: Value, changes: &mut Vec<Change>) {
    match (before, after) {
        (before, after) if before == after => {}
        (Value::Object(mut before), Value::Object(after)) => {
            for (name, after) in after {
                let was = before.remove(&name).unwrap_or_default();
                differ(&below(pointer, &name), was, after, changes);
            }
            for (name, was) in before {
                differ(&below(pointer, &name), was, Value::Null, changes);
            }
        }
        (Value::Array(before), Value::Array(after)) if before.len() == after.len() => {
            for (i, (was, is)) in before.into_iter().zip(after).enumerate() {
                differ(&below(pointer, &i.to_string()), was, is, changes);
            }
        }
        (before, after) => changes.push(Change {
            pointer: pointer.to_owned(),
            before,
            after,
        }),
    }
}

fn below(pointer: &str, name: &str) -> String {
    format!("{pointer}/{}", model::invalid::token(name))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_member_that_differs_is_named() {
        let before = json!({ "a": 1, "b": { "c": [1, { "d": 2 }], "gone": true }, "list": [1], "same": null });
        let after = json!({ "a": 1, "b": { "c": [1, { "d": 3 }], "n/w": "x" }, "list": [1, 2], "same": null });
        let mut changes = Vec::new();
        differ("", before, after, &mut changes);
        let told: Vec<Value> = changes
            .iter()
            .map(|change| json!([change.pointer, change.before, change.after]))
            .collect();
        assert_eq!(
            told,
            [
                json!(["/b/c/1/d", 2, 3]),
                json!(["/b/n~1w", null, "x"]),
                json!(["/b/gone", true, null]),
                json!(["/list", [1], [1, 2]]),
            ]
        );
    }
}
