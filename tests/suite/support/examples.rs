//! The repository's examples, built from their sources as their authors build them.

use std::path::Path;
use std::time::Duration;

use tokio::process::Command;
use tokio::time::timeout;

use super::host::{Builder, WHIMBREL};
use super::{TestHost, guests};

/// In a fresh clone a guest and what it needs are built from nothing, beside other tests.
const BUILD_DEADLINE: Duration = Duration::from_secs(600);

/// A built example.
pub(crate) struct Example {
    manifest: String,
    /// Where its component is.
    pub(crate) component: String,
}

impl Example {
    /// Builds what a manifest is for: its path, or its folder's, in `examples`.
    pub(crate) async fn build(path: &str) -> Example {
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples").join(path);
        let build = Command::new(WHIMBREL).arg("build").arg(&manifest).kill_on_drop(true).output();
        let output = timeout(BUILD_DEADLINE, build).await.expect("the example is built in time");
        let output = output.expect("whimbrel can be started");
        let log = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "`whimbrel build {}` failed:\n{log}", manifest.display());
        let component = String::from_utf8(output.stdout).expect("the path is text").trim().to_owned();
        Example { manifest: manifest.to_str().expect("the path is text").to_owned(), component }
    }

    /// A host that serves it as its manifest says, beside another deployment.
    pub(crate) fn host(&self) -> Builder {
        TestHost::serving(guests::ECHO).name("echo").route("/echo").argument(&self.manifest)
    }
}
