//! Innocent connections beside what a test does: they exchange numbered messages with an echoing guest throughout, and
//! none may be lost, changed, or late for ever.
//!
//! ```ignore
//! let canary = Canary::start(&host, "/echo", 5).await;
//! // what must not disturb it
//! canary.finish().await;
//! ```

use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::interval;

use super::{Client, TestHost, within};

/// Between two messages of a connection.
const PACE: Duration = Duration::from_millis(20);

/// Connections that exchange messages until they are told to stop.
pub(crate) struct Canary {
    stop: watch::Sender<bool>,
    connections: Vec<JoinHandle<Vec<Duration>>>,
}

/// What the connections saw.
#[derive(Debug)]
pub(crate) struct Sung {
    /// Messages that went there and back.
    pub(crate) messages: usize,
    /// The longest time that one took.
    pub(crate) worst: Duration,
}

impl Canary {
    /// Connects to a guest that echoes text, and begins.
    pub(crate) async fn start(host: &TestHost, path: &str, connections: usize) -> Self {
        let (stop, told) = watch::channel(false);
        let mut running = Vec::new();
        for number in 0..connections {
            let mut client = Client::connect(host, path).await;
            // One round before anything begins.
            let hello = format!("canary {number}");
            assert_eq!(client.ask(&hello).await, hello);
            running.push(tokio::spawn(sing(client, number, told.clone())));
        }
        Self { stop, connections: running }
    }

    /// Stops after a last message of each, and fails the test when a connection or a message of them was lost.
    pub(crate) async fn finish(self) -> Sung {
        self.stop.send(true).expect("the connections live");
        let mut times = Vec::new();
        for connection in self.connections {
            times.extend(within("the canary's last message", connection).await.expect("the canary lives"));
        }
        Sung { messages: times.len(), worst: times.into_iter().max().unwrap_or_default() }
    }
}

async fn sing(mut client: Client, number: usize, told: watch::Receiver<bool>) -> Vec<Duration> {
    let (mut times, mut pace) = (Vec::new(), interval(PACE));
    loop {
        pace.tick().await;
        let is_last = *told.borrow();
        let message = format!("canary {number} message {}", times.len());
        let began = Instant::now();
        assert_eq!(client.ask(&message).await, message);
        times.push(began.elapsed());
        if is_last {
            client.close(1000, "").await;
            return times;
        }
    }
}
