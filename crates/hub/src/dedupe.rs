//! The index of publishers' own keys: what was published under which event id or idempotency key.
//!
//! A key is in one of three places: reserved (a call that carries it is under way), in memory (durable in the log, not
//! yet in the store), or in the store. It reaches the store with the router's checkpoint; what a crash kept from
//! getting there is read again from the log at start ([`Hub::recover_keys`]), before the first call is taken.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use engine::Tx;
use model::AccountId;
use model::record::{Digest16, Entry};
use store::dedupe::{EventKey, IdempotencyKey};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

use crate::shard::Shard;
use crate::{Error, Hub, Result};

/// What is known of a key.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Known {
    /// Published at this position.
    Event { position: u64 },
    /// Answered so.
    Call(IdempotencyKey),
}

#[derive(Debug, Clone, Copy)]
enum Slot {
    Reserved,
    Known(Known),
}

#[derive(Default)]
struct Slots {
    by_digest: HashMap<Digest16, Slot>,
    /// Rises when keys move to the store, so that a look into the store that is older than that is made again.
    epoch: u64,
}

/// Claims in the database at a time: each holds a connection until the log has answered, and the flow needs some too.
const CLAIMS_MAX: usize = 4;

pub struct Dedupe {
    slots: Mutex<Slots>,
    /// A reservation has ended.
    settled: Notify,
    claims: Arc<Semaphore>,
}

impl Default for Dedupe {
    fn default() -> Self {
        Self {
            slots: Mutex::default(),
            settled: Notify::new(),
            claims: Arc::new(Semaphore::new(CLAIMS_MAX)),
        }
    }
}

/// What a look at some keys found.
pub(crate) struct Look {
    epoch: u64,
    pub(crate) known: HashMap<Digest16, Known>,
}

impl Dedupe {
    fn slots(&self) -> MutexGuard<'_, Slots> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What memory knows of these keys, once none of them is reserved by another call.
    async fn look(&self, digests: &[Digest16]) -> Look {
        loop {
            let settled = self.settled.notified();
            tokio::pin!(settled);
            settled.as_mut().enable();
            {
                let slots = self.slots();
                let mut known = HashMap::new();
                let mut is_reserved = false;
                for digest in digests {
                    match slots.by_digest.get(digest) {
                        Some(Slot::Reserved) => is_reserved = true,
                        Some(Slot::Known(found)) => {
                            known.insert(*digest, *found);
                        }
                        None => {}
                    }
                }
                if !is_reserved {
                    return Look {
                        epoch: slots.epoch,
                        known,
                    };
                }
            }
            settled.await;
        }
    }

    /// Reserves keys, unless something has changed since `epoch`.
    fn reserve(&self, epoch: u64, digests: &[Digest16]) -> bool {
        let mut slots = self.slots();
        if slots.epoch != epoch
            || digests
                .iter()
                .any(|digest| slots.by_digest.contains_key(digest))
        {
            return false;
        }
        for digest in digests {
            slots.by_digest.insert(*digest, Slot::Reserved);
        }
        true
    }

    /// These are in the store now.
    pub(crate) fn saved(&self, events: &[EventKey], calls: &[IdempotencyKey]) {
        if events.is_empty() && calls.is_empty() {
            return;
        }
        let mut slots = self.slots();
        slots.epoch += 1;
        for digest in events
            .iter()
            .map(|key| &key.digest)
            .chain(calls.iter().map(|key| &key.digest))
        {
            slots.by_digest.remove(digest);
        }
    }

    /// These are durable, and in the log.
    fn fulfil(&self, known: impl IntoIterator<Item = (Digest16, Known)>) {
        let mut slots = self.slots();
        for (digest, found) in known {
            // A slot that is gone was saved in the meantime: the router was faster than we. Then the store answers,
            // and what we put here would stay for ever.
            if let Some(slot) = slots.by_digest.get_mut(&digest) {
                *slot = Slot::Known(found);
            }
        }
    }

    fn put(&self, digest: Digest16, known: Known) {
        self.slots().by_digest.insert(digest, Slot::Known(known));
    }
}

/// Keys held by one call; given back when dropped, unless they were fulfilled.
pub(crate) struct Reservation {
    hub: Arc<Hub>,
    held: Held,
}

enum Held {
    /// In the memory of this process: no other one publishes.
    Here(Vec<Digest16>),
    /// In the database, as rows that this transaction has written: another process that brings one of these keys waits
    /// for its end.
    Shared(Tx, OwnedSemaphorePermit),
}

impl Reservation {
    /// The call's events are durable: whoever brings these keys again is told so.
    pub(crate) async fn fulfil(mut self, account: AccountId, known: Vec<(Digest16, Known)>) {
        let held = std::mem::replace(&mut self.held, Held::Here(Vec::new()));
        match held {
            Held::Here(digests) => {
                self.hub.dedupe.fulfil(known);
                self.held = Held::Here(digests);
            }
            Held::Shared(tx, _permit) => {
                // The events are in the log: they are published, and the router saves their keys once more.
                if let Err(error) = self.hub.save_keys(tx, account, &known).await {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "the keys of a publication could not be saved; the router tries again"
                    );
                }
            }
        }
    }

    /// Keeps the answer to a call that appends nothing: no record of the log carries its key.
    pub(crate) async fn save_call(mut self, call: IdempotencyKey) -> Result<()> {
        let known = [(call.digest, Known::Call(call))];
        match std::mem::replace(&mut self.held, Held::Here(Vec::new())) {
            Held::Shared(tx, _permit) => self.hub.save_keys(tx, call.account, &known).await,
            Held::Here(digests) => {
                self.held = Held::Here(digests);
                let tx = self.hub.db.begin().await?;
                self.hub.save_keys(tx, call.account, &known).await?;
                self.hub.dedupe.saved(&[], &[call]);
                Ok(())
            }
        }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        let Held::Here(digests) = &self.held else {
            return;
        };
        let mut slots = self.hub.dedupe.slots();
        for digest in digests {
            if matches!(slots.by_digest.get(digest), Some(Slot::Reserved)) {
                slots.by_digest.remove(digest);
            }
        }
        drop(slots);
        self.hub.dedupe.settled.notify_waiters();
    }
}

impl Hub {
    /// What is known of these keys; those that are not known are reserved for the caller.
    pub(crate) async fn claim_keys(
        self: &Arc<Self>,
        call: Option<Digest16>,
        events: &[Digest16],
    ) -> Result<(HashMap<Digest16, Known>, Reservation)> {
        if self.is_shared() {
            return self.claim_shared(call, events).await;
        }
        let now = self.now();
        let all: Vec<Digest16> = call.into_iter().chain(events.iter().copied()).collect();
        loop {
            let mut look = self.dedupe.look(&all).await;
            let mut tx = self.db.read().await?;
            if let Some(digest) = call.filter(|digest| !look.known.contains_key(digest))
                && let Some(key) = store::dedupe::idempotency(&mut tx, digest, now).await?
            {
                look.known.insert(digest, Known::Call(key));
            }
            let unknown: Vec<Digest16> = events
                .iter()
                .copied()
                .filter(|d| !look.known.contains_key(d))
                .collect();
            for key in store::dedupe::events(&mut tx, &unknown, now).await? {
                look.known.insert(
                    key.digest,
                    Known::Event {
                        position: key.position,
                    },
                );
            }
            drop(tx);
            let digests: Vec<Digest16> = all
                .iter()
                .copied()
                .filter(|d| !look.known.contains_key(d))
                .collect();
            if self.dedupe.reserve(look.epoch, &digests) {
                return Ok((
                    look.known,
                    Reservation {
                        hub: Arc::clone(self),
                        held: Held::Here(digests),
                    },
                ));
            }
        }
    }

    /// The same among processes: a key is a row, which whoever writes it first holds until its transaction ends.
    async fn claim_shared(
        self: &Arc<Self>,
        call: Option<Digest16>,
        events: &[Digest16],
    ) -> Result<(HashMap<Digest16, Known>, Reservation)> {
        let now = self.now();
        let mut known = HashMap::new();
        let permit = Arc::clone(&self.dedupe.claims).acquire_owned().await;
        let permit = permit.map_err(Error::internal)?;
        let mut tx = self.db.begin().await?;
        if let Some(digest) = call
            && !store::dedupe::claim_call(&mut tx, digest, now).await?
            && let Some(key) = store::dedupe::idempotency(&mut tx, digest, now).await?
        {
            known.insert(digest, Known::Call(key));
        } else {
            // Everybody in the same order, so that nobody waits in a circle.
            let mut digests = events.to_vec();
            digests.sort_unstable();
            digests.dedup();
            let taken = store::dedupe::claim_events(&mut tx, &digests, now).await?;
            for key in store::dedupe::events(&mut tx, &taken, now).await? {
                let position = key.position;
                known.insert(key.digest, Known::Event { position });
            }
        }
        let reservation = Reservation {
            hub: Arc::clone(self),
            held: Held::Shared(tx, permit),
        };
        Ok((known, reservation))
    }

    /// Writes what is known of keys, and ends the transaction.
    async fn save_keys(
        &self,
        mut tx: Tx,
        account: AccountId,
        known: &[(Digest16, Known)],
    ) -> Result<()> {
        let expires_at = self.now() + self.options.dedupe.event_window;
        let mut events = Vec::new();
        let mut calls = Vec::new();
        for (digest, known) in known {
            match *known {
                Known::Call(call) => calls.push(call),
                Known::Event { position } => events.push(EventKey {
                    digest: *digest,
                    account,
                    position,
                    ordinal: 0,
                    expires_at,
                }),
            }
        }
        store::dedupe::put_event_keys(&mut tx, &events).await?;
        store::dedupe::put_idempotency_keys(&mut tx, &calls).await?;
        Ok(tx.commit().await?)
    }

    /// Reads the keys that had not reached the store from the log, at start.
    pub(crate) async fn recover_keys(&self, shard: Shard) -> Result<()> {
        const BATCHES: usize = 64;
        const BYTES: usize = 16 << 20;
        let mut from = self.flow.saved_seq(shard);
        loop {
            let batches = self.read_log(shard, from, BATCHES, BYTES).await?;
            let Some(last) = batches.last() else {
                return Ok(());
            };
            from = last.seq() + 1;
            for batch in &batches {
                for (position, bytes) in batch.iter() {
                    let Ok(entry) = Entry::decode(bytes) else {
                        continue;
                    };
                    self.recover_entry(position.as_u64(), &entry);
                }
            }
        }
    }

    fn recover_entry(&self, position: u64, entry: &Entry<'_>) {
        let published_at_us = match entry {
            Entry::Document(document) => {
                for digest in document.events.iter().filter_map(|event| event.key) {
                    self.dedupe.put(digest, Known::Event { position });
                }
                document.published_at_us
            }
            Entry::Refused(refused) => refused.published_at_us,
        };
        if let Some(idempotency) = entry.idempotency() {
            let key = self.idempotency_key(position, entry.account(), idempotency, published_at_us);
            self.dedupe.put(idempotency.key, Known::Call(key));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: Digest16 = [7; 16];

    fn saved() -> EventKey {
        EventKey {
            digest: KEY,
            account: AccountId(1),
            position: 5,
            ordinal: 0,
            expires_at: jiff::Timestamp::MAX,
        }
    }

    #[tokio::test]
    async fn a_key_is_known_from_when_it_is_durable_until_it_is_saved() {
        let dedupe = Dedupe::default();
        let before = dedupe.look(&[KEY]).await;
        assert!(before.known.is_empty());
        assert!(dedupe.reserve(before.epoch, &[KEY]));
        assert!(!dedupe.reserve(before.epoch, &[KEY]), "it is held");
        dedupe.fulfil([(KEY, Known::Event { position: 5 })]);
        assert!(dedupe.look(&[KEY]).await.known.contains_key(&KEY));
        dedupe.saved(&[saved()], &[]);
        assert!(dedupe.look(&[KEY]).await.known.is_empty());
        assert!(
            !dedupe.reserve(before.epoch, &[KEY]),
            "who looked before it was saved has to look again"
        );
    }

    /// The router reads the log and saves the key before the call that wrote it goes on.
    #[tokio::test]
    async fn a_key_that_was_saved_first_does_not_stay_for_ever() {
        let dedupe = Dedupe::default();
        let epoch = dedupe.look(&[KEY]).await.epoch;
        assert!(dedupe.reserve(epoch, &[KEY]));
        dedupe.saved(&[saved()], &[]);
        dedupe.fulfil([(KEY, Known::Event { position: 5 })]);
        assert!(dedupe.look(&[KEY]).await.known.is_empty());
    }
}
