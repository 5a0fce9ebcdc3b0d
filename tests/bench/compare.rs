//! All servers in turn, round by round, and the table of what they showed.

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::ValueEnum;

use crate::guest;
use crate::machine::{self, Pinning};
use crate::row::Row;
use crate::server::{Running, Spec};
use crate::table::{self, Series};

/// What the comparison is told on the command line.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Rounds; in each, every server is measured once
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Seconds measured per server and round
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    /// 3 rounds of 1 second
    #[arg(long, conflicts_with_all = ["rounds", "seconds"])]
    quick: bool,
    /// Measure only this row (may be repeated)
    #[arg(long, value_name = "ROW")]
    only: Vec<Row>,
    /// Connections held in the memory row
    #[arg(long, default_value_t = 5000)]
    idle_connections: usize,
    /// The component that Whimbrel serves; default: examples/echo, built now
    #[arg(long, value_name = "FILE")]
    component: Option<PathBuf>,
    /// Also measure the library's own echo example (`plain --example`)
    #[arg(long)]
    example: bool,
    /// Leave Whimbrel out
    #[arg(long)]
    no_host: bool,
    /// Another server: its name, where its WebSocket is, and what starts it there (may be repeated)
    #[arg(long, value_name = "NAME URL COMMAND...")]
    server_cmd: Vec<Spec>,
}

/// The servers that all others are compared with.
const GOOD: &str = "plain good";
const NAIVE: &str = "plain naive";

/// The subcommand `compare`.
pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let servers = servers(options, folder.path())?;
    let (rounds, seconds) = if options.quick { (3, 1.0) } else { (options.rounds, options.seconds) };
    // After the guest is built: a compiler on one core is slow.
    let pinning = Pinning::of_this_process()?;
    let bed =
        Bed { servers, pinning, rounds, seconds, idle_connections: options.idle_connections, folder: folder.path() };
    let rows: Vec<Row> = Row::value_variants()
        .iter()
        .copied()
        .filter(|row| options.only.is_empty() || options.only.contains(row))
        .collect();
    let mut results = Vec::new();
    for row in rows {
        results.push((row, bed.measure(row)?));
    }
    println!("{}.", machine::description(pinning));
    println!(
        "Per second of server CPU time where no unit is named; 64 connections; {rounds} rounds of {seconds} s in turn; \
         memory at {} connections that have exchanged one message.\n",
        options.idle_connections
    );
    print!("{}", table::render(results, &[GOOD, NAIVE]));
    Ok(())
}

fn servers(options: &Options, folder: &Path) -> anyhow::Result<Vec<Spec>> {
    let this_program = std::env::current_exe()?;
    let this_program = this_program.to_string_lossy();
    let mut servers = vec![
        Spec::printing(GOOD, "/", [&this_program, "plain", "--good"]),
        Spec::printing(NAIVE, "/", [&this_program, "plain", "--naive"]),
    ];
    if !options.no_host {
        servers.push(guest::host(options.component.as_deref(), folder)?);
    }
    if options.example {
        servers.push(Spec::printing("plain example", "/", [&this_program, "plain", "--example"]));
    }
    servers.extend_from_slice(&options.server_cmd);
    Ok(servers)
}

/// Everything that stays the same from row to row.
struct Bed<'a> {
    servers: Vec<Spec>,
    pinning: Pinning,
    rounds: usize,
    seconds: f64,
    idle_connections: usize,
    folder: &'a Path,
}

impl Bed<'_> {
    /// One row: A B C, A B C, and so on, so that what disturbs the machine disturbs all alike.
    fn measure(&self, row: Row) -> anyhow::Result<Vec<Series>> {
        let mut running = Vec::new();
        if !row.wants_fresh_server() {
            for spec in &self.servers {
                running.push(self.start(spec)?);
            }
        }
        let mut all: Vec<Series> = self.servers.iter().map(Series::of).collect();
        for round in 1..=self.rounds {
            for (index, (spec, series)) in self.servers.iter().zip(&mut all).enumerate() {
                let fresh;
                let server = match running.get(index) {
                    Some(server) => server,
                    None => {
                        fresh = self.start(spec)?;
                        &fresh
                    }
                };
                let (value, note) = row
                    .measure(server, self.seconds, self.idle_connections)
                    .with_context(|| format!("{} failed at \"{}\"{}", spec.name, row.title(), server.log_end()))?;
                let shown = table::number(value);
                eprintln!("{}, round {round} of {}, {}: {shown} ({note})", row.title(), self.rounds, spec.name);
                series.values.push(value);
            }
        }
        Ok(all)
    }

    fn start(&self, spec: &Spec) -> anyhow::Result<Running> {
        spec.start(&self.pinning, self.folder)
    }
}

impl Series {
    fn of(spec: &Spec) -> Self {
        Self { server: spec.name.clone(), values: Vec::new() }
    }
}
