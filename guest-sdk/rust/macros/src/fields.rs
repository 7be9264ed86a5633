//! `#[derive(Fields)]`.

use proc_macro2::{Group, TokenStream, TokenTree};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Data, DeriveInput, Error, Field, GenericParam, Ident, Lifetime, LitStr, Result, Type, parse_quote};

/// A member of the struct.
struct Declared<'a> {
    name: &'a Ident,
    kind: &'a Type,
    path: String,
}

pub(crate) fn expand(item: TokenStream) -> Result<TokenStream> {
    let input: DeriveInput = syn::parse2(item)?;
    let Data::Struct(data) = &input.data else {
        return Err(Error::new(input.ident.span(), "fields are the members of a struct"));
    };
    let fields = match &data.fields {
        syn::Fields::Named(fields) if !fields.named.is_empty() => &fields.named,
        syn::Fields::Named(_) | syn::Fields::Unit => {
            return Err(Error::new(input.ident.span(), "there is no field; an operator without fields declares none"));
        }
        syn::Fields::Unnamed(_) => {
            return Err(Error::new(input.ident.span(), "fields need names: use a struct with named members"));
        }
    };
    let mut declared: Vec<Declared<'_>> = Vec::new();
    for field in fields {
        let next = read(field)?;
        if let Some(other) = declared.iter().find(|other| other.path == next.path) {
            let message = format!("`{}` is the field `{}`, too", other.name, other.path);
            return Err(Error::new(field.span(), message));
        }
        declared.push(next);
    }
    let borrows = lifetime(&input)?;
    Ok(implementation(&input, &declared, borrows.as_ref()))
}

fn implementation(input: &DeriveInput, declared: &[Declared<'_>], borrows: Option<&Lifetime>) -> TokenStream {
    let (ident, visibility) = (&input.ident, &input.vis);
    let columns = format_ident!("{ident}Columns");
    let documentation = format!("The fields of [`{ident}`] in a whole batch.");
    let own: Lifetime = borrows.cloned().unwrap_or_else(|| parse_quote!('fields));
    let (generics, arguments, in_row, in_good) = match borrows {
        Some(own) => (quote!(<#own>), quote!(<#own>), quote!(<'row>), quote!(<'static>)),
        None => (quote!(), quote!(), quote!(), quote!()),
    };
    let names: Vec<_> = declared.iter().map(|field| field.name).collect();
    let kinds: Vec<_> = declared.iter().map(|field| field.kind).collect();
    // As the type is in a function, whose argument it borrows from.
    let kinds_here: Vec<_> = kinds.iter().map(|kind| borrowing(kind, borrows, "_")).collect();
    let paths: Vec<_> = declared.iter().map(|field| &field.path).collect();
    let slots: Vec<_> = (0..declared.len()).map(|index| format_ident!("column_{index}")).collect();
    let visibilities: Vec<_> = match &input.data {
        Data::Struct(data) => data.fields.iter().map(|field| &field.vis).collect(),
        _ => Vec::new(),
    };
    // With the place of the type, so that what is no type of a field is told there.
    let specs = declared.iter().map(|field| {
        let (kind, path) = (borrowing(field.kind, borrows, "static"), &field.path);
        quote_spanned! { field.kind.span() =>
            ::millstream_guest::fields::FieldSpec {
                path: #path,
                kind: <#kind as ::millstream_guest::fields::Field<'static>>::KIND,
                optional: <#kind as ::millstream_guest::fields::Field<'static>>::OPTIONAL,
            }
        }
    });
    quote! {
        #[doc = #documentation]
        #[allow(dead_code, reason = "an operator uses the columns that it needs")]
        #visibility struct #columns<#own> {
            #(
                #[doc = #paths]
                #visibilities #names: <#kinds as ::millstream_guest::fields::Field<#own>>::Column,
            )*
        }

        #[automatically_derived]
        impl #generics ::millstream_guest::Fields for #ident #arguments {
            type Declared = #ident #in_good;
            type Row<'row> = #ident #in_row;
            type Columns<'row> = #columns<'row>;

            const FIELDS: &'static [::millstream_guest::fields::FieldSpec] = &[ #( #specs ),* ];

            fn columns(
                columns: &[::millstream_guest::contract::TypedColumn],
            ) -> ::millstream_guest::Result<Self::Columns<'_>> {
                match columns {
                    [ #( #slots ),* ] => ::core::result::Result::Ok(#columns {
                        #( #names: <#kinds_here as ::millstream_guest::fields::Field<'_>>::column(#slots)?, )*
                    }),
                    _ => ::core::result::Result::Err(::millstream_guest::fields::missing()),
                }
            }

            #[inline]
            fn row(
                columns: &[::millstream_guest::contract::TypedColumn],
                index: usize,
            ) -> ::millstream_guest::Result<Self::Row<'_>> {
                match columns {
                    [ #( #slots ),* ] => ::core::result::Result::Ok(#ident {
                        #( #names: ::millstream_guest::fields::Field::read(#slots, index)?, )*
                    }),
                    _ => ::core::result::Result::Err(::millstream_guest::fields::missing()),
                }
            }

            #[inline]
            fn push(
                &self,
                columns: &mut [::millstream_guest::FieldColumn],
            ) -> ::millstream_guest::Result<()> {
                if let [ #( #slots ),* ] = columns {
                    #(
                        if let ::core::result::Result::Err(error) =
                            ::millstream_guest::fields::Field::push(&self.#names, #slots)
                        {
                            return ::core::result::Result::Err(error.context(#paths));
                        }
                    )*
                }
                ::core::result::Result::Ok(())
            }
        }
    }
}

/// A type with another lifetime in the place of the struct's.
fn borrowing(kind: &Type, own: Option<&Lifetime>, other: &str) -> TokenStream {
    match own {
        Some(own) => with_lifetime(kind.to_token_stream(), &own.ident.to_string(), other),
        None => kind.to_token_stream(),
    }
}

/// Tokens with one lifetime in the place of another; both without the quote before them.
pub(crate) fn with_lifetime(tokens: TokenStream, own: &str, other: &str) -> TokenStream {
    let mut after_quote = false;
    let replaced = tokens.into_iter().map(|token| {
        let is_own = after_quote && matches!(&token, TokenTree::Ident(ident) if ident == own);
        after_quote = matches!(&token, TokenTree::Punct(punct) if punct.as_char() == '\'');
        match token {
            TokenTree::Ident(ident) if is_own => TokenTree::Ident(Ident::new(other, ident.span())),
            TokenTree::Group(group) => {
                let mut inner = Group::new(group.delimiter(), with_lifetime(group.stream(), own, other));
                inner.set_span(group.span());
                TokenTree::Group(inner)
            }
            token => token,
        }
    });
    replaced.collect()
}

/// The one lifetime that the struct may have.
fn lifetime(input: &DeriveInput) -> Result<Option<Lifetime>> {
    let mut borrows = None;
    for parameter in &input.generics.params {
        match parameter {
            GenericParam::Lifetime(lifetime) if borrows.is_none() => borrows = Some(lifetime.lifetime.clone()),
            other => {
                return Err(Error::new(other.span(), "a struct of fields has one lifetime and no other parameters"));
            }
        }
    }
    Ok(borrows)
}

fn read(field: &Field) -> Result<Declared<'_>> {
    let Some(name) = &field.ident else {
        return Err(Error::new(field.span(), "fields need names"));
    };
    let mut path = None;
    for attribute in field.attrs.iter().filter(|attribute| attribute.path().is_ident("field")) {
        attribute.parse_nested_meta(|meta| {
            if !meta.path.is_ident("path") {
                return Err(meta.error("expected `path = \"/user/id\"`"));
            }
            let text: LitStr = meta.value()?.parse()?;
            if !is_path(&text.value()) {
                let message = format!("`{}` is no path of a field: write `/user/id`", text.value());
                return Err(Error::new(text.span(), message));
            }
            path = Some(text.value());
            Ok(())
        })?;
    }
    let own = name.to_string();
    let path = path.unwrap_or_else(|| format!("/{}", own.strip_prefix("r#").unwrap_or(&own)));
    Ok(Declared { name, kind: &field.ty, path })
}

/// Whether the host takes it: names behind slashes, in which `~` stands for nothing but `~0` and `~1`.
fn is_path(path: &str) -> bool {
    let is_name = |name: &str| !name.is_empty() && !name.replace("~0", "").replace("~1", "").contains('~');
    path.strip_prefix('/').is_some_and(|names| names.split('/').all(is_name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(item: TokenStream) -> String {
        expand(item).err().map(|error| error.to_string()).unwrap_or_default()
    }

    #[test]
    fn what_is_no_struct_of_fields_is_told() {
        assert_eq!(
            reason(quote!(
                enum E {
                    A,
                }
            )),
            "fields are the members of a struct"
        );
        assert!(
            reason(quote!(
                struct S;
            ))
            .starts_with("there is no field")
        );
        assert!(
            reason(quote!(
                struct S(f64);
            ))
            .starts_with("fields need names")
        );
        assert!(
            reason(quote!(
                struct S<T> {
                    a: T,
                }
            ))
            .contains("one lifetime and no other parameters")
        );
        assert!(
            reason(quote!(
                struct S<'a, 'b> {
                    a: &'a str,
                    b: &'b str,
                }
            ))
            .contains("one lifetime")
        );
    }

    #[test]
    fn paths_are_checked() {
        let of = |path: &str| {
            reason(quote!(
                struct S {
                    #[field(path = #path)]
                    a: f64,
                }
            ))
        };
        for path in ["amount", "/", "/a//b", "", "/a~2"] {
            assert_eq!(of(path), format!("`{path}` is no path of a field: write `/user/id`"));
        }
        assert_eq!(of("/a~1b/~0"), "");
        let twice = quote!(
            struct S {
                a: f64,
                #[field(path = "/a")]
                b: f64,
            }
        );
        assert_eq!(reason(twice), "`a` is the field `/a`, too");
        assert!(
            reason(quote!(
                struct S {
                    #[field(name = "a")]
                    a: f64,
                }
            ))
            .starts_with("expected `path")
        );
    }

    #[test]
    fn a_lifetime_is_replaced_wherever_it_is() {
        let replaced = with_lifetime(quote!(Option<Cow<'a, [&'a str]>>), "a", "static");
        assert_eq!(replaced.to_string(), quote!(Option<Cow<'static, [&'static str]>>).to_string());
    }
}
