//! From text to a checked [`PipelineSpec`].

use crate::{
    decode::Decoder,
    document,
    error::{SpecError, SpecErrors},
    references,
    spec::PipelineSpec,
};

/// Reads a pipeline file, YAML or JSON, and checks all of it that can be checked without knowing operators and
/// topics. `file` is its name in errors.
///
/// # Errors
/// Everything that is wrong with it, each with its place; where the text is not YAML, only that.
pub fn parse(file: &str, text: &str) -> Result<PipelineSpec, SpecErrors> {
    let mut decoder = Decoder::new(file);
    let (root, faults) = match document::read(text) {
        Ok(document) => document,
        Err(fault) => {
            decoder.error(fault.position, &fault.path, fault.message);
            return Err(SpecErrors::new(decoder.errors));
        }
    };
    for fault in faults {
        decoder.error(fault.position, &fault.path, fault.message);
    }
    let (spec, errors): (Option<PipelineSpec>, Vec<SpecError>) = decoder.pipeline(&root);
    let mut decoder = Decoder::new(file);
    decoder.errors = errors;
    if let Some(spec) = &spec {
        references::check(spec, &mut decoder);
    }
    match spec {
        Some(spec) if decoder.errors.is_empty() => Ok(spec),
        _ => Err(SpecErrors::new(decoder.errors)),
    }
}
