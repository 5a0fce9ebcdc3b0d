//! What can happen to the host itself: killed, no room for its cache, nobody who reads its output (FAULTS.md F).

use std::ffi::OsString;
use std::fs;
use std::net::TcpListener;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rustix::process::Signal;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio::time::{Instant, timeout};

use crate::support::host::WHIMBREL;
use crate::support::{Client, TestHost, guests, within};

/// The files below a folder, in the order of their names.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        match entry.path() {
            path if path.is_dir() => found.extend(files(&path)),
            path => found.push(path),
        }
    }
    found.sort();
    found
}

async fn serves(host: &TestHost) {
    let mut client = Client::connect(host, "/").await;
    assert_eq!(client.ask("alive").await, "alive");
    drop(client);
}

#[tokio::test]
async fn f01_killed_and_started_again() {
    let cache = tempfile::tempdir().expect("a folder");
    let start = || TestHost::serving(guests::MINIMAL).cache(cache.path()).start();
    let host = start().await;
    serves(&host).await;
    let client = Client::connect(&host, "/").await;
    let kept = files(cache.path());
    assert!(!kept.is_empty(), "nothing was kept in {:?}", files(cache.path()));
    host.signal(Signal::KILL);
    assert_eq!(client.closed().await, None);
    drop(host.ended().await);
    let began = Instant::now();
    let host = start().await;
    let took = began.elapsed();
    serves(&host).await;
    assert_eq!(files(cache.path()), kept, "compiled once more");
    assert!(took < Duration::from_secs(5), "{took:?} from the cache");
    let log = host.stop().await;
    assert!(!log.contains("WARN") && !log.contains("ERROR"), "{log}");
}

#[tokio::test]
async fn f05_bad_config_and_a_port_in_use_are_one_line_at_once() {
    let began = Instant::now();
    let ended = TestHost::serving(guests::MINIMAL).host("workers = 0").fails().await;
    assert_eq!((ended.status.code(), ended.log.lines().count()), (Some(2), 1), "{}", ended.log);
    assert!(ended.log.contains("host.toml:") && ended.log.contains("workers"), "{}", ended.log);
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("an address");
    let ended = TestHost::serving(guests::MINIMAL).listen(address).fails().await;
    assert_eq!((ended.status.code(), ended.log.lines().count()), (Some(1), 1), "{}", ended.log);
    assert!(ended.log.contains(&format!("cannot listen on {address}")), "{}", ended.log);
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
}

#[tokio::test]
async fn f06_a_cache_that_cannot_be_written_is_said_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let no_folder = folder.path().join("file");
    fs::write(&no_folder, "").expect("a file");
    let host = TestHost::serving(guests::MINIMAL).cache(&no_folder).start().await;
    serves(&host).await;
    let log = host.stop().await;
    assert_eq!(log.matches("WARN").count(), 1, "{log}");
    assert!(log.contains("compiled components are not kept") && log.contains(no_folder.to_str().unwrap()), "{log}");
}

#[tokio::test]
async fn f06_a_full_cache_costs_compiling_and_nothing_else() {
    let folder = tempfile::tempdir().expect("a folder");
    let mount =
        |arguments: &[&str]| std::process::Command::new(arguments[0]).args(&arguments[1..]).arg(folder.path()).status();
    // Not allowed everywhere.
    if !mount(&["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs"]).is_ok_and(|status| status.success()) {
        return;
    }
    let host = TestHost::serving(guests::MINIMAL).cache(folder.path()).start().await;
    serves(&host).await;
    let log = host.stop().await;
    let left = files(folder.path());
    let unmounted = mount(&["umount"]);
    assert!(unmounted.is_ok_and(|status| status.success()), "{folder:?} stays mounted");
    assert!(!log.contains("ERROR") && !log.contains("panicked"), "{log}");
    assert!(left.is_empty(), "a part of a file was left: {left:?}");
}

#[tokio::test]
async fn f07_a_broken_file_of_the_cache_is_compiled_again() {
    let cache = tempfile::tempdir().expect("a folder");
    let start = || TestHost::serving(guests::MINIMAL).cache(cache.path()).start();
    start().await.stop().await;
    let kept = files(cache.path());
    let [path] = &kept[..] else { panic!("one component, not {kept:?}") };
    let whole = fs::read(path).expect("a file of the cache");
    let flipped =
        |at: usize| whole.iter().enumerate().map(|(n, byte)| if n == at { byte ^ 0x10 } else { *byte }).collect();
    // One bit in the middle of the code is what wasmtime itself may not notice.
    let broken: [Vec<u8>; 5] = [
        Vec::new(),
        whole[..whole.len() / 2].to_vec(),
        flipped(0),
        flipped(whole.len() / 2),
        flipped(whole.len() * 5 / 6),
    ];
    for (how, content) in broken.iter().enumerate() {
        fs::write(path, content).expect("a file");
        let host = start().await;
        serves(&host).await;
        let log = host.stop().await;
        assert!(!log.contains("ERROR") && log.matches("WARN").count() == 1, "{how}: {log}");
        assert!(log.contains("a compiled component was changed on disk"), "{how}: {log}");
        assert!(fs::read(path).is_ok_and(|now| now == whole), "{how}: not compiled again");
    }
    assert!(!start().await.stop().await.contains("WARN"));
}

/// Stops one thread of another process, says so, and looks on until it has ended.
const STOPPER: &str = "
import ctypes, os, sys
thread, ptrace = int(sys.argv[1]), ctypes.CDLL(None).ptrace
ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
SEIZE, INTERRUPT, WALL = 0x4206, 0x4207, 0x40000000
if ptrace(SEIZE, thread, None, None) == 0 and ptrace(INTERRUPT, thread, None, None) == 0:
    print('stopped', flush=True)
    while os.WIFSTOPPED(os.waitpid(thread, WALL)[1]):
        pass
";

/// The one thread that ticks the epochs.
fn ticker(host: &TestHost) -> OsString {
    let threads = fs::read_dir(format!("/proc/{}/task", host.pid().as_raw_nonzero())).expect("it runs").flatten();
    let is_ticker = |thread: &fs::DirEntry| {
        fs::read_to_string(thread.path().join("comm")).is_ok_and(|name| name.trim() == "epoch-ticks")
    };
    let mut tickers = threads.into_iter().filter(is_ticker).map(|thread| thread.file_name());
    let ticker = tickers.next().expect("a thread ticks the epochs");
    assert_eq!(tickers.next(), None, "a second thread, which nobody watches");
    ticker
}

#[tokio::test]
async fn f11_the_thread_that_is_watched_ticks_for_all_guests() {
    let host = TestHost::serving(guests::PROBE)
        .limit("execution", "100ms")
        .and_serving("metered", guests::PROBE)
        .route("/metered")
        .manifest("metering = \"fuel\"")
        .limit("execution", "100ms")
        .start()
        .await;
    ticker(&host);
    // Nothing but a tick ends these.
    for (count, path) in (1..).zip(["/", "/metered"]) {
        let mut client = Client::connect(&host, path).await;
        client.text("spin").await;
        client.closed_with(1011).await;
        host.wait_log_count("kind=\"execution\"", count).await;
    }
    host.stop().await;
}

#[tokio::test]
async fn f11_without_ticks_the_host_ends_itself() {
    let host = TestHost::serving(guests::MINIMAL).start().await;
    serves(&host).await;
    let ticker = ticker(&host);
    let mut stopper = Command::new("python3");
    stopper.arg("-c").arg(STOPPER).arg(ticker).stdout(Stdio::piped()).kill_on_drop(true);
    let mut stopper = stopper.spawn().expect("the suite has python3");
    let mut said = [0; 7];
    let stdout = stopper.stdout.as_mut().expect("it is piped");
    // Not allowed everywhere.
    if stdout.read_exact(&mut said).await.is_err() {
        return;
    }
    let ended = host.ended().await;
    assert_eq!(ended.status.signal(), Some(6), "{}", ended.log);
    assert!(ended.log.contains("the thread that ticks the epochs stands still"), "{}", ended.log);
}

/// A host whose output nobody reads.
async fn start_unread(folder: &Path, stdout: Stdio, stderr: Stdio) -> (tokio::process::Child, std::net::SocketAddr) {
    let free = TcpListener::bind("127.0.0.1:0").expect("a free port").local_addr().expect("an address");
    let manifest =
        format!("name = \"guest\"\ncomponent = {:?}\nroutes = [\"/\"]\n[limits]\nlog_lines = 1000000", guests::PROBE);
    fs::write(folder.join("whimbrel.toml"), manifest).expect("a file");
    let mut command = Command::new(WHIMBREL);
    command.arg("serve").arg("--listen").arg(free.to_string()).arg("--metrics").arg("127.0.0.1:0").arg(folder);
    let child =
        command.stdin(Stdio::null()).stdout(stdout).stderr(stderr).kill_on_drop(true).spawn().expect("it starts");
    let listens = async { while TcpStream::connect(free).await.is_err() {} };
    within("the host to listen", listens).await;
    (child, free)
}

async fn talk(address: std::net::SocketAddr, lines: usize) {
    let stream = TcpStream::connect(address).await.expect("the host listens");
    let url = format!("ws://{address}/");
    let handshake = tokio_tungstenite::client_async(url, stream);
    let (socket, _) = within("the handshake", handshake).await.expect("the host answers");
    let mut client = Client::of(socket);
    for _ in 0..lines {
        assert_eq!(client.ask(&format!("print {}", "x".repeat(200))).await, "ok");
    }
    assert_eq!(client.ask("id").await, "1");
    drop(client);
}

#[tokio::test]
async fn f08_a_blocked_stderr_blocks_nobody() {
    let folder = tempfile::tempdir().expect("a folder");
    // A pipe that nobody empties holds 64 KiB; 1 MB is logged.
    let (mut child, address) = start_unread(folder.path(), Stdio::null(), Stdio::piped()).await;
    talk(address, 5000).await;
    let pid =
        child.id().and_then(|id| i32::try_from(id).ok()).and_then(rustix::process::Pid::from_raw).expect("it runs");
    rustix::process::kill_process(pid, Signal::TERM).expect("it runs");
    // Nor does the last line keep it from ending.
    let status = within("the host to end", child.wait()).await.expect("a child");
    assert_eq!(status.code(), Some(0));
}

#[tokio::test]
async fn f08_closed_outputs_close_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let (mut child, address) = start_unread(folder.path(), Stdio::piped(), Stdio::piped()).await;
    drop((child.stdout.take(), child.stderr.take()));
    talk(address, 100).await;
    let ended = timeout(Duration::from_millis(100), child.wait()).await;
    assert!(ended.is_err(), "the host ended: {ended:?}");
    child.kill().await.expect("it runs");
}
