//! The lists of segments that endpoints are asked for: the slices of SEGMENT_POPULATE_DB jobs.
//! Called by `jobs`.

use std::sync::Arc;

use super::jobs::{JobRun, Slice, SliceError};
use crate::Hub;

impl Hub {
    /// One slice of such a job.
    pub(super) async fn refresh_slice(
        self: &Arc<Self>,
        run: &mut JobRun,
    ) -> Result<Slice, SliceError> {
        let category = run.job.category.as_str();
        let message = format!("this release cannot do {category} jobs yet");
        Err(SliceError::Failed(message))
    }
}
