//! When to stop: Ctrl-C, or what a service manager sends. Used by every command that goes on until it is told.

/// Returns at the first SIGINT or SIGTERM.
pub async fn stop() {
    let interrupt = tokio::signal::ctrl_c();
    match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
        Ok(mut terminate) => {
            tokio::select! {
                _ = interrupt => {}
                _ = terminate.recv() => {}
            }
        }
        Err(_) => {
            let _ = interrupt.await;
        }
    }
}

/// The same, or the terminal is closed: for what a person looks at, which leaves nothing behind. A server must live on
/// without a terminal, under `nohup` for one.
pub async fn stop_or_hangup() {
    match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::hangup()) {
        Ok(mut hangup) => {
            tokio::select! {
                () = stop() => {}
                _ = hangup.recv() => {}
            }
        }
        Err(_) => stop().await,
    }
}
