//! Components of core modules.

use wasi_preview1_component_adapter_provider::{
    WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER,
};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};

use crate::{Error, sections::Core, wit::Contract};

/// A component, and the world of the contract that it is of.
#[derive(Clone, Debug)]
pub struct Component {
    /// The component.
    pub bytes: Vec<u8>,
    /// The world: `operator`.
    pub world: String,
}

/// Makes a component of a core module whose exports are those of a world of the contract, in the canonical ABI
/// (`millstream:operator/processor@0.1.0#process`, `cabi_realloc`, ..): the exports say which world it is. Calls of
/// WASI's first preview are adapted. Keeps the names of functions and no other custom section.
///
/// # Errors
/// When the module exports no world or several, or something of it is missing or of another type.
pub fn componentise(core: &[u8]) -> Result<Component, Error> {
    let core = Core::read(core)?;
    let contract = Contract::new()?;
    let worlds = contract.worlds();
    let exported: Vec<_> = worlds
        .iter()
        .filter(|(_, _, interface)| {
            core.exports.iter().any(|name| name.split_once('#').is_some_and(|(of, _)| of == interface))
        })
        .collect();
    let (world, name) = match exported[..] {
        [(world, name, _)] => (*world, *name),
        [] => {
            let expected = worlds.iter().map(|(_, world, interface)| format!("{world}: {interface}#describe, .."));
            return Err(Error::project("what was compiled exports nothing that makes an operator of it")
                .details(std::iter::once("one of these is expected:".to_owned()).chain(expected))
                .hint("the SDK exports it; see its page for how an operator is registered"));
        }
        ref several => {
            let names = several.iter().map(|(_, world, _)| (*world).to_owned());
            return Err(Error::project("a component is of one world, and this one exports several").details(names));
        }
    };
    let mut module = core.stripped;
    embed_component_metadata(&mut module, &contract.resolve, world, StringEncoding::UTF8)
        .map_err(|error| refused(name, &error))?;
    let mut encoder =
        ComponentEncoder::default().validate(true).module(&module).map_err(|error| refused(name, &error))?;
    if core.imports.iter().any(|module| module == WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME) {
        encoder = encoder
            .adapter(WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER)
            .map_err(|error| refused(name, &error))?;
    }
    let bytes = encoder.encode().map_err(|error| refused(name, &error))?;
    Ok(Component { bytes, world: name.to_owned() })
}

/// wit-component's own error, as a chain.
fn refused(world: &str, error: &(impl std::fmt::Debug + std::fmt::Display)) -> Error {
    let reasons = format!("{error:?}");
    Error::project(format!("what was compiled is no component of the world `{world}`"))
        .details(reasons.lines().map(str::to_owned))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A watermark generator that traps whatever it is asked.
    const MODULE: &str = r#"(module
      (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
      (memory (export "memory") 1)
      (func $named (drop (call $random (i32.const 0) (i32.const 0))) unreachable)
      (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) call $named unreachable)
      (func (export "millstream:window/watermarks@0.1.0#describe") (result i32) unreachable)
      (func (export "millstream:window/watermarks@0.1.0#configure") (param i32 i32) (result i32) unreachable)
      (func (export "millstream:window/watermarks@0.1.0#on-time") (param i32 i32 i64) (result i32) unreachable)
      (func (export "millstream:window/watermarks@0.1.0#on-records")
        (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32) unreachable)
      (@custom "producers" (after data) "\00"))"#;

    fn module(text: &str) -> Vec<u8> {
        wat::parse_str(text).unwrap()
    }

    #[test]
    fn the_exports_say_which_world_it_is() {
        let text =
            MODULE.replace("(param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)", "(param i32)");
        let component = componentise(&module(&text)).unwrap();
        assert_eq!(component.world, "watermark-generator");
        assert_eq!(component.bytes[..8], [0, b'a', b's', b'm', 0x0d, 0, 1, 0]);
        let has = |name: &str| component.bytes.windows(name.len()).any(|found| found == name.as_bytes());
        assert!(has("named"), "the names of functions are kept");
        assert!(has("wasi:random/random@0.2"), "WASI is adapted");
        assert_eq!(componentise(&module(&text)).unwrap().bytes, component.bytes, "the same again");
    }

    #[test]
    fn what_is_missing_or_of_another_type_is_told() {
        let error = componentise(&module(MODULE)).unwrap_err();
        assert!(error.to_string().ends_with("no component of the world `watermark-generator`"), "{error}");
        assert!(error.lines().iter().any(|line| line.contains("on-records")), "{:?}", error.lines());
        let error = componentise(&module("(module)")).unwrap_err();
        assert!(error.lines().iter().any(|line| line.starts_with("operator: millstream:operator/processor@0.1.0")));
        assert!(componentise(b"\0asm").is_err());
    }
}
