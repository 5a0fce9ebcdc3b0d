//! What is wrong with a manifest or a host config: every problem at once, each with its file and line.

use std::fmt;
use std::path::{Path, PathBuf};

/// One thing to correct.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file, as the user named it.
    pub file: PathBuf,
    /// The line, from 1; none when the problem is the file as a whole.
    pub line: Option<usize>,
    /// The key, the value and what is allowed.
    pub text: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.file.display())?;
        if let Some(line) = self.line {
            write!(f, "{line}:")?;
        }
        write!(f, " {}", self.text)
    }
}

/// All problems of one file, in the order of its lines. Its text has one line for each.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", lines(.0))]
pub struct Problems(pub Vec<Problem>);

impl Problems {
    /// A single problem with a file as a whole.
    pub fn of_file(file: &Path, text: impl Into<String>) -> Self {
        Problems(vec![Problem { file: file.to_owned(), line: None, text: text.into() }])
    }
}

fn lines(problems: &[Problem]) -> String {
    let lines: Vec<String> = problems.iter().map(Problem::to_string).collect();
    lines.join("\n")
}
