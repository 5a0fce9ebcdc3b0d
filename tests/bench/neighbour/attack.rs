//! The hostile deployment's clients: each kind has its guest do one thing as often as it can, on a thread of their own.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use clap::ValueEnum;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use crate::load::block_on;
use crate::wire::{self, Target};

/// Before a connection that was refused is tried again.
const AGAIN: Duration = Duration::from_millis(10);

/// What the neighbour does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// Endless loops, one per worker thread
    Spin,
    /// Endless loops on 100 connections
    SpinMany,
    /// Events of 8 ms, one at a time on each of 100 connections
    Busy,
    /// Memory taken until the limit ends the guest, on 20 connections
    Allocate,
    /// Recursion until the stack ends the guest, on 20 connections
    Recurse,
    /// Events that send 100,000 messages, on 20 connections
    Send,
    /// Events that log 10,000 lines, on 20 connections
    Log,
    /// Small messages, echoed, as fast as can be on 64 connections
    Flood,
}

impl Kind {
    /// As it is called in the table.
    pub(super) fn title(self, workers: usize) -> String {
        match self {
            Kind::Spin => format!("endless loops, {workers} connections"),
            Kind::SpinMany => "endless loops, 100 connections".to_owned(),
            Kind::Busy => "events of 8 ms, 100 connections".to_owned(),
            Kind::Allocate => "allocation to the limit, 20 connections".to_owned(),
            Kind::Recurse => "recursion to a trap, 20 connections".to_owned(),
            Kind::Send => "100,000 sends per event, 20 connections".to_owned(),
            Kind::Log => "10,000 log lines per event, 20 connections".to_owned(),
            Kind::Flood => "flood of small messages, 64 connections".to_owned(),
        }
    }

    fn connections(self, workers: usize) -> usize {
        match self {
            Kind::Spin => workers,
            Kind::SpinMany | Kind::Busy => 100,
            Kind::Allocate | Kind::Recurse | Kind::Send | Kind::Log => 20,
            Kind::Flood => 64,
        }
    }

    /// What the probe is told.
    fn message(self) -> Vec<u8> {
        let command = match self {
            Kind::Spin | Kind::SpinMany => "spin",
            Kind::Busy => "work 8",
            Kind::Allocate => "grow 16",
            Kind::Recurse => "recurse",
            Kind::Send => "burst 100000 32",
            Kind::Log => "chatter 10000",
            Kind::Flood => return wire::frame(wire::BINARY, &[7; 32]).repeat(1000),
        };
        wire::frame(wire::TEXT, command.as_bytes())
    }
}

/// A running attack; dropping it ends it.
pub(super) struct Attack {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
    events: Arc<AtomicU64>,
}

impl Attack {
    /// Attacks in a thread, so that the innocent's clients are not delayed by its own work.
    pub(super) fn start(kind: Kind, workers: usize, target: Target) -> Self {
        let (stop, stopped) = oneshot::channel();
        let events = Arc::new(AtomicU64::new(0));
        let counted = events.clone();
        let thread = std::thread::spawn(move || {
            let ended = block_on(async {
                let mut tasks = JoinSet::new();
                for _ in 0..kind.connections(workers) {
                    tasks.spawn(attack(kind, target.clone(), counted.clone()));
                }
                let _ = stopped.await;
                Ok(())
            });
            drop(ended);
        });
        Self { stop: Some(stop), thread: Some(thread), events }
    }

    /// How many events were answered, or ended their connection. Of a flood: how many bytes were, by 34.
    pub(super) fn events(&self) -> u64 {
        self.events.load(Ordering::Relaxed)
    }
}

impl Drop for Attack {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Every connection that ends is followed by another.
async fn attack(kind: Kind, target: Target, events: Arc<AtomicU64>) {
    loop {
        let Ok(stream) = wire::open(&target).await else {
            tokio::time::sleep(AGAIN).await;
            continue;
        };
        if kind == Kind::Flood {
            flood(stream, &kind.message(), &events).await;
        } else {
            ask(stream, &kind.message(), &events).await;
        }
    }
}

/// The next message follows the first bytes of the answer to the last: more is read on the way.
async fn ask(mut stream: TcpStream, message: &[u8], events: &AtomicU64) {
    let mut buffer = vec![0; 64 * 1024];
    while stream.write_all(message).await.is_ok() {
        let answer = stream.read(&mut buffer).await.unwrap_or(0);
        events.fetch_add(1, Ordering::Relaxed);
        if answer == 0 || buffer[0] == 0x80 | wire::CLOSE {
            return;
        }
    }
}

async fn flood(stream: TcpStream, burst: &[u8], events: &AtomicU64) {
    let (mut reader, mut writer) = stream.into_split();
    let write = async { while writer.write_all(burst).await.is_ok() {} };
    let read = async {
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(count @ 1..) = reader.read(&mut buffer).await {
            events.fetch_add(count as u64 / 34, Ordering::Relaxed);
        }
    };
    tokio::select! {
        () = write => {}
        () = read => {}
    }
}
