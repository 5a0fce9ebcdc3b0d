//! What the host holds at one moment, and how long the canary waited since the last one.

use std::time::Duration;

use anyhow::Context;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::good::{Canary, Latency};
use crate::served::Served;
use crate::usage;
use crate::wire::Target;

/// What may be over what was there before (the common measures of docs/faults.md).
const RSS_KIB: u64 = 16 * 1024;
const RSS_PART: f64 = 1.1;
/// Descriptors and threads that the runtime may have for its own ends at one moment and not at another.
const DESCRIPTORS: usize = 4;
const THREADS: usize = 4;

/// One look.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    pub(crate) rss_kib: u64,
    pub(crate) descriptors: usize,
    pub(crate) threads: usize,
    /// The gauges of all deployments.
    pub(crate) connections: u64,
    pub(crate) instances: u64,
    /// Calls that trapped so far.
    pub(crate) traps: u64,
    /// Of the canary since the last look.
    pub(crate) latency: Latency,
    pub(crate) errors: usize,
}

impl Sample {
    pub(crate) const HEADER: &str = "| time | phase | RSS MiB | descriptors | threads | connections | instances | traps \
                                     | canary messages | errors | p50 ms | p99 ms |\n\
                                     | ---: | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |";

    pub(crate) async fn take(served: &Served, canary: &Canary) -> anyhow::Result<Self> {
        let mut sample = Self::of_host(served).await?;
        (sample.latency, sample.errors) = (canary.latency(), canary.errors());
        Ok(sample)
    }

    /// Without the canary.
    pub(crate) async fn of_host(served: &Served) -> anyhow::Result<Self> {
        let metrics = metrics(&served.metrics).await?;
        let count = |what: &str| -> anyhow::Result<usize> {
            let path = format!("/proc/{}/{what}", served.pid());
            Ok(std::fs::read_dir(&path).with_context(|| format!("cannot read {path}"))?.count())
        };
        Ok(Self {
            rss_kib: usage::resident_kib(served.pid())?,
            descriptors: count("fd")?,
            threads: count("task")?,
            connections: sum(&metrics, "whimbrel_connections{"),
            instances: sum(&metrics, "whimbrel_instances{"),
            traps: sum(&metrics, "whimbrel_traps_total{"),
            latency: Latency::default(),
            errors: 0,
        })
    }

    /// Whether more is held than before, over the tolerance; in words.
    pub(crate) fn excess(&self, before: &Sample) -> Vec<String> {
        let rss = (before.rss_kib + RSS_KIB).max((before.rss_kib as f64 * RSS_PART) as u64);
        let counts = [
            ("KiB resident", self.rss_kib, before.rss_kib, rss),
            (
                "descriptors",
                self.descriptors as u64,
                before.descriptors as u64,
                (before.descriptors + DESCRIPTORS) as u64,
            ),
            ("threads", self.threads as u64, before.threads as u64, (before.threads + THREADS) as u64),
            ("connections", self.connections, before.connections, before.connections),
            ("instances", self.instances, before.instances, before.instances),
        ];
        let over = counts.into_iter().filter(|(_, now, _, most)| now > most);
        over.map(|(what, now, before, most)| format!("{now} {what}, {before} before, at most {most} allowed")).collect()
    }

    pub(crate) fn exceeds(&self, before: &Sample) -> bool {
        !self.excess(before).is_empty()
    }

    pub(crate) fn row(&self, time: Duration, phase: &str) -> String {
        let Latency { messages, p50, p99 } = self.latency;
        format!(
            "| {:.0} s | {phase} | {:.1} | {} | {} | {} | {} | {} | {messages} | {} | {:.1} | {:.1} |",
            time.as_secs_f64(),
            self.rss_kib as f64 / 1024.0,
            self.descriptors,
            self.threads,
            self.connections,
            self.instances,
            self.traps,
            self.errors,
            p50.as_secs_f64() * 1e3,
            p99.as_secs_f64() * 1e3,
        )
    }
}

/// The text of the metrics.
async fn metrics(target: &Target) -> anyhow::Result<String> {
    let exchange = async {
        let mut stream = TcpStream::connect(target.address()).await?;
        stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await?;
        let mut text = String::new();
        stream.read_to_string(&mut text).await?;
        anyhow::Ok(text)
    };
    tokio::time::timeout(Duration::from_secs(20), exchange).await.context("no metrics in time")?
}

fn sum(metrics: &str, name: &str) -> u64 {
    let values = metrics.lines().filter(|line| line.starts_with(name)).filter_map(|line| line.rsplit(' ').next());
    values.filter_map(|value| value.parse::<f64>().ok()).sum::<f64>() as u64
}
