//! The same guest in every language, and one table of cases that it is to pass; tests/languages/README.md.

mod cases;
mod javascript;
pub(crate) mod project;
mod sdk;
mod tornado;

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::sync::Arc;

use futures_util::FutureExt as _;

use crate::support::{TestHost, guests};

#[tokio::test]
async fn rust() {
    passes_all_cases("rust").await;
}

#[tokio::test]
async fn c() {
    passes_all_cases("c").await;
}

#[tokio::test]
async fn cpp() {
    passes_all_cases("cpp").await;
}

#[tokio::test]
async fn zig() {
    passes_all_cases("zig").await;
}

#[tokio::test]
async fn python() {
    passes_all_cases("python").await;
}

#[tokio::test]
async fn go() {
    passes_all_cases("go").await;
}

#[tokio::test]
async fn javascript() {
    let folder = project::build("javascript").await;
    javascript::makes_up_for_quickjs(&folder).await;
    passes("javascript", folder).await;
}

#[tokio::test]
async fn typescript() {
    passes_all_cases("typescript").await;
}

/// JavaScript's guest on the other engine.
#[ignore = "the engine is built for half a minute: .ci/slow languages"]
#[tokio::test]
async fn starling() {
    let arguments = ["--lang", "javascript", "--engine", "starling"];
    let sources = ["javascript", "starling"].map(|folder| project::sources().join(folder));
    let folder = project::build_as("starling", &arguments, "case", |project| {
        sources.iter().for_each(|sources| project::lay_over(sources, project));
    });
    passes("starling", folder.await).await;
}

/// The guest of this language, made from the template of the same name.
async fn passes_all_cases(language: &str) {
    passes(language, project::build(language).await).await;
}

/// Serves the guest in this folder, runs every case, and compares what fails with the checked-in table.
async fn passes(language: &str, folder: PathBuf) {
    // The tests' own manifest serves something else: this guest comes with its own, as a user would have it.
    let host = TestHost::serving(guests::ECHO).route("/other").argument(&folder.to_string_lossy());
    // Some of the cases trap, all of them from one address.
    let host = Arc::new(host.host("[defaults]\ntraps = \"off\"").start().await);
    let mut differences = differences(language);
    let mut wrong = Vec::new();
    for case in cases::ALL {
        let run = AssertUnwindSafe(cases::run(case, Arc::clone(&host))).catch_unwind();
        match (run.await, differences.remove(*case)) {
            (Ok(()), None) | (Err(_), Some(_)) => {}
            (Ok(()), Some(reason)) => wrong.push(format!("{case}: works, but differences.toml says {reason:?}")),
            (Err(panic), None) => wrong.push(format!("{case}: {}", text_of(&*panic))),
        }
    }
    wrong.extend(differences.into_keys().map(|case| format!("{case}: is no case")));
    let log = host.log_text();
    assert!(wrong.is_empty(), "{language}:\n{}\nlog:\n{log}", wrong.join("\n"));
    Arc::into_inner(host).expect("the cases have ended").stop().await;
}

/// What is known not to work in a language: cases and reasons.
fn differences(language: &str) -> BTreeMap<String, String> {
    let path = project::sources().join("differences.toml");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut all: BTreeMap<String, BTreeMap<String, String>> =
        ::toml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    all.remove(language).unwrap_or_default()
}

fn text_of(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("panicked").to_owned()
}
