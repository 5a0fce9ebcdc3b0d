//! Every input in tests/fuzz/corpus through its target: what a fuzzer found once stays found.

use std::fs;
use std::path::Path;

use crate::fuzz;

type Target = fn(&[u8]);

const TARGETS: &[(&str, Target)] = &[
    ("answers", fuzz::answers::answers),
    ("handshake", fuzz::handshake::handshake),
    ("host_config", fuzz::config::host_config),
    ("manifest", fuzz::config::manifest),
    ("routes", fuzz::routes::routes),
    ("session", fuzz::rules::session),
];

/// Its corpus is replayed in host/src/connection/properties.rs: what it checks is private to the library.
const ELSEWHERE: &str = "frames";

#[test]
fn corpora_hold() {
    for (name, target) in TARGETS {
        let folder = folder().join("corpus").join(name);
        let inputs = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        let mut count = 0;
        for input in inputs {
            let path = input.expect("the corpus can be read").path();
            // The failing test's output ends with the input's name.
            println!("{}", path.display());
            target(&fs::read(&path).expect("the corpus can be read"));
            count += 1;
        }
        assert!((3..=60).contains(&count), "{name}: {count} inputs");
    }
}

#[test]
fn every_target_has_its_file() {
    let files = fs::read_dir(folder().join("targets")).expect("the targets are there");
    let mut names: Vec<String> = files
        .map(|file| file.expect("the targets can be read").path())
        .map(|path| path.file_stem().expect("a name").to_string_lossy().into_owned())
        .collect();
    names.sort();
    let mut known: Vec<_> = TARGETS.iter().map(|(name, _)| *name).chain([ELSEWHERE]).collect();
    known.sort_unstable();
    assert_eq!(names, known);
}

fn folder() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fuzz"))
}
