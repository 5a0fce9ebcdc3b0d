//! SIGTERM and ctrl-c: the first asks to stop, the second ends the process at once.

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::cli::exit;

/// What a shell reports for a process that SIGINT ended.
pub(crate) const INTERRUPTED: u8 = 130;
/// What a shell reports for a process that SIGTERM ended.
pub(crate) const TERMINATED: u8 = 143;

/// The signals that ask this process to stop. While it lives, they no longer kill the process by themselves.
pub(crate) struct StopSignals {
    interrupt: Signal,
    terminate: Signal,
}

impl StopSignals {
    /// Start listening. Needs a tokio runtime.
    pub(crate) fn listen() -> anyhow::Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    /// Wait for the next signal; yields the exit code that stands for it. Safe to cancel.
    pub(crate) async fn next(&mut self) -> u8 {
        tokio::select! {
            _ = self.interrupt.recv() => INTERRUPTED,
            _ = self.terminate.recv() => TERMINATED,
        }
    }

    /// From now on a signal ends the process at once.
    pub(crate) fn exit_on_next(mut self) {
        tokio::spawn(async move { exit::now(self.next().await) });
    }
}
