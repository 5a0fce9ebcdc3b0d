//! The pages of the examples in headless Chromium: the scripts in tests/browser look at them, this side runs the host.

use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

use crate::support::examples::Example;

/// For one step of the script, each of which waits for several things of a browser.
const DEADLINE: Duration = Duration::from_secs(120);

#[tokio::test]
async fn the_chat_page_connects_people_and_follows_a_restart() {
    run(&["chat.mjs"], &Example::build("chat").await).await;
}

#[tokio::test]
async fn the_chat_page_does_the_same_with_a_room_and_shows_what_it_remembers() {
    run(&["chat.mjs", "room"], &Example::build("chat/room.toml").await).await;
}

#[tokio::test]
async fn the_game_is_the_same_on_two_pages() {
    run(&["game.mjs"], &Example::build("game").await).await;
}

/// Runs a script, with its arguments, against a host with an example, which the script may stop and start again.
async fn run(script: &[&str], example: &Example) {
    let mut host = Some(example.host().start().await);
    let address = host.as_ref().expect("just started").addr();
    let mut script = Script::start(script, &format!("http://{address}"));
    let mut is_done = false;
    while let Some(line) = script.line().await {
        match line.as_str() {
            "stop-host" => {
                host.take().expect("the script stops the host once").stop().await;
                script.answer("stopped").await;
            }
            "start-host" => {
                host = Some(example.host().listen(address).start().await);
                script.answer("started").await;
            }
            "done" => is_done = true,
            step => println!("{step}"),
        }
    }
    let status = script.end().await;
    assert!(is_done && status.success(), "the page did not do what it should (see above); node ended with {status}");
    host.expect("the script starts the host again").stop().await;
}

/// A script of tests/browser under node; killed when dropped.
struct Script {
    process: Child,
    stdin: ChildStdin,
    stdout: Lines<BufReader<ChildStdout>>,
}

impl Script {
    fn start(words: &[&str], url: &str) -> Script {
        let packages = repository().join("target/tools/node_modules/playwright-core");
        assert!(packages.is_dir(), "{} is missing: run tests/setup", packages.display());
        assert!(Path::new("/usr/bin/chromium").exists(), "/usr/bin/chromium is missing: run tests/setup");
        let mut command = Command::new("node");
        let (name, arguments) = words.split_first().expect("a script has a name");
        command.arg(repository().join("tests/browser").join(name)).arg(url).args(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut process = command.spawn().expect("node is missing: run tests/setup");
        let stdin = process.stdin.take().expect("stdin is piped");
        let stdout = BufReader::new(process.stdout.take().expect("stdout is piped")).lines();
        Script { process, stdin, stdout }
    }

    /// What it prints next; none when it has ended.
    async fn line(&mut self) -> Option<String> {
        let line = timeout(DEADLINE, self.stdout.next_line()).await;
        line.expect("the script goes on in time").expect("what the script prints is text")
    }

    async fn answer(&mut self, word: &str) {
        self.stdin.write_all(format!("{word}\n").as_bytes()).await.expect("the script listens");
    }

    async fn end(mut self) -> ExitStatus {
        drop(self.stdin);
        let status = timeout(DEADLINE, self.process.wait()).await;
        status.expect("the script ends in time").expect("the script can be waited for")
    }
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}
