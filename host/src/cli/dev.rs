//! `whimbrel dev`: build a guest, serve it, and do both again when a source changes.

mod certificate;
mod sources;
mod watch;

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use whimbrel::guest::capacity::{Capacity, Needs, Shares};
use whimbrel::host::Host;
use whimbrel::host_config::{HostConfig, HostLimits, HostName, Hosts, METERED_INSTANCES};
use whimbrel::manifest::Manifest;

use crate::cli::exit::{self, Problems};
use crate::cli::logging::{LogArgs, LogFormat};
use crate::cli::signals::StopSignals;
use crate::cli::{build, serve, terminal};
use sources::Fingerprint;
use watch::SourceWatcher;

/// Build a handler, serve it, reload it when its sources change
#[derive(Args, Debug)]
#[command(after_help = HELP)]
pub(crate) struct DevArgs {
    /// A folder with a whimbrel.toml
    #[arg(default_value = ".")]
    dir: PathBuf,

    /// Address to serve on; port 0 takes a free one [default: 127.0.0.1:8080, or a free port when that is taken]
    #[arg(short, long, value_name = "ADDR", value_parser = serve::address)]
    listen: Option<SocketAddr>,

    /// Answer to this name too, such as laptop.example or *.example; may be repeated
    #[arg(long, value_name = "NAME")]
    allow_host: Vec<HostName>,

    /// Serve https and wss with a self-signed certificate
    #[arg(long)]
    tls: bool,

    #[command(flatten)]
    log: LogArgs,
}

const HELP: &str = "\
Builds as `whimbrel build` does. When a source or the manifest changes, the new revision is built and takes over: the \
connections of the old one close with 1012, so that pages reconnect to the new code. While a build fails, its errors are \
shown and the old revision stays. Static files are served as they are on disk, without a reload.

Only requests for localhost, names below it, and addresses are answered: a page of the web that has its own name lead to \
this machine must not reach what you work on. --allow-host adds a name, such as that of a tunnel.

With --tls, open the printed https page first and accept the certificate: a browser asks on a page, never for a \
WebSocket.

Examples:
  whimbrel dev
  whimbrel dev examples/chat --listen 0.0.0.0:8080

Exit codes:
  0  stopped by ctrl-c or SIGTERM
  1  failed, for example because the address of --listen is in use
  2  bad usage, or a bad manifest at the start
  130, 143  ended at once by a second ctrl-c or SIGTERM";

/// Where to serve when nothing else is asked for.
const LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);

/// Build, serve, watch until a signal.
pub(crate) fn run(arguments: &DevArgs) -> anyhow::Result<ExitCode> {
    arguments.log.start(LogFormat::Text)?;
    let hosts = Hosts::of_development(arguments.allow_host.clone());
    let mut config = HostConfig { listen: vec![arguments.address()], hosts, host: limits(), ..HostConfig::default() };
    // Whoever tries out what traps is not to be kept from it.
    config.defaults.traps = None;
    if arguments.tls {
        config.tls = Some(certificate::files()?);
    }
    let manifest = load(&arguments.dir, &config)?;
    serve::runtime(None)?.block_on(async {
        let mut signals = StopSignals::listen()?;
        let mut session = Session::new(config, &manifest)?;
        let ended = tokio::select! {
            never = session.run() => never,
            _ = signals.next() => Ok(()),
        };
        signals.exit_on_next();
        if let Some(host) = session.host {
            host.shutdown().await;
        }
        ended.map(|()| ExitCode::SUCCESS)
    })
}

/// The manifest may begin to ask for metering at any time.
fn limits() -> HostLimits {
    let room = Capacity::of_this_machine().most(|all| Shares::split(all, 0, Needs::default()));
    let half = room.all() / 2;
    HostLimits { metered_instances: Some(half.min(METERED_INSTANCES) as usize), ..HostLimits::default() }
}

fn load(dir: &Path, config: &HostConfig) -> Result<Manifest, Problems> {
    // A component alone has no sources to watch.
    Manifest::load(dir, &config.defaults, &config.ceilings).map_err(|problems| Problems::of_file(&problems))
}

struct Session {
    config: HostConfig,
    /// The manifest's file.
    manifest: PathBuf,
    watcher: SourceWatcher,
    /// None until the first build that went well.
    host: Option<Host>,
    /// What is being served.
    served: Option<Fingerprint>,
    /// The handlers and pages that were printed.
    urls: Vec<String>,
}

impl Session {
    fn new(config: HostConfig, manifest: &Manifest) -> anyhow::Result<Self> {
        let mut ignored = vec![manifest.component.clone()];
        ignored.extend(manifest.static_files.as_ref().map(|files| files.dir.clone()));
        let watcher = SourceWatcher::new(&manifest.dir, ignored)?;
        Ok(Self { config, manifest: manifest.path.clone(), watcher, host: None, served: None, urls: Vec::new() })
    }

    /// Ends only when files can no longer be watched, or the host cannot start for reasons that no source can change.
    async fn run(&mut self) -> anyhow::Result<()> {
        loop {
            match self.build().await {
                Ok(manifest) => self.serve(manifest).await?,
                Err(error) => self.report(&error),
            }
            self.watcher.changed().await?;
        }
    }

    async fn build(&mut self) -> anyhow::Result<Manifest> {
        let manifest = load(&self.manifest, &self.config)?;
        build::build(&manifest).await?;
        Ok(manifest)
    }

    async fn serve(&mut self, manifest: Manifest) -> anyhow::Result<()> {
        self.watcher.follow(sources::of_component(&manifest.component))?;
        let fingerprint = Fingerprint::of(&manifest)?;
        if self.served.as_ref() == Some(&fingerprint) {
            terminal::note("nothing changed");
            return Ok(());
        }
        match &self.host {
            None => {
                let host = match serve::start(self.config.clone(), vec![manifest.clone()]).await {
                    Ok(host) => host,
                    Err(failure) if failure.is_of_deployments() => {
                        self.report(&failure.into_error());
                        return Ok(());
                    }
                    Err(failure) => return Err(failure.into_error()),
                };
                serve::print_addresses(&host);
                self.host = Some(host);
            }
            Some(host) => {
                // In place of all: the manifest may have given the deployment another name.
                if let Err(error) = host.replace(manifest.clone()).await {
                    self.report(&Problems::lines(&error).into());
                    return Ok(());
                }
                terminal::note("reloaded");
            }
        }
        self.served = Some(fingerprint);
        self.print_urls(&manifest);
        Ok(())
    }

    /// Tell where handlers and pages are, unless they are still where they were.
    fn print_urls(&mut self, manifest: &Manifest) {
        let hosts = self.host.as_ref().map(Host::urls).unwrap_or_default();
        let urls: Vec<_> = hosts.iter().flat_map(|host| urls(host, manifest)).collect();
        if self.urls == urls {
            return;
        }
        for url in &urls {
            serve::tell(url);
        }
        for url in hosts.iter().filter(|url| url.starts_with("https")) {
            terminal::note(&format!("open {}/ first and accept the certificate", reachable(url)));
        }
        self.urls = urls;
    }

    fn report(&self, error: &anyhow::Error) {
        exit::report(error);
        let state = if self.host.is_some() { "the old revision stays" } else { "nothing is served yet" };
        terminal::note(&format!("{state}; waiting for a change in {}", self.watcher.dir().display()));
    }
}

/// A line for each route and page of a manifest at one of the host's addresses.
fn urls(host: &str, manifest: &Manifest) -> Vec<String> {
    let url = reachable(host);
    // http to ws, https to wss.
    let websocket = url.replacen("http", "ws", 1);
    let handlers = manifest.routes.iter().map(|route| format!("  handler {websocket}{}", route.as_str()));
    let page = manifest.static_files.as_ref().map(|files| format!("  page    {url}{}", files.at));
    handlers.chain(page).collect()
}

/// The URL as a client of this machine may write it: 0.0.0.0 and [::] are not somewhere.
fn reachable(url: &str) -> String {
    url.replace("//0.0.0.0:", "//127.0.0.1:").replace("//[::]:", "//[::1]:")
}

impl DevArgs {
    /// The default gives way to whoever is there already; an address that the user named does not.
    fn address(&self) -> SocketAddr {
        if let Some(address) = self.listen {
            return address;
        }
        if let Err(error) = TcpListener::bind(LISTEN) {
            terminal::note(&format!("{LISTEN} is taken ({error}): using a free port; --listen names one"));
            return SocketAddr::new(LISTEN.ip(), 0);
        }
        LISTEN
    }
}
