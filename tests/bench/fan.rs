//! Fan-out: the first member of each room sends one message after another, each when all members have the one before.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use anyhow::{Context, ensure};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::task::JoinSet;

use crate::load::{self, Measure, Period, Rooms};
use crate::wire::{self, Decoder, Target};

/// What the fan-out measurement is told on the command line.
#[derive(clap::Args, Clone)]
pub(crate) struct Options {
    /// Where to connect; the rooms are at this URL followed by /0, /1 and so on
    #[arg(long)]
    pub(crate) url: Target,
    /// Rooms open at once, each with a message on its way
    #[arg(long, default_value_t = 1)]
    pub(crate) rooms: usize,
    /// Members of each room
    #[arg(long)]
    pub(crate) members: usize,
    /// Bytes per message
    #[arg(long, default_value_t = 32)]
    pub(crate) size: usize,
    /// Send text messages instead of binary ones
    #[arg(long)]
    pub(crate) text: bool,
    #[command(flatten)]
    pub(crate) period: Period,
}

/// The subcommand `fan`.
pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    measure(options)?.print("deliveries");
    Ok(())
}

/// Runs the fan-out on this thread and counts what members receive, the sender's own copy too.
pub(crate) fn measure(options: &Options) -> anyhow::Result<Measure> {
    load::block_on(async {
        let opcode = if options.text { wire::TEXT } else { wire::BINARY };
        let frame: Arc<[u8]> = wire::frame(opcode, &load::payload(options.size)).into();
        let count = Arc::new(AtomicU64::new(0));
        let mut rooms = Vec::with_capacity(options.rooms);
        for number in 0..options.rooms {
            let mut members = Vec::with_capacity(options.members);
            for member in 0..options.members {
                let target = Rooms::of(options.members).target(&options.url, number * options.members + member);
                members.push(Arc::new(wire::open(&target).await?));
            }
            rooms.push(members);
        }
        let mut tasks = JoinSet::new();
        for members in rooms {
            let room = Arc::new(Room { members: members.len(), missing: AtomicUsize::new(0), all: Notify::new() });
            let first = members.first().context("members is 0, it must be at least 1")?;
            tasks.spawn(speak(first.clone(), frame.clone(), room.clone()));
            for member in members {
                tasks.spawn(listen(member, Decoder::new(options.size), room.clone(), count.clone()));
            }
        }
        load::measure_period(&options.period, &count, &mut tasks).await
    })
}

/// What the members of one room know of each other.
struct Room {
    members: usize,
    /// Members that do not have the message yet.
    missing: AtomicUsize,
    /// All have it.
    all: Notify,
}

async fn speak(stream: Arc<TcpStream>, frame: Arc<[u8]>, room: Arc<Room>) -> anyhow::Result<()> {
    loop {
        room.missing.store(room.members, Ordering::Relaxed);
        stream.writable().await?;
        let sent = stream.try_write(&frame).context("cannot send")?;
        ensure!(sent == frame.len(), "{sent} of {} bytes fit into the socket", frame.len());
        room.all.notified().await;
    }
}

async fn listen(
    stream: Arc<TcpStream>,
    mut decoder: Decoder,
    room: Arc<Room>,
    count: Arc<AtomicU64>,
) -> anyhow::Result<()> {
    loop {
        stream.readable().await?;
        let messages = load::receive(&stream, &mut decoder)?;
        count.fetch_add(messages, Ordering::Relaxed);
        let missing = room.missing.fetch_sub(messages as usize, Ordering::Relaxed);
        if messages > 0 && missing == messages as usize {
            room.all.notify_one();
        }
    }
}
