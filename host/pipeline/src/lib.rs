//! The pipeline file, from text to a plan that the runtime can run.
//!
//! ```text
//!   text --parse--> PipelineSpec --plan--> Plan --explain--> text
//!          names, types, references   operators' outputs and states,
//!                                     stages between shuffles
//! ```

pub mod plan;
pub mod spec;

mod position;

pub use plan::*;
pub use spec::PipelineSpec;
