//! The guest of all languages in each of them: size, time to build, to compile, to load; memory; echo beside Rust.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};

use crate::idle;
use crate::load::{self, Period};
use crate::machine::{self, Pinning};
use crate::server::{Running, Spec};
use crate::storm;
use crate::table::number;
use crate::usage;
use crate::wire::Target;

const HOST: &str = env!("CARGO_BIN_EXE_whimbrel");
/// The others are compared with it.
const BASE: &str = "rust";

/// What the comparison of languages is told on the command line.
#[derive(clap::Args, Clone)]
pub(crate) struct Options {
    /// Languages to measure [default: all that the suite has built, in target/languages]
    #[arg(long)]
    only: Vec<String>,
    /// Seconds per measurement of the echo
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
    /// Connections held for the memory
    #[arg(long, default_value_t = 200)]
    connections: usize,
}

/// A row of the table.
struct Row {
    language: String,
    size: u64,
    built: Duration,
    /// CPU time of a start with an empty cache, and with a full one.
    compiled: Duration,
    loaded: Duration,
    memory: f64,
    handshakes: f64,
    /// Messages per second of the server's CPU time: 32 bytes, 64 KiB.
    small: f64,
    large: f64,
}

/// The subcommand `languages`.
pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    let pinning = Pinning::of_this_process()?;
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize()?;
    let mut rows = Vec::new();
    for language in languages(&root, &options.only)? {
        eprintln!("{language}");
        rows.push(measure(&root, &language, options, &pinning).with_context(|| language.clone())?);
    }
    print(&rows);
    println!("\n{}; the guest of tests/languages, one worker thread.", machine::description(pinning));
    Ok(())
}

/// Rust first.
fn languages(root: &Path, only: &[String]) -> anyhow::Result<Vec<String>> {
    let folder = root.join("target/languages");
    let entries = folder.read_dir().with_context(|| format!("{}: run the suite first", folder.display()))?;
    let names = entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
    let mut names: Vec<_> = names.filter(|name| only.is_empty() || name == BASE || only.contains(name)).collect();
    names.sort_by_key(|name| (name != BASE, name.clone()));
    Ok(names)
}

fn measure(root: &Path, language: &str, options: &Options, pinning: &Pinning) -> anyhow::Result<Row> {
    let folder = tempfile::tempdir()?;
    let guest = root.join("target/languages").join(language).join("case");
    let (component, built) = build(root, &guest)?;
    let spec = spec(language, &guest, &folder.path().join("cache"));
    let (host, compiled) = start(&spec, pinning, folder.path())?;
    drop(host);
    let (host, loaded) = start(&spec, pinning, folder.path())?;
    let url = || host.target().clone();
    let (connections, server_pid) = (options.connections, host.pid());
    let memory = idle::measure(&idle::Options {
        url: url(),
        connections,
        size: 32,
        rooms: load::Rooms::default(),
        leave: false,
        server_pid,
    })?;
    drop(host);
    let (host, _) = start(&spec, pinning, folder.path())?;
    let period = Period { seconds: options.seconds, server_pid: Some(host.pid()) };
    let url: Target = host.target().clone();
    let echo = |size, connections| {
        let options = load::Options {
            url: url.clone(),
            connections,
            size,
            window: 1,
            text: false,
            rooms: load::Rooms::default(),
            period: period.clone(),
        };
        load::measure(&options).map(|measure| measure.per_cpu_second().unwrap_or(f64::NAN))
    };
    let (small, large) = (echo(32, 64)?, echo(64 << 10, 8)?);
    let handshakes = storm::measure(&storm::Options {
        url: url.clone(),
        concurrency: 16,
        rooms: load::Rooms::default(),
        stay: false,
        period: period.clone(),
    })?;
    Ok(Row {
        language: language.to_owned(),
        size: std::fs::metadata(&component)?.len(),
        built,
        compiled,
        loaded,
        memory: memory.proportional,
        handshakes: handshakes.per_cpu_second().unwrap_or(f64::NAN),
        small,
        large,
    })
}

/// From sources, with the compiler's own caches as they are; installed packages stay.
fn build(root: &Path, guest: &Path) -> anyhow::Result<(PathBuf, Duration)> {
    match std::fs::remove_dir_all(guest.join("target")) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
        _ => {}
    }
    let began = Instant::now();
    let mut command = Command::new(HOST);
    command.arg("build").arg(guest).env("PATH", path(root)).stderr(Stdio::null());
    let output = command.output()?;
    ensure!(output.status.success(), "{} does not build", guest.display());
    let component = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim_end());
    Ok((component, began.elapsed()))
}

/// The compilers that tests/setup installed come first.
#[allow(clippy::disallowed_methods, reason = "the rule that only cli reads the environment is the host's")]
fn path(root: &Path) -> OsString {
    let entries = root.join("target/tools").read_dir().into_iter().flatten().flatten();
    let tools = entries.filter(|entry| entry.file_name() != "venv").map(|entry| entry.path().join("bin"));
    let inherited = std::env::var_os("PATH").unwrap_or_default();
    std::env::join_paths(tools.chain(std::env::split_paths(&inherited))).unwrap_or(inherited)
}

fn spec(language: &str, guest: &Path, cache: &Path) -> Spec {
    let (cache, guest) = (format!("XDG_CACHE_HOME={}", cache.display()), guest.to_string_lossy());
    let serve = ["serve", "--listen", "127.0.0.1:0", "--workers", "1", "--log-level", "warn"];
    let [serve, listen, address, workers, one, level, warn] = serve;
    let command = ["env", &cache, HOST, serve, listen, address, workers, one, level, warn, &guest];
    Spec::printing(language, "/case/room", command)
}

/// With the CPU time until it listened.
fn start(spec: &Spec, pinning: &Pinning, folder: &Path) -> anyhow::Result<(Running, Duration)> {
    let host = spec.start(pinning, folder)?;
    let used = usage::cpu_time(host.pid())?;
    Ok((host, used))
}

fn print(rows: &[Row]) {
    println!(
        "| language | component | build | start, compiling | start, cached | KiB per connection | handshakes | echo 32 B | of Rust | echo 64 KiB | of Rust |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |");
    let base = rows.first().map_or((f64::NAN, f64::NAN), |row| (row.small, row.large));
    for row in rows {
        println!(
            "| {} | {} | {:.1} s | {:.2} s | {:.2} s | {:.0} | {} | {} | {:.2} | {} | {:.2} |",
            row.language,
            bytesize::ByteSize(row.size),
            row.built.as_secs_f64(),
            row.compiled.as_secs_f64(),
            row.loaded.as_secs_f64(),
            row.memory,
            number(row.handshakes),
            number(row.small),
            row.small / base.0,
            number(row.large),
            row.large / base.1,
        );
    }
}
