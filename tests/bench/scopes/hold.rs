//! Ten thousand rooms of two on one host: how many there are room for, what they cost, and what stopped it.
//!
//! The clients are two processes, since one may not have as many open files as the host.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream as StdStream;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::{Bed, ROOM};
use crate::load;
use crate::machine;
use crate::server::Running;
use crate::table;
use crate::usage;
use crate::wire::{self, Decoder, Target};

/// Rooms that one client opens or speaks in at once.
const CONCURRENCY: usize = 16;
const CLIENTS: usize = 2;

/// Opens the rooms from client processes and prints what the host made of them.
pub(super) fn run(bed: &Bed<'_>, rooms: usize) -> anyhow::Result<()> {
    let host = bed.spec(ROOM.name, ROOM, Path::new(test_guests::FAN_OUT), &format!("rooms = {}", rooms.max(1)))?;
    let host = host.with_metrics().start(&bed.pinning, bed.folder)?;
    let metrics: Target = host.told("metrics on ")?.trim().parse()?;
    let (empty, cpu) = (Host::look(&host)?, usage::cpu_time(host.pid())?);
    let began = Instant::now();
    let mut clients = Vec::new();
    for number in 0..CLIENTS {
        let share = rooms / CLIENTS + usize::from(number < rooms % CLIENTS);
        clients.push(Client::start(host.target(), number * rooms, share)?);
    }
    let mut reached = 0;
    let mut stops: Vec<String> = Vec::new();
    for client in &mut clients {
        reached += client.told("opened ")?.parse::<usize>()?;
        stops.push(client.told("stopped ")?);
    }
    stops.dedup();
    let (time, cpu) = (began.elapsed().as_secs_f64(), (usage::cpu_time(host.pid())? - cpu).as_secs_f64());
    let counted = scrape(&metrics)?;
    let full = Host::look(&host)?;
    eprintln!("{reached} rooms after {time:.1} s; {stops:?}");
    let (began, cpu_before) = (Instant::now(), usage::cpu_time(host.pid())?);
    for client in &mut clients {
        client.tell()?;
    }
    let mut answered = 0;
    for client in &mut clients {
        answered += client.told("answered ")?.parse::<usize>()?;
    }
    let (spoke, spoke_cpu) = (began.elapsed().as_secs_f64(), (usage::cpu_time(host.pid())? - cpu_before).as_secs_f64());
    println!("{}.\n\n| of {rooms} rooms of two | |\n| --- | --- |", machine::description(bed.pinning));
    let connections = 2.0 * reached as f64;
    let per_room = |kib: fn(&Host) -> u64| 1024.0 * (kib(&full) as f64 - kib(&empty) as f64) / reached as f64;
    for (name, value) in [
        ("rooms reached", format!("{reached}")),
        ("connections", format!("{connections}")),
        ("counted by the host", counted),
        ("rooms in which a message went to the other member and one came back", format!("{answered} in {spoke:.1} s")),
        (
            "server-CPU-microseconds per such message, to two members",
            format!("{:.1}", 1e6 * spoke_cpu / answered as f64 / 2.0),
        ),
        ("handshakes per second, a pause of 1 s included", table::number(connections / time)),
        ("handshakes per server-CPU-second", table::number(connections / cpu)),
        ("resident, before and with all", format!("{} and {} MiB", empty.resident / 1024, full.resident / 1024)),
        ("bytes per room with its connections, resident", table::number(per_room(|host| host.resident))),
        ("bytes per room with its connections, proportional", table::number(per_room(|host| host.proportional))),
        ("memory mappings of the host", format!("{} of {}", full.mappings, allowed_mappings())),
        ("open files of the host", format!("{}", full.files)),
        ("what stopped it", stops.join("; ")),
    ] {
        println!("| {name} | {value} |");
    }
    print_log(&host)
}

fn print_log(host: &Running) -> anyhow::Result<()> {
    let log = host.log()?;
    println!("\nThe host's log:\n\n```\n{}\n```", log.lines().take(20).collect::<Vec<_>>().join("\n"));
    Ok(())
}

/// What the host's process holds.
struct Host {
    resident: u64,
    proportional: u64,
    mappings: usize,
    files: usize,
}

impl Host {
    fn look(host: &Running) -> anyhow::Result<Self> {
        let pid = host.pid();
        Ok(Self {
            resident: usage::resident_kib(pid)?,
            proportional: usage::proportional_kib(pid)?,
            mappings: fs::read_to_string(format!("/proc/{pid}/maps"))?.lines().count(),
            files: fs::read_dir(format!("/proc/{pid}/fd"))?.count(),
        })
    }
}

fn allowed_mappings() -> String {
    fs::read_to_string("/proc/sys/vm/max_map_count").unwrap_or_default().trim().to_owned()
}

/// The host's own counts of rooms and connections.
fn scrape(metrics: &Target) -> anyhow::Result<String> {
    let mut stream = StdStream::connect(metrics.address())?;
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: metrics\r\nConnection: close\r\n\r\n")?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    let gauges = ["whimbrel_instances{", "whimbrel_connections{"];
    let lines = text.lines().filter(|line| gauges.iter().any(|gauge| line.starts_with(gauge)));
    Ok(lines.filter(|line| !line.ends_with(" 0")).collect::<Vec<_>>().join(", "))
}

/// One client process.
struct Client {
    process: Child,
    orders: ChildStdin,
    lines: BufReader<ChildStdout>,
}

impl Client {
    fn start(url: &Target, first: usize, rooms: usize) -> anyhow::Result<Self> {
        let (first, rooms) = (first.to_string(), rooms.to_string());
        let mut process = Command::new(std::env::current_exe()?)
            .args(["hold-rooms", "--url", &url.to_string(), "--first", &first, "--rooms", &rooms])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start a client")?;
        let orders = process.stdin.take().context("a client has no stdin")?;
        let lines = BufReader::new(process.stdout.take().context("a client has no stdout")?);
        Ok(Self { process, orders, lines })
    }

    fn told(&mut self, prefix: &str) -> anyhow::Result<String> {
        let mut line = String::new();
        self.lines.read_line(&mut line)?;
        let rest = line.trim().strip_prefix(prefix);
        Ok(rest.with_context(|| format!("a client said {line:?} instead of \"{prefix}...\""))?.to_owned())
    }

    fn tell(&mut self) -> anyhow::Result<()> {
        Ok(self.orders.write_all(b"speak\n")?)
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // Both fail only when the process has ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// What a client process is told on the command line.
#[derive(clap::Args)]
pub(crate) struct ClientOptions {
    /// Where to connect; the rooms are at this URL followed by their number
    #[arg(long)]
    url: Target,
    /// The number of the first room
    #[arg(long)]
    first: usize,
    /// Rooms to open
    #[arg(long)]
    rooms: usize,
}

type Pair = (TcpStream, TcpStream);

/// The subcommand `hold-rooms`: opens the rooms, and speaks in all of them for a line on stdin.
pub(crate) fn run_client(options: &ClientOptions) -> anyhow::Result<()> {
    load::block_on(async {
        let (rooms, stop) = open(options).await?;
        println!("opened {}\nstopped {}", rooms.len(), stop.unwrap_or_else(|| "by nothing".to_owned()));
        std::io::stdin().read_line(&mut String::new())?;
        let mut speaking = JoinSet::new();
        // The rooms stay open until all are done.
        let mut held = Vec::with_capacity(rooms.len());
        for room in rooms {
            if speaking.len() == CONCURRENCY
                && let Some(room) = speaking.join_next().await
            {
                held.push(room??);
            }
            speaking.spawn(speak(room));
        }
        while let Some(room) = speaking.join_next().await {
            held.push(room??);
        }
        println!("answered {}", held.len());
        std::io::stdin().read_line(&mut String::new())?;
        Ok(())
    })
}

/// Opens as many of the rooms as the host takes; with why it took no more. Where several at once are too many, it is tried
/// with one after the other.
async fn open(options: &ClientOptions) -> anyhow::Result<(Vec<Pair>, Option<String>)> {
    let next = Arc::new(AtomicUsize::new(options.first));
    let end = options.first + options.rooms;
    let (mut rooms, mut stop) = (Vec::new(), None);
    for concurrency in [CONCURRENCY, 1] {
        let is_over = Arc::new(AtomicBool::new(false));
        let mut opening = JoinSet::new();
        for _ in 0..concurrency {
            opening.spawn(open_some(options.url.clone(), next.clone(), end, is_over.clone()));
        }
        while let Some(opened) = opening.join_next().await {
            let (some, error) = opened?;
            rooms.extend(some);
            stop = error.or(stop);
        }
        if stop.is_none() {
            break;
        }
        // What was half open is closed meanwhile.
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    Ok((rooms, stop))
}

async fn open_some(
    url: Target,
    next: Arc<AtomicUsize>,
    end: usize,
    is_over: Arc<AtomicBool>,
) -> (Vec<Pair>, Option<String>) {
    let mut rooms = Vec::new();
    while !is_over.load(Ordering::Relaxed) {
        let number = next.fetch_add(1, Ordering::Relaxed);
        if number >= end {
            break;
        }
        let room = url.below(number);
        let pair = async { anyhow::Ok((wire::open(&room).await?, wire::open(&room).await?)) };
        match pair.await {
            Ok(pair) => rooms.push(pair),
            Err(error) => {
                is_over.store(true, Ordering::Relaxed);
                return (rooms, Some(reason(&format!("{error:#}"))));
            }
        }
    }
    (rooms, None)
}

/// Of a refusal its text alone.
fn reason(error: &str) -> String {
    let said = error.rsplit("\\r\\n\\r\\n").next().unwrap_or(error);
    said.trim_end_matches('"').trim_end_matches("\\n").to_owned()
}

/// A message from one to the other, and one back.
async fn speak((mut one, mut two): Pair) -> anyhow::Result<Pair> {
    for is_back in [false, true] {
        let payload = load::payload(if is_back { 33 } else { 32 });
        let (speaker, listener) = if is_back { (&mut two, &mut one) } else { (&mut one, &mut two) };
        // The speaker gets it too.
        wire::check_echo(speaker, wire::TEXT, &payload).await?;
        let mut decoder = Decoder::new(payload.len());
        let mut heard = Vec::new();
        let mut received = 0;
        while received == 0 {
            listener.readable().await?;
            received = load::read_some(listener, &mut decoder, |piece| heard.extend_from_slice(piece))?;
        }
        ensure!(received == 1 && heard == payload, "the other member heard {heard:?}");
    }
    Ok((one, two))
}
