//! Messages of many partitions into one batch for each.

use std::{
    collections::VecDeque,
    panic::{AssertUnwindSafe, catch_unwind},
};

use millstream_log::{ErrorKind, Fetched, LogError};
use millstream_types::{RecordBatch, RecordRef, TopicPartition};
use rdkafka::{
    Message,
    message::{BorrowedMessage, Header, Headers},
};

/// How many open batches' worth of records are held before the oldest is closed early.
const HELD_BATCHES: usize = 4;

/// Builds batches. Those that are done come out oldest first, so that a busy partition starves no quiet one.
#[derive(Debug)]
pub(crate) struct Gather {
    slots: Vec<Slot>,
    /// Slots with an open batch, by the age of its first record.
    open: VecDeque<usize>,
    done: VecDeque<Fetched>,
    /// The slot of the last message, by the address of its topic and its partition: messages of one
    /// partition come in runs. Valid within one gathering only.
    last: Option<(usize, i32, usize)>,
    held_records: usize,
    max_records: usize,
    max_bytes: usize,
}

#[derive(Debug)]
struct Slot {
    partition: TopicPartition,
    /// Messages are taken; cleared when the partition goes.
    active: bool,
    batch: RecordBatch,
    offsets: Vec<i64>,
    bytes: usize,
    /// The lowest offset that may still come.
    expected: i64,
    /// Where the next batch begins at the earliest, as far as the caller has seen.
    position: i64,
}

impl Gather {
    pub(crate) fn new(max_records: usize, max_bytes: usize) -> Self {
        Self {
            slots: Vec::new(),
            open: VecDeque::new(),
            done: VecDeque::new(),
            last: None,
            held_records: 0,
            max_records: max_records.max(1),
            max_bytes: max_bytes.max(1),
        }
    }

    /// Takes messages of a partition from `position` on, dropping what is held of it.
    pub(crate) fn start(&mut self, partition: &TopicPartition, position: i64) {
        self.stop(partition);
        let index = match self.slots.iter().position(|slot| slot.partition == *partition) {
            Some(index) => index,
            None => {
                self.slots.push(Slot {
                    partition: partition.clone(),
                    active: false,
                    batch: RecordBatch::default(),
                    offsets: Vec::new(),
                    bytes: 0,
                    expected: 0,
                    position: 0,
                });
                self.slots.len() - 1
            }
        };
        if let Some(slot) = self.slots.get_mut(index) {
            slot.active = true;
            slot.expected = position;
            slot.position = position;
        }
    }

    /// Takes no more of a partition and drops what is held of it.
    pub(crate) fn stop(&mut self, partition: &TopicPartition) {
        self.last = None;
        self.done.retain(|fetched| {
            let other = fetched.partition != *partition;
            if !other {
                self.held_records -= fetched.offsets.len();
            }
            other
        });
        if let Some(index) = self.slots.iter().position(|slot| slot.partition == *partition) {
            self.open.retain(|&open| open != index);
            if let Some(slot) = self.slots.get_mut(index) {
                self.held_records -= slot.offsets.len();
                slot.active = false;
                slot.batch = RecordBatch::default();
                slot.offsets = Vec::new();
                slot.bytes = 0;
            }
        }
    }

    pub(crate) fn is_started(&self, partition: &TopicPartition) -> bool {
        self.started().any(|(started, _)| started == partition)
    }

    /// The partitions that messages are taken of, each with where its next batch begins at the earliest.
    pub(crate) fn started(&self) -> impl Iterator<Item = (&TopicPartition, i64)> {
        self.slots.iter().filter(|slot| slot.active).map(|slot| (&slot.partition, slot.position))
    }

    /// For each started partition the offset after the last message taken.
    pub(crate) fn taken(&self) -> impl Iterator<Item = (&TopicPartition, i64)> {
        self.slots.iter().filter(|slot| slot.active).map(|slot| (&slot.partition, slot.expected))
    }

    /// Whether nothing of this partition waits to be handed out.
    pub(crate) fn is_drained(&self, partition: &TopicPartition) -> bool {
        self.slots.iter().any(|slot| slot.partition == *partition && slot.position == slot.expected)
    }

    /// There is nothing below `position` any more: markers were passed.
    pub(crate) fn skip_to(&mut self, partition: &TopicPartition, position: i64) {
        for slot in &mut self.slots {
            if slot.partition == *partition && slot.position == slot.expected && slot.expected < position {
                slot.expected = position;
                slot.position = position;
            }
        }
    }

    /// Begins a gathering: addresses of topics seen before mean nothing any more.
    pub(crate) fn begin(&mut self) {
        self.last = None;
    }

    /// Whether nothing waits to be handed out.
    pub(crate) fn is_empty(&self) -> bool {
        self.held_records == 0
    }

    /// Whether a batch should be handed out before more is taken.
    pub(crate) fn is_ready(&self) -> bool {
        !self.done.is_empty() || self.held_records >= self.max_records.saturating_mul(HELD_BATCHES)
    }

    /// The oldest batch: one that is done, else one that is still open.
    pub(crate) fn next(&mut self) -> Option<Fetched> {
        if self.done.is_empty()
            && let Some(&oldest) = self.open.front()
        {
            self.close(oldest);
        }
        let fetched = self.done.pop_front()?;
        self.held_records -= fetched.offsets.len();
        if let Some(slot) = self.slots.iter_mut().find(|slot| slot.partition == fetched.partition) {
            slot.position = fetched.next_offset;
        }
        Some(fetched)
    }

    /// Takes a message.
    pub(crate) fn push(&mut self, message: &BorrowedMessage<'_>) -> Result<(), LogError> {
        let Some(index) = self.slot_of(message) else { return Ok(()) };
        let offset = message.offset();
        let size = message.key_len() + message.payload_len();
        let Some(slot) = self.slots.get_mut(index) else { return Ok(()) };
        // After a jump back and forth an old message may still be under way.
        if !slot.active || offset < slot.expected {
            return Ok(());
        }
        if !slot.offsets.is_empty() && slot.bytes + size > self.max_bytes {
            self.close(index);
        }
        let Some(slot) = self.slots.get_mut(index) else { return Ok(()) };
        if slot.offsets.is_empty() {
            self.open.push_back(index);
        }
        slot.push(message, offset, size)?;
        self.held_records += 1;
        if slot.offsets.len() >= self.max_records || slot.bytes >= self.max_bytes {
            self.close(index);
        }
        Ok(())
    }

    fn slot_of(&mut self, message: &BorrowedMessage<'_>) -> Option<usize> {
        let (address, partition) = (message.topic_ptr().addr(), message.partition());
        match self.last {
            Some((last_address, last_partition, index)) if (last_address, last_partition) == (address, partition) => {
                Some(index)
            }
            _ => {
                let number = u32::try_from(partition).ok()?;
                let topic = message.topic();
                let index = self
                    .slots
                    .iter()
                    .position(|slot| slot.partition.partition == number && *slot.partition.topic == *topic)?;
                self.last = Some((address, partition, index));
                Some(index)
            }
        }
    }

    /// Ends the open batch of a slot, and those that are older.
    fn close(&mut self, last: usize) {
        while let Some(index) = self.open.pop_front() {
            if let Some(fetched) = self.slots.get_mut(index).and_then(Slot::take) {
                self.done.push_back(fetched);
            }
            if index == last {
                break;
            }
        }
    }
}

impl Slot {
    #[inline]
    fn push(&mut self, message: &BorrowedMessage<'_>, offset: i64, size: usize) -> Result<(), LogError> {
        let record = RecordRef {
            key: message.key(),
            value: message.payload(),
            // A record without a time; event time 0 is written that way.
            timestamp_ms: message.timestamp().to_millis().unwrap_or(0),
        };
        match message.headers() {
            None => self.batch.push(record),
            Some(headers) => {
                // rdkafka panics on a name that is not UTF-8, which any client may send.
                let pushed = catch_unwind(AssertUnwindSafe(|| {
                    let headers: Vec<Header<'_, &[u8]>> = headers.iter().collect();
                    self.batch
                        .push_with_headers(record, headers.iter().map(|header| (header.key.as_bytes(), header.value)));
                }));
                if pushed.is_err() {
                    return Err(LogError::new(
                        ErrorKind::User,
                        format!("the record at offset {offset} has a header whose name is not UTF-8"),
                    )
                    .at(self.partition.clone()));
                }
            }
        }
        self.offsets.push(offset);
        self.bytes += size;
        self.expected = offset + 1;
        Ok(())
    }

    fn take(&mut self) -> Option<Fetched> {
        let records = self.offsets.len();
        if records == 0 {
            return None;
        }
        // The next batch will be about as large.
        let next = RecordBatch::with_capacity(records, self.batch.keys.data().len(), self.batch.values.data().len());
        let batch = std::mem::replace(&mut self.batch, next);
        let offsets = std::mem::replace(&mut self.offsets, Vec::with_capacity(records));
        self.bytes = 0;
        Some(Fetched { partition: self.partition.clone(), batch, offsets, next_offset: self.expected })
    }
}
