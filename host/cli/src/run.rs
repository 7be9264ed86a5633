//! `millstream run`: a pipeline without a server.

mod progress;

use std::{path::Path, sync::Arc};

use anyhow::Result;
use millstream_api::forget_pipeline;
use millstream_pipeline::{
    PipelineSpec,
    spec::{FileInput, FilesPlace, FilesSink},
};
use millstream_runtime::{Host, PipelineHandle, PipelineState, PipelineStatus, Rules, StartOptions, start};

use progress::Progress;

use crate::{
    args::{Output, RunArgs},
    config::HostConfig,
    failure::{FAILED, Failure},
    output, pipeline, signals, wiring,
};

pub(crate) fn run(args: RunArgs, output: Output) -> Result<()> {
    let config = HostConfig::load(&args.host)?;
    let (_, mut spec) = pipeline::read(&args.file)?;
    place_files(&mut spec, args.file.parent().unwrap_or(Path::new("")));
    let operators = wiring::operators(&spec, &args.file, &wiring::loader(&config, true)?, &config)?;
    let plan = pipeline::planned(&spec, &operators)?;
    let parts = wiring::open(&config)?;
    if args.fresh {
        forget_pipeline(&spec.pipeline, parts.log.as_ref(), parts.backends.as_ref())?;
    }
    let host = Host {
        log: parts.log,
        backends: parts.backends,
        cache: parts.cache,
        clock: parts.clock,
        host_id: config.host_id,
        operators: Arc::new(operators),
        sinks: parts.sinks,
        snapshots: parts.snapshots,
        rules: Rules::default(),
        probe: None,
    };
    let handle = start(plan, host, StartOptions { until_drained: args.until_drained })
        .map_err(|error| Failure::new(FAILED, format!("pipeline `{}` cannot start: {error}", spec.pipeline)))?;
    let prints = spec.sinks.iter().any(|sink| sink.stdout.is_some());
    let status = supervise(&handle, Progress::new(args.quiet, prints))?;
    conclude(&status, args.quiet, output)
}

/// Files are named relative to the pipeline file.
fn place_files(spec: &mut PipelineSpec, directory: &Path) {
    let place = |path: &mut String| {
        // An absolute path stays what it is.
        *path = directory.join(&*path).to_string_lossy().into_owned();
    };
    for source in spec.sources.iter_mut().filter_map(|source| source.file.as_mut()) {
        match &mut source.input {
            FileInput::Path(path) | FileInput::Glob(path) => place(path),
            FileInput::Stdin(_) => {}
        }
    }
    for sink in &mut spec.sinks {
        if let Some(file) = &mut sink.file {
            place(&mut file.path);
        }
        if let Some(FilesSink { place: FilesPlace::Directory(directory), .. }) = &mut sink.files {
            place(directory);
        }
    }
}

/// Waits until the pipeline has ended, and stops it when told to.
fn supervise(handle: &PipelineHandle, mut progress: Progress) -> Result<PipelineStatus> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let status = runtime.block_on(async {
        let waiting = handle.clone();
        let mut ended = tokio::task::spawn_blocking(move || waiting.wait());
        let mut stop = std::pin::pin!(signals::stop_requested());
        let mut stopping = false;
        loop {
            tokio::select! {
                status = &mut ended => return status,
                () = &mut stop, if !stopping => {
                    stopping = true;
                    progress.clear();
                    let handle = handle.clone();
                    // Its end is seen by the wait above.
                    drop(tokio::task::spawn_blocking(move || handle.stop()));
                }
                () = progress.tick() => progress.show(&handle.status()),
            }
        }
    })?;
    Ok(status)
}

fn conclude(status: &PipelineStatus, quiet: bool, output: Output) -> Result<()> {
    match output {
        // Standard output may be a sink.
        Output::Json => eprintln!("{}", serde_json::to_string(status)?),
        Output::Text if !quiet => eprintln!(
            "{} {}: {} records in, {} out, {} commits",
            status.pipeline,
            progress::name(status.state),
            output::count(status.records_in),
            output::count(status.records_out),
            output::count(status.commits.count),
        ),
        Output::Text => {}
    }
    match status.state {
        PipelineState::Failed => {
            let reason = status.reason.as_deref().unwrap_or("no reason was given");
            Err(Failure::new(FAILED, format!("pipeline `{}` failed: {reason}", status.pipeline)).into())
        }
        _ => Ok(()),
    }
}
