//! State through host calls.

use crate::{
    bindings::millstream::operator::{
        state::{self, StateError},
        types::BytesColumn,
    },
    column,
};

const PLAIN: u32 = 0;
const FIELDS: u32 = 1;
const EVENTS: u32 = 2;
const AHEAD: u32 = 3;

fn text(error: StateError) -> String {
    match error {
        StateError::WrongState(reason) => format!("wrong-state: {reason}"),
        StateError::Malformed(reason) => format!("malformed: {reason}"),
        StateError::Unavailable(reason) => format!("unavailable: {reason}"),
    }
}

/// The values of a column; `-` for a null.
fn show(column: &BytesColumn) -> String {
    let offset = |index: usize| u32::from_le_bytes(column.offsets[index * 4..][..4].try_into().unwrap()) as usize;
    let present = |index: usize| column.validity.is_empty() || column.validity[index / 8] & (1 << (index % 8)) != 0;
    let len = (column.offsets.len() / 4).saturating_sub(1);
    let value = |index: usize| String::from_utf8_lossy(&column.data[offset(index)..offset(index + 1)]).into_owned();
    let values: Vec<_> = (0..len).map(|index| if present(index) { value(index) } else { "-".into() }).collect();
    values.join(",")
}

pub fn in_configure() -> Result<(), String> {
    state::get_many(PLAIN, &column(["k"])).map(|_| ()).map_err(text)
}

pub fn write_one() {
    state::put_many(PLAIN, &column(["k"]), &column(["written"])).unwrap();
}

/// Writes to state until it is stopped.
pub fn flood() {
    let value = vec![7_u8; 1 << 20];
    for key in 0..100_u32 {
        state::put_many(PLAIN, &column([key.to_le_bytes()]), &column([&value])).unwrap();
    }
}

/// Uses every call once and tells what it saw.
pub fn every_kind() -> Vec<String> {
    let mut seen = Vec::new();
    let keys = column(["a", "b", "c"]);
    let mut values = column(["1", "2", ""]);
    values.validity = vec![0b011];
    state::put_many(PLAIN, &keys, &values).unwrap();
    seen.push(show(&state::get_many(PLAIN, &keys).unwrap()));
    state::delete_many(PLAIN, &column(["a"])).unwrap();
    seen.push(show(&state::get_many(PLAIN, &keys).unwrap()));

    let keys = column(["k", "k", "k", "other"]);
    state::map_put_many(FIELDS, &keys, &column(["x", "y", "z", "x"]), &column(["1", "2", "3", "4"])).unwrap();
    seen.push(show(&state::map_get_many(FIELDS, &column(["k", "k"]), &column(["y", "none"])).unwrap()));
    let page = state::map_scan(FIELDS, b"k", b"x", None, 2).unwrap();
    seen.push(format!("{} = {} more {}", show(&page.fields), show(&page.values), page.more));
    let page = state::map_scan(FIELDS, b"k", b"y", Some(b"z"), 10).unwrap();
    seen.push(format!("{} = {} more {}", show(&page.fields), show(&page.values), page.more));
    state::map_clear_many(FIELDS, &column(["k"])).unwrap();
    let page = state::map_scan(FIELDS, b"k", b"", None, 10).unwrap();
    seen.push(format!("{} more {}", show(&page.fields), page.more));

    state::list_append_many(EVENTS, &column(["l", "l", "m"]), &column(["one", "two", "three"])).unwrap();
    seen.push(state::list_length(EVENTS, b"l").unwrap().to_string());
    seen.push(show(&state::list_read(EVENTS, b"l", 1, 10).unwrap()));
    state::list_clear_many(EVENTS, &column(["l"])).unwrap();
    seen.push(state::list_length(EVENTS, b"l").unwrap().to_string());
    seen
}

/// What is answered to wrong calls.
pub fn misuse() -> Vec<String> {
    let one = column(["k"]);
    let mut null = column([""]);
    null.validity = vec![0];
    let broken = BytesColumn { offsets: vec![0, 0, 0, 0, 9, 0, 0, 0], data: Vec::new(), validity: Vec::new() };
    let told = |result: Result<(), StateError>| result.map_or_else(text, |()| "done".into());
    vec![
        told(state::get_many(9, &one).map(|_| ())),
        told(state::get_many(FIELDS, &one).map(|_| ())),
        told(state::get_many(AHEAD, &one).map(|_| ())),
        told(state::put_many(PLAIN, &one, &column(["a", "b"]))),
        told(state::get_many(PLAIN, &null).map(|_| ())),
        told(state::get_many(PLAIN, &broken).map(|_| ())),
        told(state::list_append_many(EVENTS, &one, &null)),
    ]
}
