//! The host config: what the operator sets, read and checked as a whole.

mod hosts;
#[cfg(test)]
mod tests;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::limits::{Ceilings, Kind, Limits, Value};
use crate::manifest::Problems;
use crate::manifest::reader::{Item, Report, Table, read_file};
use crate::manifest::{settings, value};

pub use hosts::{HostName, Hosts};

/// Where the host listens unless it is told otherwise.
const LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);
/// Longest time of any kind that a host config may name: one day.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);
const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;
/// Live instances of guests whose instructions are counted, unless the host config says otherwise.
pub const METERED_INSTANCES: u32 = 1_000;
const TIB: u64 = 1024 * 1024 * MIB;
/// Most worker threads.
const WORKERS: u64 = 1024;

/// What the operator sets. Every value is checked, every path absolute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostConfig {
    /// Addresses to serve on; at least one. Port 0: any free one.
    pub listen: Vec<SocketAddr>,
    /// What a request's `Host` header may say; for anything else 421.
    pub hosts: Hosts,
    /// Manifests, or folders with one.
    pub deployments: Vec<PathBuf>,
    /// Time that open connections are given at shutdown.
    pub shutdown_grace: Duration,
    /// Where `/metrics` is served; none: nowhere.
    pub metrics: Option<SocketAddr>,
    /// How log lines are written.
    pub log: LogFormat,
    /// Worker threads; none: one per core.
    pub workers: Option<usize>,
    /// Serve over TLS.
    pub tls: Option<TlsFiles>,
    /// Limits of the opening handshake.
    pub handshake: HandshakeLimits,
    /// Limits of the host as a whole.
    pub host: HostLimits,
    /// Where core dumps are kept; none: there are none.
    pub coredumps: Option<CoreDumpSettings>,
    /// What a manifest's `[limits]` start from; within the ceilings.
    pub defaults: Limits,
    /// What a manifest's `[limits]` may not pass.
    pub ceilings: Ceilings,
}

/// How log lines are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object per line.
    Json,
}

/// PEM files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate and its chain.
    pub cert: PathBuf,
    /// The private key.
    pub key: PathBuf,
}

/// Where core dumps of trapped guests are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CoreDumpSettings {
    /// The folder.
    pub dir: PathBuf,
    /// How many of one deployment are kept; the oldest goes.
    pub count: usize,
    /// The largest, in bytes; what would be larger is not written.
    pub size: usize,
}

/// Limits of the opening handshake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HandshakeLimits {
    /// Time from accept to the end of the request's header; then 408.
    pub time: Duration,
    /// Bytes of the request's header; beyond, 431.
    pub header_bytes: usize,
    /// Header fields; beyond, 431.
    pub headers: usize,
}

impl Default for HandshakeLimits {
    fn default() -> Self {
        HandshakeLimits { time: Duration::from_secs(10), header_bytes: 16 * 1024, headers: 100 }
    }
}

/// Limits of the host as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostLimits {
    /// Open connections, of all deployments; none: as the limit of open files allows.
    pub connections: Option<usize>,
    /// Open connections from one peer address; none: off.
    pub connections_per_peer: Option<usize>,
    /// Handshakes per second from one peer address; beyond, 429; none: off.
    pub handshakes_per_peer: Option<usize>,
    /// Bytes that the buffers of all connections may take; none: a quarter of the memory.
    pub memory_budget: Option<usize>,
    /// Percent of the memory; while the process takes more, no connection is added. None: off.
    pub memory_pressure: Option<u64>,
    /// Live instances; none: as `vm.max_map_count` allows.
    pub instances: Option<usize>,
    /// Those of them that are for deployments with `metering = "fuel"`; none: [`METERED_INSTANCES`], when a deployment
    /// asks for them.
    pub metered_instances: Option<usize>,
    /// Stack of a running guest, in bytes; passing it is a trap.
    pub wasm_stack: usize,
}

impl Default for HostLimits {
    fn default() -> Self {
        HostLimits {
            connections: None,
            connections_per_peer: None,
            handshakes_per_peer: None,
            memory_budget: None,
            memory_pressure: Some(90),
            instances: None,
            metered_instances: None,
            wasm_stack: 512 * 1024,
        }
    }
}

impl Default for HostConfig {
    fn default() -> Self {
        HostConfig {
            listen: vec![LISTEN],
            hosts: Hosts::Any,
            deployments: Vec::new(),
            shutdown_grace: Duration::from_secs(10),
            metrics: None,
            log: LogFormat::default(),
            workers: None,
            tls: None,
            handshake: HandshakeLimits::default(),
            host: HostLimits::default(),
            coredumps: None,
            defaults: Limits::default(),
            ceilings: Ceilings::default(),
        }
    }
}

impl HostConfig {
    /// Read a host config from its file.
    ///
    /// # Errors
    /// Every problem of the file.
    pub fn load(path: &Path) -> Result<HostConfig, Problems> {
        HostConfig::parse(&read_file(path, "give the path of a host config, or leave it out")?, path)
    }

    /// Check a host config's text. `path` is where it lies: problems quote it, and other paths are relative to its folder.
    ///
    /// # Errors
    /// Every problem of the text.
    pub fn parse(text: &str, path: &Path) -> Result<HostConfig, Problems> {
        let (mut report, table) = Report::parse(path, text);
        let config = table.and_then(|table| read(table, path, &mut report));
        report.finish(config)
    }
}

fn read<'a>(mut table: Table<'a>, path: &Path, report: &mut Report<'a>) -> Option<HostConfig> {
    let path = std::path::absolute(path).map_err(|error| report.file(format!("has no absolute path: {error}"))).ok()?;
    let dir = path.parent().unwrap_or(&path);
    let default = HostConfig::default();

    let listen = listen(&mut table, report);
    let hosts = hosts(&mut table, report);
    let deployments = table.list("deployments", report, |item, _| value::path(item).map(|path| dir.join(path)));
    let shutdown_grace = table.read("shutdown_grace", report, |item| time(item, Duration::ZERO));
    let metrics = table.read("metrics", report, |item| match address(item)? {
        address if address.port() != 0 && listen.contains(&address) => {
            Err(format!("{} is in listen as well; metrics need an address of their own", item.shown))
        }
        address => Ok(address),
    });
    let formats = [("text", LogFormat::Text), ("json", LogFormat::Json)];
    let log = table.read("log", report, |item| value::word(item, &formats));
    let workers = table.read("workers", report, |item| count(item, 1, WORKERS));
    let tls = table.table("tls", report).and_then(|table| tls(table, dir, report));
    let handshake = table.table("handshake", report).map(|table| handshake(table, report));
    let host = table.table("host", report).map(|table| host(table, report));
    let coredumps = table.table("coredumps", report).and_then(|table| coredumps(table, dir, report));

    let (defaults, ceilings) = (table.table("defaults", report), table.table("ceilings", report));
    table.finish(report);
    let ceilings = settings::ceilings(ceilings, report);
    // A ceiling below a built-in default lowers it; one below what `[defaults]` says is reported there.
    let mut inherited = Limits::default();
    ceilings.lower(&mut inherited);
    let defaults = settings::limits(defaults, &inherited, &ceilings, report);

    Some(HostConfig {
        listen,
        hosts,
        deployments: deployments.unwrap_or_default(),
        shutdown_grace: shutdown_grace.unwrap_or(default.shutdown_grace),
        metrics,
        log: log.unwrap_or_default(),
        workers,
        tls,
        handshake: handshake.unwrap_or_default(),
        host: host.unwrap_or_default(),
        coredumps,
        defaults,
        ceilings,
    })
}

fn listen<'a>(table: &mut Table<'a>, report: &mut Report<'a>) -> Vec<SocketAddr> {
    let mut known: Vec<SocketAddr> = Vec::new();
    let has_any = table.has("listen");
    let listen = table.list("listen", report, |item, _| {
        let address = address(item)?;
        if address.port() != 0 && known.contains(&address) {
            return Err(format!("{} is given twice", item.shown));
        }
        known.push(address);
        Ok(address)
    });
    match listen {
        None => vec![LISTEN],
        Some(addresses) => {
            if !has_any {
                report.file("listen: is empty; leave it out, or write an address as in listen = [\"127.0.0.1:8080\"]");
            }
            addresses
        }
    }
}

fn hosts<'a>(table: &mut Table<'a>, report: &mut Report<'a>) -> Hosts {
    let has_any = table.has("hosts");
    let hosts = table.list("hosts", report, |item, _| {
        let name = value::string(item)?;
        name.parse().map_err(|text| format!("{} {text}", item.shown))
    });
    match hosts {
        None => Hosts::Any,
        Some(names) => {
            if !has_any {
                report.file("hosts: is empty; leave it out, or write a name as in hosts = [\"example.com\"]");
            }
            Hosts::Only(names)
        }
    }
}

fn tls<'a>(mut table: Table<'a>, dir: &Path, report: &mut Report<'a>) -> Option<TlsFiles> {
    let cert = table.required("cert", "\"cert.pem\"", report, value::path);
    let key = table.required("key", "\"key.pem\"", report, value::path);
    table.finish(report);
    Some(TlsFiles { cert: dir.join(cert?), key: dir.join(key?) })
}

fn handshake<'a>(mut table: Table<'a>, report: &mut Report<'a>) -> HandshakeLimits {
    let default = HandshakeLimits::default();
    let limits = HandshakeLimits {
        time: table.read("time", report, |item| time(item, Duration::from_millis(1))).unwrap_or(default.time),
        header_bytes: table.read("header_bytes", report, header_bytes).unwrap_or(default.header_bytes),
        headers: table.read("headers", report, |item| count(item, 1, 10_000)).unwrap_or(default.headers),
    };
    table.finish(report);
    limits
}

fn host<'a>(mut table: Table<'a>, report: &mut Report<'a>) -> HostLimits {
    let many = u64::from(u32::MAX);
    let per_peer = |item: &Item<'_>| or_off(item, |item| count(item, 1, many));
    let default = HostLimits::default();
    let limits = HostLimits {
        connections: table.read("connections", report, |item| count(item, 1, many)),
        connections_per_peer: table.read("connections_per_peer", report, per_peer).flatten(),
        handshakes_per_peer: table.read("handshakes_per_peer", report, per_peer).flatten(),
        memory_budget: table.read("memory_budget", report, |item| size(item, MIB, TIB)),
        memory_pressure: table
            .read("memory_pressure", report, |item| or_off(item, percent))
            .unwrap_or(default.memory_pressure),
        instances: table.read("instances", report, |item| count(item, 1, many)),
        metered_instances: table.read("metered_instances", report, |item| count(item, 1, many)),
        wasm_stack: table.read("wasm_stack", report, wasm_stack).unwrap_or(default.wasm_stack),
    };
    table.finish(report);
    limits
}

fn coredumps<'a>(mut table: Table<'a>, dir: &Path, report: &mut Report<'a>) -> Option<CoreDumpSettings> {
    let folder = table.required("dir", "\"/var/lib/whimbrel/coredumps\"", report, value::path);
    let kept = table.read("count", report, |item| count(item, 1, 10_000)).unwrap_or(10);
    let largest = table.read("size", report, |item| size(item, 64 * KIB, 4096 * MIB)).unwrap_or(64 << 20);
    table.finish(report);
    Some(CoreDumpSettings { dir: dir.join(folder?), count: kept, size: largest })
}

fn or_off<T>(item: &Item<'_>, read: impl Fn(&Item<'_>) -> Result<T, String>) -> Result<Option<T>, String> {
    match value::is_off(item) {
        true => Ok(None),
        false => read(item).map(Some).map_err(|text| format!("{text}, or \"off\"")),
    }
}

fn percent(item: &Item<'_>) -> Result<u64, String> {
    match value::percent(item)? {
        percent @ 1..=100 => Ok(percent),
        _ => Err(format!("{} is out of range; allowed are 1% to 100%", item.shown)),
    }
}

fn address(item: &Item<'_>) -> Result<SocketAddr, String> {
    let rule = "write an IP address and a port, as in \"127.0.0.1:8080\" or \"[::]:8080\"";
    let address = value::string(item).ok().and_then(|text| text.parse().ok());
    address.ok_or_else(|| format!("{} is not an address; {rule}", item.shown))
}

fn time(item: &Item<'_>, least: Duration) -> Result<Duration, String> {
    let time = value::time(item)?;
    if (least..=LONGEST).contains(&time) {
        return Ok(time);
    }
    let (least, most) = (humantime::format_duration(least), humantime::format_duration(LONGEST));
    Err(format!("{} is out of range; allowed are {least} to {most}", item.shown))
}

fn count(item: &Item<'_>, least: u64, most: u64) -> Result<usize, String> {
    let count = value::count(item)?;
    let fits = usize::try_from(count).ok().filter(|_| (least..=most).contains(&count));
    fits.ok_or_else(|| format!("{} is out of range; allowed are {least} to {most}", item.shown))
}

/// The HTTP library needs room for a request of usual length.
fn header_bytes(item: &Item<'_>) -> Result<usize, String> {
    size(item, 8 * KIB, MIB)
}

fn wasm_stack(item: &Item<'_>) -> Result<usize, String> {
    size(item, 64 * KIB, 16 * MIB)
}

fn size(item: &Item<'_>, least: u64, most: u64) -> Result<usize, String> {
    let size = value::size(item)?;
    let fits = usize::try_from(size).ok().filter(|_| (least..=most).contains(&size));
    let shown = |amount| Value { kind: Kind::Size, amount: Some(amount) };
    fits.ok_or_else(|| format!("{} is out of range; allowed are {} to {}", item.shown, shown(least), shown(most)))
}
