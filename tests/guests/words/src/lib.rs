//! An interpreter of a language that is soon learnt. A program is a file of commands, one a line:
//!
//! ```text
//! world operator      what it is
//! put TEXT            appends a text to what each record becomes
//! include FILE        runs the commands of another file
//! value               appends the record's value
//! crash               traps
//! ```

mod bindings {
    wit_bindgen::generate!({
        path: ["../../../wit", "../../../wit/window", "../../../wit/script"],
        inline: "
            package millstream:words;
            world words {
                include millstream:operator/operator@0.1.0;
                export millstream:script/loader@0.1.0;
            }
        ",
        world: "millstream:words/words",
        generate_all,
    });
}

use std::{collections::BTreeMap, sync::Mutex};

use bindings::{
    exports::millstream::{
        operator::processor::{self, BatchInput, BatchOutput, Description, FailureColumn, FiredTimers, OutputBatch},
        script::loader::{self, File},
    },
    millstream::operator::types::{BytesColumn, RecordBatch},
};

enum Command {
    Put(String),
    Value,
    Crash,
}

static PROGRAM: Mutex<Vec<Command>> = Mutex::new(Vec::new());

struct Words;

fn load(files: &BTreeMap<String, Vec<u8>>, path: &str, world: &mut Option<String>) -> Result<Vec<Command>, String> {
    let content = files.get(path).ok_or_else(|| format!("there is no file {path}"))?;
    let text = std::str::from_utf8(content).map_err(|error| format!("{path}: {error}"))?;
    let mut commands = Vec::new();
    for (line, command) in text.lines().enumerate() {
        match command.split_once(' ').unwrap_or((command, "")) {
            ("world", name) => *world = Some(name.to_owned()),
            ("put", text) => commands.push(Command::Put(text.to_owned())),
            ("include", path) => commands.extend(load(files, path, world)?),
            ("value", "") => commands.push(Command::Value),
            ("crash", "") => commands.push(Command::Crash),
            _ => return Err(format!("{path}:{}: `{command}` is no command", line + 1)),
        }
    }
    Ok(commands)
}

impl loader::Guest for Words {
    fn load(files: Vec<File>, main: String) -> Result<String, String> {
        let files = files.into_iter().map(|file| (file.path, file.content)).collect();
        let mut world = None;
        *PROGRAM.lock().map_err(|error| error.to_string())? = load(&files, &main, &mut world)?;
        world.ok_or_else(|| format!("{main} does not say which world it is of"))
    }
}

impl processor::Guest for Words {
    fn describe() -> Description {
        Description {
            outputs: vec!["main".into()],
            states: Vec::new(),
            reads: Vec::new(),
            writes: Vec::new(),
            raw_values: false,
            timers: false,
            config_schema: None,
        }
    }

    fn configure(_: String) -> Result<(), String> {
        Ok(())
    }

    fn process(input: BatchInput) -> Result<BatchOutput, String> {
        let program = PROGRAM.lock().map_err(|error| error.to_string())?;
        let values = &input.batch.values;
        let ends: Vec<usize> = values
            .offsets
            .chunks_exact(4)
            .map(|chunk| u32::from_le_bytes(chunk.try_into().unwrap_or_default()) as usize)
            .collect();
        let mut made = BytesColumn { offsets: vec![0; 4], data: Vec::new(), validity: Vec::new() };
        for record in ends.windows(2) {
            for command in &*program {
                match command {
                    Command::Put(text) => made.data.extend_from_slice(text.as_bytes()),
                    Command::Value => made.data.extend_from_slice(&values.data[record[0]..record[1]]),
                    Command::Crash => panic!("the program says crash"),
                }
            }
            made.offsets.extend_from_slice(&(made.data.len() as u32).to_le_bytes());
        }
        let count = input.batch.count;
        Ok(BatchOutput {
            outputs: vec![OutputBatch {
                output: 0,
                sources: (0..count).flat_map(u32::to_le_bytes).collect(),
                batch: RecordBatch { values: made, ..input.batch },
            }],
            changes: Vec::new(),
            failures: FailureColumn {
                records: Vec::new(),
                reasons: BytesColumn { offsets: Vec::new(), data: Vec::new(), validity: Vec::new() },
            },
            timers: Vec::new(),
        })
    }

    fn on_timer(_: FiredTimers) -> Result<BatchOutput, String> {
        Err("no timers were set".into())
    }
}

bindings::export!(Words with_types_in bindings);
