//! Serving the API until the process is told to stop.

use std::{future::Future, io, sync::Arc, time::Duration};

use tokio::net::TcpListener;

use crate::{Server, router};

/// How long requests that are under way may take once the server stops.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(10);

/// Takes up the registered pipelines and serves the API until `stop` resolves; then stops the pipelines after a
/// last commit and answers the requests that are under way.
///
/// # Errors
/// When the listener fails, or the registry cannot be read.
pub async fn serve(
    listener: TcpListener,
    server: Arc<Server>,
    stop: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let app = router(server.clone());
    let (stopped, until_stopped) = tokio::sync::oneshot::channel::<()>();
    // The API answers while pipelines are still being started: `/readyz` says so.
    let http = tokio::spawn(
        axum::serve(listener, app)
            .with_graceful_shutdown(async move {
                // A sender that is dropped means the same.
                let _ = until_stopped.await;
            })
            .into_future(),
    );
    let reconciled = server.reconcile().await.map_err(io::Error::other);
    if reconciled.is_ok() {
        // What running pipelines need has been used by now.
        let tidying = server.clone();
        tokio::spawn(async move {
            if let Err(problem) = tidying.tidy().await {
                tracing::warn!(reason = %problem, "what no plugin needs was not deleted");
            }
        });
        stop.await;
    }
    server.shut_down().await;
    drop(stopped);
    match tokio::time::timeout(DRAIN_TIMEOUT, http).await {
        Ok(ended) => ended.map_err(io::Error::other)??,
        Err(_) => tracing::warn!("a client does not end its request; its connection is closed"),
    }
    reconciled
}
