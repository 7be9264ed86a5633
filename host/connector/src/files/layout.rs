//! How the records of a file are written. It is committed with the rows of a file that is not finished, so
//! that the file is finished as it was begun, whatever the pipeline file says by then.

use millstream_pipeline::spec::{Column, Compression, DataType, FilesFormat, FilesSink, LineFormat, TimeUnit};
use serde::{Deserialize, Serialize};

/// What decides about the bytes of a file, given its records. Persisted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Layout {
    pub format: FilesFormat,
    pub line: LineFormat,
    pub columns: Vec<(String, Column)>,
    pub compression: Compression,
}

impl Layout {
    pub fn new(spec: &FilesSink) -> Self {
        let columns = match (spec.format, spec.columns.as_slice()) {
            (FilesFormat::Parquet, []) => whole_record(),
            (_, columns) => columns.to_vec(),
        };
        Self { format: spec.format, line: spec.line, columns, compression: spec.compression() }
    }

    /// What the names of files end in.
    pub fn extension(&self) -> String {
        let format = match self.format {
            FilesFormat::Jsonl => "jsonl",
            FilesFormat::Csv => "csv",
            // Its compression is a matter of its inside.
            FilesFormat::Parquet => return "parquet".into(),
        };
        match self.compression {
            Compression::None | Compression::Snappy => format.into(),
            Compression::Gzip => format!("{format}.gz"),
            Compression::Zstd => format!("{format}.zst"),
        }
    }
}

fn whole_record() -> Vec<(String, Column)> {
    let types = [
        ("key", DataType::Bytes),
        ("value", DataType::Bytes),
        ("timestamp", DataType::Timestamp),
        ("partition", DataType::Long),
    ];
    let column = |(name, data_type): (&str, DataType)| {
        let column = Column { field: format!("{name}()"), data_type: Some(data_type), unit: TimeUnit::Ms };
        (name.to_owned(), column)
    };
    types.into_iter().map(column).collect()
}
