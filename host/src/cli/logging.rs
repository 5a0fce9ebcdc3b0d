//! Where log events go: stderr, as text or as JSON lines.

use clap::{Args, ValueEnum};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::FmtSpan;

use crate::cli::exit::Problems;
use crate::cli::stderr::LogWriter;
use crate::cli::terminal;

/// The arguments about logging, the same for every command that serves.
#[derive(Args, Debug, Clone)]
#[command(next_help_heading = "Logging")]
pub(crate) struct LogArgs {
    /// Format of the log on stderr [default: text, or what the host config says]
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub(crate) log: Option<LogFormat>,

    /// The same as `--log json`
    #[arg(long, conflicts_with = "log")]
    pub(crate) json: bool,

    /// What is logged: error, warn, info, debug, trace, or filters such as `info,whimbrel::handshake=debug`
    #[arg(long, value_name = "LEVEL", env = "WHIMBREL_LOG", default_value = "info")]
    pub(crate) log_level: String,
}

/// How a log event is written.
#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LogFormat {
    /// For people: one line per event.
    Text,
    /// For machines: one JSON object per line.
    Json,
}

impl LogArgs {
    /// Send log events to stderr from now on. `default` is the format when the arguments name none.
    pub(crate) fn start(&self, default: LogFormat) -> anyhow::Result<()> {
        let filter = EnvFilter::builder().parse(&self.log_level).map_err(|error| {
            Problems::one(format!(
                "log level {:?}: {error}; allowed are error, warn, info, debug, trace, or filters such as \
                 \"info,whimbrel::handshake=debug\"",
                self.log_level
            ))
        })?;
        let subscriber = tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_writer(LogWriter::start()?)
            .with_span_events(FmtSpan::NONE)
            // It would be reported with `eprintln!`, which panics on the very stderr that failed.
            .log_internal_errors(false);
        let asked = if self.json { Some(LogFormat::Json) } else { self.log };
        match asked.unwrap_or(default) {
            LogFormat::Text => subscriber.with_ansi(terminal::stderr_has_colours()).with_target(false).init(),
            LogFormat::Json => subscriber.json().flatten_event(true).init(),
        }
        Ok(())
    }
}
