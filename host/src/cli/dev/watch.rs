//! Tells when the sources of a guest change.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout, timeout_at};

/// One save is many events: changes are told when none followed for this long.
const QUIET: Duration = Duration::from_millis(100);
/// A folder that changes all the time is told of at the latest after this.
const PATIENCE: Duration = Duration::from_secs(2);

/// Watches the folder of a guest, and folders that its build read beside it.
pub(super) struct SourceWatcher {
    dir: PathBuf,
    watcher: RecommendedWatcher,
    /// One place: a change that waits to be seen says all that further ones would.
    changes: mpsc::Receiver<()>,
    watched: BTreeSet<PathBuf>,
}

impl SourceWatcher {
    /// Watch a guest's folder from now on, but not `ignored` (files that need no build, or come from it).
    pub(super) fn new(dir: &Path, ignored: Vec<PathBuf>) -> anyhow::Result<Self> {
        let (sender, changes) = mpsc::channel(1);
        let root = dir.to_owned();
        let watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
            if event.is_ok_and(|event| is_change(&event, &root, &ignored)) {
                // Full: a change waits already.
                let _ = sender.try_send(());
            }
        })
        .context("failed to watch files")?;
        let mut this = Self { dir: dir.to_owned(), watcher, changes, watched: BTreeSet::new() };
        this.watch(dir, RecursiveMode::NonRecursive)?;
        this.watch_subfolders()?;
        Ok(this)
    }

    /// The guest's folder.
    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Wait until sources have changed and the change is complete. Safe to cancel.
    pub(super) async fn changed(&mut self) -> anyhow::Result<()> {
        self.changes.recv().await.context("files are no longer watched")?;
        let latest = Instant::now() + PATIENCE;
        while let Ok(Ok(Some(()))) = timeout_at(latest, timeout(QUIET, self.changes.recv())).await {}
        self.watch_subfolders()
    }

    /// Watch the folders of these files too, where they lie outside the guest's.
    pub(super) fn follow(&mut self, files: impl IntoIterator<Item = PathBuf>) -> anyhow::Result<()> {
        for file in files {
            if let Some(folder) = file.parent().filter(|folder| !folder.starts_with(&self.dir)) {
                self.watch(folder, RecursiveMode::NonRecursive)?;
            }
        }
        Ok(())
    }

    /// Folder by folder: a recursive watch of everything would take a kernel watch for each folder of `target`.
    fn watch_subfolders(&mut self) -> anyhow::Result<()> {
        let entries = std::fs::read_dir(&self.dir).with_context(|| format!("failed to read {}", self.dir.display()))?;
        for entry in entries.flatten() {
            let path = entry.path();
            if path.is_dir() && !is_noise(&entry.file_name()) {
                self.watch(&path, RecursiveMode::Recursive)?;
            }
        }
        Ok(())
    }

    fn watch(&mut self, folder: &Path, mode: RecursiveMode) -> anyhow::Result<()> {
        if self.watched.insert(folder.to_owned()) {
            let watched = self.watcher.watch(folder, mode);
            watched.with_context(|| format!("failed to watch {}", folder.display()))?;
        }
        Ok(())
    }
}

/// Whether an event may change what a build makes. A build itself opens and reads all sources.
fn is_change(event: &Event, root: &Path, ignored: &[PathBuf]) -> bool {
    if matches!(event.kind, EventKind::Access(_)) {
        return false;
    }
    let is_source = |path: &PathBuf| {
        let inside = path.strip_prefix(root).unwrap_or(path);
        !inside.iter().any(is_noise) && !ignored.iter().any(|ignored| path.starts_with(ignored))
    };
    event.paths.iter().any(is_source)
}

/// What builds, tools and editors write beside sources.
fn is_noise(name: &OsStr) -> bool {
    const NAMES: &[&str] =
        &["target", "node_modules", "venv", "__pycache__", "zig-cache", "zig-out", "Cargo.lock", "package-lock.json"];
    const ENDS: &[&str] = &["~", ".o", ".wasm"];
    // Not UTF-8: not written by any of them.
    let Some(name) = name.to_str() else { return false };
    NAMES.contains(&name) || name.starts_with('.') || ENDS.iter().any(|end| name.ends_with(end))
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};
    use std::time::Duration;

    use notify::event::{AccessKind, CreateKind};
    use notify::{Event, EventKind};
    use tokio::time::timeout;

    use super::{SourceWatcher, is_change};

    #[test]
    fn only_sources_count() {
        let created = |path: &str| Event::new(EventKind::Create(CreateKind::File)).add_path(PathBuf::from(path));
        let is_change =
            |event: &Event| is_change(event, Path::new("/home/.x/chat"), &[PathBuf::from("/home/.x/chat/public")]);
        for source in ["/home/.x/chat/src/lib.rs", "/home/.x/chat/whimbrel.toml", "/home/sdk/src/lib.rs"] {
            assert!(is_change(&created(source)), "{source}");
        }
        for noise in [
            "target/release/chat.wasm",
            "chat.wasm",
            "whimbrel.o",
            "node_modules/a/index.js",
            ".venv/lib/a.py",
            "__pycache__/app.pyc",
            ".git/index",
            "src/.lib.rs.swp",
            "src/lib.rs~",
            "public/index.html",
        ] {
            assert!(!is_change(&created(&format!("/home/.x/chat/{noise}"))), "{noise}");
        }
        let read = Event::new(EventKind::Access(AccessKind::Read)).add_path(PathBuf::from("/home/.x/chat/src/lib.rs"));
        assert!(!is_change(&read));
    }

    #[tokio::test]
    async fn a_change_in_a_new_folder_is_seen() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        let mut watcher = SourceWatcher::new(&root, Vec::new()).unwrap();
        let mut change = async |path: &str| {
            std::fs::write(root.join(path), "x").unwrap();
            timeout(Duration::from_secs(10), watcher.changed()).await.unwrap().unwrap();
        };
        change("whimbrel.toml").await;
        std::fs::create_dir(root.join("src")).unwrap();
        change("whimbrel.toml").await;
        change("src/lib.rs").await;
        change("src/lib.rs").await;
    }
}
