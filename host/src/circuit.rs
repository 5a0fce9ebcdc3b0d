//! The circuit breaker: whose connections keep trapping the handler gets 503 for a while, before an instance is started.
//!
//! A handler that traps may be broken, or there is one client who knows how to break it and shall not be able to take it
//! from all others. So each peer address has a circuit of its own, and there is one for everybody, which opens only when
//! those of several addresses are open.

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
/// The most addresses that are watched at once; traps of others are not counted until one is forgotten.
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
    /// Of everybody's circuit: not passed over because an address' was said before.
    everybodys_hits: Hits,
    /// Circuits that are not closed.
    open: Gauge,
}

#[derive(Debug, Default)]
struct Circuits {
    everybody: Circuit,
    addresses: BTreeMap<IpAddr, Circuit>,
}

/// Whether the handshakes of one address, or of everybody, are answered.
#[derive(Debug, Default, PartialEq, Eq)]
struct Circuit {
    state: State,
    /// The traps of the last window, while it is closed; fewer than open it.
    traps: VecDeque<Instant>,
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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Admitted {
    address: IpAddr,
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
        let everybodys_hits = Hits::new(hits.deployment().unwrap_or_default());
        Breaker { rules, circuits: Mutex::default(), hits: hits.clone(), everybodys_hits, open: open.clone() }
    }

    /// Whether a handshake of this peer may go on; if not, for how long.
    pub fn admit(&self, peer: IpAddr, now: Instant) -> Result<Admitted, Duration> {
        let address = network(peer);
        let Some(rules) = self.rules else { return Ok(Admitted { address, is_trial: false }) };
        let mut circuits = self.lock();
        let before = circuits.open();
        let admitted = circuits.admit(address, rules, now);
        self.tell_closed(before, &circuits);
        admitted.map(|is_trial| Admitted { address, is_trial })
    }

    /// The handler trapped in a call for this connection.
    pub fn trapped(&self, admitted: Admitted, now: Instant) {
        let Some(rules) = self.rules else { return };
        let mut circuits = self.lock();
        let Some(opened) = circuits.trapped(admitted.address, rules, now) else { return };
        self.open.set(circuits.open() as f64);
        let Rules { traps, window, .. } = rules;
        let (window, pause) = (humantime::format_duration(window), humantime::format_duration(opened.pause));
        let (who, hits) = match opened.everybody {
            true => ("everybody".to_owned(), &self.everybodys_hits),
            false => (admitted.address.to_string(), &*self.hits),
        };
        let value = format_args!("the handler kept trapping; handshakes of {who} get 503 for {pause}");
        hits.report("limits.traps", None, value, format_args!("fewer than {traps} within {window} from one address"));
    }

    /// The handler did not trap in this connection's first message: that ends its trial.
    pub fn survived(&self, admitted: &mut Admitted) {
        if !std::mem::take(&mut admitted.is_trial) {
            return;
        }
        let mut circuits = self.lock();
        let before = circuits.open();
        circuits.survived(admitted.address);
        self.tell_closed(before, &circuits);
    }

    fn tell_closed(&self, before: usize, circuits: &Circuits) {
        let open = circuits.open();
        if open < before {
            self.open.set(open as f64);
            let deployment = self.hits.deployment();
            tracing::warn!(deployment, limit = "limits.traps", open, "limits.traps: handshakes are answered again");
        }
    }

    fn lock(&self) -> MutexGuard<'_, Circuits> {
        self.circuits.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A circuit has opened.
#[derive(Debug, PartialEq, Eq)]
struct Opened {
    everybody: bool,
    pause: Duration,
}

impl Circuits {
    /// How many circuits are not closed.
    fn open(&self) -> usize {
        let addresses = self.addresses.values().filter(|circuit| circuit.state != State::Closed).count();
        addresses + usize::from(self.everybody.state != State::Closed)
    }

    /// Whether the handshake is a trial; or how long to wait.
    fn admit(&mut self, address: IpAddr, rules: Rules, now: Instant) -> Result<bool, Duration> {
        self.everybody.pass_time(now);
        self.addresses.retain(|_, circuit| circuit.matters(rules, now));
        // Looked at before anything changes: a trial that one circuit allows and the other does not would be none.
        let own = self.addresses.get(&address);
        let waits = [own.and_then(|own| own.wait(now)), self.everybody.wait(now)];
        if let Some(wait) = waits.into_iter().flatten().max() {
            return Err(wait);
        }
        let is_trial = self.everybody.begin_trial(rules, now);
        let own = self.addresses.get_mut(&address);
        Ok(own.is_some_and(|own| own.begin_trial(rules, now)) || is_trial)
    }

    /// Count a trap; tells when that opens a circuit.
    fn trapped(&mut self, address: IpAddr, rules: Rules, now: Instant) -> Option<Opened> {
        if self.addresses.len() >= WATCHED {
            self.addresses.retain(|_, circuit| circuit.matters(rules, now));
        }
        if self.addresses.len() >= WATCHED && !self.addresses.contains_key(&address) {
            return None;
        }
        let pause = self.addresses.entry(address).or_default().trapped(rules, now);
        // A trap during everybody's trial is enough; else it takes the circuits of several addresses.
        let open = self.addresses.values().filter(|circuit| circuit.state != State::Closed).count();
        let everybody = match self.everybody.state {
            State::Closed if open >= ADDRESSES && pause.is_some() => Some(self.everybody.open(rules.pause, now)),
            State::Closed | State::Open { .. } => None,
            State::Trial { .. } => self.everybody.trapped(rules, now),
        };
        let opened = |everybody| move |pause| Opened { everybody, pause };
        everybody.map(opened(true)).or(pause.map(opened(false)))
    }

    fn survived(&mut self, address: IpAddr) {
        self.everybody.survived();
        if let Some(own) = self.addresses.get_mut(&address) {
            own.survived();
        }
    }
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

    /// Count a trap; the pause, when that opens the circuit.
    fn trapped(&mut self, rules: Rules, now: Instant) -> Option<Duration> {
        self.pass_time(now);
        match self.state {
            // Of a connection that was open before.
            State::Open { .. } => None,
            State::Trial { pause, .. } => Some(self.open((pause * 2).min(rules.pause * LONGEST), now)),
            State::Closed => {
                self.forget(rules, now);
                self.traps.push_back(now);
                (self.traps.len() >= rules.traps).then(|| self.open(rules.pause, now))
            }
        }
    }

    fn open(&mut self, pause: Duration, now: Instant) -> Duration {
        self.traps.clear();
        self.state = State::Open { until: now + pause, pause };
        pause
    }

    fn forget(&mut self, rules: Rules, now: Instant) {
        while self.traps.front().is_some_and(|at| now.saturating_duration_since(*at) > rules.window) {
            self.traps.pop_front();
        }
    }
}
