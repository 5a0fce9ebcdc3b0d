//! Times and steps of a session, and how they are read from arbitrary bytes.

use std::time::Duration;

use arbitrary::Unstructured;
use whimbrel::session::{CloseFrame, KeepAlive, Passed, RateLimits, Returned, Settings, Violation};

/// Events of one run.
const STEPS: usize = 512;

/// The times that a session is told, in milliseconds; 0 turns a part of keep-alive off.
#[derive(Debug, Clone, Copy)]
pub struct Times {
    pub ping_interval: u16,
    pub ping_timeout: u16,
    pub close_timeout: u16,
    pub slow_consumer_time: u16,
    pub message_time: u16,
    pub rate_time: u16,
    /// Messages, hundreds of bytes, and control frames per second; 0 is off.
    pub rates: [u16; 3],
}

impl Times {
    /// The one place that makes settings.
    pub fn settings(self) -> Settings {
        let optional = |ms: u16| (ms > 0).then(|| Duration::from_millis(ms.into()));
        // As the limits promise: a timeout is never longer than the interval, unless either is off.
        let timeout =
            if self.ping_interval > 0 { self.ping_timeout.min(self.ping_interval) } else { self.ping_timeout };
        let rate = |count: u16| (count > 0).then(|| u64::from(count));
        let time = |ms: u16| Duration::from_millis(ms.max(1).into());
        Settings {
            keep_alive: KeepAlive { interval: optional(self.ping_interval), timeout: optional(timeout) },
            close_timeout: time(self.close_timeout),
            slow_consumer_time: time(self.slow_consumer_time),
            outbound: 1 << 20,
            message_time: optional(self.message_time),
            rates: RateLimits {
                messages: rate(self.rates[0]),
                bytes: rate(self.rates[1]).map(|rate| rate * 100),
                time: time(self.rate_time),
                control_frames: rate(self.rates[2]),
            },
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
    /// The first byte of a message that is not complete.
    Begin,
    Ping(u8),
    Pong(u8, bool),
    CloseFrame(Option<u16>),
    Violation(u8),
    Disconnected,
    Progress(u16),
    /// So much waits that nothing is read.
    Backlog(bool),
    Full(bool),
    Overflowed,
    CloseRequested(Option<u16>),
    Drain(bool),
    Return(Returned),
    /// The guest takes what waits behind its running call.
    Burst,
    /// Another connection's event trapped the instance.
    InstanceLost,
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
        message_time: data.arbitrary().unwrap_or_default(),
        rate_time: data.arbitrary().unwrap_or_default(),
        rates: data.arbitrary().unwrap_or_default(),
    };
    let mut steps = Vec::new();
    while !data.is_empty() && steps.len() < STEPS {
        steps.extend(step(&mut data));
    }
    (times, steps)
}

fn step(data: &mut Unstructured<'_>) -> arbitrary::Result<Step> {
    Ok(match data.arbitrary::<u8>()? % 22 {
        0 => Step::Wait(data.arbitrary()?),
        1 => Step::Deadline,
        2 => Step::Timer,
        3 | 4 => Step::Message(data.arbitrary()?),
        5 => Step::Ping(data.arbitrary()?),
        6 => Step::Pong(data.arbitrary()?, data.arbitrary()?),
        7 => Step::CloseFrame(data.arbitrary()?),
        8 => Step::Violation(data.arbitrary()?),
        9 => Step::Disconnected,
        10 => Step::Progress(data.arbitrary()?),
        11 => Step::Full(data.arbitrary()?),
        12 => Step::Overflowed,
        13 => Step::CloseRequested(data.arbitrary()?),
        14 => Step::Drain(data.arbitrary()?),
        15 => Step::Return(Returned::Failed),
        18 => Step::Begin,
        19 => Step::Backlog(data.arbitrary()?),
        20 => Step::Burst,
        21 if data.arbitrary()? => Step::InstanceLost,
        16 if data.arbitrary()? => Step::Return(Returned::Trapped),
        _ => Step::Return(Returned::Done),
    })
}

pub(super) fn frame(code: Option<u16>) -> Option<CloseFrame> {
    code.map(|code| CloseFrame::new(code, "x"))
}

pub(super) fn violation(kind: u8) -> Violation {
    let too_large = Violation::Limit(Passed::MessageSize { bytes: 2, allowed: 1 });
    let too_many = Violation::Limit(Passed::Fragments { count: 2, allowed: 1 });
    let kinds = [Violation::Protocol, Violation::InvalidText, too_large, too_many];
    kinds[usize::from(kind) % kinds.len()]
}
