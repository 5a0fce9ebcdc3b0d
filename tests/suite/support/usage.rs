//! What a host takes of its machine, from /proc and from its own metrics.

use std::time::Duration;

use super::metrics::Metrics;
use super::{DEADLINE, TestHost, within};
use tokio::time::Instant;

impl TestHost {
    /// Resident memory now, in KiB.
    pub(crate) fn resident_kib(&self) -> u64 {
        self.status("VmRSS:")
    }

    /// Address space now, in KiB.
    pub(crate) fn address_space_kib(&self) -> u64 {
        self.status("VmSize:")
    }

    /// The most resident memory so far, or since `forget_peak`, in KiB.
    pub(crate) fn peak_kib(&self) -> u64 {
        self.status("VmHWM:")
    }

    /// Begins a new peak.
    pub(crate) fn forget_peak(&self) {
        std::fs::write(self.proc("clear_refs"), "5").expect("the peak can be forgotten");
    }

    /// Open files.
    pub(crate) fn files(&self) -> usize {
        std::fs::read_dir(self.proc("fd")).expect("the host runs").count()
    }

    /// Processor time of all threads so far.
    pub(crate) fn processor_time(&self) -> Duration {
        let threads = std::fs::read_dir(self.proc("task")).expect("the host runs").flatten();
        let times = threads.filter_map(|thread| {
            let text = std::fs::read_to_string(thread.path().join("schedstat")).ok()?;
            text.split(' ').next()?.parse::<u64>().ok()
        });
        Duration::from_nanos(times.sum())
    }

    /// A metric with its labels, as `/metrics` shows it now; 0 for one that has not been touched.
    pub(crate) async fn metric(&self, name: &str) -> f64 {
        Metrics::read(self).await.value(name)
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
