//! Data as it arrives, unpacked: gzip and zstd, as a header says or as its first bytes show, a bounded piece at a time.
//!
//! Whatever the ratio of a compression is, no more than a piece comes out at once, so a limit is met before memory is.
//! Called by the floor above for what is uploaded, and by `flow/peer` for what is fetched.

use std::io::Write as _;

use flate2::write::MultiGzDecoder;
use zstd::stream::raw::{DParameter, Decoder, InBuffer, Operation as _, OutBuffer};

/// Why data cannot be unpacked.
#[derive(Debug, thiserror::Error)]
pub enum Packed {
    /// `Content-Encoding` names something else.
    #[error("Content-Encoding `{0}` is not taken: send gzip, zstd or none")]
    Encoding(String),
    #[error("the data is a zip archive (or a spreadsheet): send CSV, plain or as gzip or zstd")]
    Archive,
    #[error("the data begins as {0} and cannot be unpacked to its end: was it cut off?")]
    Damaged(&'static str),
    /// The decoder could not be made.
    #[error("no decoder: {0}")]
    Decoder(#[from] std::io::Error),
}

/// Bytes of gzip that are given at once: they become a thousandfold at most.
const GZIP_BYTES_AT_ONCE: usize = 1 << 10;
/// Bytes that come out of zstd at once.
const ZSTD_BYTES_AT_ONCE: usize = 256 << 10;
/// Logarithm of the window that a frame may ask us to hold: 8 MiB, the least that decoders must support.
const WINDOW_LOG_MAX: u32 = 23;
/// What tells the kinds apart needs so many bytes.
const SIGNATURE_BYTES: usize = 4;

/// One layer of compression, or none.
pub enum Layer {
    /// Not known yet: the bytes so far.
    Unknown(Vec<u8>),
    Plain,
    Gzip(Box<MultiGzDecoder<Vec<u8>>>),
    /// And whether a frame is open.
    Zstd(Box<Decoder<'static>>, bool),
}

impl Layer {
    /// What `Content-Encoding` says.
    ///
    /// # Errors
    /// [`Packed::Encoding`]; [`Packed::Decoder`].
    pub fn of_encoding(encoding: &str) -> Result<Self, Packed> {
        match encoding.trim() {
            "" | "identity" => Ok(Self::Plain),
            "gzip" | "x-gzip" => Ok(Self::gzip()),
            "zstd" => Self::zstd(),
            other => Err(Packed::Encoding(other.to_owned())),
        }
    }

    /// What the first bytes show.
    pub fn of_content() -> Self {
        Self::Unknown(Vec::new())
    }

    fn gzip() -> Self {
        Self::Gzip(Box::new(MultiGzDecoder::new(Vec::new())))
    }

    fn zstd() -> Result<Self, Packed> {
        let mut decoder = Decoder::new()?;
        decoder.set_parameter(DParameter::WindowLogMax(WINDOW_LOG_MAX))?;
        Ok(Self::Zstd(Box::new(decoder), false))
    }

    /// Takes from the front of `input`; what comes out is the answer. Call it until `input` is empty.
    ///
    /// # Errors
    /// [`Packed`] but for `Encoding`.
    pub fn take(&mut self, input: &mut &[u8]) -> Result<Vec<u8>, Packed> {
        match self {
            Self::Plain => Ok(std::mem::take(input).to_vec()),
            Self::Unknown(held) => {
                let missing = SIGNATURE_BYTES.saturating_sub(held.len());
                let (now, later) = input.split_at(missing.min(input.len()));
                held.extend_from_slice(now);
                *input = later;
                if held.len() < SIGNATURE_BYTES {
                    return Ok(Vec::new());
                }
                let held = std::mem::take(held);
                *self = Self::told_by(&held)?;
                let mut rest = &held[..];
                let mut out = Vec::new();
                while !rest.is_empty() {
                    out.append(&mut self.take(&mut rest)?);
                }
                Ok(out)
            }
            Self::Gzip(decoder) => {
                let (now, later) = input.split_at(GZIP_BYTES_AT_ONCE.min(input.len()));
                *input = later;
                decoder
                    .write_all(now)
                    .map_err(|_| Packed::Damaged("gzip"))?;
                Ok(std::mem::take(decoder.get_mut()))
            }
            Self::Zstd(decoder, is_open) => {
                let mut out = Vec::with_capacity(ZSTD_BYTES_AT_ONCE);
                let mut from = InBuffer::around(input);
                let mut to = OutBuffer::around(&mut out);
                let left = decoder.run(&mut from, &mut to);
                *is_open = left.map_err(|_| Packed::Damaged("zstd"))? != 0;
                let taken = from.pos();
                *input = &input[taken..];
                Ok(out)
            }
        }
    }

    /// Nothing follows; what is still held comes out. Call it until it answers nothing.
    ///
    /// # Errors
    /// [`Packed::Damaged`] if there should have been more.
    pub fn finish(&mut self) -> Result<Vec<u8>, Packed> {
        match self {
            Self::Plain => Ok(Vec::new()),
            Self::Unknown(held) => Ok(std::mem::take(held)),
            Self::Gzip(decoder) => {
                decoder.try_finish().map_err(|_| Packed::Damaged("gzip"))?;
                Ok(std::mem::take(decoder.get_mut()))
            }
            Self::Zstd(_, false) => Ok(Vec::new()),
            Self::Zstd(..) => {
                // What did not fit the last time.
                let out = self.take(&mut &b""[..])?;
                match self {
                    Self::Zstd(_, true) if out.is_empty() => Err(Packed::Damaged("zstd")),
                    _ => Ok(out),
                }
            }
        }
    }

    fn told_by(signature: &[u8]) -> Result<Self, Packed> {
        match signature {
            [0x1f, 0x8b, ..] => Ok(Self::gzip()),
            [0x28, 0xb5, 0x2f, 0xfd] => Self::zstd(),
            [b'P', b'K', 3 | 5, 4 | 6] => Err(Packed::Archive),
            _ => Ok(Self::Plain),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).expect("written");
        encoder.finish().expect("packed")
    }

    fn zstd(bytes: &[u8]) -> Vec<u8> {
        zstd::encode_all(bytes, 1).expect("packed")
    }

    fn unpacked(mut layer: Layer, bytes: &[u8], piece: usize) -> Result<Vec<u8>, Packed> {
        let mut all = Vec::new();
        for mut piece in bytes.chunks(piece) {
            while !piece.is_empty() {
                all.append(&mut layer.take(&mut piece)?);
            }
        }
        loop {
            let mut last = layer.finish()?;
            if last.is_empty() {
                return Ok(all);
            }
            all.append(&mut last);
        }
    }

    #[test]
    fn what_was_packed_comes_out_however_it_arrives() {
        let text: Vec<u8> = (0..200_000_u32)
            .flat_map(|n| format!("{n},\n").into_bytes())
            .collect();
        let twice = [gzip(&text), gzip(&text)].concat();
        let frames = [zstd(&text), zstd(&text)].concat();
        for (packed, times) in [
            (text.clone(), 1),
            (gzip(&text), 1),
            (zstd(&text), 1),
            (twice, 2),
            (frames, 2),
        ] {
            for piece in [7, 4_096, 10_000_000] {
                let out = unpacked(Layer::of_content(), &packed, piece).expect("unpacked");
                assert!(out == text.repeat(times), "{} by {piece}", packed.len());
            }
        }
        for short in ["", "a", "PK"] {
            let out = unpacked(Layer::of_content(), short.as_bytes(), 1).expect("as it is");
            assert_eq!(out, short.as_bytes());
        }
    }

    #[test]
    fn what_was_cut_off_or_is_a_zip_is_refused() {
        let text = "email\n".repeat(1_000);
        for packed in [gzip(text.as_bytes()), zstd(text.as_bytes())] {
            let cut = &packed[..packed.len() - 1];
            assert!(unpacked(Layer::of_content(), cut, 100).is_err());
        }
        let refused = unpacked(Layer::of_content(), b"PK\x03\x04rest", 3);
        assert!(matches!(refused, Err(Packed::Archive)));
        let refused = unpacked(Layer::gzip(), text.as_bytes(), 100);
        assert!(matches!(refused, Err(Packed::Damaged("gzip"))));
    }

    #[test]
    fn no_more_than_a_piece_comes_out_at_once() {
        let zeros = vec![0; 64 << 20];
        for packed in [gzip(&zeros), zstd(&zeros)] {
            let mut layer = Layer::of_content();
            let mut rest = &packed[..];
            while !rest.is_empty() {
                let out = layer.take(&mut rest).expect("unpacked");
                assert!(out.capacity() <= 4 << 20, "{}", out.capacity());
            }
        }
    }
}
