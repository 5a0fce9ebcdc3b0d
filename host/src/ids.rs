//! Numbers that name connections, and what counts as one peer address.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicU32, Ordering};

/// Names one connection of the host; not reused until four billion others were.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u32);

impl ConnectionId {
    /// The next number. The count wraps around and leaves out 0, which no connection has.
    pub fn next() -> Self {
        static LAST: AtomicU32 = AtomicU32::new(0);
        loop {
            let id = LAST.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
            if id != 0 {
                return ConnectionId(id);
            }
        }
    }
}

impl fmt::Display for ConnectionId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// What is counted as one address: a single customer is given a whole /64 of IPv6.
pub fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX))),
        v4 @ IpAddr::V4(_) => v4,
    }
}
