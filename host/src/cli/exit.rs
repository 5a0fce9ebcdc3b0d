//! How the process ends: exit codes, and the one place where an error is printed.

use std::fmt;
use std::io::{self, Write};
use std::process::ExitCode;

use crate::cli::{log_writer, terminal};

/// Bad usage, a bad manifest or a bad host config: exit code 2.
pub(crate) const USAGE: u8 = 2;

/// Every problem of what the user wrote, found before anything was started. Ends the process with [`USAGE`].
#[derive(Debug)]
pub(crate) struct Problems(pub(crate) Vec<String>);

impl Problems {
    /// One problem as an error.
    pub(crate) fn one(problem: impl Into<String>) -> anyhow::Error {
        Problems(vec![problem.into()]).into()
    }

    /// A problem per line of an error's text.
    pub(crate) fn lines(error: &impl fmt::Display) -> Self {
        Problems(error.to_string().lines().map(str::to_owned).collect())
    }

    /// Every problem of a manifest or a host config.
    pub(crate) fn of_file(problems: &whimbrel::manifest::Problems) -> Self {
        Problems(problems.0.iter().map(ToString::to_string).collect())
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("\n"))
    }
}

impl std::error::Error for Problems {}

/// Whoever read our stdout has gone (`whimbrel ... | head`): nothing is left to do, and nothing went wrong.
#[derive(Debug)]
pub(crate) struct StdoutClosed;

impl fmt::Display for StdoutClosed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("stdout was closed by its reader")
    }
}

impl std::error::Error for StdoutClosed {}

/// Print an error with its causes, and say with which code to exit.
pub(crate) fn report(error: &anyhow::Error) -> ExitCode {
    if error.is::<StdoutClosed>() {
        return ExitCode::SUCCESS;
    }
    if let Some(Problems(problems)) = error.downcast_ref() {
        for problem in problems {
            terminal::error(problem);
        }
        return ExitCode::from(USAGE);
    }
    terminal::error(&causes(error));
    ExitCode::FAILURE
}

/// An error and its causes in one line, leaving out a cause that the text before already ends with.
pub(crate) fn causes(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain() {
        let cause = cause.to_string();
        if text.is_empty() {
            text = cause;
        } else if !text.ends_with(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

/// Exit at once, without waiting for any thread: a second signal, or a blocked read of stdin.
pub(crate) fn now(code: u8) -> ! {
    let _ = io::stdout().flush();
    log_writer::flush();
    std::process::exit(code.into())
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::causes;

    #[test]
    fn a_cause_is_not_said_twice() {
        let error = anyhow!("no such file").context("failed to read a.toml: no such file");
        assert_eq!(causes(&error), "failed to read a.toml: no such file");
        let error = anyhow!("no such file").context("failed to read a.toml");
        assert_eq!(causes(&error), "failed to read a.toml: no such file");
    }
}
