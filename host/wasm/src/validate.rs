//! What a component must be before it is taken.

use std::sync::Arc;

use millstream_operator::{OperatorDescription, OperatorError};
use wasmtime::{
    Engine,
    component::{Component, InstancePre, types::ComponentItem},
};

use crate::{
    Refusal, Refused, description,
    engine::Shared,
    guest::GuestData,
    instance::{Identity, Instance},
    wasi,
};

/// The interface that an operator exports.
const PROCESSOR: &str = "millstream:operator/processor@0.1.0";
/// Its functions.
const FUNCTIONS: [&str; 4] = ["describe", "configure", "process", "on-timer"];
/// The interfaces of the contract that an operator may import.
const GRANTED: [&str; 5] = [
    "millstream:operator/types@0.1.0",
    "millstream:operator/state@0.1.0",
    "millstream:operator/log@0.1.0",
    "millstream:operator/metrics@0.1.0",
    "millstream:operator/clock@0.1.0",
];

/// A component that passed.
pub(crate) struct Checked {
    pub(crate) program: InstancePre<GuestData>,
    pub(crate) description: OperatorDescription,
    pub(crate) imports: Vec<String>,
}

/// Checks size and preamble, so that nothing hopeless is compiled.
pub(crate) fn check_bytes(bytes: &[u8], limit_bytes: usize) -> Result<(), Refused> {
    let mut reasons = Vec::new();
    if bytes.len() > limit_bytes {
        reasons.push(Refusal::TooLarge { bytes: bytes.len(), limit_bytes });
    }
    // Preamble: magic, then version (16 bits) and layer (16 bits); layer 0 is a core module, 1 a component.
    match bytes.split_first_chunk::<8>() {
        Some(([b'\0', b'a', b's', b'm', _, _, 1, 0], _)) => {}
        Some(([b'\0', b'a', b's', b'm', 1, 0, 0, 0], _)) => reasons.push(Refusal::CoreModule),
        Some(([b'\0', b'a', b's', b'm', ..], _)) => {
            reasons.push(Refusal::NotWebAssembly("its binary version is unknown".into()));
        }
        _ if bytes.is_empty() => reasons.push(Refusal::NotWebAssembly("it is empty".into())),
        _ => reasons.push(Refusal::NotWebAssembly("it does not begin with the bytes 00 61 73 6d".into())),
    }
    if reasons.is_empty() { Ok(()) } else { Err(Refused { reasons }) }
}

/// Validates and compiles.
pub(crate) fn compile(engine: &Engine, bytes: &[u8]) -> Result<Component, Refused> {
    Component::from_binary(engine, bytes).map_err(|error| Refusal::Invalid(format!("{error:#}")).into())
}

/// Checks imports and exports, then makes an instance and asks it to describe itself.
pub(crate) fn check_component(host: &Arc<Shared>, component: &Component) -> Result<Checked, Refused> {
    let ty = component.component_type();
    let imports: Vec<String> = ty.imports(&host.engine).map(|(name, _)| name.to_owned()).collect();
    let mut reasons: Vec<Refusal> =
        imports.iter().filter(|name| !is_granted(name)).map(|name| Refusal::ImportNotGranted(name.clone())).collect();
    check_exports(&host.engine, component, &mut reasons);
    if !reasons.is_empty() {
        return Err(Refused { reasons });
    }

    let program = host.linker.instantiate_pre(component).map_err(|error| Refusal::WrongType(format!("{error:#}")))?;
    let limits = &host.config.validation;
    let identity = Identity::new("upload", "validation", &[], limits);
    let mut instance = Instance::new(host, &program, &identity, limits).map_err(|error| match error {
        OperatorError::Setup(reason) => Refusal::WrongType(reason),
        other => Refusal::DoesNotInstantiate(other.to_string()),
    })?;
    let described = instance.describe().map_err(|error| Refusal::DescribeFailed(error.to_string()))?;
    let description = description::check(described).map_err(|reasons| Refused { reasons })?;
    Ok(Checked { program, description, imports })
}

fn is_granted(import: &str) -> bool {
    if GRANTED.contains(&import) {
        return true;
    }
    import.split_once('@').is_some_and(|(name, version)| version.starts_with("0.2.") && wasi::LINKED.contains(&name))
}

fn check_exports(engine: &Engine, component: &Component, reasons: &mut Vec<Refusal>) {
    let ty = component.component_type();
    if let Some(export) = ty.get_export(engine, PROCESSOR) {
        let ComponentItem::ComponentInstance(processor) = export.ty else {
            reasons.push(Refusal::WrongType(format!("`{PROCESSOR}` is not an interface")));
            return;
        };
        for function in FUNCTIONS {
            let export = processor.get_export(engine, function);
            if !export.is_some_and(|export| matches!(export.ty, ComponentItem::ComponentFunc(_))) {
                reasons.push(Refusal::MissingExport(format!("{PROCESSOR}#{function}")));
            }
        }
        return;
    }
    let other = ty.exports(engine).find(|(name, _)| name.starts_with("millstream:operator/"));
    reasons.push(match other {
        Some((found, _)) => Refusal::WrongVersion { found: found.to_owned(), supported: PROCESSOR.to_owned() },
        None => Refusal::MissingExport(PROCESSOR.to_owned()),
    });
}
