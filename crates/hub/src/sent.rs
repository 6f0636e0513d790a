//! What shares have handed over: the digests by which an incremental run finds what came and went.
//!
//! A digest is made under a key of its share, so that nobody who reads the table can try values; the identifier beside it is
//! sealed, because it has to be told to the destination when its row is gone. Called by `flow/syndicate`, by `share`, and by
//! privacy requests, which make it forget people ([`Hub::sent_forget`]).

use model::record::Digest16;
use model::{JobId, ShareId};
use sha2::{Digest, Sha256};
use store::sent::SentShare;

use crate::{Error, Hub, Result, Scope};

/// What a share has handed over, with its key open.
#[derive(Clone)]
pub(crate) struct Sent {
    pub(crate) share: SentShare,
    key: Vec<u8>,
}

/// What binds a sealed value to its share and column.
fn purpose(share: ShareId, what: &str) -> String {
    format!("share {share} {what}")
}

impl Sent {
    /// Stands for an identifier, as the destination has it.
    pub(crate) fn digest(&self, identifier: &str) -> Digest16 {
        let digest = self.hash(b"identifier", std::iter::once(identifier));
        let mut half = [0; 16];
        half.copy_from_slice(&digest[..16]);
        half
    }

    /// Stands for a whole row.
    pub(crate) fn content<'v>(&self, values: impl Iterator<Item = &'v str>) -> i64 {
        let digest = self.hash(b"row", values);
        let mut eight = [0; 8];
        eight.copy_from_slice(&digest[..8]);
        i64::from_be_bytes(eight)
    }

    /// The key comes first, and only a part of the hash is kept: nothing can be added to what is hashed.
    fn hash<'v>(&self, what: &[u8], values: impl Iterator<Item = &'v str>) -> [u8; 32] {
        let mut hash = Sha256::new_with_prefix(&self.key);
        hash.update(what);
        for value in values {
            hash.update(value.len().to_be_bytes());
            hash.update(value);
        }
        hash.finalize().into()
    }
}

impl Hub {
    /// What a share has handed over; one that has never run gets its key here.
    pub(crate) async fn sent(&self, scope: Scope, share: ShareId) -> Result<Sent> {
        let mut tx = self.db.begin().await?;
        if let Some(known) = store::sent::share(&mut tx, scope, share).await? {
            drop(tx);
            return self.open_sent(known);
        }
        let key = store::vault::new_key()?.into_bytes();
        let new = SentShare {
            share,
            digest_key: self.vault.seal(&purpose(share, "digest key"), &key)?,
            job: None,
            rows_read: 0,
            rows_sent: 0,
        };
        store::sent::put_share(&mut tx, scope, &new, self.now()).await?;
        tx.commit().await?;
        Ok(Sent { share: new, key })
    }

    fn open_sent(&self, share: SentShare) -> Result<Sent> {
        let purpose = purpose(share.share, "digest key");
        let key = self.vault.open(&purpose, &share.digest_key)?;
        Ok(Sent { share, key })
    }

    pub(crate) fn seal_sent(&self, share: ShareId, identifier: &str) -> Result<Vec<u8>> {
        let purpose = purpose(share, "identifier");
        Ok(self.vault.seal(&purpose, identifier.as_bytes())?)
    }

    pub(crate) fn unseal_sent(&self, share: ShareId, sealed: &[u8]) -> Result<String> {
        let clear = self.vault.open(&purpose(share, "identifier"), sealed)?;
        String::from_utf8(clear).map_err(Error::internal)
    }

    /// Forgets that these values were ever handed over, by any share of the account, in clear or in any form in which they
    /// are given here; answers how many rows were forgotten. What a destination has of them, it has still: it must be told.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn sent_forget(&self, scope: Scope, values: &[&str]) -> Result<u64> {
        let shares = store::sent::shares(&mut self.db.read().await?, scope).await?;
        let mut forgotten = 0;
        for share in shares {
            let sent = self.open_sent(share)?;
            let digests: Vec<Digest16> = values.iter().map(|value| sent.digest(value)).collect();
            let mut tx = self.db.begin().await?;
            forgotten += store::sent::forget(&mut tx, scope, sent.share.share, &digests).await?;
            tx.commit().await?;
        }
        Ok(forgotten)
    }

    /// Forgets what a share that has ended has handed over.
    pub(crate) async fn sent_drop(&self, scope: Scope, share: ShareId) -> Result<()> {
        loop {
            let mut tx = self.db.begin().await?;
            let is_more = store::sent::drop_share(&mut tx, scope, share).await?;
            tx.commit().await?;
            if !is_more {
                return Ok(());
            }
        }
    }

    /// A run has ended well, in the caller's transaction.
    pub(crate) async fn sent_note(
        &self,
        tx: &mut engine::Tx,
        scope: Scope,
        sent: &Sent,
        (job, rows_read, rows_sent): (JobId, u64, u64),
    ) -> Result<()> {
        let share = SentShare {
            job: Some(job),
            rows_read,
            rows_sent,
            ..sent.share.clone()
        };
        Ok(store::sent::put_share(tx, scope, &share, self.now()).await?)
    }
}
