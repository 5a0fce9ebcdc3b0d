//! The load generator: a number of connections, each keeping a number of echo messages in flight.

use std::cell::RefCell;
use std::io::ErrorKind;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::usage;
use crate::wire::{self, Decoder, Target};

/// Bytes read at a time; one buffer serves all connections, so that it stays in the cache.
const READ_BUFFER: usize = 64 * 1024;
/// Prebuilt frames are repeated up to about this many bytes, so that a burst leaves in one write.
const BURST: usize = 64 * 1024;

thread_local! {
    static BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; READ_BUFFER]);
}

/// What the load generator is told on the command line.
#[derive(clap::Args, Clone)]
pub(crate) struct Options {
    /// Where to connect, as in ws://127.0.0.1:8080/echo
    #[arg(long)]
    pub(crate) url: Target,
    /// Connections open at once
    #[arg(long, default_value_t = 64)]
    pub(crate) connections: usize,
    /// Bytes per message
    #[arg(long, default_value_t = 32)]
    pub(crate) size: usize,
    /// Messages in flight per connection; 1 is one at a time
    #[arg(long, default_value_t = 1)]
    pub(crate) window: usize,
    /// Send text messages instead of binary ones
    #[arg(long)]
    pub(crate) text: bool,
    #[command(flatten)]
    pub(crate) rooms: Rooms,
    #[command(flatten)]
    pub(crate) period: Period,
}

/// Where each connection is opened.
#[derive(clap::Args, Clone, Copy, Default)]
pub(crate) struct Rooms {
    /// Connections per room: the first so many are opened at PATH/0, the next at PATH/1 [default: all at PATH]
    #[arg(long)]
    members: Option<NonZeroUsize>,
}

impl Rooms {
    /// Rooms of so many members; 0: all connections are opened at one path.
    pub(crate) fn of(members: usize) -> Self {
        Self { members: NonZeroUsize::new(members) }
    }

    /// Where the connection with this number is opened.
    pub(crate) fn target(self, url: &Target, number: usize) -> Target {
        self.members.map_or_else(|| url.clone(), |members| url.below(number / members))
    }
}

/// How long to measure, and whom.
#[derive(clap::Args, Clone)]
pub(crate) struct Period {
    /// Seconds measured, after a tenth of them to warm up
    #[arg(long, default_value_t = 3.0)]
    pub(crate) seconds: f64,
    /// Process id of the server, to count its CPU time
    #[arg(long)]
    pub(crate) server_pid: Option<u32>,
}

/// What was counted in one period.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Measure {
    count: u64,
    elapsed: Duration,
    cpu: Option<Duration>,
}

impl Measure {
    /// The count over the server's CPU seconds, or `None` when it used no measurable time.
    pub(crate) fn per_cpu_second(&self) -> Option<f64> {
        let cpu = self.cpu?.as_secs_f64();
        (cpu > 0.0).then(|| self.count as f64 / cpu)
    }

    /// The share of the period that the server was on a CPU: far below 1 means that the client could not keep it busy.
    pub(crate) fn busy(&self) -> Option<f64> {
        Some(self.cpu?.as_secs_f64() / self.elapsed.as_secs_f64())
    }

    /// The count over the seconds that passed.
    pub(crate) fn per_second(&self) -> f64 {
        self.count as f64 / self.elapsed.as_secs_f64()
    }

    /// Prints one line for a person or a script.
    pub(crate) fn print(&self, what: &str) {
        let seconds = self.elapsed.as_secs_f64();
        print!("{what}={} seconds={seconds:.3} per_second={:.0}", self.count, self.per_second());
        if let Some(cpu) = self.cpu {
            print!(" server_cpu_seconds={:.2}", cpu.as_secs_f64());
        }
        if let Some(rate) = self.per_cpu_second() {
            print!(" per_server_cpu_second={rate:.0}");
        }
        println!();
    }
}

/// The subcommand `load`.
pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    measure(options)?.print("messages");
    Ok(())
}

/// Runs the load on this thread.
pub(crate) fn measure(options: &Options) -> anyhow::Result<Measure> {
    ensure!(options.window > 0, "window is 0, it must be at least 1");
    ensure!(options.connections > 0, "connections is 0, it must be at least 1");
    block_on(async {
        let opcode = if options.text { wire::TEXT } else { wire::BINARY };
        let payload = payload(options.size);
        let burst = Arc::new(Burst::new(opcode, &payload));
        let count = Arc::new(AtomicU64::new(0));
        let mut streams = Vec::with_capacity(options.connections);
        for number in 0..options.connections {
            let target = options.rooms.target(&options.url, number);
            let mut stream = wire::open(&target).await?;
            wire::check_echo(&mut stream, opcode, &payload)
                .await
                .with_context(|| format!("the first message to {target} failed"))?;
            streams.push(stream);
        }
        let mut tasks = JoinSet::new();
        for stream in streams {
            let decoder = Decoder::new(options.size);
            tasks.spawn(exchange(stream, decoder, burst.clone(), options.window, count.clone()));
        }
        measure_period(&options.period, &count, &mut tasks).await
    })
}

/// A current-thread runtime for one measurement.
pub(crate) fn block_on<T>(future: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(future)
}

/// Lets the tasks warm up, then counts for the period. The tasks must not end by themselves.
pub(crate) async fn measure_period(
    period: &Period,
    count: &AtomicU64,
    tasks: &mut JoinSet<anyhow::Result<()>>,
) -> anyhow::Result<Measure> {
    let cpu_time = || period.server_pid.map(usage::cpu_time).transpose();
    let seconds = Duration::from_secs_f64(period.seconds);
    run_for(seconds / 10, tasks).await?;
    let (start, start_count, start_cpu) = (Instant::now(), count.load(Ordering::Relaxed), cpu_time()?);
    run_for(seconds, tasks).await?;
    let (end_count, end_cpu) = (count.load(Ordering::Relaxed), cpu_time()?);
    ensure!(end_count > start_count, "nothing was answered in {} s", period.seconds);
    Ok(Measure {
        count: end_count - start_count,
        elapsed: start.elapsed(),
        cpu: end_cpu.zip(start_cpu).map(|(end, start)| end - start),
    })
}

async fn run_for(duration: Duration, tasks: &mut JoinSet<anyhow::Result<()>>) -> anyhow::Result<()> {
    tokio::select! {
        () = tokio::time::sleep(duration) => Ok(()),
        Some(ended) = tasks.join_next() => {
            ended??;
            bail!("a connection ended early")
        }
    }
}

/// Printable bytes, so that the same payload can be sent as text.
pub(crate) fn payload(size: usize) -> Vec<u8> {
    (b'!'..=b'~').cycle().take(size).collect()
}

/// Equal frames one after the other, ready to write.
struct Burst {
    frame_length: usize,
    bytes: Vec<u8>,
}

impl Burst {
    fn new(opcode: u8, payload: &[u8]) -> Self {
        let frame = wire::frame(opcode, payload);
        Self { frame_length: frame.len(), bytes: frame.repeat((BURST / frame.len()).max(1)) }
    }

    /// At most `unsent` bytes that follow after `sent` bytes were sent.
    fn piece(&self, sent: usize, unsent: usize) -> &[u8] {
        let start = sent % self.frame_length;
        let end = self.bytes.len().min(start + unsent);
        &self.bytes[start..end]
    }
}

/// Keeps `window` messages in flight and adds to `count` as echoes arrive.
async fn exchange(
    stream: TcpStream,
    mut decoder: Decoder,
    burst: Arc<Burst>,
    window: usize,
    count: Arc<AtomicU64>,
) -> anyhow::Result<()> {
    let mut sent = 0;
    let mut unsent = window * burst.frame_length;
    loop {
        while unsent > 0 {
            match stream.try_write(burst.piece(sent, unsent)) {
                Ok(length) => {
                    sent = (sent + length) % burst.frame_length;
                    unsent -= length;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error).context("cannot send"),
            }
        }
        let interest = if unsent > 0 { Interest::READABLE | Interest::WRITABLE } else { Interest::READABLE };
        stream.ready(interest).await?;
        let messages = receive(&stream, &mut decoder)?;
        count.fetch_add(messages, Ordering::Relaxed);
        unsent += messages as usize * burst.frame_length;
    }
}

/// The count of messages completed by one read, which may find nothing.
pub(crate) fn receive(stream: &TcpStream, decoder: &mut Decoder) -> anyhow::Result<u64> {
    read_some(stream, decoder, |_| {})
}

/// The same; `on_payload` sees the pieces of their payloads.
pub(crate) fn read_some(
    stream: &TcpStream,
    decoder: &mut Decoder,
    on_payload: impl FnMut(&[u8]),
) -> anyhow::Result<u64> {
    BUFFER.with_borrow_mut(|buffer| match stream.try_read(buffer) {
        Ok(0) => bail!("the server ended a connection"),
        Ok(length) => decoder.feed(&buffer[..length], on_payload),
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(0),
        Err(error) => Err(error).context("cannot receive"),
    })
}
