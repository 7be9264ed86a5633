//! `state`: batched calls to the task's state, which is lent to the guest for one call.

use millstream_state::{StateError as StoreError, StateHandle, StateKind, TaskState};
use millstream_types::BytesColumn;

use crate::{
    columns::{lift_any, to_result},
    generated::millstream::operator::{
        state::{Host, MapPage, StateError},
        types::BytesColumnResult,
    },
    guest::{Ended, GuestData},
};

/// The most entries of one page of a scan or a list, whatever the guest asks for.
const PAGE_ENTRIES: u32 = 65_536;

/// The outer error traps, the inner one is the guest's to handle.
type Answer<T> = wasmtime::Result<Result<T, StateError>>;

fn kind_name(kind: StateKind) -> &'static str {
    match kind {
        StateKind::Value => "value",
        StateKind::Map => "map",
        StateKind::List => "list",
    }
}

fn column(name: &str, column: BytesColumnResult) -> Result<BytesColumn, StateError> {
    lift_any(column).map_err(|error| StateError::Malformed(format!("{name}: {error}")))
}

/// A column without nulls.
fn present(name: &str, from: BytesColumnResult) -> Result<BytesColumn, StateError> {
    let column = column(name, from)?;
    match column.null_count() {
        0 => Ok(column),
        _ => Err(StateError::Malformed(format!("{name}: a null where none is allowed"))),
    }
}

fn equal_length(of: &BytesColumn, name: &str, with: &BytesColumn) -> Result<(), StateError> {
    if of.len() == with.len() {
        return Ok(());
    }
    Err(StateError::Malformed(format!("{name}: {} values for {} keys", with.len(), of.len())))
}

impl GuestData {
    fn declared(&mut self, index: u32, kind: StateKind) -> Result<(&mut TaskState, StateHandle), StateError> {
        let wrong = |reason: String| Err(StateError::WrongState(reason));
        let Some(state) = self.states.get(index as usize) else {
            return wrong(format!("there is no state {index}; {} are declared", self.states.len()));
        };
        let declared = &state.declaration;
        if declared.kind != kind {
            let (found, asked) = (kind_name(declared.kind), kind_name(kind));
            return wrong(format!("state `{}` is {found} state and not {asked} state", declared.name));
        }
        if declared.prefetch {
            let name = &declared.name;
            return wrong(format!(
                "state `{name}` is prefetched: it travels with the batch and is not reached by calls"
            ));
        }
        match self.state.as_deref_mut() {
            Some(task) => Ok((task, state.handle.clone())),
            None => wrong("state is only there while a batch is processed".into()),
        }
    }

    /// Runs a call that the store answers. What the guest did wrong goes back to it; a failing store ends the
    /// call, since the guest could do nothing about it.
    fn state_call<T>(
        &mut self,
        index: u32,
        kind: StateKind,
        call: impl FnOnce(&mut TaskState, &StateHandle) -> Result<T, StoreError>,
    ) -> Answer<T> {
        let (state, handle) = match self.declared(index, kind) {
            Ok(declared) => declared,
            Err(error) => return Ok(Err(error)),
        };
        match call(state, &handle) {
            Ok(value) => Ok(Ok(value)),
            Err(StoreError::Misuse(reason)) => Ok(Err(StateError::Malformed(reason))),
            Err(error) => {
                let text = error.to_string();
                self.ended = Some(Ended::State(error));
                Err(wasmtime::Error::msg(text))
            }
        }
    }

    /// Counts bytes that a call writes; the overlay that they go to is the host's memory.
    fn count_written(&mut self, columns: &[&BytesColumn]) -> wasmtime::Result<()> {
        let bytes = columns.iter().map(|column| column.byte_size()).sum();
        match self.state_write_bytes_left.checked_sub(bytes) {
            Some(left) => {
                self.state_write_bytes_left = left;
                Ok(())
            }
            None => {
                let limit = "bytes written to state in one batch".to_owned();
                self.ended = Some(Ended::Limit(limit.clone()));
                Err(wasmtime::Error::msg(limit))
            }
        }
    }
}

/// Returns a guest's mistake to it.
macro_rules! or_answer {
    ($result:expr) => {
        match $result {
            Ok(value) => value,
            Err(error) => return Ok(Err(error)),
        }
    };
}

impl Host for GuestData {
    fn get_many(&mut self, state: u32, keys: BytesColumnResult) -> Answer<BytesColumnResult> {
        let keys = or_answer!(present("keys", keys));
        let values = self.state_call(state, StateKind::Value, |task, handle| task.get_many(handle, &keys))?;
        Ok(values.map(|values| to_result(&values)))
    }

    fn put_many(&mut self, state: u32, keys: BytesColumnResult, values: BytesColumnResult) -> Answer<()> {
        let keys = or_answer!(present("keys", keys));
        let values = or_answer!(column("values", values));
        or_answer!(equal_length(&keys, "values", &values));
        self.count_written(&[&keys, &values])?;
        self.state_call(state, StateKind::Value, |task, handle| task.put_many(handle, &keys, &values))
    }

    fn delete_many(&mut self, state: u32, keys: BytesColumnResult) -> Answer<()> {
        let keys = or_answer!(present("keys", keys));
        self.count_written(&[&keys])?;
        let nulls = BytesColumn::nulls(keys.len());
        self.state_call(state, StateKind::Value, |task, handle| task.put_many(handle, &keys, &nulls))
    }

    fn map_get_many(
        &mut self,
        state: u32,
        keys: BytesColumnResult,
        fields: BytesColumnResult,
    ) -> Answer<BytesColumnResult> {
        let keys = or_answer!(present("keys", keys));
        let fields = or_answer!(present("fields", fields));
        or_answer!(equal_length(&keys, "fields", &fields));
        let values =
            self.state_call(state, StateKind::Map, |task, handle| task.map_get_many(handle, &keys, &fields))?;
        Ok(values.map(|values| to_result(&values)))
    }

    fn map_put_many(
        &mut self,
        state: u32,
        keys: BytesColumnResult,
        fields: BytesColumnResult,
        values: BytesColumnResult,
    ) -> Answer<()> {
        let keys = or_answer!(present("keys", keys));
        let fields = or_answer!(present("fields", fields));
        let values = or_answer!(column("values", values));
        or_answer!(equal_length(&keys, "fields", &fields));
        or_answer!(equal_length(&keys, "values", &values));
        self.count_written(&[&keys, &fields, &values])?;
        self.state_call(state, StateKind::Map, |task, handle| task.map_put_many(handle, &keys, &fields, &values))
    }

    fn map_scan(
        &mut self,
        state: u32,
        key: Vec<u8>,
        start: Vec<u8>,
        end: Option<Vec<u8>>,
        limit: u32,
    ) -> Answer<MapPage> {
        let limit = limit.min(PAGE_ENTRIES) as usize;
        let page = self.state_call(state, StateKind::Map, |task, handle| {
            task.map_scan(handle, &key, &start, end.as_deref(), limit)
        })?;
        Ok(page.map(|page| MapPage {
            fields: to_result(&page.fields),
            values: to_result(&page.values),
            more: page.more,
        }))
    }

    fn map_clear_many(&mut self, state: u32, keys: BytesColumnResult) -> Answer<()> {
        let keys = or_answer!(present("keys", keys));
        self.count_written(&[&keys])?;
        self.state_call(state, StateKind::Map, |task, handle| task.map_clear_many(handle, &keys))
    }

    fn list_append_many(&mut self, state: u32, keys: BytesColumnResult, values: BytesColumnResult) -> Answer<()> {
        let keys = or_answer!(present("keys", keys));
        let values = or_answer!(present("values", values));
        or_answer!(equal_length(&keys, "values", &values));
        self.count_written(&[&keys, &values])?;
        self.state_call(state, StateKind::List, |task, handle| task.list_append_many(handle, &keys, &values))
    }

    fn list_read(&mut self, state: u32, key: Vec<u8>, start: u64, limit: u32) -> Answer<BytesColumnResult> {
        let limit = limit.min(PAGE_ENTRIES) as usize;
        let values =
            self.state_call(state, StateKind::List, |task, handle| task.list_read(handle, &key, start, limit))?;
        Ok(values.map(|values| to_result(&values)))
    }

    fn list_length(&mut self, state: u32, key: Vec<u8>) -> Answer<u64> {
        self.state_call(state, StateKind::List, |task, handle| task.list_length(handle, &key))
    }

    fn list_clear_many(&mut self, state: u32, keys: BytesColumnResult) -> Answer<()> {
        let keys = or_answer!(present("keys", keys));
        self.count_written(&[&keys])?;
        self.state_call(state, StateKind::List, |task, handle| task.list_clear_many(handle, &keys))
    }
}
