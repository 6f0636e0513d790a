//! Event files: what pull destinations list, fetch and delete.

use std::collections::BTreeSet;

use bytes::Bytes;
use engine::{Blobs, Db};
use jiff::Timestamp;
use model::EndpointId;

use crate::flow::blob_key;
use crate::{Error, Hub, Result, Scope};

/// Where all event files rest, among other blobs.
pub(crate) const FOLDER: &str = "eventfiles/";

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
            self.flow_pack(scope, endpoint).await?;
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

/// Makes list and bytes agree in a copy of a hub, where the list was copied first: a listed file whose bytes are not there
/// was deleted by its reader in between, bytes that are not listed belong to a file that will be packed again. Answers how
/// many were `(forgotten, removed)`. Not for a hub that runs.
pub async fn reconcile(db: &Db, blobs: &Blobs) -> Result<(u64, u64)> {
    let mut tx = db.begin().await?;
    let listed = store::event_file::older_than(&mut tx, Timestamp::MAX, i64::MAX).await?;
    let mut unlisted: BTreeSet<String> = blobs.list(FOLDER).await?.into_iter().collect();
    let (mut forgotten, mut removed) = (0, 0);
    for file in listed {
        if unlisted.remove(&blob_key(file.account, file.endpoint, &file.name)) {
            continue;
        }
        let scope = Scope(file.account);
        store::event_file::delete(&mut tx, scope, file.endpoint, &file.name).await?;
        forgotten += 1;
    }
    tx.commit().await?;
    for key in unlisted {
        removed += u64::from(blobs.delete(&key).await?);
    }
    Ok((forgotten, removed))
}
