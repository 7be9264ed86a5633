//! The conformance operator `probe`; what each mode does is said in `tests/conformance/README.md`.

mod commands;

use millstream_guest::TimeDomain;
use millstream_guest::prelude::*;
use serde_json::Value as Json;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    mode: String,
}

/// What is done to each record.
#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Mode {
    Echo,
    Drop,
    Route,
    Twice,
    Bare,
    Tombstone,
    Count,
    Add,
    Forget,
    Note,
    Fields,
    Items,
    Timers,
    Fail,
    Crash,
    Loop,
    Memory,
    Log,
    Metrics,
    Clock,
    Json,
}

#[derive(State)]
struct States {
    count: Value<i64>,
    #[state(prefetch = false, ttl = "60s")]
    note: Value<String>,
    fields: Map<String, i64>,
    items: List<String>,
}

struct Probe {
    mode: Mode,
}

type Ctx<'a> = Context<'a, Probe>;

#[operator(outputs("main", "other"))]
impl Operator for Probe {
    type Config = Config;
    type State = States;

    fn configure(config: Config) -> Result<Self> {
        let mode = serde_json::from_value(Json::from(config.mode.as_str()));
        Ok(Self { mode: mode.map_err(|_| Error::new(format!("unknown mode `{}`", config.mode)))? })
    }

    fn process(&mut self, record: Record<'_>, ctx: &mut Context<'_, Self>) -> Result<()> {
        let says = |word: &str| record.value() == Some(word.as_bytes());
        match self.mode {
            Mode::Echo => ctx.emit(Output::same()),
            Mode::Drop => Ok(()),
            Mode::Route if record.value().is_some_and(|value| value.starts_with(b"other")) => {
                ctx.emit_to("other", Output::same())
            }
            Mode::Route => ctx.emit(Output::same()),
            Mode::Twice => {
                ctx.emit(Output::same())?;
                let later = record.timestamp_ms() + 1;
                ctx.emit(Output::same().key("second").header("copy", "1").timestamp_ms(later))
            }
            Mode::Bare => ctx.emit(Output::same().no_key().no_input_headers()),
            Mode::Tombstone => ctx.emit(Output::tombstone()),
            Mode::Count => add(ctx, 1),
            Mode::Add => add(ctx, integer(record.text()?)?),
            Mode::Forget => ctx.state.count.remove(),
            Mode::Note => note(record.text()?, ctx),
            Mode::Fields => commands::fields(record.text()?, ctx),
            Mode::Items => commands::items(record.text()?, ctx),
            Mode::Timers => commands::timers(record.text()?, ctx),
            Mode::Fail => {
                add(ctx, 1)?;
                match record.value() {
                    Some(value) if value.starts_with(b"bad") => fail!("{}", record.text()?),
                    _ => Ok(()),
                }
            }
            Mode::Crash if says("crash") => panic!("boom"),
            Mode::Loop if says("loop") => loop {
                std::hint::black_box(());
            },
            Mode::Memory if says("memory") => exhaust(),
            Mode::Crash | Mode::Loop | Mode::Memory => ctx.emit(Output::same()),
            Mode::Log => {
                (0..integer(record.text()?)?).for_each(|line| log::info!("line {line}"));
                ctx.emit(Output::same())
            }
            Mode::Metrics => {
                let size = record.value().map_or(0, <[u8]>::len) as f64;
                ctx.counter("probes").add(1);
                ctx.gauge("size").set(size);
                ctx.histogram("sizes").record(size);
                ctx.emit(Output::same())
            }
            Mode::Clock => ctx.emit(Output::bytes(&format!("{} {}", ctx.now_ms(), ctx.random_u64()))),
            Mode::Json => json(&record, ctx),
        }
    }

    fn on_timer(&mut self, timer: Timer<'_>, ctx: &mut Context<'_, Self>) -> Result<()> {
        let clock = match timer.domain() {
            TimeDomain::Event => "event",
            TimeDomain::Processing => "processing",
        };
        ctx.emit(Output::bytes(&format!("{clock} {} {}", timer.name(), timer.time_ms())))
    }
}

fn integer(text: &str) -> Result<i64> {
    text.parse().map_err(|_| Error::new(format!("not an integer: `{text}`")))
}

fn add(ctx: &mut Ctx<'_>, by: i64) -> Result<()> {
    let sum = ctx.state.count.get()?.copied().unwrap_or(0);
    let sum = sum.checked_add(by).context("the sum is too large")?;
    ctx.state.count.set(sum)?;
    ctx.emit(Output::bytes(&sum.to_string()))
}

fn note(text: &str, ctx: &mut Ctx<'_>) -> Result<()> {
    if !text.is_empty() {
        return ctx.state.note.set(text.to_owned());
    }
    let note = ctx.state.note.get()?.map_or("none", String::as_str);
    ctx.emit(Output::bytes(note))
}

/// Takes memory until there is none.
fn exhaust() -> Result<()> {
    let mut taken: Vec<Vec<u8>> = Vec::new();
    loop {
        taken.push(std::hint::black_box(vec![1; 1 << 20]));
    }
}

#[derive(Deserialize, Serialize)]
struct Numbered {
    n: i64,
    s: String,
}

fn json(record: &Record<'_>, ctx: &Ctx<'_>) -> Result<()> {
    let Numbered { n, s } = record.json()?;
    let n = n.checked_add(1).context("`n` is too large")?;
    ctx.emit(Output::json(&Numbered { n, s }))
}
