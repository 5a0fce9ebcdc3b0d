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
mod message;
mod request;

pub use bindings::exports::whimbrel::websocket::upgrade::Refusal;
pub use bindings::whimbrel::websocket::connection::Info;
pub use bindings::whimbrel::websocket::types::{Arg, CloseCause, CloseInfo, Message, Request};
pub use connection::{Connection, connections, publish};
pub use error::{Error, Failure, Result};
pub use handler::Handler;

/// Makes a [`Handler`] the one that this component exports; once per guest.
#[macro_export]
macro_rules! export {
    ($handler:ty) => {
        const _: () = {
            ::std::thread_local! {
                static CONNECTIONS: $crate::dispatch::Connections<$handler> =
                    const { $crate::dispatch::Connections::new() };
            }

            struct Exported;

            impl $crate::dispatch::Export for Exported {
                type Handler = $handler;

                fn connections<T>(run: impl FnOnce(&$crate::dispatch::Connections<$handler>) -> T) -> T {
                    CONNECTIONS.with(run)
                }
            }

            $crate::bindings::__export_bindings! { Exported with_types_in $crate::bindings }
        };
    };
}
