//! `#[operator]`.

use proc_macro2::{Delimiter, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::parse::Parser;
use syn::punctuated::Punctuated;
use syn::{Error, Expr, ImplItem, ItemImpl, LitStr, Result, Token, parse_quote};

use crate::is_name;

/// What `#[operator(..)]` says.
#[derive(Default)]
struct Options {
    outputs: Vec<LitStr>,
    schema: Option<Expr>,
}

pub(crate) fn expand(arguments: TokenStream, item: TokenStream) -> Result<TokenStream> {
    let options = options(arguments)?;
    let mut item: ItemImpl = syn::parse2(item)?;
    let by_batch = match trait_name(&item).as_deref() {
        Some("Operator") => false,
        Some("BatchOperator") => true,
        _ => {
            let message = "`#[operator]` stands over `impl Operator for ..` or `impl BatchOperator for ..`";
            return Err(Error::new_spanned(&item.self_ty, message));
        }
    };
    let outputs: Vec<String> = if options.outputs.is_empty() {
        vec!["main".into()]
    } else {
        options.outputs.iter().map(LitStr::value).collect()
    };
    check_emits(item.to_token_stream(), &outputs)?;

    let has = |name: &str| item.items.iter().any(|item| is_item(item, name));
    let mut missing: Vec<ImplItem> = Vec::new();
    let has_config = has("Config");
    if has("OUTPUTS") {
        return Err(Error::new_spanned(&item.self_ty, "name the outputs in the attribute: `#[operator(outputs(..))]`"));
    }
    missing.push(parse_quote!(const OUTPUTS: &'static [&'static str] = &[ #( #outputs ),* ];));
    if let Some(schema) = &options.schema {
        missing.push(parse_quote!(
            const CONFIG_SCHEMA: ::core::option::Option<&'static str> = ::core::option::Option::Some(#schema);
        ));
    }
    if has("on_timer") {
        missing.push(parse_quote!(
            const TIMERS: bool = true;
        ));
    }
    if !has_config {
        missing.push(parse_quote!(
            type Config = ::millstream_guest::NoConfig;
        ));
    }
    if !by_batch && !has("State") {
        missing.push(parse_quote!(
            type State = ();
        ));
    }
    if !has("configure") {
        if has_config {
            return Err(Error::new_spanned(&item.self_ty, "an operator with a `Config` needs `fn configure`"));
        }
        missing.push(parse_quote! {
            fn configure(_: Self::Config) -> ::millstream_guest::Result<Self> {
                ::core::result::Result::Ok(<Self as ::core::default::Default>::default())
            }
        });
    }
    item.items.extend(missing);
    let operator = &item.self_ty;
    let export = if by_batch { quote!(export_batch) } else { quote!(export_operator) };
    Ok(quote! {
        #item
        ::millstream_guest::#export!(#operator);
    })
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
        } else {
            return Err(meta.error("expected `outputs(..)` or `schema = ..`"));
        }
        Ok(())
    });
    parser.parse2(arguments)?;
    Ok(options)
}

fn trait_name(item: &ItemImpl) -> Option<String> {
    let (_, path, _) = item.trait_.as_ref()?;
    Some(path.segments.last()?.ident.to_string())
}

fn is_item(item: &ImplItem, name: &str) -> bool {
    match item {
        ImplItem::Type(item) => item.ident == name,
        ImplItem::Const(item) => item.ident == name,
        ImplItem::Fn(item) => item.sig.ident == name,
        _ => false,
    }
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
