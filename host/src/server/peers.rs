//! How many connections each peer address has, so that one cannot take them all.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use crate::connection::handshakes::network;

/// The counts; a clone counts the same.
#[derive(Debug, Clone)]
pub(super) struct Peers {
    limit: usize,
    open: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

/// One connection of an address; given back when dropped.
#[derive(Debug)]
pub(super) struct PeerShare {
    peers: Peers,
    address: IpAddr,
}

impl Peers {
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, open: Arc::default() }
    }

    /// One more connection of an address; none when it has all that it may have.
    pub(super) fn enter(&self, address: IpAddr) -> Option<PeerShare> {
        let address = network(address);
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.get(&address).copied().unwrap_or(0);
        if count >= self.limit {
            return None;
        }
        open.insert(address, count + 1);
        Some(PeerShare { peers: self.clone(), address })
    }
}

impl Drop for PeerShare {
    fn drop(&mut self) {
        let mut open = self.peers.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Entry::Occupied(mut count) = open.entry(self.address) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn an_address_has_its_share_and_gives_it_back() {
        let peers = Peers::new(2);
        let first = peers.enter(ip("10.0.0.1")).unwrap();
        let second = peers.enter(ip("::ffff:10.0.0.1")).unwrap();
        assert!(peers.enter(ip("10.0.0.1")).is_none());
        assert!(peers.enter(ip("10.0.0.2")).is_some());
        drop(first);
        let again = peers.enter(ip("10.0.0.1")).unwrap();
        drop((second, again));
        assert!(peers.open.lock().unwrap().is_empty());
    }

    #[test]
    fn ipv6_counts_by_64_bits() {
        let peers = Peers::new(1);
        let _share = peers.enter(ip("2001:db8::1")).unwrap();
        assert!(peers.enter(ip("2001:db8::ffff:1")).is_none());
        assert!(peers.enter(ip("2001:db8:0:1::1")).is_some());
    }
}
