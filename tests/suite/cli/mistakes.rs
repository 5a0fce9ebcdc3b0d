//! What a person gets wrong on the command line, and what a command says to it.

use std::path::Path;

use tokio::io::{AsyncBufReadExt as _, BufReader};

use super::{command, line, run, run_with, text_of};
use crate::support::{TestHost, guests};

fn write(file: &Path, text: &str) {
    std::fs::create_dir_all(file.parent().expect("the file has a folder")).expect("the folder can be made");
    std::fs::write(file, text).expect("the file can be written");
}

#[tokio::test]
async fn connect_takes_no_port_for_another() {
    for (url, part) in [
        ("ws://127.0.0.1:99999/", "port \"99999\": allowed are 1 to 65535"),
        ("ws://127.0.0.1:0/", "port \"0\""),
        ("ws://ann:secret@127.0.0.1:1/", "--header 'Authorization: Basic ...'"),
        ("127.0.0.1:1", "must start with ws://"),
    ] {
        run(&["connect", url]).await.assert_code(2).assert_stderr(part);
    }
}

#[tokio::test]
async fn connect_sends_what_it_is_told_or_says_that_it_does_not() {
    let output = run(&["connect", "-H", "Sec-WebSocket-Key: x", "-H", "connection: close", "ws://127.0.0.1:1/"]).await;
    output.assert_code(2).assert_stderr("\"Sec-WebSocket-Key: x\"").assert_stderr("\"connection: close\"");
}

#[tokio::test]
async fn connect_shows_where_a_redirect_leads_and_why_it_was_refused() {
    let host = TestHost::serving(guests::SETTINGS).route("/ws").start().await;
    let output = run(&["connect", &host.url("/ws?refuse=302&header=Location:/login")]).await;
    output.assert_code(1).assert_stderr("302 Found, location /login");
    // What a server says does not steer the terminal.
    let output = run(&["connect", &host.url("/ws?refuse=403&body=see%1b%5b31m+red")]).await;
    output.assert_code(1).assert_stderr("see\\u{1b}[31m red");
    host.stop().await;
}

#[tokio::test]
async fn an_address_is_an_ip_address_and_a_port() {
    for address in ["8080", "localhost:8080", "127.0.0.1:70000"] {
        for command in ["serve", "dev"] {
            let output = run(&[command, "--listen", address]).await;
            output.assert_code(2).assert_stderr(address).assert_stderr("as in 127.0.0.1:8080");
        }
    }
}

#[tokio::test]
async fn what_no_host_could_serve_together_is_found_at_once() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let paths = ["one", "two", "three"].map(|name| folder.path().join(name));
    for (path, name) in paths.iter().zip(["one", "two", "one"]) {
        let manifest =
            format!("name = \"{name}\"\ncomponent = {:?}\nroutes = [\"/ws\"]\nstatic = \"web\"\n", guests::ECHO);
        write(&path.join("whimbrel.toml"), &manifest);
        write(&path.join("web/index.html"), "");
    }
    let all = paths.each_ref().map(|path| text_of(path));
    for command in [vec!["check"], vec!["serve", "--listen", "127.0.0.1:0"]] {
        let output = run(&[&command[..], &all[..]].concat()).await;
        output
            .assert_code(2)
            .assert_stderr("two manifests have the name \"one\"")
            .assert_stderr("deployments \"one\" and \"two\" both serve static files at \"/\"")
            .assert_stderr("route \"/ws\" of deployment");
    }
}

#[tokio::test]
async fn a_folder_that_is_not_there_is_told_before_anything_starts() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let manifest = folder.path().join("whimbrel.toml");
    write(&manifest, "name = \"a\"\ncomponent = \"a.wasm\"\nroutes = [\"/\"]\nstatic = \"web\"\n");
    std::fs::create_dir(folder.path().join("b.wasm")).expect("the folder can be made");
    let bare = folder.path().join("b.wasm");
    for command in ["check", "serve"] {
        let output = run(&[command, text_of(&manifest), text_of(&bare)]).await;
        output.assert_code(2).assert_stderr("a.wasm does not exist").assert_stderr("web is not a folder");
        output.assert_stderr("b.wasm: not a file; a deployment is a component, or a folder with a whimbrel.toml");
    }
}

#[tokio::test]
async fn a_word_that_is_no_log_level_is_told() {
    for level in ["loud", "info,whimbrel"] {
        let output = run(&["serve", "--listen", "127.0.0.1:0", "--log-level", level, guests::ECHO]).await;
        output.assert_code(2).assert_stderr(level).assert_stderr("is not a level; allowed are error, warn");
    }
}

#[tokio::test]
async fn f08_a_host_serves_on_when_nobody_reads_its_stdout() {
    let (reader, writer) = std::io::pipe().expect("a pipe can be made");
    drop(reader);
    let stem = Path::new(guests::ECHO).file_stem().and_then(|stem| stem.to_str()).expect("a guest has a name");
    let mut command = command(&["serve", "--listen", "127.0.0.1:0", guests::ECHO]);
    let mut host = command.stdout(writer).spawn().expect("whimbrel can be started");
    let mut log = BufReader::new(host.stderr.take().expect("stderr is piped")).lines();
    let told = line(&mut log, "listening on http://").await;
    let address = told.split("listening on ").nth(1).and_then(|rest| rest.split_whitespace().next());
    let url = format!("{}/{stem}", address.expect("the line has the address"));
    assert_eq!(run_with(&["connect", "--expect", "1", &url], b"a\n").await.assert_code(0).stdout, "a\n");
    host.kill().await.expect("the host still runs");
}
