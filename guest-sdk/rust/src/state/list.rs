//! A list for each key.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::fmt::{self, Debug, Formatter};
use std::marker::PhantomData;
use std::rc::Rc;

use super::{Begin, Changes, Codec, Declaration, Place, Standard, StateHandle};
use crate::column::{Column, ColumnBuilder};
use crate::contract::StateKind;
use crate::{Result, host};

/// Elements that one host call reads.
const PAGE: u32 = 256;

/// An append-only list for each key.
///
/// Elements are read by host calls; what a batch appends goes to the host in one call when the batch is done.
pub struct List<T, C = Standard> {
    place: Place,
    keys: RefCell<BTreeMap<u32, Pending>>,
    undo: Vec<Undo>,
    types: PhantomData<fn() -> (T, C)>,
}

/// What the batch did to one key's list.
#[derive(Debug, Default)]
struct Pending {
    /// Nothing that the host has stands.
    cleared: bool,
    appended: Vec<Vec<u8>>,
    /// Elements that the host has, once asked for.
    stored: Cell<Option<u64>>,
}

/// What the record in hand did, in order.
#[derive(Debug)]
enum Undo {
    Appended { group: u32 },
    Cleared { group: u32, before: Pending },
}

impl<T, C: Codec<T>> List<T, C> {
    /// Appends an element to the key's list.
    ///
    /// # Errors
    /// When the record has no key, or the element cannot be encoded.
    pub fn push(&mut self, element: &T) -> Result<()> {
        let group = self.place.group()?;
        let mut bytes = Vec::new();
        C::encode(element, &mut bytes)?;
        self.keys.get_mut().entry(group).or_default().appended.push(bytes);
        self.undo.push(Undo::Appended { group });
        Ok(())
    }

    /// The number of elements.
    ///
    /// # Errors
    /// When the record has no key.
    pub fn len(&self) -> Result<u64> {
        let group = self.place.group()?;
        let mut keys = self.keys.borrow_mut();
        let pending = keys.entry(group).or_default();
        Ok(self.stored(group, pending)? + pending.appended.len() as u64)
    }

    /// Whether there are no elements.
    ///
    /// # Errors
    /// When the record has no key.
    pub fn is_empty(&self) -> Result<bool> {
        Ok(self.len()? == 0)
    }

    /// The elements in the order of appending. Read from the host page by page as the iterator goes on.
    ///
    /// # Errors
    /// When the record has no key.
    pub fn iter(&self) -> Result<Elements<'_, T, C>> {
        self.iter_from(0)
    }

    /// The elements from index `start` on.
    ///
    /// # Errors
    /// When the record has no key.
    pub fn iter_from(&self, start: u64) -> Result<Elements<'_, T, C>> {
        Ok(Elements { list: self, group: self.place.group()?, next: start, page: VecDeque::new(), done: false })
    }

    /// Removes every element of the key's list.
    ///
    /// # Errors
    /// When the record has no key.
    pub fn clear(&mut self) -> Result<()> {
        let group = self.place.group()?;
        let cleared = Pending { cleared: true, ..Pending::default() };
        let before = self.keys.get_mut().insert(group, cleared).unwrap_or_default();
        self.undo.push(Undo::Cleared { group, before });
        Ok(())
    }

    fn stored(&self, group: u32, pending: &Pending) -> Result<u64> {
        if pending.cleared {
            return Ok(0);
        }
        if let Some(stored) = pending.stored.get() {
            return Ok(stored);
        }
        let key = self.place.frame()?.group_key(group);
        let stored = host::list_length(self.place.declaration.index, key).map_err(|error| self.place.refused(error))?;
        pending.stored.set(Some(stored));
        Ok(stored)
    }

    fn page(&self, group: u32, start: u64, page: &mut VecDeque<Vec<u8>>) -> Result<()> {
        let mut keys = self.keys.borrow_mut();
        let pending = keys.entry(group).or_default();
        let stored = self.stored(group, pending)?;
        if start < stored {
            let limit = PAGE.min(u32::try_from(stored - start).unwrap_or(PAGE));
            let key = self.place.frame()?.group_key(group);
            let elements = host::list_read(self.place.declaration.index, key, start, limit)
                .map_err(|error| self.place.refused(error))?;
            page.extend(Column::new(&elements).iter().map(|element| element.unwrap_or_default().to_vec()));
        } else {
            let skipped = usize::try_from(start - stored).unwrap_or(usize::MAX);
            page.extend(pending.appended.iter().skip(skipped).take(PAGE as usize).cloned());
        }
        Ok(())
    }
}

impl<T: 'static, C: Codec<T>> StateHandle for List<T, C> {
    const KIND: StateKind = StateKind::List;

    fn create(declaration: Declaration) -> Self {
        Self { place: Place::new(declaration), keys: RefCell::default(), undo: Vec::new(), types: PhantomData }
    }

    fn begin(&mut self, batch: &mut Begin<'_>) -> Result<()> {
        self.place.frame = Some(Rc::clone(batch.frame));
        self.keys.get_mut().clear();
        self.undo.clear();
        Ok(())
    }

    #[inline]
    fn keep(&mut self) {
        self.undo.clear();
    }

    fn undo(&mut self) {
        let keys = self.keys.get_mut();
        for undo in self.undo.drain(..).rev() {
            match undo {
                Undo::Cleared { group, before } => {
                    keys.insert(group, before);
                }
                Undo::Appended { group } => {
                    keys.entry(group).or_default().appended.pop();
                }
            }
        }
    }

    fn finish(&mut self, _: &mut Changes) -> Result<()> {
        let frame = self.place.frame()?;
        let (mut cleared, mut keys, mut elements) = <(ColumnBuilder, ColumnBuilder, ColumnBuilder)>::default();
        for (&group, pending) in self.keys.borrow().iter() {
            let key = frame.group_key(group);
            if pending.cleared {
                cleared.push(Some(key));
            }
            for element in &pending.appended {
                keys.push(Some(key));
                elements.push(Some(element));
            }
        }
        let index = self.place.declaration.index;
        if !cleared.is_empty() {
            host::list_clear_many(index, &cleared.finish()).map_err(|error| self.place.refused(error))?;
        }
        if !keys.is_empty() {
            host::list_append_many(index, &keys.finish(), &elements.finish())
                .map_err(|error| self.place.refused(error))?;
        }
        Ok(())
    }

    fn leave(&mut self) {
        self.place.frame = None;
        self.keys.get_mut().clear();
        self.undo.clear();
    }
}

impl<T, C> Debug for List<T, C> {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("List").field("declaration", &self.place.declaration).finish_non_exhaustive()
    }
}

/// Elements of a [`List`] in the order of appending.
pub struct Elements<'a, T, C> {
    list: &'a List<T, C>,
    group: u32,
    next: u64,
    page: VecDeque<Vec<u8>>,
    done: bool,
}

impl<T, C: Codec<T>> Iterator for Elements<'_, T, C> {
    type Item = Result<T>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.page.is_empty() && !self.done {
            match self.list.page(self.group, self.next, &mut self.page) {
                Ok(()) => self.done = self.page.is_empty(),
                Err(error) => {
                    self.done = true;
                    return Some(Err(error));
                }
            }
        }
        let element = self.page.pop_front()?;
        self.next += 1;
        Some(C::decode(&element).map_err(|error| self.list.place.undecodable(error)))
    }
}

impl<T, C> Debug for Elements<'_, T, C> {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Elements").field("next", &self.next).finish_non_exhaustive()
    }
}
