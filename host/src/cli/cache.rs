//! Where things are kept that can be made again.

use std::env;
use std::path::PathBuf;

/// The folder in the user's cache; none when the environment names no home, as for some services.
pub(crate) fn dir() -> Option<PathBuf> {
    let from = |name| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let cache = from("XDG_CACHE_HOME").or_else(|| from("HOME").map(|home| home.join(".cache")));
    cache.map(|cache| cache.join("whimbrel"))
}

/// Where compiled components are kept.
pub(crate) fn components() -> Option<PathBuf> {
    dir().map(|dir| dir.join("components"))
}
