//! The languages, one file each.

pub(crate) mod c;
mod go;
mod javascript;
mod python;
mod rust;

use crate::Language;

/// All of them, in the order in which they are named to people. A language is added by its file and an entry here.
pub static LANGUAGES: [&dyn Language; 5] = [&rust::Rust, &go::Go, &c::C, &python::Python, &javascript::JavaScript];
