//! `whimbrel connect`: a WebSocket client for people and scripts.

mod dial;
mod input;
mod print;
mod talk;

use std::path::PathBuf;
use std::process::ExitCode;
use std::str::FromStr;
use std::time::Duration;

use anyhow::Context;
use clap::Args;

use crate::cli::signals::StopSignals;
use print::Printer;
use talk::{Ending, Options};

/// Talk to a WebSocket server: each line of stdin is sent, each message is printed
#[derive(Args, Debug)]
#[command(after_help = HELP)]
pub(crate) struct ConnectArgs {
    /// ws:// or wss:// (http:// and https:// mean the same)
    url: String,

    /// Add a header field to the handshake; may be repeated
    #[arg(short = 'H', long, value_name = "NAME: VALUE")]
    header: Vec<String>,

    /// Offer a subprotocol; may be repeated, the preferred first
    #[arg(short, long, value_name = "NAME")]
    subprotocol: Vec<String>,

    /// Send an Origin header, as a browser does
    #[arg(short, long)]
    origin: Option<String>,

    /// Trust the certificates in this PEM file instead of the system's
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,

    /// Send each line as a binary message (its bytes) instead of text
    #[arg(short, long)]
    binary: bool,

    /// Print binary messages as they are, with nothing between them, instead of as a line of hex
    #[arg(long)]
    raw: bool,

    /// After stdin's end wait until this many messages came in all, then close
    #[arg(short = 'n', long, value_name = "COUNT")]
    expect: Option<u64>,

    /// After stdin's end close when nothing was received for this long, or "forever": when the peer closes [default:
    /// 1s; with --expect 10s, and then it is a failure]
    #[arg(short, long, value_name = "DURATION")]
    wait: Option<Patience>,

    /// Time for name lookup, TCP, TLS and handshake together
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = humantime::parse_duration)]
    timeout: Duration,

    /// Print messages only: nothing on stderr but errors
    #[arg(short, long)]
    quiet: bool,
}

const HELP: &str = "\
In a script the lines of stdin are sent as they are. On a terminal some lines are commands:
  /ping [DATA]           send a ping
  /close [CODE [REASON]] close the connection
  /help                  list these
  //text                 send a line that starts with a slash

Text messages are printed as lines on stdout (on a terminal with control characters escaped), binary ones as lines of hex \
with 0x in front; pings, pongs and how the connection ended go to stderr.

At the end of stdin everything has been sent; replies may still be on their way, and only the caller knows how many.
  --expect COUNT     closes as soon as that many messages came, at the earliest now
  --wait DURATION    closes when the peer has been quiet for so long (the default, with 1s)
  --wait forever     goes on until the peer closes
Then the closing handshake is finished (code 1000; the peer has 5s for its part).

Examples:
  printf 'a\\nb\\n' | whimbrel connect --expect 2 ws://127.0.0.1:8080/echo
  whimbrel connect --wait forever ws://127.0.0.1:8080/chat/lobby </dev/null
  whimbrel connect -H 'Authorization: Bearer abc' --subprotocol v2 wss://b.example/feed

Exit codes:
  0  closed normally: by this end, or by the peer with 1000, 1001 or no code
  1  not connected (a refusal is printed with its status and body), or fewer messages than --expect
  2  bad usage
  3  closed by the peer with another code, or lost without a close frame
  130, 143  ended by ctrl-c (the connection is closed with 1001; a second one does not wait) or SIGTERM";

/// How long to wait for more messages after stdin has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Patience {
    /// Until the peer closes.
    Forever,
    /// Until nothing was received for this long.
    For(Duration),
}

impl FromStr for Patience {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "forever" => Ok(Self::Forever),
            duration => humantime::parse_duration(duration)
                .map(Self::For)
                .map_err(|error| format!("{error}; allowed are a duration such as 500ms or 5s, and \"forever\"")),
        }
    }
}

/// The connection was closed by the peer with a code that is not a normal end, or lost.
const ENDED_BADLY: u8 = 3;

/// Connect, talk until the end, and say how it ended.
pub(crate) fn run(arguments: ConnectArgs) -> anyhow::Result<ExitCode> {
    let request = dial::request(&arguments)?;
    // One thread: the reader of stdin has its own.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let ending = runtime.block_on(async {
        let signals = StopSignals::listen()?;
        let socket = dial::open(request, &arguments).await?;
        talk::talk(socket, signals, arguments.options()).await
    });
    // A lookup of a name may still block one of the runtime's threads.
    runtime.shutdown_background();
    Ok(match ending? {
        Ending::Normal => ExitCode::SUCCESS,
        Ending::Bad => ExitCode::from(ENDED_BADLY),
        Ending::Signal(code) => ExitCode::from(code),
    })
}

impl ConnectArgs {
    fn options(&self) -> Options {
        let default = Patience::For(Duration::from_secs(if self.expect.is_some() { 10 } else { 1 }));
        Options {
            binary: self.binary,
            printer: Printer::new(self.raw, self.quiet),
            expect: self.expect,
            wait: match self.wait.unwrap_or(default) {
                Patience::Forever => None,
                Patience::For(duration) => Some(duration),
            },
        }
    }

    /// The file of `--ca` as certificates.
    fn authorities(&self) -> anyhow::Result<Option<rustls::RootCertStore>> {
        use rustls_pki_types::{CertificateDer, pem::PemObject};

        let Some(file) = &self.ca else { return Ok(None) };
        let mut roots = rustls::RootCertStore::empty();
        let certificates = CertificateDer::pem_file_iter(file)
            .with_context(|| format!("failed to read the certificates of --ca {}", file.display()))?;
        for certificate in certificates {
            let certificate =
                certificate.with_context(|| format!("--ca {} is not a file of PEM certificates", file.display()))?;
            roots.add(certificate).with_context(|| format!("--ca {} has a bad certificate", file.display()))?;
        }
        anyhow::ensure!(!roots.is_empty(), "--ca {} has no certificate in it", file.display());
        Ok(Some(roots))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Patience;

    #[test]
    fn patience_is_a_duration_or_forever() {
        assert_eq!("forever".parse(), Ok(Patience::Forever));
        assert_eq!("500ms".parse(), Ok(Patience::For(Duration::from_millis(500))));
        assert!("soon".parse::<Patience>().is_err_and(|error| error.contains("forever")));
    }
}
