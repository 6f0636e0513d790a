//! What one call carries: documents read from the log, dressed for the destination with what is known of their people, and
//! without those that nobody may get.

use std::sync::Arc;

use jiff::Timestamp;
use model::EndpointId;
use model::endpoint::PushForm;
use model::record::{Document, Entry, Event};

use super::{Hindrance, micros};
use crate::Hub;
use crate::flow::destination::{Job, Waiting};
use crate::flow::render;
use crate::identity::Who;
use crate::registry::Target;

/// Documents read and shaped, ready to be sent.
pub(super) struct Prepared {
    pub(super) target: Arc<Target>,
    pub(super) id: String,
    pub(super) body: Vec<u8>,
    pub(super) published_at: Timestamp,
    /// Nothing in the documents is for this destination (any more).
    pub(super) is_empty: bool,
    /// It comes from a test drive's publisher.
    pub(super) is_test: bool,
}

/// A body in the making.
struct Draft {
    body: Vec<u8>,
    unhashable: Vec<render::Unhashable>,
    events: usize,
    is_test: bool,
    /// Of the oldest document.
    published_at: Timestamp,
}

impl Hub {
    pub(super) async fn prepare(&self, job: &Job) -> Result<Prepared, Hindrance> {
        let target = self
            .registry
            .endpoint(job.destination)
            .and_then(|entry| entry.target.clone());
        let Some(target) = target else {
            return Err(Hindrance(None));
        };
        let is_batch = target.form == PushForm::Eventbatch;
        let mut draft = Draft {
            body: Vec::with_capacity(1024 * job.documents.len()),
            unhashable: Vec::new(),
            events: 0,
            is_test: false,
            published_at: Timestamp::MAX,
        };
        if is_batch {
            draft
                .body
                .extend_from_slice(b"{\"version\":\"1\",\"eventbatch\":[");
        }
        for &waiting in &job.documents {
            self.add_document(&target, waiting, &mut draft).await?;
        }
        if is_batch {
            draft.body.extend_from_slice(b"]}");
        }
        self.report_unhashable(&target, &draft.unhashable);
        let first = job.documents.first().map_or(0, |waiting| waiting.position);
        let mut id = render::webhook_id(first, target.account);
        if job.documents.len() > 1 {
            id = format!("{id}_{}", job.documents.len());
        }
        Ok(Prepared {
            id,
            body: draft.body,
            target,
            published_at: draft.published_at,
            is_empty: draft.events == 0,
            is_test: draft.is_test,
        })
    }

    /// Adds one document, if there is something in it for the destination.
    async fn add_document(
        &self,
        target: &Target,
        waiting: Waiting,
        draft: &mut Draft,
    ) -> Result<(), Hindrance> {
        let at = engine::Position::from_u64(waiting.position);
        let batch = self.batch(target.account, at.seq()).await;
        let batch = batch.map_err(|error| Hindrance(Some(error.into())))?;
        let record = batch.as_ref().and_then(|batch| batch.record(at.index()));
        let Some(Ok(Entry::Document(document))) = record.map(Entry::decode) else {
            self.metrics.expired.inc();
            return Ok(());
        };
        let who = match self.who_at_hand(&document) {
            Some(who) => who,
            // Boxed: seldom, and the future of the others stays small.
            None => Box::pin(self.who_one(&document))
                .await
                .map_err(|error| Hindrance(Some(error)))?,
        };
        if self.is_barred(&document, &who) {
            return Ok(());
        }
        let takes =
            |event: &Event<'_>| self.takes(waiting.position, &document, event, target.endpoint);
        let before = draft.body.len();
        let (body, unhashable) = (&mut draft.body, &mut draft.unhashable);
        let about = (&document, &who);
        let taken = if target.form == PushForm::Eventbatch {
            if draft.events > 0 {
                body.push(b',');
            }
            render::group(body, waiting.position, about, target, takes, unhashable)
        } else {
            render::document(body, about, target, takes, unhashable)
        };
        if taken == 0 {
            body.truncate(before);
            return Ok(());
        }
        draft.events += taken;
        draft.is_test |= target.is_pilot && self.is_test_publisher(document.endpoint);
        draft.published_at = draft.published_at.min(micros(document.published_at_us));
        Ok(())
    }

    /// Whether nobody gets a document, for whom it is about; counts it.
    pub(in crate::flow) fn is_barred(&self, document: &Document<'_>, who: &Who) -> bool {
        let is_barred = self.barred_document(document, who).is_some();
        self.metrics.barred.inc_by(is_barred.into());
        is_barred
    }

    /// Whether one event of a document is for this destination.
    pub(crate) fn takes(
        &self,
        position: u64,
        document: &Document<'_>,
        event: &Event<'_>,
        destination: EndpointId,
    ) -> bool {
        let mut takes = false;
        self.registry
            .with_subscriptions(document.endpoint, &event.code, |subscription| {
                takes |= subscription.destination == destination
                    && subscription.takes(&event.code, &event.namespace)
                    && subscription.held_at(position);
            });
        takes
    }

    pub(in crate::flow) fn report_unhashable(
        &self,
        target: &Target,
        unhashable: &[render::Unhashable],
    ) {
        for left_out in unhashable {
            self.metrics.unhashable.inc();
            tracing::warn!(
                endpoint_id = target.endpoint.0,
                account_id = target.account.0,
                identifier = left_out.name,
                reason = %left_out.why,
                "an identifier could not be hashed as the destination demands and was left out"
            );
        }
    }
}
