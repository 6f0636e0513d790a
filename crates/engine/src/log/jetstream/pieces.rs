//! Which number of ours a message of the stream has, and the other way round.
//!
//! A stream numbers its messages 1, 2, 3, … and cannot be told otherwise, while a log that was brought here from another
//! engine keeps its numbers: it may begin at 5,000, and have gaps. So numbers are the stream's plus an offset, and the
//! offset changes only at gaps. The pieces between them are kept in the stream's description, which every reader gets
//! with the stream's state.
//!
//! ```text
//!   stream     1     2     3     4     5        pieces  [(1, 4999), (4, 5996)]
//!   ours     5000  5001  5002  6000  6001
//! ```

use serde::{Deserialize, Serialize};

/// Gaps that a description has room for (4 KiB). They come from restored backups and migrations, one each.
pub(super) const PIECES_MAX: usize = 100;

/// What the description of a log's stream says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Numbering {
    /// Says whose stream it is, and in which format.
    rialto_log: u32,
    /// `(first, offset)`: from the message `first` on, ours is the stream's number plus `offset`. Ascending in both,
    /// never empty, the first begins at 1.
    pieces: Vec<(u64, u64)>,
    /// What is before this number is trimmed, also if the stream has it: the last message is never purged, so that a
    /// stream always knows where it was.
    pub(super) emptied: u64,
    /// The stream's number at which the log begins, once batches were rewritten: their messages are elsewhere, so that
    /// the stream's first one is not the log's. 0 before that.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(super) kept: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// The format that is written.
const FORMAT: u32 = 1;

impl Default for Numbering {
    fn default() -> Self {
        Self {
            rialto_log: FORMAT,
            pieces: vec![(1, 0)],
            emptied: 1,
            kept: 0,
        }
    }
}

impl Numbering {
    /// Reads a description; `None` if it is not that of a log.
    pub(super) fn parse(description: &str) -> Option<Self> {
        let read: Self = serde_json::from_str(description).ok()?;
        (read.rialto_log == FORMAT && read.pieces.first()?.0 == 1).then_some(read)
    }

    /// As a description.
    pub(super) fn text(&self) -> String {
        serde_json::to_string(self).expect("numbers can be written")
    }

    /// Our number of the stream's message `stream`.
    pub(super) fn ours(&self, stream: u64) -> u64 {
        let piece = self.pieces.partition_point(|(first, _)| *first <= stream);
        stream + self.pieces[piece.saturating_sub(1)].1
    }

    /// The stream's number of the first message whose number of ours is `ours` or higher.
    pub(super) fn stream(&self, ours: u64) -> u64 {
        let piece = self
            .pieces
            .partition_point(|(first, offset)| first + offset <= ours);
        let Some((_, offset)) = piece.checked_sub(1).map(|before| self.pieces[before]) else {
            return 1;
        };
        let next = self.pieces.get(piece).map_or(u64::MAX, |(first, _)| *first);
        (ours - offset).min(next)
    }

    /// Lets the message `stream`, which is not there yet, have the number `ours`, which is beyond all there are. False
    /// if there are too many gaps.
    pub(super) fn skip(&mut self, stream: u64, ours: u64) -> bool {
        if self.ours(stream) == ours {
            return true;
        }
        // A gap after a gap, with nothing between them.
        self.pieces.retain(|(first, _)| *first < stream);
        self.pieces.push((stream, ours - stream));
        self.pieces[0].0 = 1;
        self.pieces.len() <= PIECES_MAX
    }

    /// Forgets what lies wholly before the message `stream`.
    pub(super) fn forget(&mut self, stream: u64) {
        let gone = self.pieces.partition_point(|(first, _)| *first <= stream);
        self.pieces.drain(..gone.saturating_sub(1));
        self.pieces[0].0 = 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    #[test]
    fn a_log_that_began_here_has_the_streams_numbers() {
        let numbering = Numbering::default();
        for number in [1, 2, 1 << 51] {
            assert_eq!(numbering.ours(number), number);
            assert_eq!(numbering.stream(number), number);
        }
        assert_eq!(numbering.stream(0), 1);
        assert_eq!(Numbering::parse(&numbering.text()), Some(numbering));
        for other in [
            "",
            "my stream",
            "{}",
            r#"{"rialto_log":2,"pieces":[[1,0]],"emptied":1}"#,
        ] {
            assert_eq!(Numbering::parse(other), None, "{other}");
        }
    }

    #[test]
    fn gaps_shift_what_comes_after_them() {
        let mut numbering = Numbering::default();
        assert!(numbering.skip(1, 5_000) && numbering.skip(4, 6_000) && numbering.skip(4, 6_000));
        let ours: Vec<u64> = (1..6).map(|stream| numbering.ours(stream)).collect();
        assert_eq!(ours, [5_000, 5_001, 5_002, 6_000, 6_001]);
        for (ours, stream) in [
            (0, 1),
            (4_999, 1),
            (5_002, 3),
            (5_003, 4),
            (6_000, 4),
            (6_001, 5),
        ] {
            assert_eq!(numbering.stream(ours), stream, "{ours}");
        }
        numbering.forget(4);
        assert_eq!((numbering.ours(4), numbering.pieces.len()), (6_000, 1));
    }

    #[test]
    fn a_description_has_room_for_all_pieces() {
        let mut numbering = Numbering::default();
        let gaps = (1..).map(|n: u64| numbering.skip((1 << 50) + n * 2, (1 << 51) + n * 4));
        assert_eq!(gaps.take_while(|fits| *fits).count(), PIECES_MAX - 1);
        assert!(numbering.text().len() < 4096, "{}", numbering.text().len());
    }

    proptest! {
        #[test]
        fn both_ways_agree(gaps in vec((1..5_u64, 0..9_u64), 0..20)) {
            let (mut numbering, mut ours, mut stream) = (Numbering::default(), 1, 1);
            let mut numbers = Vec::new();
            for (messages, gap) in gaps {
                ours += gap;
                prop_assert!(numbering.skip(stream, ours));
                for _ in 0..messages {
                    numbers.push((stream, ours));
                    (stream, ours) = (stream + 1, ours + 1);
                }
            }
            for (stream, ours) in &numbers {
                prop_assert_eq!(numbering.ours(*stream), *ours);
            }
            for wanted in 0..ours {
                let found = numbers.iter().find(|(_, ours)| *ours >= wanted);
                prop_assert_eq!(numbering.stream(wanted), found.map_or(stream, |(stream, _)| *stream));
            }
        }
    }
}
