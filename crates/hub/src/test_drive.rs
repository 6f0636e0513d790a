//! The test drive of a pilot account: a publisher and a receiver of the exchange's own, and what they show.
//!
//! Both are ordinary endpoints of the account, made on demand; subscriptions to and from them are made as with any other.
//! What the publisher says goes through the real door (`publish`), what the receiver gets through the real flow
//! (`flow/pilot`). Called by `api`.

use std::sync::Arc;

use model::test_drive::{self, Mistake, ReceiverAnswer};
use model::{EndpointId, EndpointStatus, Environment, Invalid, catalog};
pub use store::test_drive::{TestDrive, TestPush};

use crate::publish::Published;
use crate::subscription::NewSubscription;
use crate::{Actor, Error, Hub, Page, Result, Scope};

/// What the publisher is to say.
#[derive(Debug, Clone)]
pub struct TestEvent {
    /// Of the catalog.
    pub code: String,
    /// `None`: a document as it should be.
    pub mistake: Option<Mistake>,
    /// Is subscribed to the event first, if it is not.
    pub destination: Option<EndpointId>,
}

/// What it said, and what it was answered.
pub struct Said {
    pub body: String,
    pub answer: Result<Published>,
}

impl Hub {
    /// Makes the built-in endpoints of a pilot account; those that there are stay.
    pub async fn test_drive_start(&self, actor: &Actor, scope: Scope) -> Result<TestDrive> {
        if self.account(scope)?.environment != Environment::Pilot {
            return Err(Error::Conflict(format!(
                "account {} is one of production: test drives are for pilot accounts",
                scope.0
            )));
        }
        let _turn = self.partnering.lock().await;
        let mut tx = self.db.begin().await?;
        let known = store::test_drive::get(&mut tx, scope).await?;
        let provider = store::provider::by_name(&mut tx, test_drive::PROVIDER).await?;
        if provider.is_none() {
            self.provider_insert(&mut tx, &Actor::EXCHANGE, test_drive::PROVIDER)
                .await?;
        }
        tx.commit().await?;
        let (publisher, receiver) = (test_drive::publisher(), test_drive::receiver());
        let drive = TestDrive {
            publisher: match known
                .map(|k| k.publisher)
                .filter(|id| self.is_there(scope, *id))
            {
                Some(id) => id,
                None => self.test_endpoint(actor, scope, &publisher).await?,
            },
            receiver: match known
                .map(|k| k.receiver)
                .filter(|id| self.is_there(scope, *id))
            {
                Some(id) => id,
                None => self.test_endpoint(actor, scope, &receiver).await?,
            },
            answer: known.map_or(ReceiverAnswer::Status(200), |k| k.answer),
        };
        let mut tx = self.db.begin().await?;
        store::test_drive::put(&mut tx, scope, &drive).await?;
        tx.commit().await?;
        Ok(drive)
    }

    pub async fn test_drive(&self, scope: Scope) -> Result<TestDrive> {
        let mut tx = self.db.read().await?;
        let found = store::test_drive::get(&mut tx, scope).await?;
        found.ok_or_else(|| Error::not_found("test drive of account", scope.0))
    }

    /// How the receiver answers from now on.
    pub async fn test_drive_answer(
        &self,
        actor: &Actor,
        scope: Scope,
        answer: ReceiverAnswer,
    ) -> Result<TestDrive> {
        let mut drive = self.test_drive(scope).await?;
        drive.answer = answer;
        let mut tx = self.db.begin().await?;
        store::test_drive::put(&mut tx, scope, &drive).await?;
        let subject = format!("account {}", scope.0);
        let detail = serde_json::json!({ "answer": answer.to_string() });
        self.audit(
            &mut tx,
            Some(scope),
            actor,
            ("testdrive.answer", subject),
            detail,
        )
        .await?;
        tx.commit().await?;
        Ok(drive)
    }

    /// The publisher says something, rightly or with a mistake.
    pub async fn test_drive_publish(
        self: &Arc<Self>,
        actor: &Actor,
        scope: Scope,
        event: TestEvent,
    ) -> Result<Said> {
        let drive = self.test_drive(scope).await?;
        let known = catalog::recognized(&event.code).ok_or_else(|| {
            let message = format!(
                "`{}` is not in the catalog: expected a code such as cartAdd or emailOpen",
                event.code
            );
            Invalid::one("/code", "unknown-value", message)
        })?;
        let types = self.event_types(scope, drive.publisher)?;
        if !types.iter().any(|t| t.code == known.code) {
            let body = test_drive::event_type(known);
            self.event_type_register(actor, scope, drive.publisher, &body)
                .await?;
        }
        if let Some(destination) = event.destination {
            self.test_subscribe(actor, scope, drive.publisher, &event.code, destination)
                .await?;
        }
        let document = test_drive::document(known, self.now());
        let body = match event.mistake {
            None => document.to_string(),
            Some(mistake) => test_drive::mistaken(document, mistake),
        };
        let answer = self.publish(drive.publisher, body.as_bytes(), None).await;
        Ok(Said { body, answer })
    }

    /// The last pushes to the receiver, and of the publisher's events to others; oldest first.
    pub async fn test_pushes(
        &self,
        scope: Scope,
        endpoint: Option<EndpointId>,
        page: Page,
    ) -> Result<Vec<TestPush>> {
        let mut tx = self.db.read().await?;
        Ok(store::test_drive::pushes(&mut tx, scope, endpoint, page).await?)
    }

    fn is_there(&self, scope: Scope, id: EndpointId) -> bool {
        self.endpoint(scope, id)
            .is_ok_and(|endpoint| endpoint.status != EndpointStatus::Deleted)
    }

    async fn test_endpoint(
        &self,
        actor: &Actor,
        scope: Scope,
        definition: &serde_json::Value,
    ) -> Result<EndpointId> {
        // Nobody ever sees the key: the exchange speaks for these.
        let (endpoint, _) = self.endpoint_register(actor, scope).await?;
        self.endpoint_define(actor, scope, endpoint.id, definition)
            .await?;
        Ok(endpoint.id)
    }

    async fn test_subscribe(
        &self,
        actor: &Actor,
        scope: Scope,
        publisher: EndpointId,
        code: &str,
        destination: EndpointId,
    ) -> Result<()> {
        let subscriptions = self.registry.subscriptions(publisher, code);
        if subscriptions
            .iter()
            .any(|s| s.destination == destination && !s.deleted)
        {
            return Ok(());
        }
        let new = NewSubscription {
            publisher,
            code: code.to_owned(),
            namespace: None,
            destination,
        };
        self.subscription_create(actor, scope, new).await.map(drop)
    }
}
