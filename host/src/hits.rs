//! A limit that was passed: counted, and said in the log with what passed it and the setting that changes it. One who
//! passes a limit all the time fills no log: each limit of a deployment is said once a second.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use metrics::counter;

use crate::ids::ConnectionId;

/// Time between two lines about one limit.
const PAUSE: Duration = Duration::from_secs(1);

/// The limits that one deployment, or the host itself, runs into.
#[derive(Debug)]
pub struct Hits {
    /// Empty for the host.
    deployment: String,
    said: Mutex<BTreeMap<&'static str, Said>>,
}

#[derive(Debug)]
struct Said {
    at: Instant,
    /// Hits since then.
    unsaid: u64,
}

impl Hits {
    /// Those of a deployment.
    pub fn new(deployment: &str) -> Self {
        Hits { deployment: deployment.to_owned(), said: Mutex::default() }
    }

    /// Those of the host as a whole.
    pub fn of_the_host() -> Self {
        Hits::new("")
    }

    /// The deployment's name; none for the host.
    pub fn deployment(&self) -> Option<&str> {
        Some(self.deployment.as_str()).filter(|name| !name.is_empty())
    }

    /// `setting` (such as `limits.outbound` or `host.connections`) allows `allowed`, and there was `value`.
    pub fn report(
        &self,
        setting: &'static str,
        connection: Option<ConnectionId>,
        value: impl Display,
        allowed: impl Display,
    ) {
        self.count(setting);
        let Some(unsaid) = self.may_say(setting, Instant::now()) else { return };
        let deployment = self.deployment();
        let connection = connection.map(|id| id.0);
        let unsaid = Some(unsaid).filter(|count| *count > 0);
        tracing::warn!(deployment, connection, limit = setting, unsaid, "{setting}: {value}; allowed: {allowed}");
    }

    /// A guest named connections that its instance does not own, `foreign` among them; said as the limits are.
    pub fn foreign(&self, connection: Option<ConnectionId>, foreign: ConnectionId, count: u64) {
        counter!("whimbrel_foreign_connections_total", "deployment" => self.deployment.clone()).increment(count);
        let Some(unsaid) = self.may_say("foreign connections", Instant::now()) else { return };
        let (deployment, connection) = (self.deployment.as_str(), connection.map(|id| id.0));
        let unsaid = Some(unsaid).filter(|count| *count > 0);
        tracing::warn!(
            deployment,
            connection,
            unsaid,
            "the guest named connection {foreign}, which does not belong to its instance"
        );
    }

    /// Count only: what happened is said elsewhere.
    pub fn count(&self, setting: &'static str) {
        let limit = setting.strip_prefix("limits.").unwrap_or(setting);
        match self.deployment.is_empty() {
            true => counter!("whimbrel_limits_hit_total", "limit" => limit).increment(1),
            false => {
                counter!("whimbrel_limits_hit_total", "deployment" => self.deployment.clone(), "limit" => limit)
                    .increment(1);
            }
        }
    }

    /// Whether it is time for a line; if so, how many hits went without one.
    fn may_say(&self, setting: &'static str, now: Instant) -> Option<u64> {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        match said.get_mut(setting) {
            Some(said) if now.duration_since(said.at) < PAUSE => {
                said.unsaid += 1;
                None
            }
            Some(said) => {
                said.at = now;
                Some(std::mem::take(&mut said.unsaid))
            }
            None => {
                said.insert(setting, Said { at: now, unsaid: 0 });
                Some(0)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_limit_is_said_once_a_second() {
        let (hits, start) = (Hits::new("chat"), Instant::now());
        let at = |ms| start + Duration::from_millis(ms);
        assert_eq!(hits.may_say("limits.outbound", at(0)), Some(0));
        assert_eq!(hits.may_say("limits.outbound", at(999)), None);
        assert_eq!(hits.may_say("limits.memory", at(999)), Some(0));
        assert_eq!(hits.may_say("limits.outbound", at(999)), None);
        assert_eq!(hits.may_say("limits.outbound", at(1000)), Some(2));
        assert_eq!(hits.may_say("limits.outbound", at(1999)), None);
    }
}
