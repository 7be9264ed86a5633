//! The pages of the documentation do what they say: every command runs, every pipeline is valid, every link leads
//! somewhere.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};
use millstream_tests::{Running, Server, ServerOptions, binary, guest_target, millstream, repository};

/// Lines that are not run, and why.
const NOT_RUN: [(&str, &str); 6] = [
    ("./x demo", "builds the workspace and takes minutes; it counts its payments itself, and its parts are tested"),
    ("./x bench", "builds the workspace and takes minutes"),
    ("./x lint", "builds the workspace, and is run beside these tests"),
    ("./x test", "runs these tests"),
    ("./x sim", "builds the workspace; the simulation has tests of its own"),
    ("./x chaos", "builds the workspace and takes minutes; a few rounds are a suite of the tests"),
];

/// A fenced block.
struct Block {
    language: String,
    /// Its first line in the page, from 1.
    line: usize,
    text: String,
    /// The name that the page says to save it under.
    saved_as: Option<String>,
}

/// The pages: the README, everything in docs, and those of examples.
fn pages() -> Result<Vec<PathBuf>> {
    let mut pages = vec![repository().join("README.md")];
    for entry in fs::read_dir(repository().join("examples"))? {
        pages.extend(Some(entry?.path().join("README.md")).filter(|page| page.exists()));
    }
    for directory in ["docs", "docs/languages"] {
        for entry in fs::read_dir(repository().join(directory))? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "md") {
                pages.push(path);
            }
        }
    }
    pages.sort();
    Ok(pages)
}

fn blocks(page: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut open: Option<Block> = None;
    let mut just_closed = false;
    for (index, line) in page.lines().enumerate() {
        match &mut open {
            Some(_) if line == "```" => {
                blocks.extend(open.take());
                just_closed = true;
            }
            Some(block) => {
                block.text.push_str(line);
                block.text.push('\n');
            }
            None => {
                if let Some(language) = line.strip_prefix("```") {
                    open =
                        Some(Block { language: language.into(), line: index + 2, text: String::new(), saved_as: None });
                } else if !line.is_empty() {
                    let name = line.strip_prefix("Save it as `").and_then(|rest| rest.split('`').next());
                    if let (true, Some(name), Some(block)) = (just_closed, name, blocks.last_mut()) {
                        block.saved_as = Some(name.into());
                    }
                    just_closed = false;
                }
            }
        }
    }
    blocks
}

/// Whether a line calls the command, with any arguments.
fn is_call_of(command: &str, line: &str) -> bool {
    line.strip_prefix(command).is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
}

/// One script of all commands of a page, which says where it fails.
fn script(blocks: &[Block]) -> String {
    let mut script =
        String::from("set -euo pipefail\ntrap 'echo \"failed: $BASH_COMMAND (block at line $block)\" >&2' ERR\n");
    for block in blocks.iter().filter(|block| block.language == "sh") {
        script.push_str(&format!("block={}\n", block.line));
        for line in block.text.lines() {
            if !NOT_RUN.iter().any(|(command, _)| is_call_of(command, line)) {
                script.push_str(line);
                script.push('\n');
            }
        }
    }
    script
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let (path, copied) = entry.map(|entry| (entry.path(), to.join(entry.file_name())))?;
        if path.is_dir() {
            copy(&path, &copied)?;
        } else {
            fs::copy(&path, &copied)?;
        }
    }
    Ok(())
}

fn run_page(page: &Path) -> Result<()> {
    let text = fs::read_to_string(page)?;
    let blocks = blocks(&text);
    let scratch = tempfile::tempdir()?;
    let (clone, bin) = (scratch.path().join("clone"), scratch.path().join("bin"));
    fs::create_dir(&clone)?;
    fs::create_dir(&bin)?;
    let (examples, link) = (repository().join("examples"), std::os::unix::fs::symlink::<PathBuf, PathBuf>);
    link(repository().join("guest-sdk"), clone.join("guest-sdk"))?;
    // Commands of an example are run in a copy of it beside the others, all else as at the top of a clone.
    let work = match page.parent().filter(|directory| directory.starts_with(&examples)) {
        Some(example) => {
            fs::create_dir(clone.join("examples"))?;
            let work = clone.join(example.strip_prefix(repository())?);
            copy(example, &work)?;
            for entry in fs::read_dir(&examples)? {
                let other = entry?.path();
                if other != example {
                    link(other.clone(), clone.join(other.strip_prefix(repository())?))?;
                }
            }
            work
        }
        None => {
            link(examples, clone.join("examples"))?;
            clone
        }
    };
    std::os::unix::fs::symlink(binary().canonicalize()?, bin.join("millstream"))?;
    for block in &blocks {
        if let Some(name) = &block.saved_as {
            fs::write(work.join(name), &block.text)?;
        }
    }
    let path = std::env::var("PATH")?;
    let mut command = Command::new("bash");
    command.arg("-c").arg(script(&blocks)).current_dir(&work);
    // The environment as `millstream()` clears it.
    for (name, value) in millstream().get_envs() {
        if value.is_none() {
            command.env_remove(name);
        }
    }
    command.env("PATH", format!("{}:{path}", bin.display())).env("CARGO_TARGET_DIR", guest_target());
    let server = if text.contains("$MILLSTREAM_URL") {
        let config = scratch.path().join("millstream.yaml");
        fs::write(&config, format!("snapshots: {{ location: {} }}\n", scratch.path().join("kept").display()))?;
        let arguments = vec!["--config".into(), config.display().to_string()];
        Some(Server::start(&scratch.path().join("data"), &ServerOptions { arguments, ..ServerOptions::default() })?)
    } else {
        None
    };
    if let Some(server) = &server {
        command.env("MILLSTREAM_URL", server.url());
    }
    Running::start(&mut command, "")?.end()?.expect(0).with_context(|| page.display().to_string())?;
    Ok(())
}

#[test]
fn every_command_of_every_page_runs() -> Result<()> {
    let mut skipped = BTreeSet::new();
    for page in pages()? {
        let text = fs::read_to_string(&page)?;
        skipped.extend(
            NOT_RUN
                .map(|(command, _)| command)
                .into_iter()
                .filter(|command| text.lines().any(|line| is_call_of(command, line))),
        );
        run_page(&page)?;
    }
    ensure!(skipped.len() == NOT_RUN.len(), "an exception that no page needs: only {skipped:?} are there");
    Ok(())
}

#[test]
fn every_pipeline_of_every_page_is_valid() -> Result<()> {
    let scratch = tempfile::tempdir()?;
    // Where an example names a project, it is one of the fraud example.
    std::os::unix::fs::symlink(repository().join("examples/fraud/operators"), scratch.path().join("operators"))?;
    let mut checked = 0;
    for page in pages()? {
        for block in blocks(&fs::read_to_string(&page)?) {
            if block.language != "yaml" || !block.text.starts_with("pipeline:") {
                continue;
            }
            let place = format!("{}:{}", page.display(), block.line);
            fs::write(scratch.path().join("pipeline.yaml"), &block.text)?;
            let mut check = millstream();
            check.args(["pipeline", "check", "pipeline.yaml"]).current_dir(scratch.path());
            let ran = Running::start(&mut check, "")?.end()?;
            // Operators that the text speaks of are registered nowhere; everything else holds.
            let errors: Vec<_> =
                ran.stderr.lines().filter(|line| line.trim_start().starts_with("pipeline.yaml:")).collect();
            let unregistered = |line: &&str| line.contains("not registered");
            let excused = ran.code == Some(2) && !errors.is_empty() && errors.iter().all(unregistered);
            ensure!(ran.code == Some(0) || excused, "{place}: {ran:#?}");
            checked += 1;
        }
    }
    ensure!(checked >= 12, "only {checked} pipelines were found");
    Ok(())
}

/// The anchor of a heading, as GitHub makes it.
fn anchor(heading: &str) -> String {
    let kept = |letter: &char| letter.is_alphanumeric() || matches!(letter, ' ' | '-' | '_');
    heading.trim().to_lowercase().chars().filter(kept).map(|letter| if letter == ' ' { '-' } else { letter }).collect()
}

/// What is outside of fenced blocks.
fn prose(page: &str) -> String {
    let mut fenced = false;
    let outside = page.lines().filter(|line| {
        let is_fence = line.starts_with("```");
        fenced ^= is_fence;
        !fenced && !is_fence
    });
    outside.collect::<Vec<_>>().join("\n")
}

#[test]
fn every_link_leads_somewhere() -> Result<()> {
    let mut broken = Vec::new();
    for page in pages()? {
        let text = prose(&fs::read_to_string(&page)?);
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if link.contains("://") {
                continue;
            }
            let (file, fragment) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() { page.clone() } else { page.with_file_name(file) };
            let leads = match fs::read_to_string(&target) {
                Err(_) => target.is_dir(),
                Ok(_) if fragment.is_empty() => true,
                Ok(there) => {
                    let there = prose(&there);
                    let headings = there.lines().filter(|line| line.starts_with('#'));
                    headings.map(|line| anchor(line.trim_start_matches('#'))).any(|heading| heading == fragment)
                }
            };
            if !leads {
                broken.push(format!("{}: {link}", page.display()));
            }
        }
    }
    ensure!(broken.is_empty(), "{broken:#?}");
    Ok(())
}
