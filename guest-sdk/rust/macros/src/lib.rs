//! The macros of `millstream-guest`; documented there, where they are re-exported.

mod duration;
mod fields;
mod fill;
mod operator;
mod part;
mod state;

use proc_macro::TokenStream;

/// See `millstream_guest::operator`.
#[proc_macro_attribute]
pub fn operator(arguments: TokenStream, item: TokenStream) -> TokenStream {
    operator::expand(arguments.into(), item.into()).unwrap_or_else(|error| error.into_compile_error()).into()
}

/// See `millstream_guest::window::aggregator`.
#[proc_macro_attribute]
pub fn aggregator(arguments: TokenStream, item: TokenStream) -> TokenStream {
    expand(&part::AGGREGATOR, arguments, item)
}

/// See `millstream_guest::window::window_assigner`.
#[proc_macro_attribute]
pub fn window_assigner(arguments: TokenStream, item: TokenStream) -> TokenStream {
    expand(&part::WINDOW_ASSIGNER, arguments, item)
}

/// See `millstream_guest::window::trigger`.
#[proc_macro_attribute]
pub fn trigger(arguments: TokenStream, item: TokenStream) -> TokenStream {
    expand(&part::TRIGGER, arguments, item)
}

/// See `millstream_guest::window::window_function`.
#[proc_macro_attribute]
pub fn window_function(arguments: TokenStream, item: TokenStream) -> TokenStream {
    expand(&part::WINDOW_FUNCTION, arguments, item)
}

/// See `millstream_guest::window::watermark_generator`.
#[proc_macro_attribute]
pub fn watermark_generator(arguments: TokenStream, item: TokenStream) -> TokenStream {
    expand(&part::WATERMARK_GENERATOR, arguments, item)
}

/// See `millstream_guest::State`.
#[proc_macro_derive(State, attributes(state))]
pub fn derive_state(item: TokenStream) -> TokenStream {
    state::expand(item.into()).unwrap_or_else(|error| error.into_compile_error()).into()
}

/// See `millstream_guest::Fields`.
#[proc_macro_derive(Fields, attributes(field))]
pub fn derive_fields(item: TokenStream) -> TokenStream {
    fields::expand(item.into()).unwrap_or_else(|error| error.into_compile_error()).into()
}

fn expand(part: &part::Part, arguments: TokenStream, item: TokenStream) -> TokenStream {
    part.expand(arguments.into(), item.into()).unwrap_or_else(|error| error.into_compile_error()).into()
}

/// Whether the host takes a name of an output or a state: `[a-z][a-z0-9_-]*`.
fn is_name(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.chars().all(|char| char.is_ascii_lowercase() || char.is_ascii_digit() || "_-".contains(char))
}
