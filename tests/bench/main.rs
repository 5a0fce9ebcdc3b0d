//! Benchmark: echo through a guest beside plain tokio-tungstenite, per second of server CPU time; and its latency beside
//! hostile guests (`neighbour`).
//!
//! `cargo bench -p whimbrel --bench echo` starts the servers in turn, pinned to one core, drives them from another
//! and prints a Markdown table. Nothing is asserted: the figures are for people. README.md beside this file says more.

mod compare;
mod guest;
mod idle;
mod languages;
mod load;
mod machine;
mod metering;
mod neighbour;
mod plain;
mod row;
mod server;
mod storm;
mod table;
mod usage;
mod wire;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Compares echo servers by messages per second of server CPU time.
#[derive(Parser)]
#[command(name = "echo", args_conflicts_with_subcommands = true)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    compare: compare::Options,
}

#[derive(Subcommand)]
enum Command {
    /// Run all servers in turn and print a table (what `cargo bench` does)
    Compare(compare::Options),
    /// Run a plain tokio-tungstenite echo server until killed
    Plain(plain::Options),
    /// Load one server with echo messages and print the count
    Load(load::Options),
    /// Open and close connections at one server and print the count
    Storm(storm::Options),
    /// Measure the latency of a deployment beside hostile ones and print a table
    Neighbour(neighbour::Options),
    /// Measure what epoch checks and fuel cost a guest
    Metering(metering::Options),
    /// Hold idle connections at one server and print what each adds to its memory
    Idle(idle::Options),
    /// Measure the guest of tests/languages in each language and print a table
    Languages(languages::Options),
}

fn main() -> ExitCode {
    // Cargo adds `--bench` to what the user typed. Without it and without arguments this is
    // `cargo test --all-targets`, which only wants to see that the program starts.
    let is_bench = std::env::args().any(|argument| argument == "--bench");
    if !is_bench && std::env::args().len() == 1 {
        println!("echo benchmark: run it with cargo bench, or see --help");
        return ExitCode::SUCCESS;
    }
    let arguments = Arguments::parse_from(std::env::args().filter(|argument| argument != "--bench"));
    let result = match arguments.command {
        None => compare::run(&arguments.compare),
        Some(Command::Compare(options)) => compare::run(&options),
        Some(Command::Plain(options)) => plain::run(&options),
        Some(Command::Load(options)) => load::run(&options),
        Some(Command::Storm(options)) => storm::run(&options),
        Some(Command::Neighbour(options)) => neighbour::run(&options),
        Some(Command::Metering(options)) => metering::run(&options),
        Some(Command::Idle(options)) => idle::run(&options),
        Some(Command::Languages(options)) => languages::run(&options),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
