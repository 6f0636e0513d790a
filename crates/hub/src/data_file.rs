//! Data files: what jobs are given and what they make, of any size, with memory flat.
//!
//! A file is a row and numbered blobs of exactly [`PIECE_BYTES`], of which the last may be shorter, under
//! `jobs/<account>/<job>/<name>/<version>-<piece>`. Written by a [`Writer`], which can stop after any byte
//! ([`Writer::pause`]) and be taken up there again by another process ([`Hub::data_file_resume`]); read by a [`Reader`] at
//! any offset. What is written again under the name of a complete file is a new version of it: the old one is there
//! until the new one is complete. Called by `job` (uploads and downloads) and by the slices of jobs.

use std::collections::BTreeSet;

mod table;
mod unpack;

use bytes::Bytes;
use engine::{Blobs, Db};
use futures_util::{Stream, stream};
use model::{AccountId, JobId};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use store::data_file::DataFile;

use crate::{Error, Hub, Result, Scope};

pub(crate) use table::Line;
pub use unpack::{Layer, Packed};

/// Where all data files rest, among other blobs.
pub(crate) const FOLDER: &str = "jobs/";

/// Bytes of every piece of a file but its last: large enough that a store of objects is quick, small enough to hold a few
/// of them in memory.
pub const PIECE_BYTES: usize = 4 << 20;

/// Longest name of a file, in bytes.
pub const NAME_BYTES_MAX: usize = 100;

/// How far a file is written, durably: where to go on. Keep it in the job's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    pub version: u32,
    pub bytes: u64,
}

/// A file that is being written.
pub struct Writer {
    blobs: Blobs,
    file: DataFile,
    /// Whole pieces that are durable.
    pieces: u64,
    /// What comes after them.
    tail: Vec<u8>,
    /// `None` once the file was written in several goes: then the digest is made from the pieces.
    hash: Option<Sha256>,
}

impl Writer {
    /// Bytes written so far.
    #[expect(clippy::len_without_is_empty, reason = "nobody asks")]
    pub fn len(&self) -> u64 {
        self.pieces * PIECE_BYTES as u64 + self.tail.len() as u64
    }

    pub fn name(&self) -> &str {
        &self.file.name
    }

    /// Adds bytes, and stores each piece that becomes whole.
    ///
    /// # Errors
    /// [`Error::Unavailable`]; the writer can only be dropped then.
    pub async fn append(&mut self, mut bytes: &[u8]) -> Result<()> {
        if let Some(hash) = &mut self.hash {
            hash.update(bytes);
        }
        while !bytes.is_empty() {
            let room = PIECE_BYTES - self.tail.len();
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            self.tail.extend_from_slice(now);
            bytes = later;
            if self.tail.len() == PIECE_BYTES {
                let piece = std::mem::take(&mut self.tail);
                self.put(piece.into()).await?;
                self.pieces += 1;
            }
        }
        Ok(())
    }

    /// Makes durable what was written, and says where to go on. Costs up to one piece that will be written again.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn pause(&mut self) -> Result<Mark> {
        if !self.tail.is_empty() {
            self.put(Bytes::copy_from_slice(&self.tail)).await?;
        }
        Ok(Mark {
            version: self.file.version,
            bytes: self.len(),
        })
    }

    async fn put(&self, piece: Bytes) -> Result<()> {
        let key = key_of(&self.file, self.pieces);
        Ok(self.blobs.put(&key, piece).await?)
    }
}

/// A complete file that is being read.
pub struct Reader {
    blobs: Blobs,
    pub file: DataFile,
    /// The piece that was read last.
    piece: Option<(u64, Bytes)>,
}

impl Reader {
    /// Bytes of the whole file.
    #[expect(clippy::len_without_is_empty, reason = "nobody asks")]
    pub fn len(&self) -> u64 {
        self.file.size_bytes
    }

    /// What begins at this offset and ends with its piece; empty at the end of the file.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Internal`] if a piece is missing.
    pub async fn read_at(&mut self, offset: u64) -> Result<Bytes> {
        if offset >= self.len() {
            return Ok(Bytes::new());
        }
        let number = offset / PIECE_BYTES as u64;
        let known = self.piece.take().filter(|(known, _)| *known == number);
        let piece = match known {
            Some((_, piece)) => piece,
            None => self.piece(number).await?,
        };
        // Less than a piece, so it fits.
        let start = usize::try_from(offset % PIECE_BYTES as u64).unwrap_or(PIECE_BYTES);
        let bytes = piece.slice(start.min(piece.len())..);
        self.piece = Some((number, piece));
        Ok(bytes)
    }

    /// The bytes from `from` to before `to`, piece by piece.
    pub fn stream(self, from: u64, to: u64) -> impl Stream<Item = Result<Bytes>> + Send + 'static {
        let to = to.min(self.len());
        stream::try_unfold((self, from), move |(mut reader, at)| async move {
            if at >= to {
                return Ok(None);
            }
            let mut bytes = reader.read_at(at).await?;
            let left = usize::try_from(to - at).unwrap_or(usize::MAX);
            bytes.truncate(left);
            let next = at + bytes.len() as u64;
            Ok(Some((bytes, (reader, next))))
        })
    }

    async fn piece(&self, number: u64) -> Result<Bytes> {
        let key = key_of(&self.file, number);
        let bytes = self.blobs.get(&key).await?;
        let left = self.len() - number * PIECE_BYTES as u64;
        let expected = usize::try_from(left).map_or(PIECE_BYTES, |left| left.min(PIECE_BYTES));
        match bytes {
            // A piece that was written again further than a paused writer had been.
            Some(bytes) if bytes.len() >= expected => Ok(bytes.slice(..expected)),
            Some(bytes) => Err(Error::internal(format!(
                "{key} has {} bytes and not {expected}",
                bytes.len()
            ))),
            None => Err(Error::internal(format!("{key} is missing"))),
        }
    }
}

fn folder_of(account: AccountId, job: JobId) -> String {
    format!("{FOLDER}{account}/{job}/")
}

fn key_of(file: &DataFile, piece: u64) -> String {
    let folder = folder_of(file.account, file.job);
    format!("{folder}{}/{:04}-{piece:06}", file.name, file.version)
}

/// A name that can be part of a blob's key, and of a path.
fn check_name(name: &str) -> Result<()> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    let is_name = (1..=NAME_BYTES_MAX).contains(&name.len())
        && !name.starts_with('.')
        && name.bytes().all(is_plain);
    if is_name {
        Ok(())
    } else {
        Err(Error::internal(format!(
            "`{name}` is no name of a data file"
        )))
    }
}

impl Hub {
    /// Begins a file. One that is there already under this name stays until the new one is finished.
    ///
    /// # Errors
    /// [`Error::Unavailable`]; [`Error::Internal`] if it cannot be a name: letters, digits, `.`, `_` and `-`.
    pub async fn data_file_create(
        &self,
        scope: Scope,
        job: JobId,
        name: &str,
        content_type: &str,
    ) -> Result<Writer> {
        check_name(name)?;
        let now = self.now();
        let mut tx = self.db.begin().await?;
        let known = store::data_file::get(&mut tx, scope, job, name).await?;
        let file = DataFile {
            account: scope.0,
            job,
            name: name.to_owned(),
            version: match &known {
                Some(known) if known.is_complete => known.version + 1,
                Some(known) => known.version,
                None => 1,
            },
            content_type: content_type.to_owned(),
            size_bytes: 0,
            digest: None,
            is_complete: false,
            fetched_at: None,
            created_at: now,
            updated_at: now,
        };
        if known.is_none_or(|known| !known.is_complete) {
            store::data_file::put(&mut tx, scope, &file).await?;
        }
        tx.commit().await?;
        Ok(Writer {
            blobs: self.blobs.clone(),
            file,
            pieces: 0,
            tail: Vec::new(),
            hash: Some(Sha256::new()),
        })
    }

    /// Goes on with a file where it was paused; what was written after that is forgotten.
    ///
    /// # Errors
    /// [`Error::NotFound`] if it was never begun, [`Error::Unavailable`].
    pub async fn data_file_resume(
        &self,
        scope: Scope,
        job: JobId,
        name: &str,
        mark: Mark,
    ) -> Result<Writer> {
        let mut tx = self.db.read().await?;
        let known = store::data_file::get(&mut tx, scope, job, name).await?;
        drop(tx);
        let mut file = known.ok_or_else(|| Error::not_found("data file", name))?;
        file.version = mark.version;
        let pieces = mark.bytes / PIECE_BYTES as u64;
        let left = usize::try_from(mark.bytes % PIECE_BYTES as u64).unwrap_or(PIECE_BYTES);
        let mut tail = Vec::new();
        if left > 0 {
            let key = key_of(&file, pieces);
            let piece = self.blobs.get(&key).await?.unwrap_or_default();
            let known = piece.get(..left);
            let known = known.ok_or_else(|| Error::internal(format!("{key} is too short")))?;
            tail = known.to_vec();
        }
        Ok(Writer {
            blobs: self.blobs.clone(),
            file,
            pieces,
            tail,
            hash: (mark.bytes == 0).then(Sha256::new),
        })
    }

    /// Makes a file complete: it can be read from now on, and has a digest. Again with the same bytes it is the same.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn data_file_finish(&self, mut writer: Writer) -> Result<DataFile> {
        writer.pause().await?;
        let scope = Scope(writer.file.account);
        let mut file = writer.file.clone();
        file.size_bytes = writer.len();
        file.is_complete = true;
        let hash = match writer.hash.take() {
            Some(hash) => hash,
            None => self.data_file_hash(&file).await?,
        };
        file.digest = Some(model::hashing::hex(&hash.finalize()));
        file.updated_at = self.now();
        let mut tx = self.db.begin().await?;
        store::data_file::put(&mut tx, scope, &file).await?;
        tx.commit().await?;
        if file.version > 1 {
            for key in self.data_file_loose(&file).await? {
                self.blobs.delete(&key).await?;
            }
        }
        Ok(file)
    }

    /// Pieces under a file's name that are no part of it as a complete file: of one that is not complete, or of another
    /// version, whose writer stopped, or died before it removed them. Sorted.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub(crate) async fn data_file_loose(&self, file: &DataFile) -> Result<Vec<String>> {
        let folder = format!("{}{}/", folder_of(file.account, file.job), file.name);
        let own = format!("{folder}{:04}-", file.version);
        let mut keys = self.blobs.list(&folder).await?;
        keys.retain(|key| !(file.is_complete && key.starts_with(&own)));
        Ok(keys)
    }

    async fn data_file_hash(&self, file: &DataFile) -> Result<Sha256> {
        let mut hash = Sha256::new();
        let mut reader = self.reader(file.clone());
        let mut at = 0;
        while at < reader.len() {
            let bytes = reader.read_at(at).await?;
            at += bytes.len() as u64;
            hash.update(&bytes);
        }
        Ok(hash)
    }

    fn reader(&self, file: DataFile) -> Reader {
        Reader {
            blobs: self.blobs.clone(),
            file,
            piece: None,
        }
    }

    /// A complete file of a job.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is none, or it is not complete.
    pub async fn data_file_read(&self, scope: Scope, job: JobId, name: &str) -> Result<Reader> {
        let mut tx = self.db.read().await?;
        let file = store::data_file::get(&mut tx, scope, job, name).await?;
        let file = file.filter(|file| file.is_complete);
        let file = file.ok_or_else(|| Error::not_found("data file", name))?;
        Ok(self.reader(file))
    }

    /// The files of a job, complete or not, by name.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn data_files(&self, scope: Scope, job: JobId) -> Result<Vec<DataFile>> {
        let mut tx = self.db.read().await?;
        Ok(store::data_file::list(&mut tx, scope, job).await?)
    }

    /// Removes a file, complete or not; `false` if there is none. The bytes go first: what is listed no more is nowhere.
    ///
    /// # Errors
    /// [`Error::Unavailable`]; again, it goes on where it stopped.
    pub async fn data_file_delete(&self, scope: Scope, job: JobId, name: &str) -> Result<bool> {
        check_name(name)?;
        let folder = format!("{}{name}/", folder_of(scope.0, job));
        for key in self.blobs.list(&folder).await? {
            self.blobs.delete(&key).await?;
        }
        let mut tx = self.db.begin().await?;
        let was_there = store::data_file::delete(&mut tx, scope, job, name).await?;
        tx.commit().await?;
        Ok(was_there)
    }

    /// Removes everything that a job was given or made.
    pub(crate) async fn data_files_delete(&self, scope: Scope, job: JobId) -> Result<()> {
        for key in self.blobs.list(&folder_of(scope.0, job)).await? {
            self.blobs.delete(&key).await?;
        }
        let mut tx = self.db.begin().await?;
        for file in store::data_file::list(&mut tx, scope, job).await? {
            store::data_file::delete(&mut tx, scope, job, &file.name).await?;
        }
        Ok(tx.commit().await?)
    }
}

/// Makes list and bytes agree in a copy of a hub, where the list was copied first: a complete file that lacks a piece was
/// removed in between, bytes that no row knows belong to a file that was begun later. Answers how many were `(forgotten,
/// removed)`. Not for a hub that runs.
///
/// # Errors
/// [`Error::Unavailable`].
pub async fn reconcile(db: &Db, blobs: &Blobs) -> Result<(u64, u64)> {
    const PAGE: i64 = 1_000;
    let mut unlisted: BTreeSet<String> = blobs.list(FOLDER).await?.into_iter().collect();
    let (mut forgotten, mut removed) = (0, 0);
    let mut after = (JobId(0), String::new());
    loop {
        let mut tx = db.begin().await?;
        let files = store::data_file::all(&mut tx, (after.0, &after.1), PAGE).await?;
        let Some(last) = files.last() else {
            break;
        };
        after = (last.job, last.name.clone());
        for file in files {
            let pieces = file.size_bytes.div_ceil(PIECE_BYTES as u64);
            let is_whole = (0..pieces).all(|piece| unlisted.contains(&key_of(&file, piece)));
            if file.is_complete && !is_whole {
                let scope = Scope(file.account);
                store::data_file::delete(&mut tx, scope, file.job, &file.name).await?;
                forgotten += 1;
                continue;
            }
            let folder = format!("{}{}/", folder_of(file.account, file.job), file.name);
            unlisted.retain(|key| !key.starts_with(&folder));
        }
        tx.commit().await?;
    }
    for key in unlisted {
        removed += u64::from(blobs.delete(&key).await?);
    }
    Ok((forgotten, removed))
}
