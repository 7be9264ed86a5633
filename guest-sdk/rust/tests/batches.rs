//! Operators that see columns.

#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use millstream_guest::contract::{BatchInput, BatchOutput, BytesColumn, OutputBatch, RecordBatch};
use millstream_guest::{BatchInstance, BatchOperator, Column, ColumnBuilder, Guest, Result, operator};

#[derive(Default)]
struct Upper;

#[operator(outputs("upper"))]
impl BatchOperator for Upper {
    fn process(&mut self, input: BatchInput) -> Result<BatchOutput> {
        let values = Column::new(&input.batch.values);
        let upper: Vec<_> = values.iter().map(|value| value.map(<[u8]>::to_ascii_uppercase)).collect();
        let values: ColumnBuilder = upper.iter().map(Option::as_deref).collect();
        let sources = (0..input.batch.count).flat_map(u32::to_le_bytes).collect();
        let batch = RecordBatch { values: values.finish(), ..input.batch };
        Ok(BatchOutput { outputs: vec![OutputBatch { output: 0, sources, batch }], ..BatchOutput::empty() })
    }
}

#[test]
fn columns_go_in_and_come_out() {
    assert_eq!(BatchInstance::<Upper>::describe().outputs, ["upper"]);
    let mut upper = BatchInstance::<Upper>::configure("{}").unwrap();
    let values: ColumnBuilder = [Some(&b"a"[..]), None, Some(b"bc")].into_iter().collect();
    let batch = RecordBatch {
        count: 3,
        keys: [None, None, None].into_iter().collect::<ColumnBuilder>().finish(),
        values: values.finish(),
        timestamps: vec![0; 24],
        ..RecordBatch::empty()
    };
    let group_keys = BytesColumn::empty();
    let input = BatchInput { batch, groups: Vec::new(), group_keys, states: Vec::new(), watermark: 0 };
    let output = upper.process(input).unwrap();
    let values: Vec<_> = Column::new(&output.outputs[0].batch.values).iter().collect();
    assert_eq!(values, [Some(&b"A"[..]), None, Some(b"BC")]);
}
