//! The circuit breaker: whose connections keep trapping the handler gets 503 for a while, before an instance is started.
//!
//! A handler that traps may be broken, or there is one client who knows how to break it and shall not be able to take it
//! from all others. So each peer address has a circuit of its own, and there is one for everybody, which opens only when
//! those of several addresses are open. Rooms fail by themselves, so each has a circuit in place of everybody's: it
//! counts the room's traps, whoever's event it was, and opens when they come from more than one address.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use metrics::Gauge;

use crate::hits::Hits;
use crate::ids::network;
use crate::limits::Limits;

/// So many addresses with open circuits open everybody's.
const ADDRESSES: usize = 3;
/// The most addresses, and the most rooms, that are watched at once; traps of others are not counted until one is
/// forgotten.
const WATCHED: usize = 1024;
/// A pause doubles with each trial that traps, up to so many times `limits.trap_pause`.
const LONGEST: u32 = 16;

/// When a circuit opens, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Rules {
    traps: usize,
    window: Duration,
    pause: Duration,
}

/// The circuits of one revision.
pub struct Breaker {
    /// None: there is no breaker.
    rules: Option<Rules>,
    circuits: Mutex<Circuits>,
    hits: Arc<Hits>,
    /// Of everybody's circuit and those of rooms: not passed over because an address' was said before.
    common_hits: Hits,
    /// Circuits that are not closed.
    open: Gauge,
}

#[derive(Debug, Default)]
struct Circuits {
    /// Closed for ever where there are rooms.
    everybody: Circuit,
    addresses: BTreeMap<IpAddr, Circuit>,
    rooms: BTreeMap<Arc<str>, Circuit>,
}

/// Whether the handshakes of one address, for one room, or of everybody, are answered.
#[derive(Debug, Default, PartialEq, Eq)]
struct Circuit {
    state: State,
    /// The traps of the last window, while it is closed; of more than could open it the last ones.
    traps: VecDeque<Trap>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Trap {
    at: Instant,
    address: IpAddr,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    #[default]
    Closed,
    /// Nobody passes.
    Open { until: Instant, pause: Duration },
    /// One was let through. A trap opens the circuit again; without one it closes, at the latest then.
    Trial { until: Instant, pause: Duration },
}

/// A handshake that may go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admitted {
    address: IpAddr,
    /// None where there are no rooms.
    room: Option<Arc<str>>,
    is_trial: bool,
}

impl Admitted {
    /// Whether circuits close when this connection's first message does not trap.
    pub fn is_trial(&self) -> bool {
        self.is_trial
    }
}

impl fmt::Debug for Breaker {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Breaker").field("rules", &self.rules).finish_non_exhaustive()
    }
}

impl Breaker {
    /// The breaker of a new revision: every circuit is closed, whatever its predecessor did.
    pub fn new(limits: &Limits, hits: &Arc<Hits>, open: &Gauge) -> Self {
        let rules = limits.traps.map(|traps| Rules {
            traps: usize::try_from(traps).unwrap_or(usize::MAX),
            window: limits.trap_window,
            pause: limits.trap_pause,
        });
        open.set(0.0);
        let common_hits = Hits::new(hits.deployment().unwrap_or_default());
        Breaker { rules, circuits: Mutex::default(), hits: hits.clone(), common_hits, open: open.clone() }
    }

    /// Whether a handshake of this peer, for this room where there are rooms, may go on; if not, for how long.
    pub fn admit(&self, peer: IpAddr, room: Option<&Arc<str>>, now: Instant) -> Result<Admitted, Duration> {
        let admitted = |address, is_trial| Admitted { address, room: room.cloned(), is_trial };
        let address = network(peer);
        let Some(rules) = self.rules else { return Ok(admitted(address, false)) };
        let mut circuits = self.lock();
        let before = circuits.open();
        let is_trial = circuits.admit(address, room, rules, now);
        self.tell_closed(before, &circuits, None);
        is_trial.map(|is_trial| admitted(address, is_trial))
    }

    /// The handler trapped in a call for this connection.
    pub fn trapped(&self, admitted: &Admitted, now: Instant) {
        let Some(rules) = self.rules else { return };
        let Admitted { address, room, .. } = admitted;
        let mut circuits = self.lock();
        let Some(opened) = circuits.trapped(*address, room.as_ref(), rules, now) else { return };
        self.open.set(circuits.open() as f64);
        let Rules { traps, window, .. } = rules;
        let (window, pause) = (humantime::format_duration(window), humantime::format_duration(opened.pause));
        let (who, from, hits) = match opened.whose {
            Whose::Address => (format!("of {address}"), "one address", &*self.hits),
            Whose::Room => {
                let room = room.as_deref().unwrap_or_default();
                (format!("for room {room:?}"), "several addresses", &self.common_hits)
            }
            Whose::Everybody => ("of everybody".to_owned(), "one address", &self.common_hits),
        };
        let value = format_args!("the handler kept trapping; handshakes {who} get 503 for {pause}");
        hits.report("limits.traps", None, value, format_args!("fewer than {traps} within {window} from {from}"));
    }

    /// The handler did not trap in this connection's first message: that ends its trial.
    pub fn survived(&self, admitted: &mut Admitted) {
        if !std::mem::take(&mut admitted.is_trial) {
            return;
        }
        let mut circuits = self.lock();
        let before = circuits.open();
        circuits.survived(admitted.address, admitted.room.as_deref());
        self.tell_closed(before, &circuits, admitted.room.as_deref());
    }

    /// `room`: that of the trial that went well.
    fn tell_closed(&self, before: usize, circuits: &Circuits, room: Option<&str>) {
        let open = circuits.open();
        if open < before {
            self.open.set(open as f64);
            let (deployment, room) = (self.hits.deployment(), room.map(tracing::field::debug));
            tracing::warn!(
                deployment,
                room,
                limit = "limits.traps",
                open,
                "limits.traps: handshakes are answered again"
            );
        }
    }

    fn lock(&self) -> MutexGuard<'_, Circuits> {
        self.circuits.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A circuit has opened.
#[derive(Debug, PartialEq, Eq)]
struct Opened {
    whose: Whose,
    pause: Duration,
}

/// Whose handshakes a circuit is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Whose {
    Address,
    Room,
    Everybody,
}

impl Circuits {
    /// How many circuits are not closed.
    fn open(&self) -> usize {
        open(&self.addresses) + open(&self.rooms) + usize::from(self.everybody.state != State::Closed)
    }

    /// Whether the handshake is a trial; or how long to wait.
    fn admit(
        &mut self,
        address: IpAddr,
        room: Option<&Arc<str>>,
        rules: Rules,
        now: Instant,
    ) -> Result<bool, Duration> {
        self.everybody.pass_time(now);
        self.addresses.retain(|_, circuit| circuit.matters(rules, now));
        self.rooms.retain(|_, circuit| circuit.matters(rules, now));
        let Circuits { everybody, addresses, rooms } = self;
        let common = match room {
            Some(room) => rooms.get_mut(room),
            None => Some(everybody),
        };
        let circuits = [addresses.get_mut(&address), common];
        // Looked at before anything changes: a trial that one circuit allows and the other does not would be none.
        if let Some(wait) = circuits.iter().flatten().filter_map(|circuit| circuit.wait(now)).max() {
            return Err(wait);
        }
        let begun = circuits.into_iter().flatten().map(|circuit| circuit.begin_trial(rules, now));
        Ok(begun.fold(false, |is_trial, begins| is_trial | begins))
    }

    /// Count a trap; tells when that opens a circuit.
    fn trapped(&mut self, address: IpAddr, room: Option<&Arc<str>>, rules: Rules, now: Instant) -> Option<Opened> {
        let trap = Trap { at: now, address };
        let own = watch(&mut self.addresses, address, rules, now).map(|own| own.trapped(trap, 1, rules));
        let (whose, common) = match room {
            Some(room) => {
                let circuit = watch(&mut self.rooms, room.clone(), rules, now);
                (Whose::Room, circuit.and_then(|circuit| circuit.trapped(trap, 2, rules)))
            }
            // A trap during everybody's trial is enough; else it takes the circuits of several addresses.
            None => (
                Whose::Everybody,
                match self.everybody.state {
                    State::Closed if own.flatten().is_some() && open(&self.addresses) >= ADDRESSES => {
                        Some(self.everybody.open(rules.pause, now))
                    }
                    State::Closed | State::Open { .. } => None,
                    State::Trial { .. } => own.and_then(|_| self.everybody.trapped(trap, 1, rules)),
                },
            ),
        };
        let opened = |whose| move |pause| Opened { whose, pause };
        common.map(opened(whose)).or(own.flatten().map(opened(Whose::Address)))
    }

    fn survived(&mut self, address: IpAddr, room: Option<&str>) {
        self.everybody.survived();
        let room = room.and_then(|room| self.rooms.get_mut(room));
        for circuit in [self.addresses.get_mut(&address), room].into_iter().flatten() {
            circuit.survived();
        }
    }
}

/// How many of these are not closed.
fn open<K>(circuits: &BTreeMap<K, Circuit>) -> usize {
    circuits.values().filter(|circuit| circuit.state != State::Closed).count()
}

/// The circuit of this key; none when so many others are watched that there is no room for it.
fn watch<K: Ord>(circuits: &mut BTreeMap<K, Circuit>, key: K, rules: Rules, now: Instant) -> Option<&mut Circuit> {
    if circuits.len() >= WATCHED {
        circuits.retain(|_, circuit| circuit.matters(rules, now));
    }
    if circuits.len() >= WATCHED && !circuits.contains_key(&key) {
        return None;
    }
    Some(circuits.entry(key).or_default())
}

impl Circuit {
    /// Whether there is anything to remember.
    fn matters(&mut self, rules: Rules, now: Instant) -> bool {
        self.pass_time(now);
        self.forget(rules, now);
        self.state != State::Closed || !self.traps.is_empty()
    }

    /// A trial that lasted to its end closes the circuit.
    fn pass_time(&mut self, now: Instant) {
        if matches!(self.state, State::Trial { until, .. } if until <= now) {
            self.state = State::Closed;
        }
    }

    fn wait(&self, now: Instant) -> Option<Duration> {
        match self.state {
            State::Closed => None,
            State::Open { until, .. } if until <= now => None,
            State::Open { until, .. } | State::Trial { until, .. } => Some(until - now),
        }
    }

    /// One passes a circuit whose pause is over: whether it is a trial.
    fn begin_trial(&mut self, rules: Rules, now: Instant) -> bool {
        let State::Open { pause, .. } = self.state else { return false };
        self.state = State::Trial { until: now + rules.window, pause };
        true
    }

    fn survived(&mut self) {
        if matches!(self.state, State::Trial { .. }) {
            self.state = State::Closed;
        }
    }

    /// Count a trap; the pause, when that opens the circuit. A closed one takes traps from one or two `addresses`.
    fn trapped(&mut self, trap: Trap, addresses: usize, rules: Rules) -> Option<Duration> {
        let now = trap.at;
        self.pass_time(now);
        match self.state {
            // Of a connection that was open before.
            State::Open { .. } => None,
            State::Trial { pause, .. } => Some(self.open((pause * 2).min(rules.pause * LONGEST), now)),
            State::Closed => {
                self.forget(rules, now);
                self.traps.push_back(trap);
                let is_from_enough = addresses == 1 || self.traps.iter().any(|other| other.address != trap.address);
                if is_from_enough && self.traps.len() >= rules.traps {
                    return Some(self.open(rules.pause, now));
                }
                // All from one address, which more of them say no better.
                if self.traps.len() > rules.traps.max(2) {
                    self.traps.pop_front();
                }
                None
            }
        }
    }

    fn open(&mut self, pause: Duration, now: Instant) -> Duration {
        self.traps.clear();
        self.state = State::Open { until: now + pause, pause };
        pause
    }

    fn forget(&mut self, rules: Rules, now: Instant) {
        while self.traps.front().is_some_and(|trap| now.saturating_duration_since(trap.at) > rules.window) {
            self.traps.pop_front();
        }
    }
}
