//! Erasing, restricting and exporting people: the slices of gdprRequest jobs.
//! Called by `jobs`.

use std::sync::Arc;

use super::jobs::{JobRun, Slice, SliceError};
use crate::Hub;

impl Hub {
    /// One slice of such a job.
    pub(super) async fn privacy_slice(
        self: &Arc<Self>,
        run: &mut JobRun,
    ) -> Result<Slice, SliceError> {
        let category = run.job.category.as_str();
        let message = format!("this release cannot do {category} jobs yet");
        Err(SliceError::Failed(message))
    }
}
