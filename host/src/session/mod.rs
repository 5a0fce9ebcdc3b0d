//! The rules of one open connection as a state machine without I/O: `step` takes an event, `next_action` yields what
//! to do. The order of events, the one `on-close`, keep-alive and the closing handshake are decided here and nowhere
//! else.

mod closing;
mod event;
mod keep_alive;
mod passed;
mod patience;
mod rates;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

pub use event::{Action, Call, CloseCause, CloseFrame, CloseInfo, Event, Returned, Settled};
pub use keep_alive::KeepAlive;
use keep_alive::{Due, Liveness};
pub use passed::{Passed, Violation};
use patience::{Backlog, MessageClock};
pub use rates::RateLimits;
use rates::Rates;

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
    /// How long the outbound buffer may stay full, or hardly be taken from.
    pub slow_consumer_time: Duration,
    /// What the outbound buffer holds, in bytes; for reports only.
    pub outbound: usize,
    /// How long a message may take from its first byte to its last.
    pub message_time: Option<Duration>,
    /// How fast the peer may be.
    pub rates: RateLimits,
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
    /// Payload bytes of the running call.
    running_bytes: usize,
    actions: VecDeque<Action>,
    liveness: Liveness,
    full_since: Option<Instant>,
    backlog: Backlog,
    message_clock: MessageClock,
    rates: Rates,
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
            running_bytes: 0,
            actions: VecDeque::from([Action::Call(Call::Open)]),
            liveness: Liveness::new(settings.keep_alive, now),
            full_since: None,
            backlog: Backlog::new(settings.slow_consumer_time),
            message_clock: MessageClock::new(settings.message_time),
            rates: Rates::new(&settings.rates, now),
            drain: None,
            end: None,
        }
    }

    /// Take in what happened.
    pub fn step(&mut self, event: Event, now: Instant) {
        match event {
            Event::Message(message) => {
                self.liveness.heard(now);
                self.rates.message(now);
                self.deliver(Call::Message(message));
            }
            Event::Ping(data) => {
                self.liveness.heard(now);
                self.count_control_frame(now);
                self.deliver(Call::Ping(data));
            }
            Event::Pong(data, is_answer) => {
                if let Some(round_trip) = self.liveness.pong(now) {
                    self.actions.push_back(Action::RoundTrip(round_trip));
                }
                if !is_answer {
                    self.count_control_frame(now);
                }
                self.deliver(Call::Pong(data));
            }
            Event::CloseFrame(frame) => self.peer_closed(frame),
            Event::Violation(violation) => self.violated(violation),
            Event::Disconnected => self.disconnected(CloseCause::Network),
            Event::Progress(bytes) => {
                self.liveness.heard(now);
                self.backlog.taken(bytes, now);
            }
            Event::Full(is_full) => self.full(is_full, now),
            Event::Overflowed => {
                let lost = Passed::Outbound { is_lost: true, allowed: self.settings.outbound };
                self.close_slow_consumer(lost, now);
            }
            Event::CloseRequested(frame) => self.close(frame, CloseCause::Guest, now),
            Event::TryAgainLater => self.try_again_later(),
            Event::GivenUp => self.disconnected(CloseCause::SlowConsumer),
            Event::Drain(code) => self.drain = Some(code),
            Event::Returned(returned) => self.returned(returned, now),
            Event::InstanceLost => self.instance_lost(now),
            Event::Timer => self.timer(now),
            Event::Settled(settled) => return self.settled(settled, now),
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
            self.running_bytes = call.bytes();
            self.pending_bytes -= self.running_bytes;
            self.handler = Handler::Busy;
            return Some(Action::Call(call));
        }
        let end = self.end.clone()?;
        self.handler = Handler::Leaving;
        Some(Action::Call(Call::Close(end)))
    }

    /// One more call for a guest that takes several at once, right behind the running one. They return as one: when one
    /// of them fails, those behind it are not made.
    pub fn next_in_burst(&mut self) -> Option<Call> {
        if self.handler != Handler::Busy || self.running_bytes >= PENDING_BYTES {
            return None;
        }
        let call = self.pending.pop_front()?;
        self.pending_bytes -= call.bytes();
        self.running_bytes += call.bytes();
        Some(call)
    }

    /// Whether the socket should be read: not while too much waits for the guest, nor while the peer is too fast, nor
    /// before a drain's close frame.
    pub fn wants_read(&self) -> bool {
        let has_room = self.pending.len() < PENDING_CALLS && self.pending_bytes < PENDING_BYTES;
        match self.transport {
            Transport::Open => self.drain.is_none() && has_room && !self.rates.is_paused(),
            Transport::Closing { .. } => has_room,
            Transport::Closed => false,
        }
    }

    /// Bytes that may be read before the next `Event::Settled`; more than none.
    pub fn allowance(&self, now: Instant) -> usize {
        match self.transport {
            Transport::Open => self.rates.allowance(now).max(1),
            Transport::Closing { .. } | Transport::Closed => usize::MAX,
        }
    }

    /// Payload bytes that wait for the guest, those of its running call included.
    pub fn held_bytes(&self) -> usize {
        self.pending_bytes + self.running_bytes
    }

    /// Whether nothing is left to be done: the transport has ended and the guest knows.
    pub fn is_over(&self) -> bool {
        self.transport == Transport::Closed && self.handler == Handler::Gone && self.actions.is_empty()
    }

    /// When to send `Event::Timer`.
    pub fn deadline(&self) -> Option<Instant> {
        match self.transport {
            Transport::Open => {
                let full = self.full_since.map(|since| since + self.settings.slow_consumer_time);
                let (message, rates) = (self.message_clock.deadline(), self.rates.deadline());
                let all = [full, self.backlog.deadline(), message, rates, self.liveness.deadline()];
                all.into_iter().flatten().min()
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

    fn count_control_frame(&mut self, now: Instant) {
        if let Some(passed) = self.rates.control_frame(now) {
            self.violated(Violation::Limit(passed));
        }
    }

    fn forget_pending(&mut self) {
        self.pending = VecDeque::new();
        self.pending_bytes = 0;
    }

    fn full(&mut self, is_full: bool, now: Instant) {
        if !is_full {
            self.full_since = None;
        } else if self.full_since.is_none() {
            self.full_since = Some(now);
            let refused = Passed::Outbound { is_lost: false, allowed: self.settings.outbound };
            self.actions.push_back(Action::Report(refused));
        }
    }

    fn returned(&mut self, returned: Returned, now: Instant) {
        self.running_bytes = 0;
        self.handler = match (self.handler, returned) {
            (Handler::Leaving, _) | (_, Returned::Trapped) => Handler::Gone,
            (Handler::Opening, Returned::Failed) => Handler::Gone,
            _ => Handler::Idle,
        };
        match returned {
            Returned::Done => {}
            Returned::Failed => self.fail("the handler failed", now),
            Returned::Trapped => self.fail("the handler trapped", now),
        }
    }

    fn instance_lost(&mut self, now: Instant) {
        // A call that is under way will return too.
        if self.handler == Handler::Idle {
            self.handler = Handler::Gone;
        }
        self.fail("the handler trapped", now);
    }

    fn fail(&mut self, reason: &str, now: Instant) {
        self.forget_pending();
        self.close(Some(CloseFrame::new(1011, reason)), CloseCause::GuestError, now);
    }

    fn timer(&mut self, now: Instant) {
        match self.transport {
            Transport::Open => self.open_timer(now),
            // One line is enough for a peer that does not read.
            Transport::Closing { deadline, cause: CloseCause::SlowConsumer } if now >= deadline => {
                self.disconnected(CloseCause::SlowConsumer);
            }
            Transport::Closing { deadline, .. } if now >= deadline => {
                self.given_up(Passed::NoAnswer { allowed: self.settings.close_timeout });
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
        let full = self.full_since.map(|since| since + slow);
        if [full, self.backlog.deadline()].into_iter().flatten().any(|deadline| now >= deadline) {
            return self.close_slow_consumer(Passed::SlowConsumer { allowed: slow }, now);
        }
        if let Some(allowed) = self.message_clock.passed(now) {
            return self.violated(Violation::Limit(Passed::MessageTime { allowed }));
        }
        if let Some(passed) = self.rates.due(now) {
            return self.violated(Violation::Limit(passed));
        }
        match self.liveness.due(now) {
            Due::Nothing => {}
            Due::Ping => self.actions.push_back(Action::Ping),
            Due::Dead(allowed) => self.given_up(Passed::Silence { allowed }),
        }
    }

    fn settled(&mut self, settled: Settled, now: Instant) {
        let Settled { received, incomplete, is_backlogged } = settled;
        if received > 0 {
            self.liveness.heard(now);
            self.rates.bytes(received, now);
        }
        self.backlog.settle(is_backlogged, now);
        let is_reading = self.wants_read() && !is_backlogged;
        self.message_clock.settle(incomplete, is_reading, now);
    }
}
