//! Privacy requests: making them. What they do is `flow/privacy`'s business.
//!
//! A request is a job that waits for its people (a CSV file) and then finds every person who has one of the identifiers, and
//! erases, restricts, lifts or exports them. Called by `api`.

use jiff::Timestamp;
use model::job::{JobCategory, JobStatus, Step, StepState};
use model::privacy::{Ask, Operation};
use model::{AccountId, IdentifierDefinition, JobId};
use serde_json::json;
use store::job::NewJob;

use crate::flow::PrivacyState;
use crate::{Actor, Error, Hub, Result, Scope};

/// What a request's job does, in this order.
pub(crate) fn steps(operation: Option<Operation>) -> &'static [&'static str] {
    let Some(operation) = operation else {
        return &["read"];
    };
    match operation {
        Operation::Erase => &[
            "read",
            "find",
            "others",
            "log",
            "event files",
            "data files",
            "records",
            "identities",
            "verify",
            "hand over",
            "clear",
        ],
        Operation::Restrict => &[
            "read",
            "find",
            "others",
            "restrict",
            "event files",
            "data files",
            "hand over",
            "clear",
        ],
        Operation::Lift => &["read", "find", "lift", "hand over", "clear"],
        Operation::Export => &["read", "find", "collect", "hand over", "clear"],
    }
}

impl Hub {
    /// Makes a request that waits for its people: [`Hub::job_upload_begin`] gives it their file, and, without `ask`, what is
    /// to be done as its metadata, which the caller has read with [`Ask::read`].
    ///
    /// # Errors
    /// As [`Hub::job_insert`].
    pub async fn privacy_request(
        &self,
        actor: &Actor,
        scope: Scope,
        ask: Option<Ask>,
    ) -> Result<JobId> {
        let state = serde_json::to_string(&PrivacyState::new(ask)).map_err(Error::internal)?;
        let step = |name: &&str| Step {
            name: (*name).to_owned(),
            state: StepState::Waiting,
            done: 0,
            total: None,
        };
        let new = NewJob {
            category: JobCategory::Gdpr,
            status: JobStatus::WaitingToReceiveData,
            name: None,
            producer: None,
            destination: None,
            share: None,
            details: model::job::ExportDetails::default(),
            state,
            steps: steps(ask.map(|ask| ask.operation))
                .iter()
                .map(step)
                .collect(),
            first_at: Timestamp::UNIX_EPOCH,
        };
        let mut tx = self.db.begin().await?;
        let id = self.job_insert(&mut tx, scope, new).await?;
        let operation = ask.map(|ask| ask.operation.as_str());
        let detail = json!({ "after": { "operationType": operation, "generateOutput": ask.map(|ask| ask.is_listed) } });
        let what = ("privacy.request", format!("job {id}"));
        self.audit(&mut tx, Some(scope), actor, what, detail)
            .await?;
        tx.commit().await?;
        Ok(id)
    }

    /// The identity type that an endpoint of the account means by a name, where they agree.
    pub(crate) fn type_of(&self, account: AccountId, name: &str) -> Option<String> {
        let mut found: Option<String> = None;
        for entry in self.registry.endpoints() {
            if entry.endpoint.account != account {
                continue;
            }
            let mut defined = entry.endpoint.definition.identifiers();
            let named = |it: &&IdentifierDefinition| it.name.eq_ignore_ascii_case(name);
            if let Some(one) = defined.find(named) {
                let is_other = |known: &String| !known.eq_ignore_ascii_case(&one.kind);
                if found.as_ref().is_some_and(is_other) {
                    return None;
                }
                found = Some(one.kind.clone());
            }
        }
        found
    }
}
