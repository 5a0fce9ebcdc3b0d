//! The canary: clients of innocent deployments, whose messages are numbered. None may be lost, doubled, out of order, or
//! late.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

use crate::served::Served;
use crate::wire::{self, Decoder, Target};

/// Connections that echo, and the time between two messages of each.
const ECHOES: usize = 20;
const PAUSE: Duration = Duration::from_millis(20);
/// Subscribers of the topic, and the time between two publications.
const SUBSCRIBERS: usize = 5;
const PUBLISH: Duration = Duration::from_millis(50);
/// Bytes of a message: its number in decimal.
const DIGITS: usize = 8;
/// An answer that takes longer is lost.
const LOST: Duration = Duration::from_secs(20);

/// How long answers took.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Latency {
    pub(crate) messages: usize,
    pub(crate) p50: Duration,
    pub(crate) p99: Duration,
}

/// What the canary has to tell at its end.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) echoed: usize,
    pub(crate) published: usize,
    pub(crate) problems: Vec<String>,
}

/// Runs on a thread of its own, so that the load's clients do not delay it.
pub(crate) struct Canary {
    stop: watch::Sender<bool>,
    shared: Arc<Shared>,
    thread: std::thread::JoinHandle<anyhow::Result<()>>,
}

#[derive(Default)]
struct Shared {
    /// Of the answers since the last look.
    times: Mutex<Vec<Duration>>,
    echoed: AtomicUsize,
    published: AtomicUsize,
    problems: Mutex<Vec<String>>,
}

impl Canary {
    pub(crate) fn start(served: &Served) -> anyhow::Result<Self> {
        let (stop, stopped) = watch::channel(false);
        let shared = Arc::<Shared>::default();
        let (echo, topics) = (served.target("innocent", ""), served.target("topics", "?open=subscribe+news"));
        let publisher = served.target("topics", "");
        let thread = std::thread::spawn({
            let shared = shared.clone();
            move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
                runtime.block_on(run(echo, topics, publisher, stopped, shared));
                Ok(())
            }
        });
        Ok(Self { stop, shared, thread })
    }

    /// Of the answers since this was asked last.
    pub(crate) fn latency(&self) -> Latency {
        let mut times = std::mem::take(&mut *lock(&self.shared.times));
        times.sort_unstable();
        let at = |part: f64| times.get((times.len() as f64 * part) as usize).copied().unwrap_or_default();
        Latency { messages: times.len(), p50: at(0.5), p99: at(0.99) }
    }

    pub(crate) fn errors(&self) -> usize {
        lock(&self.shared.problems).len()
    }

    /// Send no more, wait for what is still due, and tell.
    pub(crate) async fn stop(self) -> anyhow::Result<Told> {
        // Nobody listens any more only when all have failed.
        let _ = self.stop.send(true);
        let thread = tokio::task::spawn_blocking(|| self.thread.join());
        thread.await?.map_err(|_| anyhow::anyhow!("the canary panicked"))??;
        Ok(Told {
            echoed: self.shared.echoed.load(Ordering::Relaxed),
            published: self.shared.published.load(Ordering::Relaxed),
            problems: std::mem::take(&mut *lock(&self.shared.problems)),
        })
    }
}

async fn run(echo: Target, topics: Target, publisher: Target, stop: watch::Receiver<bool>, shared: Arc<Shared>) {
    let mut tasks = JoinSet::new();
    for _ in 0..ECHOES {
        tasks.spawn(echoes(echo.clone(), stop.clone(), shared.clone()));
    }
    tasks.spawn(publications(publisher, topics, stop, shared.clone()));
    while let Some(ended) = tasks.join_next().await {
        let error = match ended {
            Ok(Ok(())) => continue,
            Ok(Err(error)) => format!("{error:#}"),
            Err(error) => error.to_string(),
        };
        eprintln!("canary: {error}");
        lock(&shared.problems).push(error);
    }
}

/// One connection: numbers out at their times, the same numbers back.
async fn echoes(target: Target, mut stop: watch::Receiver<bool>, shared: Arc<Shared>) -> anyhow::Result<()> {
    let mut stream = wire::open(&target).await?;
    let mut buffer = vec![0; 16 * 1024];
    let mut tick = tokio::time::interval(PAUSE);
    let mut due = Due::default();
    loop {
        tokio::select! {
            _ = stop.changed() => break,
            _ = tick.tick() => {
                let frame = wire::frame(wire::TEXT, due.next()?.as_bytes());
                tokio::time::timeout(LOST, stream.write_all(&frame)).await.context("a message was not taken")??;
            }
            count = stream.read(&mut buffer) => due.heard(&buffer[..count?], &shared)?,
        }
    }
    while !due.sent.is_empty() {
        let count = tokio::time::timeout(LOST, stream.read(&mut buffer)).await.context("a message was not answered")?;
        due.heard(&buffer[..count?], &shared)?;
    }
    stream.write_all(&wire::frame(wire::CLOSE, &1000_u16.to_be_bytes())).await?;
    let rest = stream.read_to_end(&mut buffer);
    tokio::time::timeout(LOST, rest).await.context("the connection did not end")??;
    Ok(())
}

/// The answers that are still to come.
struct Due {
    /// When each was asked for, the oldest first.
    sent: VecDeque<Instant>,
    answered: usize,
    decoder: Decoder,
    text: Vec<u8>,
}

impl Default for Due {
    fn default() -> Self {
        Self { sent: VecDeque::new(), answered: 0, decoder: Decoder::new(DIGITS), text: Vec::new() }
    }
}

impl Due {
    /// The next number, unless the answer to an older one is lost.
    fn next(&mut self) -> anyhow::Result<String> {
        let is_lost = self.sent.front().is_some_and(|sent| sent.elapsed() > LOST);
        ensure!(!is_lost, "message {} was not answered", self.answered);
        let number = self.answered + self.sent.len();
        self.sent.push_back(Instant::now());
        Ok(format!("{number:0DIGITS$}"))
    }

    fn heard(&mut self, bytes: &[u8], shared: &Shared) -> anyhow::Result<()> {
        ensure!(!bytes.is_empty(), "the connection ended, {} answers before their time", self.sent.len());
        self.decoder.feed(bytes, |piece| self.text.extend_from_slice(piece))?;
        for echo in self.text.chunks_exact(DIGITS) {
            let expected = format!("{:0DIGITS$}", self.answered);
            ensure!(echo == expected.as_bytes(), "{:?} came instead of {expected}", String::from_utf8_lossy(echo));
            let sent = self.sent.pop_front().context("an answer without a message")?;
            lock(&shared.times).push(sent.elapsed());
            shared.echoed.fetch_add(1, Ordering::Relaxed);
            self.answered += 1;
        }
        self.text.drain(..self.text.len() / DIGITS * DIGITS);
        Ok(())
    }
}

type Client = WebSocketStream<TcpStream>;

async fn connect(target: &Target) -> anyhow::Result<Client> {
    let stream = TcpStream::connect(target.address()).await?;
    let client = tokio_tungstenite::client_async(target.to_string(), stream);
    Ok(tokio::time::timeout(LOST, client).await.context("no handshake in time")??.0)
}

async fn text(client: &mut Client) -> anyhow::Result<String> {
    loop {
        match tokio::time::timeout(LOST, client.next()).await.context("no message in time")? {
            Some(Ok(Message::Text(text))) => return Ok(text.as_str().to_owned()),
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
            other => bail!("instead of a message came {other:?}"),
        }
    }
}

/// One publishes numbers, and every subscriber gets every number, in order.
async fn publications(
    publisher: Target,
    topics: Target,
    mut stop: watch::Receiver<bool>,
    shared: Arc<Shared>,
) -> anyhow::Result<()> {
    let mut subscribers = Vec::new();
    for _ in 0..SUBSCRIBERS {
        let mut subscriber = connect(&topics).await?;
        ensure!(text(&mut subscriber).await? == "ok", "a subscription failed");
        subscribers.push(subscriber);
    }
    let mut publisher = connect(&publisher).await?;
    let mut tick = tokio::time::interval(PUBLISH);
    for number in 0.. {
        tokio::select! {
            _ = tick.tick() => {}
            _ = stop.changed() => break,
        }
        publisher.send(Message::text(format!("publish news {number}"))).await?;
        let answer = text(&mut publisher).await?;
        ensure!(answer == format!("ok {SUBSCRIBERS}"), "publication {number} was answered {answer:?}");
        for subscriber in &mut subscribers {
            let got = text(subscriber).await?;
            ensure!(got == number.to_string(), "a subscriber got {got:?} instead of {number}");
        }
        shared.published.fetch_add(1, Ordering::Relaxed);
    }
    Ok(())
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
