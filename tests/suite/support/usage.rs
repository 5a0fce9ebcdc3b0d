//! What a host takes of its machine, from /proc and from its own metrics.

use super::{DEADLINE, Raw, TestHost, within};
use tokio::time::Instant;

impl TestHost {
    /// Resident memory now, in KiB.
    pub(crate) fn resident_kib(&self) -> u64 {
        self.status("VmRSS:")
    }

    /// The most resident memory so far, in KiB.
    pub(crate) fn peak_kib(&self) -> u64 {
        self.status("VmHWM:")
    }

    /// Open files.
    pub(crate) fn files(&self) -> usize {
        std::fs::read_dir(self.proc("fd")).expect("the host runs").count()
    }

    /// Processor time so far, in ms.
    pub(crate) fn cpu_ms(&self) -> u64 {
        let stat = std::fs::read_to_string(self.proc("stat")).expect("the host runs");
        let fields = stat.rsplit_once(") ").expect("the name is in parentheses").1.split(' ');
        // utime and stime in ticks of 10 ms; the state is the first field here.
        fields.skip(11).take(2).map(|ticks| ticks.parse::<u64>().expect("a number") * 10).sum()
    }

    /// A metric with its labels; 0 for one that has not been touched.
    pub(crate) async fn metric(&self, name: &str) -> f64 {
        let url = self.metrics_url().await;
        let address = url.trim_start_matches("http://").trim_end_matches("/metrics");
        let mut raw = Raw::connect(address.parse().expect("an address")).await;
        raw.send(b"GET /metrics HTTP/1.1\r\nHost: metrics\r\nConnection: close\r\n\r\n").await;
        let body = raw.response().await.body;
        let line = body.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.map_or(0.0, |value| value.parse().expect("a number"))
    }

    /// Waits until a metric has this value.
    pub(crate) async fn wait_metric(&self, name: &str, value: f64) {
        let reached = async { while self.metric(name).await != value {} };
        within(&format!("{name} to be {value}"), reached).await;
    }

    /// Waits until what is asked for is true; fails the test with what was shown last.
    pub(crate) async fn wait_until(&self, what: &str, holds: impl Fn(&Self) -> Result<(), String>) {
        let end = Instant::now() + DEADLINE;
        while let Err(shown) = holds(self) {
            assert!(Instant::now() < end, "waited in vain for {what}: {shown}");
            tokio::task::yield_now().await;
        }
    }

    fn status(&self, field: &str) -> u64 {
        let text = std::fs::read_to_string(self.proc("status")).expect("the host runs");
        let line = text.lines().find_map(|line| line.strip_prefix(field)).expect("a process has a size");
        line.trim().trim_end_matches(" kB").parse().expect("a number of KiB")
    }

    fn proc(&self, file: &str) -> String {
        format!("/proc/{}/{file}", self.pid().as_raw_nonzero())
    }
}
