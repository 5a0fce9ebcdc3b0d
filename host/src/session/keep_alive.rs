//! Keep-alive: when to ping, and when a silent peer is taken for dead (TORNADO.md items 36 and 37 with any traffic
//! counting as life).

use std::time::{Duration, Instant};

/// The two numbers of keep-alive; none turns the part off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeepAlive {
    /// Between two pings.
    pub interval: Option<Duration>,
    /// From a ping to the end of a peer from which nothing came since.
    pub timeout: Option<Duration>,
}

/// The state of keep-alive on one connection.
#[derive(Debug)]
pub(super) struct Liveness {
    settings: KeepAlive,
    heard: Instant,
    next_ping: Option<Instant>,
    unanswered: Option<Instant>,
}

/// What is due.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Due {
    Nothing,
    Ping,
    /// Silent for the timeout.
    Dead(Duration),
}

impl Liveness {
    pub(super) fn new(settings: KeepAlive, now: Instant) -> Self {
        Liveness { settings, heard: now, next_ping: settings.interval.map(|interval| now + interval), unanswered: None }
    }

    /// Something came from the peer, or it took something from us.
    pub(super) fn heard(&mut self, now: Instant) {
        self.heard = now;
    }

    /// A pong came: the round trip of the ping that it answers, if one was out.
    pub(super) fn pong(&mut self, now: Instant) -> Option<Duration> {
        self.heard = now;
        self.unanswered.take().map(|sent| now.saturating_duration_since(sent))
    }

    /// When to ask `due` again.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let death = self.death();
        match (self.next_ping, death) {
            (Some(ping), Some(death)) => Some(ping.min(death)),
            (ping, death) => ping.or(death),
        }
    }

    pub(super) fn due(&mut self, now: Instant) -> Due {
        if let Some(timeout) = self.settings.timeout.filter(|_| self.death().is_some_and(|death| now >= death)) {
            return Due::Dead(timeout);
        }
        match (self.next_ping, self.settings.interval) {
            (Some(at), Some(interval)) if now >= at => {
                self.next_ping = Some(now + interval);
                // An older ping that other traffic answered says nothing about this one.
                if self.unanswered.is_none_or(|sent| self.heard > sent) {
                    self.unanswered = Some(now);
                }
                Due::Ping
            }
            _ => Due::Nothing,
        }
    }

    fn death(&self) -> Option<Instant> {
        let sent = self.unanswered.filter(|sent| self.heard <= *sent)?;
        Some(sent + self.settings.timeout?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn liveness(interval: u32, timeout: u32) -> (Liveness, Instant) {
        let start = Instant::now();
        let settings = KeepAlive { interval: Some(SECOND * interval), timeout: Some(SECOND * timeout) };
        (Liveness::new(settings, start), start)
    }

    #[test]
    fn a_silent_peer_dies_at_interval_plus_timeout() {
        let (mut liveness, start) = liveness(10, 5);
        assert_eq!(liveness.deadline(), Some(start + SECOND * 10));
        assert_eq!(liveness.due(start + SECOND * 9), Due::Nothing);
        assert_eq!(liveness.due(start + SECOND * 10), Due::Ping);
        assert_eq!(liveness.deadline(), Some(start + SECOND * 15));
        assert_eq!(liveness.due(start + SECOND * 14), Due::Nothing);
        assert_eq!(liveness.due(start + SECOND * 15), Due::Dead(SECOND * 5));
    }

    #[test]
    fn any_traffic_is_life() {
        let (mut liveness, start) = liveness(10, 5);
        assert_eq!(liveness.due(start + SECOND * 10), Due::Ping);
        liveness.heard(start + SECOND * 12);
        assert_eq!(liveness.due(start + SECOND * 15), Due::Nothing);
        assert_eq!(liveness.deadline(), Some(start + SECOND * 20));
    }

    #[test]
    fn a_pong_yields_the_round_trip_once() {
        let (mut liveness, start) = liveness(10, 5);
        assert_eq!(liveness.pong(start), None);
        liveness.due(start + SECOND * 10);
        assert_eq!(liveness.pong(start + SECOND * 11), Some(SECOND));
        assert_eq!(liveness.pong(start + SECOND * 12), None);
    }

    #[test]
    fn off_means_no_deadline() {
        let settings = KeepAlive { interval: None, timeout: Some(SECOND) };
        assert_eq!(Liveness::new(settings, Instant::now()).deadline(), None);
    }
}
