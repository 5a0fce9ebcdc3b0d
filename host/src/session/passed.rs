//! What ends a connection for the peer's fault: a broken rule of the protocol, or a limit that was passed, with what the
//! wire and the log say of it.

use std::time::Duration;

use super::{CloseCause, CloseFrame};
use crate::limits::{Kind, Value};

/// The peer broke a rule, and is closed at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Violation {
    /// RFC 6455: 1002.
    Protocol,
    /// Text that is not UTF-8: 1007.
    InvalidText,
    /// A limit: 1008 or 1009.
    Limit(Passed),
}

impl Violation {
    /// What the guest is told.
    pub(super) fn cause(self) -> CloseCause {
        match self {
            Violation::Protocol => CloseCause::ProtocolError,
            Violation::InvalidText => CloseCause::InvalidText,
            Violation::Limit(passed) => passed.cause(),
        }
    }

    /// What the peer is told.
    pub(super) fn frame(self) -> CloseFrame {
        match self {
            Violation::Protocol => CloseFrame::new(1002, "protocol error"),
            Violation::InvalidText => CloseFrame::new(1007, "invalid UTF-8"),
            Violation::Limit(passed) => passed.frame(),
        }
    }
}

/// A limit of an open connection that was passed, and by how much.
#[allow(missing_docs, reason = "a variant tells what its fields are")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Passed {
    /// A message, or the header of one, of so many bytes.
    MessageSize { bytes: usize, allowed: usize },
    /// A message in so many fragments.
    Fragments { count: u64, allowed: u64 },
    /// A message that was not complete in time.
    MessageTime { allowed: Duration },
    /// The peer went on being faster than `per_second` messages.
    Messages { per_second: u64, rate_time: Duration },
    /// The peer went on being faster than `per_second` bytes.
    Bytes { per_second: u64, rate_time: Duration },
    /// More pings and pongs than `per_second`, and ten seconds' worth at once.
    ControlFrames { per_second: u64 },
    /// Something was refused for want of room: `is_lost` if it was a publication, which nobody sends again.
    Outbound { is_lost: bool, allowed: usize },
    /// The peer did not take what waits for it.
    SlowConsumer { allowed: Duration },
    /// Nothing came from the peer after a ping.
    Silence { allowed: Duration },
    /// The peer did not answer a close frame.
    NoAnswer { allowed: Duration },
}

impl Passed {
    /// The setting that changes the limit, as a manifest's section and key.
    pub fn setting(&self) -> &'static str {
        match self {
            Passed::MessageSize { .. } => "limits.max_message_size",
            Passed::Fragments { .. } => "limits.fragments",
            Passed::MessageTime { .. } => "limits.message_time",
            Passed::Messages { .. } => "limits.messages_per_second",
            Passed::Bytes { .. } => "limits.bytes_per_second",
            Passed::ControlFrames { .. } => "limits.control_frames",
            Passed::Outbound { .. } => "limits.outbound",
            Passed::SlowConsumer { .. } => "limits.slow_consumer_time",
            Passed::Silence { .. } => "limits.ping_timeout",
            Passed::NoAnswer { .. } => "limits.close_timeout",
        }
    }

    /// What passed the limit.
    pub fn value(&self) -> String {
        match self {
            Passed::MessageSize { bytes, .. } => format!("a message of {}", size(*bytes)),
            Passed::Fragments { count, .. } => format!("a message in {count} fragments"),
            Passed::MessageTime { allowed } => format!("a message was not complete after {}", time(*allowed)),
            Passed::Messages { rate_time, .. } | Passed::Bytes { rate_time, .. } => {
                format!("the peer was faster for {} (limits.rate_time)", time(*rate_time))
            }
            Passed::ControlFrames { .. } => "too many pings and pongs".to_owned(),
            Passed::Outbound { is_lost: true, .. } => "no room for a publication".to_owned(),
            Passed::Outbound { is_lost: false, .. } => "no room for a message".to_owned(),
            Passed::SlowConsumer { allowed } => format!("the peer did not take what waits for {}", time(*allowed)),
            Passed::Silence { allowed } => format!("nothing came for {} after a ping", time(*allowed)),
            Passed::NoAnswer { allowed } => format!("no answer to a close frame for {}", time(*allowed)),
        }
    }

    /// What the limit allows.
    pub fn allowed(&self) -> String {
        match self {
            Passed::MessageSize { allowed, .. } | Passed::Outbound { allowed, .. } => size(*allowed),
            Passed::Fragments { allowed, .. } => allowed.to_string(),
            Passed::MessageTime { allowed }
            | Passed::SlowConsumer { allowed }
            | Passed::Silence { allowed }
            | Passed::NoAnswer { allowed } => time(*allowed),
            Passed::Messages { per_second, .. } | Passed::ControlFrames { per_second } => {
                format!("{per_second} per second")
            }
            Passed::Bytes { per_second, .. } => {
                format!("{} per second", Value { kind: Kind::Size, amount: Some(*per_second) })
            }
        }
    }

    pub(super) fn cause(self) -> CloseCause {
        match self {
            Passed::MessageSize { .. } => CloseCause::MessageTooBig,
            Passed::Outbound { .. } | Passed::SlowConsumer { .. } => CloseCause::SlowConsumer,
            Passed::Silence { .. } => CloseCause::PingTimeout,
            Passed::NoAnswer { .. } => CloseCause::Network,
            _ => CloseCause::RateLimited,
        }
    }

    /// Short and stable: clients compare them.
    pub(super) fn frame(self) -> CloseFrame {
        let (code, reason) = match self {
            Passed::MessageSize { .. } => (1009, "message too big"),
            Passed::Fragments { .. } => (1008, "too many fragments"),
            Passed::MessageTime { .. } => (1008, "message too slow"),
            Passed::Messages { .. } => (1008, "too many messages"),
            Passed::Bytes { .. } => (1008, "too many bytes"),
            Passed::ControlFrames { .. } => (1008, "too many control frames"),
            Passed::Outbound { .. } | Passed::SlowConsumer { .. } => (1008, "slow consumer"),
            // Never sent: nobody would read it.
            Passed::Silence { .. } | Passed::NoAnswer { .. } => (1008, "no answer"),
        };
        CloseFrame::new(code, reason)
    }
}

fn size(bytes: usize) -> String {
    Value { kind: Kind::Size, amount: u64::try_from(bytes).ok() }.to_string()
}

fn time(time: Duration) -> String {
    Value { kind: Kind::Time, amount: u64::try_from(time.as_nanos()).ok() }.to_string()
}
