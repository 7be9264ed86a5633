//! What the store keeps. Buckets are the first part of paths and no more than that.

use std::{
    collections::{BTreeMap, BTreeSet},
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
    time::SystemTime,
};

/// An object.
#[derive(Clone, Debug)]
pub(super) struct Object {
    pub bytes: Arc<[u8]>,
    pub tag: String,
    pub modified: SystemTime,
}

impl Object {
    fn new(bytes: Arc<[u8]>) -> Self {
        let mut hasher = DefaultHasher::new();
        bytes.hash(&mut hasher);
        Self { tag: format!("\"{:016x}-{}\"", hasher.finish(), bytes.len()), bytes, modified: SystemTime::now() }
    }
}

/// The store's content.
#[derive(Debug, Default)]
pub(super) struct Bucket {
    objects: BTreeMap<String, Object>,
    /// Parts by number, of uploads that are not complete.
    uploads: BTreeMap<String, BTreeMap<u32, Object>>,
    begun: u64,
    /// Paths of objects that did not stay as they were.
    disturbed: BTreeSet<String>,
}

impl Bucket {
    pub fn get(&self, path: &str) -> Option<&Object> {
        self.objects.get(path)
    }

    /// Keeps an object and returns its tag; `None`: `if_absent`, and there is one.
    pub fn put(&mut self, path: &str, bytes: Arc<[u8]>, if_absent: bool) -> Option<String> {
        if let Some(before) = self.objects.get(path) {
            if if_absent {
                return None;
            }
            if before.bytes != bytes {
                self.disturbed.insert(path.to_owned());
            }
        }
        let object = Object::new(bytes);
        let tag = object.tag.clone();
        self.objects.insert(path.to_owned(), object);
        Some(tag)
    }

    pub fn delete(&mut self, path: &str) {
        if self.objects.remove(path).is_some() {
            self.disturbed.insert(path.to_owned());
        }
    }

    /// Begins an upload in parts.
    pub fn begin_upload(&mut self) -> String {
        self.begun += 1;
        let id = format!("upload-{}", self.begun);
        self.uploads.insert(id.clone(), BTreeMap::new());
        id
    }

    /// Keeps a part and returns its tag; `None`: there is no such upload.
    pub fn put_part(&mut self, upload: &str, number: u32, bytes: Arc<[u8]>) -> Option<String> {
        let part = Object::new(bytes);
        let tag = part.tag.clone();
        self.uploads.get_mut(upload)?.insert(number, part);
        Some(tag)
    }

    /// The parts of an upload as one; `None`: there is no such upload.
    pub fn take_upload(&mut self, upload: &str) -> Option<Arc<[u8]>> {
        let parts = self.uploads.remove(upload)?;
        let bytes: Vec<u8> = parts.into_values().flat_map(|part| part.bytes.to_vec()).collect();
        Some(bytes.into())
    }

    /// The objects whose path begins with `prefix` and comes after `after`, by path.
    pub fn list<'a>(&'a self, prefix: &'a str, after: &'a str) -> impl Iterator<Item = (&'a String, &'a Object)> {
        let from = prefix.max(after).to_owned();
        let all = self.objects.range(from..).take_while(move |(path, _)| path.starts_with(prefix));
        all.filter(move |(path, _)| path.as_str() > after)
    }

    pub fn objects(&self, prefix: &str) -> Vec<(String, Arc<[u8]>)> {
        self.list(prefix, "").map(|(path, object)| (path.clone(), object.bytes.clone())).collect()
    }

    pub fn disturbed(&self, prefix: &str) -> Vec<String> {
        self.disturbed.iter().filter(|path| path.starts_with(prefix)).cloned().collect()
    }
}
