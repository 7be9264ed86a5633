//! `millstream serve`.

use std::{io, sync::Arc};

use anyhow::Result;
use millstream_api::{Server, ServerParts, serve as serve_api};
use millstream_runtime::Probe;
use serde_json::json;
use tokio::net::TcpListener;

use crate::{
    args::{Output, ServeArgs},
    config::HostConfig,
    failure::{FAILED, Failure},
    output, signals, wiring,
};

pub(crate) fn serve(args: ServeArgs, output: Output, probe: Option<Arc<dyn Probe>>) -> Result<()> {
    let config = HostConfig::load(&args.host)?;
    let listen = args.listen.unwrap_or_else(|| config.listen.clone());
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().thread_name("http").build()?;
    runtime.block_on(run(config, &listen, output, probe))
}

async fn run(config: HostConfig, listen: &str, output: Output, probe: Option<Arc<dyn Probe>>) -> Result<()> {
    // First, since it costs nothing and is what most often goes wrong.
    let listener = TcpListener::bind(listen).await.map_err(|error| {
        let failure = Failure::new(FAILED, format!("cannot listen on {listen}: {error}"));
        match error.kind() {
            io::ErrorKind::AddrInUse => {
                failure.hint("another process has the port; take another with --listen HOST:PORT")
            }
            _ => failure,
        }
    })?;
    let url = format!("http://{}", listener.local_addr()?);
    // From now on, so that a signal during a long start is heard.
    let stopped = tokio::spawn(signals::stop_requested());
    let registry = wiring::registry(&config).await?;
    let (config, parts, loader) = tokio::task::spawn_blocking(move || {
        let loader = wiring::loader(&config, true)?;
        let parts = wiring::open(&config)?;
        anyhow::Ok((config, parts, loader))
    })
    .await??;
    let log = parts.log.kind();
    let server = Server::new(ServerParts {
        registry,
        loader: Arc::new(loader),
        log: parts.log,
        backends: parts.backends,
        cache: parts.cache,
        clock: parts.clock,
        host_id: config.host_id,
        probe,
        sinks: parts.sinks,
        snapshots: parts.snapshots,
        limits: config.api,
    });
    match output {
        Output::Json => output::json(&json!({ "url": url, "log": log, "data_dir": config.data_dir }))?,
        Output::Text => {
            output::line(format_args!("millstream {} listens on {url} ({log} log)", env!("CARGO_PKG_VERSION")))?
        }
    }
    tracing::info!(url, log, data_dir = %config.data_dir.display(), "serving");
    serve_api(listener, server, async { drop(stopped.await) }).await?;
    Ok(())
}
