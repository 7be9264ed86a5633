//! millstream-wasm
