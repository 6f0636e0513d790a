//! Batches that were rewritten: a message cannot be changed, so it is deleted, its bytes being overwritten, and what is
//! left of its batch is in a second stream, under a subject with the batch's number.
//!
//! The new message is there before the old one is deleted, and readers look for it only when the old one is not there.
//! So a rewrite that is cut short is made good by the next, and no reader ever finds neither. The log's newest message
//! is never deleted: a stream that has none might forget where it was.

use std::sync::Arc;

use async_nats::Request;
use serde_json::{Value, json};

use super::Shared;
use super::link::{Refusal, Trouble};
use super::message::{self, Stored, unpack};
use super::stream::{State, Stream};
use crate::log::LogError;
use crate::log::batch::{self, Batch};

impl Shared {
    pub(super) async fn rewrite(&self, batches: Vec<Arc<Batch>>) -> Result<(), LogError> {
        self.chore_fault()?;
        let mut state = self.refresh().await?;
        self.stream.prepare_rewrite(&state).await?;
        if self.view().numbering.kept == 0 {
            let mut numbering = self.view().numbering.clone();
            numbering.kept = self.view().first;
            self.stream.renumber(&state, &numbering).await?;
            state = self.refresh().await?;
        }
        for batch in batches {
            let seq = batch.seq();
            let (number, first_seq) = {
                let view = self.view();
                (view.numbering.stream(seq), view.first_seq())
            };
            if seq < first_seq {
                continue;
            }
            if number >= state.state.last_seq {
                self.front.append(vec![Vec::new()]).await?;
                state = self.refresh().await?;
            }
            let (batch, stored) = batch::encode_frame(batch).await?;
            self.stream.put_rewritten(&batch, stored).await?;
            self.stream.delete(&self.stream.name, number).await?;
            self.view().cache(&batch);
        }
        Ok(())
    }

    pub(in crate::log) fn forget(&self) {
        self.view().forget();
    }
}

impl Stream {
    /// Makes sure that the second stream is there, with as many copies as the first.
    async fn prepare_rewrite(&self, state: &State) -> Result<(), Trouble> {
        if state.config["deny_delete"] == true {
            return Err(Trouble::Undeletable(self.name.clone()));
        }
        let config = json!({
            "name": self.rewritten_name,
            "description": format!("batches of {} that were rewritten", self.name),
            "subjects": [format!("{}.*", self.rewritten_subject)],
            "storage": "file",
            "retention": "limits",
            "discard": "new",
            "num_replicas": state.replicas(),
            "max_bytes": -1,
            "max_msgs": -1,
            "max_msg_size": -1,
            "max_consumers": -1,
            "max_age": 0,
        });
        let create = format!("STREAM.CREATE.{}", self.rewritten_name);
        match self.link.ask(&create, &config).await {
            Err(trouble) if !trouble.is(Refusal::STREAM_EXISTS) => Err(trouble),
            _ => Ok(()),
        }
    }

    /// What is left of the batch `seq`, if it was rewritten.
    pub(super) async fn rewritten(&self, seq: u64) -> Result<Option<Stored>, Trouble> {
        let last = json!({ "last_by_subj": format!("{}.{seq}", self.rewritten_subject) });
        Ok(self.get_rewritten(&last).await?.as_ref().map(unpack))
    }

    async fn get_rewritten(&self, which: &Value) -> Result<Option<Value>, Trouble> {
        let get = format!("STREAM.MSG.GET.{}", self.rewritten_name);
        match self.link.ask(&get, which).await {
            Ok(mut answer) => Ok(Some(answer["message"].take())),
            Err(trouble) if trouble.is(Refusal::NO_MESSAGE) || trouble.is(Refusal::NO_STREAM) => {
                Ok(None)
            }
            Err(trouble) => Err(trouble),
        }
    }

    /// Writes what is left of a batch; what was left of it after an earlier rewrite is deleted.
    async fn put_rewritten(&self, batch: &Batch, stored: Vec<u8>) -> Result<(), Trouble> {
        let subject = format!("{}.{}", self.rewritten_subject, batch.seq());
        let first = json!({ "seq": 1, "next_by_subj": subject });
        // No id: an earlier rewrite of the same batch is not the same message.
        let request = Request::new()
            .headers(message::described(batch))
            .payload(stored.into());
        let answer = self.link.client.send_request(subject, request).await?;
        let answer: Value = serde_json::from_slice(&answer.payload)?;
        if let Some(refusal) = answer.get("error") {
            return Err(Trouble::Refused(serde_json::from_value(refusal.clone())?));
        }
        while let Some(found) = self.get_rewritten(&first).await?
            && let Some(number) = found["seq"].as_u64()
            && number < answer["seq"].as_u64().unwrap_or_default()
        {
            self.delete(&self.rewritten_name, number).await?;
        }
        Ok(())
    }

    /// Overwrites a message and removes it, if it is there.
    async fn delete(&self, name: &str, number: u64) -> Result<(), Trouble> {
        let which = json!({ "seq": number });
        let get = format!("STREAM.MSG.GET.{name}");
        match self.link.ask(&get, &which).await {
            Err(trouble) if trouble.is(Refusal::NO_MESSAGE) => return Ok(()),
            found => drop(found?),
        }
        // Unless it is told not to erase, the server writes random bytes over it.
        let delete = format!("STREAM.MSG.DELETE.{name}");
        self.link.ask(&delete, &which).await.map(drop)
    }

    /// Removes what is left of batches before `seq`, oldest rewrites first: one of a later batch ends it.
    pub(super) async fn trim_rewritten(&self, seq: u64) -> Result<(), Trouble> {
        let next = json!({ "seq": 1, "next_by_subj": format!("{}.*", self.rewritten_subject) });
        while let Some(found) = self.get_rewritten(&next).await? {
            let subject = found["subject"].as_str().unwrap_or_default();
            let of = subject
                .rsplit('.')
                .next()
                .and_then(|of| of.parse::<u64>().ok());
            let number = found["seq"].as_u64().unwrap_or_default();
            if number == 0 || of.is_some_and(|of| of >= seq) {
                break;
            }
            self.purge(&self.rewritten_name, number + 1).await?;
        }
        Ok(())
    }
}
