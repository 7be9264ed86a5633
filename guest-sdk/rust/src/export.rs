//! Exports an operator from a component.

/// Exports an [`Operator`](crate::Operator); what [`#[operator]`](macro@crate::operator) does over its `impl`.
/// One a crate. Natively it does nothing, so that the crate can be tested and linked as any other.
#[macro_export]
macro_rules! export_operator {
    ($operator:ty) => {
        $crate::__export!($crate::Instance<$operator>);
    };
}

/// Exports a [`BatchOperator`](crate::BatchOperator).
#[macro_export]
macro_rules! export_batch {
    ($operator:ty) => {
        $crate::__export!($crate::BatchInstance<$operator>);
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __export {
    ($instance:ty) => {
        // Nothing is exported natively, and what is not exported would count as unused.
        #[cfg(not(target_family = "wasm"))]
        const _: fn(&str) -> ::core::result::Result<$instance, ::std::string::String> =
            <$instance as $crate::Guest>::configure;

        #[cfg(target_family = "wasm")]
        const _: () = {
            use $crate::Guest as _;

            ::std::thread_local! {
                static INSTANCE: ::std::cell::RefCell<::core::option::Option<$instance>> =
                    const { ::std::cell::RefCell::new(::core::option::Option::None) };
            }

            struct Component;

            impl $crate::contract::Guest for Component {
                fn describe() -> $crate::contract::Description {
                    <$instance>::describe()
                }

                fn configure(config: ::std::string::String) -> ::core::result::Result<(), ::std::string::String> {
                    let instance = <$instance>::configure(&config)?;
                    INSTANCE.set(::core::option::Option::Some(instance));
                    ::core::result::Result::Ok(())
                }

                fn process(
                    input: $crate::contract::BatchInput,
                ) -> ::core::result::Result<$crate::contract::BatchOutput, ::std::string::String> {
                    INSTANCE.with_borrow_mut(|instance| match instance {
                        ::core::option::Option::Some(instance) => instance.process(input),
                        ::core::option::Option::None => {
                            ::core::result::Result::Err("the operator is not configured".into())
                        }
                    })
                }

                fn on_timer(
                    timers: $crate::contract::FiredTimers,
                ) -> ::core::result::Result<$crate::contract::BatchOutput, ::std::string::String> {
                    INSTANCE.with_borrow_mut(|instance| match instance {
                        ::core::option::Option::Some(instance) => instance.on_timer(timers),
                        ::core::option::Option::None => {
                            ::core::result::Result::Err("the operator is not configured".into())
                        }
                    })
                }
            }

    $crate::bindings::export!(Component with_types_in $crate::bindings);
        };
    };
}
