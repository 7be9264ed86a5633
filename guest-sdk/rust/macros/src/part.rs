//! `#[aggregator]`, `#[window_assigner]`, `#[trigger]`, `#[window_function]` and `#[watermark_generator]`.

use proc_macro2::{Ident, Span, TokenStream};
use quote::quote;
use syn::meta::ParseNestedMeta;
use syn::parse::Parser;
use syn::{Expr, LitInt, Result, parse_quote};

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

/// What an attribute says.
#[derive(Default)]
struct Options {
    schema: Option<Expr>,
    version: Option<LitInt>,
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
            _ => return Err(meta.error("is not known")),
        }
        Ok(())
    }
}

/// The codec that state has unless told otherwise.
fn add_codec(item: &mut Filled) {
    item.add_missing("Codec", || {
        parse_quote!(
            type Codec = ::millstream_guest::state::Standard;
        )
    });
}
