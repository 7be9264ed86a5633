//! One instance of a component in a store of its own.

use std::{sync::Arc, time::Duration};

use millstream_operator::OperatorError;
use millstream_state::{StateDeclaration, StateHandle};
use wasmtime::{Store, component};

use crate::{
    Limits,
    engine::Shared,
    exports::{Checked, Exports},
    failure,
    guest::{DeclaredState, GuestData},
    guest_log::{GuestLog, cut},
    interfaces::{BatchMetrics, MetricNames},
    interpreter::{Program, StartError},
    randomness::Randomness,
};

/// Beside the columns a result carries some records and lengths.
const RESULT_OVERHEAD_BYTES: usize = 64 << 10;
/// What a guest says is kept up to here.
const MESSAGE_BYTES: usize = 4 << 10;

/// Who an instance is: its log, its metrics and its states. Its successors are the same, so that a guest
/// which traps all the time keeps to the rate of its log.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    log: Arc<GuestLog>,
    pub(crate) states: Arc<[DeclaredState]>,
    metrics: Arc<MetricNames>,
}

impl Identity {
    pub(crate) fn new(operator: &str, step: &str, states: &[StateDeclaration], limits: &Limits) -> Self {
        let declared = states.iter().map(|declaration| DeclaredState {
            handle: StateHandle::new(step, declaration),
            declaration: declaration.clone(),
        });
        Self {
            log: Arc::new(GuestLog::new(operator.to_owned(), step.to_owned(), limits)),
            states: declared.collect(),
            metrics: Arc::new(MetricNames::new(limits)),
        }
    }
}

/// When a call is made, and what it sees as random.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Moment {
    /// Processing time, milliseconds.
    pub(crate) now_ms: i64,
    /// Seed of the randomness.
    pub(crate) seed: u64,
}

/// Instantiates a program in a store of its own, and loads its script where it is one. Returns the world that the
/// script says it is of.
///
/// # Errors
/// [`OperatorError::Setup`] with its interpreter's reason; otherwise as a call.
pub(crate) fn start(
    host: &Shared,
    program: &Program,
    identity: &Identity,
    limits: &Limits,
) -> Result<(Store<GuestData>, component::Instance, Option<String>), OperatorError> {
    let metrics = BatchMetrics::new(Arc::clone(&identity.metrics), limits);
    let data = GuestData::new(Arc::clone(&identity.log), metrics, Arc::clone(&identity.states), limits);
    let mut store = Store::new(&host.engine, data);
    store.limiter(|data| &mut data.limiter);
    store.set_hostcall_fuel(limits.output_bytes.saturating_add(RESULT_OVERHEAD_BYTES));
    store.set_epoch_deadline(host.ticker.ticks(limits.setup_deadline));
    match program.start(&mut store) {
        Ok((instance, world)) => Ok((store, instance, world)),
        Err(StartError::Refused(reason)) => Err(OperatorError::Setup(cut(&reason, MESSAGE_BYTES).to_owned())),
        Err(StartError::Call(error)) => Err(failure::of_call(&error, store.data_mut(), limits, limits.setup_deadline)),
    }
}

/// A running guest that exports `E`.
pub(crate) struct Instance<E> {
    host: Arc<Shared>,
    store: Store<GuestData>,
    guest: E,
    limits: Limits,
    /// Memory over which the instance is to be replaced.
    recycle_bytes: usize,
}

impl<E: Exports> Instance<E> {
    /// Makes an instance. Nothing of the guest has run but its start functions.
    ///
    /// # Errors
    /// [`OperatorError::Setup`] where its functions have other types than the contract's; otherwise as a call.
    pub(crate) fn new(
        host: &Arc<Shared>,
        program: &Program,
        identity: &Identity,
        limits: &Limits,
    ) -> Result<Self, OperatorError> {
        let (mut store, instance, _) = start(host, program, identity, limits)?;
        let guest = E::load(&mut store, &instance)
            .map_err(|error| OperatorError::Setup(format!("its exports are not the contract's: {error:#}")))?;
        let mut instance =
            Self { host: Arc::clone(host), store, guest, limits: limits.clone(), recycle_bytes: usize::MAX };
        instance.set_recycling();
        Ok(instance)
    }

    /// An instance that needs most of its limit from the start gains nothing by being replaced, so the
    /// threshold leaves it half of the rest.
    fn set_recycling(&mut self) {
        let limit = self.limits.memory_bytes;
        let share = limit / 100 * usize::from(self.limits.recycle_at_percent.min(100));
        let fresh = self.store.data().limiter.memory_bytes();
        self.recycle_bytes = share.max(fresh + limit.saturating_sub(fresh) / 2);
    }

    /// All its linear memories together, bytes.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.store.data().limiter.memory_bytes()
    }

    /// Whether the instance has grown so large that a fresh one should take over.
    pub(crate) fn is_overgrown(&self) -> bool {
        self.memory_bytes() > self.recycle_bytes
    }

    pub(crate) fn data_mut(&mut self) -> &mut GuestData {
        self.store.data_mut()
    }

    fn begin_call(&mut self, deadline: Duration) {
        self.store.set_epoch_deadline(self.host.ticker.ticks(deadline));
        let state_write_bytes = self.limits.state_write_bytes;
        let data = self.store.data_mut();
        data.state_write_bytes_left = state_write_bytes;
        data.ended = None;
        data.limiter.take_denied();
        data.log.begin_call();
        data.metrics.begin_call();
    }

    fn ended<T>(&mut self, result: wasmtime::Result<T>, deadline: Duration) -> Result<T, OperatorError> {
        result.map_err(|error| failure::of_call(&error, self.store.data_mut(), &self.limits, deadline))
    }

    /// Asks the guest what it is.
    pub(crate) fn describe(&mut self) -> Result<Checked, OperatorError> {
        let deadline = self.limits.setup_deadline;
        self.begin_call(deadline);
        let result = self.guest.describe(&mut self.store);
        self.ended(result, deadline)
    }

    /// Hands over the configuration; the error is [`OperatorError::Setup`].
    pub(crate) fn configure(&mut self, config: &str) -> Result<(), OperatorError> {
        let deadline = self.limits.setup_deadline;
        self.begin_call(deadline);
        let result = self.guest.configure(&mut self.store, config);
        match self.ended(result, deadline) {
            Ok(Ok(())) => {
                self.set_recycling();
                Ok(())
            }
            Ok(Err(reason)) => Err(OperatorError::Setup(cut(&reason, MESSAGE_BYTES).to_owned())),
            Err(error) => Err(OperatorError::Setup(format!("`configure` failed: {error}"))),
        }
    }

    /// Makes one call of a batch, timers, or windows.
    pub(crate) fn call<R>(
        &mut self,
        moment: Moment,
        call: impl FnOnce(&E, &mut Store<GuestData>) -> wasmtime::Result<Result<R, String>>,
    ) -> Result<R, OperatorError> {
        let deadline = self.limits.batch_deadline;
        self.begin_call(deadline);
        let data = self.store.data_mut();
        data.now_ms = moment.now_ms;
        data.random = Randomness::seeded(moment.seed);
        let result = call(&self.guest, &mut self.store);
        let answer = self.ended(result, deadline)?;
        answer.map_err(|reason| OperatorError::Refused(cut(&reason, MESSAGE_BYTES).to_owned()))
    }
}

impl<E> Drop for Instance<E> {
    fn drop(&mut self) {
        self.store.data().log.end_lines();
    }
}
