//! What it costs to bound a guest: the same guests compiled without checks, with epoch checks, and with fuel.

use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use rustix::time::{ClockId, clock_gettime};
use wasmtime::component::{Component, ComponentNamedList, Instance, Linker, Lower, TypedFunc, Val};
use wasmtime::{Config, Engine, Store};
use whimbrel::guest::{Request, types};

use crate::guest;
use crate::machine::{self, Pinning};
use crate::row::Row;
use crate::server::{Running, Spec};
use crate::table::{self, Series};

/// What the command is told.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Rounds; in each, everything is measured once
    #[arg(long, default_value_t = 7)]
    rounds: usize,
    /// Seconds measured per engine, guest and round
    #[arg(long, default_value_t = 0.5)]
    seconds: f64,
}

/// The ways to compile a guest.
const ENGINES: [(&str, bool, bool); 4] = [
    ("no checks", false, false),
    ("epoch checks (metering = \"time\")", true, false),
    ("fuel", false, true),
    ("both (metering = \"fuel\")", true, true),
];
/// What is asked of a guest.
const WORK: [(&str, Guest, &str); 3] = [
    ("call of the echo, 32 B", Guest::Echo, "an echo of thirty-two bytes, ok."),
    ("SHA-256 of 64 KiB", Guest::Crunch, "hash 65536"),
    ("fib(20), recursive", Guest::Crunch, "fib 20"),
];

#[derive(Clone, Copy, PartialEq)]
enum Guest {
    Echo,
    Crunch,
}

/// The subcommand `metering`.
pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let echo = guest::build_echo()?;
    let servers = servers(&echo, folder.path())?;
    let pinning = Pinning::of_this_process()?;
    let mut tables = Vec::new();
    for (title, guest, text) in WORK {
        let path = if guest == Guest::Echo { echo.as_path() } else { Path::new(test_guests::CRUNCH) };
        let mut calls = Vec::new();
        for (name, has_epochs, has_fuel) in ENGINES {
            calls.push((name, Call::new(path, has_epochs, has_fuel, text)?));
        }
        let mut all: Vec<Series> = calls.iter().map(|(name, _)| series(name)).collect();
        for round in 1..=options.rounds {
            for ((name, call), series) in calls.iter_mut().zip(&mut all) {
                let value = call.measure(options.seconds)?;
                eprintln!("{title}, round {round} of {}, {name}: {}", options.rounds, table::number(value));
                series.values.push(value);
            }
        }
        tables.push((title, all));
    }
    let running: Vec<Running> =
        servers.iter().map(|spec| spec.start(&pinning, folder.path())).collect::<Result<_, _>>()?;
    for row in [Row::Small, Row::Pipelined] {
        let mut all: Vec<Series> = servers.iter().map(|spec| series(&spec.name)).collect();
        for round in 1..=options.rounds {
            for (server, series) in running.iter().zip(&mut all) {
                let (value, note) = row.measure(server, options.seconds.max(1.0), 0)?;
                eprintln!("{}, round {round}, {}: {} ({note})", row.title(), series.server, table::number(value));
                series.values.push(value);
            }
        }
        tables.push((row.title(), all));
    }
    println!("{}.", machine::description(pinning));
    println!(
        "Calls or messages per second of CPU time; {} rounds of {} s in turn. The first three rows are calls of \
         on-message without a host around them, the others a whole host.\n",
        options.rounds, options.seconds
    );
    print!("{}", table::render_titled(&tables, &[ENGINES[0].0, TIME]));
    Ok(())
}

const TIME: &str = "host, metering = \"time\"";

fn servers(echo: &Path, folder: &Path) -> anyhow::Result<Vec<Spec>> {
    let mut servers = Vec::new();
    for (name, metering) in [(TIME, "time"), ("host, metering = \"fuel\"", "fuel")] {
        let folder = folder.join(metering);
        servers.push(guest::metered_host(name, echo, metering, &folder)?);
    }
    Ok(servers)
}

fn series(name: &str) -> Series {
    Series { server: name.to_owned(), values: Vec::new() }
}

/// A guest ready to be called.
struct Call {
    store: Store<()>,
    on_message: TypedFunc<(u32, types::Message<'static>), (Result<(), String>,)>,
    text: &'static str,
}

impl Call {
    fn new(path: &Path, has_epochs: bool, has_fuel: bool, text: &'static str) -> anyhow::Result<Self> {
        let mut config = Config::new();
        config.epoch_interruption(has_epochs).consume_fuel(has_fuel);
        let engine = Engine::new(&config)?;
        let component =
            Component::from_file(&engine, path).map_err(|error| error.context(path.display().to_string()))?;
        let mut linker = Linker::new(&engine);
        linker.allow_shadowing(true);
        linker.define_unknown_imports_as_traps(&component)?;
        linker.instance("whimbrel:websocket/connection@0.1.0")?.func_new("send", |_, _, _, results| {
            results.fill(Val::Result(Ok(Some(Box::new(Val::U32(0))))));
            Ok(())
        })?;
        let mut store = Store::new(&engine, ());
        if has_epochs {
            // No tick ever comes: what is measured is the looking.
            store.set_epoch_deadline(1);
        }
        if has_fuel {
            store.set_fuel(u64::MAX)?;
        }
        let instance = linker.instantiate(&mut store, &component)?;
        let open = function::<(u32, &Request)>(&instance, &mut store, "open")?;
        open.call(&mut store, (1, &Request::default()))?.0.map_err(anyhow::Error::msg)?;
        let on_message = function(&instance, &mut store, "on-message")?;
        Ok(Self { store, on_message, text })
    }

    /// Calls per second of this thread's CPU time.
    fn measure(&mut self, seconds: f64) -> anyhow::Result<f64> {
        let (start, mut calls) = (cpu_time()?, 0_u32);
        loop {
            for _ in 0..10 {
                let message = types::Message::Text(self.text);
                self.on_message.call(&mut self.store, (1, message))?.0.map_err(anyhow::Error::msg)?;
            }
            calls += 10;
            let elapsed = (cpu_time()? - start).as_secs_f64();
            if elapsed >= seconds {
                return Ok(f64::from(calls) / elapsed);
            }
        }
    }
}

fn function<P: ComponentNamedList + Lower>(
    instance: &Instance,
    store: &mut Store<()>,
    name: &str,
) -> anyhow::Result<TypedFunc<P, (Result<(), String>,)>> {
    let handler = instance.get_export_index(&mut *store, None, "whimbrel:websocket/handler@0.1.0");
    let index = handler.and_then(|handler| instance.get_export_index(&mut *store, Some(&handler), name));
    Ok(instance.get_typed_func(store, index.context("the guest is no handler")?)?)
}

fn cpu_time() -> anyhow::Result<Duration> {
    Ok(Duration::try_from(clock_gettime(ClockId::ThreadCPUTime))?)
}
