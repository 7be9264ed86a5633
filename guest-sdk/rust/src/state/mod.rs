//! Keyed state: what an operator remembers of each key.
//!
//! An operator declares its states as the fields of a struct that derives [`State`](macro@crate::State). Each
//! access concerns the key of the record in hand. What a record changed is undone when it fails, and everything
//! that a batch changed goes to the host when the batch is done.

mod codec;
mod field;
mod list;
mod map;
mod value;

use std::rc::Rc;

#[cfg(feature = "compact")]
pub use codec::Compact;
pub use codec::{Codec, Json, Standard};
pub use field::{Field, FieldOf};
pub use list::{Elements, List};
pub use map::{Entries, Map};
pub use value::Value;

use crate::contract::{BytesColumn, StateChange, StateDeclaration, StateError, StateKind};
use crate::frame::Frame;
use crate::{Error, Result};

/// What `#[state(..)]` says of a field.
#[derive(Clone, Copy, Debug)]
pub struct Declaration {
    /// Its place among the declared states.
    pub index: u32,
    /// Its name.
    pub name: &'static str,
    /// The version of the stored values' format.
    pub version: u32,
    /// Milliseconds that a value lives after its last write.
    pub ttl_ms: Option<u64>,
    /// Whether values are to be read ahead. Only value state is.
    pub prefetch: bool,
}

/// The states of an operator. Derive it: `#[derive(State)]`; `()` is no state.
pub trait State: 'static {
    /// Handles outside of any batch.
    fn create() -> Self;

    /// What the host is to know.
    fn declarations() -> Vec<StateDeclaration>;

    /// Begins a batch.
    ///
    /// # Errors
    /// When the host passed less than was declared.
    #[doc(hidden)]
    fn begin(&mut self, batch: &mut Begin<'_>) -> Result<()>;

    /// Keeps what the record in hand changed.
    #[doc(hidden)]
    fn keep(&mut self);

    /// Undoes what the record in hand changed.
    #[doc(hidden)]
    fn undo(&mut self);

    /// Ends a batch and hands over its changes.
    ///
    /// # Errors
    /// When a value cannot be encoded or the host refuses a change.
    #[doc(hidden)]
    fn finish(&mut self, changes: &mut Changes) -> Result<()>;

    /// Forgets the batch.
    #[doc(hidden)]
    fn leave(&mut self);
}

impl State for () {
    fn create() -> Self {}

    fn declarations() -> Vec<StateDeclaration> {
        Vec::new()
    }

    fn begin(&mut self, _: &mut Begin<'_>) -> Result<()> {
        Ok(())
    }

    fn keep(&mut self) {}

    fn undo(&mut self) {}

    fn finish(&mut self, _: &mut Changes) -> Result<()> {
        Ok(())
    }

    fn leave(&mut self) {}
}

/// One field of a struct that derives [`State`]: a [`Value`], a [`Map`] or a [`List`].
pub trait StateHandle: sealed::Sealed {
    /// Its kind.
    const KIND: StateKind;

    #[doc(hidden)]
    fn create(declaration: Declaration) -> Self;
    #[doc(hidden)]
    fn begin(&mut self, batch: &mut Begin<'_>) -> Result<()>;
    #[doc(hidden)]
    fn keep(&mut self);
    #[doc(hidden)]
    fn undo(&mut self);
    #[doc(hidden)]
    fn finish(&mut self, changes: &mut Changes) -> Result<()>;
    #[doc(hidden)]
    fn leave(&mut self);
}

/// The declaration of one field as the host takes it.
#[doc(hidden)]
pub fn declare<H: StateHandle>(declaration: &Declaration) -> StateDeclaration {
    StateDeclaration {
        name: declaration.name.to_owned(),
        kind: H::KIND,
        schema_version: declaration.version,
        ttl_ms: declaration.ttl_ms,
        prefetch: declaration.prefetch && H::KIND == StateKind::Value,
    }
}

/// A batch that begins, as the states see it.
pub struct Begin<'a> {
    pub(crate) frame: &'a Rc<Frame>,
    pub(crate) prefetched: std::vec::IntoIter<BytesColumn>,
}

impl Begin<'_> {
    fn next_prefetched(&mut self, name: &str) -> Result<BytesColumn> {
        let expected = self.frame.group_count();
        match self.prefetched.next() {
            Some(column) if crate::Column::new(&column).len() == expected => Ok(column),
            _ => Err(Error::batch(format!("the host did not pass the values of state `{name}`"))),
        }
    }
}

/// Changes of prefetched states that go back with the batch.
#[derive(Default)]
pub struct Changes {
    pub(crate) changes: Vec<StateChange>,
    prefetched: u32,
}

impl Changes {
    /// Adds the changes of the next prefetched state.
    fn next_prefetched(&mut self, groups: Vec<u8>, values: BytesColumn) {
        if !groups.is_empty() {
            self.changes.push(StateChange { state: self.prefetched, groups, values });
        }
        self.prefetched += 1;
    }
}

/// What the states share: the declaration, and the batch in hand.
#[derive(Debug)]
struct Place {
    declaration: Declaration,
    frame: Option<Rc<Frame>>,
}

impl Place {
    fn new(declaration: Declaration) -> Self {
        Self { declaration, frame: None }
    }

    #[inline]
    fn frame(&self) -> Result<&Frame> {
        match &self.frame {
            Some(frame) => Ok(frame),
            None => Err(Error::batch("state is reached outside of a batch")),
        }
    }

    /// The group of the record in hand.
    #[inline]
    fn group(&self) -> Result<u32> {
        self.frame()?.group()
    }

    /// Says which state a stored value belongs to that does not decode.
    #[cold]
    fn undecodable(&self, error: Error) -> Error {
        error.context(format_args!("state `{}`: what is stored does not decode", self.declaration.name))
    }

    /// Turns the host's refusal into a failure of the batch.
    fn refused(&self, error: StateError) -> Error {
        let reason = match error {
            StateError::WrongState(reason) | StateError::Malformed(reason) | StateError::Unavailable(reason) => reason,
        };
        let error = Error::batch(format!("state `{}`: {reason}", self.declaration.name));
        match &self.frame {
            Some(frame) => frame.break_off(error),
            None => error,
        }
    }
}

/// A column of one value.
fn one(value: &[u8]) -> BytesColumn {
    BytesColumn {
        offsets: [0, value.len() as u32].into_iter().flat_map(u32::to_le_bytes).collect(),
        data: value.to_vec(),
        validity: Vec::new(),
    }
}

mod sealed {
    pub trait Sealed {}
    impl<T, C> Sealed for super::Value<T, C> {}
    impl<K, V, C> Sealed for super::Map<K, V, C> {}
    impl<T, C> Sealed for super::List<T, C> {}
}
