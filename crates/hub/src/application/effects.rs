//! What a change of an application or a deployment does to the endpoints that were made from it.
//!
//! An endpoint keeps what its own calls stated; the rest is the application's, worked out anew whenever either changes. A
//! change that would leave an endpoint in pieces is refused as a whole, naming the endpoint. Called by the verbs of both
//! nouns, which show the effects (a dry run) or write them in the transaction of the change.

use std::collections::BTreeSet;

use engine::Tx;
use model::invalid::Violation;
use model::{
    AccountId, Application, DeploymentId, Endpoint, EndpointDefinition, EndpointId, EventType,
    Invalid, application,
};
use store::registration::{Given, Registration};

use crate::{Actor, Hub, Result, Scope};

/// What a change does to one endpoint.
#[derive(Debug, Clone, PartialEq)]
pub struct Effect {
    pub endpoint: EndpointId,
    pub account: AccountId,
    /// Before and after, when it differs.
    pub definition: Option<(EndpointDefinition, EndpointDefinition)>,
    pub event_types: Vec<TypeChange>,
}

/// What becomes of an event type that an endpoint has, or is to have, from its deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TypeChange {
    Added(EventType),
    Changed { before: EventType, after: EventType },
    Removed(EventType),
}

/// Endpoints that were written, for the registry.
#[derive(Default)]
pub(crate) struct Put {
    endpoints: Vec<Endpoint>,
    event_types: Vec<(EndpointId, Vec<EventType>)>,
    accounts: BTreeSet<AccountId>,
}

impl Put {
    /// Whose registry entries changed, and the account that changed them.
    pub(crate) fn accounts(&self, scope: Scope) -> Vec<AccountId> {
        let mut accounts = self.accounts.clone();
        accounts.insert(scope.0);
        accounts.into_iter().collect()
    }
}

impl Hub {
    /// What it does to every endpoint that is made from it if the application is this.
    pub(super) async fn effects_of(
        &self,
        tx: &mut Tx,
        application: &Application,
    ) -> Result<Vec<Effect>> {
        let mut invalid = Invalid::default();
        let mut effects = Vec::new();
        for made in store::registration::of_application(tx, application.id, None).await? {
            let Some(stated) = &made.stated else {
                continue;
            };
            let made_from = (application.id, made.deployment.clone());
            match application::define(&application.document, stated, made_from) {
                Ok(after) => {
                    let scope = Scope(made.account);
                    let found = store::endpoint::get(tx, scope, made.endpoint).await?;
                    let before = found.map(|endpoint| endpoint.definition);
                    effects.extend(
                        before
                            .filter(|before| *before != after)
                            .map(|before| Effect {
                                definition: Some((before, after)),
                                ..Effect::none(&made)
                            }),
                    );
                }
                Err(wrong) => refuse_for(&mut invalid, made.endpoint, wrong),
            }
        }
        Ok(invalid.or(effects)?)
    }

    /// What it does to every endpoint that is made from a deployment if it has these event types.
    pub(crate) async fn effects_of_types(
        &self,
        tx: &mut Tx,
        (application, deployment): (model::ApplicationId, &DeploymentId),
        types: &[EventType],
    ) -> Result<Vec<Effect>> {
        let mut effects = Vec::new();
        for made in store::registration::of_application(tx, application, Some(deployment)).await? {
            if made.stated.is_none() {
                continue;
            }
            let event_types = self
                .planned_types(tx, Scope(made.account), made.endpoint, types)
                .await?;
            if !event_types.is_empty() {
                effects.push(Effect {
                    event_types,
                    ..Effect::none(&made)
                });
            }
        }
        Ok(effects)
    }

    /// What is to be done to an endpoint's event types so that it has those of its deployment.
    pub(crate) async fn planned_types(
        &self,
        tx: &mut Tx,
        scope: Scope,
        endpoint: EndpointId,
        types: &[EventType],
    ) -> Result<Vec<TypeChange>> {
        let has = store::event_type::list(tx, scope, endpoint).await?;
        let given = store::registration::given(tx, scope, endpoint).await?;
        Ok(plan(endpoint, &has, &given, types))
    }

    pub(crate) async fn put_types(
        &self,
        tx: &mut Tx,
        scope: Scope,
        changes: &[TypeChange],
    ) -> Result<()> {
        for change in changes {
            match change {
                TypeChange::Added(event_type)
                | TypeChange::Changed {
                    after: event_type, ..
                } => {
                    store::event_type::upsert(tx, scope, event_type).await?;
                    store::registration::put_given(tx, scope, event_type, false).await?;
                }
                TypeChange::Removed(event_type) => {
                    store::event_type::delete(tx, scope, event_type.id).await?;
                    store::registration::forget_given(tx, scope, event_type).await?;
                }
            }
        }
        Ok(())
    }

    /// Writes the effects; the caller commits and then calls [`Hub::make_known`].
    pub(crate) async fn put_effects(
        &self,
        tx: &mut Tx,
        actor: &Actor,
        effects: &[Effect],
    ) -> Result<Put> {
        let mut put = Put::default();
        for effect in effects {
            let (scope, id) = (Scope(effect.account), effect.endpoint);
            put.accounts.insert(effect.account);
            if let Some((_, after)) = &effect.definition
                && let Some(before) = store::endpoint::get(tx, scope, id).await?
            {
                let mut endpoint = Endpoint {
                    definition: after.clone(),
                    ..before.clone()
                };
                let action = "endpoint.follow";
                self.endpoint_put(tx, actor, scope, action, (&before, &mut endpoint))
                    .await?;
                put.endpoints.push(endpoint);
            }
            if !effect.event_types.is_empty() {
                self.put_types(tx, scope, &effect.event_types).await?;
                let about = ("endpoint.eventtypes", format!("endpoint {id}"));
                let detail = serde_json::json!({ "changes": effect.event_types.iter().map(told).collect::<Vec<_>>() });
                self.audit(tx, Some(scope), actor, about, detail).await?;
                let all = store::event_type::list(tx, scope, id).await?;
                put.event_types.push((id, all));
            }
        }
        Ok(put)
    }

    /// After the commit.
    pub(crate) fn make_known(&self, put: Put) {
        for (id, types) in put.event_types {
            self.registry.put_event_types(id, types);
        }
        for endpoint in put.endpoints {
            let id = endpoint.id;
            self.registry.update_endpoint(endpoint);
            self.flow_refresh(id);
        }
    }
}

impl Effect {
    fn none(made: &Registration) -> Self {
        Self {
            endpoint: made.endpoint,
            account: made.account,
            definition: None,
            event_types: Vec::new(),
        }
    }
}

impl TypeChange {
    /// The word for it, and the event type.
    pub fn parts(&self) -> (&'static str, &EventType) {
        match self {
            Self::Added(event_type) => ("added", event_type),
            Self::Changed { after, .. } => ("changed", after),
            Self::Removed(event_type) => ("removed", event_type),
        }
    }
}

fn told(change: &TypeChange) -> serde_json::Value {
    let (what, event_type) = change.parts();
    serde_json::json!({ "change": what, "code": event_type.code, "namespace": event_type.namespace, "registrationType": event_type.registration })
}

/// Says which endpoint it is that something is wrong with.
fn refuse_for(invalid: &mut Invalid, endpoint: EndpointId, wrong: Invalid) {
    invalid.more += wrong.more;
    for Violation {
        pointer,
        code,
        message,
    } in wrong.violations
    {
        let message =
            format!("endpoint {endpoint}, which is made from this, would be refused: {message}");
        invalid.add(pointer, &code, message);
    }
}

/// What is given and was neither taken over nor taken off by the endpoint follows the deployment.
fn plan(
    endpoint: EndpointId,
    has: &[EventType],
    given: &[Given],
    types: &[EventType],
) -> Vec<TypeChange> {
    let mut changes = Vec::new();
    let note = |event_type: &EventType| given.iter().find(|given| given.is_of(event_type));
    for wanted in types {
        let wanted = EventType {
            endpoint,
            ..wanted.clone()
        };
        let known = has.iter().find(|known| known.is_same(&wanted));
        match (known, note(&wanted)) {
            (None, None) => changes.push(TypeChange::Added(wanted)),
            (Some(known), Some(given)) if !given.is_removed => {
                let after = EventType {
                    id: known.id,
                    ..wanted
                };
                if after != *known {
                    changes.push(TypeChange::Changed {
                        before: known.clone(),
                        after,
                    });
                }
            }
            _ => {}
        }
    }
    for known in has {
        let is_given = note(known).is_some_and(|given| !given.is_removed);
        let is_wanted = types.iter().any(|wanted| {
            EventType {
                endpoint,
                ..wanted.clone()
            }
            .is_same(known)
        });
        if is_given && !is_wanted {
            changes.push(TypeChange::Removed(known.clone()));
        }
    }
    changes
}

#[cfg(test)]
mod tests {
    use model::{AttributeDefinition, EventTypeId, RegistrationType};

    use super::*;

    fn event_type(id: i64, code: &str, name: &str) -> EventType {
        EventType {
            id: EventTypeId(id),
            endpoint: EndpointId(0),
            code: code.to_owned(),
            name: name.to_owned(),
            description: None,
            namespace: "n".to_owned(),
            version: 1,
            registration: RegistrationType::Publish,
            attributes: vec![AttributeDefinition {
                name: "total".to_owned(),
                kind: "number".to_owned(),
            }],
            is_custom: true,
        }
    }

    fn of_endpoint(id: i64, code: &str, name: &str) -> EventType {
        EventType {
            endpoint: EndpointId(7),
            ..event_type(id, code, name)
        }
    }

    fn given(code: &str, is_removed: bool) -> Given {
        Given {
            code: code.to_owned(),
            namespace: "n".to_owned(),
            version: 1,
            registration: RegistrationType::Publish,
            is_removed,
        }
    }

    #[track_caller]
    fn check(has: &[EventType], given: &[Given], types: &[EventType], expected: &[(&str, &str)]) {
        let changes = plan(EndpointId(7), has, given, types);
        let found: Vec<(&str, &str)> = changes
            .iter()
            .map(|change| {
                let (what, event_type) = change.parts();
                assert_eq!(event_type.endpoint, EndpointId(7));
                (what, event_type.code.as_str())
            })
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn what_is_given_follows_the_deployment() {
        let (buy, renamed) = (event_type(1, "buy", "Buy"), event_type(1, "buy", "Bought"));
        let has = [of_endpoint(5, "buy", "Buy")];
        check(&[], &[], std::slice::from_ref(&buy), &[("added", "buy")]);
        check(
            &has,
            &[given("buy", false)],
            std::slice::from_ref(&buy),
            &[],
        );
        check(
            &has,
            &[given("buy", false)],
            &[renamed],
            &[("changed", "buy")],
        );
        check(
            &has,
            &[given("buy", false)],
            &[event_type(2, "send", "Send")],
            &[("added", "send"), ("removed", "buy")],
        );
    }

    #[test]
    fn what_the_endpoint_registered_or_took_off_itself_stays_so() {
        let types = [event_type(1, "buy", "Bought")];
        check(&[of_endpoint(5, "buy", "Ours")], &[], &types, &[]);
        check(&[], &[given("buy", true)], &types, &[]);
        check(&[of_endpoint(5, "own", "Own")], &[], &[], &[]);
        check(&[], &[given("buy", true)], &[], &[]);
    }

    #[test]
    fn another_namespace_or_role_is_another_event_type() {
        let other = EventType {
            namespace: "m".to_owned(),
            ..event_type(1, "buy", "Buy")
        };
        let receives = EventType {
            registration: RegistrationType::Subscribe,
            ..event_type(2, "buy", "Buy")
        };
        check(
            &[of_endpoint(5, "buy", "Buy")],
            &[given("buy", false)],
            &[other, receives, event_type(3, "buy", "Buy")],
            &[("added", "buy"), ("added", "buy")],
        );
    }
}
