//! Places in a pipeline file.

use std::collections::HashMap;

/// A place in a text, both counted from 1; columns count characters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Position {
    pub line: usize,
    pub column: usize,
}

/// Where the values of a file are, by path (`steps.parse.operator`).
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Positions {
    /// The file's name, for messages.
    pub file: String,
    places: HashMap<String, Position>,
}

impl Positions {
    pub fn new(file: &str) -> Self {
        Self { file: file.into(), places: HashMap::new() }
    }

    pub fn insert(&mut self, path: &str, position: Position) {
        self.places.insert(path.into(), position);
    }

    pub fn contains(&self, path: &str) -> bool {
        self.places.contains_key(path)
    }

    /// The place of `path`, or of the nearest value around it.
    pub fn of(&self, path: &str) -> Position {
        let mut path = path;
        loop {
            if let Some(position) = self.places.get(path) {
                return *position;
            }
            match path.rsplit_once('.') {
                Some((around, _)) => path = around,
                None => return Position { line: 1, column: 1 },
            }
        }
    }
}
