//! Paths as people read them.

use std::path::Path;

/// A file's path without the detours that a manifest may take (`examples/chat/../../target`), when it exists.
pub(crate) fn display(path: &Path) -> String {
    path.canonicalize().as_deref().unwrap_or(path).display().to_string()
}
