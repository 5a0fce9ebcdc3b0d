//! Soak: good and hostile load for a given time, and then whether anything leaked, was lost, or panicked.
//!
//! `cargo bench -p whimbrel --bench soak -- --minutes 10` starts the real host with guests of the suite. An innocent
//! deployment and the topics of another are served all the time; all that is hostile comes and goes. What the host holds
//! before and after is compared within the tolerances of docs/faults.md. Exit code 1 when something is wrong.

mod good;
mod hostile;
mod neighbours;
mod sample;
mod served;
mod verdict;

// Shared with the benchmark.
#[allow(dead_code, reason = "the benchmark uses more of it")]
#[path = "../bench/machine.rs"]
mod machine;
#[allow(dead_code, reason = "the benchmark uses more of it")]
#[path = "../bench/server.rs"]
mod server;
#[allow(dead_code, reason = "the benchmark uses more of it")]
#[path = "../bench/usage.rs"]
mod usage;
#[allow(dead_code, reason = "the benchmark uses more of it")]
#[path = "../bench/wire.rs"]
mod wire;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::bail;
use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};

use good::Canary;
use hostile::KINDS;
use sample::Sample;
use served::Served;
use verdict::Verdict;

/// The canary alone, for what it needs when nothing disturbs it.
const QUIET: Duration = Duration::from_secs(10);
/// All load once, so that what is set up once is there before the first look.
const WARM_UP: Duration = Duration::from_secs(30);
/// How long the host may take to give back what the load cost.
const SETTLE: Duration = Duration::from_secs(30);

/// Loads a host with good and hostile clients and guests, and tells what leaked.
#[derive(Parser)]
#[command(name = "soak")]
struct Options {
    /// Minutes of load
    #[arg(long, default_value_t = 10.0)]
    minutes: f64,
    /// Seconds between two rows of the report
    #[arg(long, default_value_t = 30.0)]
    interval: f64,
    /// Instead of the soak, measure what each hostile neighbour costs an innocent deployment: so many seconds each
    #[arg(long, value_name = "SECONDS")]
    neighbours: Option<f64>,
}

fn main() -> ExitCode {
    // As in the benchmark: `cargo test --all-targets` only wants to see that the program starts.
    if std::env::args().len() == 1 {
        println!("soak: run it with cargo bench, or see --help");
        return ExitCode::SUCCESS;
    }
    let options = Options::parse_from(std::env::args().filter(|argument| argument != "--bench"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let result = runtime.map_err(Into::into).and_then(|runtime| {
        runtime.block_on(async {
            tokio::select! {
                is_good = run(&options) => is_good,
                () = told_to_stop() => bail!("interrupted"),
            }
        })
    });
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Whether all was well.
async fn run(options: &Options) -> anyhow::Result<bool> {
    if let Some(seconds) = options.neighbours {
        neighbours::compare(Duration::from_secs_f64(seconds)).await?;
        return Ok(true);
    }
    let verdict = soak(options).await?;
    println!("\n{verdict}");
    Ok(verdict.is_good())
}

/// So that the host is ended too, by its owner's drop.
async fn told_to_stop() {
    match (signal(SignalKind::interrupt()), signal(SignalKind::terminate())) {
        (Ok(mut interrupt), Ok(mut terminate)) => {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        }
        _ => std::future::pending().await,
    }
}

async fn soak(options: &Options) -> anyhow::Result<Verdict> {
    let served = Served::start()?;
    println!("{}\n{}", machine::description(machine::Pinning::Free), Sample::HEADER);
    let began = Instant::now();
    let look = async |what: &str, canary: &Canary| -> anyhow::Result<Sample> {
        let sample = Sample::take(&served, canary).await?;
        println!("{}", sample.row(began.elapsed(), what));
        Ok(sample)
    };
    let canary = Canary::start(&served)?;
    tokio::time::sleep(QUIET).await;
    let quiet = look("quiet", &canary).await?;

    hostile::load(&served, WARM_UP, KINDS).await?;
    let mut before = look("warm", &canary).await?;
    for _ in 0..3 {
        tokio::time::sleep(SETTLE / 3).await;
        before = look("before", &canary).await?;
    }

    let time = Duration::from_secs_f64(options.minutes * 60.0);
    let interval = Duration::from_secs_f64(options.interval);
    let load = hostile::load(&served, time, KINDS);
    let mut load = std::pin::pin!(load);
    let mut loaded = Vec::new();
    loop {
        tokio::select! {
            counts = &mut load => {
                println!("\n{}\n\n{}", counts?, Sample::HEADER);
                break;
            }
            () = tokio::time::sleep(interval) => loaded.push(look("load", &canary).await?),
        }
    }

    let ended = Instant::now();
    let after = loop {
        tokio::time::sleep(SETTLE / 6).await;
        let after = look("after", &canary).await?;
        if ended.elapsed() >= SETTLE || !after.exceeds(&before) {
            break after;
        }
    };
    let told = canary.stop().await?;
    tokio::time::sleep(Duration::from_secs(3)).await;
    let end = Sample::of_host(&served).await?;
    println!("{}", end.row(began.elapsed(), "end"));
    Ok(Verdict { quiet, before, loaded, after, end, told, panics: served.panics()? })
}
