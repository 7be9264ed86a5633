//! One value for each key.

use std::cell::OnceCell;
use std::fmt::{self, Debug, Formatter};
use std::marker::PhantomData;
use std::rc::Rc;

use super::{Begin, Changes, Codec, Declaration, Place, Standard, StateHandle, one};
use crate::column::{Column, ColumnBuilder, LeU32s};
use crate::contract::{BytesColumn, StateKind};
use crate::{Result, host};

/// One value for each key.
///
/// Values travel with the batch: reading one costs no call to the host, it is decoded once a batch however often
/// its key occurs, and written back once. With `#[state(prefetch = false)]` it is read by a host call when it is
/// first asked for: for what only few records need.
pub struct Value<T, C = Standard> {
    place: Place,
    stored: BytesColumn,
    slots: Vec<Slot<T>>,
    undo: Option<Undo<T>>,
    codec: PhantomData<fn() -> C>,
}

struct Slot<T> {
    /// Empty until it is read or written; then what the key has now.
    value: OnceCell<Option<T>>,
    changed: bool,
}

impl<T> Default for Slot<T> {
    #[inline]
    fn default() -> Self {
        Self { value: OnceCell::new(), changed: false }
    }
}

/// What the record in hand replaced.
struct Undo<T> {
    group: u32,
    before: Slot<T>,
}

impl<T, C: Codec<T>> Value<T, C> {
    /// The value of the key, if it has one.
    ///
    /// # Errors
    /// When the record has no key, or what is stored does not decode.
    #[inline]
    pub fn get(&self) -> Result<Option<&T>> {
        let group = self.place.group()?;
        match self.slots.get(group as usize) {
            Some(slot) => match slot.value.get() {
                Some(value) => Ok(value.as_ref()),
                None => {
                    let read = self.read(group)?;
                    Ok(slot.value.get_or_init(|| read).as_ref())
                }
            },
            None => Ok(None),
        }
    }

    /// Sets the value of the key.
    ///
    /// # Errors
    /// When the record has no key.
    #[inline]
    pub fn set(&mut self, value: T) -> Result<()> {
        self.replace(Some(value))
    }

    /// Removes the value of the key.
    ///
    /// # Errors
    /// When the record has no key.
    pub fn remove(&mut self) -> Result<()> {
        self.replace(None)
    }

    /// Changes the value of the key in place, starting from the default where there is none. The value before is
    /// cloned, so that a failing record can be undone.
    ///
    /// # Errors
    /// When the record has no key, or what is stored does not decode.
    #[inline]
    pub fn update<R>(&mut self, change: impl FnOnce(&mut T) -> R) -> Result<R>
    where
        T: Clone + Default,
    {
        let mut value = self.get()?.cloned().unwrap_or_default();
        let result = change(&mut value);
        self.replace(Some(value))?;
        Ok(result)
    }

    #[inline]
    fn replace(&mut self, value: Option<T>) -> Result<()> {
        let group = self.place.group()?;
        if let Some(slot) = self.slots.get_mut(group as usize) {
            let before = std::mem::replace(slot, Slot { value: OnceCell::from(value), changed: true });
            if self.undo.is_none() {
                self.undo = Some(Undo { group, before });
            }
        }
        Ok(())
    }

    #[inline]
    fn read(&self, group: u32) -> Result<Option<T>> {
        let decode = |bytes: &[u8]| C::decode(bytes).map_err(|error| self.place.undecodable(error));
        if self.place.declaration.prefetch {
            return Column::new(&self.stored).get(group as usize).map(decode).transpose();
        }
        let key = one(self.place.frame()?.group_key(group));
        let stored = host::get_many(self.place.declaration.index, &key).map_err(|error| self.place.refused(error))?;
        Column::new(&stored).get(0).map(decode).transpose()
    }
}

impl<T: 'static, C: Codec<T>> StateHandle for Value<T, C> {
    const KIND: StateKind = StateKind::Value;

    fn create(declaration: Declaration) -> Self {
        Self {
            place: Place::new(declaration),
            stored: BytesColumn::empty(),
            slots: Vec::new(),
            undo: None,
            codec: PhantomData,
        }
    }

    fn begin(&mut self, batch: &mut Begin<'_>) -> Result<()> {
        if self.place.declaration.prefetch {
            self.stored = batch.next_prefetched(self.place.declaration.name)?;
        }
        self.place.frame = Some(Rc::clone(batch.frame));
        self.undo = None;
        self.slots.clear();
        self.slots.resize_with(batch.frame.group_count(), Slot::default);
        Ok(())
    }

    #[inline]
    fn keep(&mut self) {
        self.undo = None;
    }

    fn undo(&mut self) {
        if let Some(Undo { group, before }) = self.undo.take()
            && let Some(slot) = self.slots.get_mut(group as usize)
        {
            *slot = before;
        }
    }

    fn finish(&mut self, changes: &mut Changes) -> Result<()> {
        let changed = self.slots.iter().filter(|slot| slot.changed).count();
        let mut groups = LeU32s::with_capacity(changed);
        let mut values = ColumnBuilder::with_capacity(changed, self.stored.data.len());
        for (group, slot) in self.slots.iter().enumerate().filter(|(_, slot)| slot.changed) {
            groups.push(group as u32);
            match slot.value.get() {
                Some(Some(value)) => values.push_with(|data| C::encode(value, data))?,
                _ => values.push_null(),
            }
        }
        if self.place.declaration.prefetch {
            changes.next_prefetched(groups.into_bytes(), values.finish());
        } else if changed > 0 {
            let frame = self.place.frame()?;
            let changed = self.slots.iter().enumerate().filter(|(_, slot)| slot.changed);
            let keys: ColumnBuilder = changed.map(|(group, _)| Some(frame.group_key(group as u32))).collect();
            host::put_many(self.place.declaration.index, &keys.finish(), &values.finish())
                .map_err(|error| self.place.refused(error))?;
        }
        Ok(())
    }

    fn leave(&mut self) {
        self.place.frame = None;
        self.undo = None;
        self.slots.clear();
        self.stored = BytesColumn::default();
    }
}

impl<T, C> Debug for Value<T, C> {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Value").field("declaration", &self.place.declaration).finish_non_exhaustive()
    }
}
