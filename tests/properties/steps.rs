//! The session under arbitrary events: `fuzz::rules` says what has to hold.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use whimbrel::session::Returned;

use crate::fuzz::rules::{Step, Times, check};

/// Short and long times mixed, so that deadlines pass in any order; 0 is off.
fn times() -> impl Strategy<Value = Times> {
    let time = || prop_oneof![Just(0_u16), 1..50_u16, 1000..40_000_u16];
    let rate = || prop_oneof![3 => Just(0_u16), 1 => 1..200_u16];
    let rates = [rate().boxed(), rate().boxed(), rate().boxed()];
    ([(); 6].map(|()| time()), rates).prop_map(|(times, rates)| {
        let [ping_interval, ping_timeout, close_timeout, slow_consumer_time, message_time, rate_time] = times;
        Times { ping_interval, ping_timeout, close_timeout, slow_consumer_time, message_time, rate_time, rates }
    })
}

/// Mostly what happens mostly, or few sequences would get past the first end.
fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        20 => (0..200_u32).prop_map(Step::Message),
        5 => any::<u32>().prop_map(Step::Message),
        20 => Just(Step::Return(Returned::Done)),
        10 => (0..60_u16).prop_map(Step::Wait),
        2 => any::<u16>().prop_map(Step::Wait),
        5 => Just(Step::Timer),
        5 => Just(Step::Deadline),
        5 => any::<u8>().prop_map(Step::Ping),
        5 => any::<(u8, bool)>().prop_map(|(size, is_answer)| Step::Pong(size, is_answer)),
        3 => Just(Step::Begin),
        2 => any::<bool>().prop_map(Step::Backlog),
        3 => any::<u16>().prop_map(Step::Progress),
        3 => any::<bool>().prop_map(Step::Full),
        2 => option::of(1000..5000_u16).prop_map(Step::CloseRequested),
        1 => option::of(1000..5000_u16).prop_map(Step::CloseFrame),
        1 => any::<u8>().prop_map(Step::Violation),
        1 => Just(Step::Disconnected),
        1 => Just(Step::Overflowed),
        1 => any::<bool>().prop_map(Step::Drain),
        3 => Just(Step::Burst),
        1 => Just(Step::InstanceLost),
        1 => Just(Step::Return(Returned::Failed)),
        1 => Just(Step::Return(Returned::Trapped)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_session_keeps_its_rules_whatever_happens(times in times(), steps in vec(step(), 0..120)) {
        check(times, steps);
    }

    /// The guest never returns until the end: everything that may wait, waits.
    #[test]
    fn a_busy_guest_holds_back_no_end(times in times(), steps in vec(step(), 0..120)) {
        check(times, steps.into_iter().filter(|step| !matches!(step, Step::Return(_))));
    }
}
