//! docs/faults.md against the tests: every id has its row, every test that a row names exists, and a test whose name begins
//! with an id stands in that id's row.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use crate::none;
use crate::sources::{repository, sources};

const PAGE: &str = "docs/faults.md";
/// The groups of the catalogue, with the number of their cases.
const GROUPS: [(char, u32); 8] =
    [('P', 27), ('H', 28), ('R', 17), ('G', 32), ('F', 14), ('D', 10), ('C', 12), ('S', 15)];

/// A row's last cell: tests in backticks with commas between, a reason, or both with a semicolon between.
#[derive(Debug, Default, PartialEq)]
struct Proof {
    tests: BTreeSet<String>,
    reason: String,
}

#[test]
#[allow(clippy::disallowed_methods, reason = "a test has no command line")]
fn every_fault_has_its_test_or_a_reason() {
    let page = fs::read_to_string(repository().join(PAGE)).expect("the page of faults can be read");
    let tests = tests();
    let mut rows: BTreeMap<String, usize> = ids().map(|id| (id, 0)).collect();
    let (mut problems, mut lines) = (Vec::new(), Vec::new());
    for line in page.lines() {
        let Some((id, what, cell)) = row(line) else {
            lines.push(line.to_owned());
            continue;
        };
        match rows.get_mut(id) {
            Some(count) => *count += 1,
            None => problems.push(format!("{PAGE}: {id} is no id of the catalogue")),
        }
        let proof = Proof::read(cell);
        let expected = proof.brought_up_to_date(&tests, id);
        if proof != expected {
            problems.push(format!("{PAGE}: the row of {id} should end with {:?}", expected.cell()));
        }
        if expected == Proof::default() {
            problems.push(format!("{PAGE}: {id} has neither a test nor a reason"));
        }
        lines.push(format!("| {id} | {what} | {} |", expected.cell()));
    }
    let lost = rows.into_iter().filter(|(_, count)| *count != 1);
    problems.extend(lost.map(|(id, count)| format!("{PAGE}: {id} has {count} rows")));
    if std::env::var("WHIMBREL_BLESS").is_ok_and(|value| value == "1") {
        fs::write(repository().join(PAGE), lines.join("\n") + "\n").expect("the page of faults can be written");
        problems.retain(|problem| !problem.contains(" should end with "));
    }
    none(problems);
}

#[test]
fn a_proof_follows_the_names_of_tests() {
    let tests = ["p01_p02_new", "p04_to_p06_several", "old", "p010_other"].map(str::to_owned).into();
    for (cell, expected) in [
        ("`old`", "`old`, `p01_p02_new`"),
        ("`gone`; on Linux only", "`p01_p02_new`; on Linux only"),
        ("not yet", "`p01_p02_new`"),
    ] {
        assert_eq!(Proof::read(cell).brought_up_to_date(&tests, "P01").cell(), expected);
    }
    assert_eq!(Proof::read("not yet").brought_up_to_date(&tests, "P03").cell(), "not yet");
    assert_eq!(Proof::read("not yet").brought_up_to_date(&tests, "P05").cell(), "`p04_to_p06_several`");
    assert_eq!(Proof::read("`gone`").brought_up_to_date(&tests, "P03"), Proof::default());
}

impl Proof {
    fn read(cell: &str) -> Self {
        let is_test = cell.starts_with('`');
        let (tests, reason) = if is_test { cell.split_once(';').unwrap_or((cell, "")) } else { ("", cell) };
        let tests = tests.split(',').map(|name| name.trim().trim_matches('`').to_owned());
        Proof { tests: tests.filter(|name| !name.is_empty()).collect(), reason: reason.trim().to_owned() }
    }

    fn brought_up_to_date(&self, all: &BTreeSet<String>, id: &str) -> Self {
        let named = self.tests.iter().filter(|name| all.contains(*name));
        let tests: BTreeSet<_> = named.chain(all.iter().filter(|name| proves(name, id))).cloned().collect();
        let is_outdated = !tests.is_empty() && self.reason.starts_with("not yet");
        Proof { tests, reason: if is_outdated { String::new() } else { self.reason.clone() } }
    }

    fn cell(&self) -> String {
        let tests: Vec<_> = self.tests.iter().map(|name| format!("`{name}`")).collect();
        let parts = [tests.join(", "), self.reason.clone()];
        parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("; ")
    }
}

fn ids() -> impl Iterator<Item = String> {
    GROUPS.into_iter().flat_map(|(group, count)| (1..=count).map(move |number| format!("{group}{number:02}")))
}

/// `| P01 | what | proof |`.
fn row(line: &str) -> Option<(&str, &str, &str)> {
    let mut cells = line.strip_prefix("| ")?.strip_suffix('|')?.splitn(3, " | ");
    let (id, what, proof) = (cells.next()?, cells.next()?, cells.next()?);
    is_id(id).then_some((id, what, proof.trim()))
}

fn is_id(text: &str) -> bool {
    let mut letters = text.chars();
    text.len() == 3
        && letters.next().is_some_and(|first| first.is_ascii_uppercase())
        && letters.all(|digit| digit.is_ascii_digit())
}

/// Whether a test's name begins with this id, alone or among others (`p20_p21_…`), or with a range (`p01_to_p17_…`).
fn proves(name: &str, id: &str) -> bool {
    let (mut from, mut is_range) = (String::new(), false);
    for word in name.split('_').map(str::to_ascii_uppercase) {
        match word.as_str() {
            "TO" => is_range = true,
            to if is_id(to) && (to == id || (is_range && (from.as_str()..=to).contains(&id))) => return true,
            to if is_id(to) => (from, is_range) = (word, false),
            _ => break,
        }
    }
    false
}

/// The names of all test functions, those that a macro makes too.
fn tests() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for file in sources(&["rs"]) {
        let mut is_test = false;
        for (_, line) in file.code() {
            let line = line.trim();
            let signature = line.strip_prefix("async fn ").or_else(|| line.strip_prefix("fn "));
            match signature.and_then(|rest| rest.split('(').next()) {
                Some(name) if is_test => {
                    names.insert(name.to_owned());
                    is_test = false;
                }
                Some(_) => is_test = false,
                None => is_test |= line.starts_with("#[test]") || line.starts_with("#[tokio::test"),
            }
        }
    }
    assert!(names.len() > 100, "{names:?}");
    names
}
