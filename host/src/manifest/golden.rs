//! Bad manifests and host configs, each with the full text of its problems, in `tests/golden/manifest`.
//!
//! Every `NAME.toml` there has a `NAME.txt`. Files called `host-…` are host configs. `WHIMBREL_BLESS=1 cargo test golden`
//! rewrites the texts.

use std::fs;
use std::path::{Path, PathBuf};

use super::*;
use crate::host_config::HostConfig;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden/manifest")
}

fn stems(extension: &str) -> Vec<String> {
    let files = fs::read_dir(folder()).unwrap().map(|file| file.unwrap().path());
    let files = files.filter(|path| path.extension().is_some_and(|found| found == extension));
    let mut stems: Vec<String> = files.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect();
    stems.sort();
    stems
}

fn problems(stem: &str, text: &str) -> String {
    let error = if stem.starts_with("host-") {
        HostConfig::parse(text, Path::new("host.toml")).err()
    } else {
        Manifest::parse(text, Path::new(FILE_NAME), &Limits::default(), &Ceilings::default()).err()
    };
    format!("{}\n", error.unwrap_or_else(|| panic!("{stem}.toml has no problem")))
}

#[test]
#[allow(clippy::disallowed_methods, reason = "a test has no command line")]
fn golden_problems() {
    let is_blessed = std::env::var("WHIMBREL_BLESS").is_ok_and(|value| value == "1");
    let stems_of_input = stems("toml");
    assert!(stems_of_input.len() > 10, "{stems_of_input:?}");
    let mut different = Vec::new();
    for stem in &stems_of_input {
        let text = fs::read_to_string(folder().join(format!("{stem}.toml"))).unwrap();
        let expected = folder().join(format!("{stem}.txt"));
        let found = problems(stem, &text);
        if is_blessed {
            fs::write(&expected, &found).unwrap();
        } else if fs::read_to_string(&expected).unwrap_or_default() != found {
            different.push(format!("{stem}.txt should be:\n{found}"));
        }
    }
    assert!(different.is_empty(), "WHIMBREL_BLESS=1 rewrites these:\n\n{}", different.join("\n"));
    assert_eq!(stems_of_input, stems("txt"), "a text without its input");
}
