//! Builds operator projects, whatever language they are written in.
//!
//! A directory is recognised as a project by the file that its language's own tools know it by ([`recognise`]). The
//! language then says whether its tools are there ([`Project::check`]) and turns the project into what a host takes
//! ([`Project::build`]). Each language is one file of [`languages`]; what they share is here: reading manifests,
//! running commands, tools in a cache of their own, and making a component of a core module without any tool but this
//! crate. The contract's WIT is part of the crate.

mod command;
pub mod component;
mod error;
pub mod languages;
mod manifest;
mod project;
mod sections;
mod toolbox;
pub mod wit;

pub use command::{capture, run};
pub use error::{Error, Fault};
pub use manifest::Manifest;
pub use project::{Built, Form, Identity, Language, Project, recognise};
pub use toolbox::Toolbox;
