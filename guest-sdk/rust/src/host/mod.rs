//! The host, as the SDK calls it: the imports of the component, or, natively, a simulated one.

#[cfg(target_family = "wasm")]
mod imports;
#[cfg(not(target_family = "wasm"))]
mod native;
#[cfg(not(target_family = "wasm"))]
mod simulated;

#[cfg(target_family = "wasm")]
pub(crate) use imports::*;
#[cfg(not(target_family = "wasm"))]
pub(crate) use native::*;
#[cfg(not(target_family = "wasm"))]
pub(crate) use simulated::Simulated;
