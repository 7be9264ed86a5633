//! An `impl` of one of the SDK's traits, to which an attribute adds what the author may leave out.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::{Error, Expr, ImplItem, ItemImpl, Result, parse_quote};

/// The `impl` under an attribute.
pub(crate) struct Filled {
    item: ItemImpl,
}

impl Filled {
    pub(crate) fn parse(item: TokenStream) -> Result<Self> {
        Ok(Self { item: syn::parse2(item)? })
    }

    /// Which of these traits it implements.
    pub(crate) fn implements(&self, traits: &[&'static str], attribute: &str) -> Result<&'static str> {
        let path = self.item.trait_.as_ref().map(|(_, path, _)| path);
        let name = path.and_then(|path| path.segments.last()).map(|segment| segment.ident.to_string());
        traits.iter().find(|known| name.as_deref() == Some(**known)).copied().ok_or_else(|| {
            let allowed: Vec<_> = traits.iter().map(|name| format!("`impl {name} for ..`")).collect();
            self.error(&format!("`#[{attribute}]` stands over {}", allowed.join(" or ")))
        })
    }

    /// An error about the type that the trait is implemented for.
    pub(crate) fn error(&self, message: &str) -> Error {
        Error::new_spanned(&self.item.self_ty, message)
    }

    /// Whether the author wrote an item of this name.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.item.items.iter().any(|item| match item {
            ImplItem::Type(item) => item.ident == name,
            ImplItem::Const(item) => item.ident == name,
            ImplItem::Fn(item) => item.sig.ident == name,
            _ => false,
        })
    }

    pub(crate) fn add(&mut self, item: ImplItem) {
        self.item.items.push(item);
    }

    pub(crate) fn add_missing(&mut self, name: &str, item: impl FnOnce() -> ImplItem) {
        if !self.has(name) {
            self.add(item());
        }
    }

    /// The JSON Schema of the configuration that the attribute names.
    pub(crate) fn add_schema(&mut self, schema: Option<&Expr>) {
        if let Some(schema) = schema {
            self.add(parse_quote!(
                const CONFIG_SCHEMA: ::core::option::Option<&'static str> = ::core::option::Option::Some(#schema);
            ));
        }
    }

    /// No configuration, and an instance by `Default`, where the author says nothing.
    pub(crate) fn add_configure(&mut self, noun: &str) -> Result<()> {
        let has_config = self.has("Config");
        if has_config && !self.has("configure") {
            return Err(self.error(&format!("{noun} with a `Config` needs `fn configure`")));
        }
        self.add_missing("Config", || {
            parse_quote!(
                type Config = ::millstream_guest::NoConfig;
            )
        });
        self.add_missing("configure", || {
            parse_quote! {
                fn configure(_: Self::Config) -> ::millstream_guest::Result<Self> {
                    ::core::result::Result::Ok(<Self as ::core::default::Default>::default())
                }
            }
        });
        Ok(())
    }

    /// The `impl`, and the call of an exporting macro of the SDK with the type.
    pub(crate) fn exported(&self, export: &TokenStream) -> TokenStream {
        let (item, exported) = (&self.item, &self.item.self_ty);
        quote! {
            #item
            ::millstream_guest::#export!(#exported);
        }
    }
}

impl ToTokens for Filled {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        self.item.to_tokens(tokens);
    }
}
