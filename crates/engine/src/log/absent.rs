//! What stands for the engines of the feature `distributed` in a build without it: it cannot be had, and says so.

use std::convert::Infallible;

use super::{JetStreamOptions, LogError, LogOptions};
use crate::clock::Clock;

/// A connection to JetStream, of which this build has none.
#[derive(Clone, Debug)]
pub enum JetStream {}

#[derive(Debug, thiserror::Error)]
#[error("built without `distributed`: build with --features distributed")]
struct Absent;

impl JetStream {
    /// Refuses.
    ///
    /// # Errors
    /// [`LogError::Unavailable`].
    #[expect(clippy::unused_async, reason = "as where it exists")]
    pub async fn connect(_options: JetStreamOptions) -> Result<Self, LogError> {
        Err(LogError::unavailable(Absent))
    }

    /// Nobody gets here: there is none.
    pub(super) fn never(&self, _shard: u32, _options: LogOptions, _clock: Clock) -> Infallible {
        match *self {}
    }
}
