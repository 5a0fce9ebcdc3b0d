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
    (0..RULES.traps).find_map(|_| circuits.trapped(ip(address), None, RULES, now))
}

#[test]
fn g11_enough_traps_within_the_window_open_the_circuit_of_their_address_alone() {
    let (clock, mut circuits) = (clock(), Circuits::default());
    for at in [0, 5, 11] {
        assert_eq!(circuits.trapped(ip(1), None, RULES, clock.at(at)), None);
    }
    let opened = circuits.trapped(ip(1), None, RULES, clock.at(12));
    assert_eq!(opened, Some(Opened { whose: Whose::Address, pause: seconds(10) }));
    assert_eq!(circuits.admit(ip(1), None, RULES, clock.at(13)), Err(seconds(9)));
    assert_eq!(circuits.admit(ip(2), None, RULES, clock.at(13)), Ok(false));
    // A connection that was open before opens nothing twice.
    assert_eq!(circuits.trapped(ip(1), None, RULES, clock.at(14)), None);
    assert_eq!(circuits.open(), 1);
}

#[test]
fn g11_one_trial_closes_the_circuit_or_doubles_the_pause() {
    let (clock, mut circuits) = (clock(), Circuits::default());
    open(&mut circuits, 1, clock.at(0));
    assert_eq!(circuits.admit(ip(1), None, RULES, clock.at(10)), Ok(true));
    assert_eq!(circuits.admit(ip(1), None, RULES, clock.at(11)), Err(seconds(9)), "a second trial beside the first");
    let opened = circuits.trapped(ip(1), None, RULES, clock.at(12));
    assert_eq!(opened, Some(Opened { whose: Whose::Address, pause: seconds(20) }));
    assert_eq!(circuits.admit(ip(1), None, RULES, clock.at(31)), Err(seconds(1)));
    assert_eq!(circuits.admit(ip(1), None, RULES, clock.at(32)), Ok(true));
    circuits.survived(ip(1), None);
    assert_eq!(circuits.admit(ip(1), None, RULES, clock.at(33)), Ok(false));
    assert_eq!(circuits.open(), 0);
    // As good as new.
    assert_eq!(circuits.trapped(ip(1), None, RULES, clock.at(34)), None);
    assert_eq!(open(&mut circuits, 1, clock.at(35)).map(|it| it.pause), Some(seconds(10)));
}

#[test]
fn g11_a_pause_has_a_bound() {
    let (mut circuit, mut now) = (Circuit::default(), Instant::now());
    circuit.open(RULES.pause, now);
    for _ in 0..20 {
        now += RULES.pause * LONGEST;
        assert!(circuit.begin_trial(RULES, now));
        assert!(circuit.trapped(Trap { at: now, address: ip(1) }, 1, RULES).is_some());
    }
    assert_eq!(circuit.wait(now), Some(RULES.pause * LONGEST));
}

#[test]
fn g11_a_trial_that_is_left_open_closes_the_circuit_in_the_end() {
    let (clock, mut circuits) = (clock(), Circuits::default());
    open(&mut circuits, 1, clock.at(0));
    assert_eq!(circuits.admit(ip(1), None, RULES, clock.at(10)), Ok(true));
    assert_eq!(circuits.admit(ip(1), None, RULES, clock.at(20)), Ok(false));
    assert!(circuits.addresses.is_empty(), "what is over is forgotten");
}

#[test]
fn g11_several_addresses_open_everybodys_circuit() {
    let (clock, mut circuits) = (clock(), Circuits::default());
    assert_eq!(open(&mut circuits, 1, clock.at(0)).map(|it| it.whose), Some(Whose::Address));
    assert_eq!(open(&mut circuits, 2, clock.at(1)).map(|it| it.whose), Some(Whose::Address));
    assert_eq!(circuits.admit(ip(9), None, RULES, clock.at(1)), Ok(false));
    assert_eq!(open(&mut circuits, 3, clock.at(2)).map(|it| it.whose), Some(Whose::Everybody));
    assert_eq!(circuits.admit(ip(9), None, RULES, clock.at(3)), Err(seconds(9)));
    // The trial is one for everybody, from an address that is not refused itself.
    assert_eq!(circuits.admit(ip(9), None, RULES, clock.at(12)), Ok(true));
    assert_eq!(circuits.admit(ip(8), None, RULES, clock.at(12)), Err(seconds(10)));
    circuits.survived(ip(9), None);
    assert_eq!(circuits.admit(ip(8), None, RULES, clock.at(12)), Ok(false));
    assert_eq!(circuits.admit(ip(1), None, RULES, clock.at(12)), Ok(true), "its own circuit has had no trial yet");
}

#[test]
fn g11_no_more_addresses_are_watched_than_the_bound() {
    let (clock, mut circuits) = (clock(), Circuits::default());
    for number in 0..3_000_u16 {
        let [high, low] = number.to_be_bytes();
        circuits.trapped(IpAddr::from([10, 1, high, low]), None, RULES, clock.at(0));
    }
    assert_eq!(circuits.addresses.len(), WATCHED);
    circuits.trapped(ip(1), None, RULES, clock.at(11));
    assert_eq!(circuits.addresses.len(), 1);
}

fn room(key: &str) -> Option<Arc<str>> {
    Some(key.into())
}

/// Traps of these addresses in a room, a second apart; tells what the last one opened.
fn trap_in(circuits: &mut Circuits, key: &str, addresses: &[u8], clock: &Clock) -> Option<Opened> {
    let times = 0..;
    let opened = times
        .zip(addresses)
        .map(|(at, address)| circuits.trapped(ip(*address), room(key).as_ref(), RULES, clock.at(at)));
    opened.last().flatten()
}

#[test]
fn g11_traps_for_several_addresses_open_the_circuit_of_their_room_alone() {
    let (clock, mut circuits) = (clock(), Circuits::default());
    assert_eq!(trap_in(&mut circuits, "a", &[1, 2], &clock), None);
    assert_eq!(trap_in(&mut circuits, "b", &[3], &clock), None);
    let opened = circuits.trapped(ip(1), room("a").as_ref(), RULES, clock.at(2));
    assert_eq!(opened, Some(Opened { whose: Whose::Room, pause: seconds(10) }));
    assert_eq!(circuits.admit(ip(9), room("a").as_ref(), RULES, clock.at(3)), Err(seconds(9)));
    assert_eq!(circuits.admit(ip(9), room("b").as_ref(), RULES, clock.at(3)), Ok(false));
    assert_eq!(circuits.admit(ip(1), room("b").as_ref(), RULES, clock.at(3)), Ok(false));
    assert_eq!(circuits.open(), 1);
}

#[test]
fn g11_one_address_alone_takes_a_room_from_nobody_else() {
    let (clock, mut circuits) = (clock(), Circuits::default());
    assert_eq!(trap_in(&mut circuits, "a", &[1, 1, 1], &clock).map(|it| it.whose), Some(Whose::Address));
    // Its connections in other rooms were open before.
    assert_eq!(trap_in(&mut circuits, "a", &[1; 7], &clock), None);
    assert_eq!(circuits.admit(ip(2), room("a").as_ref(), RULES, clock.at(7)), Ok(false));
    assert!(circuits.admit(ip(1), room("a").as_ref(), RULES, clock.at(7)).is_err());
    assert!(circuits.admit(ip(1), room("b").as_ref(), RULES, clock.at(7)).is_err(), "it is refused everywhere");
    assert_eq!(circuits.rooms["a"].traps.len(), RULES.traps, "what more of them would say is not kept");
    // One more, for another address, is a second opinion.
    let opened = circuits.trapped(ip(2), room("a").as_ref(), RULES, clock.at(7));
    assert_eq!(opened.map(|it| it.whose), Some(Whose::Room));
}

#[test]
fn g11_traps_in_a_room_count_for_a_window() {
    let (clock, mut circuits) = (clock(), Circuits::default());
    trap_in(&mut circuits, "a", &[1, 2], &clock);
    assert_eq!(circuits.trapped(ip(3), room("a").as_ref(), RULES, clock.at(11)), None);
    assert_eq!(circuits.trapped(ip(4), room("a").as_ref(), RULES, clock.at(12)), None);
    let opened = circuits.trapped(ip(5), room("a").as_ref(), RULES, clock.at(13));
    assert_eq!(opened.map(|it| it.whose), Some(Whose::Room));
}

#[test]
fn g11_a_single_trap_opens_no_room_even_where_one_is_allowed_to_open_an_address() {
    let (clock, mut circuits, rules) = (clock(), Circuits::default(), Rules { traps: 1, ..RULES });
    let mut trapped =
        |address, at| circuits.trapped(ip(address), room("a").as_ref(), rules, clock.at(at)).map(|it| it.whose);
    assert_eq!(trapped(1, 0), Some(Whose::Address));
    assert_eq!(trapped(2, 1), Some(Whose::Room));
}

#[test]
fn g11_one_trial_closes_a_rooms_circuit_or_doubles_its_pause() {
    let (clock, mut circuits) = (clock(), Circuits::default());
    let a = room("a");
    trap_in(&mut circuits, "a", &[1, 2, 1], &clock);
    // The address has no part in it, nor need there be a second one.
    assert_eq!(circuits.admit(ip(9), a.as_ref(), RULES, clock.at(12)), Ok(true));
    assert_eq!(circuits.admit(ip(8), a.as_ref(), RULES, clock.at(12)), Err(seconds(10)), "a second trial");
    assert_eq!(circuits.admit(ip(8), room("b").as_ref(), RULES, clock.at(12)), Ok(false));
    let opened = circuits.trapped(ip(9), a.as_ref(), RULES, clock.at(13));
    assert_eq!(opened, Some(Opened { whose: Whose::Room, pause: seconds(20) }));
    assert_eq!(circuits.admit(ip(8), a.as_ref(), RULES, clock.at(14)), Err(seconds(19)));
    assert_eq!(circuits.admit(ip(8), a.as_ref(), RULES, clock.at(33)), Ok(true));
    circuits.survived(ip(8), Some("b"));
    assert!(circuits.admit(ip(7), a.as_ref(), RULES, clock.at(34)).is_err(), "another room's message says nothing");
    circuits.survived(ip(8), Some("a"));
    assert_eq!(circuits.admit(ip(7), a.as_ref(), RULES, clock.at(34)), Ok(false));
    assert_eq!(circuits.open(), 0);
}

#[test]
fn g11_an_address_that_is_refused_begins_no_trial_of_a_room() {
    let (clock, mut circuits) = (clock(), Circuits::default());
    let a = room("a");
    trap_in(&mut circuits, "a", &[1, 2, 1], &clock);
    for at in 5..8 {
        circuits.trapped(ip(3), room("b").as_ref(), RULES, clock.at(at));
    }
    assert_eq!(circuits.admit(ip(3), a.as_ref(), RULES, clock.at(13)), Err(seconds(4)));
    assert_eq!(circuits.admit(ip(4), a.as_ref(), RULES, clock.at(13)), Ok(true));
}

#[test]
fn g11_several_addresses_with_open_circuits_leave_rooms_to_everybody() {
    let (clock, mut circuits) = (clock(), Circuits::default());
    for (address, key) in [(1, "a"), (2, "b"), (3, "c"), (4, "d")] {
        let opened = trap_in(&mut circuits, key, &[address; 3], &clock);
        assert_eq!(opened.map(|it| it.whose), Some(Whose::Address));
    }
    assert_eq!(circuits.everybody, Circuit::default());
    assert_eq!(circuits.admit(ip(9), room("a").as_ref(), RULES, clock.at(4)), Ok(false));
}

#[test]
fn g11_no_more_rooms_are_watched_than_the_bound() {
    let (clock, mut circuits) = (clock(), Circuits::default());
    for number in 0..3_000_u16 {
        circuits.trapped(ip(1), room(&number.to_string()).as_ref(), RULES, clock.at(0));
    }
    assert_eq!(circuits.rooms.len(), WATCHED);
    // Addresses are judged all the same.
    assert_eq!(open(&mut circuits, 2, clock.at(0)).map(|it| it.whose), Some(Whose::Address));
    circuits.trapped(ip(1), room("a").as_ref(), RULES, clock.at(11));
    assert_eq!(circuits.rooms.len(), 1);
}

/// What a breaker admits to `room` at once.
fn admit(breaker: &Breaker, address: u8, room: &str, now: Instant) -> Result<Admitted, Duration> {
    breaker.admit(ip(address), Some(&room.into()), now)
}

#[test]
fn g11_a_connection_takes_its_room_along() {
    let breaker = Breaker::new(&Limits::default(), &Arc::new(Hits::new("test")), &Gauge::noop());
    let now = Instant::now();
    let admitted = [1, 2].map(|address| admit(&breaker, address, "a", now).expect("nothing trapped yet"));
    for admitted in admitted.iter().cycle().take(5) {
        breaker.trapped(admitted, now);
    }
    assert_eq!(admit(&breaker, 3, "a", now), Err(Duration::from_secs(10)));
    assert!(admit(&breaker, 1, "b", now).is_ok(), "neither address has trapped five times");
    let later = now + Duration::from_secs(10);
    let mut trial = admit(&breaker, 3, "a", later).expect("a trial");
    assert!(trial.is_trial());
    assert!(admit(&breaker, 1, "a", later).is_err());
    breaker.survived(&mut trial);
    assert!(!admit(&breaker, 1, "a", later).expect("the room is served again").is_trial());
}
