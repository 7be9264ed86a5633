//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::{
    conformance::ConformanceArgs, new::NewCommand, pipeline::PipelineCommand, plugin::PluginCommand,
    savepoint::SavepointCommand, state::StateCommand, topic::TopicArgs,
};

const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  failed; the reason is on standard error
  2  wrong usage, or an invalid pipeline or plugin
  3  the server, or the log, cannot be reached
  130  interrupted twice, without a last commit

Examples:
  millstream new pipeline hello && millstream run hello/pipeline.yaml
  millstream serve --data-dir /var/lib/millstream
  millstream pipeline apply pipeline.yaml --start
  millstream pipeline swap fraud score score@2.0.0";

/// Stateful stream pipelines with WebAssembly operators, over Kafka or in one directory.
#[derive(Debug, Parser)]
#[command(name = "millstream", version, after_help = EXIT_CODES, after_long_help = EXIT_CODES, max_term_width = 110)]
pub(crate) struct Cli {
    /// How listings and results are written.
    #[arg(long, short = 'o', global = true, value_enum, default_value_t = Output::Text)]
    pub(crate) output: Output,
    /// What is logged to standard error: a level, or targets with levels such as `warn,millstream_runtime=debug`.
    #[arg(long, global = true, env = "MILLSTREAM_LOG", default_value = "warn", value_name = "FILTER")]
    pub(crate) log: String,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Runs a server: pipelines, plugins and the HTTP API.
    Serve(ServeArgs),
    /// Runs a pipeline file without a server, until its input ends or Ctrl-C.
    Run(RunArgs),
    /// Tests a pipeline file: runs its cases in memory, without a broker and without waiting.
    Test(TestArgs),
    /// Builds operators and manages them on a server.
    Plugin {
        #[command(subcommand)]
        command: PluginCommand,
    },
    /// Checks pipeline files and manages pipelines on a server.
    Pipeline {
        #[command(subcommand)]
        command: PipelineCommand,
    },
    /// Keeps the state and positions of pipelines on a server under names, and puts pipelines back to them.
    Savepoint {
        #[command(subcommand)]
        command: SavepointCommand,
    },
    /// Shows what the steps of a running pipeline keep.
    State {
        #[command(subcommand)]
        command: StateCommand,
    },
    /// Runs the conformance cases against a component.
    Conformance(ConformanceArgs),
    /// Looks at topics: in a directory, on Kafka or through a server.
    Topic(TopicArgs),
    /// Writes a new project that builds and runs at once.
    New {
        #[command(subcommand)]
        command: NewCommand,
    },
    /// Prints the JSON Schema of pipeline files.
    Schema,
    /// Prints a completion script for a shell.
    #[command(
        after_help = "Example:\n  millstream completions bash > ~/.local/share/bash-completion/completions/millstream"
    )]
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
}

/// How results are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// For people.
    Text,
    /// One JSON document, for scripts; streams are one document a line.
    Json,
}

/// Where a host keeps what it has: the log, state and the registry.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Where data is kept")]
pub(crate) struct HostArgs {
    /// Directory of the embedded log, of state and, unless given otherwise, of the registry.
    /// [default: ./millstream-data]
    #[arg(long, env = "MILLSTREAM_DATA_DIR", value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Use Kafka at these bootstrap servers instead of the embedded log.
    #[arg(long, env = "MILLSTREAM_KAFKA", value_name = "HOST:PORT,...")]
    pub(crate) kafka: Option<String>,
    /// A property of librdkafka, such as `security.protocol=SASL_SSL`; may be repeated.
    #[arg(long = "kafka-property", value_name = "NAME=VALUE")]
    pub(crate) kafka_properties: Vec<String>,
    /// Where plugins and pipelines are registered: a directory or s3://BUCKET/PREFIX?region=...
    /// [default: DATA_DIR/registry]
    #[arg(long, env = "MILLSTREAM_REGISTRY", value_name = "PLACE")]
    pub(crate) registry: Option<String>,
    /// A YAML file with the settings of the host; options on the command line go before it.
    #[arg(long, env = "MILLSTREAM_CONFIG", value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

/// The server to talk to.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Server")]
pub(crate) struct ServerArgs {
    /// URL of the server.
    #[arg(long = "server", env = "MILLSTREAM_URL", default_value = "http://127.0.0.1:8080", value_name = "URL")]
    pub(crate) url: String,
}

#[derive(Debug, Args)]
#[command(after_help = "\
The first line on standard output says where the server listens. It stops on SIGTERM or Ctrl-C after a last commit,
and takes up its pipelines again when it is started the next time.

Examples:
  millstream serve
  millstream serve --listen 127.0.0.1:0 --data-dir /var/lib/millstream
  millstream serve --kafka localhost:9092 --registry 's3://bucket/millstream?region=eu-central-1'")]
pub(crate) struct ServeArgs {
    /// Address of the HTTP API; port 0 takes a free one. [default: 127.0.0.1:8080]
    #[arg(long, env = "MILLSTREAM_LISTEN", value_name = "HOST:PORT")]
    pub(crate) listen: Option<String>,
    #[command(flatten)]
    pub(crate) host: HostArgs,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Operators come from the file's `operators:` section, which names components (.wasm) and project directories that are
built first, or from the registry of the data directory. A pipeline goes on where it stopped: run it again and it
reads only what is new; --fresh forgets its positions and state first.

Exit codes: 0 finished or stopped by Ctrl-C, 1 the pipeline failed, 2 the pipeline is invalid.

Examples:
  millstream run pipeline.yaml
  millstream run pipeline.yaml --fresh --until-drained
  zcat payments.gz | millstream run from-stdin.yaml > scores.jsonl
  millstream run pipeline.yaml --kafka localhost:9092")]
pub(crate) struct RunArgs {
    /// The pipeline file.
    pub(crate) file: PathBuf,
    /// Stop when everything that is in the topics now has been processed, instead of waiting for more.
    #[arg(long)]
    pub(crate) until_drained: bool,
    /// Forget the pipeline's positions, state and internal topics first.
    #[arg(long)]
    pub(crate) fresh: bool,
    /// Show no progress.
    #[arg(long, short)]
    pub(crate) quiet: bool,
    #[command(flatten)]
    pub(crate) host: HostArgs,
}

#[derive(Debug, Args)]
#[command(after_help = "\
A case is a YAML file: what is pushed into the pipeline, how time goes on, and what must come of it. Sources and sinks
are topics in memory; stages, shuffles, state and operators are as they are in production. With MILLSTREAM_BLESS=1
golden files are written as they are found.

Exit codes: 0 all cases passed, 1 a case failed, 2 the pipeline or a case is invalid.

Examples:
  millstream test pipeline.yaml
  millstream test pipeline.yaml --case cases/late.yaml --case cases/restart.yaml")]
pub(crate) struct TestArgs {
    /// The pipeline file.
    pub(crate) file: PathBuf,
    /// A case; may be repeated. [default: all in the directory `cases` beside the pipeline file]
    #[arg(long = "case", value_name = "FILE")]
    pub(crate) cases: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) host: HostArgs,
}
