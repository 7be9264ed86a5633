//! Watermark generators.

use std::time::Duration;

use millstream_operator::{
    OperatorError,
    watermark::{Progress, WatermarkGenerator, WatermarkGeneratorFactory},
};
use millstream_types::RecordBatch;

use super::Part;
use crate::{
    columns::lower_batch,
    generated::exports::millstream::window::watermarks::{Guest, Progress as GuestProgress},
    instance::Moment,
    resident::Resident,
};

struct WasmGenerator(Resident<Guest>);

impl WatermarkGeneratorFactory for Part {
    fn every(&self) -> Option<Duration> {
        self.configured.plugin.described().every
    }

    fn instantiate(&self, source: &str) -> Result<Box<dyn WatermarkGenerator>, OperatorError> {
        Ok(Box::new(WasmGenerator(self.configured.start(source)?)))
    }
}

impl WatermarkGenerator for WasmGenerator {
    fn on_records(&mut self, state: &[u8], records: &RecordBatch, now_ms: i64) -> Result<Progress, OperatorError> {
        let moment = Moment { now_ms, seed: 0 };
        self.0.call(true, |instance| {
            instance
                .call(moment, |guest, store| guest.call_on_records(store, state, lower_batch(records), now_ms))
                .map(lift)
        })
    }

    fn on_time(&mut self, state: &[u8], now_ms: i64) -> Result<Progress, OperatorError> {
        let moment = Moment { now_ms, seed: 0 };
        self.0.call(true, |instance| {
            instance.call(moment, |guest, store| guest.call_on_time(store, state, now_ms)).map(lift)
        })
    }
}

fn lift(progress: GuestProgress) -> Progress {
    Progress { state: progress.state, watermark_ms: progress.watermark, idle: progress.idle }
}
