//! A map for each key.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::fmt::{self, Debug, Formatter};
use std::marker::PhantomData;
use std::ops::{Bound, RangeBounds};
use std::rc::Rc;

use super::{Begin, Changes, Codec, Declaration, Field, FieldOf, Place, Standard, StateHandle, one};
use crate::column::{Column, ColumnBuilder};
use crate::contract::StateKind;
use crate::{Result, host};

/// Fields that one host call of a scan reads.
const PAGE: u32 = 256;

/// A map from fields to values for each key, ordered by field.
///
/// Fields are read by host calls when they are first asked for, and remembered for the batch; changes go to the
/// host in one call when the batch is done.
pub struct Map<K, V, C = Standard> {
    place: Place,
    keys: RefCell<BTreeMap<u32, Cached>>,
    undo: Vec<Undo>,
    types: PhantomData<Types<K, V, C>>,
}

/// Owns none of them, so that a map is as free as its cache.
type Types<K, V, C> = fn() -> (K, V, C);

/// What is known of one key's map.
#[derive(Debug, Default)]
struct Cached {
    /// Nothing that the host has stands.
    cleared: bool,
    fields: BTreeMap<Vec<u8>, Entry>,
}

#[derive(Clone, Debug)]
struct Entry {
    value: Option<Vec<u8>>,
    changed: bool,
}

/// What the record in hand replaced, in order.
#[derive(Debug)]
enum Undo {
    Field { group: u32, field: Vec<u8>, before: Option<Entry> },
    Cleared { group: u32, before: Cached },
}

impl<K: Field, V, C: Codec<V>> Map<K, V, C> {
    /// The value of a field, if there is one.
    ///
    /// # Errors
    /// When the record has no key, or what is stored does not decode.
    pub fn get(&self, field: impl FieldOf<K>) -> Result<Option<V>> {
        let group = self.place.group()?;
        let field = field.bytes();
        let mut keys = self.keys.borrow_mut();
        let cached = keys.entry(group).or_default();
        if !cached.fields.contains_key(&field) {
            let value = if cached.cleared { None } else { self.fetch(group, &field)? };
            cached.fields.insert(field.clone(), Entry { value, changed: false });
        }
        let value = cached.fields.get(&field).and_then(|entry| entry.value.as_deref());
        value.map(|bytes| self.decode(bytes)).transpose()
    }

    /// Sets the value of a field.
    ///
    /// # Errors
    /// When the record has no key, or the value cannot be encoded.
    pub fn set(&mut self, field: impl FieldOf<K>, value: &V) -> Result<()> {
        let mut bytes = Vec::new();
        C::encode(value, &mut bytes)?;
        self.replace(field.bytes(), Some(bytes))
    }

    /// Removes a field.
    ///
    /// # Errors
    /// When the record has no key.
    pub fn remove(&mut self, field: impl FieldOf<K>) -> Result<()> {
        self.replace(field.bytes(), None)
    }

    /// Removes every field of the key.
    ///
    /// # Errors
    /// When the record has no key.
    pub fn clear(&mut self) -> Result<()> {
        let group = self.place.group()?;
        let cleared = Cached { cleared: true, fields: BTreeMap::new() };
        let before = self.keys.get_mut().insert(group, cleared).unwrap_or_default();
        self.undo.push(Undo::Cleared { group, before });
        Ok(())
    }

    /// All fields and values of the key in ascending order.
    ///
    /// # Errors
    /// When the record has no key.
    pub fn iter(&self) -> Result<Entries<'_, K, V, C>> {
        Ok(Entries {
            map: self,
            group: self.place.group()?,
            start: Vec::new(),
            end: None,
            page: VecDeque::new(),
            done: false,
        })
    }

    /// The fields of the key in a range with their values, in ascending order. Read from the host page by page as
    /// the iterator goes on.
    ///
    /// # Errors
    /// When the record has no key.
    pub fn range<F: FieldOf<K>>(&self, range: impl RangeBounds<F>) -> Result<Entries<'_, K, V, C>> {
        let group = self.place.group()?;
        // A bound that is not of the usual side is that of the next possible bytes: a zero behind.
        let start = match range.start_bound() {
            Bound::Included(field) => field.bytes(),
            Bound::Excluded(field) => after(field.bytes()),
            Bound::Unbounded => Vec::new(),
        };
        let end = match range.end_bound() {
            Bound::Included(field) => Some(after(field.bytes())),
            Bound::Excluded(field) => Some(field.bytes()),
            Bound::Unbounded => None,
        };
        let done = end.as_ref().is_some_and(|end| *end <= start);
        Ok(Entries { map: self, group, start, end, page: VecDeque::new(), done })
    }

    fn replace(&mut self, field: Vec<u8>, value: Option<Vec<u8>>) -> Result<()> {
        let group = self.place.group()?;
        let fields = &mut self.keys.get_mut().entry(group).or_default().fields;
        let before = fields.insert(field.clone(), Entry { value, changed: true });
        self.undo.push(Undo::Field { group, field, before });
        Ok(())
    }

    fn fetch(&self, group: u32, field: &[u8]) -> Result<Option<Vec<u8>>> {
        let key = one(self.place.frame()?.group_key(group));
        let values = host::map_get_many(self.place.declaration.index, &key, &one(field))
            .map_err(|error| self.place.refused(error))?;
        Ok(Column::new(&values).get(0).map(<[u8]>::to_vec))
    }

    fn decode(&self, bytes: &[u8]) -> Result<V> {
        C::decode(bytes).map_err(|error| self.place.undecodable(error))
    }

    /// The next entries from `start` on: what the host has, with what the batch changed over it. Returns where
    /// to go on, if anywhere.
    fn page(
        &self,
        group: u32,
        start: &[u8],
        end: Option<&[u8]>,
        page: &mut VecDeque<(Vec<u8>, Vec<u8>)>,
    ) -> Result<Option<Vec<u8>>> {
        let keys = self.keys.borrow();
        let cached = keys.get(&group);
        let mut merged: BTreeMap<Vec<u8>, Vec<u8>> = BTreeMap::new();
        let mut next = None;
        if !cached.is_some_and(|cached| cached.cleared) {
            let key = self.place.frame()?.group_key(group);
            let found = host::map_scan(self.place.declaration.index, key, start, end, PAGE)
                .map_err(|error| self.place.refused(error))?;
            let (fields, values) = (Column::new(&found.fields), Column::new(&found.values));
            for (field, value) in fields.iter().zip(values.iter()) {
                merged.insert(field.unwrap_or_default().to_vec(), value.unwrap_or_default().to_vec());
            }
            if found.more {
                next = merged.last_key_value().map(|(field, _)| after(field.clone()));
            }
        }
        let until = next.as_deref().or(end);
        if let Some(cached) = cached {
            let upper = until.map_or(Bound::Unbounded, Bound::Excluded);
            for (field, entry) in cached.fields.range::<[u8], _>((Bound::Included(start), upper)) {
                match &entry.value {
                    Some(value) => merged.insert(field.clone(), value.clone()),
                    None => merged.remove(field),
                };
            }
        }
        page.extend(merged);
        Ok(next)
    }
}

impl<K: Field + 'static, V: 'static, C: Codec<V>> StateHandle for Map<K, V, C> {
    const KIND: StateKind = StateKind::Map;

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
                Undo::Field { group, field, before: Some(before) } => {
                    keys.entry(group).or_default().fields.insert(field, before);
                }
                Undo::Field { group, field, before: None } => {
                    keys.entry(group).or_default().fields.remove(&field);
                }
            }
        }
    }

    fn finish(&mut self, _: &mut Changes) -> Result<()> {
        let frame = self.place.frame()?;
        let mut cleared = ColumnBuilder::default();
        let (mut keys, mut fields, mut values) = <(ColumnBuilder, ColumnBuilder, ColumnBuilder)>::default();
        for (&group, cached) in self.keys.borrow().iter() {
            let key = frame.group_key(group);
            if cached.cleared {
                cleared.push(Some(key));
            }
            for (field, entry) in cached.fields.iter().filter(|(_, entry)| entry.changed) {
                keys.push(Some(key));
                fields.push(Some(field));
                values.push(entry.value.as_deref());
            }
        }
        let index = self.place.declaration.index;
        if !cleared.is_empty() {
            host::map_clear_many(index, &cleared.finish()).map_err(|error| self.place.refused(error))?;
        }
        if !keys.is_empty() {
            host::map_put_many(index, &keys.finish(), &fields.finish(), &values.finish())
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

impl<K, V, C> Debug for Map<K, V, C> {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Map").field("declaration", &self.place.declaration).finish_non_exhaustive()
    }
}

/// Fields of a [`Map`] with their values, in ascending order.
pub struct Entries<'a, K, V, C> {
    map: &'a Map<K, V, C>,
    group: u32,
    start: Vec<u8>,
    end: Option<Vec<u8>>,
    page: VecDeque<(Vec<u8>, Vec<u8>)>,
    done: bool,
}

impl<K: Field, V, C: Codec<V>> Iterator for Entries<'_, K, V, C> {
    type Item = Result<(K, V)>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.page.is_empty() && !self.done {
            match self.map.page(self.group, &self.start, self.end.as_deref(), &mut self.page) {
                Ok(Some(next)) => self.start = next,
                Ok(None) => self.done = true,
                Err(error) => {
                    self.done = true;
                    return Some(Err(error));
                }
            }
        }
        let (field, value) = self.page.pop_front()?;
        let field = K::read(&field).map_err(|error| self.map.place.undecodable(error));
        Some(field.and_then(|field| Ok((field, self.map.decode(&value)?))))
    }
}

impl<K, V, C> Debug for Entries<'_, K, V, C> {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Entries").field("start", &self.start).field("end", &self.end).finish_non_exhaustive()
    }
}

/// The smallest field greater than `field`.
fn after(mut field: Vec<u8>) -> Vec<u8> {
    field.push(0);
    field
}
