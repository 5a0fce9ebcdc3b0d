//! The session under an owner that does what `connection::task` does: arbitrary events at arbitrary times, every rule
//! checked at each step.

mod steps;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use whimbrel::message::Message;
use whimbrel::session::{Action, Call, Event, Returned, Session, Settled};

pub use steps::{Step, Times};
use steps::{frame, violation};

/// Calls that may wait for a busy guest, and their bytes: the session's own bounds, with one more that was being read.
const HELD_CALLS: usize = 64;
const HELD_BYTES: usize = 64 * 1024;
/// Longest message, in bytes.
const MESSAGE: usize = 80 * 1024;

/// The fuzz target.
pub fn session(data: &[u8]) {
    let (times, steps) = steps::read(data);
    check(times, steps);
}

/// Run a session through these steps and on to its end, and panic where a rule does not hold.
pub fn check(times: Times, steps: impl IntoIterator<Item = Step>) {
    let mut owner = Owner::new(times);
    owner.carry_out();
    for step in steps {
        owner.step(step);
    }
    owner.fall_silent();
    owner.finish();
}

/// The connection's task, as far as a session can tell.
struct Owner {
    times: Times,
    session: Session,
    now: Instant,
    running: Option<&'static str>,
    has_opened: bool,
    /// Trapped, or an `open` that failed: never called again.
    is_gone: bool,
    /// The instance is gone: the running call can only trap.
    is_lost: bool,
    opens: u32,
    closes: u32,
    close_frames: u32,
    aborts: u32,
    is_full: bool,
    /// What `Settled` tells.
    received: usize,
    has_begun: bool,
    is_backlogged: bool,
    /// Messages are numbered: the next to come from the peer, the next for the guest, and the first that is not owed to
    /// the guest.
    next_in: u64,
    next_out: u64,
    owed: u64,
    held: Arc<Held>,
}

/// Payloads that are alive.
#[derive(Default)]
struct Held {
    count: AtomicUsize,
    bytes: AtomicUsize,
}

/// A payload that counts itself.
struct Payload(Vec<u8>, Arc<Held>);

impl AsRef<[u8]> for Payload {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Payload {
    fn drop(&mut self) {
        self.1.count.fetch_sub(1, Ordering::Relaxed);
        self.1.bytes.fetch_sub(self.0.len(), Ordering::Relaxed);
    }
}

impl Owner {
    fn new(times: Times) -> Self {
        let now = Instant::now();
        Owner {
            times,
            session: Session::new(times.settings(), now),
            now,
            running: None,
            has_opened: false,
            is_gone: false,
            is_lost: false,
            opens: 0,
            closes: 0,
            close_frames: 0,
            aborts: 0,
            is_full: false,
            received: 0,
            has_begun: false,
            is_backlogged: false,
            next_in: 0,
            next_out: 0,
            owed: 0,
            held: Arc::default(),
        }
    }

    fn step(&mut self, step: Step) {
        let event = match step {
            Step::Wait(ms) => {
                self.settle();
                self.now += Duration::from_millis(ms.into());
                return;
            }
            Step::Deadline => return self.deadline(),
            Step::Return(returned) => return self.guest_returns(returned),
            Step::Burst => return self.burst(),
            Step::InstanceLost => {
                (self.is_lost, self.is_gone) = (true, self.running.is_none());
                (self.next_out, self.owed) = (self.next_in, 0);
                Event::InstanceLost
            }
            Step::Timer => Event::Timer,
            Step::Progress(bytes) => Event::Progress(bytes.into()),
            Step::Backlog(is_backlogged) => {
                self.is_backlogged = is_backlogged;
                return self.settle();
            }
            Step::Overflowed => Event::Overflowed,
            Step::Disconnected => Event::Disconnected,
            Step::Full(is_full) => {
                self.is_full = is_full;
                Event::Full(is_full)
            }
            Step::CloseRequested(code) => Event::CloseRequested(frame(code)),
            Step::Drain(is_host) => Event::Drain(if is_host { 1001 } else { 1012 }),
            // The rest comes from the socket.
            _ if !self.session.wants_read() || self.is_backlogged || self.aborts > 0 => return,
            Step::Begin => {
                (self.received, self.has_begun) = (self.received + 1, true);
                return self.settle();
            }
            Step::Message(size) => self.message(size as usize % MESSAGE),
            Step::Ping(size) => Event::Ping(self.payload(vec![0; usize::from(size % 126)])),
            Step::Pong(size, is_answer) => Event::Pong(self.payload(vec![0; usize::from(size % 126)]), is_answer),
            Step::CloseFrame(code) => Event::CloseFrame(frame(code)),
            Step::Violation(kind) => Event::Violation(violation(kind)),
        };
        self.happens(event);
    }

    /// Before the owner sleeps.
    fn settle(&mut self) {
        let incomplete = self.has_begun.then_some(self.next_in);
        let settled =
            Settled { received: std::mem::take(&mut self.received), incomplete, is_backlogged: self.is_backlogged };
        self.session.step(Event::Settled(settled), self.now);
        assert_eq!(self.session.next_action(), None, "an action where there is none");
        self.look();
    }

    fn happens(&mut self, event: Event) {
        let had_ended = self.session.end().is_some();
        self.session.step(event, self.now);
        if had_ended {
            let sent = self.close_frames;
            self.carry_out();
            assert_eq!(self.close_frames, sent, "a close frame after the end");
        } else {
            self.carry_out();
        }
        self.look();
    }

    /// The next message, its number first.
    fn message(&mut self, size: usize) -> Event {
        let mut payload = vec![0; size.max(8)];
        payload[..8].copy_from_slice(&self.next_in.to_be_bytes());
        self.next_in += 1;
        (self.received, self.has_begun) = (self.received + payload.len(), false);
        if self.close_frames == 0 && self.session.end().is_none() && !self.is_gone {
            self.owed = self.next_in;
        }
        Event::Message(Message::Binary(self.payload(payload)))
    }

    fn payload(&self, bytes: Vec<u8>) -> Bytes {
        self.held.count.fetch_add(1, Ordering::Relaxed);
        self.held.bytes.fetch_add(bytes.len(), Ordering::Relaxed);
        Bytes::from_owner(Payload(bytes, self.held.clone()))
    }

    fn deadline(&mut self) {
        self.settle();
        let Some(deadline) = self.session.deadline() else { return };
        self.now = self.now.max(deadline);
        self.happens(Event::Timer);
        if let Some(next) = self.session.deadline() {
            assert!(next > self.now, "a deadline that never passes");
        }
    }

    fn guest_returns(&mut self, returned: Returned) {
        let Some(function) = self.running.take() else { return };
        let returned = if self.is_lost { Returned::Trapped } else { returned };
        match (function, returned) {
            ("open", Returned::Done) => self.has_opened = true,
            (_, Returned::Trapped) | ("open", _) => self.is_gone = true,
            _ => {}
        }
        if returned != Returned::Done {
            // What waited behind a failure is dropped.
            (self.next_out, self.owed) = (self.next_in, 0);
        }
        self.happens(Event::Returned(returned));
    }

    fn carry_out(&mut self) {
        while let Some(action) = self.session.next_action() {
            match action {
                Action::Call(call) => self.call(call),
                Action::Ping => assert_eq!((self.close_frames, self.aborts), (0, 0), "a ping after the end"),
                Action::SendClose(frame) => {
                    assert_eq!((self.close_frames, self.aborts), (0, 0), "a close frame after the end");
                    self.close_frames += 1;
                    let is_drained = frame.is_some_and(|frame| frame.reason.starts_with("the h") && frame.code != 1011);
                    assert!(!is_drained || self.next_out >= self.owed, "a drain that leaves messages behind");
                }
                Action::Abort => {
                    self.aborts += 1;
                    assert_eq!(self.aborts, 1, "ended twice");
                }
                // Whatever else it asks for, it asks for it once an event.
                _ => {}
            }
        }
    }

    fn call(&mut self, call: Call) {
        let function = call.function();
        assert_eq!(self.running, None, "{function} while the guest is busy");
        assert!(!self.is_gone, "{function} after a trap, or without having opened");
        assert_eq!(self.closes, 0, "{function} after on-close");
        assert_eq!(self.opens == 0, function == "open", "open is not the first, or not once");
        self.take(&call);
        self.running = Some(function);
    }

    fn take(&mut self, call: &Call) {
        match call {
            Call::Open => self.opens += 1,
            Call::Message(Message::Binary(payload)) => {
                let number = u64::from_be_bytes(payload[..8].try_into().expect("eight bytes"));
                assert_eq!(number, self.next_out, "out of order, lost or twice");
                self.next_out += 1;
            }
            Call::Close(info) => {
                self.closes += 1;
                assert_eq!(self.session.end(), Some(info));
                assert!(self.next_out >= self.owed, "on-close before a message that came before the end");
            }
            _ => {}
        }
    }

    /// All that waits goes to the guest, to return with the running call.
    fn burst(&mut self) {
        while let Some(call) = self.session.next_in_burst() {
            let function = self.running.expect("a burst behind nothing");
            assert!(!matches!(function, "open" | "on-close"), "a burst behind {function}");
            self.take(&call);
        }
        self.look();
    }

    /// What holds between any two events.
    fn look(&self) {
        let has_ended = self.session.end().is_some();
        let limit = |ms: u16| self.now + Duration::from_millis(ms.max(1).into());
        if !has_ended {
            let deadline = self.session.deadline();
            if self.close_frames > 0 {
                let deadline = deadline.expect("an end to the wait for the peer's close frame");
                assert!(deadline <= limit(self.times.close_timeout));
            } else {
                if self.is_full {
                    let deadline = deadline.expect("an end to a full outbound");
                    assert!(deadline <= limit(self.times.slow_consumer_time));
                }
                assert!(self.times.ping_interval == 0 || deadline.is_some(), "a peer that is never pinged");
            }
        }
        assert!(!self.session.is_over() || (has_ended && self.running.is_none()), "over before the end");
        assert!(!has_ended || !self.session.wants_read(), "read after the end");
        let (count, bytes) = (self.held.count.load(Ordering::Relaxed), self.held.bytes.load(Ordering::Relaxed));
        assert!(count <= HELD_CALLS, "{count} calls wait");
        assert!(bytes <= HELD_BYTES + MESSAGE, "{bytes} bytes wait");
    }

    /// Nothing comes any more, the socket takes all, and the guest returns: with keep-alive, or once closing has begun, that is an end.
    fn fall_silent(&mut self) {
        let is_watched = self.times.ping_interval > 0 && self.times.ping_timeout > 0;
        if !is_watched && self.close_frames == 0 {
            return;
        }
        self.return_all();
        self.is_backlogged = false;
        let Times { ping_interval, ping_timeout, close_timeout, slow_consumer_time, message_time, rate_time, .. } =
            self.times;
        let times = [ping_interval, ping_timeout, close_timeout, slow_consumer_time, message_time, rate_time];
        // Late, or a short interval would make a long wait of many steps.
        let leap = times.map(u32::from).iter().sum::<u32>() / 16;
        for _ in 0..64 {
            self.settle();
            self.now += Duration::from_millis(leap.into());
            self.deadline();
            self.return_all();
        }
        assert!(self.session.end().is_some(), "a silent peer is waited for without end");
    }

    fn finish(&mut self) {
        self.happens(Event::Disconnected);
        self.return_all();
        assert!(self.session.is_over(), "not over after the end");
        assert_eq!(self.session.next_action(), None);
        assert_eq!(self.opens, 1);
        let is_told = self.has_opened && (!self.is_gone || self.closes > 0);
        assert_eq!(self.closes, u32::from(is_told), "on-close: once for who opened and did not trap, else never");
        let bytes = self.held.bytes.load(Ordering::Relaxed);
        assert_eq!(bytes, 0, "held after the end");
    }

    fn return_all(&mut self) {
        while self.running.is_some() {
            self.guest_returns(Returned::Done);
        }
    }
}
