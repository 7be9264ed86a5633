//! Interpreters: components that run programs from their source.

use std::{collections::BTreeMap, sync::Arc};

use millstream_script::Script;
use millstream_types::Digest;
use parking_lot::RwLock;
use wasmtime::{
    Store,
    component::{Instance, InstancePre},
};

use crate::{
    Refusal, World,
    generated::exports::millstream::script::loader::{File, GuestIndices},
    guest::GuestData,
};

/// The interface by which an interpreter takes a program.
pub(crate) const LOADER: &str = "millstream:script/loader@0.1.0";

/// A compiled interpreter. Its code is shared by all its programs, and each instance runs one of them.
#[derive(Clone)]
pub(crate) struct Interpreter {
    pub(crate) program: InstancePre<GuestData>,
    /// The worlds that its programs may be of.
    pub(crate) worlds: Arc<[World]>,
    pub(crate) imports: Arc<[String]>,
}

/// What runs: a component as it is, or an interpreter with the program that it is to load.
#[derive(Clone)]
pub(crate) struct Program {
    pub(crate) component: InstancePre<GuestData>,
    pub(crate) script: Option<Arc<Script>>,
}

impl Program {
    /// Instantiates it, and loads the script where there is one. Returns the world that the script says it is of.
    ///
    /// # Errors
    /// [`StartError::Call`] when that ends otherwise than by an answer; [`StartError::Refused`] with the
    /// interpreter's reason.
    pub(crate) fn start(&self, store: &mut Store<GuestData>) -> Result<(Instance, Option<String>), StartError> {
        let instance = self.component.instantiate(&mut *store).map_err(StartError::Call)?;
        let Some(script) = &self.script else { return Ok((instance, None)) };
        let pre = instance.instance_pre(&*store);
        let loader = GuestIndices::new(&pre).and_then(|indices| indices.load(&mut *store, &instance));
        let loader = loader.map_err(StartError::Call)?;
        let files: Vec<_> =
            script.files().iter().map(|file| File { path: &file.path, content: &file.content }).collect();
        match loader.call_load(&mut *store, &files, script.main()).map_err(StartError::Call)? {
            Ok(world) => Ok((instance, Some(world))),
            Err(reason) => Err(StartError::Refused(reason)),
        }
    }
}

/// Why a program did not start.
pub(crate) enum StartError {
    /// Instantiating it or calling the loader failed.
    Call(wasmtime::Error),
    /// The interpreter does not take the script.
    Refused(String),
}

/// The world of a script, by the name that its interpreter gave.
pub(crate) fn world_of_script(name: Option<&str>, interpreter: &Interpreter) -> Result<World, Refusal> {
    let name = name.unwrap_or_default();
    World::ALL.into_iter().find(|world| world.name() == name && interpreter.worlds.contains(world)).ok_or_else(|| {
        Refusal::Script(format!("its interpreter runs no programs of the world `{}`", name.escape_debug()))
    })
}

/// The interpreters of a host by their digests.
#[derive(Default)]
pub(crate) struct Interpreters(RwLock<BTreeMap<Digest, Interpreter>>);

impl Interpreters {
    pub(crate) fn get(&self, digest: Digest) -> Option<Interpreter> {
        self.0.read().get(&digest).cloned()
    }

    pub(crate) fn insert(&self, digest: Digest, interpreter: Interpreter) {
        self.0.write().insert(digest, interpreter);
    }
}
