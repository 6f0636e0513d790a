//! Where a record is in the log. Kept by `hub` in cursors and pending sets, as one integer.

/// The place of a record: its batch, and its index in it. Ordered as the log is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position(u64);

/// Bits of a position that are the index: a batch has at most 4096 records.
const INDEX_BITS: u32 = 12;

const INDEX_MASK: u64 = (1 << INDEX_BITS) - 1;

/// The highest batch there can be: a thousand commits a second get there in 142,000 years.
pub(super) const SEQ_MAX: u64 = (1 << (64 - INDEX_BITS)) - 1;

impl Position {
    /// The record `index` of batch `seq`.
    ///
    /// # Panics
    /// If `index` is above 4095 or `seq` needs more than 52 bits: no such record can exist.
    #[must_use]
    pub fn new(seq: u64, index: u16) -> Self {
        let index = u64::from(index);
        assert!(
            seq <= SEQ_MAX && index <= INDEX_MASK,
            "no log has a position ({seq}, {index})"
        );
        Self(seq << INDEX_BITS | index)
    }

    /// The position that [`Position::as_u64`] gave.
    #[must_use]
    pub const fn from_u64(position: u64) -> Self {
        Self(position)
    }

    /// As one integer, in the same order.
    #[must_use]
    pub const fn as_u64(self) -> u64 {
        self.0
    }

    /// The batch.
    #[must_use]
    pub const fn seq(self) -> u64 {
        self.0 >> INDEX_BITS
    }

    /// The index in the batch: 0 to 4095.
    #[must_use]
    pub const fn index(self) -> u16 {
        (self.0 & INDEX_MASK) as u16
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_position_is_its_parts_and_orders_like_them(
            a in (0..=SEQ_MAX, 0..4096_u16), b in (0..=SEQ_MAX, 0..4096_u16),
        ) {
            let (x, y) = (Position::new(a.0, a.1), Position::new(b.0, b.1));
            prop_assert_eq!((x.seq(), x.index()), a);
            prop_assert_eq!(Position::from_u64(x.as_u64()), x);
            prop_assert_eq!(x.cmp(&y), a.cmp(&b));
            prop_assert_eq!(x.as_u64().cmp(&y.as_u64()), a.cmp(&b));
        }
    }

    #[test]
    #[should_panic(expected = "no log has a position (1, 4096)")]
    fn an_index_that_no_batch_has_is_a_mistake() {
        let _ = Position::new(1, 4096);
    }
}
