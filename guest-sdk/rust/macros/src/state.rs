//! `#[derive(State)]`.

use proc_macro2::TokenStream;
use quote::quote;
use syn::spanned::Spanned;
use syn::{Data, DeriveInput, Error, Field, Fields, LitBool, LitInt, LitStr, Result};

use crate::duration::milliseconds;
use crate::is_name;

/// What `#[state(..)]` says.
#[derive(Default)]
struct Options {
    name: Option<LitStr>,
    version: Option<LitInt>,
    ttl_ms: Option<u64>,
    prefetch: Option<LitBool>,
}

pub(crate) fn expand(item: TokenStream) -> Result<TokenStream> {
    let input: DeriveInput = syn::parse2(item)?;
    let Data::Struct(data) = &input.data else {
        return Err(Error::new(input.ident.span(), "states are the fields of a struct"));
    };
    let fields = match &data.fields {
        Fields::Named(fields) => fields.named.iter().collect::<Vec<_>>(),
        Fields::Unit => Vec::new(),
        Fields::Unnamed(_) => return Err(Error::new(input.ident.span(), "states need names: use named fields")),
    };
    let mut names = Vec::new();
    let mut declarations = Vec::new();
    let mut assertions = Vec::new();
    for (index, field) in fields.iter().enumerate() {
        let (declaration, assertion) = declaration(index, field, &mut names)?;
        declarations.push(declaration);
        assertions.push(assertion);
    }
    let members: Vec<_> = fields.iter().filter_map(|field| field.ident.as_ref()).collect();
    let kinds: Vec<_> = fields.iter().map(|field| &field.ty).collect();
    let ident = &input.ident;
    let (generics, arguments, bounds) = input.generics.split_for_impl();
    Ok(quote! {
        #[automatically_derived]
        impl #generics ::millstream_guest::State for #ident #arguments #bounds {
            fn create() -> Self {
                Self { #( #members: ::millstream_guest::state::StateHandle::create(#declarations) ),* }
            }

            fn declarations() -> ::std::vec::Vec<::millstream_guest::contract::StateDeclaration> {
                #( #assertions )*
                ::std::vec![ #( ::millstream_guest::state::declare::<#kinds>(&#declarations) ),* ]
            }

            fn begin(
                &mut self,
                batch: &mut ::millstream_guest::state::Begin<'_>,
            ) -> ::millstream_guest::Result<()> {
                #( ::millstream_guest::state::StateHandle::begin(&mut self.#members, batch)?; )*
                ::core::result::Result::Ok(())
            }

            #[inline]
            fn keep(&mut self) {
                #( ::millstream_guest::state::StateHandle::keep(&mut self.#members); )*
            }

            fn undo(&mut self) {
                #( ::millstream_guest::state::StateHandle::undo(&mut self.#members); )*
            }

            fn finish(
                &mut self,
                changes: &mut ::millstream_guest::state::Changes,
            ) -> ::millstream_guest::Result<()> {
                #( ::millstream_guest::state::StateHandle::finish(&mut self.#members, changes)?; )*
                ::core::result::Result::Ok(())
            }

            fn leave(&mut self) {
                #( ::millstream_guest::state::StateHandle::leave(&mut self.#members); )*
            }
        }
    })
}

/// The declaration of a field, and what must hold of its type.
fn declaration(index: usize, field: &Field, names: &mut Vec<String>) -> Result<(TokenStream, TokenStream)> {
    let options = options(field)?;
    let own_name = field.ident.as_ref().map(ToString::to_string).unwrap_or_default();
    let name = options.name.as_ref().map_or(own_name, LitStr::value);
    let span = options.name.as_ref().map_or(field.ident.span(), LitStr::span);
    if !is_name(&name) {
        return Err(Error::new(span, format!("`{name}` is no name of a state: `[a-z][a-z0-9_-]*`")));
    }
    if names.contains(&name) {
        return Err(Error::new(span, format!("there are two states `{name}`")));
    }
    let index = index as u32;
    let version = options.version.as_ref().map_or_else(|| quote!(1), |version| quote!(#version));
    let ttl_ms = match options.ttl_ms {
        Some(ttl_ms) => quote!(::core::option::Option::Some(#ttl_ms)),
        None => quote!(::core::option::Option::None),
    };
    let kind = &field.ty;
    let is_value = quote! {
        ::core::matches!(
            <#kind as ::millstream_guest::state::StateHandle>::KIND,
            ::millstream_guest::contract::StateKind::Value
        )
    };
    let (prefetch, assertion) = match &options.prefetch {
        Some(prefetch) => {
            let message =
                format!("state `{name}`: `prefetch` is for `Value` states; maps and lists are never read ahead");
            (quote!(#prefetch), quote!(const { ::core::assert!(#is_value, #message) };))
        }
        None => (is_value, TokenStream::new()),
    };
    let declaration = quote! {
        ::millstream_guest::state::Declaration {
            index: #index,
            name: #name,
            version: #version,
            ttl_ms: #ttl_ms,
            prefetch: #prefetch,
        }
    };
    names.push(name);
    Ok((declaration, assertion))
}

fn options(field: &Field) -> Result<Options> {
    let mut options = Options::default();
    for attribute in field.attrs.iter().filter(|attribute| attribute.path().is_ident("state")) {
        attribute.parse_nested_meta(|meta| {
            if meta.path.is_ident("name") {
                options.name = Some(meta.value()?.parse()?);
            } else if meta.path.is_ident("version") {
                let version: LitInt = meta.value()?.parse()?;
                version.base10_parse::<u32>()?;
                options.version = Some(version);
            } else if meta.path.is_ident("ttl") {
                options.ttl_ms = Some(milliseconds(&meta.value()?.parse()?)?);
            } else if meta.path.is_ident("prefetch") {
                options.prefetch = Some(meta.value()?.parse()?);
            } else {
                return Err(meta.error("expected `name`, `version`, `ttl` or `prefetch`"));
            }
            Ok(())
        })?;
    }
    Ok(options)
}
