//! The binary `millstream` with fail points: at a named point of the protocol it kills or stops itself, as its
//! environment says. It is built for runs of chaos and shipped to nobody.

mod fail_point;

use std::{process::ExitCode, sync::Arc};

use fail_point::FailPoint;
use millstream_protocol::Probe;

/// As in the binary that is shipped.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match FailPoint::from_environment() {
        Ok(point) => millstream_cli::main_with(point.map(|point| Arc::new(point) as Arc<dyn Probe>)),
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}
