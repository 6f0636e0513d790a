//! Files that hold people, for privacy requests: event files that are not fetched yet, and data files of other jobs.
//!
//! Event files are written anew without these people's documents. A data file that waits to be fetched is written anew
//! without their rows; those of jobs that have ended are deleted, since nothing needs them; a job that is under way is
//! waited for, because it reads its files by their offsets, and one that waits for a person's approval is canceled.

use std::sync::Arc;

use jiff::SignedDuration;
use model::csv;
use model::hashing::HashMode;
use model::job::{JobCategory, JobStatus};
use model::privacy::{Columns, Finder};
use model::{EndpointId, Subject};
use serde::Deserialize;
use serde_json::value::RawValue;
use store::data_file::DataFile;
use store::job::{Job, JobFilter};

use super::people::unreadable;
use super::{Slice, Step, Went, Work};
use crate::data_file::{Line, Writer};
use crate::event_file::FOLDER;
use crate::flow::blob_key;
use crate::{Actor, Error, Hub, Page, Scope};

/// How long jobs that are under way are waited for; then they are canceled.
const PATIENCE: SignedDuration = SignedDuration::from_hours(1);
const LOOK_EVERY: SignedDuration = SignedDuration::from_secs(2);

/// Jobs and files looked at at once.
const PAGE: i64 = 200;

impl Hub {
    /// Lets other jobs of the account end that are under way: they have read the people already.
    pub(super) async fn privacy_others(self: &Arc<Self>, work: &mut Work<'_>) -> Step<Went> {
        let now = self.now();
        let since = *work.state.waiting_since.get_or_insert(now);
        for job in self.other_jobs(work.run.scope()).await? {
            let is_under_way = job.status.is_active() && job.started_at.is_some();
            if !is_under_way || job.category == JobCategory::Gdpr {
                continue;
            }
            if now.duration_since(since) < PATIENCE {
                let until = now + LOOK_EVERY;
                return Ok(Went::Wait(Slice::Wait { until }));
            }
            self.privacy_cancel(work.run.scope(), &job).await?;
        }
        Ok(Went::Done)
    }

    async fn privacy_cancel(&self, scope: Scope, job: &Job) -> Step<()> {
        match self.job_cancel(&Actor::EXCHANGE, scope, job.id).await {
            // It has ended by itself.
            Ok(_) | Err(Error::Conflict(_) | Error::NotFound(_)) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    pub(super) async fn privacy_event_files(self: &Arc<Self>, work: &mut Work<'_>) -> Step<Went> {
        let removed = self.event_files_without(work, true).await?;
        work.state.count("event files", removed);
        Ok(Went::Done)
    }

    pub(super) async fn event_files_left(&self, work: &mut Work<'_>) -> Step<u64> {
        self.event_files_without(work, false).await
    }

    /// Counts the documents of these people in all event files; with `remove`, takes them out.
    async fn event_files_without(&self, work: &mut Work<'_>, remove: bool) -> Step<u64> {
        let (scope, mut found) = (work.run.scope(), 0);
        let _one = self.flow.packing.lock().await;
        // Those that were closed a moment ago are listed by it.
        self.checkpoint().await?;
        self.remove_unlisted(work).await?;
        for entry in self.registry.endpoints() {
            let endpoint = entry.endpoint.id;
            if entry.endpoint.account != scope.0 {
                continue;
            }
            let mut tx = self.db.read().await?;
            let files = store::event_file::oldest(&mut tx, scope, endpoint, i64::MAX).await?;
            drop(tx);
            for file in files {
                let key = blob_key(scope.0, endpoint, &file.name);
                let Some(bytes) = self.blobs.get(&key).await? else {
                    continue;
                };
                let Ok(documents) = serde_json::from_slice::<Vec<Box<RawValue>>>(&bytes) else {
                    continue;
                };
                let texts = documents.iter().map(AsRef::as_ref);
                let is_kept = |it: &&RawValue| !self.is_their_json(work, endpoint, it.get());
                let kept: Vec<&RawValue> = texts.filter(is_kept).collect();
                let gone = documents.len() - kept.len();
                found += gone as u64;
                if gone == 0 || !remove {
                    continue;
                }
                let mut tx = self.db.begin().await?;
                if kept.is_empty() {
                    store::event_file::delete(&mut tx, scope, endpoint, &file.name).await?;
                    tx.commit().await?;
                    self.blobs.delete(&key).await?;
                    continue;
                }
                let bytes = serde_json::to_vec(&kept).map_err(Error::internal)?;
                let sizes = (kept.len() as u64, bytes.len() as u64);
                store::event_file::put_sizes(&mut tx, scope, (endpoint, &file.name), sizes).await?;
                self.blobs.put(&key, bytes.into()).await?;
                tx.commit().await?;
            }
        }
        Ok(found)
    }

    /// Event files of the account that are in no list: whoever wrote them died before it was saved, and what is in them
    /// was packed again. Whose they are does not matter.
    async fn remove_unlisted(&self, work: &mut Work<'_>) -> Step<()> {
        let scope = work.run.scope();
        let folder = format!("{FOLDER}{}/", scope.0);
        for key in self.blobs.list(&folder).await? {
            let place = key[folder.len()..].split_once('/');
            let Some((Ok(endpoint), name)) = place.map(|(id, name)| (id.parse(), name)) else {
                continue;
            };
            let mut tx = self.db.read().await?;
            let listed = store::event_file::get(&mut tx, scope, EndpointId(endpoint), name).await?;
            drop(tx);
            if listed.is_none() && self.blobs.delete(&key).await? {
                work.state.count("unlisted event files", 1);
            }
        }
        Ok(())
    }

    /// Whether a delivered document is about one of these people: by its identifiers, whose names are the endpoint's.
    fn is_their_json(&self, work: &mut Work<'_>, endpoint: EndpointId, text: &str) -> bool {
        #[derive(Deserialize)]
        struct Delivered {
            identifiers: Vec<Pair>,
        }
        #[derive(Deserialize)]
        struct Pair {
            name: String,
            value: String,
        }
        if work.finder.is_in(text.as_bytes()) {
            return true;
        }
        let entry = self.registry.endpoint(endpoint);
        let kind_of = |name: &str| {
            let entry = entry.as_ref()?;
            let mut defined = entry.endpoint.definition.identifiers();
            let found = defined.find(|it| it.name == name)?;
            Some(found.kind.clone())
        };
        let Ok(delivered) = serde_json::from_str::<Delivered>(text) else {
            return false;
        };
        delivered.identifiers.iter().any(|pair| {
            let kind =
                kind_of(&pair.name).or_else(|| self.type_of(work.run.job.account, &pair.name));
            is_named(
                &work.finder,
                kind.as_deref().unwrap_or(&pair.name),
                &pair.value,
            )
        })
    }

    pub(super) async fn privacy_data_files(self: &Arc<Self>, work: &mut Work<'_>) -> Step<Went> {
        let found = self.data_files_without(work, true).await?;
        work.state.count("data files", found);
        Ok(Went::Done)
    }

    pub(super) async fn data_files_left(&self, work: &mut Work<'_>) -> Step<u64> {
        self.data_files_without(work, false).await
    }

    /// Counts the data files that name these people; with `remove`, none does any more.
    async fn data_files_without(&self, work: &mut Work<'_>, remove: bool) -> Step<u64> {
        let (scope, own, mut found) = (work.run.scope(), work.run.job.id, 0);
        for job in self.other_jobs(scope).await? {
            // Another request clears up by itself; what is being uploaded came later than this request.
            let is_its_own = job.category == JobCategory::Gdpr && !job.status.is_final();
            if job.id == own || is_its_own {
                continue;
            }
            let is_at_rest = job.status.is_final() || job.status == JobStatus::ReadyForDownload;
            for file in self.data_files(scope, job.id).await? {
                if is_at_rest {
                    found += self.loose_pieces_without(work, &file, remove).await?;
                }
                if !file.is_complete || !self.names_them(work, &file).await? {
                    continue;
                }
                found += 1;
                if !remove {
                    continue;
                }
                if job.status == JobStatus::ReadyForDownload {
                    self.rewrite_file(work, &file).await?;
                } else {
                    if !job.status.is_final() {
                        self.privacy_cancel(scope, &job).await?;
                    }
                    self.data_file_delete(scope, job.id, &file.name).await?;
                }
            }
        }
        Ok(found)
    }

    /// Counts the pieces that name these people and are no part of a complete file; with `remove`, they go. The others
    /// stay, so that a job that failed can be taken up again.
    async fn loose_pieces_without(
        &self,
        work: &mut Work<'_>,
        file: &DataFile,
        remove: bool,
    ) -> Step<u64> {
        let (mut found, mut text) = (0, Vec::new());
        for key in self.data_file_loose(file).await? {
            let piece = self.blobs.get(&key).await?.unwrap_or_default();
            if are_in_piece(&work.finder, &mut text, &piece) {
                found += 1;
                if remove {
                    self.blobs.delete(&key).await?;
                }
            }
        }
        Ok(found)
    }

    /// The other jobs of the account, those that have ended included.
    async fn other_jobs(&self, scope: Scope) -> Step<Vec<Job>> {
        let (mut jobs, mut after) = (Vec::new(), 0);
        loop {
            let page = Page { after, limit: PAGE };
            let found = self.job_list(scope, JobFilter::default(), page).await?;
            let Some(last) = found.last() else {
                return Ok(jobs);
            };
            after = last.id.0;
            jobs.extend(found);
        }
    }

    async fn names_them(&self, work: &mut Work<'_>, file: &DataFile) -> Step<bool> {
        Ok(self.sift(work, file, None).await? > 0)
    }

    async fn rewrite_file(&self, work: &mut Work<'_>, file: &DataFile) -> Step<()> {
        let (scope, media) = (Scope(file.account), &file.content_type);
        let writer = self.data_file_create(scope, file.job, &file.name, media);
        let mut writer = writer.await?;
        self.sift(work, file, Some(&mut writer)).await?;
        self.data_file_finish(writer).await?;
        Ok(())
    }

    /// Counts the rows of a file that name these people, and writes the others. What is no CSV is looked through as text.
    async fn sift(
        &self,
        work: &mut Work<'_>,
        file: &DataFile,
        mut to: Option<&mut Writer>,
    ) -> Step<u64> {
        const WRITTEN_AT_ONCE: usize = 1 << 20;
        let scope = Scope(file.account);
        let mut table = self.data_file_table(scope, file.job, &file.name).await?;
        let names = match table.columns().await {
            Ok(names) => names,
            Err(Error::Invalid(_)) => return self.sift_text(work, file).await,
            Err(error) => return Err(error.into()),
        };
        let columns = Columns::of(&names, |name| self.type_of(file.account, name));
        let (mut found, mut rows) = (0, Vec::new());
        csv::write_row(&mut rows, names.iter().map(String::as_str));
        while let Some(line) = table.next().await.map_err(unreadable)? {
            let Line::Row(_, values) = line else { continue };
            let values: Vec<&str> = values.iter().map(String::as_str).collect();
            let mut named = columns.named(&values).into_iter();
            let is_theirs = named.any(|it| is_named(&work.finder, &it.kind, &it.value))
                || values
                    .iter()
                    .any(|value| work.finder.is_in(value.as_bytes()));
            if is_theirs {
                found += 1;
            } else if let Some(to) = &mut to {
                csv::write_row(&mut rows, values);
                if rows.len() >= WRITTEN_AT_ONCE {
                    to.append(&std::mem::take(&mut rows)).await?;
                }
            }
        }
        if let Some(to) = to {
            to.append(&rows).await?;
        }
        Ok(found)
    }

    /// Whether a file that is no CSV names them, a piece and what overlaps it at a time.
    async fn sift_text(&self, work: &mut Work<'_>, file: &DataFile) -> Step<u64> {
        let reader = self.data_file_read(Scope(file.account), file.job, &file.name);
        let mut reader = reader.await?;
        let (mut at, mut text) = (0, Vec::new());
        while at < reader.len() {
            let bytes = reader.read_at(at).await?;
            at += bytes.len() as u64;
            if are_in_piece(&work.finder, &mut text, &bytes) {
                return Ok(1);
            }
        }
        Ok(0)
    }
}

/// Whether they are named in the next piece of a text, or across its beginning; `text` is what is kept from piece to piece
/// for that.
fn are_in_piece(finder: &Finder, text: &mut Vec<u8>, piece: &[u8]) -> bool {
    text.extend_from_slice(piece);
    let are_in = finder.is_in(text);
    let overlap = if are_in {
        0
    } else {
        finder.text_bytes_max() + 1
    };
    text.drain(..text.len().saturating_sub(overlap));
    are_in
}

fn is_named(finder: &Finder, kind: &str, value: &str) -> bool {
    finder.is_named(&Subject {
        kind,
        value,
        mode: HashMode::None,
        algorithm: None,
    })
}
