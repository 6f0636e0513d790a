//! Subscriptions: which destination gets which event of which publisher, and since when.

use model::notification::ChangeType;
use model::subscription::Span;
use model::{EndpointId, EndpointStatus, Invalid, Subscription, SubscriptionId};

use crate::{Actor, Error, Hub, Page, Result, Scope};

/// What is to be subscribed to.
#[derive(Debug, Clone)]
pub struct NewSubscription {
    pub publisher: EndpointId,
    pub code: String,
    /// `None`: the code in any namespace.
    pub namespace: Option<String>,
    pub destination: EndpointId,
}

impl Hub {
    /// Subscribes: what is published from now on goes to the destination.
    pub async fn subscription_create(
        &self,
        actor: &Actor,
        scope: Scope,
        new: NewSubscription,
    ) -> Result<Subscription> {
        let _halt = self.halt_router(scope.0).await;
        let now = self.now();
        let (mut tx, turn) = self.begin_change().await?;
        self.check_subscription(scope, &new)?;
        let is_same = |s: &Subscription| {
            !s.deleted && s.destination == new.destination && s.namespace == new.namespace
        };
        if let Some(known) = self
            .registry
            .subscriptions(new.publisher, &new.code)
            .iter()
            .find(|s| is_same(s))
        {
            return Err(Error::Conflict(format!(
                "subscription {} is the same",
                known.id
            )));
        }
        let mut subscription = Subscription {
            id: SubscriptionId(0),
            account: scope.0,
            publisher: new.publisher,
            code: new.code,
            namespace: new.namespace,
            destination: new.destination,
            enabled: true,
            deleted: false,
            spans: vec![Span {
                from: self.here(scope.0).await?,
                to: None,
            }],
        };
        subscription.id = store::subscription::insert(&mut tx, scope, &subscription, now).await?;
        let detail = serde_json::json!({
            "publisherEndpointId": subscription.publisher, "eventCode": subscription.code,
            "namespace": subscription.namespace, "destinationEndpointId": subscription.destination,
        });
        let subject = format!("subscription {}", subscription.id);
        self.audit(
            &mut tx,
            Some(scope),
            actor,
            ("subscription.create", subject),
            detail,
        )
        .await?;
        self.tell_of_subscription(&mut tx, scope, &subscription, ChangeType::Add)
            .await?;
        self.commit_change(tx, &turn, scope.0).await?;
        self.registry.put_subscription(subscription.clone());
        self.outbox_nudge();
        Ok(subscription)
    }

    fn check_subscription(&self, scope: Scope, new: &NewSubscription) -> Result<()> {
        let mut invalid = Invalid::default();
        let mut look = |id: EndpointId, pointer: &str| {
            let entry = self.registry.endpoint(id).filter(|e| {
                e.endpoint.account == scope.0 && e.endpoint.status != EndpointStatus::Deleted
            });
            if entry.is_none() {
                invalid.add(
                    pointer,
                    "unknown-endpoint",
                    format!("there is no endpoint {id} in this account"),
                );
            }
            entry
        };
        let publisher = look(new.publisher, "/publisherEndpointId");
        let destination = look(new.destination, "/destinationEndpointId");
        if let Some(entry) = publisher {
            let takes = |namespace: &str| {
                new.namespace
                    .as_deref()
                    .is_none_or(|wanted| wanted == namespace)
            };
            let known = entry.publisher.event_types.get(&new.code);
            if !known.is_some_and(|types| types.iter().any(|t| takes(&t.namespace))) {
                let message = format!(
                    "endpoint {} does not publish `{}`: it must register it with POST /v1/eventtype first",
                    new.publisher, new.code
                );
                invalid.add("/eventCode", "unknown-event-type", message);
            }
        }
        if let Some(entry) = destination
            && entry.endpoint.definition.event_destination().is_none()
        {
            let message = format!(
                "endpoint {} is not registered as a destination for events",
                new.destination
            );
            invalid.add("/destinationEndpointId", "not-a-destination", message);
        }
        Ok(invalid.or(())?)
    }

    pub async fn subscriptions(&self, scope: Scope, page: Page) -> Result<Vec<Subscription>> {
        let mut tx = self.db.read().await?;
        Ok(store::subscription::list(&mut tx, scope, page).await?)
    }

    pub async fn subscription(&self, scope: Scope, id: SubscriptionId) -> Result<Subscription> {
        let mut tx = self.db.read().await?;
        store::subscription::get(&mut tx, scope, id)
            .await?
            .ok_or_else(|| Error::not_found("subscription", id))
    }

    /// Enables or disables; what is published while it is disabled is not the destination's.
    pub async fn subscription_enable(
        &self,
        actor: &Actor,
        scope: Scope,
        id: SubscriptionId,
        enabled: bool,
    ) -> Result<Subscription> {
        let action = if enabled {
            "subscription.enable"
        } else {
            "subscription.disable"
        };
        self.subscription_change(actor, scope, id, action, |subscription, here| {
            subscription.enabled = enabled;
            hold(&mut subscription.spans, enabled, here);
        })
        .await
    }

    /// Ends it for good; what was published while it held is still delivered.
    pub async fn subscription_delete(
        &self,
        actor: &Actor,
        scope: Scope,
        id: SubscriptionId,
    ) -> Result<()> {
        self.subscription_change(
            actor,
            scope,
            id,
            "subscription.delete",
            |subscription, here| {
                subscription.enabled = false;
                subscription.deleted = true;
                hold(&mut subscription.spans, false, here);
            },
        )
        .await
        .map(drop)
    }

    async fn subscription_change(
        &self,
        actor: &Actor,
        scope: Scope,
        id: SubscriptionId,
        action: &str,
        change: impl FnOnce(&mut Subscription, u64),
    ) -> Result<Subscription> {
        let _halt = self.halt_router(scope.0).await;
        let (mut tx, turn) = self.begin_change().await?;
        let found = store::subscription::get(&mut tx, scope, id).await?;
        let mut subscription = found.ok_or_else(|| Error::not_found("subscription", id))?;
        let was_enabled = subscription.enabled;
        let stands =
            |s: &Subscription| serde_json::json!({ "enabled": s.enabled, "deleted": s.deleted });
        let before = stands(&subscription);
        change(&mut subscription, self.here(scope.0).await?);
        store::subscription::update(&mut tx, scope, &subscription, self.now()).await?;
        self.audit(
            &mut tx,
            Some(scope),
            actor,
            (action, format!("subscription {id}")),
            serde_json::json!({ "before": before, "after": stands(&subscription) }),
        )
        .await?;
        let told = match (subscription.deleted, was_enabled, subscription.enabled) {
            (true, ..) => Some(ChangeType::Delete),
            (false, true, false) => Some(ChangeType::Disable),
            (false, false, true) => Some(ChangeType::Enable),
            (false, ..) => None,
        };
        if let Some(told) = told {
            self.tell_of_subscription(&mut tx, scope, &subscription, told)
                .await?;
        }
        self.commit_change(tx, &turn, scope.0).await?;
        self.registry.put_subscription(subscription.clone());
        self.outbox_nudge();
        Ok(subscription)
    }
}

/// Opens or closes the current stretch at position `here`; nothing when it is so already.
pub(crate) fn hold(spans: &mut Vec<Span>, holds: bool, here: u64) {
    match (spans.last_mut().filter(|span| span.to.is_none()), holds) {
        (Some(open), false) => open.to = Some(here),
        (None, true) => spans.push(Span {
            from: here,
            to: None,
        }),
        _ => {}
    }
}
