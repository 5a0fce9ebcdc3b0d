//! The buckets, second by second.

use super::*;

fn rates(messages: Option<u64>, bytes: Option<u64>, control_frames: Option<u64>) -> (Rates, Instant) {
    let start = Instant::now();
    let limits = RateLimits { messages, bytes, time: Duration::from_secs(10), control_frames };
    (Rates::new(&limits, start), start)
}

fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

#[test]
fn a_second_s_worth_may_come_at_once() {
    let (mut rates, start) = rates(Some(100), None, None);
    for _ in 0..99 {
        rates.message(start);
        assert!(!rates.is_paused());
    }
    rates.message(start);
    assert!(rates.is_paused());
    // A twentieth of a second later there is something to read for again.
    assert_eq!(rates.deadline(), Some(start + ms(50)));
    assert_eq!(rates.due(start + ms(49)), None);
    assert!(rates.is_paused());
    assert_eq!(rates.due(start + ms(50)), None);
    assert!(!rates.is_paused());
    for _ in 0..4 {
        rates.message(start + ms(50));
        assert!(!rates.is_paused());
    }
    rates.message(start + ms(50));
    assert!(rates.is_paused());
}

#[test]
fn a_slow_rate_waits_for_a_whole_message() {
    let (mut rates, start) = rates(Some(1), None, None);
    rates.message(start);
    assert_eq!((rates.is_paused(), rates.deadline()), (true, Some(start + ms(1000))));
    assert_eq!(rates.due(start + ms(1000)), None);
    assert!(!rates.is_paused());
}

#[test]
fn a_peer_that_keeps_to_its_rate_never_waits() {
    let (mut rates, start) = rates(Some(10), None, None);
    for number in 0..1000 {
        rates.message(start + ms(100 * number));
        assert!(!rates.is_paused(), "message {number}");
    }
}

/// Sends whenever it is read, until it is closed; yields the time, in milliseconds, and the messages that came.
fn flood(rates: &mut Rates, start: Instant) -> (u64, u64) {
    let mut messages = 0;
    for now in 0..100_000 {
        let at = start + ms(now);
        if rates.deadline().is_some_and(|deadline| at >= deadline) && rates.due(at).is_some() {
            return (now, messages);
        }
        while !rates.is_paused() {
            rates.message(at);
            messages += 1;
        }
    }
    panic!("never closed");
}

#[test]
fn a_peer_that_stays_faster_is_closed_after_rate_time() {
    let (mut rates, start) = rates(Some(100), None, None);
    let (closed, messages) = flood(&mut rates, start);
    assert_eq!(closed, 10_000);
    // One burst, and the rate.
    assert!((1090..=1100).contains(&messages), "{messages}");
}

#[test]
fn a_full_bucket_forgives() {
    let (mut rates, start) = rates(Some(100), None, None);
    for second in (0..100).step_by(2) {
        let at = start + ms(second * 1000);
        assert_eq!(rates.due(at), None, "after {second} s");
        for _ in 0..100 {
            rates.message(at);
        }
        assert!(rates.is_paused());
    }
}

#[test]
fn what_is_too_large_for_the_bucket_is_owed() {
    let (mut rates, start) = rates(None, Some(1000), None);
    assert_eq!(rates.allowance(start), 1000);
    rates.bytes(4000, start);
    assert_eq!((rates.allowance(start), rates.is_paused()), (0, true));
    assert_eq!(rates.deadline(), Some(start + ms(3050)));
    assert_eq!(rates.due(start + ms(3050)), None);
    assert_eq!((rates.allowance(start + ms(3050)), rates.is_paused()), (50, false));
}

#[test]
fn what_is_owed_for_longer_than_rate_time_closes() {
    let (mut rates, start) = rates(None, Some(1000), None);
    rates.bytes(100_000, start);
    assert_eq!(rates.deadline(), Some(start + ms(10_000)));
    let passed = Passed::Bytes { per_second: 1000, rate_time: ms(10_000) };
    assert_eq!(rates.due(start + ms(10_000)), Some(passed));
}

#[test]
fn control_frames_have_ten_seconds_worth() {
    let (mut rates, start) = rates(None, None, Some(100));
    for _ in 0..1000 {
        assert_eq!(rates.control_frame(start), None);
    }
    let passed = Some(Passed::ControlFrames { per_second: 100 });
    assert_eq!(rates.control_frame(start), passed);
    for tenth in 1..100 {
        let at = start + ms(1000 + 10 * tenth);
        assert_eq!(rates.control_frame(at), None, "one each 10 ms");
    }
}

#[test]
fn off_means_no_limit() {
    let (mut rates, start) = rates(None, None, None);
    for _ in 0..100_000 {
        rates.message(start);
        rates.bytes(usize::MAX / 2, start);
        assert_eq!(rates.control_frame(start), None);
    }
    assert_eq!((rates.is_paused(), rates.deadline(), rates.allowance(start)), (false, None, usize::MAX));
}
