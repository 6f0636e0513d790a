//! A batch: the records of one commit, and the bytes in which a log keeps them.
//!
//! Formats 1 and 2 (`log_batch.format`), never to change:
//!
//! ```text
//!   1: stored = frame               where what lies around the batch has checksums of its own, and the number comes later
//!   2: stored = frame, gap, seal    where it has none: a damaged page must not give a batch another number or time
//!
//!   frame = zstd frame (with content size and content checksum) of:
//!   plain = { length: u32, little endian; that many bytes } for each record
//!   gap   = u64, little endian: how many numbers before this batch's were never given to any
//!   seal  = u64, little endian: a digest of the number, the time, the records' count, the gap and the frame's checksum
//! ```
//!
//! Also a batch that does not compress is in a zstd frame: it costs a dozen bytes, and one format
//! means one checksum and one reader. Every later format gets the next number, and every number
//! ever released stays readable.
//!
//! [`decode`] is total: whatever the bytes, it answers a batch or says what is wrong with them,
//! and takes at most [`BATCH_BYTES_MAX`] of memory for them.

use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use zstd::bulk::{Compressor, Decompressor};
use zstd::zstd_safe;

use super::LogError;
use super::position::{Position, SEQ_MAX};
use crate::blocking::blocking;

/// The most records of a batch: what the index of a [`Position`] can count.
pub const BATCH_RECORDS_MAX: usize = 4096;

/// The most bytes of a batch before compression, with four for each record's length. A bound for
/// decoding and for one append; batches of several appends stay below `LogOptions::batch_bytes_max`.
pub const BATCH_BYTES_MAX: usize = 32 << 20;

/// The format of a frame alone.
pub(super) const FRAME: i64 = 1;

/// The format of a frame with its seal.
pub(super) const SEALED: i64 = 2;

/// The newest format.
pub(super) const FORMAT_MAX: i64 = SEALED;

/// Level 1: commits wait for it, and higher levels gain little on JSON.
const ZSTD_LEVEL: i32 = 1;

/// What is tried where level 1 leaves a frame a little too long for a place.
const SMALLER_LEVELS: [i32; 4] = [3, 6, 12, 19];

/// How a frame begins that readers skip (RFC 8878, 3.1.2): this, and the length of what follows, 4 bytes each. Ours has
/// at least 4 bytes more.
const SKIPPED_MAGIC: u32 = 0x184d_2a50;
const SKIPPED_MIN: usize = 12;

/// Bytes that are encoded in a fraction of a millisecond.
const ENCODED_AT_ONCE_MAX: usize = 64 << 10;

/// Bytes before each record: its length.
const PREFIX: usize = 4;

/// Bytes behind a frame: gap and seal.
const GAP: usize = 8;
const SEAL: usize = 8;

/// One committed batch, decompressed.
#[derive(Clone, PartialEq, Eq)]
pub struct Batch {
    seq: u64,
    appended_at: Timestamp,
    plain: Vec<u8>,
    /// Where each record ends in `plain`.
    ends: Vec<usize>,
}

impl Batch {
    /// Puts records into the batch `seq`. The caller keeps to the two bounds.
    pub(super) fn new<'a>(
        seq: u64,
        appended_at: Timestamp,
        records: impl Iterator<Item = &'a Vec<u8>> + Clone,
    ) -> Self {
        let bytes = records.clone().map(|record| cost(record)).sum();
        let mut plain = Vec::with_capacity(bytes);
        let mut ends = Vec::new();
        for record in records {
            let length = u32::try_from(record.len()).expect("an append is at most 32 MiB");
            plain.extend_from_slice(&length.to_le_bytes());
            plain.extend_from_slice(record);
            ends.push(plain.len());
        }
        Self {
            seq,
            appended_at,
            plain,
            ends,
        }
    }

    /// The same with another number.
    pub(super) fn numbered(self, seq: u64) -> Self {
        Self { seq, ..self }
    }

    /// The batch, or if it is older than `micros`, its like of that time: times never go back in a log.
    pub(super) fn not_before(batch: &Arc<Self>, micros: i64) -> Arc<Self> {
        match Timestamp::from_microsecond(micros) {
            Ok(floor) if batch.appended_at < floor => Arc::new(Self {
                appended_at: floor,
                ..Self::clone(batch)
            }),
            _ => Arc::clone(batch),
        }
    }

    /// The batch with only those records that `is_kept` names; the others are empty, so that all keep their positions.
    /// `None` if none is kept.
    #[must_use]
    pub fn emptied(&self, is_kept: impl Fn(&[u8]) -> bool) -> Option<Self> {
        let records: Vec<Vec<u8>> = self
            .iter()
            .map(|(_, record)| if is_kept(record) { record } else { &[] }.to_vec())
            .collect();
        let is_any = records.iter().any(|record| !record.is_empty());
        is_any.then(|| Self::new(self.seq, self.appended_at, records.iter()))
    }

    /// The batch without the records that `is_gone` names: these are empty, so that all others keep their positions.
    /// `None` if it names none that is not empty already.
    #[must_use]
    pub fn without(&self, is_gone: impl Fn(Position, &[u8]) -> bool) -> Option<Self> {
        let mut is_any = false;
        let mut records = Vec::with_capacity(self.len());
        for (position, record) in self.iter() {
            let is_gone = !record.is_empty() && is_gone(position, record);
            is_any |= is_gone;
            records.push(if is_gone { &[] } else { record }.to_vec());
        }
        is_any.then(|| Self::new(self.seq, self.appended_at, records.iter()))
    }

    /// The batch under the number and time that it was given when it was written.
    #[cfg(feature = "distributed")]
    pub(super) fn placed(self, seq: u64, appended_at: Timestamp) -> Self {
        Self {
            seq,
            appended_at,
            ..self
        }
    }

    /// Its place in the log.
    #[must_use]
    pub fn seq(&self) -> u64 {
        self.seq
    }

    /// When it was appended, by the log's clock, to the microsecond.
    #[must_use]
    pub fn appended_at(&self) -> Timestamp {
        self.appended_at
    }

    /// How many records it has: 1 to 4096.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "no batch is empty")]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// The bytes it takes in memory, about.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.plain.len() + self.ends.len() * size_of::<usize>()
    }

    /// The record at `index`.
    #[must_use]
    pub fn record(&self, index: u16) -> Option<&[u8]> {
        let index = usize::from(index);
        let end = *self.ends.get(index)?;
        let start = index.checked_sub(1).map_or(0, |before| self.ends[before]) + PREFIX;
        self.plain.get(start..end)
    }

    /// All records, with their positions, in order.
    pub fn iter(&self) -> impl Iterator<Item = (Position, &[u8])> {
        (0_u16..).map_while(|index| {
            let record = self.record(index)?;
            Some((Position::new(self.seq, index), record))
        })
    }
}

impl fmt::Debug for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seq, at, records, bytes) = (self.seq, self.appended_at, self.len(), self.plain.len());
        write!(f, "Batch {seq} of {at}: {records} records, {bytes} bytes")
    }
}

/// What a record adds to a batch.
pub(super) fn cost(record: &[u8]) -> usize {
    PREFIX.saturating_add(record.len())
}

/// Turns batches into stored bytes; keeps the compressor's tables between them.
pub(super) struct Encoder {
    compressor: Compressor<'static>,
}

impl Encoder {
    pub(super) fn new() -> io::Result<Self> {
        let mut compressor = Compressor::new(ZSTD_LEVEL)?;
        compressor.set_parameter(zstd_safe::CParameter::ChecksumFlag(true))?;
        Ok(Self { compressor })
    }

    pub(super) fn encode(&mut self, batch: &Batch) -> io::Result<Vec<u8>> {
        self.compressor.compress(&batch.plain)
    }

    /// What takes the place of `stored`, the bytes of the batch before records were taken out of it: of the same format
    /// and, if possible, of the same length, so that it lies exactly over them. The difference is filled with a zstd
    /// frame that says of itself that it is to be skipped; it ends in the checksum of the real one, for the seal.
    pub(super) fn encode_over(
        &mut self,
        batch: &Batch,
        format: i64,
        stored: &[u8],
    ) -> io::Result<Vec<u8>> {
        let gap = gap(format, stored);
        let room = stored.len() - gap.map_or(0, |_| (GAP + SEAL).min(stored.len()));
        let mut frame = self.encode(batch)?;
        for level in SMALLER_LEVELS {
            if frame.len() == room || frame.len() + SKIPPED_MIN <= room {
                break;
            }
            self.compressor.set_compression_level(level)?;
            frame = self.encode(batch)?;
        }
        self.compressor.set_compression_level(ZSTD_LEVEL)?;
        if frame.len() + SKIPPED_MIN <= room {
            let length = u32::try_from(room - frame.len() - 8).unwrap_or(u32::MAX);
            let checksum = frame.last_chunk::<4>().copied().unwrap_or_default();
            frame.extend_from_slice(&SKIPPED_MAGIC.to_le_bytes());
            frame.extend_from_slice(&length.to_le_bytes());
            frame.resize(room - checksum.len(), 0);
            frame.extend_from_slice(&checksum);
        }
        Ok(match gap {
            Some(gap) => sealed(batch, gap, frame),
            None => frame,
        })
    }
}

/// A batch, and its bytes as [`FRAME`].
#[derive(Debug)]
pub(super) struct Encoded {
    pub(super) batch: Batch,
    pub(super) frame: Vec<u8>,
}

/// Encodes batches, off the runtime if it takes long.
pub(super) async fn encode(batches: Vec<Batch>) -> Result<Vec<Encoded>, LogError> {
    /// Those that nobody uses just now: as many as were used at the same moment.
    static ENCODERS: Mutex<Vec<Encoder>> = Mutex::new(Vec::new());
    let idle = || ENCODERS.lock().unwrap_or_else(PoisonError::into_inner);
    let takes_long = batches.iter().map(Batch::bytes).sum::<usize>() > ENCODED_AT_ONCE_MAX;
    let encode = move || {
        let known = idle().pop();
        let mut encoder = known.map_or_else(Encoder::new, Ok)?;
        let encoded = batches.into_iter().map(|batch| {
            let frame = encoder.encode(&batch)?;
            Ok(Encoded { batch, frame })
        });
        let encoded = encoded.collect::<io::Result<_>>()?;
        idle().push(encoder);
        Ok(encoded)
    };
    let encoded = if takes_long {
        blocking(encode).await?
    } else {
        encode()
    };
    encoded.map_err(|error: io::Error| LogError::unavailable(error))
}

/// Those before the first that is damaged, which the next read meets first; its error if there are none.
#[cfg(feature = "distributed")]
pub(super) fn sound(
    decoded: Vec<Result<Arc<Batch>, LogError>>,
) -> Result<Vec<Arc<Batch>>, LogError> {
    let mut sound = Vec::with_capacity(decoded.len());
    for batch in decoded {
        match batch {
            Ok(batch) => sound.push(batch),
            Err(_) if !sound.is_empty() => break,
            Err(error) => return Err(error),
        }
    }
    Ok(sound)
}

/// A frame with what format 2 puts behind it: for a batch whose number and time are known, and how many numbers before it
/// no batch has.
pub(super) fn sealed(batch: &Batch, gap: u64, mut frame: Vec<u8>) -> Vec<u8> {
    let micros = batch.appended_at.as_microsecond();
    let records = i64::try_from(batch.len()).unwrap_or(i64::MAX);
    let seal = seal(batch.seq, micros, records, gap, &frame);
    frame.extend_from_slice(&gap.to_le_bytes());
    frame.extend_from_slice(&seal.to_le_bytes());
    frame
}

/// What format 2 puts behind a frame. It need not withstand anybody, only bits that flip and pages that go astray.
fn seal(seq: u64, appended_at: i64, records: i64, gap: u64, frame: &[u8]) -> u64 {
    let checksum = frame.last_chunk::<4>().copied().unwrap_or_default();
    let words = [
        seq,
        appended_at.cast_unsigned(),
        records.cast_unsigned(),
        gap,
        u64::from(u32::from_le_bytes(checksum)),
    ];
    // Each step is the finalizer of SplitMix64, in which every bit of its input changes half of the output's.
    words.into_iter().fold(0, |state: u64, word| {
        let mut mixed = (state ^ word).wrapping_add(0x9e37_79b9_7f4a_7c15);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    })
}

/// What lies behind a sealed batch's frame, and the frame.
fn unsealed(stored: &[u8]) -> Option<(&[u8], u64, u64)> {
    let (rest, seal) = stored.split_last_chunk::<SEAL>()?;
    let (frame, gap) = rest.split_last_chunk::<GAP>()?;
    Some((frame, u64::from_le_bytes(*gap), u64::from_le_bytes(*seal)))
}

/// How many numbers before a batch that was decoded no batch has; `None` where that was not noted.
pub(super) fn gap(format: i64, stored: &[u8]) -> Option<u64> {
    let (_, gap, _) = unsealed(stored).filter(|_| format == SEALED)?;
    Some(gap)
}

/// Reads the row of a batch: its columns `seq`, `appended_at` (microseconds), `format`, `records`
/// and `bytes`, whatever they hold.
///
/// # Errors
/// [`LogError::Corrupt`].
pub fn decode(
    seq: u64,
    appended_at: i64,
    format: i64,
    records: i64,
    stored: &[u8],
) -> Result<Batch, LogError> {
    let corrupt = |what| LogError::Corrupt { seq, what };
    if seq > SEQ_MAX {
        return Err(corrupt("its number is beyond the last there can be"));
    }
    let frame = match format {
        FRAME => stored,
        SEALED => match unsealed(stored) {
            Some((frame, gap, found)) if seal(seq, appended_at, records, gap, frame) == found => {
                frame
            }
            _ => {
                return Err(corrupt(
                    "its number, time or bytes are not those that were written",
                ));
            }
        },
        _ => {
            return Err(corrupt(
                "its format is unknown: it was written by a newer release, or overwritten",
            ));
        }
    };
    let appended_at = Timestamp::from_microsecond(appended_at)
        .map_err(|_| corrupt("its time is out of range"))?;
    let plain = decompress(frame).map_err(corrupt)?;
    let ends = ends(&plain).map_err(corrupt)?;
    if i64::try_from(ends.len()) != Ok(records) {
        return Err(corrupt("it holds more or fewer records than it should"));
    }
    Ok(Batch {
        seq,
        appended_at,
        plain,
        ends,
    })
}

fn decompress(stored: &[u8]) -> Result<Vec<u8>, &'static str> {
    let size = match zstd_safe::get_frame_content_size(stored) {
        Ok(Some(size)) => usize::try_from(size)
            .ok()
            .filter(|size| *size <= BATCH_BYTES_MAX),
        _ => return Err("its bytes are not a zstd frame that tells its size"),
    };
    let Some(size) = size else {
        return Err("its bytes say that they hold more than a batch can");
    };
    Decompressor::new()
        .and_then(|mut decompressor| decompressor.decompress(stored, size))
        .map_err(|_| "its bytes do not decompress, or their checksum is wrong")
}

fn ends(plain: &[u8]) -> Result<Vec<usize>, &'static str> {
    let mut ends = Vec::new();
    let mut rest = plain;
    while !rest.is_empty() {
        let (length, after) = rest
            .split_first_chunk::<PREFIX>()
            .ok_or("it ends within a length")?;
        let length = usize::try_from(u32::from_le_bytes(*length)).unwrap_or(usize::MAX);
        rest = after.get(length..).ok_or("it ends within a record")?;
        ends.push(plain.len() - rest.len());
        if ends.len() > BATCH_RECORDS_MAX {
            return Err("it has more records than a batch can");
        }
    }
    if ends.is_empty() {
        Err("it has no records")
    } else {
        Ok(ends)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    const MICROS: i64 = 1_700_000_000_000_000;

    fn batch(records: &[Vec<u8>]) -> Batch {
        Batch::new(
            7,
            Timestamp::from_microsecond(MICROS).expect("a time"),
            records.iter(),
        )
    }

    fn stored(records: &[Vec<u8>]) -> Vec<u8> {
        Encoder::new()
            .expect("zstd")
            .encode(&batch(records))
            .expect("zstd")
    }

    fn what(result: Result<Batch, LogError>) -> &'static str {
        match result {
            Err(LogError::Corrupt { seq: 7, what }) => what,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_stored_format_is_the_one_released() {
        let released = [
            40, 181, 47, 253, 36, 11, 89, 0, 0, 3, 0, 0, 0, 111, 110, 101, 0, 0, 0, 0, 245, 47, 73,
            254,
        ];
        let records = [b"one".to_vec(), Vec::new()];
        assert_eq!(stored(&records), released);
        assert_eq!(
            decode(7, MICROS, 1, 2, &released).expect("readable for ever"),
            batch(&records)
        );
    }

    #[test]
    fn the_sealed_format_is_the_one_released() {
        let released = [
            40, 181, 47, 253, 36, 11, 89, 0, 0, 3, 0, 0, 0, 111, 110, 101, 0, 0, 0, 0, 245, 47, 73,
            254, 5, 0, 0, 0, 0, 0, 0, 0, 120, 255, 107, 125, 200, 220, 81, 199,
        ];
        let batch = batch(&[b"one".to_vec(), Vec::new()]);
        let mut encoder = Encoder::new().expect("zstd");
        let frame = encoder.encode(&batch).expect("zstd");
        assert_eq!(sealed(&batch, 5, frame), released);
        assert_eq!(
            decode(7, MICROS, 2, 2, &released).expect("readable for ever"),
            batch
        );
        assert_eq!((gap(2, &released), gap(1, &released)), (Some(5), None));
        for (seq, micros, records, format) in
            [(8, 0, 2, 2), (7, 1, 2, 2), (7, 0, 3, 2), (7, 0, 2, 1)]
        {
            let read = decode(seq, MICROS + micros, format, records, &released);
            assert!(read.is_err(), "{seq} {micros} {records} {format}");
        }
    }

    #[test]
    fn damage_is_named() {
        let good = stored(&[b"one".to_vec(), b"two".to_vec()]);
        let huge = zstd::bulk::compress(&vec![0; BATCH_BYTES_MAX + 1], 1).expect("zstd");
        let zstd = |plain: &[u8]| zstd::bulk::compress(plain, 1).expect("zstd");
        let mut flipped = good.clone();
        *flipped.last_mut().expect("bytes") ^= 1;
        for (result, says) in [
            (decode(7, MICROS, 3, 2, &good), "format is unknown"),
            (
                decode(7, MICROS, 2, 2, &good),
                "not those that were written",
            ),
            (decode(7, MICROS, 1, 3, &good), "more or fewer records"),
            (decode(7, i64::MAX, 1, 2, &good), "time is out of range"),
            (decode(7, MICROS, 1, 2, b""), "not a zstd frame"),
            (decode(7, MICROS, 1, 2, b"plain text"), "not a zstd frame"),
            (
                decode(7, MICROS, 1, 2, &good[..good.len() - 1]),
                "do not decompress",
            ),
            (decode(7, MICROS, 1, 2, &flipped), "checksum is wrong"),
            (decode(7, MICROS, 1, 2, &huge), "more than a batch can"),
            (decode(7, MICROS, 1, 0, &zstd(b"")), "no records"),
            (
                decode(7, MICROS, 1, 1, &zstd(b"abc")),
                "ends within a length",
            ),
            (
                decode(7, MICROS, 1, 1, &zstd(&[9, 0, 0, 0, 1])),
                "ends within a record",
            ),
            (
                decode(7, MICROS, 1, 4097, &zstd(&[0; 4 * 4097])),
                "more records than a batch can",
            ),
        ] {
            assert!(what(result).contains(says), "{says}");
        }
        assert!(decode(SEQ_MAX + 1, MICROS, 1, 2, &good).is_err());
    }

    proptest! {
        #[test]
        fn what_is_encoded_decodes_to_the_same(records in vec(vec(any::<u8>(), 0..300), 1..50)) {
            let count = i64::try_from(records.len()).expect("few");
            let decoded = decode(7, MICROS, 1, count, &stored(&records)).expect("whole");
            let read: Vec<Vec<u8>> = decoded.iter().map(|(_, record)| record.to_vec()).collect();
            prop_assert_eq!(decoded.len(), records.len());
            prop_assert_eq!(read, records);
            prop_assert_eq!(decoded.record(4095), None);
        }
    }

    #[test]
    fn fuzz_decode_takes_any_bytes() {
        let row = (
            any::<(u64, i64)>(),
            0..4_i64,
            -1..10_i64,
            vec(any::<u8>(), 0..200),
        );
        fuzzing::run(&row, |((seq, at), format, count, bytes)| {
            let _ = decode(seq, at, format, count, &bytes);
            Ok(())
        });
    }

    #[test]
    fn fuzz_decode_takes_any_contents() {
        let contents = (0..5_i64, vec(prop_oneof![Just(0_u8), any::<u8>()], 0..60));
        fuzzing::run(&contents, |(count, plain)| {
            let stored = zstd::bulk::compress(&plain, 1).expect("zstd");
            if let Ok(batch) = decode(7, MICROS, 1, count, &stored) {
                let again: Vec<Vec<u8>> = batch.iter().map(|(_, record)| record.to_vec()).collect();
                prop_assert_eq!(Batch::new(7, batch.appended_at(), again.iter()), batch);
            }
            Ok(())
        });
    }

    #[test]
    fn fuzz_decode_notices_any_flipped_bit() {
        let records = vec(vec(any::<u8>(), 0..80), 1..20);
        let flipped = (records, any::<prop::sample::Index>(), 0..8_u8);
        fuzzing::run(&flipped, |(records, at, bit)| {
            let count = i64::try_from(records.len()).expect("few");
            let mut stored = stored(&records);
            let at = at.index(stored.len());
            stored[at] ^= 1 << bit;
            // Some bits of a frame's header mean nothing; then the contents are still what they were.
            if let Ok(read) = decode(7, MICROS, 1, count, &stored) {
                prop_assert_eq!(read, batch(&records));
            }
            Ok(())
        });
    }
}
