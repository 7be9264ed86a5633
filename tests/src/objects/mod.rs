//! An object store for tests that fails on purpose: the part of S3's API that `object_store` speaks, in memory.
//!
//! Addresses are path-style, signatures are not looked at, and no bucket has to be made. What it keeps outlives every
//! [`Manner`] that it is given.

mod bucket;
mod dates;
mod http;
mod requests;

use std::{
    io::{self, BufReader, Read},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use anyhow::Result;

use bucket::Bucket;
use http::{Answer, Head, Pace};

/// How the store behaves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Manner {
    /// It answers.
    #[default]
    Answers,
    /// It answers 503 and does nothing.
    Refuses,
    /// It closes every connection, and does nothing.
    Resets,
    /// It answers this much later, and what it sends trickles.
    Slow(Duration),
    /// It closes connections in the middle of what is sent, in either direction, and does nothing.
    Tears,
    /// It does what it is asked for and closes the connection before it answers.
    LosesAnswers,
    /// One request in so many meets one of the above.
    Moody(u64),
}

/// Those that [`Manner::Moody`] takes in turn.
const MOODS: [Manner; 5] =
    [Manner::Refuses, Manner::LosesAnswers, Manner::Tears, Manner::Resets, Manner::Slow(Duration::from_millis(200))];

/// How often the accepting thread looks for its end.
const ACCEPT_TICK: Duration = Duration::from_millis(5);

/// The store. It takes no more connections where it is dropped.
#[derive(Debug)]
pub struct ObjectServer {
    shared: Arc<Shared>,
    port: u16,
}

#[derive(Debug, Default)]
struct Shared {
    bucket: Mutex<Bucket>,
    manner: Mutex<Manner>,
    requests: AtomicU64,
    spoiled: AtomicU64,
    over: AtomicBool,
}

impl ObjectServer {
    /// Listens on a port of loopback that is free.
    ///
    /// # Errors
    /// When there is none.
    pub fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        let port = listener.local_addr()?.port();
        let shared = Arc::<Shared>::default();
        let accepting = shared.clone();
        thread::spawn(move || accept(&listener, &accepting));
        Ok(Self { shared, port })
    }

    /// The URL of a place in it, as settings and pipeline files take it; `place` is `bucket` or `bucket/prefix`.
    pub fn url(&self, place: &str) -> String {
        let port = self.port;
        format!(
            "s3://{place}?endpoint=http://127.0.0.1:{port}&allow_http=true&region=test&access_key_id=test&secret_access_key=test"
        )
    }

    /// Changes how it behaves, from the next request on.
    pub fn set(&self, manner: Manner) {
        *self.shared.manner.lock().unwrap_or_else(PoisonError::into_inner) = manner;
    }

    /// How it behaves.
    pub fn manner(&self) -> Manner {
        self.shared.manner()
    }

    /// Keeps an object.
    pub fn put(&self, path: &str, bytes: &[u8]) {
        self.shared.bucket().put(path, bytes.into(), false);
    }

    /// The objects whose path, `bucket/prefix/name`, begins with `prefix`, by path.
    pub fn objects(&self, prefix: &str) -> Vec<(String, Arc<[u8]>)> {
        self.shared.bucket().objects(prefix)
    }

    /// The paths below `prefix` of objects that were there and then changed or went.
    pub fn disturbed(&self, prefix: &str) -> Vec<String> {
        self.shared.bucket().disturbed(prefix)
    }

    /// Requests that came.
    pub fn requests(&self) -> u64 {
        self.shared.requests.load(Ordering::Relaxed)
    }

    /// Those of them that got no answer, or none that they wanted to hear, since the store was set to it.
    pub fn spoiled(&self) -> u64 {
        self.shared.spoiled.load(Ordering::Relaxed)
    }
}

impl Drop for ObjectServer {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::Relaxed);
    }
}

impl Shared {
    fn bucket(&self) -> MutexGuard<'_, Bucket> {
        self.bucket.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn manner(&self) -> Manner {
        *self.manner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How the next request is met.
    fn next(&self) -> Manner {
        let number = self.requests.fetch_add(1, Ordering::Relaxed);
        let manner = match self.manner() {
            Manner::Moody(every) if number.is_multiple_of(every.max(1)) => {
                let turn = usize::try_from(number / every.max(1)).unwrap_or_default() % MOODS.len();
                MOODS.get(turn).copied().unwrap_or_default()
            }
            Manner::Moody(_) => Manner::Answers,
            manner => manner,
        };
        if !matches!(manner, Manner::Answers | Manner::Slow(_)) {
            self.spoiled.fetch_add(1, Ordering::Relaxed);
        }
        manner
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    while !shared.over.load(Ordering::Relaxed) {
        match listener.accept() {
            Ok((connection, _)) => {
                let shared = shared.clone();
                // Clients take a connection that ends for what it is.
                thread::spawn(move || drop(serve(connection, &shared)));
            }
            Err(_) => thread::sleep(ACCEPT_TICK),
        }
    }
}

fn serve(mut connection: TcpStream, shared: &Shared) -> io::Result<()> {
    connection.set_nonblocking(false)?;
    connection.set_nodelay(true)?;
    let mut reader = BufReader::new(connection.try_clone()?);
    while let Some(head) = Head::read(&mut reader)? {
        if shared.over.load(Ordering::Relaxed) {
            break;
        }
        let go_on = meet(&head, &mut reader, &mut connection, shared)?;
        if !go_on {
            break;
        }
    }
    connection.shutdown(Shutdown::Both)
}

/// Answers one request. False: the connection ends.
fn meet(head: &Head, reader: &mut impl Read, connection: &mut TcpStream, shared: &Shared) -> io::Result<bool> {
    let manner = shared.next();
    let mut body = |length: usize| {
        let mut body = vec![0; length];
        reader.read_exact(&mut body).map(|()| body)
    };
    match manner {
        Manner::Answers | Manner::Moody(_) => {
            let body = body(head.length)?;
            requests::answer(head, &body, &mut shared.bucket()).send(head, connection, Pace::AtOnce)?;
            Ok(true)
        }
        Manner::Slow(delay) => {
            let body = body(head.length)?;
            thread::sleep(delay);
            let answer = requests::answer(head, &body, &mut shared.bucket());
            answer.send(head, connection, Pace::Trickle(delay))?;
            Ok(true)
        }
        Manner::Refuses => {
            body(head.length)?;
            Answer::error(503, "SlowDown", "as the test wants it").send(head, connection, Pace::AtOnce)?;
            Ok(true)
        }
        Manner::Resets => Ok(false),
        Manner::Tears => {
            body(head.length / 2)?;
            if head.length == 0 && head.method == "GET" {
                requests::answer(head, &[], &mut shared.bucket()).send(head, connection, Pace::Half)?;
            }
            Ok(false)
        }
        Manner::LosesAnswers => {
            let body = body(head.length)?;
            requests::answer(head, &body, &mut shared.bucket());
            Ok(false)
        }
    }
}

#[cfg(test)]
mod tests;
