//! Where log events go: stderr, as text or as JSON lines.

use std::panic::PanicHookInfo;
use std::thread;

use clap::{Args, ValueEnum};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;
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
        let filter = filter(&self.log_level).map_err(|error| {
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
        std::panic::set_hook(Box::new(report_panic));
        Ok(())
    }
}

/// A panic is a mistake of this program. It ends the task that it is in, and with it one connection; the line is what
/// brings it to light.
fn report_panic(panic: &PanicHookInfo<'_>) {
    let place = panic.location().map(ToString::to_string);
    let thread = thread::current();
    let text = panic.payload_as_str().unwrap_or("no text");
    tracing::error!(place, thread = thread.name(), "panicked: {}", text.escape_debug());
    whimbrel::metrics::panicked();
}

fn filter(text: &str) -> Result<EnvFilter, String> {
    // A word that is no level would name a module, and all others would be silent.
    let is_level = |part: &&str| part.contains('=') || part.trim().parse::<LevelFilter>().is_ok();
    if let Some(word) = text.split(',').find(|part| !is_level(part)) {
        return Err(format!("{word:?} is not a level"));
    }
    EnvFilter::builder().parse(text).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::filter;

    #[test]
    fn a_word_is_a_level() {
        for good in ["info", "WARN", "off", "info,whimbrel::connection=debug", "whimbrel=trace"] {
            assert!(filter(good).is_ok(), "{good}");
        }
        for bad in ["loud", "warning", "info,whimbrel", "a=b=c", "info,,debug=x"] {
            assert!(filter(bad).is_err(), "{bad}");
        }
    }
}
