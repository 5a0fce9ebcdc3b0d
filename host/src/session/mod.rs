//! The rules of one open connection as a state machine without I/O: `step` takes an event, `next_action` yields what
//! to do. The order of events, the one `on-close`, keep-alive and the closing handshake are decided here and nowhere
//! else.

mod event;
mod keep_alive;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

pub use event::{Action, Call, CloseCause, CloseFrame, CloseInfo, Event, Returned};
pub use keep_alive::KeepAlive;
use keep_alive::{Due, Liveness};

/// Calls that may wait for a busy guest; beyond, the socket is not read.
const PENDING_CALLS: usize = 64;
/// Payload bytes that may wait for a busy guest; beyond, the socket is not read.
const PENDING_BYTES: usize = 64 * 1024;

/// What a session needs to know before it starts.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// Keep-alive pings.
    pub keep_alive: KeepAlive,
    /// How long the peer may take to answer a close frame.
    pub close_timeout: Duration,
    /// How long the outbound buffer may stay full.
    pub slow_consumer_time: Duration,
}

/// The transport as far as the rules care.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Transport {
    Open,
    /// Our close frame is queued; the peer's has not come.
    Closing {
        cause: CloseCause,
        deadline: Instant,
    },
    /// Nothing comes from the peer any more.
    Closed,
}

/// The handler as far as the rules care.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Handler {
    /// `open` has not returned.
    Opening,
    Idle,
    Busy,
    /// `on-close` is running.
    Leaving,
    /// Trapped, never opened, or told about the end: not called any more.
    Gone,
}

/// The rules of one open connection.
#[derive(Debug)]
pub struct Session {
    settings: Settings,
    transport: Transport,
    handler: Handler,
    pending: VecDeque<Call>,
    pending_bytes: usize,
    actions: VecDeque<Action>,
    liveness: Liveness,
    full_since: Option<Instant>,
    drain: Option<u16>,
    end: Option<CloseInfo>,
}

impl Session {
    /// A session whose handshake has just been answered; its first action is to call `open`.
    pub fn new(settings: Settings, now: Instant) -> Self {
        Session {
            settings,
            transport: Transport::Open,
            handler: Handler::Opening,
            pending: VecDeque::new(),
            pending_bytes: 0,
            actions: VecDeque::from([Action::Call(Call::Open)]),
            liveness: Liveness::new(settings.keep_alive, now),
            full_since: None,
            drain: None,
            end: None,
        }
    }

    /// Take in what happened.
    pub fn step(&mut self, event: Event, now: Instant) {
        match event {
            Event::Message(message) => {
                self.liveness.heard(now);
                self.deliver(Call::Message(message));
            }
            Event::Ping(data) => {
                self.liveness.heard(now);
                self.deliver(Call::Ping(data));
            }
            Event::Pong(data) => {
                if let Some(round_trip) = self.liveness.pong(now) {
                    self.actions.push_back(Action::RoundTrip(round_trip));
                }
                self.deliver(Call::Pong(data));
            }
            Event::CloseFrame(frame) => self.peer_closed(frame),
            Event::Violation(cause) => self.violated(cause),
            Event::Disconnected => self.disconnected(CloseCause::Network),
            Event::Progress => self.liveness.heard(now),
            Event::Full(true) => self.full_since = self.full_since.or(Some(now)),
            Event::Full(false) => self.full_since = None,
            Event::Overflowed => self.close_slow_consumer(now),
            Event::CloseRequested(frame) => self.close(frame, CloseCause::Guest, now),
            Event::Drain(code) => self.drain = Some(code),
            Event::Returned(returned) => self.returned(returned, now),
            Event::Timer => self.timer(now),
        }
        self.drain_when_idle(now);
    }

    /// The next thing to do; none until another event.
    pub fn next_action(&mut self) -> Option<Action> {
        if let Some(action) = self.actions.pop_front() {
            return Some(action);
        }
        if self.handler != Handler::Idle {
            return None;
        }
        if let Some(call) = self.pending.pop_front() {
            self.pending_bytes -= call.bytes();
            self.handler = Handler::Busy;
            return Some(Action::Call(call));
        }
        let end = self.end.clone()?;
        self.handler = Handler::Leaving;
        Some(Action::Call(Call::Close(end)))
    }

    /// Whether the socket should be read: not while too much waits for the guest, nor before a drain's close frame.
    pub fn wants_read(&self) -> bool {
        let has_room = self.pending.len() < PENDING_CALLS && self.pending_bytes < PENDING_BYTES;
        match self.transport {
            Transport::Open => self.drain.is_none() && has_room,
            Transport::Closing { .. } => has_room,
            Transport::Closed => false,
        }
    }

    /// Whether nothing is left to be done: the transport has ended and the guest knows.
    pub fn is_over(&self) -> bool {
        self.transport == Transport::Closed && self.handler == Handler::Gone && self.actions.is_empty()
    }

    /// When to send `Event::Timer`.
    pub fn deadline(&self) -> Option<Instant> {
        match self.transport {
            Transport::Open => {
                let slow = self.full_since.map(|since| since + self.settings.slow_consumer_time);
                match (slow, self.liveness.deadline()) {
                    (Some(slow), Some(alive)) => Some(slow.min(alive)),
                    (slow, alive) => slow.or(alive),
                }
            }
            Transport::Closing { deadline, .. } => Some(deadline),
            Transport::Closed => None,
        }
    }

    /// How the connection ended; none while it has not.
    pub fn end(&self) -> Option<&CloseInfo> {
        self.end.as_ref()
    }

    fn deliver(&mut self, call: Call) {
        let wanted = match self.transport {
            Transport::Open => true,
            // Tornado's order: what arrives after the handler's own close is still delivered.
            Transport::Closing { cause, .. } => cause == CloseCause::Guest,
            Transport::Closed => false,
        };
        if wanted && self.handler != Handler::Gone {
            self.pending_bytes += call.bytes();
            self.pending.push_back(call);
        }
    }

    fn peer_closed(&mut self, frame: Option<CloseFrame>) {
        let cause = match self.transport {
            Transport::Open => CloseCause::Peer,
            Transport::Closing { cause, .. } => cause,
            Transport::Closed => return,
        };
        self.ended(CloseInfo { frame, cause });
    }

    fn violated(&mut self, cause: CloseCause) {
        let cause = match self.transport {
            Transport::Open => {
                let (code, reason) = match cause {
                    CloseCause::InvalidText => (1007, "invalid UTF-8"),
                    CloseCause::MessageTooBig => (1009, "message too big"),
                    CloseCause::RateLimited => (1008, "too many fragments"),
                    _ => (1002, "protocol error"),
                };
                let frame = CloseFrame::new(code, reason);
                self.actions.push_back(Action::SendClose(Some(frame)));
                cause
            }
            Transport::Closing { cause, .. } => cause,
            Transport::Closed => return,
        };
        self.ended(CloseInfo { frame: None, cause });
    }

    fn disconnected(&mut self, cause: CloseCause) {
        let cause = match self.transport {
            Transport::Open => cause,
            Transport::Closing { cause, .. } => cause,
            Transport::Closed => return,
        };
        self.ended(CloseInfo { frame: None, cause });
        self.actions.push_back(Action::Abort);
    }

    /// Start the closing handshake from this side.
    fn close(&mut self, frame: Option<CloseFrame>, cause: CloseCause, now: Instant) {
        if self.transport == Transport::Open {
            self.transport = Transport::Closing { cause, deadline: now + self.settings.close_timeout };
            self.actions.push_back(Action::SendClose(frame));
        }
    }

    fn close_slow_consumer(&mut self, now: Instant) {
        let frame = CloseFrame::new(1008, "slow consumer");
        self.close(Some(frame), CloseCause::SlowConsumer, now);
    }

    fn ended(&mut self, info: CloseInfo) {
        self.transport = Transport::Closed;
        self.end = Some(info);
    }

    fn returned(&mut self, returned: Returned, now: Instant) {
        self.handler = match (self.handler, returned) {
            (Handler::Leaving, _) | (_, Returned::Trapped) => Handler::Gone,
            (Handler::Opening, Returned::Failed) => Handler::Gone,
            _ => Handler::Idle,
        };
        if returned != Returned::Done {
            let reason = if returned == Returned::Trapped { "the handler trapped" } else { "the handler failed" };
            self.pending.clear();
            self.pending_bytes = 0;
            let frame = CloseFrame::new(1011, reason);
            self.close(Some(frame), CloseCause::GuestError, now);
        }
    }

    fn timer(&mut self, now: Instant) {
        match self.transport {
            Transport::Open => self.open_timer(now),
            Transport::Closing { deadline, .. } if now >= deadline => {
                self.disconnected(CloseCause::Network);
            }
            Transport::Closing { .. } | Transport::Closed => {}
        }
    }

    fn open_timer(&mut self, now: Instant) {
        if !self.wants_read() {
            // The peer may well have spoken; it is this side that does not listen.
            self.liveness.heard(now);
        }
        let slow = self.settings.slow_consumer_time;
        if self.full_since.is_some_and(|since| now >= since + slow) {
            return self.close_slow_consumer(now);
        }
        match self.liveness.due(now) {
            Due::Nothing => {}
            Due::Ping => self.actions.push_back(Action::Ping),
            Due::Dead => self.disconnected(CloseCause::PingTimeout),
        }
    }

    /// A drain waits for the messages that were already received.
    fn drain_when_idle(&mut self, now: Instant) {
        let Some(code) = self.drain else { return };
        let busy = matches!(self.handler, Handler::Opening | Handler::Busy);
        if !busy && self.pending.is_empty() {
            self.drain = None;
            let reason = if code == 1001 { "the host is going away" } else { "the handler is being replaced" };
            let frame = CloseFrame::new(code, reason);
            self.close(Some(frame), CloseCause::Drained, now);
        }
    }
}
