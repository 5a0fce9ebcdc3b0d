//! Times and steps of a session, and how they are read from arbitrary bytes.

use std::time::Duration;

use arbitrary::Unstructured;
use whimbrel::session::{CloseCause, CloseFrame, KeepAlive, Returned, Settings};

/// Events of one run.
const STEPS: usize = 512;

/// The times that a session is told, in milliseconds; 0 turns a part of keep-alive off.
#[derive(Debug, Clone, Copy)]
pub struct Times {
    pub ping_interval: u16,
    pub ping_timeout: u16,
    pub close_timeout: u16,
    pub slow_consumer_time: u16,
}

impl Times {
    /// The one place that makes settings.
    pub fn settings(self) -> Settings {
        let optional = |ms: u16| (ms > 0).then(|| Duration::from_millis(ms.into()));
        // As the limits promise: a timeout is never longer than the interval, unless either is off.
        let timeout =
            if self.ping_interval > 0 { self.ping_timeout.min(self.ping_interval) } else { self.ping_timeout };
        let time = |ms: u16| Duration::from_millis(ms.max(1).into());
        Settings {
            keep_alive: KeepAlive { interval: optional(self.ping_interval), timeout: optional(timeout) },
            close_timeout: time(self.close_timeout),
            slow_consumer_time: time(self.slow_consumer_time),
        }
    }
}

/// What happens next.
#[derive(Debug, Clone, Copy)]
pub enum Step {
    /// So many milliseconds pass.
    Wait(u16),
    /// The session's deadline comes.
    Deadline,
    /// The deadline may have passed; it need not.
    Timer,
    /// So many bytes.
    Message(u32),
    Ping(u8),
    Pong(u8),
    CloseFrame(Option<u16>),
    Violation(u8),
    Disconnected,
    Progress,
    Full(bool),
    Overflowed,
    CloseRequested(Option<u16>),
    Drain(bool),
    Return(Returned),
}

/// A run, read from a fuzzer's bytes.
pub(super) fn read(data: &[u8]) -> (Times, Vec<Step>) {
    let mut data = Unstructured::new(data);
    // Once the bytes are used up there are only zeros.
    let times = Times {
        ping_interval: data.arbitrary().unwrap_or_default(),
        ping_timeout: data.arbitrary().unwrap_or_default(),
        close_timeout: data.arbitrary().unwrap_or_default(),
        slow_consumer_time: data.arbitrary().unwrap_or_default(),
    };
    let mut steps = Vec::new();
    while !data.is_empty() && steps.len() < STEPS {
        steps.extend(step(&mut data));
    }
    (times, steps)
}

fn step(data: &mut Unstructured<'_>) -> arbitrary::Result<Step> {
    Ok(match data.arbitrary::<u8>()? % 18 {
        0 => Step::Wait(data.arbitrary()?),
        1 => Step::Deadline,
        2 => Step::Timer,
        3 | 4 => Step::Message(data.arbitrary()?),
        5 => Step::Ping(data.arbitrary()?),
        6 => Step::Pong(data.arbitrary()?),
        7 => Step::CloseFrame(data.arbitrary()?),
        8 => Step::Violation(data.arbitrary()?),
        9 => Step::Disconnected,
        10 => Step::Progress,
        11 => Step::Full(data.arbitrary()?),
        12 => Step::Overflowed,
        13 => Step::CloseRequested(data.arbitrary()?),
        14 => Step::Drain(data.arbitrary()?),
        15 => Step::Return(Returned::Failed),
        16 if data.arbitrary()? => Step::Return(Returned::Trapped),
        _ => Step::Return(Returned::Done),
    })
}

pub(super) fn frame(code: Option<u16>) -> Option<CloseFrame> {
    code.map(|code| CloseFrame::new(code, "x"))
}

pub(super) fn violation(kind: u8) -> CloseCause {
    let kinds =
        [CloseCause::ProtocolError, CloseCause::InvalidText, CloseCause::MessageTooBig, CloseCause::RateLimited];
    kinds[usize::from(kind) % kinds.len()]
}
