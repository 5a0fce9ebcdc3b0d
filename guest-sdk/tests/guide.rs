//! The guide's first guest is examples/echo, letter by letter.

use std::path::Path;

const GUIDE: &str = include_str!("../src/guide.md");

#[test]
fn the_guide_shows_the_echo_example() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/echo/src/lib.rs");
    let example = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert!(
        GUIDE.contains(&format!("```\n{example}```\n")),
        "guide.md does not show examples/echo/src/lib.rs as it is"
    );
    assert!(example.lines().count() <= 20, "the example has more than 20 lines");
}
