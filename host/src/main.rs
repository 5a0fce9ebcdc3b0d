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

/// Have freed memory go back soon. By its default mimalloc keeps it for a second, and much more than `host.memory_budget`
/// comes together in that. Going back at once would cost a third more per message of a megabyte; ten milliseconds cost
/// nothing that can be measured.
#[allow(unsafe_code, reason = "the allocator has no safe interface for its options")]
fn give_memory_back() {
    /// `mi_option_purge_delay` in mimalloc.h, where deprecated options keep their places.
    const PURGE_DELAY: libmimalloc_sys::mi_option_t = 15;
    const MILLISECONDS: std::ffi::c_long = 10;
    // SAFETY: stores a number in a table of the allocator's own; called before there is a second thread.
    unsafe { libmimalloc_sys::mi_option_set(PURGE_DELAY, MILLISECONDS) }
}

fn main() -> ExitCode {
    give_memory_back();
    let arguments = Cli::from_arguments();
    let code = match arguments.run() {
        Ok(code) => code,
        Err(error) => cli::exit::report(&error),
    };
    cli::stderr::flush();
    code
}
