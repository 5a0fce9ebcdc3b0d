//! Neighbours: how long an innocent deployment's messages take while another deployment of the same host is hostile.

mod attack;
mod innocent;

use std::path::Path;
use std::time::Duration;

use clap::ValueEnum as _;

use crate::load::block_on;
use crate::machine::{self, Pinning};
use crate::server::Spec;
use attack::{Attack, Kind};
use innocent::Latencies;

const HOST: &str = env!("CARGO_BIN_EXE_whimbrel");
/// Before a row's measurement: the neighbour gets going, or the one before it ends.
const WARM_UP: Duration = Duration::from_secs(1);

/// What the measurement is told on the command line.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Seconds measured per neighbour
    #[arg(long, default_value_t = 10.0)]
    seconds: f64,
    /// Measure only this neighbour (may be repeated)
    #[arg(long, value_name = "KIND")]
    only: Vec<Kind>,
    /// Worker threads of the host [default: one per core]
    #[arg(long)]
    workers: Option<usize>,
    /// Further lines for the hostile deployment's limits, as in 'execution_share = "20%"'
    #[arg(long, default_value = "")]
    limits: String,
}

/// The subcommand `neighbour`.
pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    let cores = std::thread::available_parallelism()?.get();
    let workers = options.workers.unwrap_or(cores);
    let folder = tempfile::tempdir()?;
    let host = spec(folder.path(), workers, &options.limits)?.start(&Pinning::Free, folder.path())?;
    let period = Duration::from_secs_f64(options.seconds);
    let mut rows = Vec::new();
    let kinds = Kind::value_variants().iter().filter(|kind| options.only.is_empty() || options.only.contains(kind));
    for kind in [None].into_iter().chain(kinds.map(Some)).chain([None]) {
        let attack = kind.map(|kind| Attack::start(*kind, workers, host.target().clone().with_path("/hostile")));
        std::thread::sleep(WARM_UP);
        let before = attack.as_ref().map_or(0, Attack::events);
        let latencies = block_on(innocent::measure(host.target(), period))
            .map_err(|error| error.context(format!("the innocent failed{}", host.log_end())))?;
        let events = attack.map(|attack| (attack.events() - before) as f64 / options.seconds);
        let name = kind.map_or_else(|| "none".to_owned(), |kind| kind.title(workers));
        eprintln!("{name}: {}", latencies.row());
        rows.push((name, latencies, events));
    }
    println!("{}; {workers} worker threads.\n", machine::description(Pinning::Free));
    print!("{}", render(&rows));
    Ok(())
}

/// Two deployments. What a hostile guest logs is no part of the measurement, and neither is a circuit breaker that would
/// keep its clients away.
fn spec(folder: &Path, workers: usize, limits: &str) -> anyhow::Result<Spec> {
    let deployments =
        [("echo", test_guests::ECHO, ""), ("hostile", test_guests::PROBE, &format!("traps = \"off\"\n{limits}"))];
    for (name, component, limits) in deployments {
        let manifest =
            format!("name = \"{name}\"\ncomponent = {component:?}\nroutes = [\"/{name}\"]\n[limits]\n{limits}\n");
        std::fs::create_dir_all(folder.join(name))?;
        std::fs::write(folder.join(name).join("whimbrel.toml"), manifest)?;
    }
    let (workers, path) = (workers.to_string(), |name| folder.join(name).to_string_lossy().into_owned());
    let arguments = ["serve", "--listen", "127.0.0.1:0", "--workers", &workers, "--log-level", "error"];
    let [a, b, c, d, e, f, g] = arguments;
    Ok(Spec::printing("whimbrel", "/echo", [HOST, a, b, c, d, e, f, g, &path("echo"), &path("hostile")]))
}

fn render(rows: &[(String, Latencies, Option<f64>)]) -> String {
    let mut table = String::from(
        "| neighbour | messages | p50 ms | p99 ms | max ms | neighbour's events per second |\n\
         | --- | ---: | ---: | ---: | ---: | ---: |\n",
    );
    for (name, latencies, events) in rows {
        let events = events.map_or_else(String::new, |events| format!("{events:.0}"));
        table.push_str(&format!("| {name} | {} | {events} |\n", latencies.row()));
    }
    table
}
