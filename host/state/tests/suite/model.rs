//! What task state should hold, said plainly.

use std::collections::BTreeMap;

/// A value and when it expires.
type Timed = (Vec<u8>, i64);

/// State without caches, stores or commits.
#[derive(Clone, Debug, Default)]
pub struct Model {
    pub values: BTreeMap<(u32, Vec<u8>), Timed>,
    pub maps: BTreeMap<(u32, Vec<u8>), BTreeMap<Vec<u8>, Timed>>,
    pub lists: BTreeMap<(u32, Vec<u8>), Vec<Timed>>,
    pub runtime: BTreeMap<Vec<u8>, Vec<u8>>,
}

fn live(timed: &Timed, now_ms: i64) -> Option<Vec<u8>> {
    (timed.1 > now_ms).then(|| timed.0.clone())
}

impl Model {
    pub fn get(&self, state: u32, key: &[u8], now_ms: i64) -> Option<Vec<u8>> {
        live(self.values.get(&(state, key.to_vec()))?, now_ms)
    }

    pub fn put(&mut self, state: u32, key: &[u8], value: Option<&[u8]>, expiry_ms: i64) {
        let key = (state, key.to_vec());
        match value {
            Some(value) => self.values.insert(key, (value.to_vec(), expiry_ms)),
            None => self.values.remove(&key),
        };
    }

    pub fn map(&self, state: u32, key: &[u8], now_ms: i64) -> BTreeMap<Vec<u8>, Vec<u8>> {
        let fields = self.maps.get(&(state, key.to_vec())).into_iter().flatten();
        fields.filter_map(|(field, timed)| Some((field.clone(), live(timed, now_ms)?))).collect()
    }

    pub fn map_put(&mut self, state: u32, key: &[u8], field: &[u8], value: Option<&[u8]>, expiry_ms: i64) {
        let fields = self.maps.entry((state, key.to_vec())).or_default();
        match value {
            Some(value) => fields.insert(field.to_vec(), (value.to_vec(), expiry_ms)),
            None => fields.remove(field),
        };
    }

    /// How many entries of a store or a changelog live in each state: a list has one for itself.
    pub fn entries(&self, now_ms: i64) -> BTreeMap<u32, usize> {
        let mut entries = BTreeMap::new();
        let mut add = |state: u32, count: usize| {
            if count > 0 {
                *entries.entry(state).or_default() += count;
            }
        };
        for (state, key) in self.values.keys() {
            add(*state, usize::from(self.get(*state, key, now_ms).is_some()));
        }
        for (state, key) in self.maps.keys() {
            add(*state, self.map(*state, key, now_ms).len());
        }
        for (state, key) in self.lists.keys() {
            let elements = self.list(*state, key, now_ms).len();
            add(*state, elements + usize::from(elements > 0));
        }
        entries
    }

    pub fn list(&self, state: u32, key: &[u8], now_ms: i64) -> Vec<Vec<u8>> {
        let elements = self.lists.get(&(state, key.to_vec())).into_iter().flatten();
        elements.filter_map(|timed| live(timed, now_ms)).collect()
    }
}
