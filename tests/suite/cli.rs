//! The command line: every subcommand as a script calls it, what it prints where, and its exit codes.

mod check;
mod dev;
mod languages;
mod mistakes;

use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

use crate::support::host::WHIMBREL;
use crate::support::{Raw, TestHost, guests, within};

/// Building a guest from nothing takes this long on a machine that does much else.
const BUILD_DEADLINE: Duration = Duration::from_secs(180);

/// What a command printed, and how it ended.
struct Output {
    status: ExitStatus,
    stdout: String,
    stderr: String,
}

impl Output {
    #[track_caller]
    fn assert_code(&self, code: i32) -> &Self {
        assert_eq!(self.status.code(), Some(code), "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }

    #[track_caller]
    fn assert_stderr(&self, text: &str) -> &Self {
        assert!(self.stderr.contains(text), "no {text:?} in\n{}", self.stderr);
        self
    }
}

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(WHIMBREL);
    command.args(arguments).env_remove("WHIMBREL_LOG").env_remove("WHIMBREL_CONFIG").kill_on_drop(true);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs to the end, with this on stdin.
async fn run_with(arguments: &[&str], input: &[u8]) -> Output {
    let mut child = command(arguments).stdin(Stdio::piped()).spawn().expect("whimbrel can be started");
    let mut stdin = child.stdin.take().expect("stdin is piped");
    // A command that does not read may have ended already.
    let _ = stdin.write_all(input).await;
    drop(stdin);
    let output = timeout(BUILD_DEADLINE, child.wait_with_output()).await.expect("the command ends");
    let output = output.expect("the command can be waited for");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Output { status: output.status, stdout: text(&output.stdout), stderr: text(&output.stderr) }
}

async fn run(arguments: &[&str]) -> Output {
    run_with(arguments, b"").await
}

/// A command that goes on while the test does something.
struct Running {
    child: Child,
    stdin: ChildStdin,
    stdout: Lines<BufReader<ChildStdout>>,
    stderr: Lines<BufReader<ChildStderr>>,
}

impl Running {
    fn start(arguments: &[&str]) -> Self {
        Self::of(&mut command(arguments))
    }

    fn of(command: &mut Command) -> Self {
        let mut child = command.stdin(Stdio::piped()).spawn().expect("whimbrel can be started");
        let stdin = child.stdin.take().expect("stdin is piped");
        let stdout = BufReader::new(child.stdout.take().expect("stdout is piped")).lines();
        let stderr = BufReader::new(child.stderr.take().expect("stderr is piped")).lines();
        Self { child, stdin, stdout, stderr }
    }

    async fn stdout(&mut self, text: &str) -> String {
        line(&mut self.stdout, text).await
    }

    async fn stderr(&mut self, text: &str) -> String {
        line(&mut self.stderr, text).await
    }

    fn signal(&self, signal: Signal) {
        let id = self.child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        kill_process(id.expect("the command still runs"), signal).expect("the command can be signalled");
    }

    /// Waits for the end; yields the code, and what was not read of stderr.
    async fn ended(mut self) -> (Option<i32>, String) {
        let mut rest = String::new();
        let status = within("the command to end", self.child.wait()).await.expect("the command can be waited for");
        let _ = within("the end of stderr", self.stderr.get_mut().read_to_string(&mut rest)).await;
        (status.code(), rest)
    }
}

/// The first line with this text, and nothing before it is kept.
async fn line<T: tokio::io::AsyncBufRead + Unpin>(lines: &mut Lines<T>, text: &str) -> String {
    let mut seen = String::new();
    let found = timeout(BUILD_DEADLINE, async {
        while let Ok(Some(line)) = lines.next_line().await {
            if line.contains(text) {
                return Some(line);
            }
            seen.push_str(&line);
            seen.push('\n');
        }
        None
    });
    match found.await {
        Ok(Some(line)) => line,
        Ok(None) | Err(_) => panic!("no line with {text:?}, but\n{seen}"),
    }
}

fn text_of(path: &Path) -> &str {
    path.to_str().expect("temporary folders have plain names")
}

/// Replaces text in a file of a guest.
fn edit(file: &Path, from: &str, to: &str) {
    let text = std::fs::read_to_string(file).expect("the file can be read");
    assert!(text.contains(from), "no {from:?} in {}", file.display());
    std::fs::write(file, text.replace(from, to)).expect("the file can be written");
}

/// The folder of a new handler, and what keeps it there.
async fn new_handler(name: &str) -> (TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let handler = folder.path().join(name);
    run(&["new", text_of(&handler)]).await.assert_code(0);
    (folder, handler)
}

#[tokio::test]
async fn help_names_every_command_and_the_exit_codes() {
    let help = run(&["--help"]).await;
    help.assert_code(0);
    for word in ["new", "build", "check", "dev", "serve", "connect", "componentize", "Examples:", "Exit codes:"] {
        assert!(help.stdout.contains(word), "no {word:?} in\n{}", help.stdout);
    }
    for command in ["new", "build", "check", "dev", "serve", "connect", "wit", "bindgen", "componentize"] {
        let help = run(&["help", command]).await;
        assert!(help.assert_code(0).stdout.contains("Exit codes:"), "{command}");
        assert!(!help.stdout.contains('\x1b'), "colours without a terminal");
    }
    assert!(run(&["--version"]).await.assert_code(0).stdout.starts_with("whimbrel "));
    run(&[]).await.assert_code(2);
    run(&["servce"]).await.assert_code(2).assert_stderr("serve");
}

#[tokio::test]
async fn connect_prints_what_comes_back() {
    let host = TestHost::serving(guests::ECHO).route("/echo").start().await;
    let url = host.url("/echo");
    let output = run_with(&["connect", "--expect", "2", &url], b"a\nb\n").await;
    assert_eq!(output.assert_code(0).stdout, "a\nb\n");
    output.assert_stderr("connected to").assert_stderr("closed: 1000");

    let output = run_with(&["connect", "--wait", "300ms", "--quiet", &url], b"/close\nlast").await;
    assert_eq!(output.assert_code(0).stdout, "/close\nlast\n", "commands are for terminals");
    assert_eq!(output.stderr, "");

    let output = run_with(&["connect", "--expect", "1", "--binary", &url], b"\xff\x00\n").await;
    assert_eq!(output.assert_code(0).stdout, "0xff00\n");

    let output = run_with(&["connect", "--expect", "2", "--wait", "300ms", &url], b"a\n").await;
    output.assert_code(1).assert_stderr("2 messages expected, 1 received");
    run_with(&["connect", &url], b"\xff\n").await.assert_code(1).assert_stderr("line 1 of stdin is not valid UTF-8");
    host.stop().await;
}

#[tokio::test]
async fn connect_shows_a_refusal() {
    let host = TestHost::serving(guests::ECHO).route("/echo").start().await;
    run(&["connect", &host.url("/nowhere")]).await.assert_code(1).assert_stderr("404 Not Found");
    let output = run(&["connect", "--origin", "https://other.example", &host.url("/echo")]).await;
    output.assert_code(1).assert_stderr("403 Forbidden");
    let output = run(&["connect", "--header", "no colon", "--header", "a b: c", &host.url("/echo")]).await;
    output.assert_code(2).assert_stderr("\"no colon\"").assert_stderr("\"a b: c\"");
    run(&["connect", "ftp://127.0.0.1/"]).await.assert_code(2).assert_stderr("ws://");
    host.stop().await;
    run(&["connect", "ws://127.0.0.1:1/"]).await.assert_code(1).assert_stderr("failed to connect to 127.0.0.1:1");
}

#[tokio::test]
async fn connect_tells_how_it_ended() {
    let host = TestHost::serving(guests::ECHO).route("/echo").start().await;
    let mut client = Running::start(&["connect", "--wait", "forever", &host.url("/echo")]);
    client.stdin.write_all(b"here\n").await.expect("stdin is open");
    client.stdout("here").await;
    host.stop().await;
    let (code, rest) = client.ended().await;
    assert_eq!(code, Some(0), "{rest}");
    assert!(rest.contains("closed by the peer: 1001"), "{rest}");

    let host = TestHost::serving(guests::ECHO).route("/echo").start().await;
    let mut client = Running::start(&["connect", &host.url("/echo")]);
    client.stderr("connected").await;
    client.signal(Signal::TERM);
    assert_eq!(client.ended().await.0, Some(143));

    let mut client = Running::start(&["connect", &host.url("/echo")]);
    client.stderr("connected").await;
    host.signal(Signal::KILL);
    let (code, rest) = client.ended().await;
    assert_eq!(code, Some(3), "{rest}");
}

#[tokio::test]
async fn serve_says_what_it_cannot_serve() {
    run(&["serve"]).await.assert_code(2).assert_stderr("nothing to serve");
    run(&["serve", "nowhere", "nowhere.wasm"])
        .await
        .assert_code(2)
        .assert_stderr("nowhere: ")
        .assert_stderr("nowhere.wasm");
    run(&["serve", "--config", "nowhere.toml"]).await.assert_code(2).assert_stderr("nowhere.toml");
    run(&["serve", "--tls-cert", "a.pem"]).await.assert_code(2).assert_stderr("--tls-key");
    let host = TestHost::serving(guests::ECHO).route("/echo").start().await;
    let address = host.addr().to_string();
    let output = run(&["serve", "--listen", &address, guests::ECHO]).await;
    output.assert_code(1).assert_stderr(&address);
    host.stop().await;
}

#[tokio::test]
async fn a_bare_component_is_served_under_its_name() {
    let mut host = Running::start(&["serve", "--listen", "127.0.0.1:0", guests::ECHO]);
    let address = host.stdout("listening on ").await.replace("listening on ", "");
    let stem = Path::new(guests::ECHO).file_stem().and_then(|stem| stem.to_str()).expect("a guest has a name");
    let output = run_with(&["connect", "--expect", "1", &format!("{address}/{stem}")], b"a\n").await;
    assert_eq!(output.assert_code(0).stdout, "a\n");
    host.signal(Signal::INT);
    assert_eq!(host.ended().await.0, Some(0));
}

#[tokio::test]
async fn check_reports_all_problems_at_once() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let good = folder.path().join("good.toml");
    let manifest = format!("name = \"good\"\ncomponent = {:?}\nroutes = [\"/a/{{b}}\"]\n", guests::ECHO);
    std::fs::write(&good, manifest).expect("the file can be written");
    let output = run(&["check", text_of(&good)]).await;
    for word in ["good: ok", "websocket-handler", "whimbrel:websocket/connection", "/a/{b}", "memory"] {
        assert!(output.assert_code(0).stdout.contains(word), "no {word:?} in\n{}", output.stdout);
    }

    let bad = folder.path().join("bad.toml");
    std::fs::write(
        &bad,
        "name = \"Bad\"\ncomponent = \"bad.wasm\"\nroutes = [\"/a/{c}\"]\n[limits]\nmemory = \"2TiB\"\n",
    )
    .expect("the file can be written");
    let not_wasm = folder.path().join("text.wasm");
    std::fs::write(&not_wasm, "text").expect("the file can be written");
    let output = run(&["check", text_of(&bad), text_of(&not_wasm), text_of(&good)]).await;
    output.assert_code(2).assert_stderr("\"Bad\"").assert_stderr("2TiB").assert_stderr("text.wasm");
    assert!(output.stdout.contains("good: ok"), "{}", output.stdout);
}

#[tokio::test]
async fn a_new_handler_is_written_whole_or_not_at_all() {
    let (folder, handler) = new_handler("my-chat").await;
    for file in ["Cargo.toml", "src/lib.rs", "whimbrel.toml", "README.md", ".gitignore", "whimbrel-sdk/Cargo.toml"] {
        assert!(handler.join(file).is_file(), "{file}");
    }
    run(&["new", text_of(&handler)]).await.assert_code(1).assert_stderr("exists already");
    for name in ["My-Chat", "my_chat", "2chat", "fn"] {
        run(&["new", text_of(&folder.path().join(name))]).await.assert_code(2).assert_stderr(name);
    }
    let entries = std::fs::read_dir(folder.path()).expect("the folder can be read").count();
    assert_eq!(entries, 1, "something was left behind");
}

#[tokio::test]
async fn a_new_handler_builds_as_it_is() {
    let (_folder, handler) = new_handler("my-chat").await;
    let dir = text_of(&handler);
    run(&["check", dir]).await.assert_code(2).assert_stderr("does not exist").assert_stderr("whimbrel build");
    let output = run(&["build", dir]).await;
    let component = output.assert_code(0).stdout.trim_end().to_owned();
    assert!(component.ends_with("target/wasm32-wasip2/release/my_chat.wasm"), "{component}");
    output.assert_stderr("Compiling my-chat").assert_stderr("KiB");
    run(&["check", dir]).await.assert_code(0);

    edit(&handler.join("src/lib.rs"), "connection.send(message)?", "connection.shout(message)?");
    run(&["build", dir])
        .await
        .assert_code(1)
        .assert_stderr("no method named `shout`")
        .assert_stderr("the build failed");
}

#[tokio::test]
async fn dev_reloads_when_a_source_changes() {
    let (_folder, handler) = new_handler("parrot").await;
    let source = handler.join("src/lib.rs");
    let address = ["--listen", "127.0.0.1:0", "--allow-host", "laptop.example"];
    let mut dev = Running::start(&[&["dev"], &address[..], &[text_of(&handler)]].concat());
    dev.stdout("listening on http://127.0.0.1:").await;
    let line = dev.stdout("ws://").await;
    let url = line.split_whitespace().last().expect("the line ends with the URL");
    let ask = async || run_with(&["connect", "--expect", "1", url], b"hi\n").await.assert_code(0).stdout.clone();
    assert_eq!(ask().await, "hi\n");

    // H20: a page whose own name was led to this machine gets nowhere.
    let address = url.trim_start_matches("ws://").split('/').next().expect("an address");
    for (name, status) in [("rebound.example", 421), ("laptop.example", 200), ("localhost:1", 200)] {
        let mut raw = Raw::connect(address.parse().expect("an address")).await;
        raw.send(format!("GET / HTTP/1.1\r\nHost: {name}\r\n\r\n").as_bytes()).await;
        assert_eq!(raw.response().await.status, status, "{name}");
    }

    // A build that fails changes nothing.
    edit(&source, "connection.send(message)?", "connection.shout(message)?");
    dev.stderr("no method named `shout`").await;
    dev.stderr("the old revision stays").await;
    assert_eq!(ask().await, "hi\n");

    // One that does not sends everybody to the new code.
    let mut client = Running::start(&["connect", "--wait", "forever", url]);
    client.stderr("connected").await;
    edit(&source, "connection.shout(message)?", "connection.send(\"hello\")?");
    client.stderr("closed by the peer: 1012").await;
    assert_eq!(client.ended().await.0, Some(3));
    dev.stderr("reloaded").await;
    assert_eq!(ask().await, "hello\n");

    dev.signal(Signal::TERM);
    assert_eq!(dev.ended().await.0, Some(0));
}

#[tokio::test]
async fn dev_serves_tls_with_a_certificate_that_it_keeps() {
    let (folder, handler) = new_handler("parrot").await;
    run(&["build", text_of(&handler)]).await.assert_code(0);
    let mut made = Vec::new();
    for _ in 0..2 {
        let mut dev = command(&["dev", "--tls", "--listen", "127.0.0.1:0", text_of(&handler)]);
        let mut dev = Running::of(dev.env("XDG_CACHE_HOME", folder.path()));
        let line = dev.stdout("wss://127.0.0.1:").await;
        let url = line.split_whitespace().last().expect("the line ends with the URL");
        dev.stderr("accept the certificate").await;
        let certificate = folder.path().join("whimbrel/dev.pem");
        let output = run_with(&["connect", "--expect", "1", "--ca", text_of(&certificate), url], b"hi\n").await;
        assert_eq!(output.assert_code(0).stdout, "hi\n");
        run(&["connect", url]).await.assert_code(1).assert_stderr("--ca trusts the certificates of a file");
        made.push(std::fs::read(&certificate).expect("the certificate can be read"));
        dev.signal(Signal::INT);
        assert_eq!(dev.ended().await.0, Some(0));
    }
    assert!(made.first() == made.last(), "browsers would have to accept it each time");
}
