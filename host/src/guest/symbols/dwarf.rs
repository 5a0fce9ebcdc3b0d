//! Searches DWARF for source lines. No recursion, and a budget for all that grows: hostile debug information costs the
//! deadline's time at most, and memory in proportion to its size.

use std::collections::BTreeMap;
use std::time::Instant;

use gimli::{
    Abbreviations, AttributeValue, DebugInfoOffset, DebugLineOffset, Dwarf, EndianSlice, EntriesRaw, LineProgramHeader,
    LittleEndian, Reader as _, Section as _, SectionId, Unit, UnitHeader, UnitOffset, UnitRef,
};

use crate::guest::backtrace::{Place, demangled, shortened};

/// Bytes of the header of one line program, which unfolds to some fifty times as much.
const LINE_HEADER: u64 = 256 * 1024;
/// Bytes of all abbreviations, which unfold likewise.
const ABBREVIATIONS: usize = 2 << 20;
/// Functions inlined into each other that are told.
const DEPTH: usize = 24;
/// Bytes of a name or a path that are looked at.
const TEXT: usize = 4 * 1024;
/// Steps between two looks at the clock.
const STEPS: u32 = 4096;

type Slice<'a> = EndianSlice<'a, LittleEndian>;

/// Why nothing was found.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// It is malformed.
    #[error("{0}")]
    Malformed(#[from] gimli::Error),
    /// The deadline passed.
    #[error("searching it takes too long")]
    TooLong,
    /// A table is too large to be unfolded.
    #[error("its abbreviations are larger than 2 MiB")]
    TooLarge,
}

/// The places of addresses by address, the innermost inlined function first.
pub(super) type Places = BTreeMap<u64, Vec<Place>>;

/// Look up these addresses. With a failure some of them may be missing that are there.
pub(super) fn places(
    sections: &BTreeMap<&'static str, Vec<u8>>,
    addresses: &[u64],
    deadline: Instant,
) -> (Places, Option<Failure>) {
    let section = |id: SectionId| sections.get(id.name()).map(Vec::as_slice).unwrap_or_default();
    if section(SectionId::DebugAbbrev).len() > ABBREVIATIONS {
        return (Places::new(), Some(Failure::TooLarge));
    }
    let dwarf = match Dwarf::load(|id| Ok(EndianSlice::new(section(id), LittleEndian))) {
        Ok(dwarf) => dwarf,
        Err(failure) => return (Places::new(), Some(failure)),
    };
    let mut search = Search { dwarf: &dwarf, clock: Clock { deadline, steps: 0 }, found: Places::new() };
    let (mut units, mut failure) = (dwarf.units(), None);
    loop {
        let header = match units.next() {
            Ok(Some(header)) => header,
            Ok(None) => break,
            Err(error) => {
                failure = Some(error.into());
                break;
            }
        };
        let missing = addresses.iter().copied().filter(|address| !search.found.contains_key(address)).collect();
        // A unit that cannot be read hides no other.
        if let Err(error) = search.clock.look().and_then(|()| search.unit(header, missing)) {
            let is_over = matches!(error, Failure::TooLong);
            failure = Some(error);
            if is_over {
                break;
            }
        }
    }
    (search.found, failure)
}

/// The deadline, and the steps since it was last looked at.
struct Clock {
    deadline: Instant,
    steps: u32,
}

impl Clock {
    fn step(&mut self) -> Result<(), Failure> {
        self.steps += 1;
        if self.steps < STEPS { Ok(()) } else { self.look() }
    }

    fn look(&mut self) -> Result<(), Failure> {
        self.steps = 0;
        if Instant::now() < self.deadline { Ok(()) } else { Err(Failure::TooLong) }
    }
}

struct Search<'a> {
    dwarf: &'a Dwarf<Slice<'a>>,
    clock: Clock,
    found: Places,
}

/// A line of a file, which the line program knows by its number.
#[derive(Clone, Copy)]
struct Line {
    file: u64,
    line: u64,
    column: u64,
}

/// What an entry says that may be a function.
#[derive(Default)]
struct Entry<'a> {
    low: Option<u64>,
    high: Option<u64>,
    length: Option<u64>,
    ranges: Option<AttributeValue<Slice<'a>>>,
    name: Option<AttributeValue<Slice<'a>>>,
    linkage_name: Option<AttributeValue<Slice<'a>>>,
    origin: Option<DebugInfoOffset>,
    call: Option<Line>,
}

/// A name, or where to look for it.
type Named = (Option<String>, Option<DebugInfoOffset>);

/// An inlined function that is active at an address: who it is, and where it was called.
struct Inlined {
    name: Option<String>,
    call: Line,
}

impl<'a> Search<'a> {
    fn unit(&mut self, header: UnitHeader<Slice<'a>>, mut addresses: Vec<u64>) -> Result<(), Failure> {
        if addresses.is_empty() {
            return Ok(());
        }
        let abbreviations = self.dwarf.abbreviations(&header)?;
        if self.has_large_lines(&header, &abbreviations)? {
            return Ok(());
        }
        let unit = Unit::new_with_abbreviations(self.dwarf, header, abbreviations)?;
        let unit = unit.unit_ref(self.dwarf);
        let mut entries = unit.entries_raw(None)?;
        let Some(root) = entry(unit, &mut entries)? else { return Ok(()) };
        let mut inside = Vec::new();
        for address in addresses.drain(..) {
            if self.contains(unit, &root, address)? {
                inside.push(address);
            }
        }
        let Some(program) = unit.line_program.clone().filter(|_| !inside.is_empty()) else { return Ok(()) };
        let lines = self.lines(program, &inside)?;
        let mut inlined = self.inlined(unit, entries, &inside)?;
        let files = unit.line_program.as_ref().map(|program| program.header());
        for (address, line) in lines {
            self.clock.look()?;
            let mut line = line;
            let mut places = Vec::new();
            // From the innermost outwards: each is at the place where the one inside it was called.
            for function in inlined.remove(&address).unwrap_or_default().into_iter().rev() {
                let name = function.name.unwrap_or_else(|| "<unknown>".to_owned());
                places.push(place(unit, files, line, Some(name)));
                line = function.call;
            }
            places.push(place(unit, files, line, None));
            self.found.insert(address, places);
        }
        Ok(())
    }

    /// The header of a line program is unfolded as a whole: not when it is hostile.
    fn has_large_lines(&self, header: &UnitHeader<Slice<'a>>, abbreviations: &Abbreviations) -> Result<bool, Failure> {
        let mut entries = header.entries_raw(abbreviations, None)?;
        let Some(abbreviation) = entries.read_abbreviation()? else { return Ok(false) };
        for spec in abbreviation.attributes() {
            let attribute = entries.read_attribute(*spec)?;
            let AttributeValue::DebugLineRef(DebugLineOffset(offset)) = attribute.value() else { continue };
            let mut program = *self.dwarf.debug_line.reader();
            program.skip(offset)?;
            let (_, format) = program.read_initial_length()?;
            let version = program.read_u16()?;
            if version >= 5 {
                program.skip(2)?;
            }
            return Ok(program.read_length(format)? as u64 > LINE_HEADER);
        }
        Ok(false)
    }

    fn contains(&mut self, unit: UnitRef<'_, Slice<'a>>, entry: &Entry<'a>, address: u64) -> Result<bool, Failure> {
        if let Some(ranges) = &entry.ranges {
            let Some(mut ranges) = unit.attr_ranges(*ranges)? else { return Ok(false) };
            while let Some(range) = ranges.next()? {
                self.clock.step()?;
                if is_within(range.begin, range.end, address) {
                    return Ok(true);
                }
            }
            return Ok(false);
        }
        let Some(low) = entry.low else { return Ok(false) };
        let high = entry.high.or_else(|| low.checked_add(entry.length?));
        Ok(high.is_some_and(|high| is_within(low, high, address)))
    }

    /// The line of each address: that of the last row before it.
    fn lines(
        &mut self,
        program: gimli::IncompleteLineProgram<Slice<'a>>,
        addresses: &[u64],
    ) -> Result<BTreeMap<u64, Line>, Failure> {
        let mut found = BTreeMap::new();
        let mut before: Option<(u64, Line)> = None;
        let mut rows = program.rows();
        while let Some((_, row)) = rows.next_row()? {
            self.clock.step()?;
            if let Some((start, line)) = before {
                for address in addresses.iter().filter(|address| is_within(start, row.address(), **address)) {
                    found.entry(*address).or_insert(line);
                }
            }
            let column = match row.column() {
                gimli::ColumnType::LeftEdge => 0,
                gimli::ColumnType::Column(column) => column.get(),
            };
            let line = Line { file: row.file_index(), line: row.line().map_or(0, |line| line.get()), column };
            before = Some((row.address(), line)).filter(|_| !row.end_sequence());
        }
        Ok(found)
    }

    /// The functions inlined at each address, the outermost first.
    fn inlined(
        &mut self,
        unit: UnitRef<'_, Slice<'a>>,
        mut entries: EntriesRaw<'_, Slice<'a>>,
        addresses: &[u64],
    ) -> Result<BTreeMap<u64, Vec<Inlined>>, Failure> {
        let mut chains = BTreeMap::<u64, Vec<Inlined>>::new();
        while !entries.is_empty() {
            self.clock.step()?;
            let Some(abbreviation) = entries.read_abbreviation()? else { continue };
            if abbreviation.tag() != gimli::DW_TAG_inlined_subroutine {
                entries.skip_attributes(abbreviation.attributes())?;
                continue;
            }
            let entry = attributes(unit, &mut entries, abbreviation)?;
            let Some(call) = entry.call else { continue };
            for address in addresses {
                if self.contains(unit, &entry, *address)? {
                    // Finding the end of a hostile name takes long.
                    self.clock.look()?;
                    let chain = chains.entry(*address).or_default();
                    if chain.len() < DEPTH {
                        let name = self.name(unit, &entry)?;
                        chain.push(Inlined { name, call });
                    }
                }
            }
        }
        Ok(chains)
    }

    /// The name of an inlined function, which is that of what it is an instance of.
    fn name(&mut self, unit: UnitRef<'_, Slice<'a>>, entry: &Entry<'a>) -> Result<Option<String>, Failure> {
        let (mut name, mut origin) = (own_name(unit, entry)?, entry.origin);
        for _ in 0..4 {
            let Some(offset) = origin.filter(|_| name.is_none()) else { break };
            (name, origin) = match offset.to_unit_offset(&unit.header) {
                Some(offset) => named(unit, offset)?,
                None => self.named_elsewhere(offset)?,
            };
        }
        Ok(name)
    }

    fn named_elsewhere(&mut self, offset: DebugInfoOffset) -> Result<Named, Failure> {
        let mut units = self.dwarf.units();
        while let Some(header) = units.next()? {
            self.clock.step()?;
            let Some(offset) = offset.to_unit_offset(&header) else { continue };
            let abbreviations = self.dwarf.abbreviations(&header)?;
            if self.has_large_lines(&header, &abbreviations)? {
                break;
            }
            let unit = Unit::new_with_abbreviations(self.dwarf, header, abbreviations)?;
            return Ok(named(unit.unit_ref(self.dwarf), offset)?);
        }
        Ok((None, None))
    }
}

/// Functions that the linker left out have addresses from 0 on.
fn is_within(begin: u64, end: u64, address: u64) -> bool {
    begin != 0 && (begin..end).contains(&address)
}

/// The next entry; none at the end of a list of children.
fn entry<'a>(
    unit: UnitRef<'_, Slice<'a>>,
    entries: &mut EntriesRaw<'_, Slice<'a>>,
) -> Result<Option<Entry<'a>>, gimli::Error> {
    match entries.read_abbreviation()? {
        Some(abbreviation) => attributes(unit, entries, abbreviation).map(Some),
        None => Ok(None),
    }
}

fn attributes<'a>(
    unit: UnitRef<'_, Slice<'a>>,
    entries: &mut EntriesRaw<'_, Slice<'a>>,
    abbreviation: &gimli::Abbreviation,
) -> Result<Entry<'a>, gimli::Error> {
    let mut entry = Entry::default();
    let (mut file, mut line, mut column) = (None, None, 0);
    for spec in abbreviation.attributes() {
        let attribute = entries.read_attribute(*spec)?;
        match (attribute.name(), attribute.value()) {
            (gimli::DW_AT_low_pc, value) => entry.low = unit.attr_address(value)?,
            (gimli::DW_AT_high_pc, AttributeValue::Udata(length)) => entry.length = Some(length),
            (gimli::DW_AT_high_pc, value) => entry.high = unit.attr_address(value)?,
            (gimli::DW_AT_ranges, value) => entry.ranges = Some(value),
            (gimli::DW_AT_name, value) => entry.name = Some(value),
            (gimli::DW_AT_linkage_name, value) => entry.linkage_name = Some(value),
            (gimli::DW_AT_abstract_origin | gimli::DW_AT_specification, value) => {
                entry.origin = match value {
                    AttributeValue::UnitRef(offset) => offset.to_debug_info_offset(&unit.header),
                    // Into another unit: link-time optimization inlines across them.
                    AttributeValue::DebugInfoRef(offset) => Some(offset),
                    _ => None,
                };
            }
            (gimli::DW_AT_call_file, AttributeValue::FileIndex(index)) => file = Some(index),
            (gimli::DW_AT_call_line, value) => line = value.udata_value(),
            (gimli::DW_AT_call_column, value) => column = value.udata_value().unwrap_or_default(),
            _ => {}
        }
    }
    entry.call = file.zip(line).map(|(file, line)| Line { file, line, column });
    Ok(entry)
}

/// An entry's own name, as it is mangled where it is.
fn own_name<'a>(unit: UnitRef<'_, Slice<'a>>, entry: &Entry<'a>) -> Result<Option<String>, gimli::Error> {
    let Some(name) = entry.linkage_name.or(entry.name) else { return Ok(None) };
    Ok(Some(demangled(&text(unit.attr_string(name)?))))
}

/// The entry at an offset: its name, or what it refers to.
fn named<'a>(unit: UnitRef<'_, Slice<'a>>, offset: UnitOffset) -> Result<Named, gimli::Error> {
    let mut entries = unit.entries_raw(Some(offset))?;
    let Some(entry) = entry(unit, &mut entries)? else { return Ok((None, None)) };
    Ok((own_name(unit, &entry)?, entry.origin))
}

fn place<'a>(
    unit: UnitRef<'_, Slice<'a>>,
    files: Option<&LineProgramHeader<Slice<'a>>>,
    line: Line,
    inlined: Option<String>,
) -> Place {
    let file = files.and_then(|files| path(unit, files, line.file)).unwrap_or_else(|| "<unknown>".to_owned());
    Place { inlined, file: shortened(&file), line: line.line, column: line.column }
}

/// The path as the compiler was given it, without the folder in which it ran.
fn path<'a>(unit: UnitRef<'_, Slice<'a>>, files: &LineProgramHeader<Slice<'a>>, index: u64) -> Option<String> {
    let file = files.file(index)?;
    let name = unit.attr_string(file.path_name()).ok()?;
    let name = text(name);
    let folder = file.directory(files).filter(|_| file.directory_index() != 0);
    let folder = folder.and_then(|folder| unit.attr_string(folder).ok());
    Some(match folder {
        Some(folder) if !name.starts_with('/') => format!("{}/{name}", text(folder)),
        _ => name,
    })
}

/// The beginning of a text: nobody shows more of it.
fn text(bytes: Slice<'_>) -> String {
    let bytes = bytes.slice();
    String::from_utf8_lossy(bytes.get(..TEXT).unwrap_or(bytes)).into_owned()
}
