//! `#[operator]`.

use proc_macro2::{Delimiter, Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::parse::Parser;
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::{Error, Expr, LitStr, Result, Token, Type, parse_quote};

use crate::fields::with_lifetime;
use crate::fill::Filled;
use crate::is_name;

/// What `#[operator(..)]` says.
#[derive(Default)]
struct Options {
    outputs: Vec<LitStr>,
    schema: Option<Expr>,
    reads: Option<Type>,
    writes: Option<Type>,
    raw_values: Option<Span>,
}

pub(crate) fn expand(arguments: TokenStream, item: TokenStream) -> Result<TokenStream> {
    let options = options(arguments)?;
    let mut item = Filled::parse(item)?;
    let by_batch = item.implements(&["Operator", "BatchOperator"], "operator")? == "BatchOperator";
    let outputs: Vec<String> = if options.outputs.is_empty() {
        vec!["main".into()]
    } else {
        options.outputs.iter().map(LitStr::value).collect()
    };
    check_emits(item.to_token_stream(), &outputs)?;

    if item.has("OUTPUTS") {
        return Err(item.error("name the outputs in the attribute: `#[operator(outputs(..))]`"));
    }
    item.add(parse_quote!(const OUTPUTS: &'static [&'static str] = &[ #( #outputs ),* ];));
    item.add_schema(options.schema.as_ref());
    if item.has("on_timer") {
        item.add(parse_quote!(
            const TIMERS: bool = true;
        ));
    }
    if !by_batch {
        item.add_missing("State", || {
            parse_quote!(
                type State = ();
            )
        });
    }
    add_fields(&mut item, &options, by_batch)?;
    item.add_configure("an operator")?;
    let export = if by_batch { quote!(export_batch) } else { quote!(export_operator) };
    Ok(item.exported(&export))
}

fn options(arguments: TokenStream) -> Result<Options> {
    let mut options = Options::default();
    let parser = syn::meta::parser(|meta| {
        if meta.path.is_ident("outputs") {
            let list;
            syn::parenthesized!(list in meta.input);
            let names = Punctuated::<LitStr, Token![,]>::parse_terminated(&list)?;
            if names.is_empty() {
                return Err(meta.error("an operator has at least one output"));
            }
            for name in names {
                let text = name.value();
                if !is_name(&text) {
                    return Err(Error::new(
                        name.span(),
                        format!("`{text}` is no name of an output: `[a-z][a-z0-9_-]*`"),
                    ));
                }
                if options.outputs.iter().any(|known| known.value() == text) {
                    return Err(Error::new(name.span(), format!("there are two outputs `{text}`")));
                }
                options.outputs.push(name);
            }
        } else if meta.path.is_ident("schema") {
            options.schema = Some(meta.value()?.parse()?);
        } else if meta.path.is_ident("reads") {
            options.reads = Some(declared(meta.value()?.parse()?));
        } else if meta.path.is_ident("writes") {
            options.writes = Some(declared(meta.value()?.parse()?));
        } else if meta.path.is_ident("raw_values") {
            options.raw_values = Some(meta.path.span());
        } else {
            return Err(
                meta.error("expected `outputs(..)`, `reads = ..`, `writes = ..`, `raw_values` or `schema = ..`")
            );
        }
        Ok(())
    });
    parser.parse2(arguments)?;
    Ok(options)
}

/// Says which fields the operator reads and writes.
fn add_fields(item: &mut Filled, options: &Options, by_batch: bool) -> Result<()> {
    if let (Some(span), None) = (options.raw_values, &options.reads) {
        return Err(Error::new(span, "`raw_values` is for operators with `reads`; the others get values anyway"));
    }
    if options.raw_values.is_some() {
        item.add(parse_quote!(
            const RAW_VALUES: bool = true;
        ));
    }
    for (fields, name) in [(&options.reads, "Reads"), (&options.writes, "Writes")] {
        let name = Ident::new(name, Span::call_site());
        if !by_batch {
            let fields = fields.clone().unwrap_or_else(|| parse_quote!(()));
            item.add_missing(&name.to_string(), || parse_quote!(type #name = #fields;));
        } else if let Some(fields) = fields {
            let name = Ident::new(&name.to_string().to_uppercase(), Span::call_site());
            item.add(parse_quote! {
                const #name: &'static [::millstream_guest::fields::FieldSpec] =
                    <#fields as ::millstream_guest::Fields>::FIELDS;
            });
        }
    }
    Ok(())
}

/// A type as it is declared: whatever it borrows, it borrows for good.
fn declared(kind: Type) -> Type {
    let tokens = with_lifetime(kind.to_token_stream(), "_", "static");
    syn::parse2(tokens).unwrap_or(kind)
}

/// Refuses `emit_to("name", ..)` where the name is a literal that is not declared.
fn check_emits(tokens: TokenStream, outputs: &[String]) -> Result<()> {
    let mut after_emit_to = false;
    for token in tokens {
        if let TokenTree::Group(group) = &token {
            if after_emit_to
                && group.delimiter() == Delimiter::Parenthesis
                && let Some((name, span)) = first_text(group.stream())
                && !outputs.contains(&name)
            {
                let declared = outputs.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
                let message = format!("output `{name}` is not declared by `#[operator]`, which declares {declared}");
                return Err(Error::new(span, message));
            }
            check_emits(group.stream(), outputs)?;
        }
        after_emit_to = matches!(&token, TokenTree::Ident(ident) if ident == "emit_to");
    }
    Ok(())
}

fn first_text(tokens: TokenStream) -> Option<(String, Span)> {
    let first = tokens.into_iter().next()?;
    let text: LitStr = syn::parse2(first.into_token_stream()).ok()?;
    Some((text.value(), text.span()))
}
