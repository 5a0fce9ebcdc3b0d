//! The innocent neighbour: connections that exchange numbered messages as long as a guest misbehaves.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::task::JoinHandle;

use crate::support::{Client, TestHost, within};

/// Connections of the canary.
const CONNECTIONS: usize = 4;
/// Messages that one of them has on their way at once.
const BURST: u64 = 4;
/// Time between two bursts.
const PACE: Duration = Duration::from_millis(10);
/// Far more than a neighbour may cost on a loaded machine, and less than one who stops the host.
const SLOWEST: Duration = Duration::from_secs(2);

/// Connections at `/canary` that exchange messages until `finish`.
pub(super) struct Canary {
    stop: Arc<AtomicBool>,
    tasks: Vec<JoinHandle<Vec<Duration>>>,
}

impl Canary {
    /// Connects, and sees that every connection works.
    pub(super) async fn start(host: &TestHost) -> Self {
        let stop = Arc::<AtomicBool>::default();
        let mut tasks = Vec::new();
        for _ in 0..CONNECTIONS {
            let mut client = Client::connect(host, "/canary").await;
            assert_eq!(client.ask("first").await, "first");
            tasks.push(tokio::spawn(sing(client, stop.clone())));
        }
        Self { stop, tasks }
    }

    /// Ends the exchange: every message must have come back, in order, and none too late.
    pub(super) async fn finish(self) {
        self.stop.store(true, Ordering::Relaxed);
        let mut times = Vec::new();
        for task in self.tasks {
            let own = within("the canary", task).await.expect("the canary loses no message");
            assert!(!own.is_empty(), "a connection of the canary had no turn at all");
            times.extend(own);
        }
        times.sort_unstable();
        let at = |percent: usize| times[(times.len() - 1) * percent / 100];
        let test = std::thread::current().name().unwrap_or_default().to_owned();
        println!("canary: {test}: {} bursts, p50 {:?}, p99 {:?}, most {:?}", times.len(), at(50), at(99), at(100));
        assert!(at(100) < SLOWEST, "the canary waited {:?}", at(100));
    }
}

/// Sends and expects numbers; yields how long each burst was under way.
async fn sing(mut client: Client, stop: Arc<AtomicBool>) -> Vec<Duration> {
    let (mut times, mut number) = (Vec::new(), 0_u64);
    let mut pace = tokio::time::interval(PACE);
    loop {
        pace.tick().await;
        let began = Instant::now();
        for sent in number..number + BURST {
            client.text(&sent.to_string()).await;
        }
        for sent in number..number + BURST {
            assert_eq!(client.receive_text().await, sent.to_string());
        }
        number += BURST;
        times.push(began.elapsed());
        // Looked at last, so that everybody has sung once.
        if stop.load(Ordering::Relaxed) {
            client.close(1000, "").await;
            return times;
        }
    }
}
