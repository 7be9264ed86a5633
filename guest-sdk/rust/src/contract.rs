//! The types of the contract as they cross to the host; for [`BatchOperator`](crate::BatchOperator)s and for
//! whoever drives an [`Instance`](crate::Instance) by hand.

pub use crate::bindings::exports::millstream::operator::processor::{
    BatchInput, BatchOutput, Description, FailureColumn, FieldDeclaration, FiredTimers, Guest, OutputBatch,
    StateChange, StateDeclaration, StateKind, TimeDomain, TimerChanges,
};
pub use crate::bindings::millstream::operator::state::{MapPage, StateError};
pub use crate::bindings::millstream::operator::types::{
    BytesColumn, ColumnType, HeaderColumn, RecordBatch, TypedColumn,
};

impl BytesColumn {
    /// A column without rows.
    pub fn empty() -> Self {
        Self { offsets: vec![0; 4], data: Vec::new(), validity: Vec::new() }
    }

    /// No column: what stands in the place of values where typed columns do.
    pub fn absent() -> Self {
        Self { offsets: Vec::new(), data: Vec::new(), validity: Vec::new() }
    }

    /// Whether it is [`Self::absent`].
    pub fn is_absent(&self) -> bool {
        self.offsets.is_empty()
    }
}

impl Default for BytesColumn {
    fn default() -> Self {
        Self::empty()
    }
}

impl RecordBatch {
    /// A batch without records.
    pub fn empty() -> Self {
        Self {
            count: 0,
            keys: BytesColumn::empty(),
            values: BytesColumn::empty(),
            headers: HeaderColumn { offsets: Vec::new(), names: BytesColumn::empty(), values: BytesColumn::empty() },
            timestamps: Vec::new(),
            columns: Vec::new(),
        }
    }
}

impl FailureColumn {
    /// No failure.
    pub fn empty() -> Self {
        Self { records: Vec::new(), reasons: BytesColumn::empty() }
    }
}

impl BatchOutput {
    /// Nothing emitted, changed or failed.
    pub fn empty() -> Self {
        Self { outputs: Vec::new(), changes: Vec::new(), failures: FailureColumn::empty(), timers: Vec::new() }
    }
}

/// `millstream:window`: the parts of window steps, and watermark generators.
pub mod window {
    use crate::bindings::window as generated;
    pub use crate::bindings::window::aggregator::millstream::window::types::{FailureColumn, TimeDomain, WindowColumn};

    impl FailureColumn {
        /// No failure.
        pub fn empty() -> Self {
            Self { records: Vec::new(), reasons: super::BytesColumn::empty() }
        }
    }

    /// What an aggregator exports.
    pub mod aggregation {
        pub use super::generated::aggregator::exports::millstream::window::aggregation::{
            Added, Additions, Description, Guest, Panes,
        };

        use crate::contract::BytesColumn;
        use crate::contract::window::FailureColumn;

        impl Added {
            /// No accumulator and no failure.
            pub fn empty() -> Self {
                Self { accumulators: BytesColumn::empty(), failures: FailureColumn::empty() }
            }
        }
    }
    /// What a window assigner exports.
    pub mod assignment {
        pub use super::generated::assigner::exports::millstream::window::assignment::{Assigned, Description, Guest};
    }

    /// What a trigger exports.
    pub mod firing {
        pub use super::generated::trigger::exports::millstream::window::firing::{
            Description, Elements, Guest, Panes, Verdicts,
        };
    }

    /// What a window function exports.
    pub mod window_function {
        pub use super::generated::process::exports::millstream::window::window_function::{Description, Guest, Pane};
    }

    /// What a watermark generator exports.
    pub mod watermarks {
        pub use super::generated::watermark::exports::millstream::window::watermarks::{Description, Guest, Progress};
    }
}
