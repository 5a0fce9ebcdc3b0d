//! The folder of compiled components, checked before its machine code is trusted.
//!
//! wasmtime keeps no checksum: of its files with one bit changed, some are loaded and end the process. So a file that is
//! written gets a digest beside the folder, and at the start those that do not have theirs are removed and compiled again.
//! This finds disks that fail, not people: who can write into the folder can run code in the host.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use wasmtime::{Cache, CacheConfig};

/// Folders below each other that are looked into.
const DEPTH: usize = 4;

/// Open the cache. One that cannot be had only costs time: that is said, and the host starts all the same.
pub(super) fn open(directory: &Path) -> Option<Cache> {
    check(directory);
    let mut config = CacheConfig::new();
    config.with_directory(directory);
    Cache::new(config)
        .inspect_err(|error| {
            let directory = directory.display();
            tracing::warn!(%directory, "compiled components are not kept: {error:#}");
        })
        .ok()
}

/// Remember what has been written. What cannot be noted is compiled again at the next start.
pub(super) fn note(directory: &Path) {
    for path in compiled(directory) {
        let Some(digest) = digest_path(directory, &path).filter(|path| !path.exists()) else { continue };
        let written = digest.parent().map_or(Ok(()), fs::create_dir_all);
        let _ = written.and_then(|()| fs::write(&digest, digest_of(&path)?));
    }
}

/// Remove what is not as it was written, and digests of what is gone.
fn check(directory: &Path) {
    let mut broken = 0;
    for path in compiled(directory) {
        let Some(digest) = digest_path(directory, &path) else { continue };
        let (noted, found) = (fs::read_to_string(&digest), digest_of(&path));
        match (noted, found) {
            (Ok(noted), Ok(found)) if noted == found => {}
            // Written by a host that ended before it could note it.
            (Err(_), _) => drop(fs::remove_file(&path)),
            _ => {
                broken += 1;
                let _ = (fs::remove_file(&path), fs::remove_file(&digest));
            }
        }
    }
    if broken > 0 {
        let directory = directory.display();
        tracing::warn!(%directory, broken, "compiled components were changed on disk; compiling them again");
    }
    let noted = fs::read_dir(digests(directory)).into_iter().flatten().flatten().map(|entry| entry.path());
    let kept: Vec<_> = compiled(directory).iter().filter_map(|path| digest_path(directory, path)).collect();
    for gone in noted.filter(|path| !kept.contains(path)) {
        let _ = fs::remove_file(gone);
    }
}

/// wasmtime's files of code: those without an extension.
fn compiled(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![(directory.join("modules"), 0)];
    while let Some((folder, depth)) = folders.pop() {
        for path in fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()) {
            if path.extension().is_some() && !path.is_dir() {
                continue;
            }
            match path.is_dir() {
                true if depth < DEPTH => folders.push((path, depth + 1)),
                true => {}
                false => found.push(path),
            }
        }
    }
    found
}

fn digests(directory: &Path) -> PathBuf {
    directory.with_file_name("digests")
}

/// The folder's name is that of wasmtime's version, so one name in two of them is rare and costs a compilation.
fn digest_path(directory: &Path, path: &Path) -> Option<PathBuf> {
    let name = path.file_name()?.to_str()?;
    Some(digests(directory).join(format!("{name}.digest")))
}

fn digest_of(path: &Path) -> io::Result<String> {
    // FNV-1a: finds any single changed byte, and needs no library.
    let digest = fs::read(path)?
        .iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |digest, byte| (digest ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3));
    Ok(format!("{digest:016x}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f07_only_what_is_as_it_was_written_stays() {
        let folder = tempfile::tempdir().unwrap();
        let directory = folder.path().join("components");
        let version = directory.join("modules/wasmtime-1");
        fs::create_dir_all(&version).unwrap();
        for name in ["good", "bad", "unnoted", "good.stats"] {
            fs::write(version.join(name), "code").unwrap();
        }
        fs::remove_file(version.join("unnoted")).unwrap();
        note(&directory);
        fs::write(version.join("unnoted"), "code").unwrap();
        fs::write(version.join("bad"), "cods").unwrap();
        check(&directory);
        let stay = ["good", "bad", "unnoted", "good.stats"].map(|name| version.join(name).exists());
        assert_eq!(stay, [true, false, false, true]);
        assert_eq!(fs::read_dir(digests(&directory)).unwrap().count(), 1);
    }
}
