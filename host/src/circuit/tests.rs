//! The circuits' rules, with a clock of the test's own.

use super::*;

const RULES: Rules = Rules { traps: 3, window: Duration::from_secs(10), pause: Duration::from_secs(10) };

struct Clock(Instant);

impl Clock {
    fn at(&self, seconds: u64) -> Instant {
        self.0 + Duration::from_secs(seconds)
    }
}

fn clock() -> Clock {
    Clock(Instant::now())
}

fn ip(last: u8) -> IpAddr {
    IpAddr::from([10, 0, 0, last])
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Opens the circuit of one address, and tells what opened.
fn open(circuits: &mut Circuits, address: u8, now: Instant) -> Option<Opened> {
    (0..RULES.traps).find_map(|_| circuits.trapped(ip(address), RULES, now))
}

#[test]
fn g11_enough_traps_within_the_window_open_the_circuit_of_their_address_alone() {
    let (clock, mut circuits) = (clock(), Circuits::default());
    for at in [0, 5, 11] {
        assert_eq!(circuits.trapped(ip(1), RULES, clock.at(at)), None);
    }
    let opened = circuits.trapped(ip(1), RULES, clock.at(12));
    assert_eq!(opened, Some(Opened { everybody: false, pause: seconds(10) }));
    assert_eq!(circuits.admit(ip(1), RULES, clock.at(13)), Err(seconds(9)));
    assert_eq!(circuits.admit(ip(2), RULES, clock.at(13)), Ok(false));
    // A connection that was open before opens nothing twice.
    assert_eq!(circuits.trapped(ip(1), RULES, clock.at(14)), None);
    assert_eq!(circuits.open(), 1);
}

#[test]
fn g11_one_trial_closes_the_circuit_or_doubles_the_pause() {
    let (clock, mut circuits) = (clock(), Circuits::default());
    open(&mut circuits, 1, clock.at(0));
    assert_eq!(circuits.admit(ip(1), RULES, clock.at(10)), Ok(true));
    assert_eq!(circuits.admit(ip(1), RULES, clock.at(11)), Err(seconds(9)), "a second trial beside the first");
    let opened = circuits.trapped(ip(1), RULES, clock.at(12));
    assert_eq!(opened, Some(Opened { everybody: false, pause: seconds(20) }));
    assert_eq!(circuits.admit(ip(1), RULES, clock.at(31)), Err(seconds(1)));
    assert_eq!(circuits.admit(ip(1), RULES, clock.at(32)), Ok(true));
    circuits.survived(ip(1));
    assert_eq!(circuits.admit(ip(1), RULES, clock.at(33)), Ok(false));
    assert_eq!(circuits.open(), 0);
    // As good as new.
    assert_eq!(circuits.trapped(ip(1), RULES, clock.at(34)), None);
    assert_eq!(open(&mut circuits, 1, clock.at(35)).map(|it| it.pause), Some(seconds(10)));
}

#[test]
fn g11_a_pause_has_a_bound() {
    let (mut circuit, mut now) = (Circuit::default(), Instant::now());
    circuit.open(RULES.pause, now);
    for _ in 0..20 {
        now += RULES.pause * LONGEST;
        assert!(circuit.begin_trial(RULES, now));
        assert!(circuit.trapped(RULES, now).is_some());
    }
    assert_eq!(circuit.wait(now), Some(RULES.pause * LONGEST));
}

#[test]
fn g11_a_trial_that_is_left_open_closes_the_circuit_in_the_end() {
    let (clock, mut circuits) = (clock(), Circuits::default());
    open(&mut circuits, 1, clock.at(0));
    assert_eq!(circuits.admit(ip(1), RULES, clock.at(10)), Ok(true));
    assert_eq!(circuits.admit(ip(1), RULES, clock.at(20)), Ok(false));
    assert!(circuits.addresses.is_empty(), "what is over is forgotten");
}

#[test]
fn g11_several_addresses_open_everybodys_circuit() {
    let (clock, mut circuits) = (clock(), Circuits::default());
    assert_eq!(open(&mut circuits, 1, clock.at(0)).map(|it| it.everybody), Some(false));
    assert_eq!(open(&mut circuits, 2, clock.at(1)).map(|it| it.everybody), Some(false));
    assert_eq!(circuits.admit(ip(9), RULES, clock.at(1)), Ok(false));
    assert_eq!(open(&mut circuits, 3, clock.at(2)).map(|it| it.everybody), Some(true));
    assert_eq!(circuits.admit(ip(9), RULES, clock.at(3)), Err(seconds(9)));
    // The trial is one for everybody, from an address that is not refused itself.
    assert_eq!(circuits.admit(ip(9), RULES, clock.at(12)), Ok(true));
    assert_eq!(circuits.admit(ip(8), RULES, clock.at(12)), Err(seconds(10)));
    circuits.survived(ip(9));
    assert_eq!(circuits.admit(ip(8), RULES, clock.at(12)), Ok(false));
    assert_eq!(circuits.admit(ip(1), RULES, clock.at(12)), Ok(true), "its own circuit has had no trial yet");
}

#[test]
fn g11_no_more_addresses_are_watched_than_the_bound() {
    let (clock, mut circuits) = (clock(), Circuits::default());
    for number in 0..3_000_u16 {
        let [high, low] = number.to_be_bytes();
        circuits.trapped(IpAddr::from([10, 1, high, low]), RULES, clock.at(0));
    }
    assert_eq!(circuits.addresses.len(), WATCHED);
    circuits.trapped(ip(1), RULES, clock.at(11));
    assert_eq!(circuits.addresses.len(), 1);
}
