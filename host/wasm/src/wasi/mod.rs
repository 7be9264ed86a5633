//! WASI 0.2 with nothing granted.
//!
//! Toolchains link WASI whether an operator uses it or not, so it is there: no arguments, no environment, no
//! directories, no sockets, an empty stdin. Printing goes to the guest's log. Time and randomness are those of
//! the batch. What could block is replaced by what cannot, because a deadline does not interrupt the host: a
//! guest that sleeps goes on at once.

mod io;
mod output;
mod sockets;
mod time;

use wasmtime::component::{HasData, HasSelf, Linker};
use wasmtime_wasi::{
    ResourceTable, WasiCtx,
    cli::{WasiCli, WasiCliView},
    filesystem::{WasiFilesystem, WasiFilesystemView},
    p2::bindings::{cli, clocks, filesystem, io as errors, random, sockets as net, sync},
    sockets::{WasiSockets, WasiSocketsView},
};

use crate::guest::GuestData;

/// The interfaces that are linked, without their version, which must be 0.2.
pub(crate) const LINKED: [&str; 27] = [
    "wasi:cli/environment",
    "wasi:cli/exit",
    "wasi:cli/stderr",
    "wasi:cli/stdin",
    "wasi:cli/stdout",
    "wasi:cli/terminal-input",
    "wasi:cli/terminal-output",
    "wasi:cli/terminal-stderr",
    "wasi:cli/terminal-stdin",
    "wasi:cli/terminal-stdout",
    "wasi:clocks/monotonic-clock",
    "wasi:clocks/wall-clock",
    "wasi:filesystem/preopens",
    "wasi:filesystem/types",
    "wasi:io/error",
    "wasi:io/poll",
    "wasi:io/streams",
    "wasi:random/insecure",
    "wasi:random/insecure-seed",
    "wasi:random/random",
    "wasi:sockets/instance-network",
    "wasi:sockets/ip-name-lookup",
    "wasi:sockets/network",
    "wasi:sockets/tcp",
    "wasi:sockets/tcp-create-socket",
    "wasi:sockets/udp",
    "wasi:sockets/udp-create-socket",
];

/// The context of an instance: everything empty.
pub(crate) fn nothing_granted() -> WasiCtx {
    WasiCtx::builder().allow_tcp(false).allow_udp(false).allow_ip_name_lookup(false).build()
}

/// Selects the table alone out of a guest's data.
struct Table;

impl HasData for Table {
    type Data<'a> = &'a mut ResourceTable;
}

/// Links every interface of [`LINKED`].
pub(crate) fn add_to_linker(linker: &mut Linker<GuestData>) -> wasmtime::Result<()> {
    type Own = HasSelf<GuestData>;
    fn own(data: &mut GuestData) -> &mut GuestData {
        data
    }
    let cli = <GuestData as WasiCliView>::cli;
    let files = <GuestData as WasiFilesystemView>::filesystem;
    let sockets = <GuestData as WasiSocketsView>::sockets;

    errors::error::add_to_linker::<_, Table>(linker, |data: &mut GuestData| &mut data.table)?;
    sync::io::poll::add_to_linker::<_, Own>(linker, own)?;
    sync::io::streams::add_to_linker::<_, Own>(linker, own)?;
    clocks::wall_clock::add_to_linker::<_, Own>(linker, own)?;
    clocks::monotonic_clock::add_to_linker::<_, Own>(linker, own)?;
    random::random::add_to_linker::<_, Own>(linker, own)?;
    random::insecure::add_to_linker::<_, Own>(linker, own)?;
    random::insecure_seed::add_to_linker::<_, Own>(linker, own)?;
    net::tcp_create_socket::add_to_linker::<_, Own>(linker, own)?;
    sync::sockets::udp_create_socket::add_to_linker::<_, Own>(linker, own)?;
    cli::stdin::add_to_linker::<_, Own>(linker, own)?;
    cli::stdout::add_to_linker::<_, Own>(linker, own)?;
    cli::stderr::add_to_linker::<_, Own>(linker, own)?;

    cli::environment::add_to_linker::<_, WasiCli>(linker, cli)?;
    cli::exit::add_to_linker::<_, WasiCli>(linker, cli)?;
    cli::terminal_input::add_to_linker::<_, WasiCli>(linker, cli)?;
    cli::terminal_output::add_to_linker::<_, WasiCli>(linker, cli)?;
    cli::terminal_stdin::add_to_linker::<_, WasiCli>(linker, cli)?;
    cli::terminal_stdout::add_to_linker::<_, WasiCli>(linker, cli)?;
    cli::terminal_stderr::add_to_linker::<_, WasiCli>(linker, cli)?;

    // Without a directory there is no descriptor, and without a socket no stream: nothing below is reached
    // but the calls that say so.
    filesystem::preopens::add_to_linker::<_, WasiFilesystem>(linker, files)?;
    sync::filesystem::types::add_to_linker::<_, WasiFilesystem>(linker, files)?;
    net::ip_name_lookup::add_to_linker::<_, WasiSockets>(linker, sockets)?;
    net::instance_network::add_to_linker::<_, WasiSockets>(linker, sockets)?;
    net::network::add_to_linker::<_, WasiSockets>(linker, &net::network::LinkOptions::default(), sockets)?;
    sync::sockets::tcp::add_to_linker::<_, WasiSockets>(linker, sockets)?;
    sync::sockets::udp::add_to_linker::<_, WasiSockets>(linker, sockets)?;
    Ok(())
}
