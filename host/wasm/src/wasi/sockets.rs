//! Sockets, which nobody is granted: the calls that would make one.

use wasmtime::component::Resource;
use wasmtime_wasi::{
    p2::{
        SocketError, SocketResult, TcpSocket, UdpSocket,
        bindings::{
            sockets::{
                network::{self, ErrorCode, IpAddressFamily, Network},
                tcp_create_socket,
            },
            sync::sockets::udp_create_socket,
        },
    },
    sockets::WasiSocketsView,
};

use crate::guest::GuestData;

impl tcp_create_socket::Host for GuestData {
    fn create_tcp_socket(&mut self, _family: IpAddressFamily) -> SocketResult<Resource<TcpSocket>> {
        Err(ErrorCode::AccessDenied.into())
    }
}

impl udp_create_socket::Host for GuestData {
    fn create_udp_socket(&mut self, _family: IpAddressFamily) -> SocketResult<Resource<UdpSocket>> {
        Err(ErrorCode::AccessDenied.into())
    }
}

impl network::Host for GuestData {
    fn convert_error_code(&mut self, error: SocketError) -> wasmtime::Result<ErrorCode> {
        self.sockets().convert_error_code(error)
    }

    fn network_error_code(&mut self, error: Resource<wasmtime::Error>) -> wasmtime::Result<Option<ErrorCode>> {
        self.sockets().network_error_code(error)
    }
}

impl network::HostNetwork for GuestData {
    fn drop(&mut self, network: Resource<Network>) -> wasmtime::Result<()> {
        network::HostNetwork::drop(&mut self.sockets(), network)
    }
}
