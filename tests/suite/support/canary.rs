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

/// Messages that a connection has on their way at once.
const BURST: usize = 4;
/// Between two bursts of a connection.
const PACE: Duration = Duration::from_millis(10);
/// Far more than a neighbour may cost on a loaded machine, and less than one who stops the host.
const SLOWEST: Duration = Duration::from_secs(2);

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
    /// The longest time that a burst of them took.
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
        times.sort_unstable();
        let at = |percent: usize| times[(times.len() - 1) * percent / 100];
        let test = std::thread::current().name().unwrap_or_default().to_owned();
        println!("canary: {test}: {} bursts, p50 {:?}, p99 {:?}, most {:?}", times.len(), at(50), at(99), at(100));
        assert!(at(100) < SLOWEST, "the canary waited {:?}", at(100));
        Sung { messages: times.len() * BURST, worst: at(100) }
    }
}

async fn sing(mut client: Client, number: usize, told: watch::Receiver<bool>) -> Vec<Duration> {
    let (mut times, mut pace) = (Vec::new(), interval(PACE));
    loop {
        pace.tick().await;
        let is_last = *told.borrow();
        let message = |place: usize| format!("canary {number} message {}", times.len() * BURST + place);
        let began = Instant::now();
        for place in 0..BURST {
            client.text(&message(place)).await;
        }
        for place in 0..BURST {
            assert_eq!(client.receive_text().await, message(place));
        }
        times.push(began.elapsed());
        if is_last {
            client.close(1000, "").await;
            return times;
        }
    }
}
