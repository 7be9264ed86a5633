//! Standard input without waiting: a thread reads it and hands blocks over.

use std::{
    io::{self, ErrorKind, Read},
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        mpsc::{Receiver, TryRecvError, sync_channel},
    },
};

/// Bytes read at a time.
const BLOCK_BYTES: usize = 64 << 10;
/// Blocks read ahead; the writer at the other end of the pipe waits beyond that.
const BLOCKS_AHEAD: usize = 8;

/// Where the next reader of the feed begins.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// Bytes taken so far.
    pub offset: u64,
    /// The number of the next line, from 1.
    pub line: u64,
    /// The names of CSV columns, once they were read.
    pub columns: Option<Vec<String>>,
}

/// An input that is read once, by one reader after another: a reader that is dropped leaves the rest to the
/// next one.
#[derive(Debug)]
pub(crate) struct StdinFeed {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    blocks: Receiver<io::Result<Vec<u8>>>,
    block: Vec<u8>,
    taken: usize,
    place: Place,
}

impl StdinFeed {
    /// The process's standard input; read from the first time on that anybody asks for it.
    pub fn of_process() -> Arc<Self> {
        static FEED: OnceLock<Arc<StdinFeed>> = OnceLock::new();
        Arc::clone(FEED.get_or_init(|| Self::over(io::stdin())))
    }

    /// A feed of any input.
    pub fn over(mut input: impl Read + Send + 'static) -> Arc<Self> {
        let (sender, blocks) = sync_channel(BLOCKS_AHEAD);
        // Ends with the input or with the process: a read of a terminal cannot be interrupted.
        std::thread::spawn(move || {
            loop {
                let mut block = vec![0; BLOCK_BYTES];
                let read = match input.read(&mut block) {
                    Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                    read => read,
                };
                let last = !matches!(read, Ok(1..));
                let sent = match read {
                    Ok(0) => break,
                    Ok(length) => {
                        block.truncate(length);
                        sender.send(Ok(block))
                    }
                    Err(error) => sender.send(Err(error)),
                };
                if last || sent.is_err() {
                    break;
                }
            }
        });
        let place = Place { offset: 0, line: 1, columns: None };
        Arc::new(Self { state: Mutex::new(State { blocks, block: Vec::new(), taken: 0, place }) })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where the next reader begins.
    pub fn place(&self) -> Place {
        self.state().place.clone()
    }

    /// A reader of the rest; it says [`ErrorKind::WouldBlock`] where there is nothing yet.
    pub fn reader(self: &Arc<Self>) -> impl Read + Send + use<> {
        FeedReader(Arc::clone(self))
    }

    /// Gives back what a reader did not use.
    pub fn give_back(&self, unused: &[u8], place: Place) {
        let state = &mut *self.state();
        let mut block = unused.to_vec();
        block.extend_from_slice(state.block.get(state.taken..).unwrap_or_default());
        (state.block, state.taken, state.place) = (block, 0, place);
    }
}

struct FeedReader(Arc<StdinFeed>);

impl Read for FeedReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let state = &mut *self.0.state();
        if state.taken == state.block.len() {
            state.block = match state.blocks.try_recv() {
                Ok(block) => block?,
                Err(TryRecvError::Empty) => return Err(ErrorKind::WouldBlock.into()),
                Err(TryRecvError::Disconnected) => return Ok(0),
            };
            state.taken = 0;
        }
        let rest = state.block.get(state.taken..).unwrap_or_default();
        let length = rest.len().min(buffer.len());
        for (to, from) in buffer.iter_mut().zip(rest) {
            *to = *from;
        }
        state.taken += length;
        Ok(length)
    }
}
