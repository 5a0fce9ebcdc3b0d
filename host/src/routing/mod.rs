//! Routes: from a path to the deployment that serves it, with the arguments captured on the way.

mod pattern;
mod table;

pub use pattern::{Arg, Args, BadCapture, Pattern, PatternError};
pub use table::{Conflict, Conflicts, Found, Table};

#[cfg(test)]
mod tests;
