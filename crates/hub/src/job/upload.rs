//! Uploads: the data that a job waits for, taken piece by piece, whatever its size.
//!
//! Each upload is a file of its own, so that two at once, or one that breaks off, spoil nothing: the first that ends is the
//! job's. What comes after that is refused.

use model::job::{JobCategory, JobStatus, Signal};
use model::{EndpointId, Invalid, JobId};
use serde_json::json;

use super::{conflict, go_on};
use crate::data_file::Writer;
use crate::{Actor, Hub, Job, Result, Scope};

const PREFIX: &str = "upload-";

pub(super) fn is_upload(name: &str) -> bool {
    name.starts_with(PREFIX)
}

/// An upload that is under way. End it with [`Hub::job_upload_finish`] or [`Hub::job_upload_drop`]; one that is dropped in
/// another way is cleared away by retention.
pub struct Upload {
    scope: Scope,
    job: Job,
    writer: Writer,
    bytes_max: u64,
}

impl Upload {
    pub fn job(&self) -> &Job {
        &self.job
    }

    /// Bytes that were taken.
    pub fn bytes(&self) -> u64 {
        self.writer.len()
    }

    /// Takes more bytes.
    ///
    /// # Errors
    /// [`Error::Invalid`] beyond the limit; [`Error::Unavailable`].
    pub async fn append(&mut self, bytes: &[u8]) -> Result<()> {
        if self.writer.len() + bytes.len() as u64 > self.bytes_max {
            let message = format!(
                "the data is larger than the {} bytes that are taken for one job ([jobs] upload_bytes_max), unpacked",
                self.bytes_max
            );
            return Err(Invalid::one("", "too-many", message).into());
        }
        self.writer.append(bytes).await
    }
}

impl Hub {
    /// Begins to take data for a job that waits for it.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Conflict`] if it does not wait for data, or not from this endpoint.
    pub async fn job_upload_begin(
        &self,
        scope: Scope,
        (endpoint, id): (Option<EndpointId>, JobId),
        content_type: &str,
    ) -> Result<Upload> {
        let job = self.job_that_waits(scope, (endpoint, id)).await?;
        let name = format!("{PREFIX}{}", uuid::Uuid::now_v7().simple());
        let writer = self
            .data_file_create(scope, id, &name, content_type)
            .await?;
        Ok(Upload {
            scope,
            job,
            writer,
            bytes_max: self.options.jobs.upload_bytes_max,
        })
    }

    /// The upload is whole: the job goes on.
    ///
    /// # Errors
    /// [`Error::Conflict`] if another upload was faster, or the job was canceled; [`Error::Invalid`] as
    /// [`Hub::job_metadata`].
    pub async fn job_upload_finish(
        &self,
        actor: &Actor,
        upload: Upload,
        metadata: Option<&serde_json::Value>,
    ) -> Result<Job> {
        let Upload {
            scope, job, writer, ..
        } = upload;
        let name = writer.name().to_owned();
        let finished = async {
            if let Some(metadata) = metadata {
                check_metadata(&job, metadata)?;
            }
            self.data_file_finish(writer).await?;
            let change = |job: &mut Job, now| {
                check_waits(job)?;
                job.upload = Some(name.clone());
                job.metadata = metadata.map(ToString::to_string).or(job.metadata.take());
                go_on(job, Signal::Data, now);
                Ok(())
            };
            self.job_change(actor, scope, (None, job.id), "job.upload", &change)
                .await
        };
        let finished = finished.await;
        if finished.is_err() {
            self.clear_away(scope, job.id, &name).await;
        }
        finished
    }

    /// Gives up an upload.
    pub async fn job_upload_drop(&self, upload: Upload) {
        let name = upload.writer.name().to_owned();
        self.clear_away(upload.scope, upload.job.id, &name).await;
    }

    /// Takes what is said about the data without the data: the job waits on.
    ///
    /// # Errors
    /// [`Error::Invalid`] if it speaks of another endpoint or segment than the job does; else as
    /// [`Hub::job_upload_begin`].
    pub async fn job_metadata(
        &self,
        actor: &Actor,
        scope: Scope,
        (endpoint, id): (Option<EndpointId>, JobId),
        metadata: &serde_json::Value,
    ) -> Result<Job> {
        let job = self.job_that_waits(scope, (endpoint, id)).await?;
        check_metadata(&job, metadata)?;
        let change = |job: &mut Job, _| {
            check_waits(job)?;
            job.metadata = Some(metadata.to_string());
            Ok(())
        };
        self.job_change(actor, scope, (endpoint, id), "job.metadata", &change)
            .await
    }

    async fn job_that_waits(
        &self,
        scope: Scope,
        (endpoint, id): (Option<EndpointId>, JobId),
    ) -> Result<Job> {
        let job = self.job_get(scope, endpoint, id).await?;
        if endpoint.is_some() && job.producer != endpoint {
            return Err(conflict(
                &job,
                "waits for data of its producer, which is another endpoint",
            ));
        }
        check_waits(&job)?;
        Ok(job)
    }

    async fn clear_away(&self, scope: Scope, job: JobId, name: &str) {
        if let Err(error) = self.data_file_delete(scope, job, name).await {
            // Retention finds it.
            tracing::warn!(
                job_id = job.0,
                name,
                error = &error as &dyn std::error::Error,
                "an upload that was given up stays behind for now"
            );
        }
    }
}

fn check_waits(job: &Job) -> Result<()> {
    if job.status == JobStatus::WaitingToReceiveData {
        Ok(())
    } else {
        Err(conflict(job, "does not wait for data"))
    }
}

/// What is said of an audience must be said of this one.
fn check_metadata(job: &Job, metadata: &serde_json::Value) -> Result<()> {
    let mut invalid = Invalid::default();
    if !metadata.is_object() {
        invalid.add("", "object", "metadata is a JSON object".to_owned());
    }
    if job.category == JobCategory::SegmentExport {
        let details = &job.details;
        let ours = [
            ("endpointID", json!(details.producer)),
            ("segmentID", json!(details.producer_segment)),
            ("destinationEndpointID", json!(details.destination)),
        ];
        for (member, ours) in ours {
            let said = &metadata[member];
            let is_same = said == &ours || bare(said) == bare(&ours);
            if !said.is_null() && !is_same {
                let message = format!("this is job {}, whose {member} is {ours}", job.id);
                invalid.add(format!("/{member}"), "other-job", message);
            }
        }
    }
    if invalid.violations.is_empty() {
        Ok(())
    } else {
        Err(invalid.into())
    }
}

/// An id is the same whether it is written as a number or as a string.
fn bare(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
