//! The rules, event by event.

mod peers;
mod rooms;

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::*;
use crate::message::Message;

const SECOND: Duration = Duration::from_secs(1);

/// A session with a clock of its own.
struct Rules {
    session: Session,
    start: Instant,
    now: Instant,
}

impl Rules {
    fn new() -> Self {
        let settings = Settings {
            keep_alive: KeepAlive { interval: Some(SECOND * 30), timeout: Some(SECOND * 20) },
            close_timeout: SECOND * 5,
            slow_consumer_time: SECOND * 30,
            outbound: 1 << 20,
            message_time: Some(SECOND * 30),
            rates: RateLimits { messages: None, bytes: None, time: SECOND * 10, control_frames: Some(10) },
        };
        Rules::with(settings)
    }

    fn with(settings: Settings) -> Self {
        let start = Instant::now();
        Rules { session: Session::new(settings, start), start, now: start }
    }

    /// A session whose `open` has returned.
    fn opened() -> Self {
        let mut rules = Rules::new();
        assert_eq!(rules.actions(), [Action::Call(Call::Open)]);
        rules.step(Event::Returned(Returned::Done));
        assert_eq!(rules.actions(), []);
        rules
    }

    fn step(&mut self, event: Event) -> &mut Self {
        self.session.step(event, self.now);
        self
    }

    fn at(&mut self, seconds: u32) -> &mut Self {
        self.now = self.start + SECOND * seconds;
        self
    }

    fn actions(&mut self) -> Vec<Action> {
        std::iter::from_fn(|| self.session.next_action()).collect()
    }
}

fn text(text: &'static str) -> Message {
    Message::Text(text.into())
}

fn call_message(content: &'static str) -> Action {
    Action::Call(Call::Message(text(content)))
}

fn call_close(frame: Option<CloseFrame>, cause: CloseCause) -> Action {
    Action::Call(Call::Close(CloseInfo { frame, cause }))
}

fn send_close(code: u16, reason: &str) -> Action {
    Action::SendClose(Some(CloseFrame::new(code, reason)))
}

#[test]
fn events_wait_for_open_and_for_each_other() {
    let mut rules = Rules::new();
    rules.step(Event::Message(text("1"))).step(Event::Ping(Bytes::from_static(b"p"))).step(Event::Message(text("2")));
    assert_eq!(rules.actions(), [Action::Call(Call::Open)]);
    rules.step(Event::Returned(Returned::Done));
    assert_eq!(rules.actions(), [call_message("1")]);
    rules.step(Event::Returned(Returned::Done));
    assert_eq!(rules.actions(), [Action::Call(Call::Ping(Bytes::from_static(b"p")))]);
    rules.step(Event::Returned(Returned::Done));
    assert_eq!(rules.actions(), [call_message("2")]);
}

#[test]
fn messages_before_a_drop_are_delivered_then_the_end_once() {
    let mut rules = Rules::opened();
    rules.step(Event::Message(text("1"))).step(Event::Message(text("2"))).step(Event::Disconnected);
    assert_eq!(rules.actions(), [Action::Abort, call_message("1")]);
    rules.step(Event::Returned(Returned::Done));
    assert_eq!(rules.actions(), [call_message("2")]);
    rules.step(Event::Returned(Returned::Done));
    assert_eq!(rules.actions(), [call_close(None, CloseCause::Network)]);
    assert!(!rules.session.is_over());
    rules.step(Event::Disconnected).step(Event::Returned(Returned::Done));
    assert_eq!(rules.actions(), []);
    assert!(rules.session.is_over());
}

#[test]
fn the_peers_close_frame_reaches_the_guest() {
    let mut rules = Rules::opened();
    let frame = Some(CloseFrame::new(4000, "bye"));
    rules.step(Event::CloseFrame(frame.clone()));
    assert_eq!(rules.actions(), [call_close(frame, CloseCause::Peer)]);
}

#[test]
fn after_its_own_close_the_guest_still_hears_until_the_answer() {
    let mut rules = Rules::opened();
    rules.step(Event::CloseRequested(Some(CloseFrame::new(1000, "done"))));
    assert_eq!(rules.actions(), [send_close(1000, "done")]);
    rules.step(Event::Message(text("late")));
    assert_eq!(rules.actions(), [call_message("late")]);
    let answer = Some(CloseFrame::new(1000, "done"));
    rules.step(Event::Returned(Returned::Done)).step(Event::CloseFrame(answer.clone()));
    assert_eq!(rules.actions(), [call_close(answer, CloseCause::Guest)]);
}

#[test]
fn an_unanswered_close_ends_at_the_close_timeout() {
    let mut rules = Rules::opened();
    rules.step(Event::CloseRequested(None));
    assert_eq!(rules.actions(), [Action::SendClose(None)]);
    assert_eq!(rules.session.deadline(), Some(rules.start + SECOND * 5));
    rules.at(4).step(Event::Timer);
    assert_eq!(rules.actions(), []);
    rules.at(5).step(Event::Timer);
    let no_answer = Action::Report(Passed::NoAnswer { allowed: SECOND * 5 });
    assert_eq!(rules.actions(), [no_answer, Action::Abort, call_close(None, CloseCause::Guest)]);
}

#[test]
fn an_error_closes_with_1011_and_the_guest_hears_of_it() {
    let mut rules = Rules::opened();
    rules.step(Event::Message(text("1")));
    assert_eq!(rules.actions(), [call_message("1")]);
    rules.step(Event::Message(text("2"))).step(Event::Returned(Returned::Failed));
    assert_eq!(rules.actions(), [send_close(1011, "the handler failed")]);
    rules.step(Event::Message(text("3"))).step(Event::CloseFrame(None));
    assert_eq!(rules.actions(), [call_close(None, CloseCause::GuestError)]);
}

#[test]
fn a_trapped_guest_is_never_called_again() {
    let mut rules = Rules::opened();
    rules.step(Event::Message(text("1")));
    assert_eq!(rules.actions(), [call_message("1")]);
    rules.step(Event::Message(text("2"))).step(Event::Returned(Returned::Trapped));
    assert_eq!(rules.actions(), [send_close(1011, "the handler trapped")]);
    rules.step(Event::Message(text("3"))).step(Event::CloseFrame(None));
    assert_eq!(rules.actions(), []);
    assert!(rules.session.is_over());
}

#[test]
fn an_error_in_open_means_it_never_opened() {
    let mut rules = Rules::new();
    rules.step(Event::Message(text("1")));
    assert_eq!(rules.actions(), [Action::Call(Call::Open)]);
    rules.step(Event::Returned(Returned::Failed));
    assert_eq!(rules.actions(), [send_close(1011, "the handler failed")]);
    rules.step(Event::CloseFrame(None));
    assert_eq!(rules.actions(), []);
    assert!(rules.session.is_over());
}

#[test]
fn each_violation_has_its_code() {
    for (violation, cause, code, reason) in [
        (Violation::Protocol, CloseCause::ProtocolError, 1002, "protocol error"),
        (Violation::InvalidText, CloseCause::InvalidText, 1007, "invalid UTF-8"),
    ] {
        let mut rules = Rules::opened();
        rules.step(Event::Violation(violation));
        assert_eq!(rules.actions(), [send_close(code, reason), call_close(None, cause)]);
    }
}

#[test]
fn a_limit_that_was_passed_is_reported_with_its_close_frame() {
    for (passed, cause, code, reason) in [
        (Passed::MessageSize { bytes: 11, allowed: 10 }, CloseCause::MessageTooBig, 1009, "message too big"),
        (Passed::Fragments { count: 11, allowed: 10 }, CloseCause::RateLimited, 1008, "too many fragments"),
    ] {
        let mut rules = Rules::opened();
        rules.step(Event::Violation(Violation::Limit(passed)));
        assert_eq!(rules.actions(), [Action::Report(passed), send_close(code, reason), call_close(None, cause)]);
        // Nothing that follows is reported, or heard.
        rules.step(Event::Violation(Violation::Limit(passed))).step(Event::Message(text("late")));
        assert_eq!(rules.actions(), []);
    }
}

#[test]
fn liveness_is_judged_while_the_guest_is_busy() {
    let mut rules = Rules::opened();
    rules.step(Event::Message(text("1")));
    assert_eq!(rules.actions(), [call_message("1")]);
    rules.at(30).step(Event::Timer);
    assert_eq!(rules.actions(), [Action::Ping]);
    rules.at(31).step(Event::Pong(Bytes::new(), true));
    assert_eq!(rules.actions(), [Action::RoundTrip(SECOND)]);
    rules.at(60).step(Event::Timer);
    assert_eq!(rules.actions(), [Action::Ping]);
    rules.at(80).step(Event::Timer);
    let silence = Action::Report(Passed::Silence { allowed: SECOND * 20 });
    assert_eq!(rules.actions(), [silence, Action::Abort]);
    assert_eq!(rules.session.end().map(|end| end.cause), Some(CloseCause::PingTimeout));
}

#[test]
fn a_peer_that_is_not_read_is_not_judged() {
    let mut rules = Rules::opened();
    for _ in 0..=PENDING_CALLS {
        rules.step(Event::Message(text("x")));
    }
    assert_eq!(rules.actions(), [call_message("x")]);
    assert!(!rules.session.wants_read());
    rules.at(30).step(Event::Timer);
    rules.at(50).step(Event::Timer);
    assert!(!rules.actions().contains(&Action::Abort));
}

#[test]
fn waiting_bytes_stop_the_reading_too() {
    let mut rules = Rules::opened();
    let large = Message::Binary(vec![0; PENDING_BYTES].into());
    rules.step(Event::Message(text("x"))).actions();
    rules.step(Event::Message(large));
    assert!(!rules.session.wants_read());
    rules.step(Event::Returned(Returned::Done)).actions();
    assert!(rules.session.wants_read());
}

#[test]
fn waiting_bytes_stop_the_reading_after_the_guests_own_close_too() {
    let mut rules = Rules::opened();
    rules.step(Event::Message(text("x"))).step(Event::CloseRequested(None)).actions();
    rules.step(Event::Message(Message::Binary(vec![0; PENDING_BYTES].into())));
    assert!(!rules.session.wants_read());
    rules.step(Event::Returned(Returned::Done)).actions();
    assert!(rules.session.wants_read());
}

#[test]
fn a_full_outbound_closes_after_its_time() {
    let mut rules = Rules::opened();
    rules.step(Event::Full(true));
    let refused = Action::Report(Passed::Outbound { is_lost: false, allowed: 1 << 20 });
    assert_eq!(rules.actions(), [refused]);
    rules.step(Event::Full(true)).at(29).step(Event::Timer);
    assert_eq!(rules.actions(), []);
    rules.step(Event::Full(false)).step(Event::Full(true));
    rules.at(58).step(Event::Progress(1)).step(Event::Timer);
    assert!(!rules.actions().contains(&send_close(1008, "slow consumer")));
    rules.at(59).step(Event::Timer);
    let slow = Action::Report(Passed::SlowConsumer { allowed: SECOND * 30 });
    assert_eq!(rules.actions(), [slow, send_close(1008, "slow consumer")]);
}

#[test]
fn a_lost_publication_closes_at_once() {
    let mut rules = Rules::opened();
    rules.step(Event::Overflowed);
    let lost = Action::Report(Passed::Outbound { is_lost: true, allowed: 1 << 20 });
    assert_eq!(rules.actions(), [lost, send_close(1008, "slow consumer")]);
}

#[test]
fn out_of_memory_nothing_waits_any_more() {
    let mut rules = Rules::opened();
    rules.step(Event::Message(text("one"))).step(Event::Message(text("two")));
    assert_eq!(rules.actions(), [call_message("one")]);
    assert_eq!(rules.session.held_bytes(), 6);
    rules.step(Event::TryAgainLater);
    assert_eq!(rules.actions(), [send_close(1013, "try again later")]);
    assert_eq!((rules.session.held_bytes(), rules.session.wants_read()), (3, false));
    rules.step(Event::Returned(Returned::Done));
    assert_eq!(rules.actions(), [call_close(None, CloseCause::RateLimited)]);
    assert_eq!(rules.session.held_bytes(), 0);
}

#[test]
fn a_peer_that_was_given_up_is_a_slow_consumer() {
    let mut rules = Rules::opened();
    rules.step(Event::GivenUp);
    assert_eq!(rules.actions(), [Action::Abort, call_close(None, CloseCause::SlowConsumer)]);
}

#[test]
fn a_drain_answers_what_was_received_first() {
    let mut rules = Rules::opened();
    rules.step(Event::Message(text("1"))).step(Event::Message(text("2"))).step(Event::Drain(1001));
    assert!(!rules.session.wants_read());
    assert_eq!(rules.actions(), [call_message("1")]);
    rules.step(Event::Returned(Returned::Done));
    assert_eq!(rules.actions(), [call_message("2")]);
    rules.step(Event::Returned(Returned::Done));
    assert_eq!(rules.actions(), [send_close(1001, "the host is going away")]);
    assert!(rules.session.wants_read());
    rules.step(Event::CloseFrame(None));
    assert_eq!(rules.actions(), [call_close(None, CloseCause::Drained)]);
}

#[test]
fn a_drop_during_open_is_told_after_it() {
    let mut rules = Rules::new();
    assert_eq!(rules.actions(), [Action::Call(Call::Open)]);
    rules.step(Event::Disconnected);
    assert_eq!(rules.actions(), [Action::Abort]);
    rules.step(Event::Returned(Returned::Done));
    assert_eq!(rules.actions(), [call_close(None, CloseCause::Network)]);
}
