//! To come.
use std::time::Duration;
pub(crate) async fn run(_time: Duration) -> crate::Result<()> {
    Ok(())
}
