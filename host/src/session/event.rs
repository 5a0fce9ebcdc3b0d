//! What happens to a session, and what it asks for.

use std::time::Duration;

use bytes::Bytes;

use super::{Passed, Violation};
use crate::message::Message;

/// A code with its reason, as a close frame carries it (RFC 6455 section 5.5.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CloseFrame {
    /// The status code.
    pub code: u16,
    /// At most 123 bytes.
    pub reason: String,
}

impl CloseFrame {
    /// A frame with this code and reason.
    pub fn new(code: u16, reason: &str) -> Self {
        CloseFrame { code, reason: reason.to_owned() }
    }
}

/// Why a connection ended; the contract's `close-cause`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CloseCause {
    /// The peer's close frame came first.
    Peer,
    /// The guest called `close`.
    Guest,
    /// The transport ended without a close frame.
    Network,
    /// Nothing was heard from the peer for the ping timeout.
    PingTimeout,
    /// The peer broke RFC 6455: 1002.
    ProtocolError,
    /// Text that is not UTF-8: 1007.
    InvalidText,
    /// Over the maximum message size: 1009.
    MessageTooBig,
    /// More than the limits allow, such as a message in endless fragments: 1008.
    RateLimited,
    /// The outbound buffer stayed over its limit: 1008.
    SlowConsumer,
    /// A handler function returned an error: 1011.
    GuestError,
    /// The host (1001) or the revision (1012) is being drained.
    Drained,
}

impl CloseCause {
    /// The contract's name, as it appears in logs and metrics.
    pub fn name(self) -> &'static str {
        match self {
            CloseCause::Peer => "peer",
            CloseCause::Guest => "guest",
            CloseCause::Network => "network",
            CloseCause::PingTimeout => "ping-timeout",
            CloseCause::ProtocolError => "protocol-error",
            CloseCause::InvalidText => "invalid-text",
            CloseCause::MessageTooBig => "message-too-big",
            CloseCause::RateLimited => "rate-limited",
            CloseCause::SlowConsumer => "slow-consumer",
            CloseCause::GuestError => "guest-error",
            CloseCause::Drained => "drained",
        }
    }
}

/// How a connection ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CloseInfo {
    /// The peer's close frame; none unless one with a code arrived.
    pub frame: Option<CloseFrame>,
    /// Who or what ended it.
    pub cause: CloseCause,
}

/// One function of the handler to call.
#[derive(Debug, PartialEq, Eq)]
pub enum Call {
    /// `open`.
    Open,
    /// `on-message`.
    Message(Message),
    /// `on-ping`.
    Ping(Bytes),
    /// `on-pong`.
    Pong(Bytes),
    /// `on-close`.
    Close(CloseInfo),
}

impl Call {
    /// The contract's name of the function.
    pub fn function(&self) -> &'static str {
        match self {
            Call::Open => "open",
            Call::Message(_) => "on-message",
            Call::Ping(_) => "on-ping",
            Call::Pong(_) => "on-pong",
            Call::Close(_) => "on-close",
        }
    }

    /// Bytes that came with the event; none for `open`.
    pub fn size(&self) -> Option<usize> {
        match self {
            Call::Open => None,
            Call::Close(info) => Some(info.frame.as_ref().map_or(0, |frame| frame.reason.len())),
            _ => Some(self.bytes()),
        }
    }

    /// Payload bytes that the call holds while it waits.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Call::Message(message) => message.len(),
            Call::Ping(data) | Call::Pong(data) => data.len(),
            Call::Open | Call::Close(_) => 0,
        }
    }
}

/// How a call of the guest ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Returned {
    /// Normally.
    Done,
    /// With `err(text)`: the instance lives on.
    Failed,
    /// With a trap, its own or another's: the instance is gone.
    Trapped,
}

/// Everything that can happen to an open connection.
#[derive(Debug)]
pub enum Event {
    /// A complete message.
    Message(Message),
    /// A ping; its pong is already queued.
    Ping(Bytes),
    /// A pong; whether a ping was out that it may answer.
    Pong(Bytes, bool),
    /// The peer's close frame, first or in answer to ours; an answer is already queued where one is due.
    CloseFrame(Option<CloseFrame>),
    /// The peer broke a rule and must be closed for it.
    Violation(Violation),
    /// The transport ended.
    Disconnected,
    /// The peer took so many bytes from us, and more wait.
    Progress(usize),
    /// The outbound buffer is full since the last event of this kind said otherwise, or no longer.
    Full(bool),
    /// A publication did not fit into the outbound buffer.
    Overflowed,
    /// The guest called `close`.
    CloseRequested(Option<CloseFrame>),
    /// The host is out of memory for what this peer sends.
    TryAgainLater,
    /// The transport was dropped, for the peer took too little of what the host holds for it.
    GivenUp,
    /// Host or revision want the connection to end with this code.
    Drain(u16),
    /// The running call of the guest ended, and those of its burst with it.
    Returned(Returned),
    /// An event of another connection trapped the instance that serves this one too.
    InstanceLost,
    /// The deadline that `Session::deadline` named may have passed.
    Timer,
    /// The owner has done all that it could, and is about to sleep; leads to no action.
    Settled(Settled),
}

/// How things stand before the owner sleeps.
#[derive(Debug, Clone, Copy)]
pub struct Settled {
    /// Bytes that came since the last time.
    pub received: usize,
    /// The number of the message, or of the control frame between messages, that has begun and is not complete.
    pub incomplete: Option<u64>,
    /// So much waits for the peer that nothing more is read from it.
    pub is_backlogged: bool,
}

/// What the session asks its owner to do.
#[derive(Debug, PartialEq, Eq)]
pub enum Action {
    /// Call the guest, and tell `Event::Returned`.
    Call(Call),
    /// Queue a keep-alive ping.
    Ping,
    /// Queue a close frame; after it nothing else is sent.
    SendClose(Option<CloseFrame>),
    /// A keep-alive ping was answered after this long.
    RoundTrip(Duration),
    /// Count and log a limit that was passed.
    Report(Passed),
    /// Drop the transport as it is.
    Abort,
}
