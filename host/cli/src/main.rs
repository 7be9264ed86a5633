//! The binary `millstream`.

use std::process::ExitCode;

/// The host allocates whole columns on many threads, which the system's allocator is slow at.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    millstream_cli::main()
}
