//! Sums amounts by user over typed columns, and answers wrongly where its configuration says so.

mod bindings {
    wit_bindgen::generate!({ world: "operator", path: "../../../wit" });
}

use std::sync::Mutex;

use bindings::{
    exports::millstream::operator::processor::{
        BatchInput, BatchOutput, Description, FailureColumn, FieldDeclaration, FiredTimers, Guest, OutputBatch,
        StateChange, StateDeclaration, StateKind,
    },
    millstream::operator::types::{BytesColumn, ColumnType, HeaderColumn, RecordBatch, TypedColumn},
};

struct TypedSum;

static BEHAVIOUR: Mutex<String> = Mutex::new(String::new());

fn nothing() -> BytesColumn {
    BytesColumn { offsets: Vec::new(), data: Vec::new(), validity: Vec::new() }
}

fn field(path: &str, kind: ColumnType, optional: bool) -> FieldDeclaration {
    FieldDeclaration { path: path.into(), kind, optional }
}

fn f64s(bytes: &[u8]) -> Vec<f64> {
    bytes.chunks_exact(8).map(|chunk| f64::from_le_bytes(chunk.try_into().unwrap_or_default())).collect()
}

fn u32s(bytes: &[u8]) -> Vec<u32> {
    bytes.chunks_exact(4).map(|chunk| u32::from_le_bytes(chunk.try_into().unwrap_or_default())).collect()
}

impl Guest for TypedSum {
    fn describe() -> Description {
        Description {
            outputs: vec!["main".into()],
            states: vec![StateDeclaration {
                name: "sum".into(),
                kind: StateKind::Value,
                schema_version: 1,
                ttl_ms: None,
                prefetch: true,
            }],
            reads: vec![
                field("/user", ColumnType::Utf8, false),
                field("/amount", ColumnType::Float64, false),
                field("/tag", ColumnType::Int64, true),
            ],
            writes: vec![
                field("/user", ColumnType::Utf8, false),
                field("/sum", ColumnType::Float64, false),
                field("/tag", ColumnType::Int64, true),
            ],
            raw_values: false,
            timers: false,
            config_schema: None,
        }
    }

    fn configure(config: String) -> Result<(), String> {
        *BEHAVIOUR.lock().map_err(|error| error.to_string())? = config;
        Ok(())
    }

    fn process(input: BatchInput) -> Result<BatchOutput, String> {
        let mut batch = input.batch;
        if !batch.values.offsets.is_empty() || !batch.values.data.is_empty() {
            return Err("values came although nobody asked for them".into());
        }
        let [user, amount, tag] = &mut batch.columns[..] else {
            return Err(format!("{} columns", batch.columns.len()));
        };
        if [&*user.name, &*amount.name, &*tag.name] != ["/user", "/amount", "/tag"] {
            return Err("the columns have other names".into());
        }
        let groups = u32s(&input.groups);
        let states = &input.states[0];
        let ends = u32s(&states.offsets);
        let mut sums: Vec<f64> = ends
            .windows(2)
            .map(|ends| f64s(&states.data[ends[0] as usize..ends[1] as usize]).first().copied().unwrap_or_default())
            .collect();
        let mut changed = vec![false; sums.len()];
        let mut after = Vec::new();
        for (record, amount) in f64s(&amount.data).into_iter().enumerate() {
            let group = groups[record] as usize;
            sums[group] += amount;
            changed[group] = true;
            after.extend_from_slice(&sums[group].to_le_bytes());
        }
        let changed: Vec<u32> = (0..sums.len() as u32).filter(|&group| changed[group as usize]).collect();
        let behaviour = BEHAVIOUR.lock().map_err(|error| error.to_string())?.clone();
        let mut validity = Vec::new();
        match &*behaviour {
            "nan" => after[..8].copy_from_slice(&f64::NAN.to_le_bytes()),
            "null" => validity = vec![0; batch.count.div_ceil(8) as usize],
            "short" => after.truncate(8),
            _ => {}
        }
        let sum =
            TypedColumn { name: "/sum".into(), kind: ColumnType::Float64, offsets: Vec::new(), data: after, validity };
        let output = OutputBatch {
            output: 0,
            sources: (0..batch.count).flat_map(u32::to_le_bytes).collect(),
            batch: RecordBatch {
                count: batch.count,
                keys: batch.keys,
                values: match &*behaviour {
                    "both" => BytesColumn { offsets: vec![0; 4], data: vec![1], validity: Vec::new() },
                    _ => nothing(),
                },
                headers: HeaderColumn { offsets: Vec::new(), names: nothing(), values: nothing() },
                timestamps: batch.timestamps,
                columns: match &*behaviour {
                    "few" => vec![sum],
                    _ => vec![batch.columns.swap_remove(0), sum, batch.columns.swap_remove(0)],
                },
            },
        };
        Ok(BatchOutput {
            outputs: vec![output],
            changes: vec![StateChange {
                state: 0,
                values: BytesColumn {
                    offsets: (0..=changed.len() as u32).flat_map(|index| (index * 8).to_le_bytes()).collect(),
                    data: changed.iter().flat_map(|&group| sums[group as usize].to_le_bytes()).collect(),
                    validity: Vec::new(),
                },
                groups: changed.into_iter().flat_map(u32::to_le_bytes).collect(),
            }],
            failures: FailureColumn { records: Vec::new(), reasons: nothing() },
            timers: Vec::new(),
        })
    }

    fn on_timer(_: FiredTimers) -> Result<BatchOutput, String> {
        Err("no timers were set".into())
    }
}

bindings::export!(TypedSum with_types_in bindings);
