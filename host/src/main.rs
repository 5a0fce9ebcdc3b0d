//! The `whimbrel` program: what the user typed, done; what went wrong, printed; the exit code.

#![warn(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr
)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing))]

#[allow(clippy::disallowed_methods, reason = "the one place that reads the environment")]
mod cli;

use std::process::ExitCode;

use cli::Cli;

/// Gives freed memory back sooner than the C library's: a host holds many connections with large messages in turn.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let arguments = Cli::from_arguments();
    let code = match arguments.run() {
        Ok(code) => code,
        Err(error) => cli::exit::report(&error),
    };
    cli::stderr::flush();
    code
}
