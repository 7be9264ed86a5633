//! Reading closed nodes ahead: those that the windows of a batch's events will begin in, all at once. One by one, when
//! they are asked for, each would be a way to the store by itself.
//!
//! Nothing depends on it: what is read is in the task's cache afterwards, and what is missed is read when it is needed.

use millstream_state::{NO_GROUP, StateError, StateHandle, TaskState};
use millstream_types::BytesColumn;

use super::{
    head::Head,
    node::{Entries, first_in, first_of, index_of, last_of},
    spec::Level,
    spine::Spine,
    store::node_field,
};
use crate::ProcessInput;

/// Nodes to read, and where in them a window begins.
#[derive(Default)]
struct Wanted<'a> {
    keys: BytesColumn,
    fields: BytesColumn,
    nodes: Vec<Node<'a>>,
}

#[derive(Clone, Copy)]
struct Node<'a> {
    key: &'a [u8],
    level: u8,
    height: u32,
    index: i64,
    from: i64,
}

impl<'a> Wanted<'a> {
    fn push(&mut self, node: Node<'a>) {
        self.keys.push(Some(node.key));
        self.fields.push(Some(&node_field(node.level, node.height, node.index)));
        self.nodes.push(node);
    }

    fn read(&self, state: &mut TaskState, slices: &StateHandle) -> Result<BytesColumn, StateError> {
        match self.nodes.is_empty() {
            true => Ok(BytesColumn::new()),
            false => state.map_get_many(slices, &self.keys, &self.fields),
        }
    }
}

/// Has the nodes in memory that are needed where events of a batch end slices; heads and their open nodes are known.
///
/// # Errors
/// When the store cannot be read, or a node is damaged.
pub(super) fn read_ahead(
    (levels, heads): (&[Level], &[Head]),
    input: &ProcessInput<'_>,
    state: &mut TaskState,
    slices: &StateHandle,
) -> Result<(), StateError> {
    let mut wanted = Wanted::default();
    let mut children = Wanted::default();
    for (group, time_ms) in input.groups.group_of.iter().zip(&input.batch.timestamps) {
        let Some(head) = heads.get(*group as usize).filter(|_| *group != NO_GROUP) else { continue };
        let key = input.groups.keys.get(*group as usize).unwrap_or_default();
        for (number, (level, head)) in levels.iter().zip(&head.levels).enumerate() {
            let slice = level.slice_of(*time_ms);
            let Some(current) = head.current.filter(|current| *current < slice) else { continue };
            for (_, size) in &level.windows {
                let from = slice.saturating_sub(*size);
                if from <= current {
                    let node = Node { key, level: number as u8, height: 0, index: 0, from };
                    tops(&head.spine, level.heights, current, node, &mut wanted);
                    of_spine(&head.spine, current, node, &mut children)?;
                }
            }
        }
    }
    let read = wanted.read(state, slices)?;
    for (node, bytes) in wanted.nodes.iter().zip(read.iter()) {
        child(bytes.unwrap_or_default(), first_in(node.index, node.height), *node, &mut children)?;
    }
    children.read(state, slices).map(drop)
}

/// The closed nodes of the greatest height that have slices from `at.from` on.
fn tops<'a>(spine: &Spine, heights: u32, current: i64, at: Node<'a>, wanted: &mut Wanted<'a>) {
    let top = heights.saturating_sub(1);
    for index in spine.stored_tops(current, top).map(|(_, index)| index) {
        if at.from <= last_of(first_in(index, top), top) {
            wanted.push(Node { height: top, index, ..at });
        }
    }
}

/// The closed node below an open one in which a window begins.
fn of_spine<'a>(spine: &Spine, current: i64, at: Node<'a>, wanted: &mut Wanted<'a>) -> Result<(), StateError> {
    for (height, node) in (0..).zip(&spine.nodes) {
        child(node, first_of(current, height), Node { height, ..at }, wanted)?;
    }
    Ok(())
}

/// The child of a node in the midst of which a window begins.
fn child<'a>(bytes: &[u8], first: i64, node: Node<'a>, wanted: &mut Wanted<'a>) -> Result<(), StateError> {
    let Some(height) = node.height.checked_sub(1).filter(|_| first < node.from) else { return Ok(()) };
    let mut entries = Entries::of(bytes, first);
    while let Some(entry) = entries.next()?.filter(|entry| entry.slice < node.from) {
        if !entry.single && node.from <= entry.last(node.height) {
            wanted.push(Node { height, index: index_of(entry.slice, height), ..node });
        }
    }
    Ok(())
}
