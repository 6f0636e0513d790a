//! Segments: the audiences of endpoints. Push producers announce theirs here; what pull producers and push consumers have
//! is asked for by `flow/refresh`.
//!
//! Called by `api` (the published API for endpoints, `/manage/v1` for people) and by `share`, which looks segments up.
//! What is changed is in the audit trail by number, not by name: the list itself is here.

use engine::Tx;
use model::endpoint::Transfer;
use model::job::{JobCategory, JobStatus};
use model::segment::{SegmentRole, parse_announced};
use model::{EndpointId, Invalid, JobId, SegmentId};
use serde_json::{Value, json};
use store::job::JobFilter;
use store::segment::{KnownSegment, SegmentFilter, Window};

use crate::flow::Refresh;
use crate::{Actor, Error, Hub, Page, Result, Scope};

/// Segments in one list of an endpoint: more than anybody would choose from.
pub const LIST_MAX: u64 = 100_000;

impl Hub {
    /// A push producer announces segments: new ones are added, known ones are described anew. If that `replaces` its list,
    /// what is not in `body` is there no more.
    ///
    /// # Errors
    /// [`Error::Invalid`] with every violation, also when the endpoint is no push producer of audiences.
    pub async fn segments_announce(
        &self,
        actor: &Actor,
        scope: Scope,
        endpoint: EndpointId,
        (body, replaces): (&Value, bool),
    ) -> Result<()> {
        let (segments, mut invalid) = Invalid::split(parse_announced(body));
        self.check_push_producer(scope, endpoint, &mut invalid)?;
        let segments = invalid.join(segments)?;
        let list = (endpoint, SegmentRole::Source);
        let mut tx = self.db.begin().await?;
        let removed = if replaces {
            store::segment::clear(&mut tx, scope, endpoint, Some(SegmentRole::Source)).await?
        } else {
            0
        };
        store::segment::put(&mut tx, scope, list, &segments, self.now()).await?;
        let count = store::segment::count(&mut tx, scope, list).await?;
        if count > LIST_MAX {
            return Err(Error::Conflict(format!(
                "endpoint {endpoint} would have {count} segments, and {LIST_MAX} are the most: delete some first"
            )));
        }
        let action = if replaces {
            "segment.replace"
        } else {
            "segment.add"
        };
        let detail = json!({ "sent": segments.len(), "replaced": removed, "now": count });
        self.audit_list(&mut tx, actor, scope, (action, endpoint), detail)
            .await?;
        Ok(tx.commit().await?)
    }

    /// A push producer has nothing to share any more.
    ///
    /// # Errors
    /// [`Error::Invalid`] when the endpoint is no push producer of audiences.
    pub async fn segments_clear(
        &self,
        actor: &Actor,
        scope: Scope,
        endpoint: EndpointId,
    ) -> Result<()> {
        let mut invalid = Invalid::default();
        self.check_push_producer(scope, endpoint, &mut invalid)?;
        invalid.or(())?;
        let mut tx = self.db.begin().await?;
        let role = Some(SegmentRole::Source);
        let removed = store::segment::clear(&mut tx, scope, endpoint, role).await?;
        let detail = json!({ "removed": removed });
        self.audit_list(&mut tx, actor, scope, ("segment.clear", endpoint), detail)
            .await?;
        Ok(tx.commit().await?)
    }

    /// A push producer takes one segment back.
    ///
    /// # Errors
    /// [`Error::NotFound`], and [`Error::Invalid`] when the endpoint is no push producer of audiences.
    pub async fn segment_delete(
        &self,
        actor: &Actor,
        scope: Scope,
        endpoint: EndpointId,
        id: &SegmentId,
    ) -> Result<()> {
        let mut invalid = Invalid::default();
        self.check_push_producer(scope, endpoint, &mut invalid)?;
        invalid.or(())?;
        let mut tx = self.db.begin().await?;
        let list = (endpoint, SegmentRole::Source);
        if !store::segment::delete(&mut tx, scope, list, id).await? {
            return Err(Error::not_found("segment", id));
        }
        let detail = json!({ "segmentId": id });
        self.audit_list(&mut tx, actor, scope, ("segment.delete", endpoint), detail)
            .await?;
        Ok(tx.commit().await?)
    }

    /// Segments that are known, in the order in which they came.
    ///
    /// # Errors
    /// [`Error::NotFound`] for an endpoint of another account.
    pub async fn segments(
        &self,
        scope: Scope,
        filter: &SegmentFilter,
        window: Window,
    ) -> Result<Vec<KnownSegment>> {
        if let Some(endpoint) = filter.endpoint {
            self.check_endpoint(scope, endpoint)?;
        }
        let mut tx = self.db.read().await?;
        Ok(store::segment::list(&mut tx, scope, filter, window).await?)
    }

    /// One segment of an endpoint's list.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn segment(
        &self,
        scope: Scope,
        (endpoint, role): (EndpointId, SegmentRole),
        id: &SegmentId,
    ) -> Result<KnownSegment> {
        self.check_endpoint(scope, endpoint)?;
        let mut tx = self.db.read().await?;
        let found = store::segment::get(&mut tx, scope, (endpoint, role), id).await?;
        found.ok_or_else(|| Error::not_found("segment", id))
    }

    /// Asks the account's pull producers and push consumers for their segments, or one of them: the job that does so. One
    /// that has not begun is not made twice.
    ///
    /// # Errors
    /// [`Error::NotFound`] for an endpoint of another account, [`Error::Conflict`] when there are too many jobs.
    pub async fn segments_refresh(
        &self,
        actor: &Actor,
        scope: Scope,
        only: Option<EndpointId>,
    ) -> Result<JobId> {
        if let Some(endpoint) = only {
            self.check_endpoint(scope, endpoint)?;
        }
        let new = Refresh::job(only, self.now())?;
        let mut tx = self.db.read().await?;
        let filter = JobFilter {
            category: Some(JobCategory::SegmentPopulateDb),
            status: Some(JobStatus::Scheduled),
            ..JobFilter::default()
        };
        let page = Page {
            after: 0,
            limit: 100,
        };
        let waiting = store::job::list(&mut tx, scope, filter, page).await?;
        drop(tx);
        if let Some(job) = waiting.iter().find(|job| job.state == new.state) {
            return Ok(job.id);
        }
        self.job_create(actor, scope, new).await
    }

    /// An endpoint is gone: so is what it had.
    pub(crate) async fn segments_forget(&self, scope: Scope, endpoint: EndpointId) -> Result<()> {
        let mut tx = self.db.begin().await?;
        store::segment::clear(&mut tx, scope, endpoint, None).await?;
        Ok(tx.commit().await?)
    }

    fn check_push_producer(
        &self,
        scope: Scope,
        id: EndpointId,
        invalid: &mut Invalid,
    ) -> Result<()> {
        let endpoint = self.endpoint(scope, id)?;
        let role = endpoint.definition.roles.segment_source;
        if !role.is_some_and(|role| role.enabled && role.transfer == Transfer::Push) {
            let message = format!(
                "endpoint {id} is no push producer of audiences: register it with \
                 endpointTypes.segment.source {{\"enabled\":true,\"producerType\":\"push\"}}"
            );
            invalid.add("", "not-a-push-producer", message);
        }
        Ok(())
    }

    async fn audit_list(
        &self,
        tx: &mut Tx,
        actor: &Actor,
        scope: Scope,
        (action, endpoint): (&str, EndpointId),
        detail: Value,
    ) -> Result<()> {
        let subject = format!("segments of endpoint {endpoint}");
        self.audit(tx, Some(scope), actor, (action, subject), detail)
            .await
    }
}
