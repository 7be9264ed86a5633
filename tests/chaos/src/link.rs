//! The network between a host and the broker: a proxy on loopback that can be cut, silent, deaf or slow.

use std::{
    io::{ErrorKind, Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use anyhow::{Context, Result};

/// How a link behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Everything passes.
    Pass,
    /// Every connection is closed, and new ones are as well.
    Cut,
    /// Connections stay and nothing passes.
    Silent,
    /// Requests pass and answers do not.
    Deaf,
    /// Everything passes this much later.
    Slow(Duration),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Direction {
    Request,
    Answer,
}

impl Mode {
    fn holds(self, direction: Direction) -> bool {
        match self {
            Self::Pass | Self::Slow(_) => false,
            Self::Cut | Self::Silent => true,
            Self::Deaf => direction == Direction::Answer,
        }
    }
}

/// How soon a pump that waits for bytes sees that its link was reset.
const READ_TICK: Duration = Duration::from_millis(100);
/// How soon a pump that holds bytes back sees that it may let them go.
const HOLD_TICK: Duration = Duration::from_millis(10);

struct Shared {
    mode: RwLock<Mode>,
    /// Connections of earlier generations are closed.
    generation: AtomicU64,
    over: AtomicBool,
    upstream: u16,
}

impl Shared {
    fn mode(&self) -> Mode {
        *self.mode.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_over(&self, generation: u64) -> bool {
        self.over.load(Ordering::Relaxed) || self.generation.load(Ordering::Relaxed) != generation
    }
}

/// A link. It is taken down where it is dropped.
pub struct Link {
    shared: Arc<Shared>,
}

impl Link {
    /// Listens on `port` and passes on to `upstream`.
    ///
    /// # Errors
    /// When the port is taken.
    pub fn open(port: u16, upstream: u16) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", port)).with_context(|| format!("port {port} is taken"))?;
        listener.set_nonblocking(true)?;
        let shared = Arc::new(Shared {
            mode: RwLock::new(Mode::Pass),
            generation: AtomicU64::new(0),
            over: AtomicBool::new(false),
            upstream,
        });
        let accepting = shared.clone();
        thread::spawn(move || accept(&listener, &accepting));
        Ok(Self { shared })
    }

    /// How it behaves now.
    pub fn mode(&self) -> Mode {
        self.shared.mode()
    }

    /// Changes how it behaves. A cut closes the connections that there are.
    pub fn set(&self, mode: Mode) {
        *self.shared.mode.write().unwrap_or_else(PoisonError::into_inner) = mode;
        if mode == Mode::Cut {
            self.reset();
        }
    }

    /// Closes every connection, with what it held back.
    pub fn reset(&self) {
        self.shared.generation.fetch_add(1, Ordering::Relaxed);
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::Relaxed);
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    while !shared.over.load(Ordering::Relaxed) {
        match listener.accept() {
            Ok((client, _)) if shared.mode() != Mode::Cut => connect(client, shared.clone()),
            Ok(_) => {}
            Err(_) => thread::sleep(HOLD_TICK),
        }
    }
}

/// Connects a client with the broker. Where the broker is down the client's connection ends at once.
fn connect(client: TcpStream, shared: Arc<Shared>) {
    let generation = shared.generation.load(Ordering::Relaxed);
    thread::spawn(move || {
        let Ok(server) = TcpStream::connect(("127.0.0.1", shared.upstream)) else { return };
        let ends = || Some((client.try_clone().ok()?, server.try_clone().ok()?));
        let Some((client_end, server_end)) = ends() else { return };
        let answers = shared.clone();
        thread::spawn(move || pump(server_end, client_end, Direction::Answer, generation, &answers));
        pump(client, server, Direction::Request, generation, &shared);
    });
}

fn pump(mut from: TcpStream, mut to: TcpStream, direction: Direction, generation: u64, shared: &Shared) {
    let mut bytes = vec![0; 64 << 10];
    let ready = [&from, &to].iter().all(|end| {
        end.set_nonblocking(false).is_ok()
            && end.set_nodelay(true).is_ok()
            && end.set_read_timeout(Some(READ_TICK)).is_ok()
    });
    while ready && !shared.is_over(generation) {
        if shared.mode().holds(direction) {
            thread::sleep(HOLD_TICK);
            continue;
        }
        let count = match from.read(&mut bytes) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error)
                if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted) =>
            {
                continue;
            }
            Err(_) => break,
        };
        if let Mode::Slow(delay) = shared.mode() {
            thread::sleep(delay);
        }
        // What came when the link went silent waits with the rest.
        while shared.mode().holds(direction) && !shared.is_over(generation) {
            thread::sleep(HOLD_TICK);
        }
        let passed = bytes.get(..count).is_some_and(|bytes| !shared.is_over(generation) && to.write_all(bytes).is_ok());
        if !passed {
            break;
        }
    }
    // The other end may be closed already.
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server that answers each byte with the next one.
    fn server() -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        thread::spawn(move || {
            for mut connection in listener.incoming().flatten() {
                thread::spawn(move || {
                    let mut byte = [0];
                    while connection.read_exact(&mut byte).is_ok() && connection.write_all(&[byte[0] + 1]).is_ok() {}
                });
            }
        });
        port
    }

    fn link() -> (Link, u16) {
        let port = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address").port();
        (Link::open(port, server()).expect("a link"), port)
    }

    fn call(connection: &mut TcpStream, byte: u8) -> std::io::Result<u8> {
        connection.write_all(&[byte])?;
        let mut answer = [0];
        connection.read_exact(&mut answer).map(|()| answer[0])
    }

    #[test]
    fn what_a_silent_link_held_back_comes_when_it_passes_again() {
        let (link, port) = link();
        let mut connection = TcpStream::connect(("127.0.0.1", port)).expect("a connection");
        assert_eq!(call(&mut connection, 1).expect("an answer"), 2);
        for mode in [Mode::Silent, Mode::Deaf] {
            link.set(mode);
            connection.set_read_timeout(Some(Duration::from_millis(300))).expect("a time-out");
            let late = call(&mut connection, 7).expect_err("no answer").kind();
            assert!(matches!(late, ErrorKind::WouldBlock | ErrorKind::TimedOut), "{late:?}");
            link.set(Mode::Pass);
            connection.set_read_timeout(None).expect("no time-out");
            let mut answer = [0];
            connection.read_exact(&mut answer).expect("the answer");
            assert_eq!(answer, [8]);
        }
    }

    #[test]
    fn a_cut_link_closes_connections_and_takes_no_new_ones() {
        let (link, port) = link();
        let mut connection = TcpStream::connect(("127.0.0.1", port)).expect("a connection");
        assert_eq!(call(&mut connection, 1).expect("an answer"), 2);
        link.set(Mode::Cut);
        let mut rest = Vec::new();
        assert!(connection.read_to_end(&mut rest).is_err() || rest.is_empty());
        let refused = TcpStream::connect(("127.0.0.1", port)).and_then(|mut new| call(&mut new, 1));
        assert!(refused.is_err(), "{refused:?}");
        link.set(Mode::Pass);
        let mut again = TcpStream::connect(("127.0.0.1", port)).expect("a connection");
        assert_eq!(call(&mut again, 3).expect("an answer"), 4);
    }
}
