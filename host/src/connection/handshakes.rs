//! How many handshakes each peer address asks for in a second. A bounded table, emptied every second.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Addresses that are counted at once. Those beyond are let through: whoever has so many is not held by a limit per
/// address.
const ADDRESSES: usize = 16 * 1024;
const WINDOW: Duration = Duration::from_secs(1);

/// The handshakes of this second.
#[derive(Debug)]
pub struct Handshakes {
    per_second: usize,
    window: Mutex<Window>,
}

#[derive(Debug)]
struct Window {
    began: Instant,
    counts: HashMap<IpAddr, usize>,
}

impl Handshakes {
    /// So many per second from one address.
    pub fn new(per_second: usize) -> Self {
        let window = Window { began: Instant::now(), counts: HashMap::new() };
        Handshakes { per_second, window: Mutex::new(window) }
    }

    /// Handshakes allowed per second.
    pub fn per_second(&self) -> usize {
        self.per_second
    }

    /// Count one more; false when it is one too many.
    pub fn count(&self, peer: IpAddr, now: Instant) -> bool {
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        if now.saturating_duration_since(window.began) >= WINDOW {
            *window = Window { began: now, counts: HashMap::new() };
        }
        let has_room = window.counts.len() < ADDRESSES;
        let network = network(peer);
        match window.counts.get_mut(&network) {
            Some(count) => {
                *count += 1;
                *count <= self.per_second
            }
            None => {
                if has_room {
                    window.counts.insert(network, 1);
                }
                true
            }
        }
    }
}

/// What counts as one address: a single customer is given a whole /64 of IPv6.
pub fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX))),
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn h25_each_address_has_its_own_second() {
        let (handshakes, now) = (Handshakes::new(2), Instant::now());
        let (one, other): (IpAddr, IpAddr) = ("10.0.0.1".parse().unwrap(), "10.0.0.2".parse().unwrap());
        assert_eq!([(); 3].map(|()| handshakes.count(one, now)), [true, true, false]);
        assert!(handshakes.count(other, now));
        assert!(!handshakes.count("::ffff:10.0.0.1".parse().unwrap(), now + WINDOW / 2));
        assert!(handshakes.count(one, now + WINDOW));
    }

    #[test]
    fn h25_many_addresses_take_bounded_memory() {
        let (handshakes, now) = (Handshakes::new(1), Instant::now());
        for address in 0..2 * ADDRESSES as u32 {
            assert!(handshakes.count(IpAddr::V4(address.into()), now));
        }
        let counted = handshakes.window.lock().unwrap().counts.len();
        assert_eq!(counted, ADDRESSES);
        assert!(!handshakes.count(IpAddr::V4(0.into()), now), "those known are held");
    }
}
