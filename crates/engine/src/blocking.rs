//! Blocking work, off the runtime's own threads. Every engine that waits for a disk uses it.

/// Runs blocking work off the runtime. Dropping the future does not stop the work.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Stopped> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => Ok(done),
        Err(stopped) => match stopped.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => Err(Stopped),
        },
    }
}

/// The runtime is shutting down and takes no more work.
#[derive(Debug, thiserror::Error)]
#[error("the process is shutting down")]
pub(crate) struct Stopped;
