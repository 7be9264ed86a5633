//! What every log must do.

use std::sync::Arc;

use millstream_log::{Log, contract::LogUnderTest};
use millstream_log_kafka::{KafkaConfig, KafkaLog};

use crate::harness::Case;

struct OnBroker(String);

impl LogUnderTest for OnBroker {
    fn open(&self) -> Arc<dyn Log> {
        Arc::new(KafkaLog::connect(KafkaConfig::new(&self.0)).unwrap())
    }

    fn keeps_early_timestamps(&self) -> bool {
        false
    }
}

macro_rules! contract_cases {
    ($($module:ident :: $test:ident),*) => {
        vec![$(Case {
            name: concat!("contract::", stringify!($module), "::", stringify!($test)),
            run: |broker| {
                millstream_log::contract::$module::$test(&|| Box::new(OnBroker(broker.servers.clone())));
                Ok(())
            },
        }),*]
    };
}

pub fn cases() -> Vec<Case> {
    millstream_log::contract_tests!(for_each contract_cases)
}
