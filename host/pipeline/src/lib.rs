//! The pipeline file, from text to a plan that the runtime can run.
//!
//! ```text
//!   text --parse--> PipelineSpec --plan--> Plan --explain--> text
//!          names, types, references   operators' outputs and states,
//!                                     stages between shuffles
//! ```

pub mod case;
pub mod plan;
pub mod spec;

mod decode;
mod document;
mod error;
mod explain;
mod parse;
mod planner;
mod position;
mod references;
mod schema;

pub use error::{SpecError, SpecErrors};
pub use explain::explain;
pub use parse::{parse, parse_case};
pub use plan::*;
pub use planner::{OperatorCatalog, plan};
pub use schema::json_schema;
pub use spec::PipelineSpec;
