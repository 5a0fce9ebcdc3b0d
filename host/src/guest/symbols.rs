//! Source lines for a backtrace, from the debug information in a component's file. That was written by whoever wrote the
//! guest, so it is read off the serving threads, one component at a time, within bounds of size and time.

mod dwarf;

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use dwarf::Places;
use gimli::SectionId;
use wasmparser::{Parser, Payload};

use super::backtrace::Backtrace;
use crate::pace::Pace;

/// Debug information of one core module that is read, in bytes.
const SIZE: u64 = 32 << 20;
/// Time for one backtrace.
const TIME: Duration = Duration::from_millis(250);
/// Places that are remembered, so that the same trap is looked up once.
const KNOWN: usize = 1_000;
/// The sections that hold lines and inlined functions.
const SECTIONS: [SectionId; 9] = [
    SectionId::DebugAbbrev,
    SectionId::DebugAddr,
    SectionId::DebugInfo,
    SectionId::DebugLine,
    SectionId::DebugLineStr,
    SectionId::DebugRanges,
    SectionId::DebugRngLists,
    SectionId::DebugStr,
    SectionId::DebugStrOffsets,
];

/// One component at a time in the whole process: reading may take a lot of memory.
static READING: Mutex<()> = Mutex::new(());

/// Where the debug information of a component lies in its file.
#[derive(Debug)]
pub struct Symbols {
    path: PathBuf,
    /// What the file was when it was loaded: a later build must not be taken for it.
    version: Version,
    modules: Vec<Module>,
    found: Mutex<Found>,
}

#[derive(Debug, PartialEq, Eq)]
struct Version {
    size: u64,
    inode: u64,
    modified: (i64, i64),
}

/// A core module with debug information; all places are offsets in the file.
#[derive(Debug)]
struct Module {
    code: Range<u64>,
    sections: Vec<(SectionId, Range<u64>)>,
}

#[derive(Debug)]
struct Found {
    places: Places,
    pace: Pace,
}

/// Why a backtrace has no lines, or not all.
#[derive(Debug, thiserror::Error)]
pub enum NoLines {
    /// The file was changed or cannot be read.
    #[error("the component's file has changed since it was loaded")]
    Changed,
    /// It cannot be read.
    #[error("the component's file cannot be read: {0}")]
    Unreadable(#[from] io::Error),
    /// More than is read.
    #[error("the debug information is larger than 32 MiB")]
    TooLarge,
    /// Searches have had their share of the time.
    #[error("looking them up takes too much time")]
    Busy,
    /// It is malformed, or searching it takes too long.
    #[error("the debug information has no answer: {0}")]
    Debug(#[from] dwarf::Failure),
}

impl Symbols {
    /// Look for debug information in a component; none when it has none.
    pub(super) fn of(path: &Path, component: &[u8]) -> Option<Self> {
        let modules: Vec<_> = modules(component).into_iter().filter(Module::has_lines).collect();
        if modules.is_empty() {
            return None;
        }
        let version = File::open(path).and_then(|file| Version::of(&file)).ok()?;
        if version.size != component.len() as u64 {
            return None;
        }
        let found = Found { places: Places::new(), pace: Pace::new(Instant::now()) };
        Some(Symbols { path: path.to_owned(), version, modules, found: Mutex::new(found) })
    }

    /// Add source lines to a backtrace. Takes long: not for a serving thread.
    pub fn locate(&self, backtrace: &mut Backtrace) -> Result<(), NoLines> {
        let offsets = backtrace.frames.iter().filter_map(|frame| frame.offset);
        let found = self.find(offsets.collect());
        let known = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        for frame in &mut backtrace.frames {
            let places = frame.offset.and_then(|offset| known.places.get(&offset));
            frame.places = places.cloned().unwrap_or_default();
        }
        found
    }

    /// Look up what is not known yet.
    fn find(&self, mut offsets: Vec<u64>) -> Result<(), NoLines> {
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        offsets.retain(|offset| !found.places.contains_key(offset));
        if offsets.is_empty() {
            return Ok(());
        }
        if !found.pace.allows(Instant::now()) {
            return Err(NoLines::Busy);
        }
        if found.places.len() >= KNOWN {
            found.places.clear();
        }
        let _one_at_a_time = READING.lock().unwrap_or_else(PoisonError::into_inner);
        let start = Instant::now();
        let searched = self.search(&offsets, start + TIME, &mut found.places);
        found.pace.worked(start, Instant::now());
        searched
    }

    fn search(&self, offsets: &[u64], deadline: Instant, places: &mut Places) -> Result<(), NoLines> {
        let file = File::open(&self.path)?;
        if Version::of(&file)? != self.version {
            return Err(NoLines::Changed);
        }
        for module in &self.modules {
            let inside: Vec<u64> = offsets.iter().copied().filter(|offset| module.code.contains(offset)).collect();
            if inside.is_empty() {
                continue;
            }
            let sections = module.read(&file)?;
            // Addresses in debug information count from the start of the code section.
            let start = module.code.start;
            let addresses: Vec<u64> = inside.iter().map(|offset| offset - start).collect();
            let (found, failure) = dwarf::places(&sections, &addresses, deadline);
            if failure.is_none() {
                // What is not there is remembered too.
                places.extend(inside.iter().map(|offset| (*offset, Vec::new())));
            }
            places.extend(found.into_iter().map(|(address, found)| (address + start, found)));
            if let Some(failure) = failure {
                return Err(failure.into());
            }
        }
        Ok(())
    }
}

impl Version {
    fn of(file: &File) -> io::Result<Self> {
        let metadata = file.metadata()?;
        let modified = (metadata.mtime(), metadata.mtime_nsec());
        Ok(Version { size: metadata.len(), inode: metadata.ino(), modified })
    }
}

impl Module {
    fn has_lines(&self) -> bool {
        let has = |wanted: SectionId| self.sections.iter().any(|(id, _)| *id == wanted);
        has(SectionId::DebugInfo) && has(SectionId::DebugLine)
    }

    fn read(&self, file: &File) -> Result<BTreeMap<&'static str, Vec<u8>>, NoLines> {
        let size: u64 = self.sections.iter().map(|(_, range)| range.end - range.start).sum();
        if size > SIZE {
            return Err(NoLines::TooLarge);
        }
        let mut sections = BTreeMap::new();
        for (id, range) in &self.sections {
            let mut bytes = vec![0; usize::try_from(range.end - range.start).unwrap_or_default()];
            file.read_exact_at(&mut bytes, range.start)?;
            sections.insert(id.name(), bytes);
        }
        Ok(sections)
    }
}

/// The core modules of a component that wasmtime has accepted.
fn modules(component: &[u8]) -> Vec<Module> {
    let mut modules = Vec::new();
    let mut open: Vec<Option<Module>> = Vec::new();
    for payload in Parser::new(0).parse_all(component) {
        match payload {
            Ok(Payload::Version { encoding: wasmparser::Encoding::Module, .. }) => {
                open.push(Some(Module { code: 0..0, sections: Vec::new() }));
            }
            Ok(Payload::Version { .. }) => open.push(None),
            Ok(Payload::End(_)) => modules.extend(open.pop().flatten()),
            Ok(Payload::CodeSectionStart { range, .. }) => {
                if let Some(Some(module)) = open.last_mut() {
                    module.code = wide(range);
                }
            }
            Ok(Payload::CustomSection(section)) => {
                let id = SECTIONS.into_iter().find(|id| id.name() == section.name());
                if let (Some(id), Some(Some(module))) = (id, open.last_mut()) {
                    let start = section.data_offset();
                    module.sections.push((id, wide(start..start + section.data().len())));
                }
            }
            Ok(_) => {}
            Err(_) => break,
        }
    }
    modules
}

fn wide(range: Range<usize>) -> Range<u64> {
    range.start as u64..range.end as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guest::backtrace::Place;

    fn read(guest: &str) -> (Vec<Module>, Vec<u8>) {
        let component = std::fs::read(guest).unwrap();
        (modules(&component).into_iter().filter(Module::has_lines).collect(), component)
    }

    #[test]
    fn the_guests_of_the_suite_have_lines() {
        let (modules, component) = read(test_guests::PROBE);
        assert_eq!(modules.len(), 1, "{modules:?}");
        let module = &modules[0];
        let sections = module.read(&File::open(test_guests::PROBE).unwrap()).unwrap();
        // The module lies inside the component, and all of its code has lines.
        assert!(module.code.end < component.len() as u64);
        let addresses: Vec<u64> = (100..module.code.end - module.code.start).step_by(997).collect();
        let (found, failure) = dwarf::places(&sections, &addresses, Instant::now() + Duration::from_secs(10));
        assert!(failure.is_none(), "{failure:?}");
        assert!(found.len() * 10 > addresses.len() * 8, "{} of {}", found.len(), addresses.len());
        let is_of_the_guest = |place: &Place| place.file == "tests/guests/examples/probe.rs" && place.line > 0;
        assert!(found.values().flatten().any(is_of_the_guest), "{found:?}");
    }

    #[test]
    fn broken_debug_information_neither_panics_nor_takes_long() {
        let (modules, _) = read(test_guests::MINIMAL);
        let sections = modules[0].read(&File::open(test_guests::MINIMAL).unwrap()).unwrap();
        let addresses: Vec<u64> = (100..modules[0].code.end - modules[0].code.start).step_by(499).take(20).collect();
        let mut random = 1_u64;
        let mut next = move || {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (random >> 33) as usize
        };
        for _ in 0..100 {
            let mut broken = sections.clone();
            for bytes in broken.values_mut().filter(|bytes| !bytes.is_empty()) {
                for _ in 0..next() % 20 {
                    let at = next() % bytes.len();
                    bytes[at] = next() as u8;
                }
            }
            let start = Instant::now();
            let _ = dwarf::places(&broken, &addresses, start + Duration::from_millis(100));
            assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
        }
    }

    #[test]
    fn endless_debug_information_is_given_up() {
        let (modules, _) = read(test_guests::MINIMAL);
        let mut sections = modules[0].read(&File::open(test_guests::MINIMAL).unwrap()).unwrap();
        let info = sections[SectionId::DebugInfo.name()].clone();
        sections.insert(SectionId::DebugInfo.name(), info.repeat((16 << 20) / info.len()));
        let start = Instant::now();
        // An address that no unit has.
        let (found, failure) = dwarf::places(&sections, &[1 << 40], start + Duration::from_millis(20));
        assert!(found.is_empty() && matches!(failure, Some(dwarf::Failure::TooLong)), "{failure:?}");
        assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    }

    #[test]
    fn a_file_that_has_changed_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("guest.wasm");
        let component = std::fs::read(test_guests::MINIMAL).unwrap();
        std::fs::write(&path, &component).unwrap();
        let symbols = Symbols::of(&path, &component).unwrap();
        let offset = symbols.modules[0].code.start + 1000;
        symbols.find(vec![offset]).unwrap();
        std::fs::write(&path, [&component[..], b"more"].concat()).unwrap();
        // What is known needs no file.
        symbols.find(vec![offset]).unwrap();
        assert!(matches!(symbols.find(vec![offset + 1]), Err(NoLines::Changed)));
    }
}
