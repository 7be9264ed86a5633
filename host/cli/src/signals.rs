//! Being told to stop.

use std::process;

/// What a shell reports for a process that Ctrl-C ended.
const INTERRUPTED: i32 = 130;

/// Resolves at the first SIGINT or SIGTERM. From then on a second one ends the process at once.
pub(crate) async fn stop_requested() {
    next().await;
    eprintln!("stopping after a last commit; once more to stop at once");
    tokio::spawn(async {
        next().await;
        process::exit(INTERRUPTED);
    });
}

#[cfg(unix)]
async fn next() {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut interrupt), Ok(mut terminate)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        // Without handlers the system's default applies: the process ends.
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}

#[cfg(not(unix))]
async fn next() {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}
