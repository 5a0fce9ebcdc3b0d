//! Clients that come and go, clients that break every rule, and guests that do.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, bail};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::served::Served;
use crate::wire::{self, Target};

/// A round that takes longer has found a host that does not end what it should.
const ROUND: Duration = Duration::from_secs(30);
/// Between two rounds of a task.
const PAUSE: Duration = Duration::from_millis(50);

/// What one task does, round by round.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// Connects, exchanges a message, closes.
    ComeAndGo,
    /// A guest does this at the client's command, which is sent to a deployment; the connection's end is awaited.
    Guest(&'static str, &'static str),
    /// Exchanges a message of 4 MiB.
    Large,
    /// Pings without end, reads nothing.
    Pings,
    /// Has the guest send, reads nothing.
    NeverRead,
    /// Bytes that are no frames.
    Garbage,
    /// The head of a frame, and no more.
    HalfFrame,
    /// Connects and leaves: before, within and after the handshake.
    Leave,
    /// A byte of a request now and then.
    SlowHandshake,
    /// Bytes that are no request.
    NoRequest,
}

/// Each kind with its number of tasks.
pub(crate) const KINDS: &[(Kind, usize)] = &[
    (Kind::ComeAndGo, 4),
    (Kind::Guest("spins", "spin"), 2),
    (Kind::Guest("traps", "panic soak"), 2),
    (Kind::Guest("traps", "recurse"), 1),
    (Kind::Guest("traps", "exit"), 1),
    (Kind::Guest("traps", "fail soak"), 1),
    (Kind::Guest("grows", "grow 1000"), 2),
    (Kind::Guest("grows", "grow 20\ngrow 20"), 1),
    (Kind::Large, 1),
    (Kind::Pings, 1),
    (Kind::NeverRead, 2),
    (Kind::Garbage, 2),
    (Kind::HalfFrame, 10),
    (Kind::Leave, 2),
    (Kind::SlowHandshake, 5),
    (Kind::NoRequest, 1),
];

/// Rounds of each kind: those that went as expected, and those that the host refused (503 or 429).
#[derive(Default)]
pub(crate) struct Counts(BTreeMap<Kind, (u64, u64)>);

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rounds (refused):")?;
        self.0.iter().try_for_each(|(kind, (done, refused))| write!(f, " {kind:?} {done} ({refused}),"))
    }
}

impl Counts {
    /// Of one kind.
    pub(crate) fn of(&self, kind: Kind) -> (u64, u64) {
        self.0.get(&kind).copied().unwrap_or_default()
    }
}

/// Loads the host for this time with these kinds, on a thread of its own.
///
/// # Errors
/// A round that did not go as expected: the host hung, or did what it should not.
pub(crate) async fn load(served: &Served, time: Duration, kinds: &'static [(Kind, usize)]) -> anyhow::Result<Counts> {
    let names = ["coming", "spins", "traps", "grows", "sends"];
    let targets: BTreeMap<_, _> = names.into_iter().map(|name| (name, served.target(name, ""))).collect();
    let (counts, targets) = (Arc::new(Mutex::new(Counts::default())), Arc::new(targets));
    let thread = std::thread::spawn({
        let counts = counts.clone();
        move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async {
                let mut tasks = JoinSet::new();
                for (kind, number) in kinds {
                    for _ in 0..*number {
                        tasks.spawn(rounds(*kind, targets.clone(), counts.clone()));
                    }
                }
                tokio::select! {
                    () = tokio::time::sleep(time) => Ok(()),
                    // A task ends only with an error.
                    Some(ended) = tasks.join_next() => ended?,
                }
            })
        }
    });
    tokio::task::spawn_blocking(|| thread.join()).await?.map_err(|_| anyhow::anyhow!("the load panicked"))??;
    Ok(std::mem::take(&mut *counts.lock().unwrap_or_else(PoisonError::into_inner)))
}

type Targets = Arc<BTreeMap<&'static str, Target>>;

async fn rounds(kind: Kind, targets: Targets, counts: Arc<Mutex<Counts>>) -> anyhow::Result<()> {
    loop {
        let round = tokio::time::timeout(ROUND, kind.round(&targets)).await;
        let result = round.with_context(|| format!("{kind:?}: no end after {} s", ROUND.as_secs()))?;
        let is_refused = match result {
            Ok(()) => false,
            Err(error) if is_refusal(&error) => true,
            // The host ended the connection under the client's hands, which is its right.
            Err(error) if error.root_cause().is::<std::io::Error>() => false,
            Err(error) => return Err(error.context(format!("{kind:?}"))),
        };
        {
            let mut counts = counts.lock().unwrap_or_else(PoisonError::into_inner);
            let (done, refused) = counts.0.entry(kind).or_default();
            *if is_refused { refused } else { done } += 1;
        }
        // One who is refused comes back later.
        tokio::time::sleep(if is_refused { 10 * PAUSE } else { PAUSE }).await;
    }
}

fn is_refusal(error: &anyhow::Error) -> bool {
    let text = format!("{error:#}");
    text.contains("HTTP/1.1 503 ") || text.contains("HTTP/1.1 429 ")
}

impl Kind {
    async fn round(self, targets: &Targets) -> anyhow::Result<()> {
        let target = |name: &str| targets.get(name).context("a deployment of this name");
        match self {
            Kind::ComeAndGo => come_and_go(target("coming")?).await,
            Kind::Guest(deployment, command) => {
                let mut stream = wire::open(target(deployment)?).await?;
                stream.write_all(&wire::frame(wire::TEXT, command.as_bytes())).await?;
                ended(&mut stream).await
            }
            Kind::Large => {
                let mut stream = wire::open(target("coming")?).await?;
                wire::check_echo(&mut stream, wire::BINARY, &vec![7; 4 << 20]).await
            }
            Kind::Pings => {
                let mut stream = wire::open(target("sends")?).await?;
                let pings = wire::frame(PING, b"soak").repeat(1000);
                // Until it is closed, or its socket takes no more for three seconds.
                while let Ok(written) = tokio::time::timeout(ROUND / 10, stream.write_all(&pings)).await {
                    written?;
                }
                Ok(())
            }
            Kind::NeverRead => {
                let mut stream = wire::open(target("sends")?).await?;
                stream.write_all(&wire::frame(wire::TEXT, b"burst 100000 60000")).await?;
                tokio::time::sleep(ROUND / 5).await;
                Ok(())
            }
            Kind::Garbage => {
                let mut stream = wire::open(target("sends")?).await?;
                stream.write_all(&[0xa5; 3000]).await?;
                ended(&mut stream).await
            }
            Kind::HalfFrame => {
                let mut stream = wire::open(target("sends")?).await?;
                stream.write_all(&[0x82, 0xff, 0, 0, 0, 0, 0, 0x90, 0, 0, 1, 2, 3, 4, 5]).await?;
                tokio::time::sleep(ROUND / 6).await;
                Ok(())
            }
            Kind::Leave => leave(target("coming")?).await,
            Kind::SlowHandshake => slow_handshake(target("coming")?).await,
            Kind::NoRequest => {
                let mut stream = TcpStream::connect(target("coming")?.address()).await?;
                stream.write_all(&[0x16, 3, 1, 2, 0, 1, 0, 0xff, b'\n', b'\r', b'\n', b'\r', b'\n']).await?;
                ended(&mut stream).await
            }
        }
    }
}

const PING: u8 = 9;

/// The closing handshake is the client's, as RFC 6455 says.
async fn come_and_go(target: &Target) -> anyhow::Result<()> {
    let mut stream = wire::open(target).await?;
    wire::check_echo(&mut stream, wire::BINARY, b"soak").await?;
    stream.write_all(&wire::frame(wire::CLOSE, &1000_u16.to_be_bytes())).await?;
    ended(&mut stream).await
}

async fn leave(target: &Target) -> anyhow::Result<()> {
    drop(TcpStream::connect(target.address()).await?);
    let mut stream = TcpStream::connect(target.address()).await?;
    stream.write_all(b"GET /coming HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n").await?;
    drop(stream);
    let mut stream = wire::open(target).await?;
    stream.write_all(&wire::frame(wire::BINARY, &[0; 1000])[..500]).await?;
    // Unread bytes in the socket make this end a reset.
    drop(stream);
    Ok(())
}

/// The host ends it at the handshake's time.
async fn slow_handshake(target: &Target) -> anyhow::Result<()> {
    let mut stream = TcpStream::connect(target.address()).await?;
    let request = b"GET /coming HTTP/1.1\r\nHost: a\r\nX-Slow: ".iter().chain(std::iter::repeat(&b'a'));
    for byte in request {
        let mut answer = [0; 512];
        tokio::select! {
            read = stream.read(&mut answer) => {
                return match read? {
                    0 => Ok(()),
                    _ if answer.starts_with(b"HTTP/1.1 408 ") => ended(&mut stream).await,
                    _ => bail!("answered {:?}", String::from_utf8_lossy(&answer)),
                };
            }
            () = tokio::time::sleep(2 * PAUSE) => stream.write_all(&[*byte]).await?,
        }
    }
    Ok(())
}

/// Read until the host has ended the connection.
async fn ended(stream: &mut TcpStream) -> anyhow::Result<()> {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        match stream.read(&mut buffer).await {
            Ok(0) | Err(_) => return Ok(()),
            // A close frame alone: answered, as a client that keeps the rules does.
            Ok(count) if buffer[0] == 0x88 && count < 130 => {
                let _ = stream.write_all(&wire::frame(wire::CLOSE, &[])).await;
            }
            Ok(_) => {}
        }
    }
}
