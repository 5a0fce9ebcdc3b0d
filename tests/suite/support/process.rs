//! What a host's process uses, as the kernel tells it, and what the host itself counts.

use std::fs;
use std::time::Duration;

use super::{Raw, TestHost, within};

/// Memory of the process, in KiB: a line of /proc/PID/status such as `VmRSS`.
pub(crate) fn memory_kib(host: &TestHost, line: &str) -> u64 {
    let text = fs::read_to_string(proc(host, "status")).expect("the host runs");
    let value = text.lines().find_map(|text| text.strip_prefix(line)?.strip_prefix(':')).expect("a line of that name");
    value.trim().trim_end_matches(" kB").parse().expect("a number of KiB")
}

/// Makes `VmHWM` the peak from now on.
pub(crate) fn forget_peak(host: &TestHost) {
    fs::write(proc(host, "clear_refs"), "5").expect("the peak can be forgotten");
}

/// Open files.
pub(crate) fn open_files(host: &TestHost) -> usize {
    fs::read_dir(proc(host, "fd")).expect("the host runs").count()
}

/// Processor time of all threads.
pub(crate) fn processor_time(host: &TestHost) -> Duration {
    let threads = fs::read_dir(proc(host, "task")).expect("the host runs").flatten();
    let times = threads.filter_map(|thread| {
        let text = fs::read_to_string(thread.path().join("schedstat")).ok()?;
        text.split(' ').next()?.parse::<u64>().ok()
    });
    Duration::from_nanos(times.sum())
}

/// A metric with its labels, as `/metrics` shows it now; 0 for one that has not been touched.
pub(crate) async fn metric(host: &TestHost, name: &str) -> f64 {
    let url = host.metrics_url().await;
    let address = url.trim_start_matches("http://").trim_end_matches("/metrics");
    let mut raw = Raw::connect(address.parse().expect("an address")).await;
    raw.send(b"GET /metrics HTTP/1.1\r\nHost: metrics\r\nConnection: close\r\n\r\n").await;
    let body = raw.response().await.body;
    let value = body.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    value.map_or(0.0, |value| value.parse().expect("a metric is a number"))
}

/// Waits until a metric has this value.
pub(crate) async fn wait_metric(host: &TestHost, name: &str, value: f64) {
    let reached = async { while metric(host, name).await != value {} };
    within(&format!("{name} {value}"), reached).await;
}

fn proc(host: &TestHost, file: &str) -> String {
    format!("/proc/{}/{file}", host.pid().as_raw_nonzero())
}
