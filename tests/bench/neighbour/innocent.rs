//! The innocent deployment's clients: each sends at a steady pace, whether answers come or not, and times them.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

use crate::wire::{self, Decoder, Target};

const CONNECTIONS: u32 = 20;
/// Time between two messages of a connection.
const PACE: Duration = Duration::from_millis(20);
const SIZE: usize = 32;
/// An answer that takes longer is lost.
const LOST: Duration = Duration::from_secs(20);

/// How long answers took.
pub(super) struct Latencies(Vec<Duration>);

impl Latencies {
    fn quantile(&self, part: f64) -> f64 {
        let last = self.0.len().saturating_sub(1) as f64;
        self.0.get((last * part).round() as usize).map_or(f64::NAN, |time| time.as_secs_f64() * 1000.0)
    }

    /// Count, median, 99th percentile and greatest, as cells of a table.
    pub(super) fn row(&self) -> String {
        let [p50, p99, max] = [0.5, 0.99, 1.0].map(|part| self.quantile(part));
        format!("{} | {p50:.2} | {p99:.2} | {max:.2}", self.0.len())
    }
}

/// Sends for so long and waits for every answer. One that does not come is an error.
pub(super) async fn measure(target: &Target, period: Duration) -> anyhow::Result<Latencies> {
    let mut streams = Vec::new();
    for _ in 0..CONNECTIONS {
        streams.push(wire::open(target).await?);
    }
    let mut tasks = JoinSet::new();
    for (number, stream) in (0..).zip(streams) {
        tasks.spawn(converse(stream, PACE * number / CONNECTIONS, period));
    }
    let mut all = Vec::new();
    while let Some(latencies) = tasks.join_next().await {
        all.extend(latencies??);
    }
    all.sort_unstable();
    Ok(Latencies(all))
}

async fn converse(stream: TcpStream, offset: Duration, period: Duration) -> anyhow::Result<Vec<Duration>> {
    let (mut reader, mut writer) = stream.into_split();
    let (frame, count) = (wire::frame(wire::BINARY, &[7; SIZE]), (period.as_millis() / PACE.as_millis()) as usize);
    let sent = Mutex::new(VecDeque::new());
    let lock = || sent.lock().unwrap_or_else(PoisonError::into_inner);
    let send = async {
        let mut pace = tokio::time::interval_at(tokio::time::Instant::now() + offset, PACE);
        pace.set_missed_tick_behavior(MissedTickBehavior::Burst);
        for _ in 0..count {
            pace.tick().await;
            lock().push_back(Instant::now());
            writer.write_all(&frame).await?;
        }
        anyhow::Ok(())
    };
    let receive = async {
        let (mut latencies, mut decoder, mut buffer) = (Vec::with_capacity(count), Decoder::new(SIZE), [0; 4096]);
        while latencies.len() < count {
            let read = tokio::time::timeout(LOST, reader.read(&mut buffer)).await.context("an answer is lost")??;
            ensure!(read > 0, "the server ended a connection");
            let now = Instant::now();
            for _ in 0..decoder.feed(&buffer[..read], |_| {})? {
                let sent = lock().pop_front().context("an answer came unasked")?;
                latencies.push(now - sent);
            }
        }
        anyhow::Ok(latencies)
    };
    let ((), latencies) = tokio::try_join!(send, receive)?;
    Ok(latencies)
}
