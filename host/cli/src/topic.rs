//! `millstream topic`: looking into topics, in a directory, on Kafka or through a server.

mod place;

use std::{
    collections::BTreeMap,
    io::{self, BufRead, BufReader, IsTerminal, Read, Write},
    path::PathBuf,
};

use anyhow::Result;
use clap::{Args, Subcommand, ValueEnum};
use millstream_api::{
    records::NewRecord,
    transfer::{ReadOptions, ReadStart},
};
use millstream_pipeline::spec::{parse_byte_size, parse_duration};
use serde_json::{Value, json};

use crate::{
    args::{HostArgs, Output},
    failure::{Failure, INVALID},
    output::{self, Table},
    plugin::done,
};
use place::Place;

/// Records that are written together.
const BATCH_RECORDS: usize = 1000;

#[derive(Debug, Args)]
#[command(after_help = "\
Topics are those of the embedded log in the data directory, or of Kafka with --kafka. While a server has the directory,
give --server: the server then reads and writes for you.

Examples:
  millstream topic create payments --partitions 4
  millstream topic produce payments --key /user_id < payments.jsonl
  millstream topic consume fraud-scores --follow
  millstream topic list --server http://127.0.0.1:8080 --output json")]
pub(crate) struct TopicArgs {
    #[command(subcommand)]
    command: TopicCommand,
}

#[derive(Debug, Subcommand)]
enum TopicCommand {
    /// Lists topics.
    List {
        #[command(flatten)]
        place: PlaceArgs,
    },
    /// Creates a topic. One that exists with as many partitions is left as it is.
    Create(CreateArgs),
    /// Deletes a topic with its records.
    Delete {
        /// The topic.
        topic: String,
        #[command(flatten)]
        place: PlaceArgs,
    },
    /// Appends a record for each line of standard input or of a file.
    #[command(after_help = "\
With --format value (the default) a line is a record's value. With --format record it is an object with `value` and any of
`key`, `timestamp_ms`, `partition` and `headers`, as `consume --output json` writes it but for `offset`.")]
    Produce(ProduceArgs),
    /// Prints the records of a topic: their values, or everything with --output json.
    Consume(ConsumeArgs),
}

/// Where the topics are.
#[derive(Clone, Debug, Args)]
pub(super) struct PlaceArgs {
    /// Ask this server. MILLSTREAM_URL names it where neither --kafka nor --data-dir is given.
    #[arg(long, value_name = "URL")]
    server: Option<String>,
    #[command(flatten)]
    host: HostArgs,
}

#[derive(Debug, Args)]
struct CreateArgs {
    /// The topic.
    topic: String,
    /// How many partitions.
    #[arg(long, short, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    partitions: u32,
    /// Keep the last record of each key instead of all for a time.
    #[arg(long)]
    compact: bool,
    /// Age at which records may go, such as 7d.
    #[arg(long, value_name = "DURATION")]
    retention: Option<String>,
    /// Bytes of a partition above which old records may go, such as 1GiB.
    #[arg(long, value_name = "SIZE")]
    retention_bytes: Option<String>,
    /// A setting of Kafka, such as min.insync.replicas=2; may be repeated.
    #[arg(long = "set", value_name = "NAME=VALUE")]
    settings: Vec<String>,
    #[command(flatten)]
    place: PlaceArgs,
}

#[derive(Debug, Args)]
struct ProduceArgs {
    /// The topic.
    topic: String,
    /// Read this file instead of standard input.
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// What a line is.
    #[arg(long, value_enum, default_value_t = LineFormat::Value)]
    format: LineFormat,
    /// Take the key from this field of the value, such as /user_id.
    #[arg(long, value_name = "PATH", conflicts_with = "separator")]
    key: Option<String>,
    /// A line is KEY, this text, VALUE.
    #[arg(long, value_name = "TEXT")]
    separator: Option<String>,
    #[command(flatten)]
    place: PlaceArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum LineFormat {
    /// A record's value.
    Value,
    /// A record as a JSON object.
    Record,
}

#[derive(Debug, Args)]
struct ConsumeArgs {
    /// The topic.
    topic: String,
    /// Where to begin.
    #[arg(long, value_enum, default_value_t = From::Earliest)]
    from: From,
    /// The most records.
    #[arg(long, short = 'n', value_name = "RECORDS")]
    max: Option<usize>,
    /// Wait for more at the end of the topic.
    #[arg(long, short)]
    follow: bool,
    /// End after this long, such as 10s.
    #[arg(long, value_name = "DURATION")]
    timeout: Option<String>,
    /// Print the key and a tab before each value.
    #[arg(long)]
    keys: bool,
    #[command(flatten)]
    place: PlaceArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum From {
    /// At the first record.
    Earliest,
    /// After the last record.
    Latest,
}

/// A topic to create, as the server takes it.
pub(super) struct NewTopic {
    partitions: u32,
    compact: bool,
    retention_ms: Option<u64>,
    retention_bytes: Option<u64>,
    settings: BTreeMap<String, String>,
}

pub(crate) fn run(args: TopicArgs, output: Output) -> Result<()> {
    match args.command {
        TopicCommand::List { place } => list(&Place::open(&place)?, output),
        TopicCommand::Create(args) => create(&args, output),
        TopicCommand::Delete { topic, place } => {
            Place::open(&place)?.delete(&topic)?;
            done(output, json!({ "deleted": topic }), &format!("deleted topic `{topic}`"))
        }
        TopicCommand::Produce(args) => produce(&args, output),
        TopicCommand::Consume(args) => consume(&args, output),
    }
}

fn list(place: &Place, output: Output) -> Result<()> {
    let topics = place.list()?;
    if output == Output::Json {
        return output::json(&topics);
    }
    let mut table = Table::new(&["topic", "partitions", "records"]);
    for topic in &topics {
        let number = |name: &str| topic.get(name).and_then(Value::as_u64).unwrap_or_default();
        table.row([
            topic.get("topic").and_then(Value::as_str).unwrap_or_default().into(),
            number("partitions").to_string(),
            output::count(number("records")),
        ]);
    }
    table.print()
}

fn wrong(option: &str, text: &str, expected: &str) -> anyhow::Error {
    Failure::new(INVALID, format!("--{option} `{text}` is not {expected}")).into()
}

fn duration_ms(option: &str, text: Option<&String>) -> Result<Option<u64>> {
    let Some(text) = text else { return Ok(None) };
    let duration = parse_duration(text).ok_or_else(|| wrong(option, text, "a duration such as 10s"))?;
    Ok(Some(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)))
}

fn create(args: &CreateArgs, output: Output) -> Result<()> {
    let retention_bytes = match &args.retention_bytes {
        Some(text) => {
            Some(parse_byte_size(text).ok_or_else(|| wrong("retention-bytes", text, "a size such as 1GiB"))? as u64)
        }
        None => None,
    };
    let mut settings = BTreeMap::new();
    for setting in &args.settings {
        let (name, value) = setting.split_once('=').ok_or_else(|| wrong("set", setting, "NAME=VALUE"))?;
        settings.insert(name.into(), value.into());
    }
    let topic = NewTopic {
        partitions: args.partitions,
        compact: args.compact,
        retention_ms: duration_ms("retention", args.retention.as_ref())?,
        retention_bytes,
        settings,
    };
    let created = Place::open(&args.place)?.create(&args.topic, &topic)?;
    let text = if created {
        format!("created topic `{}` with {} partitions", args.topic, args.partitions)
    } else {
        format!("topic `{}` exists already with {} partitions", args.topic, args.partitions)
    };
    done(output, json!({ "topic": args.topic, "partitions": args.partitions, "created": created }), &text)
}

fn produce(args: &ProduceArgs, output: Output) -> Result<()> {
    let place = Place::open(&args.place)?;
    place.expect(&args.topic)?;
    let typed = args.file.is_none() && io::stdin().is_terminal();
    let input: Box<dyn Read> = match &args.file {
        Some(path) => Box::new(
            std::fs::File::open(path)
                .map_err(|error| Failure::new(INVALID, format!("cannot read {}: {error}", path.display())))?,
        ),
        None => Box::new(io::stdin()),
    };
    let mut records = Vec::new();
    let mut total = 0_u64;
    let mut write = |records: &mut Vec<NewRecord>| {
        place.write(&args.topic, records)?;
        total += records.len() as u64;
        records.clear();
        anyhow::Ok(())
    };
    for (index, line) in BufReader::new(input).split(b'\n').enumerate() {
        let mut line = line?;
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        if line.is_empty() {
            continue;
        }
        match record(args, index + 1, line) {
            Ok(record) => records.push(record),
            Err(error) => {
                // What came before the line is written, so that the rest can be given again.
                write(&mut records)?;
                let message = format!("{error}; the {total} records before it were written");
                return Err(Failure::new(INVALID, message).into());
            }
        }
        if records.len() >= BATCH_RECORDS || typed {
            write(&mut records)?;
        }
    }
    write(&mut records)?;
    done(
        output,
        json!({ "topic": args.topic, "records": total }),
        &format!("wrote {total} records to `{}`", args.topic),
    )
}

fn record(args: &ProduceArgs, number: usize, line: Vec<u8>) -> Result<NewRecord, String> {
    if args.format == LineFormat::Record {
        return NewRecord::from_json(number, &line).map_err(|error| error.to_string());
    }
    let wrong = |reason: String| format!("line {number}: {reason}");
    if let Some(separator) = &args.separator {
        let at = line.windows(separator.len().max(1)).position(|window| window == separator.as_bytes());
        let (key, rest) =
            at.and_then(|at| line.split_at_checked(at)).ok_or_else(|| wrong(format!("has no `{separator}`")))?;
        let value = rest.get(separator.len()..).unwrap_or_default();
        return Ok(NewRecord { key: Some(key.into()), value: Some(value.into()), ..NewRecord::default() });
    }
    let key = match &args.key {
        None => None,
        Some(path) => {
            let value: Value = serde_json::from_slice(&line).map_err(|error| wrong(format!("is not JSON: {error}")))?;
            Some(match value.pointer(path) {
                Some(Value::String(text)) => text.clone().into_bytes(),
                Some(scalar @ (Value::Number(_) | Value::Bool(_))) => scalar.to_string().into_bytes(),
                _ => return Err(wrong(format!("has no text or number at {path}"))),
            })
        }
    };
    Ok(NewRecord { key, value: Some(line), ..NewRecord::default() })
}

fn consume(args: &ConsumeArgs, output: Output) -> Result<()> {
    let options = ReadOptions {
        start: if args.from == From::Earliest { ReadStart::Earliest } else { ReadStart::Latest },
        max: args.max.unwrap_or(usize::MAX),
        last: None,
        // From the end on there is nothing to read without waiting for it.
        follow: args.follow || args.from == From::Latest,
        timeout_ms: duration_ms("timeout", args.timeout.as_ref())?,
    };
    let place = Place::open(&args.place)?;
    place.expect(&args.topic)?;
    let mut out = io::BufWriter::new(io::stdout().lock());
    place.read(&args.topic, &options, &mut |lines| {
        match output {
            Output::Json => out.write_all(lines)?,
            Output::Text => {
                for line in lines.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
                    print(&mut out, line, args.keys)?;
                }
            }
        }
        out.flush()
    })
}

/// Prints a record as people want to see it.
fn print(out: &mut impl Write, line: &[u8], keys: bool) -> io::Result<()> {
    let record: Value = serde_json::from_slice(line)?;
    let mut show = |field: &str, end: &str| match record.get(field) {
        Some(Value::String(text)) => write!(out, "{text}{end}"),
        Some(other) => write!(out, "{other}{end}"),
        None => write!(out, "{end}"),
    };
    if keys {
        show("key", "\t")?;
    }
    show("value", "\n")
}
