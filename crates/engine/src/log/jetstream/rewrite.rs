//! Batches that were rewritten: a message cannot be changed, so it is deleted, its bytes being overwritten, and what is
//! left of its batch is in a second stream, under a subject with the batch's number.
//!
//! The new message is there before the old one is deleted, and readers look for it only when the old one is not there.
//! So a rewrite that is cut short is made good by the next, and no reader ever finds neither. The log's newest message
//! is never deleted: a stream that has none might forget where it was.

use async_nats::jetstream::message::StreamMessage;
use async_nats::jetstream::stream::Info;
use serde_json::json;

use super::link::Trouble;
use super::stream::{Stream, done};
use crate::log::batch::Batch;

impl Stream {
    /// Makes sure that the second stream is there, with as many copies as the first.
    pub(super) async fn prepare_rewrite(&self, info: &Info) -> Result<(), Trouble> {
        if info.config.deny_delete {
            return Err(self.unfit(
                "was made by a release that let nobody delete a message: move the log to another prefix with `rialto \
                 migrate`, and batches can be rewritten",
            ));
        }
        let of = format!("batches of {} that were rewritten", self.name);
        let subjects = format!("{}.*", self.rewritten_subject);
        let copies = info.config.num_replicas;
        self.make(&self.rewritten_name, subjects, of, copies, None)
            .await
    }

    /// What is left of the batch `seq`, if it was rewritten.
    pub(super) async fn rewritten(&self, seq: u64) -> Result<Option<StreamMessage>, Trouble> {
        let last = json!({ "last_by_subj": format!("{}.{seq}", self.rewritten_subject) });
        self.get(&self.rewritten_name, &last).await
    }

    /// Writes what is left of a batch; what was left of it after an earlier rewrite is deleted.
    pub(super) async fn put_rewritten(
        &self,
        batch: &Batch,
        stored: Vec<u8>,
    ) -> Result<(), Trouble> {
        let subject = format!("{}.{}", self.rewritten_subject, batch.seq());
        let first = json!({ "seq": 1, "next_by_subj": subject });
        let published = self.publish(&subject, batch, stored.into(), false);
        let published = published.await?;
        while let Some(found) = self.get(&self.rewritten_name, &first).await?
            && found.sequence < published
        {
            self.delete(&self.rewritten_name, found.sequence).await?;
        }
        Ok(())
    }

    /// Overwrites a message and removes it, if it is there.
    pub(super) async fn delete(&self, name: &str, number: u64) -> Result<(), Trouble> {
        let which = json!({ "seq": number });
        if self.get(name, &which).await?.is_some() {
            // Unless it is told not to erase, the server writes random bytes over it.
            let deleted = self.link.ask("MSG.DELETE", name, &which).await;
            return deleted.map(done);
        }
        Ok(())
    }

    /// Removes what is left of batches before `seq`, oldest rewrites first: one of a later batch ends it.
    pub(super) async fn trim_rewritten(&self, seq: u64) -> Result<(), Trouble> {
        let next = json!({ "seq": 1, "next_by_subj": format!("{}.*", self.rewritten_subject) });
        while let Some(found) = self.get(&self.rewritten_name, &next).await? {
            let of = found.subject.rsplit('.').next().map(str::parse::<u64>);
            if matches!(of, Some(Ok(of)) if of >= seq) {
                break;
            }
            self.purge(&self.rewritten_name, found.sequence + 1).await?;
        }
        Ok(())
    }
}
