//! A host for native tests: state in maps, time and randomness as the test sets them.

use std::collections::BTreeMap;
use std::ops::Bound;

use crate::column::{Column, ColumnBuilder};
use crate::contract::{BytesColumn, MapPage, StateDeclaration, StateError, StateKind};
use crate::log::Level;

/// Time, randomness, state, log and metrics of a test.
#[derive(Debug)]
pub(crate) struct Simulated {
    pub(crate) now_ms: i64,
    pub(crate) seed: u64,
    pub(crate) log_level: Level,
    pub(crate) lines: Vec<(Level, String)>,
    pub(crate) counters: BTreeMap<String, u64>,
    pub(crate) gauges: BTreeMap<String, f64>,
    pub(crate) histograms: BTreeMap<String, Vec<f64>>,
    pub(crate) calls: u64,
    states: Vec<StateDeclaration>,
    entries: BTreeMap<Address, Stored>,
}

/// State, key and, for a map, field; for a list, the big-endian index.
type Address = (u32, Vec<u8>, Vec<u8>);

#[derive(Debug)]
struct Stored {
    value: Vec<u8>,
    expires_ms: Option<i64>,
}

impl Default for Simulated {
    fn default() -> Self {
        Self::new(Vec::new())
    }
}

impl Simulated {
    pub(crate) fn new(states: Vec<StateDeclaration>) -> Self {
        Self {
            now_ms: 0,
            seed: 0,
            log_level: Level::Trace,
            lines: Vec::new(),
            counters: BTreeMap::new(),
            gauges: BTreeMap::new(),
            histograms: BTreeMap::new(),
            calls: 0,
            states,
            entries: BTreeMap::new(),
        }
    }

    /// Keeps what is stored under the names that are declared now.
    pub(crate) fn with_states(mut self, states: Vec<StateDeclaration>) -> Self {
        let index_of = |old: u32| {
            let name = &self.states.get(old as usize)?.name;
            u32::try_from(states.iter().position(|state| state.name == *name)?).ok()
        };
        let entries = std::mem::take(&mut self.entries).into_iter();
        self.entries = entries
            .filter_map(|((state, key, field), stored)| Some(((index_of(state)?, key, field), stored)))
            .collect();
        self.states = states;
        self
    }

    /// SplitMix64: every seed gives a different, repeatable sequence.
    pub(crate) fn random_u64(&mut self) -> u64 {
        self.seed = self.seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut number = self.seed;
        number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        number ^ (number >> 31)
    }

    pub(crate) fn get_many(&mut self, state: u32, keys: &BytesColumn) -> Result<BytesColumn, StateError> {
        self.enter(state, StateKind::Value)?;
        Ok(self.read_column(state, keys))
    }

    pub(crate) fn put_many(&mut self, state: u32, keys: &BytesColumn, values: &BytesColumn) -> Result<(), StateError> {
        self.enter(state, StateKind::Value)?;
        self.write_column(state, keys, values)
    }

    /// What a prefetched state passes with a batch.
    pub(crate) fn read_column(&self, state: u32, keys: &BytesColumn) -> BytesColumn {
        let keys = Column::new(keys).iter();
        keys.map(|key| self.live(state, key.unwrap_or_default(), &[])).collect::<ColumnBuilder>().finish()
    }

    /// Stores what a batch changed.
    pub(crate) fn write_column(
        &mut self,
        state: u32,
        keys: &BytesColumn,
        values: &BytesColumn,
    ) -> Result<(), StateError> {
        for (key, value) in pairs(keys, values)? {
            self.write(state, key, &[], value);
        }
        Ok(())
    }

    pub(crate) fn map_get_many(
        &mut self,
        state: u32,
        keys: &BytesColumn,
        fields: &BytesColumn,
    ) -> Result<BytesColumn, StateError> {
        self.enter(state, StateKind::Map)?;
        let rows = pairs(keys, fields)?;
        let values = rows.map(|(key, field)| self.live(state, key, field.unwrap_or_default()));
        Ok(values.collect::<ColumnBuilder>().finish())
    }

    pub(crate) fn map_put_many(
        &mut self,
        state: u32,
        keys: &BytesColumn,
        fields: &BytesColumn,
        values: &BytesColumn,
    ) -> Result<(), StateError> {
        self.enter(state, StateKind::Map)?;
        for ((key, field), (_, value)) in pairs(keys, fields)?.zip(pairs(keys, values)?) {
            self.write(state, key, field.unwrap_or_default(), value);
        }
        Ok(())
    }

    pub(crate) fn map_scan(
        &mut self,
        state: u32,
        key: &[u8],
        start: &[u8],
        end: Option<&[u8]>,
        limit: u32,
    ) -> Result<MapPage, StateError> {
        self.enter(state, StateKind::Map)?;
        let (mut fields, mut values) = <(ColumnBuilder, ColumnBuilder)>::default();
        let mut more = false;
        for (field, value) in self.under(state, key, start) {
            if end.is_some_and(|end| field >= end) {
                break;
            }
            if fields.len() == limit as usize {
                more = true;
                break;
            }
            fields.push(Some(field));
            values.push(Some(value));
        }
        Ok(MapPage { fields: fields.finish(), values: values.finish(), more })
    }

    pub(crate) fn map_clear_many(&mut self, state: u32, keys: &BytesColumn) -> Result<(), StateError> {
        self.enter(state, StateKind::Map)?;
        self.clear(state, keys);
        Ok(())
    }

    pub(crate) fn list_append_many(
        &mut self,
        state: u32,
        keys: &BytesColumn,
        values: &BytesColumn,
    ) -> Result<(), StateError> {
        self.enter(state, StateKind::List)?;
        for (key, value) in pairs(keys, values)? {
            let next = self.under(state, key, &[]).count() as u64;
            self.write(state, key, &next.to_be_bytes(), Some(value.unwrap_or_default()));
        }
        Ok(())
    }

    pub(crate) fn list_read(
        &mut self,
        state: u32,
        key: &[u8],
        start: u64,
        limit: u32,
    ) -> Result<BytesColumn, StateError> {
        self.enter(state, StateKind::List)?;
        let start = start.to_be_bytes();
        let elements = self.under(state, key, &start).take(limit as usize);
        Ok(elements.map(|(_, value)| Some(value)).collect::<ColumnBuilder>().finish())
    }

    pub(crate) fn list_length(&mut self, state: u32, key: &[u8]) -> Result<u64, StateError> {
        self.enter(state, StateKind::List)?;
        Ok(self.under(state, key, &[]).count() as u64)
    }

    pub(crate) fn list_clear_many(&mut self, state: u32, keys: &BytesColumn) -> Result<(), StateError> {
        self.enter(state, StateKind::List)?;
        self.clear(state, keys);
        Ok(())
    }

    /// Counts a host call and refuses it where the state is of another kind.
    fn enter(&mut self, state: u32, kind: StateKind) -> Result<(), StateError> {
        self.calls += 1;
        match self.states.get(state as usize) {
            Some(declared) if declared.kind == kind => Ok(()),
            Some(declared) => Err(StateError::WrongState(format!("`{}` is of another kind", declared.name))),
            None => Err(StateError::WrongState(format!("no state {state} is declared"))),
        }
    }

    fn live(&self, state: u32, key: &[u8], field: &[u8]) -> Option<&[u8]> {
        let stored = self.entries.get(&(state, key.to_vec(), field.to_vec()))?;
        stored.expires_ms.is_none_or(|expires_ms| expires_ms > self.now_ms).then_some(&stored.value)
    }

    /// Live entries of a key from a field on.
    fn under<'a>(
        &'a self,
        state: u32,
        key: &'a [u8],
        start: &[u8],
    ) -> impl Iterator<Item = (&'a [u8], &'a [u8])> + use<'a> {
        let from = Bound::Included((state, key.to_vec(), start.to_vec()));
        let entries = self.entries.range((from, Bound::Unbounded));
        entries
            .take_while(move |((found, of, _), _)| *found == state && of == key)
            .filter(|(_, stored)| stored.expires_ms.is_none_or(|expires_ms| expires_ms > self.now_ms))
            .map(|((_, _, field), stored)| (field.as_slice(), stored.value.as_slice()))
    }

    fn write(&mut self, state: u32, key: &[u8], field: &[u8], value: Option<&[u8]>) {
        let address = (state, key.to_vec(), field.to_vec());
        let ttl_ms = self.states.get(state as usize).and_then(|declared| declared.ttl_ms);
        let expires_ms = ttl_ms.map(|ttl_ms| self.now_ms.saturating_add_unsigned(ttl_ms));
        match value {
            Some(value) => self.entries.insert(address, Stored { value: value.to_vec(), expires_ms }),
            None => self.entries.remove(&address),
        };
    }

    fn clear(&mut self, state: u32, keys: &BytesColumn) {
        for key in Column::new(keys).iter().flatten() {
            self.entries.retain(|(of, found, _), _| *of != state || found != key);
        }
    }
}

/// Rows of two columns of equal length, of which the first has no nulls.
fn pairs<'a>(
    first: &'a BytesColumn,
    second: &'a BytesColumn,
) -> Result<impl Iterator<Item = (&'a [u8], Option<&'a [u8]>)>, StateError> {
    let (first, second) = (Column::new(first), Column::new(second));
    if first.len() != second.len() {
        return Err(StateError::Malformed(format!("columns of {} and {} rows", first.len(), second.len())));
    }
    Ok(first.iter().map(Option::unwrap_or_default).zip(second.iter()))
}
