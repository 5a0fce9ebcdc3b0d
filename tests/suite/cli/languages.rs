//! Guests in other languages than Rust on the command line: what is needed, what is missing, what is made.

use rustix::process::Signal;

use super::{Running, command, edit, run, run_with, text_of};
use crate::languages::project;

#[tokio::test]
async fn every_language_is_listed_with_what_it_needs() {
    let list = run(&["new", "--list"]).await;
    for language in ["rust", "c", "cpp", "zig"] {
        let is_there = list.assert_code(0).stdout.lines().any(|line| line.split_whitespace().next() == Some(language));
        assert!(is_there, "no {language} in\n{}", list.stdout);
    }
    assert!(list.stdout.contains("cargo 1.85 or later: found 1."), "{}", list.stdout);
    run(&["new", "--list", "chat"]).await.assert_code(2);
    run(&["new"]).await.assert_code(2).assert_stderr("NAME");
    run(&["new", "chat", "--lang", "cobol"]).await.assert_code(2).assert_stderr("possible values");
}

#[tokio::test]
async fn a_missing_compiler_is_named_with_what_installs_it() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let handler = folder.path().join("chat");
    run(&["new", text_of(&handler), "--lang", "c"]).await.assert_code(0);
    let output = command(&["build", text_of(&handler)]).env("PATH", folder.path()).output().await;
    let output = output.expect("whimbrel can be started");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    for part in
        ["C needs zig", "which is missing; install it: pip install ziglang", "or clang", "apt-get install clang"]
    {
        assert!(stderr.contains(part), "no {part:?} in\n{stderr}");
    }
    std::fs::remove_file(handler.join("handler.c")).expect("the file is there");
    run(&["build", text_of(&handler)])
        .await
        .assert_code(1)
        .assert_stderr("handler.c")
        .assert_stderr("build = \"make\"");
}

#[tokio::test]
async fn the_contract_its_bindings_and_components_are_made_by_the_program() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let path = |name: &str| folder.path().join(name);
    let printed = run(&["wit"]).await;
    assert!(printed.assert_code(0).stdout.contains("world websocket-handler {"), "{}", printed.stdout);
    run(&["wit", text_of(&path("wit"))]).await.assert_code(0);
    assert!(path("wit/world.wit").is_file());
    run(&["bindgen", "--lang", "c", "--out", text_of(&path("c"))]).await.assert_code(0);
    assert!(path("c/websocket_handler.h").is_file());
    let own = ["bindgen", "--lang", "go", "--wit", text_of(&path("wit")), "--out"].map(str::to_owned);
    let own = own.into_iter().chain([text_of(&path("go")).to_owned()]).collect::<Vec<_>>();
    run(&own.iter().map(String::as_str).collect::<Vec<_>>()).await.assert_code(0);
    assert!(path("go/go.mod").is_file());
    let unknown = run(&["bindgen", "--lang", "c", "--world", "nothing"]).await;
    unknown.assert_code(1).assert_stderr("nothing");

    std::fs::write(path("core.wasm"), b"\0asm\x01\0\0\0").expect("the file can be written");
    let output = run(&["componentize", text_of(&path("core.wasm"))]).await;
    output.assert_code(1).assert_stderr("core.wasm does not become a component").assert_stderr("handler@0.1.0");
    let output = run(&["componentize", crate::support::guests::ECHO]).await;
    output.assert_code(1).assert_stderr("a component already");
}

#[tokio::test]
async fn dev_reloads_what_another_compiler_made() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let handler = folder.path().join("parrot");
    run(&["new", text_of(&handler), "--lang", "c"]).await.assert_code(0);
    let mut dev = command(&["dev", "--listen", "127.0.0.1:0", text_of(&handler)]);
    let mut dev = Running::of(dev.env("PATH", project::path()));
    let line = dev.stdout("handler ws://").await;
    let url = line.split_whitespace().last().expect("the line ends with the URL");
    let ask = async || run_with(&["connect", "--expect", "1", url], b"hi\n").await.assert_code(0).stdout.clone();
    assert_eq!(ask().await, "hi\n");

    let source = handler.join("handler.c");
    edit(&source, "ws_send(connection, message)", "ws_shout(connection, message)");
    dev.stderr("ws_shout").await;
    dev.stderr("the old revision stays").await;
    edit(&source, "ws_shout(connection, message)", "ws_send_text(connection, \"hello\")");
    dev.stderr("reloaded").await;
    assert_eq!(ask().await, "hello\n");
    dev.signal(Signal::TERM);
    assert_eq!(dev.ended().await.0, Some(0));
}
