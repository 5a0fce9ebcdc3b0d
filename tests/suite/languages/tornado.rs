//! The two programs of docs/languages/coming-from-tornado.md: both run, and the same is said to both.

use std::path::Path;

use super::project;
use crate::support::{TestHost, guests, tools};

const PAGE: &str = include_str!("../../../docs/languages/coming-from-tornado.md");

#[tokio::test]
async fn both_programs_of_the_page_say_the_same() {
    let [tornado, whimbrel] = [0, 1].map(|place| block("python", place));
    let routes = block("toml", 0);
    let folder = project::build_with("python", "tornado", |project| {
        let manifest = project.join("whimbrel.toml");
        let text = std::fs::read_to_string(&manifest).expect("the template has a manifest");
        let line = text.lines().find(|line| line.starts_with("routes")).expect("the template has routes");
        write(&manifest, &text.replace(line, routes.trim()));
        write(&project.join("app.py"), whimbrel);
    });
    let folder = folder.await;
    let host = TestHost::serving(guests::ECHO).route("/other").argument(&folder.to_string_lossy());
    let host = host.start().await;
    let program = folder.join("target/chat.py");
    write(&program, tornado);
    let arguments = [program.to_string_lossy().into_owned(), host.addr().to_string()];
    println!("{}", tools::python("languages/tornado/same.py", arguments).await);
    host.stop().await;
}

fn write(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}

/// A code block of the page.
fn block(language: &str, place: usize) -> &'static str {
    let opening = format!("```{language}\n");
    let text = PAGE.split(opening.as_str()).nth(place + 1).expect("the page has so many blocks");
    text.split("```").next().expect("split yields one at least")
}
