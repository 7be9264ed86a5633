//! The guest contract, as part of this crate.

use std::{fs, path::Path};

use wit_parser::{PackageId, Resolve, SourceMap, WorldId, WorldItem, WorldKey};

use crate::Error;

/// A file of the contract: its name and its text.
type Source = (&'static str, &'static str);

macro_rules! sources {
    ($directory:literal: $($name:literal),+ $(,)?) => {
        &[$(($name, include_str!(concat!("../../../wit/", $directory, $name)))),+]
    };
}

/// Packages, each after those that it uses: the name of its directory, and its files.
const PACKAGES: [(&str, &[Source]); 3] = [
    ("operator", sources!("": "clock.wit", "log.wit", "metrics.wit", "operator.wit", "state.wit", "types.wit")),
    (
        "window",
        sources!("window/": "aggregator.wit", "assigner.wit", "process.wit", "trigger.wit", "types.wit", "watermark.wit"),
    ),
    ("script", sources!("script/": "loader.wit")),
];

/// The contract, resolved.
pub(crate) struct Contract {
    pub(crate) resolve: Resolve,
}

impl Contract {
    /// Parses the embedded files.
    ///
    /// # Errors
    /// Never, as a test shows.
    pub(crate) fn new() -> Result<Self, Error> {
        let mut resolve = Resolve::new();
        for (package, sources) in PACKAGES {
            add(&mut resolve, package, sources)?;
        }
        Ok(Self { resolve })
    }

    /// Every world that has exactly one interface to export, with that interface: `millstream:operator/processor@0.1.0`.
    pub(crate) fn worlds(&self) -> Vec<(WorldId, &str, String)> {
        let worlds = self.resolve.worlds.iter().filter_map(|(id, world)| {
            let mut exports = world.exports.iter();
            let (Some((WorldKey::Interface(interface), WorldItem::Interface { .. })), None) =
                (exports.next(), exports.next())
            else {
                return None;
            };
            Some((id, world.name.as_str(), self.resolve.id_of(*interface)?))
        });
        worlds.collect()
    }
}

fn add(resolve: &mut Resolve, package: &str, sources: &[Source]) -> Result<PackageId, Error> {
    let mut map = SourceMap::new();
    for (name, text) in sources {
        map.push_str(&format!("{package}/{name}"), *text);
    }
    let broken = |reason: String| Error::tool(format!("the embedded WIT package {package} is broken: {reason}"));
    let group = map.parse().map_err(|(map, error)| broken(error.render(&map)))?;
    resolve.push_group(group).map_err(|error| broken(format!("{error:?}")))
}

/// Writes the contract to a directory as tools of other languages take it: a package with the others in `deps`.
/// `millstream:operator` is the main one; a world of another is named in full, `millstream:window/aggregator`.
///
/// # Errors
/// When a file cannot be written.
pub fn write_to(directory: &Path) -> Result<(), Error> {
    for (package, sources) in PACKAGES {
        let place = if package == "operator" { directory.to_owned() } else { directory.join("deps").join(package) };
        fs::create_dir_all(&place).map_err(|error| Error::file("make", &place, &error))?;
        for (name, text) in sources {
            let file = place.join(name);
            fs::write(&file, text).map_err(|error| Error::file("write", &file, &error))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_of_the_contract_is_embedded() {
        let wit = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../wit");
        for (package, sources) in PACKAGES {
            let place = if package == "operator" { wit.clone() } else { wit.join(package) };
            let mut found: Vec<String> = fs::read_dir(place)
                .unwrap()
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .filter(|name| name.ends_with(".wit"))
                .collect();
            found.sort();
            assert_eq!(found, sources.iter().map(|(name, _)| *name).collect::<Vec<_>>(), "{package}");
        }
    }

    #[test]
    fn the_worlds_of_operators_and_of_parts_of_windows_are_known() {
        let contract = Contract::new().unwrap();
        let mut names: Vec<&str> = contract.worlds().into_iter().map(|(_, name, _)| name).collect();
        names.sort_unstable();
        let expected =
            ["aggregator", "operator", "process-window", "trigger", "watermark-generator", "window-assigner"];
        assert_eq!(names, expected);
    }

    #[test]
    fn what_is_written_is_a_package_with_its_dependencies() {
        let directory = tempfile::tempdir().unwrap();
        write_to(directory.path()).unwrap();
        assert!(directory.path().join("operator.wit").is_file());
        assert!(directory.path().join("deps/window/aggregator.wit").is_file());
    }
}
