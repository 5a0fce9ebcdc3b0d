//! Scopes: what a message, a connection, a room cost where an instance serves a room, many connections or one event, each
//! beside the scope `connection`.

mod hold;
mod memory;

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::ValueEnum;

use crate::guest;
use crate::load::{self, Measure, Period, Rooms};
use crate::machine::{self, Pinning};
use crate::row::{STORM_CONCURRENCY, rate};
use crate::server::{Running, Spec};
use crate::table::{self, Series};
use crate::{fan, storm};

pub(crate) use hold::{ClientOptions, run_client};

/// What the command is told.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Rounds; in each, every scope is measured once
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Seconds measured per scope and round
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
    /// 2 rounds of 1 second
    #[arg(long, conflicts_with_all = ["rounds", "seconds"])]
    quick: bool,
    /// Measure only this (may be repeated)
    #[arg(long, value_name = "PART")]
    only: Vec<Part>,
    /// Members of the largest room
    #[arg(long, default_value_t = 10_000)]
    largest: usize,
    /// Instead: open so many rooms of two, and tell how many were reached, what they cost and what stopped it
    #[arg(long, value_name = "ROOMS")]
    hold: Option<usize>,
}

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Echo of 32 B through each scope
    Echo,
    /// A message from one member to all
    FanOut,
    /// Rooms and connections started
    Starts,
    /// Bytes per room and per idle connection
    Memory,
}

/// A scope under measurement: its column in the tables, and its manifest's line.
#[derive(Clone, Copy)]
struct Scope {
    name: &'static str,
    manifest: &'static str,
}

const CONNECTION: Scope = Scope { name: "connection", manifest: "scope = \"connection\"" };
const ROOM: Scope = Scope { name: "room", manifest: "scope = { room = \"{room}\" }" };
const SHARED_1: Scope = Scope { name: "shared = 1", manifest: "scope = { shared = 1 }" };
const SHARED_4: Scope = Scope { name: "shared = 4", manifest: "scope = { shared = 4 }" };
const EVENT: Scope = Scope { name: "event", manifest: "scope = \"event\"" };

/// Where the rooms are.
const PATH: &str = "/room";
/// Connections of the rows without large rooms, and members of the middle one.
const CONNECTIONS: usize = 64;
const MIDDLE: usize = 100;

/// The subcommand `scopes`.
pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let echo = guest::build_echo()?;
    let pinning = Pinning::of_this_process()?;
    let (rounds, seconds) = if options.quick { (2, 1.0) } else { (options.rounds, options.seconds) };
    let bed = Bed { pinning, rounds, seconds, largest: options.largest, echo, folder: folder.path() };
    if let Some(rooms) = options.hold {
        return hold::run(&bed, rooms);
    }
    let parts = Part::value_variants().iter().filter(|part| options.only.is_empty() || options.only.contains(part));
    let mut report = String::new();
    for part in parts {
        report.push_str(&match part {
            Part::Echo => bed.echo()?,
            Part::FanOut => bed.fan_out()?,
            Part::Starts => bed.starts()?,
            Part::Memory => memory::measure(&bed)?,
        });
    }
    println!("{}.\n\n{rounds} rounds of {seconds} s in turn.\n{report}", machine::description(pinning));
    Ok(())
}

/// Everything that stays the same from part to part.
struct Bed<'a> {
    pinning: Pinning,
    rounds: usize,
    seconds: f64,
    largest: usize,
    echo: PathBuf,
    folder: &'a Path,
}

type Measuring<'a> = dyn Fn(&Running) -> anyhow::Result<Measure> + 'a;

/// A server under measurement, and how.
struct Entry<'a> {
    spec: Spec,
    measure: Box<Measuring<'a>>,
}

impl Bed<'_> {
    /// A host whose guest is served under this scope.
    fn spec(&self, name: &str, scope: Scope, component: &Path, limits: &str) -> anyhow::Result<Spec> {
        let lines = format!("routes = [\"{PATH}/{{room}}\"]\n{}\n[limits]\n{limits}\n", scope.manifest);
        guest::manifest_host(name, component, &lines, PATH, &self.folder.join(name))
    }

    fn period(&self, server: &Running) -> Period {
        Period { seconds: self.seconds, server_pid: Some(server.pid()) }
    }

    /// One row: A B C, A B C, and so on.
    fn in_turn(&self, title: &str, entries: &[Entry<'_>]) -> anyhow::Result<Vec<(Series, Series)>> {
        let mut running = Vec::new();
        for entry in entries {
            running.push(entry.spec.start(&self.pinning, self.folder)?);
        }
        let series = |entry: &Entry<'_>| Series { server: entry.spec.name.clone(), values: Vec::new() };
        let mut all: Vec<_> = entries.iter().map(|entry| (series(entry), series(entry))).collect();
        for round in 1..=self.rounds {
            for ((entry, server), (of_cpu, of_time)) in entries.iter().zip(&running).zip(&mut all) {
                let name = &entry.spec.name;
                let measure = (entry.measure)(server)
                    .with_context(|| format!("{name} failed at \"{title}\"{}", server.log_end()))?;
                let (value, note) = rate(measure)?;
                let shown = table::number(value);
                eprintln!("{title}, round {round} of {}, {name}: {shown} ({note})", self.rounds);
                of_cpu.values.push(value);
                of_time.values.push(measure.per_second());
            }
        }
        Ok(all)
    }

    fn echo(&self) -> anyhow::Result<String> {
        let few: &[(&str, Scope, usize)] = &[
            (CONNECTION.name, CONNECTION, CONNECTIONS),
            ("room of 2", ROOM, 2),
            (SHARED_1.name, SHARED_1, CONNECTIONS),
            (SHARED_4.name, SHARED_4, CONNECTIONS),
            (EVENT.name, EVENT, CONNECTIONS),
        ];
        let room = |members| [(CONNECTION.name, CONNECTION, members), ("room of all", ROOM, members)];
        let mut rows = Vec::new();
        let mut add = |connections: usize, window: usize, scopes: &[(&str, Scope, usize)]| {
            let flight = if window == 1 { "one at a time" } else { "32 in flight" };
            let title = format!("{connections} connections, {flight}");
            let entries: anyhow::Result<Vec<_>> = scopes
                .iter()
                .map(|(name, scope, members)| self.echoing(name, *scope, *members, connections, window))
                .collect();
            rows.push((title.clone(), of_cpu(self.in_turn(&title, &entries?)?)));
            anyhow::Ok(())
        };
        for window in [1, 32] {
            add(CONNECTIONS, window, few)?;
            add(MIDDLE, window, &room(MIDDLE))?;
        }
        add(self.largest, 1, &room(self.largest))?;
        Ok(format!("\n## Echo of 32 B, messages per server-CPU-second\n\n{}", costs(&rows, "message")))
    }

    fn echoing(
        &self,
        name: &str,
        scope: Scope,
        members: usize,
        connections: usize,
        window: usize,
    ) -> anyhow::Result<Entry<'_>> {
        let spec = self.spec(name, scope, &self.echo, "")?;
        let measure = Box::new(move |server: &Running| {
            let (url, rooms, period) = (server.target().clone(), Rooms::of(members), self.period(server));
            load::measure(&load::Options { url, connections, size: 32, window, text: false, rooms, period })
        });
        Ok(Entry { spec, measure })
    }

    fn fan_out(&self) -> anyhow::Result<String> {
        let guest = Path::new(test_guests::FAN_OUT);
        let mut rows = Vec::new();
        for (members, rooms) in [(2, CONNECTIONS / 2), (MIDDLE, 1), (self.largest, 1)] {
            let title = format!("{rooms} x {members} members");
            let ways = [(TOPIC, CONNECTION, false), ("room, send-many", ROOM, true), ("room, topic", ROOM, false)];
            let entries: anyhow::Result<Vec<_>> = ways
                .into_iter()
                .map(|(name, scope, text)| {
                    let spec = self.spec(name, scope, guest, "")?;
                    let measure = Box::new(move |server: &Running| {
                        let (url, period) = (server.target().clone(), self.period(server));
                        fan::measure(&fan::Options { url, rooms, members, size: 32, text, period })
                    });
                    anyhow::Ok(Entry { spec, measure })
                })
                .collect();
            rows.push((title.clone(), of_cpu(self.in_turn(&title, &entries?)?)));
        }
        Ok(format!(
            "\n## A message of 32 B from one member to all, deliveries per server-CPU-second\n\n{}",
            costs(&rows, "delivery")
        ))
    }

    fn starts(&self) -> anyhow::Result<String> {
        let ways = [
            (CONNECTION.name, CONNECTION, 1, ""),
            ("a new room each", ROOM, 1, "room_idle = \"1ms\""),
            ("one room", ROOM, usize::MAX, ""),
            (SHARED_1.name, SHARED_1, usize::MAX, ""),
            (EVENT.name, EVENT, 1, ""),
        ];
        let entries: anyhow::Result<Vec<_>> = ways
            .into_iter()
            .map(|(name, scope, members, limits)| {
                let spec = self.spec(name, scope, &self.echo, limits)?;
                let measure = Box::new(move |server: &Running| {
                    let (url, rooms, period) = (server.target().clone(), Rooms::of(members), self.period(server));
                    storm::measure(&storm::Options { url, concurrency: STORM_CONCURRENCY, rooms, stay: true, period })
                });
                anyhow::Ok(Entry { spec, measure })
            })
            .collect();
        let title = "handshake and close";
        let (of_cpu, of_time): (Vec<_>, Vec<_>) = self.in_turn(title, &entries?)?.into_iter().unzip();
        let rows = [(format!("{title}, per server-CPU-second"), of_cpu)];
        let beside = costs(&rows, "handshake");
        let rows = [(&*format!("{title}, per second"), of_time)];
        let per_second = table::render_titled(&rows, &[CONNECTION.name]);
        Ok(format!(
            "\n## Starts: a connection opened and closed, {STORM_CONCURRENCY} at once\n\n{beside}\n{per_second}"
        ))
    }
}

const TOPIC: &str = "connection, topic";

fn of_cpu(all: Vec<(Series, Series)>) -> Vec<Series> {
    all.into_iter().map(|(of_cpu, _)| of_cpu).collect()
}

/// The table of rates, with what each thing costs in time; the first of each row is what the others are compared with.
fn costs(rows: &[(String, Vec<Series>)], thing: &str) -> String {
    let mut text = format!(
        "| measure | scope | median | to {} (least to most) | µs per {thing} | µs more (least to most) |\n\
         | --- | --- | ---: | --- | ---: | --- |\n",
        CONNECTION.name
    );
    for (title, all) in rows {
        let Some(base) = all.first() else { continue };
        for (index, series) in all.iter().enumerate() {
            let compared = |compare: fn(f64, f64) -> f64, decimals: usize| {
                let (median, least, most) = table::spread(&series.values, &base.values, compare);
                let is_base = index == 0;
                if is_base {
                    String::new()
                } else {
                    format!("{median:.decimals$} ({least:.decimals$} to {most:.decimals$})")
                }
            };
            let median = table::median(&series.values);
            text.push_str(&format!(
                "| {title} | {} | {} | {} | {:.2} | {} |\n",
                series.server,
                table::number(median),
                compared(|value, base| value / base, 2),
                1e6 / median,
                compared(|value, base| 1e6 / value - 1e6 / base, 2),
            ));
        }
    }
    text
}
