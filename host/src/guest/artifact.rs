//! A component compiled, linked, its world checked.

use std::fmt;
use std::path::{Path, PathBuf};

use wasmparser::{DataKind, Parser, Payload};
use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, InstancePre};

use super::bindings::handler;
use super::capacity::Contents;
use super::contract;
use super::engine::{Core, Engine};
use super::exports::{self, Optional};
use super::state::State;
use super::symbols::Symbols;
use crate::limits::Limits;
use crate::manifest::Metering;

const HANDLER: &str = "whimbrel:websocket/handler@0.1.0";
const HANDLER_FUNCTIONS: [&str; 5] = ["open", "on-message", "on-close", "on-ping", "on-pong"];

/// How all WebAssembly begins.
const MAGIC: &[u8] = b"\0asm";
/// How the binary of a core module begins: magic number, version 1, layer 0.
const CORE_MODULE: &[u8] = b"\0asm\x01\0\0\0";

/// How wasmtime's errors name what the pool of instances has no room for, and how its size comes about.
const POOLED: [(&str, &str); 6] = [
    ("core module instances, which exceeds", "more than the host's ceiling of limits.core_instances"),
    ("tables, which exceeds", "more than the host's ceiling of limits.core_instances"),
    ("defined memories count", "more memories in a module than any host allows"),
    ("defined tables count", "more tables in a module than any host allows"),
    ("module memory does not fit", "more than the host's ceiling of limits.memory"),
    ("module table does not fit", "more than the host's ceiling of limits.table_elements"),
];

/// What the host offers to import, for the error that names what it does not.
const OFFERED: [&str; 9] = [
    "whimbrel:websocket/types@0.1",
    "whimbrel:websocket/connection@0.1",
    "whimbrel:websocket/topics@0.1",
    "wasi:cli/*@0.2",
    "wasi:clocks/*@0.2",
    "wasi:filesystem/*@0.2 (with no files)",
    "wasi:io/*@0.2",
    "wasi:random/*@0.2",
    "wasi:sockets/*@0.2 (all denied)",
];

/// Why a component was refused. `Display` is a line per problem.
#[derive(Debug)]
pub struct LoadError {
    /// The component's file.
    pub path: PathBuf,
    /// Every problem that was found.
    pub problems: Vec<String>,
}

impl fmt::Display for LoadError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        for (index, problem) in self.problems.iter().enumerate() {
            let newline = if index == 0 { "" } else { "\n" };
            write!(formatter, "{newline}{path}: {problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for LoadError {}

/// A component compiled, linked, its world checked. Clones share the machine code.
#[derive(Clone)]
pub struct Artifact {
    pub(super) engine: Core,
    pub(super) pre: InstancePre<State>,
    pub(super) handler: std::sync::Arc<handler::GuestIndices>,
    pub(super) optional: Optional,
    symbols: Option<std::sync::Arc<Symbols>>,
    imports: Vec<String>,
    size: u64,
}

impl fmt::Debug for Artifact {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Artifact").field("size", &self.size).finish_non_exhaustive()
    }
}

impl Artifact {
    /// Read, compile and check a component. Takes the time of a compiler: not for a serving thread.
    pub fn load(engine: &Engine, path: &Path, limits: &Limits, metering: Metering) -> Result<Self, LoadError> {
        let fail = |problem: String| LoadError { path: path.to_owned(), problems: vec![problem] };
        let bytes = read(path, limits).map_err(fail)?;
        let contents = Contents::of(data_size(&bytes));
        let engine = &engine.core(metering, contents).map_err(|error| fail(error.to_string()))?;
        let component = engine.component(&bytes).map_err(|error| fail(not_a_component(&bytes, &error)))?;
        let imports = imports(engine, &component);
        let exports: Vec<_> = component.component_type().exports(&engine.inner).map(|(n, _)| n.to_owned()).collect();
        if let Some(problem) = contract::other_version(imports.iter().chain(&exports).map(String::as_str)) {
            return Err(fail(problem));
        }
        let mut problems = missing_exports(engine, &component);
        problems.extend(exports::problems(&component));
        problems.extend(unknown_imports(&imports));
        if !problems.is_empty() {
            return Err(LoadError { path: path.to_owned(), problems });
        }
        let pre = engine
            .linker
            .instantiate_pre(&component)
            .map_err(|error| fail(format!("an import does not fit: {error:#}")))?;
        let handler = handler::GuestIndices::new(&pre).map_err(|error| fail(format!("{HANDLER}: {error:#}")))?;
        let optional = Optional::new(&component, &pre).map_err(|error| fail(format!("{error:#}")))?;
        Ok(Artifact {
            engine: engine.clone(),
            pre,
            handler: handler.into(),
            optional,
            symbols: Symbols::of(path, &bytes).map(Into::into),
            imports,
            size: bytes.len() as u64,
        })
    }

    /// What suits the component in this file; none when it cannot be read.
    pub fn contents_of(path: &Path, limits: &Limits) -> Option<Contents> {
        read(path, limits).ok().map(|bytes| Contents::of(data_size(&bytes)))
    }

    /// How the memory of an instance gets its first contents.
    pub fn contents(&self) -> Contents {
        self.engine.contents
    }

    /// Whether the guest has a say in the handshake.
    pub fn exports_upgrade(&self) -> bool {
        self.optional.upgrade.is_some()
    }

    /// Whether an instance can be replaced between two events, its state handed over.
    pub fn hands_over(&self) -> bool {
        self.optional.lifecycle.is_some()
    }

    /// The interfaces that the component imports, with their versions.
    pub fn imports(&self) -> &[String] {
        &self.imports
    }

    /// Where the component's debug information lies; none when it has none.
    pub fn symbols(&self) -> Option<&std::sync::Arc<Symbols>> {
        self.symbols.as_ref()
    }

    /// The component's size, in bytes.
    pub fn size(&self) -> u64 {
        self.size
    }
}

fn read(path: &Path, limits: &Limits) -> Result<Vec<u8>, String> {
    let size = std::fs::metadata(path).map_err(|error| error.to_string())?.len();
    let most = limits.component_size as u64;
    if size > most {
        let (size, most) = (bytesize::ByteSize(size), bytesize::ByteSize(most));
        return Err(format!("a component of {size}; at most {most} are allowed (limits.component_size)"));
    }
    std::fs::read(path).map_err(|error| error.to_string())
}

/// Bytes that a new instance of the component is given as the first contents of its memories. What cannot be read is left
/// for the compiler to complain about.
fn data_size(component: &[u8]) -> usize {
    let sections = Parser::new(0).parse_all(component).map_while(Result::ok).filter_map(|payload| match payload {
        Payload::DataSection(section) => Some(section),
        _ => None,
    });
    let all = sections.flat_map(|section| section.into_iter().map_while(Result::ok));
    let active = all.filter(|data| matches!(data.kind, DataKind::Active { .. }));
    active.map(|data| data.data.len()).fold(0, usize::saturating_add)
}

fn not_a_component(bytes: &[u8], error: &wasmtime::Error) -> String {
    if bytes.starts_with(CORE_MODULE) {
        return "a core module, not a component; build it for wasm32-wasip2, or make a component of it with `whimbrel \
                componentize`"
            .to_owned();
    }
    if bytes.is_empty() {
        return "an empty file, not a component".to_owned();
    }
    if wasmtime::Engine::detect_precompiled(bytes).is_some() {
        return "precompiled machine code, which nothing can check and no host loads; give the component itself"
            .to_owned();
    }
    let beginning = bytes.get(..MAGIC.len()).unwrap_or(bytes);
    if !MAGIC.starts_with(beginning) {
        let (found, magic) = (beginning.escape_ascii(), MAGIC.escape_ascii());
        return format!("not a component: it begins with \"{found}\", and WebAssembly with \"{magic}\"");
    }
    // Some of the compiler's errors are lists over several lines; here a line is a problem.
    let problem = format!("{error:#}");
    let problem = problem.lines().map(str::trim).collect::<Vec<_>>().join(" ");
    match POOLED.iter().find(|(part, _)| problem.contains(part)) {
        Some((_, reason)) => format!("{reason}: {problem}"),
        None => format!("not a component that can be compiled: {problem}"),
    }
}

fn imports(engine: &Core, component: &Component) -> Vec<String> {
    component.component_type().imports(&engine.inner).map(|(name, _)| name.to_owned()).collect()
}

fn missing_exports(engine: &Core, component: &Component) -> Vec<String> {
    let Some((_, instance)) = component.get_export(None, HANDLER) else {
        let exports: Vec<_> = component.component_type().exports(&engine.inner).map(|(n, _)| n.to_owned()).collect();
        let exports = if exports.is_empty() { "nothing".to_owned() } else { exports.join(", ") };
        return vec![format!("missing export {HANDLER}; the component exports {exports}")];
    };
    HANDLER_FUNCTIONS
        .iter()
        .filter(|function| {
            let export = component.get_export(Some(&instance), function);
            !matches!(export, Some((ComponentItem::ComponentFunc(_), _)))
        })
        .map(|function| format!("missing export {HANDLER} function {function}"))
        .collect()
}

fn unknown_imports(imports: &[String]) -> Vec<String> {
    let unknown: Vec<_> = imports.iter().filter(|import| !is_offered(import)).cloned().collect();
    if unknown.is_empty() {
        return Vec::new();
    }
    vec![format!("imports that this host does not offer: {}; offered are {}", unknown.join(", "), OFFERED.join(", "))]
}

fn is_offered(import: &str) -> bool {
    OFFERED.iter().any(|offer| {
        let offer = offer.split(' ').next().unwrap_or(offer);
        let Some((interface, version)) = offer.split_once('@') else { return false };
        let Some((name, found)) = import.split_once('@') else { return false };
        let name_fits = match interface.strip_suffix('*') {
            Some(package) => name.starts_with(package),
            None => name == interface,
        };
        name_fits && found.strip_prefix(version).is_some_and(|rest| rest.starts_with('.'))
    })
}

#[cfg(test)]
mod tests {
    use super::{data_size, is_offered};

    #[test]
    fn only_data_that_every_instance_begins_with_is_counted() {
        let active = [&[0, 0x41, 0, 0x0b, 5], &b"hello"[..]].concat();
        let passive = [&[1, 3], &b"two"[..]].concat();
        let segments = [&[3][..], &active, &passive, &active].concat();
        let data = [&[11, segments.len() as u8][..], &segments].concat();
        let module = [&b"\0asm\x01\0\0\0"[..], &[5, 3, 1, 0, 1], &data].concat();
        let nested = [&[1, module.len() as u8][..], &module].concat();
        let component = [&b"\0asm\x0d\0\x01\0"[..], &nested, &nested].concat();
        assert_eq!(data_size(&component), 20);
        assert_eq!(data_size(&component[..component.len() - 8]), 10);
        assert_eq!(data_size(b"no component"), 0);
    }

    #[test]
    fn imports_are_offered_by_interface_and_version() {
        assert!(is_offered("wasi:cli/stdout@0.2.6"));
        assert!(is_offered("whimbrel:websocket/connection@0.1.0"));
        assert!(!is_offered("wasi:http/types@0.2.6"));
        assert!(!is_offered("wasi:cli/stdout@0.3.0"));
        assert!(!is_offered("whimbrel:websocket/connection@0.10.0"));
        assert!(!is_offered("whimbrel:websocket/timers@0.1.0"));
        assert!(!is_offered("unversioned"));
    }
}
