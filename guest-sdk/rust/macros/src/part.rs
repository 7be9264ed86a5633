//! `#[aggregator]`, `#[window_assigner]`, `#[trigger]`, `#[window_function]` and `#[watermark_generator]`.

use proc_macro2::{Ident, Span, TokenStream};
use quote::quote;
use syn::meta::ParseNestedMeta;
use syn::parse::Parser;
use syn::{Expr, LitInt, Result, parse_quote};

use crate::duration::milliseconds;
use crate::fill::Filled;

/// A part of a window step, or a watermark generator.
pub(crate) struct Part {
    attribute: &'static str,
    noun: &'static str,
    /// The traits that it may implement, each with the macro that exports it.
    traits: &'static [(&'static str, &'static str)],
    /// What its attribute takes beside `schema`.
    options: &'static [&'static str],
    fill: fn(&mut Filled, &Options, &str) -> Result<()>,
}

pub(crate) const AGGREGATOR: Part = Part {
    attribute: "aggregator",
    noun: "an aggregator",
    traits: &[("Aggregator", "export_aggregator"), ("BatchAggregator", "export_batch_aggregator")],
    options: &["version"],
    fill: |item, _, name| {
        if item.has("retract") {
            item.add(parse_quote!(
                const RETRACTS: bool = true;
            ));
        }
        if name == "Aggregator" {
            add_codec(item);
            item.add_missing("create", || {
                parse_quote! {
                    fn create(&self) -> Self::Accumulator {
                        ::core::default::Default::default()
                    }
                }
            });
        }
        Ok(())
    },
};

pub(crate) const WINDOW_ASSIGNER: Part = Part {
    attribute: "window_assigner",
    noun: "a window assigner",
    traits: &[("WindowAssigner", "export_window_assigner")],
    options: &["merges"],
    fill: |item, options, _| {
        if options.merges {
            item.add(parse_quote!(
                const MERGES: bool = true;
            ));
        }
        Ok(())
    },
};

pub(crate) const TRIGGER: Part = Part {
    attribute: "trigger",
    noun: "a trigger",
    traits: &[("Trigger", "export_trigger")],
    options: &["version"],
    fill: |item, _, _| {
        add_state(item);
        Ok(())
    },
};

pub(crate) const WINDOW_FUNCTION: Part = Part {
    attribute: "window_function",
    noun: "a window function",
    traits: &[("WindowFunction", "export_window_function")],
    options: &[],
    fill: |item, _, _| {
        item.add_missing("Gathered", || {
            parse_quote!(
                type Gathered = ();
            )
        });
        item.add_missing("begin", || {
            parse_quote! {
                fn begin(&mut self, _: &::millstream_guest::window::FiredPane)
                -> ::millstream_guest::Result<Self::Gathered> {
                    ::core::result::Result::Ok(::core::default::Default::default())
                }
            }
        });
        Ok(())
    },
};

pub(crate) const WATERMARK_GENERATOR: Part = Part {
    attribute: "watermark_generator",
    noun: "a watermark generator",
    traits: &[("WatermarkGenerator", "export_watermark_generator")],
    options: &["every"],
    fill: |item, options, _| {
        add_state(item);
        match (options.every_ms, item.has("on_time")) {
            (Some(every_ms), true) => item.add(parse_quote! {
                const EVERY: ::core::option::Option<::core::time::Duration> =
                    ::core::option::Option::Some(::core::time::Duration::from_millis(#every_ms));
            }),
            (None, true) => return Err(item.error("`fn on_time` needs `#[watermark_generator(every = \"1s\")]`")),
            (Some(_), false) => return Err(item.error("`every` says how often `fn on_time` is called; there is none")),
            (None, false) => {}
        }
        Ok(())
    },
};

/// What an attribute says.
#[derive(Default)]
struct Options {
    schema: Option<Expr>,
    version: Option<LitInt>,
    merges: bool,
    every_ms: Option<u64>,
}

impl Part {
    pub(crate) fn expand(&self, arguments: TokenStream, item: TokenStream) -> Result<TokenStream> {
        let options = self.options(arguments)?;
        let mut item = Filled::parse(item)?;
        let names: Vec<_> = self.traits.iter().map(|(name, _)| *name).collect();
        let name = item.implements(&names, self.attribute)?;
        item.add_schema(options.schema.as_ref());
        if let Some(version) = &options.version {
            item.add(parse_quote!(
                const SCHEMA_VERSION: u32 = #version;
            ));
        }
        (self.fill)(&mut item, &options, name)?;
        item.add_configure(self.noun)?;
        let exports = self.traits.iter().filter(|(known, _)| *known == name);
        let exports = exports.map(|(_, export)| Ident::new(export, Span::call_site()));
        Ok(item.exported(&quote!(#( #exports )*)))
    }

    fn options(&self, arguments: TokenStream) -> Result<Options> {
        let mut options = Options::default();
        let parser = syn::meta::parser(|meta| {
            let name = meta.path.get_ident().map(ToString::to_string).unwrap_or_default();
            if name == "schema" {
                options.schema = Some(meta.value()?.parse()?);
                return Ok(());
            }
            if !self.options.contains(&name.as_str()) {
                let allowed = self.options.iter().chain(&["schema"]).map(|name| format!("`{name}`"));
                return Err(meta.error(format!("expected {}", allowed.collect::<Vec<_>>().join(" or "))));
            }
            options.set(&name, &meta)
        });
        parser.parse2(arguments)?;
        Ok(options)
    }
}

impl Options {
    fn set(&mut self, name: &str, meta: &ParseNestedMeta<'_>) -> Result<()> {
        match name {
            "version" => {
                let version: LitInt = meta.value()?.parse()?;
                version.base10_parse::<u32>()?;
                self.version = Some(version);
            }
            "merges" => self.merges = true,
            "every" => self.every_ms = Some(milliseconds(&meta.value()?.parse()?)?),
            _ => return Err(meta.error("is not known")),
        }
        Ok(())
    }
}

/// What is remembered: nothing, unless told otherwise.
fn add_state(item: &mut Filled) {
    item.add_missing("State", || {
        parse_quote!(
            type State = ();
        )
    });
    add_codec(item);
}

/// The codec that state has unless told otherwise.
fn add_codec(item: &mut Filled) {
    item.add_missing("Codec", || {
        parse_quote!(
            type Codec = ::millstream_guest::state::Standard;
        )
    });
}
