//! Where each entry of a savepoint's stores goes.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
};

use millstream_log::partition_for_key;
use millstream_operator::timer::{TimerUse, Timers};
use millstream_pipeline::plan::{InputKind, StageIndex, StageInput};
use millstream_state::{
    StateBackend, StateId, StateKind,
    encoding::{self, CATALOG, CatalogEntry},
};
use millstream_types::PipelineName;

use super::{
    RestoreOrder, RestoreReport,
    compare::{Versions, dropped, tasks_of},
    copies::TaskCopy,
};
use crate::{
    Failure,
    task::{operator_key, sink_key, source_key, watermark_key},
    topology::Topology,
    version::VersionRecord,
};

/// Where the entries of one stage of a savepoint go.
#[derive(Default)]
pub(super) struct Routes {
    /// How many tasks the stage had.
    tasks: u32,
    states: BTreeMap<StateId, Route>,
}

/// Where a state goes.
#[derive(Clone)]
struct Route {
    /// What it is called, for messages.
    name: String,
    /// How it is kept, once that is known.
    kind: Option<StateKind>,
    /// The stage that goes on with it; `None`: it is dropped.
    to: Option<StageIndex>,
    /// A built-in lays it out its own way, so that what its entries are kept under need not be keys of records.
    own_layout: bool,
}

/// An entry's new place.
pub(super) enum Place {
    /// One task.
    Task(StageIndex, u32),
    /// Every task of a stage.
    AllTasks(StageIndex),
    /// It is dropped.
    Nowhere,
}

/// What the routes lead to.
pub(super) struct Target<'a> {
    pub(super) topology: &'a Topology,
    pub(super) versions: &'a Versions,
    pub(super) order: &'a RestoreOrder,
}

impl Target<'_> {
    fn tasks(&self, stage: StageIndex) -> u32 {
        self.topology.partitions.get(stage.0).copied().unwrap_or_default()
    }

    /// The stage that has a step.
    fn stage_of(&self, step: &str) -> Option<StageIndex> {
        self.versions.iter().find(|(_, version)| version.step == step).map(|(&(stage, _), _)| stage)
    }

    /// The stage with the source or sink that an entry of the runtime belongs to; the one of the same name, where
    /// several read a topic.
    fn stage_with(&self, key: &[u8], was: &str) -> Option<StageIndex> {
        let of_source = |input: &StageInput| match &input.kind {
            InputKind::Topic { topic, .. } => watermark_key(topic) == key,
            InputKind::Connector { placement, .. } => watermark_key(placement) == key || source_key(&input.name) == key,
            // Those who write to it say again how far they are.
            InputKind::Repartition { .. } => false,
        };
        let of_sink = |name: &str| {
            let whole = sink_key(name, b"");
            key.strip_prefix(&*whole).is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
        };
        let stages = self.topology.plan.stages.iter().enumerate();
        let mut found: Vec<_> = stages
            .filter(|(_, stage)| {
                stage.inputs.iter().any(of_source) || stage.sinks.iter().any(|sink| of_sink(&sink.name))
            })
            .collect();
        found.sort_by_key(|(_, stage)| stage.name != was);
        found.first().map(|(index, _)| StageIndex(*index))
    }

    /// An entry's key in the pipeline, whose own topics have other names where it is another one.
    pub(super) fn renamed<'k>(&self, key: &'k [u8]) -> Cow<'k, [u8]> {
        let own = |pipeline: &PipelineName| encoding::runtime_key(&watermark_key(&format!("{pipeline}.")));
        match key.strip_prefix(&*own(&self.order.savepoint.pipeline)) {
            Some(rest) => Cow::Owned([own(&self.topology.plan.pipeline), rest.to_vec()].concat()),
            None => Cow::Borrowed(key),
        }
    }
}

impl Routes {
    /// Finds out where the entries of `stage` go, from the stores of its tasks, and notes what stands against it.
    ///
    /// # Errors
    /// When a store cannot be read.
    pub(super) fn find(
        stage: &str,
        stores: &mut dyn Iterator<Item = Result<(&TaskCopy, Box<dyn StateBackend>), Failure>>,
        target: &Target<'_>,
        report: &mut RestoreReport,
    ) -> Result<Self, Failure> {
        let savepoint = &target.order.savepoint;
        let mut routes = Self { tasks: tasks_of(savepoint, stage).unwrap_or_default(), states: BTreeMap::new() };
        for task in savepoint.tasks.iter().filter(|task| task.about.stage == stage) {
            routes.tasks = routes.tasks.max(task.about.partition + 1);
            for operator in &task.about.operators {
                let known: BTreeSet<&str> = operator.states.iter().map(|state| state.name.as_str()).collect();
                routes.add(&operator.step, known, target);
            }
        }
        let mut reasons = BTreeSet::new();
        for store in stores {
            let (task, store) = store?;
            routes.look_into(stage, task, store.as_ref(), target, &mut reasons, report)?;
        }
        report.refused.extend(reasons);
        Ok(routes)
    }

    /// Adds the states of a step, those of its timers included.
    fn add<'n>(&mut self, step: &str, names: impl IntoIterator<Item = &'n str>, target: &Target<'_>) {
        let to = target.stage_of(step);
        let declared = |name: &str| {
            let version = target.versions.values().find(|version| version.step == step);
            version.is_some_and(|version| version.factory.description().states.iter().any(|state| state.name == name))
        };
        let version = target.versions.values().find(|version| version.step == step);
        let own_layout = version.is_some_and(|version| version.factory.definition().is_some());
        let mut route = |name: &str, to: Option<StageIndex>| {
            let name_and_step = format!("state `{name}` of step {step}");
            let route = Route { name: name_and_step, kind: None, to, own_layout };
            self.states.entry(StateId::of(step, name)).or_insert(route);
        };
        for name in names {
            route(name, to.filter(|_| declared(name)));
        }
        for timers in Timers::declarations(TimerUse::Named) {
            route(&timers.name, to);
        }
    }

    /// What a store says of itself: versions before the last, kinds of its states, keys that are to move.
    fn look_into(
        &mut self,
        stage: &str,
        task: &TaskCopy,
        store: &dyn StateBackend,
        target: &Target<'_>,
        reasons: &mut BTreeSet<String>,
        report: &mut RestoreReport,
    ) -> Result<(), Failure> {
        for (key, value) in entries_of(store, StateId::RUNTIME)? {
            if let Some(step) = key.strip_prefix(&*operator_key("")).map(String::from_utf8_lossy) {
                self.add_record(&step, &value, target, reasons, report)?;
            } else if key.starts_with(&source_key(""))
                && let Some(to) = target.stage_with(&key, stage)
                && target.tasks(to) != self.tasks
            {
                reasons.insert(format!(
                    "{} had {} splits and has {}, so that its positions mean other splits",
                    String::from_utf8_lossy(&key).replace('/', " "),
                    self.tasks,
                    target.tasks(to)
                ));
            }
        }
        for (key, value) in entries_of(store, CATALOG)? {
            let id = encoding::split_key(&key).map(|(id, _)| id).unwrap_or(StateId::RUNTIME);
            if id == StateId::RUNTIME {
                encoding::check_format(&[&CATALOG.0.to_be_bytes()[..], &key].concat(), &value)?;
                continue;
            }
            let kind = CatalogEntry::decode(&value)?.kind;
            match self.states.get_mut(&id) {
                Some(route) => route.kind = Some(kind),
                None if target.order.allow_dropped_state => {}
                None => {
                    reasons.insert(format!(
                        "stage {stage} has a state {:#010x} that belongs to no step that it had; allow to drop it with \
                         --allow-dropped-state",
                        id.0
                    ));
                }
            }
        }
        self.check_keys(task, store, target, reasons)
    }

    /// What a version of a step had left: states that the last one did not declare stay with the step.
    fn add_record(
        &mut self,
        step: &str,
        record: &[u8],
        target: &Target<'_>,
        reasons: &mut BTreeSet<String>,
        report: &mut RestoreReport,
    ) -> Result<(), Failure> {
        let record: VersionRecord = serde_json::from_slice(record).map_err(|error| {
            Failure::stop(format!("the savepoint's record of the version of step {step} is damaged: {error}"))
        })?;
        let to = target.stage_of(step);
        for state in &record.states {
            let id = StateId::of(step, &state.name);
            if self.states.contains_key(&id) {
                continue;
            }
            if to.is_none() {
                dropped(step, &state.name, Some(&record.operator), target.order, target.versions, report);
            }
            let name = format!("state `{}` of step {step}", state.name);
            self.states.insert(id, Route { name, kind: None, to, own_layout: false });
        }
        if let Some(version) = target.versions.values().find(|version| version.step == step) {
            let found = record.obstacles(version.factory.as_ref());
            reasons.extend(found.iter().map(|reason| format!("step {step}: {}: {reason}", version.label())));
        }
        Ok(())
    }

    /// Where the number of tasks changes, state can follow only if it was placed by its key.
    fn check_keys(
        &self,
        task: &TaskCopy,
        store: &dyn StateBackend,
        target: &Target<'_>,
        reasons: &mut BTreeSet<String>,
    ) -> Result<(), Failure> {
        for (id, route) in &self.states {
            let (Some(to), Some(kind)) = (route.to, route.kind) else { continue };
            if target.tasks(to) == self.tasks {
                continue;
            }
            let mut misplaced = false;
            scan(store, *id, &mut |entry, _| {
                // Where one task had everything, every entry was placed by whatever its key is.
                let key = encoding::key_of(kind, entry).filter(|_| self.tasks > 1 || !route.own_layout);
                misplaced = key.is_none_or(|key| partition_for_key(key, self.tasks) != task.partition);
                !misplaced
            })?;
            if misplaced {
                reasons.insert(format!(
                    "{} was kept by {} tasks, the stage has {}, and its entries were not placed by the hash of their \
                     keys, so that they cannot be moved; give its inputs {} partitions",
                    route.name,
                    self.tasks,
                    target.tasks(to),
                    self.tasks
                ));
            }
        }
        Ok(())
    }

    /// Where an entry of the task `partition` goes.
    pub(super) fn place(&self, stage: &str, partition: u32, key: &[u8], target: &Target<'_>) -> Place {
        let Some((id, rest)) = encoding::split_key(key) else { return Place::Nowhere };
        match id {
            StateId::RUNTIME => self.place_of_runtime(stage, partition, rest, target),
            CATALOG => match encoding::split_key(rest) {
                Some((id, _)) => {
                    self.states.get(&id).and_then(|route| route.to).map_or(Place::Nowhere, Place::AllTasks)
                }
                None => Place::Nowhere,
            },
            id => {
                let Some(Route { kind, to: Some(to), .. }) = self.states.get(&id) else { return Place::Nowhere };
                let tasks = target.tasks(*to);
                if tasks == self.tasks {
                    return Place::Task(*to, partition);
                }
                match kind.and_then(|kind| encoding::key_of(kind, rest)) {
                    Some(key) => Place::Task(*to, partition_for_key(key, tasks)),
                    None => Place::Nowhere,
                }
            }
        }
    }

    fn place_of_runtime(&self, stage: &str, partition: u32, key: &[u8], target: &Target<'_>) -> Place {
        if let Some(step) = key.strip_prefix(&*operator_key("")) {
            let to = std::str::from_utf8(step).ok().and_then(|step| target.stage_of(step));
            return to.map_or(Place::Nowhere, Place::AllTasks);
        }
        match target.stage_with(key, stage) {
            Some(to) if partition < target.tasks(to) => Place::Task(to, partition),
            _ => Place::Nowhere,
        }
    }
}

/// The key and the value of an entry, as stored.
type StoredEntry = (Vec<u8>, Vec<u8>);

/// The entries below a state id, without it.
fn entries_of(store: &dyn StateBackend, id: StateId) -> Result<Vec<StoredEntry>, Failure> {
    let mut entries = Vec::new();
    scan(store, id, &mut |key, value| {
        entries.push((key.to_vec(), value.to_vec()));
        true
    })?;
    Ok(entries)
}

/// Visits the entries below a state id, without it.
fn scan(store: &dyn StateBackend, id: StateId, visit: &mut dyn FnMut(&[u8], &[u8]) -> bool) -> Result<(), Failure> {
    let start = id.0.to_be_bytes();
    let after = id.0.checked_add(1).map(|after| after.to_be_bytes().to_vec());
    let end = after.unwrap_or_else(|| encoding::END.to_vec());
    store.scan_once(&start, &end, &mut |key, value| visit(key.get(encoding::ID_BYTES..).unwrap_or_default(), value))?;
    Ok(())
}
