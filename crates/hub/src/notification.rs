//! Subscription notifications: what an endpoint's provider wants to be told, and telling it.
//!
//! Each endpoint has at most one target: the document of `PUT /v1/subscription/notification`, else what the onboarding of
//! its application defines; none once the provider has deleted it. The verbs of subscriptions and endpoints call
//! [`Hub::tell_of_subscription`] and [`Hub::tell_of_endpoint`] in their transaction; what is told is put into the outbox,
//! and where it goes is looked up when it is sent, so that a corrected document counts for what waits.

use std::collections::BTreeSet;

use engine::Tx;
use model::notification::{
    ChangeType, End, Named, NotificationTarget, SubscriptionChange, endpoint_payload,
};
use model::reader::Reader;
use model::{Endpoint, EndpointId, EndpointStatus, Invalid, Subscription, authentication};
use serde_json::{Value, json};
use store::notification::Stated;

use crate::outbox::Outgoing;
use crate::{Actor, Error, Hub, Result, Scope};

/// Whose word it is where an endpoint is told of changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatedBy {
    /// `PUT /v1/subscription/notification`.
    Endpoint,
    /// The onboarding of the application that it was made from.
    Application,
}

/// What binds a sealed document to its endpoint.
fn purpose(id: EndpointId) -> String {
    format!("notification {id}")
}

impl Hub {
    /// The provider states what it wants to be told, in the place of what it stated before. What waits for the endpoint
    /// is sent to the new place at once.
    pub async fn notification_define(
        &self,
        actor: &Actor,
        scope: Scope,
        id: EndpointId,
        body: &Value,
    ) -> Result<()> {
        let mut invalid = Invalid::default();
        let target = NotificationTarget::read(body, &mut invalid);
        self.check_notification(body, &mut invalid).await?;
        let mut tx = self.db.begin().await?;
        let stored = match store::notification::get(&mut tx, scope, id).await? {
            Stated::Document(sealed) => Some(self.notification_open(id, &sealed)?),
            Stated::Nothing | Stated::Stopped => None,
        };
        let target = target.and_then(|target| target.keep(stored.as_ref(), &mut invalid));
        let Some(target) = target.filter(|_| invalid.is_empty()) else {
            for violation in &mut invalid.violations {
                violation.pointer = authentication::as_sent(body, &violation.pointer);
            }
            return Err(invalid.into());
        };
        let clear = target.to_json().to_string();
        let sealed = self.vault.seal(&purpose(id), clear.as_bytes())?;
        let now = self.now();
        store::notification::put(&mut tx, scope, id, Some(sealed), now).await?;
        store::outbox::wake(&mut tx, scope, id, now).await?;
        let detail = json!({
            "host": authentication::origin(Some(&target.url)), "notificationType": target.kind.as_str(),
            "authType": target.authentication.as_ref().map(|a| a.scheme().as_str()),
        });
        let subject = format!("endpoint {id}");
        self.audit(
            &mut tx,
            Some(scope),
            actor,
            ("notification.define", subject),
            detail,
        )
        .await?;
        tx.commit().await?;
        self.outbox_nudge();
        Ok(())
    }

    /// What depends on more than the document itself.
    async fn check_notification(&self, body: &Value, invalid: &mut Invalid) -> Result<()> {
        let Some(reader) = Reader::new(body, "", &mut Invalid::default()) else {
            return Ok(());
        };
        let name = authentication::spelling(&reader, "notificationURL");
        if let Some(url) = reader.get(name).and_then(Value::as_str) {
            self.check_url(&reader.pointer(name), url, invalid);
        }
        match authentication::object(&reader, &mut Invalid::default()) {
            Some(stated) => self.check_authentication(&stated, invalid).await,
            None => Ok(()),
        }
    }

    /// The provider wants no notifications any more; what waits is dropped.
    ///
    /// # Errors
    /// [`Error::NotFound`] if it was not told anything anyway.
    pub async fn notification_delete(
        &self,
        actor: &Actor,
        scope: Scope,
        id: EndpointId,
    ) -> Result<()> {
        let mut tx = self.db.begin().await?;
        if self
            .notification_target(&mut tx, scope, id)
            .await?
            .is_none()
        {
            let what = format!("subscription notification of endpoint {id}");
            return Err(Error::NotFound(what));
        }
        let now = self.now();
        store::notification::put(&mut tx, scope, id, None, now).await?;
        store::outbox::drop_waiting(&mut tx, scope, id, now).await?;
        let subject = format!("endpoint {id}");
        self.audit(
            &mut tx,
            Some(scope),
            actor,
            ("notification.delete", subject),
            json!({}),
        )
        .await?;
        Ok(tx.commit().await?)
    }

    /// Where and how an endpoint is told of changes, and who stated it; for people, [`NotificationTarget::shown`].
    pub async fn notification(
        &self,
        scope: Scope,
        id: EndpointId,
    ) -> Result<Option<(NotificationTarget, StatedBy)>> {
        self.check_endpoint(scope, id)?;
        let mut tx = self.db.read().await?;
        let by = match store::notification::get(&mut tx, scope, id).await? {
            Stated::Document(_) | Stated::Stopped => StatedBy::Endpoint,
            Stated::Nothing => StatedBy::Application,
        };
        let target = self.notification_target(&mut tx, scope, id).await?;
        Ok(target.map(|target| (target, by)))
    }

    /// The same as others see it in their transaction.
    pub(crate) async fn notification_target(
        &self,
        tx: &mut Tx,
        scope: Scope,
        id: EndpointId,
    ) -> Result<Option<NotificationTarget>> {
        let target = match store::notification::get(tx, scope, id).await? {
            Stated::Document(sealed) => Some(self.notification_open(id, &sealed)?),
            Stated::Nothing => self.onboarding_notification(tx, scope, id).await?,
            Stated::Stopped => None,
        };
        Ok(target.map(|mut target| {
            if target.key.is_none() {
                let entry = self.registry.endpoint(id);
                target.key = entry.and_then(|e| e.endpoint.definition.notification_key.clone());
            }
            target
        }))
    }

    fn notification_open(&self, id: EndpointId, sealed: &[u8]) -> Result<NotificationTarget> {
        let clear = self.vault.open(&purpose(id), sealed)?;
        let clear: Value = serde_json::from_slice(&clear).map_err(Error::internal)?;
        let mut invalid = Invalid::default();
        let target = NotificationTarget::read(&clear, &mut invalid);
        target.ok_or_else(|| Error::internal(invalid))
    }

    /// Tells both ends of a subscription that it changed, in the transaction of the change.
    pub(crate) async fn tell_of_subscription(
        &self,
        tx: &mut Tx,
        scope: Scope,
        subscription: &Subscription,
        change: ChangeType,
    ) -> Result<()> {
        let ends = [
            (End::Publisher, subscription.publisher),
            (End::Destination, subscription.destination),
        ];
        let mut told = Vec::new();
        for (end, id) in ends {
            if let Some(target) = self.notification_target(tx, scope, id).await? {
                told.push((end, id, target));
            }
        }
        if told.is_empty() {
            return Ok(());
        }
        let find = async |tx: &mut Tx, id| -> Result<Endpoint> {
            let found = store::endpoint::get(tx, scope, id).await?;
            found.ok_or_else(|| Error::not_found("endpoint", id))
        };
        let publisher = find(tx, subscription.publisher).await?;
        let destination = find(tx, subscription.destination).await?;
        let event_name = self.event_name(subscription);
        let change = SubscriptionChange {
            at: self.now(),
            change,
            code: &subscription.code,
            event_name: &event_name,
            publisher: Named::of(&publisher),
            destination: Named::of(&destination),
        };
        for (end, endpoint, target) in told {
            let body = change.payload(end, target.kind, target.key.as_deref());
            let outgoing = Outgoing::Notification { endpoint, body };
            self.outbox_put(tx, Some(scope), &outgoing).await?;
        }
        Ok(())
    }

    /// The name of the event type that is subscribed to; its code, if it is not registered any more.
    fn event_name(&self, subscription: &Subscription) -> String {
        let entry = self.registry.endpoint(subscription.publisher);
        let types = entry.iter().flat_map(|entry| &entry.event_types);
        let mut known = types.filter(|t| subscription.takes(&t.code, &t.namespace));
        known
            .next()
            .map_or_else(|| subscription.code.clone(), |t| t.name.clone())
    }

    /// Tells an endpoint, and the other ends of its subscriptions, that it was disabled or deleted, in the transaction of
    /// the change.
    pub(crate) async fn tell_of_endpoint(
        &self,
        tx: &mut Tx,
        scope: Scope,
        endpoint: &Endpoint,
        change: ChangeType,
    ) -> Result<()> {
        let id = endpoint.id;
        let concerned = self
            .registry
            .subscriptions_where(|s| !s.deleted && (s.publisher == id || s.destination == id));
        let mut told: BTreeSet<EndpointId> = BTreeSet::from([id]);
        told.extend(concerned.iter().flat_map(|s| [s.publisher, s.destination]));
        for endpoint_id in told {
            let Some(target) = self.notification_target(tx, scope, endpoint_id).await? else {
                continue;
            };
            let what = (self.now(), change);
            let body = endpoint_payload(
                what,
                Named::of(endpoint),
                target.kind,
                target.key.as_deref(),
            );
            if let Some(body) = body {
                let outgoing = Outgoing::Notification {
                    endpoint: endpoint_id,
                    body,
                };
                self.outbox_put(tx, Some(scope), &outgoing).await?;
            }
        }
        Ok(())
    }
}

/// What a change of an endpoint is to those who are notified.
pub(crate) fn told_of(before: &Endpoint, after: &Endpoint) -> Option<ChangeType> {
    if after.status == EndpointStatus::Deleted && before.status != EndpointStatus::Deleted {
        Some(ChangeType::Delete)
    } else if before.enabled && !after.enabled {
        Some(ChangeType::Disable)
    } else {
        None
    }
}
