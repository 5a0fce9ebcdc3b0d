//! The folder of compiled components: one file for each content of a component and each set of the engine's settings, read
//! when that component is loaded, and nothing else of the folder.
//!
//! A file is a digest and the machine code behind it. It is written beside its place and moved there, so that hosts may
//! share the folder and end at any time; what does not have its digest is compiled again. This finds disks that fail, not
//! people: who can write into the folder can run code in the host.

use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use sha2::{Digest, Sha256};
use wasmtime::Engine;
use wasmtime::component::Component;

/// What all files may take together, in bytes; beyond, those go that were not used for the longest time.
const MOST: u64 = 2 << 30;
/// Bytes of a digest.
const DIGEST: usize = 32;

/// A component from the folder, or compiled and kept there. A folder that cannot be used only costs time: that is said, and
/// the host goes on.
pub(super) fn component(engine: &Engine, directory: Option<&Path>, bytes: &[u8]) -> wasmtime::Result<Component> {
    let Some(directory) = directory else { return Component::from_binary(engine, bytes) };
    let path = directory.join(name(engine, bytes));
    if let Some(component) = load(engine, &path) {
        return Ok(component);
    }
    let component = Component::from_binary(engine, bytes)?;
    let code = component.serialize()?;
    if let Err(error) = keep(&path, &code) {
        let directory = directory.display();
        tracing::warn!(%directory, "compiled components are not kept: {error}");
    }
    Ok(component)
}

/// The file's name: what the component is, and what the machine code depends on beside it.
fn name(engine: &Engine, bytes: &[u8]) -> String {
    let mut settings = DefaultHasher::new();
    engine.precompile_compatibility_hash().hash(&mut settings);
    let digest: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{digest}-{:016x}", settings.finish())
}

/// None when there is no such file, or not as it was written.
fn load(engine: &Engine, path: &Path) -> Option<Component> {
    let code = match read(path) {
        Ok(code) => code,
        Err(error) => {
            // What cannot be read is not there, or cannot be written either, which is said then.
            if error.kind() == io::ErrorKind::InvalidData {
                let path = path.display();
                tracing::warn!(%path, "a compiled component was changed on disk, it is compiled again: {error}");
            }
            return None;
        }
    };
    // SAFETY: the code has the digest that was written with it, in a folder that is the host's own; so it is what wasmtime
    // made of a component. Of another engine it would be refused.
    #[allow(unsafe_code)]
    let component = unsafe { Component::deserialize(engine, code) };
    component.ok()
}

/// The code in a file, once its digest is checked. That it was used is noted.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut content = fs::read(path)?;
    let damaged = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
    let (digest, code) = content.split_at_checked(DIGEST).ok_or_else(|| damaged("it is cut off"))?;
    if Sha256::digest(code).as_slice() != digest {
        return Err(damaged("it does not have its digest"));
    }
    content.drain(..DIGEST);
    // Only the order in which files go depends on it.
    let _ = File::options().append(true).open(path).and_then(|file| file.set_modified(SystemTime::now()));
    Ok(content)
}

fn keep(path: &Path, code: &[u8]) -> io::Result<()> {
    let Some(directory) = path.parent() else { return Ok(()) };
    fs::create_dir_all(directory)?;
    let draft = path.with_extension(format!("{}.draft", std::process::id()));
    let content = [Sha256::digest(code).as_slice(), code].concat();
    let kept = fs::write(&draft, content).and_then(|()| fs::rename(&draft, path));
    if kept.is_err() {
        // What went wrong is the first error, not what cannot be removed.
        let _ = fs::remove_file(&draft);
    }
    prune(directory, MOST);
    kept
}

/// Remove what was not used for the longest time until the rest takes no more than `most` bytes.
fn prune(directory: &Path, most: u64) {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let mut files: Vec<(SystemTime, u64, PathBuf)> = entries
        .filter_map(|entry| {
            let metadata = entry.metadata().ok().filter(fs::Metadata::is_file)?;
            Some((metadata.modified().ok()?, metadata.len(), entry.path()))
        })
        .collect();
    files.sort_unstable();
    let mut sum: u64 = files.iter().map(|(_, bytes, _)| bytes).sum();
    for (_, bytes, path) in files {
        if sum <= most {
            return;
        }
        sum -= bytes;
        // Another host may have removed it.
        let _ = fs::remove_file(path);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn f07_only_what_is_as_it_was_written_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("components/code");
        keep(&path, b"code").unwrap();
        assert_eq!(read(&path).unwrap(), b"code");
        assert_eq!(fs::read_dir(folder.path().join("components")).unwrap().count(), 1);
        let whole = fs::read(&path).unwrap();
        for place in 0..whole.len() {
            let mut changed = whole.clone();
            changed[place] ^= 1;
            fs::write(&path, changed).unwrap();
            assert_eq!(read(&path).unwrap_err().kind(), io::ErrorKind::InvalidData, "{place}");
            fs::write(&path, &whole[..place]).unwrap();
            assert_eq!(read(&path).unwrap_err().kind(), io::ErrorKind::InvalidData, "{place}");
        }
    }

    #[test]
    fn what_was_not_used_for_the_longest_time_goes_first() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for (age, name) in [(3, "old"), (2, "older"), (1, "new")] {
            fs::write(path(name), [0; 10]).unwrap();
            let at = SystemTime::now() - Duration::from_secs(age * 100);
            File::options().append(true).open(path(name)).unwrap().set_modified(at).unwrap();
        }
        prune(folder.path(), 30);
        prune(folder.path(), 20);
        assert_eq!(["old", "older", "new"].map(|name| path(name).exists()), [false, true, true]);
        prune(folder.path(), 0);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
