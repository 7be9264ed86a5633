//! Where tools are kept, and how they get there.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{Error, run};

/// What a build has around it: a cache for tools, a place for results, and an ear.
pub struct Toolbox {
    cache: PathBuf,
    /// Where results go instead of into the projects.
    results: Option<PathBuf>,
    tell: fn(&str),
}

impl Toolbox {
    /// That of this process: tools in `$XDG_CACHE_HOME/millstream/tools`, by default `~/.cache/millstream/tools`;
    /// results in `$MILLSTREAM_GUEST_TARGET`, where that is set. `tell` is given a line before anything that takes
    /// long.
    ///
    /// # Errors
    /// When there is neither a cache nor a home.
    pub fn of_process(tell: fn(&str)) -> Result<Self, Error> {
        let cache = env::var_os("XDG_CACHE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
        let cache = cache.or_else(|| Some(env::home_dir()?.join(".cache")));
        let cache = cache.ok_or_else(|| {
            Error::tool("there is no place for tools").hint("set HOME, or XDG_CACHE_HOME to an absolute path")
        })?;
        let results = env::var_os("MILLSTREAM_GUEST_TARGET").map(PathBuf::from);
        Ok(Self { cache: cache.join("millstream"), results, tell })
    }

    /// One that keeps everything below a directory.
    pub fn below(directory: &Path) -> Self {
        Self { cache: directory.join("cache"), results: Some(directory.join("results")), tell: |_| {} }
    }

    /// Says what is going on.
    pub fn tell(&self, line: &str) {
        (self.tell)(line);
    }

    /// A directory for a tool, versioned by its name: `tools/ziglang-0.17.1`. Not made.
    pub fn tool(&self, name: &str) -> PathBuf {
        self.cache.join("tools").join(name)
    }

    /// Where a build of a project puts what it makes: `build` of the project, or a directory of the results that
    /// belongs to this project alone. Made if it is not there.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn results(&self, project: &Path, language: &str) -> Result<PathBuf, Error> {
        let directory = match &self.results {
            None => project.join("build"),
            Some(results) => {
                let path = project.canonicalize().unwrap_or_else(|_| project.to_owned());
                let name = path.file_name().map_or_else(|| "root".into(), |name| name.to_string_lossy().into_owned());
                results.join("projects").join(language).join(format!("{name}-{:016x}", number(&path)))
            }
        };
        fs::create_dir_all(&directory).map_err(|error| Error::file("make", &directory, &error))?;
        Ok(directory)
    }

    /// A Python environment that has exactly these packages (`ziglang==0.17.1`), made on first use, and only then
    /// from the package index. Its programs are in `bin`.
    ///
    /// # Errors
    /// When there is no Python 3 with venv, or the packages cannot be installed.
    pub fn python_environment(&self, name: &str, packages: &[&str]) -> Result<PathBuf, Error> {
        let directory = self.tool(name);
        let complete = directory.join("complete");
        let wanted = packages.join("\n");
        if fs::read_to_string(&complete).is_ok_and(|found| found == wanted) {
            return Ok(directory);
        }
        self.tell(&format!("installing {} into {}", packages.join(", "), directory.display()));
        let missing = "install Python 3.8 or later with its module venv, for instance: apt-get install python3-venv";
        run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&directory), missing)?;
        let mut pip = Command::new(directory.join("bin/python"));
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]).args(packages);
        run(&mut pip, missing).map_err(|error| error.hint("pip needs a package index: see `pip config`"))?;
        fs::write(&complete, wanted).map_err(|error| Error::file("write", &complete, &error))?;
        Ok(directory)
    }
}

/// A number for a path: FNV-1a, 64 bits.
fn number(path: &Path) -> u64 {
    let bytes = path.as_os_str().as_encoded_bytes();
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}
