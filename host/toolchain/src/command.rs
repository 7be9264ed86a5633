//! Running tools.

use std::{
    io,
    process::{Command, Stdio},
};

use crate::Error;

/// Runs a tool to its end. What it says goes to standard error, so that standard output stays the caller's.
///
/// # Errors
/// When it cannot be run (`missing` says what to do then) or fails; names the command.
pub fn run(command: &mut Command, missing: &str) -> Result<(), Error> {
    let status = command.stdin(Stdio::null()).stdout(io::stderr()).stderr(Stdio::inherit()).status();
    let status = status.map_err(|error| not_run(command, &error, missing))?;
    if status.success() { Ok(()) } else { Err(failed(command, &status.to_string())) }
}

/// Runs a tool and returns what it writes to standard output.
///
/// # Errors
/// As [`run`].
pub fn capture(command: &mut Command, missing: &str) -> Result<String, Error> {
    let output = command.stdin(Stdio::null()).output().map_err(|error| not_run(command, &error, missing))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    Err(failed(command, &output.status.to_string()).details(said.lines().map(str::to_owned)))
}

/// The command as one would type it.
pub(crate) fn typed(command: &Command) -> String {
    let mut words = vec![command.get_program().to_string_lossy().into_owned()];
    words.extend(command.get_args().map(|word| word.to_string_lossy().into_owned()));
    words.join(" ")
}

fn not_run(command: &Command, error: &io::Error, missing: &str) -> Error {
    Error::tool(format!("`{}` cannot be run: {error}", command.get_program().to_string_lossy())).hint(missing)
}

fn failed(command: &Command, status: &str) -> Error {
    Error::tool(format!("a command failed ({status}): {}", typed(command)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_names_the_command() {
        let error = run(Command::new("sh").args(["-c", "exit 3"]), "").unwrap_err();
        assert_eq!(error.to_string(), "a command failed (exit status: 3): sh -c exit 3");
        let error = capture(Command::new("sh").args(["-c", "echo no >&2; exit 1"]), "").unwrap_err();
        assert_eq!(error.lines(), ["no"]);
        assert_eq!(capture(Command::new("sh").args(["-c", "echo yes"]), "").unwrap(), "yes\n");
    }

    #[test]
    fn what_is_not_there_is_told_with_what_to_do() {
        let error = run(&mut Command::new("no-such-tool-at-all"), "install it").unwrap_err();
        assert!(error.to_string().starts_with("`no-such-tool-at-all` cannot be run"), "{error}");
        assert_eq!(error.advice(), Some("install it"));
    }
}
