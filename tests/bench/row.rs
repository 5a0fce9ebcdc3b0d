//! The rows of the table: what is measured of each server.

use anyhow::Context;
use clap::ValueEnum;

use crate::load::{self, Measure, Period, Rooms};
use crate::server::Running;
use crate::{idle, storm};

/// Connections of the echo rows.
const ECHO_CONNECTIONS: usize = 64;
/// Connections being opened or closed at once in the handshake row.
pub(crate) const STORM_CONCURRENCY: usize = 16;

/// One thing measured of each server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Row {
    /// Connect, upgrade, close
    Handshake,
    /// 32 B, one at a time, 64 connections
    Small,
    /// 32 B, 32 in flight on each of 64 connections
    Pipelined,
    /// 1 KiB, one at a time, 64 connections
    #[value(name = "1k")]
    Kilobyte,
    /// 64 KiB, one at a time, 64 connections
    #[value(name = "64k")]
    Medium,
    /// 1 MiB, one at a time, 64 connections
    #[value(name = "1m")]
    Large,
    /// KiB of resident memory per idle connection
    Memory,
}

impl Row {
    /// What the table calls it.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Handshake => "handshake and close",
            Self::Small => "echo 32 B, one at a time",
            Self::Pipelined => "echo 32 B, 32 in flight",
            Self::Kilobyte => "echo 1 KiB, one at a time",
            Self::Medium => "echo 64 KiB, one at a time",
            Self::Large => "echo 1 MiB, one at a time",
            Self::Memory => "KiB resident per idle connection (less is better)",
        }
    }

    /// Whether it takes a server that has done nothing before.
    pub(crate) fn wants_fresh_server(self) -> bool {
        self == Self::Memory
    }

    /// Bytes per message and messages in flight, for the echo rows.
    fn echo(self) -> Option<(usize, usize)> {
        match self {
            Self::Handshake | Self::Memory => None,
            Self::Small => Some((32, 1)),
            Self::Pipelined => Some((32, 32)),
            Self::Kilobyte => Some((1024, 1)),
            Self::Medium => Some((64 * 1024, 1)),
            Self::Large => Some((1024 * 1024, 1)),
        }
    }

    /// Measures one server once: a count per second of its CPU time, or KiB per connection. With what a person
    /// watching should see beside it.
    pub(crate) fn measure(
        self,
        server: &Running,
        seconds: f64,
        idle_connections: usize,
    ) -> anyhow::Result<(f64, String)> {
        let url = server.target().clone();
        let period = Period { seconds, server_pid: Some(server.pid()) };
        if let Some((size, window)) = self.echo() {
            let (connections, rooms) = (ECHO_CONNECTIONS, Rooms::default());
            let options = load::Options { url, connections, size, window, text: false, rooms, period };
            return rate(load::measure(&options)?);
        }
        if self == Self::Handshake {
            let (concurrency, rooms) = (STORM_CONCURRENCY, Rooms::default());
            let options = storm::Options { url, concurrency, rooms, stay: false, period };
            return rate(storm::measure(&options)?);
        }
        let (connections, rooms, server_pid) = (idle_connections, Rooms::default(), server.pid());
        let options = idle::Options { url, connections, size: 32, rooms, leave: false, server_pid };
        let memory = idle::measure(&options)?;
        let note = format!("proportional {:.1} KiB", memory.proportional);
        Ok((memory.resident, note))
    }
}

/// The count per second of the server's CPU time, and how much of the time it had work.
pub(crate) fn rate(measure: Measure) -> anyhow::Result<(f64, String)> {
    let rate = measure.per_cpu_second().context("the server used no measurable CPU time; measure for longer")?;
    let busy = measure.busy().unwrap_or_default() * 100.0;
    Ok((rate, format!("server {busy:.0} % busy")))
}
