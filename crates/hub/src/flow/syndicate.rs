//! An audience on its way from one endpoint to another: the slices of SEGMENT_EXPORT and IDENTITY_IMPORT jobs.
//! Called by `jobs`.

use std::sync::Arc;

use super::jobs::{JobRun, Slice, SliceError};
use crate::Hub;

impl Hub {
    /// One slice of such a job.
    pub(super) async fn syndicate_slice(
        self: &Arc<Self>,
        run: &mut JobRun,
    ) -> Result<Slice, SliceError> {
        let category = run.job.category.as_str();
        let message = format!("this release cannot do {category} jobs yet");
        Err(SliceError::Failed(message))
    }
}
