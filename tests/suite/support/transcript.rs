//! Replaying the transcripts of a README, so that what it shows stays true.
//!
//! A transcript is a fenced block of the kind `console`: lines that start with `$ ` are shell commands, the lines
//! after each are its whole output. `127.0.0.1:8080` stands for the host's address.

use std::path::Path;
use std::process::Stdio;

use tokio::process::Command;

use super::host::WHIMBREL;
use super::{TestHost, within};

/// The address that a README shows.
const SHOWN: &str = "127.0.0.1:8080";

#[derive(Debug, PartialEq)]
struct Step {
    command: String,
    output: String,
}

/// Runs every command of every transcript of a README (its path relative to the repository), in its order, against a
/// running host, and compares the output.
pub(crate) async fn replay(readme: &str, host: &TestHost) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let text = std::fs::read_to_string(root.join(readme)).unwrap_or_else(|error| panic!("{readme}: {error}"));
    let steps = steps(&text);
    assert!(!steps.is_empty(), "{readme} has no transcript");
    for step in steps {
        let output = run(&step.command.replace(SHOWN, &host.addr().to_string())).await;
        assert_eq!(output.replace(&host.addr().to_string(), SHOWN), step.output, "{readme}: {}", step.command);
    }
}

async fn run(command: &str) -> String {
    let folder = Path::new(WHIMBREL).parent().expect("the binary lies in a folder");
    let path = format!("{}:{}", folder.display(), std::env::var("PATH").unwrap_or_default());
    let mut shell = Command::new("sh");
    shell.args(["-c", command]).env("PATH", path).stdin(Stdio::null()).kill_on_drop(true);
    let output = within(command, shell.output()).await.expect("a shell can be started");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command}: {}\n{errors}", output.status);
    String::from_utf8(output.stdout).expect("output is text")
}

fn steps(readme: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut is_inside = false;
    for line in readme.lines() {
        match (is_inside, line) {
            (false, "```console") => is_inside = true,
            (true, "```") => is_inside = false,
            (true, _) => match (line.strip_prefix("$ "), steps.last_mut()) {
                (Some(command), _) => steps.push(Step { command: command.to_owned(), output: String::new() }),
                (None, Some(step)) => step.output.push_str(&format!("{line}\n")),
                (None, None) => panic!("a transcript starts with a command, not with {line:?}"),
            },
            (false, _) => {}
        }
    }
    steps
}

#[test]
fn a_transcript_is_commands_with_their_output() {
    let step = |command: &str, output: &str| Step { command: command.to_owned(), output: output.to_owned() };
    let readme = "text\n```console\n$ one\na\nb\n$ two\n```\n```sh\n$ no\n```\n";
    assert_eq!(steps(readme), [step("one", "a\nb\n"), step("two", "")]);
}
