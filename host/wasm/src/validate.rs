//! What a component must be before it is taken.

use std::sync::Arc;

use millstream_operator::OperatorError;
use millstream_script::Script;
use wasmtime::{
    Engine,
    component::{Component, InstancePre, types::ComponentItem},
};

use crate::{
    Refusal, Refused, World,
    engine::Shared,
    exports::{Described, Exports},
    generated::exports::millstream::{
        operator::processor,
        window::{aggregation, assignment, firing, watermarks, window_function},
    },
    guest::GuestData,
    instance::{self, Identity, Instance},
    interpreter::{Interpreter, LOADER, Program, world_of_script},
    wasi,
};

/// A component that passed.
pub(crate) struct Valid {
    pub(crate) program: Program,
    pub(crate) world: World,
    pub(crate) described: Described,
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
pub(crate) fn check_component(host: &Arc<Shared>, component: &Component) -> Result<Valid, Refused> {
    let ty = component.component_type();
    let imports: Vec<String> = ty.imports(&host.engine).map(|(name, _)| name.to_owned()).collect();
    let mut reasons = Vec::new();
    let world = world_of(&host.engine, component, &mut reasons);
    let not_granted = imports.iter().filter(|name| !is_granted(world.unwrap_or(World::Operator), name));
    reasons.splice(0..0, not_granted.map(|name| Refusal::ImportNotGranted(name.clone())));
    let world = match world {
        Some(world) if reasons.is_empty() => world,
        _ => return Err(Refused { reasons }),
    };

    let program = Program { component: instantiable(host, component)?, script: None };
    let described = describe_as(host, world, &program)?;
    Ok(Valid { program, world, described, imports })
}

/// Checks imports and exports of an interpreter.
pub(crate) fn check_interpreter(host: &Arc<Shared>, component: &Component) -> Result<Interpreter, Refused> {
    let ty = component.component_type();
    let imports: Arc<[String]> = ty.imports(&host.engine).map(|(name, _)| name.to_owned()).collect();
    let not_granted = imports.iter().filter(|name| !is_granted(World::Operator, name));
    let mut reasons: Vec<_> = not_granted.map(|name| Refusal::ImportNotGranted(name.clone())).collect();
    if ty.get_export(&host.engine, LOADER).is_none() {
        reasons.push(Refusal::MissingExport(LOADER.to_owned()));
    }
    let mut worlds = Vec::new();
    for world in World::ALL.into_iter().filter(|world| ty.get_export(&host.engine, world.export()).is_some()) {
        check_functions(&host.engine, component, world, &mut reasons);
        worlds.push(world);
    }
    if !reasons.is_empty() {
        return Err(Refused { reasons });
    }
    Ok(Interpreter { program: instantiable(host, component)?, worlds: worlds.into(), imports })
}

/// Loads a script for trial and asks what it is.
pub(crate) fn check_script(
    host: &Arc<Shared>,
    interpreter: &Interpreter,
    script: Arc<Script>,
) -> Result<Valid, Refused> {
    let program = Program { component: interpreter.program.clone(), script: Some(script) };
    let limits = &host.config.validation;
    let identity = Identity::new("upload", "validation", &[], limits);
    let started = instance::start(host, &program, &identity, limits);
    let (.., name) = started.map_err(|error| match error {
        OperatorError::Setup(reason) => Refusal::Script(reason),
        other => Refusal::Script(other.to_string()),
    })?;
    let world = world_of_script(name.as_deref(), interpreter)?;
    let described = describe_as(host, world, &program)?;
    Ok(Valid { program, world, described, imports: interpreter.imports.to_vec() })
}

fn instantiable(host: &Shared, component: &Component) -> Result<InstancePre<GuestData>, Refusal> {
    host.linker.instantiate_pre(component).map_err(|error| Refusal::WrongType(format!("{error:#}")))
}

fn describe_as(host: &Arc<Shared>, world: World, program: &Program) -> Result<Described, Refused> {
    match world {
        World::Operator => describe::<processor::Guest>(host, program),
        World::Aggregator => describe::<aggregation::Guest>(host, program),
        World::WindowAssigner => describe::<assignment::Guest>(host, program),
        World::Trigger => describe::<firing::Guest>(host, program),
        World::ProcessWindow => describe::<window_function::Guest>(host, program),
        World::WatermarkGenerator => describe::<watermarks::Guest>(host, program),
    }
}

fn describe<E: Exports>(host: &Arc<Shared>, program: &Program) -> Result<Described, Refused> {
    let limits = &host.config.validation;
    let identity = Identity::new("upload", "validation", &[], limits);
    let mut instance = Instance::<E>::new(host, program, &identity, limits).map_err(|error| match error {
        OperatorError::Setup(reason) => Refusal::WrongType(reason),
        other => Refusal::DoesNotInstantiate(other.to_string()),
    })?;
    let described = instance.describe().map_err(|error| Refusal::DescribeFailed(error.to_string()))?;
    described.map_err(|reasons| Refused { reasons })
}

fn is_granted(world: World, import: &str) -> bool {
    if world.grants(import) {
        return true;
    }
    import.split_once('@').is_some_and(|(name, version)| version.starts_with("0.2.") && wasi::LINKED.contains(&name))
}

/// The world that a component is of, by what it exports; `None` with a reason why it is of none.
fn world_of(engine: &Engine, component: &Component, reasons: &mut Vec<Refusal>) -> Option<World> {
    let ty = component.component_type();
    let exported: Vec<World> =
        World::ALL.into_iter().filter(|world| ty.get_export(engine, world.export()).is_some()).collect();
    let world = match exported[..] {
        [world] => world,
        [] => {
            let is_ours =
                |name: &str| name.starts_with("millstream:operator/") || name.starts_with("millstream:window/");
            let other = ty.exports(engine).map(|(name, _)| name).find(|name| is_ours(name));
            reasons.push(match other {
                Some(found) => {
                    Refusal::WrongVersion { found: found.to_owned(), supported: supported(found).to_owned() }
                }
                None => Refusal::MissingExport(World::Operator.export().to_owned()),
            });
            return None;
        }
        _ => {
            reasons.push(Refusal::ManyWorlds(exported.iter().map(|world| world.export().to_owned()).collect()));
            return None;
        }
    };
    check_functions(engine, component, world, reasons).then_some(world)
}

/// Checks that the interface of a world has its functions; false: it is no interface.
fn check_functions(engine: &Engine, component: &Component, world: World, reasons: &mut Vec<Refusal>) -> bool {
    let ty = component.component_type();
    let Some(ComponentItem::ComponentInstance(interface)) =
        ty.get_export(engine, world.export()).map(|export| export.ty)
    else {
        reasons.push(Refusal::WrongType(format!("`{}` is not an interface", world.export())));
        return false;
    };
    for function in world.functions() {
        let export = interface.get_export(engine, function);
        if !export.is_some_and(|export| matches!(export.ty, ComponentItem::ComponentFunc(_))) {
            reasons.push(Refusal::MissingExport(format!("{}#{function}", world.export())));
        }
    }
    true
}

/// What this host supports in the place of `found`, an interface of another version or name.
fn supported(found: &str) -> &'static str {
    let name = |interface: &str| interface.split_once('@').map_or(interface, |(name, _)| name).to_owned();
    let same = World::ALL.into_iter().find(|world| name(world.export()) == name(found));
    same.unwrap_or(World::Operator).export()
}
