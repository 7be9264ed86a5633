//! The manifests of one task, and which of them count.

use futures::{StreamExt, TryStreamExt};
use millstream_state::snapshot::{SnapshotError, SnapshotInfo};
use tracing::warn;

use super::{
    Engine,
    document::{Document, decode_manifest},
    layout::{Numbered, TaskPath},
};

/// Manifests that are read at a time.
const READ_AHEAD: usize = 8;

/// The numbers that a task's manifests have, ascending.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Numbers {
    /// No manifest up to this number counts, whether it is there or not.
    pub floor: u64,
    /// The objects that say so; the highest does.
    pub floors: Vec<u64>,
    /// Manifests above the floor.
    pub live: Vec<u64>,
    /// Manifests that do not count: removed ones that are still there, and ones that a writer that was
    /// overtaken long ago created again.
    pub dead: Vec<u64>,
}

impl Numbers {
    pub fn of(found: impl IntoIterator<Item = Numbered>) -> Self {
        let mut numbers = Self::default();
        let mut manifests = Vec::new();
        for numbered in found {
            match numbered {
                Numbered::Manifest(number) => manifests.push(number),
                Numbered::Floor(number) => numbers.floors.push(number),
            }
        }
        manifests.sort_unstable();
        numbers.floors.sort_unstable();
        numbers.floor = numbers.floors.last().copied().unwrap_or(0);
        numbers.live = manifests.split_off(manifests.partition_point(|&number| number <= numbers.floor));
        numbers.dead = manifests;
        numbers
    }

    /// The highest number that is taken; 0 for none.
    pub fn newest(&self) -> u64 {
        self.live.last().copied().unwrap_or(self.floor)
    }
}

impl Engine {
    pub(super) async fn numbers(&self, task: &TaskPath) -> Result<Numbers, SnapshotError> {
        let directory = task.manifests();
        let listed = self.storage.list_after(&directory, &directory).await.map_err(SnapshotError::from)?;
        Ok(Numbers::of(listed.iter().filter_map(|object| task.numbered(&object.path))))
    }

    /// `None` where there is no such manifest.
    pub(super) async fn manifest(
        &self,
        task: &TaskPath,
        number: u64,
    ) -> Result<Option<Document<SnapshotInfo>>, SnapshotError> {
        match self.storage.get(&task.manifest(number)).await? {
            Some(bytes) => decode_manifest(task, number, &bytes).map(Some),
            None => Ok(None),
        }
    }

    /// The snapshots of a task that can be read, newest first.
    pub(super) async fn list(&self, task: &TaskPath) -> Result<Vec<SnapshotInfo>, SnapshotError> {
        let numbers = self.numbers(task).await?;
        let read: Vec<Option<SnapshotInfo>> = futures::stream::iter(numbers.live.iter().rev())
            .map(|&number| async move {
                match self.manifest(task, number).await {
                    Ok(document) => Ok(document.map(|document| document.content)),
                    Err(SnapshotError::Corrupt { object, reason }) => {
                        warn!(%task, object, reason, "left out a snapshot with a damaged manifest");
                        Ok(None)
                    }
                    Err(error) => Err(error),
                }
            })
            .buffered(READ_AHEAD)
            .try_collect()
            .await?;
        Ok(read.into_iter().flatten().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_floor_says_what_counts() {
        use Numbered::{Floor, Manifest};
        let numbers = Numbers::of([Manifest(5), Floor(3), Manifest(3), Floor(2), Manifest(4), Manifest(1)]);
        let expected = Numbers { floor: 3, floors: vec![2, 3], live: vec![4, 5], dead: vec![1, 3] };
        assert_eq!(numbers, expected);
        assert_eq!(numbers.newest(), 5);
        assert_eq!(Numbers::of([Floor(9), Manifest(2)]).newest(), 9);
        assert_eq!(Numbers::of([]).newest(), 0);
    }
}
