//! Core dumps of trapped guests: so many files per deployment, in the folder that the operator names.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use crate::guest::Remains;
use crate::host_config::CoreDumpSettings;
use crate::pace::Pace;

/// The dumps of one deployment.
#[derive(Debug)]
pub(super) struct CoreDumps {
    deployment: String,
    /// Held while one is written.
    pace: Mutex<Pace>,
}

/// Where a dump comes from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Origin {
    pub(super) revision: u32,
    /// 0 before there is a connection.
    pub(super) connection: u32,
}

/// Why there is no dump.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotWritten {
    #[error("writing them takes too much time")]
    Busy,
    #[error("it would be larger than the {} that coredumps.size in the host config allows", bytesize::ByteSize(*.0 as u64))]
    TooLarge(usize),
    #[error("there is none")]
    None,
    #[error("{0}")]
    Io(#[from] io::Error),
}

impl CoreDumps {
    pub(super) fn new(deployment: &str) -> Self {
        CoreDumps { deployment: deployment.to_owned(), pace: Mutex::new(Pace::new(Instant::now())) }
    }

    /// Write one and remove the oldest beyond the number kept; yields its path. `memory` is what the guest had.
    pub(super) fn write(
        &self,
        remains: &mut Remains,
        memory: usize,
        origin: Origin,
        settings: &CoreDumpSettings,
    ) -> Result<String, NotWritten> {
        let mut pace = self.pace.lock().unwrap_or_else(PoisonError::into_inner);
        let start = Instant::now();
        if !pace.allows(start) {
            return Err(NotWritten::Busy);
        }
        if memory > settings.size {
            return Err(NotWritten::TooLarge(settings.size));
        }
        let written = self.write_now(remains, origin, settings);
        pace.worked(start, Instant::now());
        written
    }

    fn write_now(
        &self,
        remains: &mut Remains,
        origin: Origin,
        settings: &CoreDumpSettings,
    ) -> Result<String, NotWritten> {
        let dump = remains.core_dump(&self.deployment).ok_or(NotWritten::None)?;
        if dump.len() > settings.size {
            return Err(NotWritten::TooLarge(settings.size));
        }
        let mut kept = kept(&settings.dir, &self.deployment)?;
        let number = kept.last().map_or(1, |(number, _)| number.saturating_add(1));
        let unfinished = settings.dir.join(format!(".{}.coredump", self.deployment));
        write_private(&unfinished, &dump)?;
        // Room for the new one.
        kept.truncate((kept.len() + 1).saturating_sub(settings.count));
        for (_, oldest) in kept {
            fs::remove_file(oldest)?;
        }
        let Origin { revision, connection } = origin;
        let path = settings.dir.join(format!("{}-{revision}-{connection}-{number}.coredump", self.deployment));
        fs::rename(&unfinished, &path)?;
        Ok(path.display().to_string())
    }
}

/// The dumps of a deployment, the oldest first, each with its number.
fn kept(dir: &Path, deployment: &str) -> io::Result<Vec<(u64, PathBuf)>> {
    let mut kept = Vec::new();
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        let number = path.file_name().and_then(|name| name.to_str()).and_then(|name| number(name, deployment));
        kept.extend(number.map(|number| (number, path)));
    }
    kept.sort();
    Ok(kept)
}

/// The number of a dump, if the file is one and of this deployment: `chat-1-2-3.coredump` is of `chat`, not `chat-1`.
fn number(name: &str, deployment: &str) -> Option<u64> {
    let mut parts = name.strip_suffix(".coredump")?.rsplitn(4, '-');
    let number = parts.next()?.parse().ok()?;
    let _connection: u32 = parts.next()?.parse().ok()?;
    let _revision: u32 = parts.next()?.parse().ok()?;
    (parts.next()? == deployment).then_some(number)
}

/// For the eyes of the host's user only: it holds what the guest's peers sent.
fn write_private(path: &Path, content: &[u8]) -> io::Result<()> {
    // What an ended host left unfinished; and a link would lead elsewhere.
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(content)
}

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn dumps_are_told_from_those_of_others() {
        assert_eq!(number("chat-1-2-3.coredump", "chat"), Some(3));
        assert_eq!(number("chat-1-2-3.coredump", "chat-1"), None);
        assert_eq!(number("chat-1-1-2-3.coredump", "chat-1"), Some(3));
        assert_eq!(number("chat-1-1-2-3.coredump", "chat"), None);
        assert_eq!(number(".chat.coredump", "chat"), None);
        assert_eq!(number("chat-1-2-x.coredump", "chat"), None);
    }
}
