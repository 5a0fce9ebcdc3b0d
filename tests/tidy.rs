//! What this project's style can have checked by a machine and clippy does not: sizes of files, the direction of imports,
//! what is named where. It reads sources only, and takes milliseconds.

mod docs;
mod faults;
mod sources;

use std::fs;

use sources::{Source, repository, sources};

/// Past this a file probably has two purposes.
const LINES: usize = 400;
/// Files of code and text about it.
const CODE: &[&str] = &["rs", "wit", "py", "mjs", "js", "css", "html"];
/// Shown as it is, as the whole of a guest; and included by a guest of the suite, where `//!` is not allowed.
const WITHOUT_PURPOSE: &[&str] = &["examples/echo/src/lib.rs"];
#[test]
fn files_are_short() {
    let long = sources(CODE).filter(|file| file.lines().count() > LINES);
    let long = long.map(|file| format!("{}: {} lines; at most {LINES} are allowed", file.path, file.lines().count()));
    none(long);
}

#[test]
fn files_say_their_purpose_first() {
    let silent = sources(&["rs"]).filter(|file| !WITHOUT_PURPOSE.contains(&file.path.as_str())).filter(|file| {
        let first = file.text.lines().next().unwrap_or_default();
        !first.starts_with("//! ") && !first.starts_with("#![doc = include_str!")
    });
    none(silent.map(|file| format!("{}: its first line is not `//! ` and what the file is for", file.path)));
}

#[test]
fn nothing_is_left_for_later() {
    // Put together, or this file would have them.
    let markers = [concat!("TO", "DO"), concat!("FIX", "ME")];
    let all = [CODE, &["md", "toml", "txt", ""]].concat();
    let unfinished = sources(&all).filter(|file| markers.iter().any(|marker| file.text.contains(marker)));
    none(unfinished.map(|file| format!("{}: has one of {markers:?}", file.path)));
}

#[test]
fn modules_use_only_those_above_them() {
    let layers = layers();
    let place = |module: &str| layers.iter().position(|layer| layer == module);
    let mut wrong = Vec::new();
    for file in library() {
        let Some(own) = place(file.module()) else { continue };
        for (number, line) in file.code() {
            let used = modules_named(line).into_iter().filter(|used| place(used).is_some_and(|used| used > own));
            wrong.extend(used.map(|used| format!("{}:{number}: {} must not use {used}", file.path, file.module())));
        }
    }
    none(wrong);
}

#[test]
fn only_guest_names_wasmtime() {
    let elsewhere = library().filter(|file| file.module() != "guest").flat_map(|file| file.lines_with(&["wasmtime"]));
    none(elsewhere);
}

#[test]
fn only_cli_prints_or_reads_the_environment() {
    let words = ["println!", "print!", "stdout()", "stderr()", "stdin()", "env::var", "env::args", "env::current_dir"];
    none(library().flat_map(|file| file.lines_with(&words)));
}

#[test]
fn every_guest_has_a_test() {
    let suite: String =
        sources(&["rs"]).filter(|file| file.path.starts_with("tests/suite/")).map(|it| it.text).collect();
    let folders = ["tests/guests/examples/", "tests/guests/wat/"];
    let guests = sources(&["rs", "wat"]).filter(|file| folders.iter().any(|folder| file.path.starts_with(folder)));
    let names = guests.filter_map(|file| Some(file.path.rsplit('/').next()?.split_once('.')?.0.to_uppercase()));
    let names = names.filter(|name| name != "SKELETON");
    let untested = names.filter(|name| !suite.contains(&format!("guests::{name}")));
    none(untested.map(|name| format!("no test in tests/suite uses guests::{name}")));
}

#[test]
fn every_module_is_on_the_map() {
    let map = fs::read_to_string(repository().join("ARCHITECTURE.md")).expect("there is a map");
    let missing = layers().into_iter().filter(|module| !map.contains(&format!("`{module}`")));
    none(missing.map(|module| format!("ARCHITECTURE.md: the map does not name `{module}`")));
}

/// The files of the host's library, without the program's and without unit tests that have a file of their own.
fn library() -> impl Iterator<Item = Source> {
    let is_of_program = |path: &str| path.starts_with("host/src/cli/") || path == "host/src/main.rs";
    let is_test = |path: &str| ["/tests.rs", "/golden.rs", "/properties.rs"].iter().any(|name| path.ends_with(name));
    let files = sources(&["rs"]).filter(|file| file.path.starts_with("host/src/"));
    files.filter(move |file| !is_of_program(&file.path) && !is_test(&file.path))
}

/// The library's modules in the order of host/src/lib.rs.
fn layers() -> Vec<String> {
    let text = fs::read_to_string(repository().join("host/src/lib.rs")).expect("the library has a lib.rs");
    let modules = text.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'));
    let modules: Vec<_> = modules.map(str::to_owned).collect();
    assert!(modules.len() > 10, "host/src/lib.rs names its modules one a line: {modules:?}");
    modules
}

/// The modules that a line names as `crate::module` or within `crate::{module, ...}`.
fn modules_named(line: &str) -> Vec<&str> {
    let mut modules = Vec::new();
    for (at, _) in line.match_indices("crate::") {
        let rest = &line[at + "crate::".len()..];
        match rest.strip_prefix('{') {
            Some(list) => modules.extend(list.split([',', '}']).map(first_word)),
            None => modules.push(first_word(rest)),
        }
    }
    modules
}

fn first_word(text: &str) -> &str {
    let text = text.trim_start();
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    &text[..end]
}

/// Fails with every line there is.
#[track_caller]
fn none(problems: impl IntoIterator<Item = String>) {
    let problems: Vec<_> = problems.into_iter().collect();
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
}
