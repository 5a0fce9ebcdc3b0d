//! Core dumps of trapped guests: for deployments that ask for them, where the operator keeps them.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use crate::support::host::Builder;
use crate::support::{Client, TestHost, guests};

fn dumping(guest: &str, config: &str) -> Builder {
    TestHost::serving(guest).name("dumped").host(&format!("[coredumps]\ndir = \"dumps\"\n{config}"))
}

/// Traps in `on-message`, and waits until that is told.
async fn traps(host: &TestHost, times: usize) -> String {
    let mut client = Client::connect(host, "/").await;
    client.text("panic at the disco").await;
    client.closed_with(1011).await;
    host.wait_log_count("kind=\"fault\"", times).await.remove(times - 1)
}

/// The names of the files, sorted.
fn dumps(host: &TestHost) -> Vec<String> {
    let files = std::fs::read_dir(host.folder().join("dumps")).expect("the host makes the folder");
    let mut names: Vec<_> =
        files.map(|file| file.expect("the folder can be read").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// The names of a wasm file's custom sections.
fn custom_sections(wasm: &[u8]) -> Vec<String> {
    let number = |at: &mut usize| {
        let (mut value, mut shift) = (0, 0);
        loop {
            let byte = wasm[*at];
            *at += 1;
            value |= usize::from(byte & 0x7f) << shift;
            shift += 7;
            if byte & 0x80 == 0 {
                return value;
            }
        }
    };
    let (mut at, mut names) = (8, Vec::new());
    while at < wasm.len() {
        let id = wasm[at];
        at += 1;
        let size = number(&mut at);
        let end = at + size;
        if id == 0 {
            let length = number(&mut at);
            names.push(String::from_utf8_lossy(&wasm[at..at + length]).into_owned());
        }
        at = end;
    }
    names
}

#[tokio::test]
async fn a_trap_leaves_a_core_dump_and_the_oldest_goes() {
    let host = dumping(guests::PROBE, "count = 2").manifest("coredumps = true").start().await;
    let line = traps(&host, 1).await;
    let path = line.split_once("coredump=\"").and_then(|(_, rest)| rest.split('"').next()).map(PathBuf::from);
    let path = path.unwrap_or_else(|| panic!("no core dump in {line}"));
    assert_eq!(path, host.folder().join("dumps/dumped-1-1-1.coredump"));
    let dump = std::fs::read(&path).expect("the dump is there");
    assert!(dump.starts_with(b"\0asm\x01\0\0\0"));
    let sections = custom_sections(&dump);
    for name in ["core", "coremodules", "coreinstances", "corestack"] {
        assert!(sections.iter().any(|section| section == name), "no {name} in {sections:?}");
    }
    assert!(dump.windows(18).any(|bytes| bytes == b"panic at the disco"), "the guest's memory is not in it");
    let mode = std::fs::metadata(&path).expect("the dump is there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let folder = std::fs::metadata(host.folder().join("dumps")).expect("the folder is there").permissions().mode();
    assert_eq!(folder & 0o777, 0o700);
    // Another deployment's, which is not counted; and what an ended host left unfinished.
    let dumps_folder = host.folder().join("dumps");
    std::fs::write(dumps_folder.join("dumped-1-1-1-1.coredump"), "").expect("the folder can be written");
    traps(&host, 2).await;
    traps(&host, 3).await;
    assert_eq!(dumps(&host), ["dumped-1-1-1-1.coredump", "dumped-1-2-2.coredump", "dumped-1-3-3.coredump"]);
    host.stop().await;
}

#[tokio::test]
async fn who_does_not_ask_leaves_none() {
    let host = dumping(guests::PROBE, "").start().await;
    let line = traps(&host, 1).await;
    assert!(!line.contains("coredump"), "{line}");
    assert!(dumps(&host).is_empty());
    host.stop().await;
    let host = TestHost::serving(guests::PROBE).manifest("coredumps = true").start().await;
    let line = traps(&host, 1).await;
    assert!(!line.contains("coredump"), "{line}");
    host.stop().await;
}

#[tokio::test]
async fn a_large_memory_is_not_dumped() {
    let host = dumping(guests::PROBE, "size = \"1MiB\"").manifest("coredumps = true").start().await;
    let line = traps(&host, 1).await;
    assert!(line.contains("coredump=\"not written: it would be larger than the 1.0 MiB that coredumps.size"), "{line}");
    assert!(dumps(&host).is_empty());
    host.stop().await;
}

#[tokio::test]
async fn a_trap_in_the_handshake_leaves_one_too() {
    let host = dumping(guests::SETTINGS, "").manifest("coredumps = true").start().await;
    assert!(Client::try_connect(&host, "/?upgrade=panic", &[]).await.is_err());
    host.wait_log("function=\"upgrade\"").await;
    assert_eq!(dumps(&host), ["dumped-1-0-1.coredump"]);
    host.stop().await;
}

#[tokio::test]
async fn a_folder_that_cannot_be_had_is_a_failure() {
    let ended = dumping(guests::PROBE, "").file("dumps", "a file").fails().await;
    assert_eq!(ended.status.code(), Some(1), "{}", ended.log);
    assert!(ended.log.contains("coredumps.dir: ") && ended.log.contains("/dumps cannot be used: "), "{}", ended.log);
}
