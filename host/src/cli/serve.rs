//! `whimbrel serve`: a host in production.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use whimbrel::host::{Host, StartError};
use whimbrel::host_config::{HostConfig, TlsFiles};
use whimbrel::manifest::Manifest;
use whimbrel::server::{self, TlsError};

use crate::cli::exit::Problems;
use crate::cli::logging::{LogArgs, LogFormat};
use crate::cli::signals::StopSignals;
use crate::cli::{cache, deployments, terminal};

/// Serve handlers until SIGTERM or ctrl-c
#[derive(Args, Debug)]
#[command(after_help = HELP)]
pub(crate) struct ServeArgs {
    /// Folders with a whimbrel.toml, such files, or components (FILE.wasm, served at /FILE); beside those of the host
    /// config
    #[arg(value_name = "COMPONENT|DIR")]
    deployments: Vec<PathBuf>,

    /// The host config: addresses, TLS, deployments, limits
    #[arg(short, long, value_name = "FILE", env = "WHIMBREL_CONFIG")]
    config: Option<PathBuf>,

    /// Address to serve on, instead of the host config's; port 0 takes a free one; may be repeated [default:
    /// 127.0.0.1:8080]
    #[arg(short, long, value_name = "ADDR", value_parser = address)]
    listen: Vec<SocketAddr>,

    /// Serve https and wss with the certificate chain in this PEM file
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,

    /// The private key of --tls-cert, in PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,

    /// Serve Prometheus metrics at http://ADDR/metrics
    #[arg(long, value_name = "ADDR", value_parser = address)]
    metrics: Option<SocketAddr>,

    /// Worker threads [default: one per core]
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u16).range(1..=1024))]
    workers: Option<u16>,

    #[command(flatten)]
    log: LogArgs,
}

const HELP: &str = "\
Once it serves, each address is printed on stdout as a line:
  listening on http://127.0.0.1:8080
  metrics on http://127.0.0.1:9090/metrics

SIGTERM and ctrl-c stop accepting, close every connection with 1001 and wait for the closing handshakes within the host \
config's shutdown_grace. A second signal ends the process at once.

Examples:
  whimbrel serve chat
  whimbrel serve --listen 127.0.0.1:0 echo.wasm
  whimbrel serve --config /etc/whimbrel/host.toml --log json

Exit codes:
  0  stopped by a signal
  1  failed, for example because an address is in use
  2  bad usage, a bad host config, manifest or component
  130, 143  ended at once by a second ctrl-c or SIGTERM";

/// Serve until a signal.
pub(crate) fn run(arguments: &ServeArgs) -> anyhow::Result<ExitCode> {
    let config = arguments.config()?;
    arguments.log.start(config.log.into())?;
    let paths = config.deployments.iter().chain(&arguments.deployments).map(PathBuf::as_path);
    let manifests = deployments::load(paths, &config)?;
    if manifests.is_empty() {
        return Err(Problems::one(
            "nothing to serve: name a folder with a whimbrel.toml, a component or a host config",
        ));
    }
    runtime(config.workers)?.block_on(serve(config, manifests))
}

/// An address on the command line.
pub(crate) fn address(text: &str) -> Result<SocketAddr, &'static str> {
    text.parse().map_err(|_| "write an IP address and a port, as in 127.0.0.1:8080 or [::]:0")
}

/// A runtime with so many worker threads; none: one per core.
pub(crate) fn runtime(workers: Option<usize>) -> anyhow::Result<tokio::runtime::Runtime> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    if let Some(workers) = workers {
        builder.worker_threads(workers);
    }
    Ok(builder.enable_all().build()?)
}

async fn serve(config: HostConfig, manifests: Vec<Manifest>) -> anyhow::Result<ExitCode> {
    // Before the start: a signal that comes while components compile must not be lost, nor end us halfway.
    let mut signals = StopSignals::listen()?;
    let host = tokio::select! {
        host = start(config, manifests) => host.map_err(Failure::into_error)?,
        _ = signals.next() => return Ok(ExitCode::SUCCESS),
    };
    print_addresses(&host);
    signals.next().await;
    signals.exit_on_next();
    host.shutdown().await;
    Ok(ExitCode::SUCCESS)
}

/// Start a host.
pub(crate) async fn start(config: HostConfig, manifests: Vec<Manifest>) -> Result<Host, Failure> {
    let tls = config.tls.as_ref().map(|files| server::from_files(&files.cert, &files.key)).transpose()?;
    Ok(Host::start(config, manifests, tls, cache::components()).await?)
}

/// Why a host did not start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The certificate or the key.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// Anything else.
    #[error(transparent)]
    Start(#[from] StartError),
}

impl Failure {
    /// Whether a deployment was refused, and not the host itself.
    pub(crate) fn is_of_deployments(&self) -> bool {
        matches!(self, Failure::Start(StartError::Deploy(_)))
    }

    /// What the user wrote wrongly is told apart from what went wrong.
    pub(crate) fn into_error(self) -> anyhow::Error {
        match self {
            Failure::Start(
                StartError::Engine(_) | StartError::Bind(_) | StartError::CoreDumps { .. } | StartError::Watch(_),
            ) => self.into(),
            Failure::Tls(_)
            | Failure::Start(
                StartError::Deploy(_) | StartError::Instances { .. } | StartError::MeteredInstances { .. },
            ) => Problems::lines(&self).into(),
        }
    }
}

/// Tell that the host is ready: a line per address.
pub(crate) fn print_addresses(host: &Host) {
    for url in host.urls() {
        tell(&format!("listening on {url}"));
    }
    if let Some(url) = host.metrics_url() {
        tell(&format!("metrics on {url}"));
    }
}

/// A line on stdout. Whoever read it may have gone (`whimbrel serve | head -1`): the host serves all the same.
pub(crate) fn tell(line: &str) {
    if let Err(error) = terminal::result(line) {
        tracing::warn!("{line} ({error})");
    }
}

impl ServeArgs {
    /// The host config with the arguments over it.
    fn config(&self) -> Result<HostConfig, Problems> {
        let load = |path: &Path| HostConfig::load(path).map_err(|problems| Problems::of_file(&problems));
        let mut config = self.config.as_deref().map(load).transpose()?.unwrap_or_default();
        if !self.listen.is_empty() {
            config.listen.clone_from(&self.listen);
        }
        if let (Some(cert), Some(key)) = (&self.tls_cert, &self.tls_key) {
            config.tls = Some(TlsFiles { cert: cert.clone(), key: key.clone() });
        }
        config.metrics = self.metrics.or(config.metrics);
        config.workers = self.workers.map(usize::from).or(config.workers);
        Ok(config)
    }
}

impl From<whimbrel::host_config::LogFormat> for LogFormat {
    fn from(format: whimbrel::host_config::LogFormat) -> Self {
        match format {
            whimbrel::host_config::LogFormat::Text => LogFormat::Text,
            whimbrel::host_config::LogFormat::Json => LogFormat::Json,
        }
    }
}
