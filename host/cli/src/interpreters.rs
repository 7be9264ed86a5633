//! Interpreters that are installed on this machine.

use std::{collections::BTreeMap, env, path::PathBuf};

use millstream_api::{Interpreter, Refusal};
use millstream_checkpoint::digest_of;
use millstream_script::Language;
use parking_lot::Mutex;

/// Names a directory with interpreters, before all others.
const VARIABLE: &str = "MILLSTREAM_INTERPRETERS";

/// Looks interpreters up in some directories: `LANGUAGE.wasm`.
#[derive(Debug)]
pub(crate) struct Interpreters {
    directories: Vec<PathBuf>,
    known: Mutex<BTreeMap<Language, Interpreter>>,
}

impl Interpreters {
    /// Those of this process: of the environment, of the configuration, beside the binary, and of the user's cache, in
    /// this order.
    pub(crate) fn of_process(configured: Option<PathBuf>) -> Self {
        let binary = env::current_exe().ok();
        let beside = binary.and_then(|binary| Some(binary.parent()?.join("../share/millstream/interpreters")));
        let directories = [
            env::var_os(VARIABLE).map(PathBuf::from),
            configured,
            beside,
            user_cache().map(|cache| cache.join("interpreters")),
        ];
        Self { directories: directories.into_iter().flatten().collect(), known: Mutex::default() }
    }

    /// The interpreter of a language.
    ///
    /// # Errors
    /// That there is none, and where it was looked for.
    pub(crate) fn installed(&self, language: Language) -> Result<Interpreter, Refusal> {
        let mut known = self.known.lock();
        if let Some(interpreter) = known.get(&language) {
            return Ok(interpreter.clone());
        }
        let file = format!("{language}.wasm");
        let mut looked = Vec::new();
        for directory in &self.directories {
            let path = directory.join(&file);
            match std::fs::read(&path) {
                Ok(bytes) => {
                    let interpreter = Interpreter { digest: digest_of(&bytes), bytes: bytes.into() };
                    known.insert(language, interpreter.clone());
                    return Ok(interpreter);
                }
                Err(error) => looked.push(format!("{}: {error}", path.display())),
            }
        }
        let none = format!(
            "no interpreter for {language} is installed; put {file} into a directory that {VARIABLE} names, or build \
             it with `./x interpreters`"
        );
        looked.insert(0, none);
        Err(Refusal(looked))
    }
}

/// Where compiled code is kept by commands that have no data directory; `None`: nowhere.
pub(crate) fn code_cache() -> Option<PathBuf> {
    user_cache().map(|cache| cache.join("compiled"))
}

fn user_cache() -> Option<PathBuf> {
    let cache = env::var_os("XDG_CACHE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let cache = cache.or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".cache")))?;
    Some(cache.join("millstream"))
}
