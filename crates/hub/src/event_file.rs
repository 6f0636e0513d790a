//! Event files: what pull destinations list, fetch and delete.

use bytes::Bytes;
use model::EndpointId;

use crate::flow::blob_key;
use crate::{Error, Hub, Result, Scope};

/// Names in one answer at most.
pub const FILES_MAX: i64 = 10;

impl Hub {
    /// The oldest files of a destination, at most `limit`. When there are none, the open file is closed first, so
    /// that a client never waits for age.
    pub async fn event_files(
        &self,
        scope: Scope,
        endpoint: EndpointId,
        limit: i64,
    ) -> Result<Vec<String>> {
        let limit = limit.clamp(1, FILES_MAX);
        let mut names = self.event_file_names(scope, endpoint, limit).await?;
        if names.is_empty() {
            // Only what was published before the call: while publishing goes on, there is always more.
            let end = self.log.ends().next_seq;
            self.route_before(end).await?;
            self.pack_one(endpoint, engine::Position::new(end, 0).as_u64())
                .await?;
            names = self.event_file_names(scope, endpoint, limit).await?;
        }
        Ok(names)
    }

    /// The oldest files that there are now.
    pub(crate) async fn event_file_names(
        &self,
        scope: Scope,
        endpoint: EndpointId,
        limit: i64,
    ) -> Result<Vec<String>> {
        let mut tx = self.db.read().await?;
        let files = store::event_file::oldest(&mut tx, scope, endpoint, limit).await?;
        Ok(files.into_iter().map(|file| file.name).collect())
    }

    /// A file's content. It stays listed until it is deleted.
    pub async fn event_file(
        &self,
        scope: Scope,
        endpoint: EndpointId,
        name: &str,
    ) -> Result<Bytes> {
        let missing = || Error::not_found("event file", name);
        let mut tx = self.db.begin().await?;
        let file = store::event_file::get(&mut tx, scope, endpoint, name)
            .await?
            .ok_or_else(missing)?;
        let bytes = self
            .blobs
            .get(&blob_key(scope.0, endpoint, &file.name))
            .await?;
        store::event_file::mark_fetched(&mut tx, scope, endpoint, name, self.now()).await?;
        tx.commit().await?;
        bytes.ok_or_else(|| Error::internal(format!("the bytes of event file {name} are missing")))
    }

    /// Removes a file: the client has it.
    pub async fn event_file_delete(
        &self,
        scope: Scope,
        endpoint: EndpointId,
        name: &str,
    ) -> Result<()> {
        let mut tx = self.db.begin().await?;
        if !store::event_file::delete(&mut tx, scope, endpoint, name).await? {
            return Err(Error::not_found("event file", name));
        }
        tx.commit().await?;
        // A file that is listed no more may stay a moment longer; what cannot be removed now is garbage, not loss.
        if let Err(error) = self.blobs.delete(&blob_key(scope.0, endpoint, name)).await {
            tracing::warn!(
                name,
                error = &error as &dyn std::error::Error,
                "the bytes of a deleted event file stay behind"
            );
        }
        Ok(())
    }
}
