//! The numbers that nothing may pass: those a manifest can set, with their defaults, ranges and ceilings, and those fixed
//! for everybody.
//!
//! The table at `settable!` is the only list of the settable ones. A manifest's `[limits]` and the host config's
//! `[defaults]` and `[ceilings]` are all read by walking [`KEYS`].

mod value;

use std::time::Duration;

use value::Amount;
pub use value::{Key, Kind, Value};

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;
const GIB: usize = 1024 * MIB;

const MILLISECOND: u64 = 1_000_000;
const DAY: u64 = 24 * 60 * 60 * 1000 * MILLISECOND;
/// The contract counts messages and waiting bytes in 32 bits.
const CONTRACT_BYTES: u64 = u32::MAX as u64;

/// Time between two epoch ticks. A running guest yields at each tick, so execution is measured in these steps.
pub const EPOCH_TICK: Duration = Duration::from_millis(10);
/// Bytes of a message that allow one more fragment, beyond [`Limits::fragments`].
pub const BYTES_PER_FRAGMENT: usize = 16;
/// Largest manifest or host config, in bytes.
pub const CONFIG_BYTES: u64 = 256 * KIB as u64;
/// Routes of one deployment.
pub const ROUTES: usize = 256;

/// Makes `Limits`, its defaults, `Ceilings`, their defaults and `KEYS` from one table.
macro_rules! settable {
    ($(
        $(#[doc = $doc:literal])+
        $name:ident: $type:ty = $default:expr, $kind:ident $least:literal * $unit:expr => $most:expr, ceiling $ceiling:expr;
    )+) => {
        /// What a deployment may use, every value checked. The ranges are those of [`KEYS`]; the ping timeout is never
        /// longer than the ping interval, unless it is off.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct Limits {
            $( $(#[doc = $doc])+ pub $name: $type, )+
        }

        impl Default for Limits {
            fn default() -> Self {
                Limits { $( $name: $default, )+ }
            }
        }

        /// The most that a manifest may ask for; none: as much as it likes.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct Ceilings {
            $( #[doc = concat!("Ceiling of [`Limits::", stringify!($name), "`].")] pub $name: Option<$type>, )+
        }

        impl Default for Ceilings {
            fn default() -> Self {
                Ceilings { $( $name: $ceiling, )+ }
            }
        }

        /// Every settable limit, in the order in which they are shown.
        pub const KEYS: &[Key] = &[$( Key {
            name: stringify!($name),
            kind: Kind::$kind,
            least: $least * $unit,
            most: $most,
            get: |limits| limits.$name.amount(),
            set: |limits, amount| limits.$name = Amount::from_amount(amount),
            ceiling: |ceilings| ceilings.$name.as_ref().map(Amount::amount),
            set_ceiling: |ceilings, ceiling| ceilings.$name = ceiling.map(Amount::from_amount),
        }, )+];
    };
}

settable! {
    /// Linear memory of one instance, in bytes; growth beyond is refused.
    memory: usize = 64 * MIB, Size 64 * KIB as u64 => 4 * GIB as u64, ceiling Some(GIB);
    /// Elements of one wasm table; growth beyond is refused.
    table_elements: usize = 20_000, Count 1 * 1 => 10_000_000, ceiling Some(20_000);
    /// Core instances that the component may be made of; with more it is refused when it is loaded.
    core_instances: usize = 64, Count 1 * 1 => 1_000, ceiling Some(64);
    /// Largest component file, in bytes; a larger one is refused before it is read.
    component_size: usize = 64 * MIB, Size 1 * KIB as u64 => 4 * GIB as u64, ceiling Some(64 * MIB);
    /// Time that the guest may run per event, in steps of [`EPOCH_TICK`]; then it is trapped.
    execution: Duration = Duration::from_millis(100), Time 1 * MILLISECOND => DAY, ceiling Some(Duration::from_secs(10));
    /// Part of the machine's worker threads that the deployment gets while others want them too, in percent.
    execution_share: u64 = 50, Share 1 * 1 => 100, ceiling None;
    /// Instructions (wasmtime's fuel) per event; then the guest is trapped. Needs `metering = "fuel"`.
    instructions: Option<u64> = None, CountOrOff 1 * 1 => u64::MAX, ceiling None;
    /// Time per event, waiting included; then the guest is trapped.
    event_time: Duration = Duration::from_secs(10), Time 1 * MILLISECOND => DAY, ceiling Some(Duration::from_secs(300));
    /// Time for making the instance and its `open`; then 503, or 1011 after the 101.
    start_time: Duration = Duration::from_secs(1), Time 1 * MILLISECOND => DAY, ceiling Some(Duration::from_secs(30));
    /// Largest inbound message, in bytes (fits 32 bits); a larger one closes the connection with 1009.
    max_message_size: usize = 10 * MIB, Size 1 * 1 => CONTRACT_BYTES, ceiling Some(256 * MIB);
    /// Fragments of one message that are free of the size rule; one more is allowed per [`BYTES_PER_FRAGMENT`] received.
    /// Beyond, 1008.
    fragments: usize = 1024, Count 1 * 1 => u32::MAX as u64, ceiling None;
    /// Time from the first byte of a message to its last; then 1008.
    message_time: Option<Duration> = Some(Duration::from_secs(30)), TimeOrOff 1 * MILLISECOND => DAY, ceiling None;
    /// Messages per second from one peer: beyond, it is not read until it fits, and closed with 1008 when it goes on for
    /// [`Limits::rate_time`].
    messages_per_second: Option<u64> = None, CountOrOff 1 * 1 => u32::MAX as u64, ceiling None;
    /// Bytes per second from one peer; likewise.
    bytes_per_second: Option<u64> = None, SizeOrOff 1 * 1 => CONTRACT_BYTES, ceiling None;
    /// Time for which a peer may go on being faster than its rate; then 1008.
    rate_time: Duration = Duration::from_secs(10), Time 1 * MILLISECOND => DAY, ceiling None;
    /// Pings and pongs per second from one peer, ten seconds' worth at once; beyond, 1008.
    control_frames: Option<u64> = Some(100), CountOrOff 1 * 1 => u32::MAX as u64, ceiling None;
    /// Bytes that may wait for one peer (fits 32 bits), always at least one message; beyond, `buffer-full`.
    outbound: usize = 16 * MIB, Size 1 * 1 => CONTRACT_BYTES, ceiling Some(256 * MIB);
    /// Time for which an outbound may stay full; then the connection closes with 1008.
    slow_consumer_time: Duration = Duration::from_secs(30), Time 1 * MILLISECOND => DAY, ceiling None;
    /// Open connections of one deployment; beyond, 503.
    connections: usize = 100_000, Count 1 * 1 => u32::MAX as u64, ceiling None;
    /// Rooms of one deployment; beyond, 503.
    rooms: usize = 10_000, Count 1 * 1 => u32::MAX as u64, ceiling None;
    /// Connections of one room; beyond, 503.
    members: usize = 10_000, Count 1 * 1 => u32::MAX as u64, ceiling None;
    /// Connections whose events may wait for one room or shared instance at once; those of others stay in their sockets.
    mailbox: usize = 1_024, Count 1 * 1 => 1_000_000, ceiling None;
    /// Time for which a room without connections is kept.
    room_idle: Duration = Duration::from_secs(30), Time 1 * MILLISECOND => DAY, ceiling None;
    /// Part of one worker thread that a room or shared instance may occupy; beyond, its events wait.
    instance_share: u64 = 100, Share 1 * 1 => 100, ceiling None;
    /// Linear memory at which an instance is replaced between events, in bytes. None: never.
    recycle_at: Option<u64> = None, SizeOrOff 64 * KIB as u64 => 4 * GIB as u64, ceiling None;
    /// Events after which an instance is replaced. None: never.
    recycle_events: Option<u64> = None, CountOrOff 1 * 1 => u64::MAX, ceiling None;
    /// Traps of one peer address' connections within [`Limits::trap_window`]; with so many its handshakes get 503 for
    /// [`Limits::trap_pause`]. None: never.
    traps: Option<u64> = Some(5), CountOrOff 1 * 1 => 100, ceiling None;
    /// Time within which traps are counted, and for which a connection is on trial after a pause.
    trap_window: Duration = Duration::from_secs(10), Time 1 * MILLISECOND => DAY, ceiling None;
    /// Time for which handshakes get 503 after too many traps; it doubles while trials trap too.
    trap_pause: Duration = Duration::from_secs(10), Time 1 * MILLISECOND => DAY, ceiling None;
    /// Time between keep-alive pings; none: no pings.
    ping_interval: Option<Duration> = Some(Duration::from_secs(30)), TimeOrOff 1 * MILLISECOND => DAY, ceiling None;
    /// Time that a silent peer is given after a keep-alive ping; none: it is never given up.
    ping_timeout: Option<Duration> = Some(Duration::from_secs(30)), TimeOrOff 1 * MILLISECOND => DAY, ceiling None;
    /// Time that the peer is given to answer a close frame; then the transport is closed.
    close_timeout: Duration = Duration::from_secs(5), Time 1 * MILLISECOND => DAY, ceiling None;
    /// Topics that one connection may be subscribed to; beyond, `denied`.
    subscriptions: usize = 100, Count 0 * 1 => u32::MAX as u64, ceiling None;
    /// Longest topic name, in bytes of UTF-8; a longer one is `invalid`.
    topic_size: usize = 256, Size 1 * 1 => 64 * KIB as u64, ceiling Some(4 * KIB);
    /// Longest line of a guest's log, in bytes; the rest of the line is cut off.
    log_line_size: usize = 8 * KIB, Size 16 * 1 => MIB as u64, ceiling Some(64 * KIB);
    /// Log lines of one deployment per second; more are dropped and counted.
    log_lines: u32 = 100, Count 0 * 1 => u32::MAX as u64, ceiling None;
}

impl Limits {
    /// Every limit with its value as people write it, in the order of [`KEYS`].
    pub fn rows(&self) -> impl Iterator<Item = (&'static str, String)> + '_ {
        KEYS.iter().map(|key| (key.name, key.get(self).to_string()))
    }

    /// The largest message that a guest may send, in bytes; a larger one is `too-large`.
    pub fn largest_sent(&self) -> usize {
        self.outbound.max(self.max_message_size)
    }

    /// Lower what no one could reach: a ping timeout that is longer than the ping interval to the interval, a mark for
    /// recycling over the memory to the memory.
    pub fn fit(&mut self) {
        if let (Some(interval), Some(timeout)) = (self.ping_interval, self.ping_timeout) {
            self.ping_timeout = Some(timeout.min(interval));
        }
        let memory = u64::try_from(self.memory).unwrap_or(u64::MAX);
        self.recycle_at = self.recycle_at.map(|mark| mark.min(memory));
    }
}

impl Ceilings {
    /// No ceiling at all.
    pub fn none() -> Self {
        let mut ceilings = Ceilings::default();
        for key in KEYS {
            key.set_ceiling(&mut ceilings, None);
        }
        ceilings
    }

    /// Lower every limit that is over its ceiling to the ceiling.
    pub fn lower(&self, limits: &mut Limits) {
        for key in KEYS {
            if let Some(ceiling) = key.ceiling(self)
                && key.get(limits).exceeds(&ceiling)
            {
                key.set(limits, ceiling);
            }
        }
        limits.fit();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> &'static Key {
        KEYS.iter().find(|key| key.name == name).unwrap()
    }

    #[test]
    fn defaults_are_in_range_and_under_the_ceilings() {
        for key in KEYS {
            let default = key.get(&Limits::default());
            match default.amount {
                Some(amount) => assert!((key.least..=key.most).contains(&amount), "{}", key.name),
                None => assert!(key.kind.allows_off(), "{}", key.name),
            }
            if let Some(ceiling) = key.ceiling(&Ceilings::default()) {
                assert!(!default.exceeds(&ceiling), "{}", key.name);
                assert!(ceiling.amount.unwrap() <= key.most, "{}", key.name);
            }
        }
    }

    #[test]
    fn rows_read_as_a_manifest_is_written() {
        let rows: Vec<String> = Limits::default().rows().map(|(key, value)| format!("{key} = {value}")).collect();
        let expected = [
            "memory = 64MiB",
            "table_elements = 20000",
            "core_instances = 64",
            "component_size = 64MiB",
            "execution = 100ms",
            "execution_share = 50%",
            "instructions = off",
            "event_time = 10s",
            "start_time = 1s",
            "max_message_size = 10MiB",
            "fragments = 1024",
            "message_time = 30s",
            "messages_per_second = off",
            "bytes_per_second = off",
            "rate_time = 10s",
            "control_frames = 100",
            "outbound = 16MiB",
            "slow_consumer_time = 30s",
            "connections = 100000",
            "rooms = 10000",
            "members = 10000",
            "mailbox = 1024",
            "room_idle = 30s",
            "instance_share = 100%",
            "recycle_at = off",
            "recycle_events = off",
            "traps = 5",
            "trap_window = 10s",
            "trap_pause = 10s",
            "ping_interval = 30s",
            "ping_timeout = 30s",
            "close_timeout = 5s",
            "subscriptions = 100",
            "topic_size = 256B",
            "log_line_size = 8KiB",
            "log_lines = 100",
        ];
        assert_eq!(rows, expected);
    }

    #[test]
    fn every_key_sets_what_it_gets() {
        for key in KEYS {
            let (mut limits, mut ceilings) = (Limits::default(), Ceilings::default());
            let value = key.value(Some(key.least));
            key.set(&mut limits, value);
            key.set_ceiling(&mut ceilings, Some(value));
            assert_eq!(key.get(&limits), value, "{}", key.name);
            assert_eq!(key.ceiling(&ceilings), Some(value), "{}", key.name);
            assert!(key.ceiling(&Ceilings::none()).is_none());
        }
    }

    #[test]
    fn sizes_are_shown_exactly() {
        let shown = |amount| key("memory").value(Some(amount)).to_string();
        assert_eq!(shown(0), "0B");
        assert_eq!(shown(1023), "1023B");
        assert_eq!(shown(1536 * 1024), "1536KiB");
        assert_eq!(shown(4 * GIB as u64), "4GiB");
    }

    #[test]
    fn off_is_over_every_ceiling() {
        let interval = key("ping_interval");
        let off = interval.value(None);
        assert_eq!(off.to_string(), "off");
        assert!(off.exceeds(&interval.value(Some(DAY))));
        assert!(!off.exceeds(&off));
    }

    #[test]
    fn a_ceiling_lowers_a_default() {
        let ceilings =
            Ceilings { memory: Some(MIB), ping_interval: Some(Some(Duration::from_secs(5))), ..Ceilings::none() };
        let mut limits = Limits::default();
        ceilings.lower(&mut limits);
        assert_eq!(limits.memory, MIB);
        assert_eq!(limits.ping_interval, Some(Duration::from_secs(5)));
        assert_eq!(limits.ping_timeout, Some(Duration::from_secs(5)));
        assert_eq!(limits.execution, Duration::from_millis(100));
    }
}
