//! Properties of the pure parts under arbitrary input, and the corpora of the fuzz targets as plain tests.

mod corpora;
mod settings;
mod steps;
mod strings;

// The fuzz targets and what they check.
#[allow(unreachable_pub, missing_docs, reason = "a crate of its own elsewhere")]
#[path = "../fuzz/src/lib.rs"]
mod fuzz;
