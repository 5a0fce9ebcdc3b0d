//! Handshakes: each task opens a connection, closes it as RFC 6455 section 7.1.1 says, and begins again.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use anyhow::{Context, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinSet;

use crate::load::{self, Measure, Period, Rooms};
use crate::wire::{self, Target};

/// What the handshake measurement is told on the command line.
#[derive(clap::Args, Clone)]
pub(crate) struct Options {
    /// Where to connect, as in ws://127.0.0.1:8080/echo
    #[arg(long)]
    pub(crate) url: Target,
    /// Connections being opened or closed at once
    #[arg(long, default_value_t = 16)]
    pub(crate) concurrency: usize,
    #[command(flatten)]
    pub(crate) rooms: Rooms,
    /// One more connection, the first, stays open: its room is never empty
    #[arg(long)]
    pub(crate) stay: bool,
    #[command(flatten)]
    pub(crate) period: Period,
}

/// The subcommand `storm`.
pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    measure(options)?.print("handshakes");
    Ok(())
}

/// Runs the handshakes on this thread.
pub(crate) fn measure(options: &Options) -> anyhow::Result<Measure> {
    load::block_on(async {
        let count = Arc::new(AtomicU64::new(0));
        let (rooms, url, opened) = (options.rooms, options.url.clone(), Arc::new(AtomicUsize::new(0)));
        let target = move || rooms.target(&url, opened.fetch_add(1, Ordering::Relaxed));
        let _stays = if options.stay { Some(wire::open(&target()).await?) } else { None };
        let mut tasks = JoinSet::new();
        for _ in 0..options.concurrency {
            tasks.spawn(open_and_close(target.clone(), count.clone()));
        }
        load::measure_period(&options.period, &count, &mut tasks).await
    })
}

async fn open_and_close(target: impl Fn() -> Target, count: Arc<AtomicU64>) -> anyhow::Result<()> {
    let close = wire::frame(wire::CLOSE, &1000_u16.to_be_bytes());
    let mut answer = Vec::new();
    loop {
        let mut stream = wire::open(&target()).await?;
        stream.write_all(&close).await?;
        answer.clear();
        // The server ends the TCP connection first (section 7.1.1): the client keeps no port in TIME_WAIT,
        // of which it would soon have none left.
        stream.read_to_end(&mut answer).await.context("the closing handshake failed")?;
        ensure!(answer.first() == Some(&(0x80 | wire::CLOSE)), "the server answered a close frame with {answer:?}");
        count.fetch_add(1, Ordering::Relaxed);
    }
}
