//! What of a core module is kept.

use wasm_encoder::{Module, RawSection};
use wasmparser::{Parser, Payload};

use crate::Error;

/// What a core module is, as far as componentising it goes.
pub(crate) struct Core {
    /// The module without debugging information, producers and whatever else no host reads; with the names of its
    /// functions, for backtraces.
    pub(crate) stripped: Vec<u8>,
    /// The names of what it exports.
    pub(crate) exports: Vec<String>,
    /// The modules that it imports from.
    pub(crate) imports: Vec<String>,
}

impl Core {
    /// Reads a core module.
    ///
    /// # Errors
    /// When it is none.
    pub(crate) fn read(wasm: &[u8]) -> Result<Self, Error> {
        let broken = |error: wasmparser::BinaryReaderError| {
            Error::tool(format!("what the compiler made is no core WebAssembly module: {error}"))
        };
        let (mut module, mut exports, mut imports) = (Module::new(), Vec::new(), Vec::new());
        for payload in Parser::new(0).parse_all(wasm) {
            let payload = payload.map_err(broken)?;
            match &payload {
                Payload::CustomSection(section) if !is_kept(section.name()) => continue,
                Payload::ExportSection(section) => {
                    for export in section.clone() {
                        exports.push(export.map_err(broken)?.name.to_owned());
                    }
                }
                Payload::ImportSection(section) => {
                    for import in section.clone().into_imports() {
                        imports.push(import.map_err(broken)?.module.to_owned());
                    }
                }
                _ => {}
            }
            if let Some((id, range)) = payload.as_section()
                && let Some(data) = wasm.get(range)
            {
                module.section(&RawSection { id, data });
            }
        }
        imports.dedup();
        Ok(Self { stripped: module.finish(), exports, imports })
    }
}

/// `name`: functions by name. `component-type`: what generated bindings declare.
fn is_kept(section: &str) -> bool {
    section == "name" || section.starts_with("component-type")
}
