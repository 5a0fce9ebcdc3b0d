//! Memory: what each connection that has exchanged one message and then idles adds to the server.

use std::ops::Range;
use std::time::Duration;

use anyhow::Context;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::load::{self, Rooms};
use crate::usage;
use crate::wire::{self, Target};

/// Opened before the first reading, so that what the server sets up once is not counted.
const FIRST: usize = 16;
/// Connections being opened at once.
const CONCURRENCY: usize = 64;
const SETTLE_STEP: Duration = Duration::from_millis(100);
const SETTLE_STEPS: u32 = 30;

/// What the memory measurement is told on the command line.
#[derive(clap::Args, Clone)]
pub(crate) struct Options {
    /// Where to connect, as in ws://127.0.0.1:8080/echo
    #[arg(long)]
    pub(crate) url: Target,
    /// Connections held at once
    #[arg(long, default_value_t = 5000)]
    pub(crate) connections: usize,
    /// Bytes of the one message
    #[arg(long, default_value_t = 32)]
    pub(crate) size: usize,
    #[command(flatten)]
    pub(crate) rooms: Rooms,
    /// Close each connection after its message: what is measured is what they leave behind
    #[arg(long)]
    pub(crate) leave: bool,
    /// Process id of the server; it should be fresh
    #[arg(long)]
    pub(crate) server_pid: u32,
}

/// KiB of memory per connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Memory {
    /// Pages shared between mappings count each time (VmRSS).
    pub(crate) resident: f64,
    /// Shared pages count once in all (Pss).
    pub(crate) proportional: f64,
}

/// The subcommand `idle`.
pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    let memory = measure(options)?;
    println!(
        "connections={} resident_kib={:.2} proportional_kib={:.2}",
        options.connections, memory.resident, memory.proportional
    );
    Ok(())
}

/// Opens the connections and reads the server's memory before and after.
pub(crate) fn measure(options: &Options) -> anyhow::Result<Memory> {
    load::block_on(async {
        let mut held = open(options, 0..FIRST).await?;
        let before = settled(options.server_pid).await?;
        held.extend(open(options, FIRST..FIRST + options.connections).await?);
        let after = settled(options.server_pid).await?;
        let each = |before: u64, after: u64| (after as f64 - before as f64) / options.connections as f64;
        Ok(Memory { resident: each(before.0, after.0), proportional: each(before.1, after.1) })
    })
}

async fn open(options: &Options, numbers: Range<usize>) -> anyhow::Result<Vec<TcpStream>> {
    let payload = load::payload(options.size);
    let mut opening = JoinSet::new();
    let mut opened = Vec::with_capacity(numbers.len());
    for number in numbers {
        if opening.len() == CONCURRENCY
            && let Some(stream) = opening.join_next().await
        {
            opened.extend(stream??);
        }
        let (target, payload, leave) = (options.rooms.target(&options.url, number), payload.clone(), options.leave);
        opening.spawn(async move {
            let mut stream = wire::open(&target).await?;
            wire::check_echo(&mut stream, wire::BINARY, &payload).await?;
            anyhow::Ok(if leave { close(stream).await? } else { Some(stream) })
        });
    }
    while let Some(stream) = opening.join_next().await {
        opened.extend(stream??);
    }
    Ok(opened)
}

async fn close(mut stream: TcpStream) -> anyhow::Result<Option<TcpStream>> {
    stream.write_all(&wire::frame(wire::CLOSE, &1000_u16.to_be_bytes())).await?;
    stream.read_to_end(&mut Vec::new()).await.context("the closing handshake failed")?;
    Ok(None)
}

/// Resident and proportional KiB once two readings agree, or after three seconds.
async fn settled(pid: u32) -> anyhow::Result<(u64, u64)> {
    let mut last = usage::resident_kib(pid)?;
    for _ in 0..SETTLE_STEPS {
        tokio::time::sleep(SETTLE_STEP).await;
        let resident = usage::resident_kib(pid)?;
        if resident == last {
            break;
        }
        last = resident;
    }
    Ok((last, usage::proportional_kib(pid)?))
}
