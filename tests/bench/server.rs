//! A server under measurement: how to start it, pinned to its core, and when it is ready.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::str::FromStr;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use crate::machine::Pinning;
use crate::wire::Target;

const READY_TIME: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(20);
/// Lines of a server's stderr shown when it fails.
const LOG_LINES: usize = 20;
const READY_LINE: &str = "listening on ";

/// How to start a server.
#[derive(Clone, Debug)]
pub(crate) struct Spec {
    /// Its name in the table.
    pub(crate) name: String,
    command: Vec<String>,
    ready: Ready,
}

/// How the server tells that it accepts connections.
#[derive(Clone, Debug)]
enum Ready {
    /// It prints `listening on URL`; the path is ours to add.
    Prints { path: String },
    /// It accepts at this place.
    Accepts(Target),
}

impl Spec {
    /// A server that prints `listening on http://ADDRESS` on stdout; its WebSocket is at `path`.
    pub(crate) fn printing<const N: usize>(name: &str, path: &str, command: [&str; N]) -> Self {
        Self {
            name: name.to_owned(),
            command: command.map(str::to_owned).to_vec(),
            ready: Ready::Prints { path: path.to_owned() },
        }
    }

    /// With the host's metrics; it then tells their address.
    #[allow(dead_code, reason = "the soak, which shares this file, has a host of its own")]
    pub(crate) fn with_metrics(mut self) -> Self {
        self.command.extend(["--metrics", "127.0.0.1:0"].map(str::to_owned));
        self
    }

    /// Starts the server on its core, with its stderr in `folder`, and waits until it accepts connections.
    pub(crate) fn start(&self, pinning: &Pinning, folder: &Path) -> anyhow::Result<Running> {
        let log_path = folder.join(format!("{}.log", self.name.replace('/', "-")));
        let log = File::create(&log_path)?;
        let words = pinning.on_server_core(&self.command);
        let (program, arguments) =
            words.split_first().with_context(|| format!("the command of {} is empty", self.name))?;
        let mut child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .with_context(|| format!("cannot start {program}"))?;
        let lines = forward_lines(&mut child);
        let mut process = Process(child);
        let target = match &self.ready {
            Ready::Prints { path } => wait_for_line(&lines, path),
            Ready::Accepts(target) => wait_for_accept(&mut process, target),
        };
        let target = target.with_context(|| format!("{} did not start{}", self.name, log_end(&log_path)))?;
        Ok(Running { process, target, log_path, lines })
    }
}

/// `NAME URL COMMAND...`, as given to `--server-cmd`. The shell runs the command.
impl FromStr for Spec {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        let parts: Vec<&str> = text.splitn(3, ' ').collect();
        let [name, url, command] = parts[..] else {
            bail!("server \"{text}\" must be \"NAME URL COMMAND...\"");
        };
        Ok(Self {
            name: name.to_owned(),
            // Without `exec` the process to measure would be the shell.
            command: ["sh", "-c", &format!("exec {command}")].map(str::to_owned).to_vec(),
            ready: Ready::Accepts(url.parse()?),
        })
    }
}

/// A started server; dropping it kills it.
pub(crate) struct Running {
    process: Process,
    target: Target,
    log_path: PathBuf,
    lines: mpsc::Receiver<String>,
}

impl Running {
    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.process.0.id()
    }

    /// Where its WebSocket is.
    pub(crate) fn target(&self) -> &Target {
        &self.target
    }

    /// What follows on a further line of its stdout that begins so.
    #[allow(dead_code, reason = "for the soak, which shares this file")]
    pub(crate) fn told(&self, prefix: &str) -> anyhow::Result<String> {
        loop {
            let line = self.lines.recv_timeout(READY_TIME).with_context(|| format!("no line \"{prefix}...\""))?;
            if let Some(rest) = line.strip_prefix(prefix) {
                return Ok(rest.to_owned());
            }
        }
    }

    /// All of its stderr.
    #[allow(dead_code, reason = "for the soak, which shares this file")]
    pub(crate) fn log(&self) -> anyhow::Result<String> {
        Ok(std::fs::read_to_string(&self.log_path)?)
    }

    /// The last lines of its stderr, to go behind an error message; empty when there are none.
    pub(crate) fn log_end(&self) -> String {
        log_end(&self.log_path)
    }
}

struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only when the process has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn log_end(path: &Path) -> String {
    let log = std::fs::read_to_string(path).unwrap_or_default();
    let lines: Vec<&str> = log.lines().collect();
    let end = &lines[lines.len().saturating_sub(LOG_LINES)..];
    if end.is_empty() { String::new() } else { format!("; its stderr ends with\n{}\n", end.join("\n")) }
}

/// Reads the server's stdout to its end, so that the server never waits for a reader.
fn forward_lines(child: &mut Child) -> mpsc::Receiver<String> {
    let (sender, lines) = mpsc::sync_channel(16);
    if let Some(stdout) = child.stdout.take() {
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                // Once ready, nobody listens any more.
                let _ = sender.try_send(line);
            }
        });
    }
    lines
}

fn wait_for_line(lines: &mpsc::Receiver<String>, path: &str) -> anyhow::Result<Target> {
    let deadline = Instant::now() + READY_TIME;
    loop {
        let line = lines
            .recv_timeout(deadline.saturating_duration_since(Instant::now()))
            .with_context(|| format!("no line \"{READY_LINE}URL\" on its stdout"))?;
        if let Some(url) = line.strip_prefix(READY_LINE) {
            return Ok(url.trim().parse::<Target>()?.with_path(path));
        }
    }
}

fn wait_for_accept(process: &mut Process, target: &Target) -> anyhow::Result<Target> {
    let deadline = Instant::now() + READY_TIME;
    while TcpStream::connect(target.address()).is_err() {
        if let Some(status) = process.0.try_wait()? {
            bail!("it ended with {status}");
        }
        if Instant::now() > deadline {
            bail!("nothing accepts connections at {}", target.address());
        }
        std::thread::sleep(POLL);
    }
    Ok(target.clone())
}
