//! The contract's interface `types` in Rust. Written by hand, so that a handshake's request is kept once and lowered by
//! reference; wasmtime compares it with every component that is loaded. What the items mean is said in
//! `wit/types.wit`.

#![allow(missing_docs)]

use wasmtime::component::{ComponentType, HasData, Lift, Linker, Lower};

/// `connection-id`.
pub type ConnectionId = u32;

/// `message`, on its way to the guest.
#[derive(ComponentType, Lower)]
#[component(variant)]
pub enum Message<'a> {
    #[component(name = "text")]
    Text(&'a str),
    #[component(name = "binary")]
    Binary(&'a [u8]),
}

/// `request`, by reference.
pub type Request<'a> = &'a super::request::Request;

/// `close-cause`.
#[derive(ComponentType, Lower, Clone, Copy)]
#[component(enum)]
#[repr(u8)]
pub enum CloseCause {
    #[component(name = "peer")]
    Peer,
    #[component(name = "guest")]
    Guest,
    #[component(name = "network")]
    Network,
    #[component(name = "ping-timeout")]
    PingTimeout,
    #[component(name = "protocol-error")]
    ProtocolError,
    #[component(name = "invalid-text")]
    InvalidText,
    #[component(name = "message-too-big")]
    MessageTooBig,
    #[component(name = "rate-limited")]
    RateLimited,
    #[component(name = "slow-consumer")]
    SlowConsumer,
    #[component(name = "guest-error")]
    GuestError,
    #[component(name = "drained")]
    Drained,
}

/// `close-info`.
#[derive(ComponentType, Lower)]
#[component(record)]
pub struct CloseInfo<'a> {
    pub code: Option<u16>,
    pub reason: Option<&'a str>,
    pub cause: CloseCause,
}

/// `error`.
#[derive(ComponentType, Lower, Lift, Debug)]
#[component(variant)]
pub enum Error {
    #[component(name = "closed")]
    Closed,
    #[component(name = "unknown-connection")]
    UnknownConnection,
    #[component(name = "too-large")]
    TooLarge(u32),
    #[component(name = "buffer-full")]
    BufferFull(u32),
    #[component(name = "invalid")]
    Invalid(String),
    #[component(name = "denied")]
    Denied(String),
}

/// `bindgen!` asks every interface for the three items below; this interface has no functions.
pub trait Host {}

/// See [`Host`].
pub trait HostWithStore<T>: HasData {}

/// See [`Host`].
pub fn add_to_linker<T: 'static, D: HasData>(_: &mut Linker<T>, _: fn(&mut T) -> D::Data<'_>) -> wasmtime::Result<()> {
    Ok(())
}
