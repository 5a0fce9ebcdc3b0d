//! The rules for peers that are too fast, too slow, or both.

use super::*;

fn settled(received: usize, incomplete: Option<u64>, is_backlogged: bool) -> Event {
    Event::Settled(Settled { received, incomplete, is_backlogged })
}

fn incomplete(number: u64) -> Event {
    settled(1, Some(number), false)
}

/// What a violation of this limit leads to.
fn ended_for(passed: Passed, reason: &str) -> Vec<Action> {
    vec![Action::Report(passed), send_close(1008, reason), call_close(None, CloseCause::RateLimited)]
}

fn rules_with(change: impl FnOnce(&mut Settings)) -> Rules {
    let mut settings = Rules::new().session.settings;
    settings.keep_alive = KeepAlive { interval: None, timeout: None };
    change(&mut settings);
    let mut rules = Rules::with(settings);
    rules.actions();
    rules.step(Event::Returned(Returned::Done)).actions();
    rules
}

#[test]
fn r05_a_message_that_trickles_ends_at_message_time() {
    let mut rules = rules_with(|_| {});
    rules.step(incomplete(0));
    for second in 1..30 {
        // Control frames in between change nothing.
        rules.at(second).step(Event::Ping(Bytes::new())).step(incomplete(0)).step(Event::Timer);
        rules.actions();
        rules.step(Event::Returned(Returned::Done));
    }
    assert_eq!(rules.session.deadline(), Some(rules.start + SECOND * 30));
    rules.at(30).step(Event::Timer);
    assert_eq!(rules.actions(), ended_for(Passed::MessageTime { allowed: SECOND * 30 }, "message too slow"));
}

#[test]
fn r05_each_message_has_its_own_time() {
    let mut rules = rules_with(|_| {});
    for number in 0..10 {
        rules.at(20 * number).step(incomplete(u64::from(number))).step(Event::Timer);
        assert_eq!(rules.actions(), []);
    }
    rules.at(200).step(settled(1, None, false));
    assert_eq!(rules.session.deadline(), None);
}

#[test]
fn r05_time_in_which_the_host_does_not_read_does_not_count() {
    let mut rules = rules_with(|_| {});
    rules.step(incomplete(0));
    // Ten seconds of back-pressure.
    rules.at(10).step(settled(0, Some(0), true));
    rules.at(20).step(Event::Timer).step(settled(0, Some(0), false));
    assert_eq!(rules.session.deadline(), Some(rules.start + SECOND * 40));
    // And ten of a busy guest with too much before it.
    for _ in 0..=PENDING_CALLS {
        rules.step(Event::Message(text("x")));
    }
    rules.actions();
    rules.at(30).step(settled(0, Some(0), false));
    assert_eq!(rules.session.deadline(), None);
}

#[test]
fn r09_a_peer_over_its_rate_is_not_read_and_loses_nothing() {
    let mut rules = rules_with(|settings| settings.rates.messages = Some(2));
    for content in ["1", "2"] {
        rules.step(Event::Message(text(content)));
    }
    assert!(!rules.session.wants_read());
    assert_eq!(rules.actions(), [call_message("1")]);
    rules.step(Event::Returned(Returned::Done));
    assert_eq!(rules.actions(), [call_message("2")]);
    rules.step(Event::Returned(Returned::Done)).at(1).step(Event::Timer);
    assert_eq!(rules.actions(), []);
    assert!(rules.session.wants_read());
}

#[test]
fn r10_a_peer_that_stays_faster_is_closed_at_rate_time() {
    let mut rules = rules_with(|settings| settings.rates.bytes = Some(100));
    for tenth in 0..100 {
        rules.now = rules.start + SECOND / 10 * tenth;
        rules.step(Event::Timer);
        assert!(rules.session.wants_read(), "after {tenth} tenths of a second");
        let allowance = rules.session.allowance(rules.now);
        rules.step(settled(allowance, None, false));
        assert!(!rules.session.wants_read(), "after {tenth} tenths of a second");
        assert_eq!(rules.actions(), []);
    }
    rules.at(10).step(Event::Timer);
    let passed = Passed::Bytes { per_second: 100, rate_time: SECOND * 10 };
    assert_eq!(rules.actions(), ended_for(passed, "too many bytes"));
}

#[test]
fn r09_liveness_is_not_judged_against_a_peer_that_is_not_read() {
    let mut rules = rules_with(|settings| {
        settings.keep_alive = KeepAlive { interval: Some(SECOND), timeout: Some(SECOND) };
        settings.rates = RateLimits { bytes: Some(1), time: SECOND * 100, ..settings.rates };
    });
    rules.step(settled(50, None, false));
    for second in 1..49 {
        rules.at(second).step(Event::Timer);
        assert!(!rules.actions().contains(&Action::Abort), "after {second} s");
    }
}

#[test]
fn r01_r02_too_many_control_frames_end_the_connection() {
    for event in [|| Event::Ping(Bytes::new()), || Event::Pong(Bytes::new(), false)] {
        let mut rules = rules_with(|settings| settings.rates.control_frames = Some(10));
        for _ in 0..100 {
            rules.step(event());
            rules.actions();
            rules.step(Event::Returned(Returned::Done));
        }
        assert_eq!(rules.actions(), []);
        rules.step(event());
        let passed = Passed::ControlFrames { per_second: 10 };
        assert_eq!(rules.actions(), ended_for(passed, "too many control frames"));
    }
}

#[test]
fn r02_answers_to_pings_are_no_flood() {
    let mut rules = rules_with(|settings| settings.rates.control_frames = Some(10));
    for _ in 0..1000 {
        rules.step(Event::Pong(Bytes::new(), true)).actions();
        rules.step(Event::Returned(Returned::Done));
    }
    assert_eq!(rules.actions(), []);
}

#[test]
fn r06_a_peer_that_takes_a_byte_now_and_then_is_a_slow_consumer() {
    let mut rules = rules_with(|_| {});
    rules.step(settled(0, None, true));
    for second in 1..30 {
        rules.at(second).step(Event::Progress(1)).step(settled(0, None, true)).step(Event::Timer);
        assert_eq!(rules.actions(), [], "after {second} s");
    }
    rules.at(30).step(Event::Timer);
    let slow = Passed::SlowConsumer { allowed: SECOND * 30 };
    assert_eq!(rules.actions(), [Action::Report(slow), send_close(1008, "slow consumer")]);
    // It will not answer either, which nobody has to be told.
    rules.at(35).step(Event::Timer);
    assert_eq!(rules.actions(), [Action::Abort, call_close(None, CloseCause::SlowConsumer)]);
}

#[test]
fn r06_a_peer_that_goes_on_taking_is_none() {
    let mut rules = rules_with(|_| {});
    rules.step(settled(0, None, true));
    for second in 1..200 {
        rules.at(second).step(Event::Progress(10_000)).step(settled(0, None, true)).step(Event::Timer);
        assert_eq!(rules.actions(), [], "after {second} s");
    }
}

#[test]
fn what_waits_for_a_busy_guest_is_bounded_after_its_own_close_too() {
    let mut rules = rules_with(|_| {});
    rules.step(Event::Message(text("busy"))).actions();
    rules.step(Event::CloseRequested(None)).actions();
    assert!(rules.session.wants_read());
    rules.step(Event::Message(Message::Binary(vec![0; PENDING_BYTES].into())));
    assert!(!rules.session.wants_read());
}

#[test]
fn a_flood_does_not_prolong_the_closing_handshake() {
    let mut rules = rules_with(|settings| settings.rates.control_frames = Some(1));
    rules.step(Event::CloseRequested(None));
    assert_eq!(rules.actions(), [Action::SendClose(None)]);
    for _ in 0..10 {
        rules.step(Event::Pong(Bytes::new(), false)).actions();
        rules.step(Event::Returned(Returned::Done));
    }
    rules.step(Event::Pong(Bytes::new(), false));
    assert_eq!(rules.actions(), [call_close(None, CloseCause::Guest)]);
}
