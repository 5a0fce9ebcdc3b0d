//! Starting the real binary with a manifest and a host config made for one test.
//!
//! ```ignore
//! let host = TestHost::serving(guests::ECHO).route("/echo").limit("memory", "1MiB").start().await;
//! ```

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::process::{Child, ChildStderr, Command};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::toml::{self, Toml, table};
use super::{DEADLINE, within};

/// The binary under test.
pub(crate) const WHIMBREL: &str = env!("CARGO_BIN_EXE_whimbrel");

/// What a host is started with. Methods about a deployment mean the one named last.
pub(crate) struct Builder {
    deployments: Vec<Deployment>,
    host: Toml,
    files: Vec<(PathBuf, Vec<u8>)>,
    arguments: Vec<String>,
    variables: Vec<(String, PathBuf)>,
    listen: String,
    reads_log: bool,
}

struct Deployment {
    name: String,
    component: String,
    manifest: Toml,
    routes: Vec<String>,
    limits: Vec<(String, String)>,
    environment: Vec<(String, String)>,
}

/// A running host; killed when dropped.
pub(crate) struct TestHost {
    child: Child,
    stdout: Lines,
    log: Lines,
    /// The host's stderr, when nobody is to read it.
    unread: Option<ChildStderr>,
    folder: TempDir,
}

/// How a host ended, and all that it said.
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) log: String,
}

impl TestHost {
    /// A host with one deployment of this component, named `guest` and served at `/` unless told otherwise.
    pub(crate) fn serving(component: &str) -> Builder {
        let builder = Builder {
            deployments: Vec::new(),
            host: Toml::default(),
            files: Vec::new(),
            arguments: Vec::new(),
            variables: Vec::new(),
            listen: "127.0.0.1:0".to_owned(),
            reads_log: true,
        };
        builder.and_serving("guest", component)
    }

    /// The first address that it listens on.
    pub(crate) fn addr(&self) -> SocketAddr {
        let stdout = self.stdout.text();
        let url = stdout.lines().find_map(|line| line.strip_prefix("listening on ")).expect("a host listens somewhere");
        let address = url.rsplit('/').next().unwrap_or(url);
        address.parse().unwrap_or_else(|error| panic!("{url}: {error}"))
    }

    /// Where the metrics are; fails when the host config sets no address for them.
    pub(crate) async fn metrics_url(&self) -> String {
        let lines = within("the address of the metrics", self.stdout.wait("metrics on ", 1)).await;
        lines[0].trim_start_matches("metrics on ").to_owned()
    }

    /// `ws://127.0.0.1:PORT` and the path, `wss://` over TLS.
    pub(crate) fn url(&self, path: &str) -> String {
        let is_tls = self.stdout.text().contains("listening on https://");
        format!("{}://{}{path}", if is_tls { "wss" } else { "ws" }, self.addr())
    }

    /// The folder with `host.toml` and a folder for each deployment.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn pid(&self) -> Pid {
        let id = self.child.id().and_then(|id| i32::try_from(id).ok());
        id.and_then(Pid::from_raw).expect("the host still runs")
    }

    /// Waits until the log has a line with this text, and returns its first.
    pub(crate) async fn wait_log(&self, text: &str) -> String {
        self.wait_log_count(text, 1).await.remove(0)
    }

    /// Waits until the log has so many lines with this text, and returns these lines.
    pub(crate) async fn wait_log_count(&self, text: &str, count: usize) -> Vec<String> {
        tokio::select! {
            lines = self.log.wait(text, count) => lines,
            () = sleep(DEADLINE) => panic!("not {count} log lines with {text:?} in\n{}", self.log.text()),
        }
    }

    /// All that was logged until now.
    pub(crate) fn log_text(&self) -> String {
        self.log.text()
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).expect("the host can be signalled");
    }

    /// Waits until the process has ended.
    pub(crate) async fn ended(mut self) -> Ended {
        let status = within("the host to end", self.child.wait()).await.expect("the host can be waited for");
        Ended { status, stdout: self.stdout.rest().await, log: self.log.rest().await }
    }

    /// Stops the host as an operator does, checks that it ends with 0, and returns its whole log.
    pub(crate) async fn stop(self) -> String {
        self.signal(Signal::TERM);
        let ended = self.ended().await;
        assert_eq!(ended.status.code(), Some(0), "the host ended with {} and this log:\n{}", ended.status, ended.log);
        ended.log
    }
}

impl Builder {
    /// One more deployment.
    pub(crate) fn and_serving(mut self, name: &str, component: &str) -> Self {
        self.deployments.push(Deployment {
            name: name.to_owned(),
            component: component.to_owned(),
            manifest: Toml::default(),
            routes: Vec::new(),
            limits: Vec::new(),
            environment: Vec::new(),
        });
        self
    }

    /// The deployment's name.
    pub(crate) fn name(mut self, name: &str) -> Self {
        self.deployment().name = name.to_owned();
        self
    }

    /// One more route: a pattern, or an inline table such as `{ regex = '/a/(.*)' }`.
    pub(crate) fn route(mut self, route: &str) -> Self {
        let route = if route.starts_with('{') { route.to_owned() } else { format!("{route:?}") };
        self.deployment().routes.push(route);
        self
    }

    /// A limit of the manifest.
    pub(crate) fn limit(mut self, name: &str, value: &str) -> Self {
        self.deployment().limits.push((name.to_owned(), toml::value(value)));
        self
    }

    /// A variable of the guest's environment.
    pub(crate) fn environment(mut self, name: &str, value: &str) -> Self {
        self.deployment().environment.push((name.to_owned(), format!("{value:?}")));
        self
    }

    /// Further lines of the manifest.
    pub(crate) fn manifest(mut self, text: &str) -> Self {
        self.deployment().manifest.add(text);
        self
    }

    /// Further lines of the host config.
    pub(crate) fn host(mut self, text: &str) -> Self {
        self.host.add(text);
        self
    }

    /// A file, relative to the folder of the host config; a deployment's folder has the deployment's name.
    pub(crate) fn file(mut self, path: &str, content: impl Into<Vec<u8>>) -> Self {
        self.files.push((path.into(), content.into()));
        self
    }

    /// One more argument of `whimbrel serve`.
    pub(crate) fn argument(mut self, argument: &str) -> Self {
        self.arguments.push(argument.to_owned());
        self
    }

    /// Keeps compiled components below this folder.
    pub(crate) fn cache(mut self, folder: &Path) -> Self {
        self.variables.push(("XDG_CACHE_HOME".to_owned(), folder.to_owned()));
        self
    }

    /// Listens here instead of on any free port.
    pub(crate) fn listen(mut self, address: impl ToString) -> Self {
        self.listen = address.to_string();
        self
    }

    /// Leaves the log in its pipe, which is full some time.
    pub(crate) fn unread_log(mut self) -> Self {
        self.reads_log = false;
        self
    }

    /// Starts the host and waits until it listens.
    pub(crate) async fn start(self) -> TestHost {
        let mut host = self.spawn();
        let has_ended = tokio::select! {
            _ = host.stdout.wait("listening on ", 1) => false,
            _ = host.child.wait() => true,
            () = sleep(DEADLINE) => true,
        };
        if has_ended {
            panic!("the host does not listen; its log:\n{}", host.log.text());
        }
        host
    }

    /// Starts a host that is not expected to stay up, and waits until it has ended.
    pub(crate) async fn fails(self) -> Ended {
        self.spawn().ended().await
    }

    fn deployment(&mut self) -> &mut Deployment {
        self.deployments.last_mut().expect("a host has a deployment")
    }

    fn spawn(self) -> TestHost {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        self.write(folder.path());
        let mut command = Command::new(WHIMBREL);
        command.arg("serve").arg("--config").arg(folder.path().join("host.toml")).args(&self.arguments);
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command.env_remove("RUST_LOG").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.kill_on_drop(true).spawn().expect("the host can be started");
        let stdout = Lines::of(child.stdout.take().expect("stdout is piped"));
        let stderr = child.stderr.take().expect("stderr is piped");
        let (log, unread) = match self.reads_log {
            true => (Lines::of(stderr), None),
            false => (Lines::of(tokio::io::empty()), Some(stderr)),
        };
        TestHost { child, stdout, log, unread, folder }
    }

    fn write(&self, folder: &Path) {
        let names: Vec<&str> = self.deployments.iter().map(|it| it.name.as_str()).collect();
        let mut host = Toml::default();
        host.add(&format!("listen = [{:?}]\ndeployments = {names:?}", self.listen));
        host.add(&self.host.text());
        put(&folder.join("host.toml"), host.text());
        for deployment in &self.deployments {
            put(&folder.join(&deployment.name).join("whimbrel.toml"), deployment.text());
        }
        for (path, content) in &self.files {
            put(&folder.join(path), content);
        }
    }
}

impl Deployment {
    fn text(&self) -> String {
        let mut manifest = Toml::default();
        manifest.set("name", &self.name);
        manifest.set("component", &self.component);
        let routes = if self.routes.is_empty() { "\"/\"".to_owned() } else { self.routes.join(", ") };
        manifest.add(&format!("routes = [{routes}]"));
        manifest.add(&self.manifest.text());
        manifest.add(&table("limits", &self.limits));
        manifest.add(&table("environment", &self.environment));
        manifest.text()
    }
}

fn put(path: &Path, content: impl AsRef<[u8]>) {
    std::fs::create_dir_all(path.parent().expect("files lie in folders")).expect("the folder can be made");
    std::fs::write(path, content).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}

/// The lines of a stream as they come.
struct Lines {
    shared: Arc<Shared>,
    reader: JoinHandle<()>,
}

#[derive(Default)]
struct Shared {
    lines: Mutex<Vec<String>>,
    changed: Notify,
}

impl Lines {
    fn of(stream: impl AsyncRead + Unpin + Send + 'static) -> Self {
        let shared = Arc::<Shared>::default();
        let writer = Arc::clone(&shared);
        let reader = tokio::spawn(async move {
            let mut lines = BufReader::new(stream).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                writer.lock().push(line);
                writer.changed.notify_waiters();
            }
        });
        Self { shared, reader }
    }

    async fn wait(&self, text: &str, count: usize) -> Vec<String> {
        loop {
            // Before looking, so that no line comes unnoticed between the look and the wait.
            let changed = self.shared.changed.notified();
            let found: Vec<String> = self.shared.lock().iter().filter(|line| line.contains(text)).cloned().collect();
            if found.len() >= count {
                return found;
            }
            changed.await;
        }
    }

    fn text(&self) -> String {
        self.shared.lock().iter().map(|line| format!("{line}\n")).collect()
    }

    /// Everything, to the stream's end.
    async fn rest(&mut self) -> String {
        let _ = within("the end of the host's output", &mut self.reader).await;
        self.text()
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Vec<String>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
