//! What wasmtime generates from the contract in `wit/`: the calls of a guest's exports.
//! The imports are written by hand (`imports`), because `send` reads the message where it lies in the guest's memory.

#![allow(missing_docs, unreachable_pub, clippy::all)]

mod needed {
    wasmtime::component::bindgen!({
        path: "../wit",
        inline: "
            package whimbrel:host;
            world needed { export whimbrel:websocket/handler@0.1.0; }
        ",
        world: "whimbrel:host/needed",
        exports: { default: async },
        ownership: Borrowing { duplicate_if_necessary: true },
        with: { "whimbrel:websocket/types": crate::guest::types },
    });
}

mod optional {
    wasmtime::component::bindgen!({
        path: "../wit",
        inline: "
            package whimbrel:host;
            world optional {
                export whimbrel:websocket/upgrade@0.1.0;
                export whimbrel:websocket/fit@0.1.0;
                export whimbrel:websocket/lifecycle@0.1.0;
            }
        ",
        world: "whimbrel:host/optional",
        exports: { default: async },
        ownership: Borrowing { duplicate_if_necessary: true },
        with: { "whimbrel:websocket/types": crate::guest::types },
    });
}

pub(super) use needed::exports::whimbrel::websocket::handler;
pub(super) use optional::exports::whimbrel::websocket::{fit, lifecycle, upgrade};
