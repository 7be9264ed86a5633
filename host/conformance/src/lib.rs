//! The conformance suite: one set of cases that components in every language must pass.
//!
//! The cases are data, in `tests/conformance/cases`; what they run is described in `tests/conformance/README.md`. A
//! case drives a [`TestPipeline`](millstream_testkit::TestPipeline) with the real component in it, so that between a
//! record that is pushed and one that is read lies all that lies between them in production, but for a broker.
//!
//! ```
//! use std::sync::Arc;
//!
//! use millstream_conformance::{Kind, Program, Suite, SuiteError};
//!
//! fn check(program: &Arc<dyn Program>) -> Result<(), SuiteError> {
//!     let suite = Suite::built_in()?;
//!     for case in suite.cases_of(Kind::Probe) {
//!         if let Err(failure) = millstream_conformance::run(case, program, program) {
//!             println!("{}: {failure}", case.name);
//!         }
//!     }
//!     Ok(())
//! }
//! ```

mod accumulators;
mod bytes;
mod case;
mod declared;
mod difference;
mod gaps;
mod log;
mod observed;
mod pipeline;
mod program;
mod record;
mod run;
mod suite;
mod written;
mod yaml;

pub use case::Case;
pub use gaps::{Gap, Gaps, Verdict};
pub use program::{Kind, Program, Quota};
pub use run::{CaseFailure, run};
pub use suite::{Suite, SuiteError};
