//! The tests of the Python, Go and JavaScript SDKs by themselves, as authors test their handlers: without a host.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;
use tokio::time::timeout;

use super::project;

#[tokio::test]
async fn python() {
    let tests = project::sources().join("sdk/test_python.py");
    succeeds("python3", &["-B", &tests.to_string_lossy()], Path::new(".")).await;
}

#[tokio::test]
async fn go() {
    let module = project::sources().join("../../host/templates/go/whimbrel");
    succeeds("go", &["test", "./..."], &module).await;
}

#[tokio::test]
async fn javascript() {
    let file = |name: &str| project::sources().join("sdk").join(name).to_string_lossy().into_owned();
    let (sdk, globals) = (file("javascript.test.mjs"), file("javascript_globals.test.mjs"));
    succeeds("node", &["--test", &sdk, &globals], Path::new(".")).await;
}

async fn succeeds(program: &str, arguments: &[&str], dir: &Path) {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(dir).env("PATH", project::path()).stdin(Stdio::null()).kill_on_drop(true);
    let output = timeout(Duration::from_secs(180), command.output()).await.expect("the tests end");
    let output = output.unwrap_or_else(|error| panic!("{program}: {error}: run tests/setup"));
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "{program} {}:\n{text}", arguments.join(" "));
}
