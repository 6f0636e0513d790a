//! A destination's pending set: the positions routed to it and not yet delivered.
//!
//! Kept as compressed bitmaps in chunks of 2^20 positions (256 batches), so that ten million waiting events cost a
//! few megabytes and a checkpoint writes only the chunks that changed. Owned by [`super::destination`].

use std::collections::{BTreeMap, BTreeSet};

use roaring::RoaringBitmap;

/// Positions in one chunk, as a power of two.
const CHUNK_BITS: u32 = 20;

/// A set of log positions.
#[derive(Debug, Default)]
pub(crate) struct PendingSet {
    chunks: BTreeMap<u64, RoaringBitmap>,
    len: u64,
    /// Chunks that may differ from what is stored.
    dirty: BTreeSet<u64>,
    /// Chunks that have a stored row.
    stored: BTreeSet<u64>,
}

/// What a checkpoint writes of one chunk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ChunkChange {
    Put(u64, Vec<u8>),
    Delete(u64),
}

fn split(position: u64) -> (u64, u32) {
    let offset = position & ((1 << CHUNK_BITS) - 1);
    (
        position >> CHUNK_BITS,
        u32::try_from(offset).unwrap_or_default(),
    )
}

/// The chunk in which a position is.
pub(super) fn chunk_of(position: u64) -> u64 {
    split(position).0
}

/// Whether a stored chunk holds a position.
pub(super) fn is_in(bytes: &[u8], position: u64) -> std::io::Result<bool> {
    Ok(RoaringBitmap::deserialize_from(bytes)?.contains(split(position).1))
}

impl PendingSet {
    /// Adds; `false` when it was there.
    pub(crate) fn insert(&mut self, position: u64) -> bool {
        let (chunk, offset) = split(position);
        let new = self.chunks.entry(chunk).or_default().insert(offset);
        if new {
            self.len += 1;
            self.dirty.insert(chunk);
        }
        new
    }

    /// Removes; `false` when it was not there.
    pub(crate) fn remove(&mut self, position: u64) -> bool {
        let (chunk, offset) = split(position);
        let Some(bits) = self.chunks.get_mut(&chunk) else {
            return false;
        };
        let was = bits.remove(offset);
        if was {
            self.len -= 1;
            self.dirty.insert(chunk);
            if bits.is_empty() {
                self.chunks.remove(&chunk);
            }
        }
        was
    }

    pub(crate) fn contains(&self, position: u64) -> bool {
        let (chunk, offset) = split(position);
        self.chunks
            .get(&chunk)
            .is_some_and(|bits| bits.contains(offset))
    }

    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(crate) fn first(&self) -> Option<u64> {
        let (chunk, bits) = self.chunks.first_key_value()?;
        bits.min()
            .map(|offset| (chunk << CHUNK_BITS) | u64::from(offset))
    }

    /// Members at or after `from`, in order.
    pub(crate) fn from(&self, from: u64) -> impl Iterator<Item = u64> + '_ {
        let (first, offset) = split(from);
        self.chunks.range(first..).flat_map(move |(&chunk, bits)| {
            let start = if chunk == first { offset } else { 0 };
            let mut members = bits.iter();
            members.advance_to(start);
            members.map(move |offset| (chunk << CHUNK_BITS) | u64::from(offset))
        })
    }

    /// Removes everything before `before`; answers how many. Whole chunks at a time.
    pub(crate) fn trim(&mut self, before: u64) -> u64 {
        let (last, offset) = split(before);
        let kept = self.chunks.split_off(&last);
        let whole = std::mem::replace(&mut self.chunks, kept);
        let mut gone = 0;
        for (chunk, bits) in whole {
            gone += bits.len();
            self.dirty.insert(chunk);
        }
        if let Some(bits) = self.chunks.get_mut(&last) {
            let removed = bits.remove_range(..offset);
            if removed > 0 {
                gone += removed;
                self.dirty.insert(last);
            }
            if bits.is_empty() {
                self.chunks.remove(&last);
            }
        }
        self.len -= gone;
        gone
    }

    /// What differs from what is stored; afterwards nothing does, as long as the caller stores it or calls
    /// [`PendingSet::not_saved`].
    pub(crate) fn take_changes(&mut self) -> Vec<ChunkChange> {
        let dirty = std::mem::take(&mut self.dirty);
        let mut changes = Vec::new();
        for chunk in dirty {
            if let Some(bits) = self.chunks.get_mut(&chunk) {
                bits.optimize();
                let mut bytes = Vec::with_capacity(bits.serialized_size());
                if bits.serialize_into(&mut bytes).is_ok() {
                    self.stored.insert(chunk);
                    changes.push(ChunkChange::Put(chunk, bytes));
                }
            } else if self.stored.remove(&chunk) {
                changes.push(ChunkChange::Delete(chunk));
            }
        }
        changes
    }

    /// The last changes did not reach the store: they are changes still.
    pub(crate) fn not_saved(&mut self, changes: &[ChunkChange]) {
        for change in changes {
            let (ChunkChange::Put(chunk, _) | ChunkChange::Delete(chunk)) = change;
            self.dirty.insert(*chunk);
            self.stored.insert(*chunk);
        }
    }

    /// A stored chunk, read at start. Damaged bytes are an error.
    pub(crate) fn load(&mut self, chunk: u64, bytes: &[u8]) -> std::io::Result<()> {
        let bits = RoaringBitmap::deserialize_from(bytes)?;
        self.stored.insert(chunk);
        self.len += bits.len();
        if let Some(old) = self.chunks.insert(chunk, bits) {
            self.len -= old.len();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_that_was_empty_and_is_empty_again_is_not_written() {
        let mut set = PendingSet::default();
        set.insert(5);
        set.remove(5);
        assert_eq!(set.take_changes(), vec![]);
    }

    #[test]
    fn what_is_saved_is_what_is_loaded() {
        let mut set = PendingSet::default();
        let members = [3, 4, 4095, 1 << 20, (7 << 20) + 9, u64::from(u32::MAX) << 8];
        for member in members {
            assert!(set.insert(member));
        }
        let mut copy = PendingSet::default();
        for change in set.take_changes() {
            let ChunkChange::Put(chunk, bytes) = change else {
                panic!("nothing was stored before")
            };
            copy.load(chunk, &bytes).expect("sound bytes");
        }
        assert_eq!(copy.from(0).collect::<Vec<_>>(), members);
        assert_eq!(copy.from(4).next(), Some(4));
        assert_eq!(copy.from(5).next(), Some(4095));
        assert_eq!(copy.len(), 6);
        assert_eq!(copy.trim(1 << 20), 3);
        assert_eq!(copy.first(), Some(1 << 20));
    }

    #[test]
    fn changes_that_were_not_saved_come_again() {
        let mut set = PendingSet::default();
        set.insert(1);
        let changes = set.take_changes();
        set.not_saved(&changes);
        assert_eq!(set.take_changes(), changes);
        assert_eq!(set.take_changes(), vec![]);
        set.remove(1);
        assert_eq!(set.take_changes(), vec![ChunkChange::Delete(0)]);
    }

    #[test]
    fn ten_million_waiting_events_cost_little() {
        let mut set = PendingSet::default();
        for batch in 0..2_500u64 {
            for index in 0..4_000 {
                set.insert((batch << 12) | index);
            }
        }
        assert_eq!(set.len(), 10_000_000);
        let bytes: usize = set
            .take_changes()
            .iter()
            .map(|change| {
                if let ChunkChange::Put(_, bytes) = change {
                    bytes.len()
                } else {
                    0
                }
            })
            .sum();
        assert!(bytes < 100_000, "{bytes} bytes");
    }
}
