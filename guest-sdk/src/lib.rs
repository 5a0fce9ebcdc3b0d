#![doc = include_str!("guide.md")]

// Generated from ../wit by tests/bindings.
#[rustfmt::skip]
#[doc(hidden)]
#[allow(missing_docs, unsafe_code, unreachable_pub, clippy::too_many_lines)]
pub mod bindings;
mod connection;
#[doc(hidden)]
pub mod dispatch;
mod error;
mod handler;
#[rustfmt::skip]
#[doc(hidden)]
#[allow(missing_docs, unsafe_code, unreachable_pub)]
pub mod lifecycle_bindings;
mod message;
mod request;
mod resume;

pub use bindings::exports::whimbrel::websocket::upgrade::Refusal;
pub use bindings::whimbrel::websocket::connection::Info;
pub use bindings::whimbrel::websocket::types::{Arg, CloseCause, CloseInfo, Message, Request};
pub use connection::{Connection, connections, publish};
pub use error::{Error, Failure, Result};
pub use handler::Handler;
pub use resume::{Lifecycle, Resume};

/// Makes a [`Handler`] the one that this component exports; once per guest. What stands behind its name says how it deals
/// with connections that another instance opened, and so whom an instance may serve.
///
/// | | such connections | scopes |
/// | --- | --- | --- |
/// | `export!(Counter)` | are an error | `connection`, `room`, `shared` |
/// | `export!(Echo: Default)` | start from the handler's [`Default`] | all, also `event` |
/// | `export!(Quiz: Resume)` | start from what [`Resume::resume`] makes | all |
/// | `export!(Game: Lifecycle)` | likewise; and [`Lifecycle`] hands an instance's state over to another | all |
#[macro_export]
macro_rules! export {
    (@items $handler:ty, $scopes:ident, |$connection:ident| $resume:expr) => {
        ::std::thread_local! {
            static CONNECTIONS: $crate::dispatch::Connections<$handler> =
                const { $crate::dispatch::Connections::new() };
        }

        struct Exported;

        impl $crate::dispatch::Export for Exported {
            type Handler = $handler;

            const SCOPES: &'static [$crate::dispatch::Scope] = $crate::dispatch::$scopes;

            fn resume($connection: $crate::Connection) -> $crate::Result<$handler> {
                $resume
            }

            fn connections<T>(run: impl FnOnce(&$crate::dispatch::Connections<$handler>) -> T) -> T {
                CONNECTIONS.with(run)
            }
        }

        $crate::bindings::__export_bindings! { Exported with_types_in $crate::bindings }
    };
    ($handler:ty) => {
        const _: () = {
            $crate::export! {
                @items $handler, OPENED_HERE,
                |connection| $crate::dispatch::cannot_resume(connection, stringify!($handler))
            }
        };
    };
    ($handler:ty: Default) => {
        const _: () = {
            $crate::export! {
                @items $handler, OPENED_ANYWHERE, |_connection| Ok(<$handler as ::core::default::Default>::default())
            }
        };
    };
    ($handler:ty: Resume) => {
        const _: () = {
            $crate::export! {
                @items $handler, OPENED_ANYWHERE, |connection| <$handler as $crate::Resume>::resume(connection)
            }
        };
    };
    ($handler:ty: Lifecycle) => {
        const _: () = {
            $crate::export! {
                @items $handler, OPENED_ANYWHERE, |connection| <$handler as $crate::Resume>::resume(connection)
            }
            $crate::lifecycle_bindings::__export_lifecycle_bindings! {
                Exported with_types_in $crate::lifecycle_bindings
            }
        };
    };
}
