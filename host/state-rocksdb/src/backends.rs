//! The databases of all tasks.

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Component, Path, PathBuf},
    sync::Arc,
};

use millstream_state::{StateBackend, StateBackends, StateError};
use parking_lot::Mutex;
use rocksdb::{BlockBasedOptions, Cache, DB, DBCompressionType, DataBlockIndexType, Options, WriteBufferManager};

use crate::{
    backend::RocksBackend,
    database::{DatabaseError, quiet},
    install::{remove_replaced, replace},
    load::remove_left,
};

/// Deleted entries leave the disk after this time at the latest.
const PERIODIC_COMPACTION_SECONDS: u64 = 24 * 60 * 60;

/// A file in which so many of so many entries in a row are deletions, as a sweep of expired entries leaves
/// them, is compacted soon, since whatever scans that range must step over each.
const DELETION_WINDOW: usize = 1024;
const DELETIONS_IN_WINDOW: usize = 896;

/// Write-backs bring the keys of each state in order: where the one before went says nearly where the next one goes.
/// The first four bytes of a key are the state.
const INSERT_IN_ORDER: &str = "memtable_insert_with_hint_prefix_extractor=fixed:4";

/// What the state of all tasks of a process may use of the machine.
#[derive(Clone, Debug)]
pub struct RocksConfig {
    /// Bytes of decompressed blocks, indices and filters that all tasks together keep in memory.
    pub block_cache_bytes: usize,
    /// Bytes that all tasks together collect in memory before they become tables. A task that writes
    /// while they are used up is flushed.
    pub write_buffer_bytes: usize,
    /// Files that one task holds open; -1 is no limit.
    pub max_open_files: i32,
    /// Threads that flush and compact, for all tasks.
    pub background_jobs: i32,
}

impl Default for RocksConfig {
    fn default() -> Self {
        Self { block_cache_bytes: 128 << 20, write_buffer_bytes: 128 << 20, max_open_files: 256, background_jobs: 2 }
    }
}

/// The tasks that this process has open.
pub(crate) type OpenTasks = Arc<Mutex<BTreeSet<PathBuf>>>;

/// Keeps the state of each task in a RocksDB database of its own below one directory, with one block
/// cache and one bound for write buffers for all of them.
///
/// There is no write-ahead log: the changelog is it. After a crash a database is as after some earlier
/// write, and its position says which.
pub struct RocksBackends {
    root: PathBuf,
    config: RocksConfig,
    cache: Cache,
    write_buffers: WriteBufferManager,
    open: OpenTasks,
}

impl RocksBackends {
    /// Keeps databases below `root`, which is created where it does not exist.
    ///
    /// # Errors
    /// When the directory cannot be created.
    pub fn open(root: PathBuf, config: RocksConfig) -> Result<Self, DatabaseError> {
        fs::create_dir_all(&root).map_err(|error| DatabaseError::from_io(&root, &error))?;
        Ok(Self {
            // 0: the entries' size is not known ahead.
            cache: Cache::new_hyper_clock_cache(config.block_cache_bytes, 0),
            // Without stalls: a worker that waits for another's flush would miss its commit.
            write_buffers: WriteBufferManager::new_write_buffer_manager(config.write_buffer_bytes, false),
            root,
            config,
            open: OpenTasks::default(),
        })
    }

    fn directory_of(&self, task: &str) -> Result<PathBuf, StateError> {
        let relative = Path::new(task);
        if task.is_empty() || relative.components().any(|part| !matches!(part, Component::Normal(_))) {
            return Err(StateError::Misuse(format!("`{task}` is not the name of a task")));
        }
        Ok(self.root.join(relative))
    }

    /// Keeps everybody else in this process from opening the task while the reservation lives.
    fn reserve(&self, task: &str) -> Result<Reservation, StateError> {
        let path = self.directory_of(task)?;
        if !self.open.lock().insert(path.clone()) {
            return Err(DatabaseError::InUse { path }.into());
        }
        Ok(Reservation::new(path, Arc::clone(&self.open)))
    }

    /// Tuned for point reads of small values that are often not there, and for writes in key order.
    ///
    /// # Errors
    /// When the database does not know a setting.
    fn options(&self) -> Result<Options, rocksdb::Error> {
        let mut table = BlockBasedOptions::default();
        table.set_block_cache(&self.cache);
        table.set_block_size(8 << 10);
        table.set_format_version(6);
        table.set_bloom_filter(10.0, false);
        table.set_cache_index_and_filter_blocks(true);
        table.set_pin_l0_filter_and_index_blocks_in_cache(true);
        table.set_data_block_index_type(DataBlockIndexType::BinaryAndHash);
        table.set_data_block_hash_ratio(0.75);

        let mut options = Options::default().get_options_from_string(INSERT_IN_ORDER)?;
        options.create_if_missing(true);
        options.set_block_based_table_factory(&table);
        options.set_write_buffer_manager(&self.write_buffers);
        options.set_write_buffer_size((self.config.write_buffer_bytes / 4).clamp(64 << 10, 64 << 20));
        options.set_max_write_buffer_number(3);
        options.set_memtable_whole_key_filtering(true);
        options.set_memtable_prefix_bloom_ratio(0.02);
        options.set_max_open_files(self.config.max_open_files);
        options.set_max_background_jobs(self.config.background_jobs);
        options.set_compression_type(DBCompressionType::Lz4);
        options.set_bottommost_compression_type(DBCompressionType::Zstd);
        options.set_level_compaction_dynamic_level_bytes(true);
        options.set_bytes_per_sync(1 << 20);
        options.set_periodic_compaction_seconds(PERIODIC_COMPACTION_SECONDS);
        options.add_compact_on_deletion_collector_factory(DELETION_WINDOW, DELETIONS_IN_WINDOW, 0.0);
        quiet(&mut options);
        Ok(options)
    }
}

impl StateBackends for RocksBackends {
    fn open(&self, task: &str) -> Result<Box<dyn StateBackend>, StateError> {
        let reservation = self.reserve(task)?;
        remove_replaced(reservation.path())?;
        remove_left(reservation.path())?;
        let options = self.options().map_err(|error| DatabaseError::from_rocksdb(reservation.path(), &error))?;
        Ok(Box::new(RocksBackend::open(reservation, options)?))
    }

    fn remove(&self, task: &str) -> Result<(), StateError> {
        let path = self.directory_of(task)?;
        // Held to the end, so that nobody opens a task that is going away.
        let open = self.open.lock();
        if let Some(open) = open.iter().find(|open| open.starts_with(&path)) {
            return Err(DatabaseError::InUse { path: open.clone() }.into());
        }
        remove_databases(&path).map_err(StateError::from)
    }

    fn install(&self, task: &str, from: &Path) -> Result<(), StateError> {
        let reservation = self.reserve(task)?;
        replace(reservation.path(), from).map_err(StateError::from)
    }

    fn path_of(&self, task: &str) -> Option<PathBuf> {
        self.directory_of(task).ok()
    }
}

/// A task that this process has open, or is about to.
pub(crate) struct Reservation {
    path: PathBuf,
    open: OpenTasks,
}

impl Reservation {
    pub(crate) fn new(path: PathBuf, open: OpenTasks) -> Self {
        Self { path, open }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.open.lock().remove(&self.path);
    }
}

/// Removes the database in `path` and those below it. RocksDB does it, since it knows of other processes'
/// locks; what it leaves behind goes after it.
fn remove_databases(path: &Path) -> Result<(), DatabaseError> {
    let io_error = |error: io::Error| DatabaseError::from_io(path, &error);
    let entries = match fs::read_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(io_error)?,
    };
    for entry in entries {
        let entry = entry.map_err(io_error)?;
        if entry.file_type().map_err(io_error)?.is_dir() {
            remove_databases(&entry.path())?;
        }
    }
    DB::destroy(&Options::default(), path).map_err(|error| DatabaseError::from_rocksdb(path, &error))?;
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(io_error(error)),
        _ => Ok(()),
    }
}
