//! From text to a checked [`PipelineSpec`].

use crate::{
    case::TestCase,
    decode::Decoder,
    document::{self, Node},
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
    let (decoder, root) = read(file, text)?;
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

/// Reads a test case of a pipeline, YAML or JSON.
///
/// # Errors
/// As [`parse`].
pub fn parse_case(file: &str, text: &str, spec: &PipelineSpec) -> Result<TestCase, SpecErrors> {
    let (decoder, root) = read(file, text)?;
    match decoder.case(&root, spec) {
        (Some(case), errors) if errors.is_empty() => Ok(case),
        (_, errors) => Err(SpecErrors::new(errors)),
    }
}

/// The tree of a text, and what gathers its errors.
fn read(file: &str, text: &str) -> Result<(Decoder, Node), SpecErrors> {
    let mut decoder = Decoder::new(file);
    match document::read(text) {
        Ok((root, faults)) => {
            for fault in faults {
                decoder.error(fault.position, &fault.path, fault.message);
            }
            Ok((decoder, root))
        }
        Err(fault) => {
            decoder.error(fault.position, &fault.path, fault.message);
            Err(SpecErrors::new(decoder.errors))
        }
    }
}
