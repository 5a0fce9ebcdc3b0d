//! `whimbrel componentize`: a component of a core module, as compilers without components make it.

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, ensure};
use clap::Args;
use wasi_preview1_component_adapter_provider as adapter;
use wasmparser::{BinaryReader, Parser, Payload};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::{Resolve, WorldId};

use crate::cli::{contract, path, terminal};

/// Make a component of a core module, with the contract and WASI's adapter built in
#[derive(Args, Debug)]
#[command(after_help = HELP)]
pub(crate) struct ComponentizeArgs {
    /// A core module that exports the contract's functions, as bindings of `whimbrel bindgen` make a compiler do
    core: PathBuf,

    /// Where to write the component [default: CORE with .component.wasm for its .wasm]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,

    /// A folder of WIT files, for a guest whose world is more than the contract's
    #[arg(long, value_name = "DIR", requires = "world")]
    wit: Option<PathBuf>,

    /// The world in the files of --wit
    #[arg(long, requires = "wit")]
    world: Option<String>,

    /// How the module has its strings in memory
    #[arg(long, value_enum, default_value_t = Encoding::Utf8)]
    encoding: Encoding,
}

/// The encodings of strings that components know.
#[derive(clap::ValueEnum, Debug, Clone, Copy)]
enum Encoding {
    /// As most languages have them
    Utf8,
    /// As AssemblyScript has them
    Utf16,
}

const HELP: &str = "\
Which of the contract's optional interfaces a module has is told from what it exports. A module that carries a world
already, as those with wit-bindgen's object file do, keeps it. Calls of WASI preview 1 go through the adapter.

Examples:
  clang --target=wasm32-wasi -mexec-model=reactor -o core.wasm handler.c websocket_handler.c
  whimbrel componentize core.wasm -o chat.wasm

Exit codes:
  0  written
  1  failed, for example because an export is missing or has another type
  2  bad usage";

/// Write the component.
pub(crate) fn run(arguments: &ComponentizeArgs) -> anyhow::Result<ExitCode> {
    let output = arguments.output.clone().unwrap_or_else(|| arguments.core.with_extension("component.wasm"));
    let own = arguments.wit.as_deref().zip(arguments.world.as_deref());
    let encoding = match arguments.encoding {
        Encoding::Utf8 => StringEncoding::UTF8,
        Encoding::Utf16 => StringEncoding::UTF16,
    };
    write(&arguments.core, &read(&arguments.core)?, &output, own, encoding)?;
    terminal::result(&path::display(&output))?;
    Ok(ExitCode::SUCCESS)
}

/// Make a component of a core module that speaks the contract. Debug information is left out, and names of functions
/// stay: of the compilers that need this step, some leave megabytes of it and others can only drop both.
pub(crate) fn file(core: &Path, component: &Path) -> anyhow::Result<()> {
    let module =
        without_debug_information(&read(core)?).with_context(|| format!("{} is not a core module", core.display()))?;
    write(core, &module, component, None, StringEncoding::UTF8)
}

fn read(core: &Path) -> anyhow::Result<Vec<u8>> {
    std::fs::read(core).with_context(|| format!("failed to read {}", core.display()))
}

fn write(
    core: &Path,
    module: &[u8],
    component: &Path,
    own: Option<(&Path, &str)>,
    encoding: StringEncoding,
) -> anyhow::Result<()> {
    let bytes =
        encode(module, own, encoding).with_context(|| format!("{} does not become a component", core.display()))?;
    std::fs::write(component, bytes).with_context(|| format!("failed to write {}", component.display()))
}

fn without_debug_information(module: &[u8]) -> anyhow::Result<Vec<u8>> {
    const HEADER: usize = 8;
    const CUSTOM: u8 = 0;
    let mut reader = BinaryReader::new(module, 0);
    let mut kept = reader.read_bytes(HEADER)?.to_vec();
    while !reader.eof() {
        let began = reader.current_position();
        let id = reader.read_u8()?;
        let size = reader.read_var_u32()?;
        let content = reader.read_bytes(size as usize)?;
        let is_debug = id == CUSTOM && BinaryReader::new(content, 0).read_string()?.starts_with(".debug");
        if !is_debug {
            kept.extend(module.get(began..reader.current_position()).unwrap_or_default());
        }
    }
    Ok(kept)
}

fn encode(module: &[u8], own: Option<(&Path, &str)>, encoding: StringEncoding) -> anyhow::Result<Vec<u8>> {
    ensure!(
        Parser::is_core_wasm(module),
        "it is not a core module{}",
        if Parser::is_component(module) { ", but a component already" } else { "" }
    );
    let contents = Contents::of(module)?;
    let module = match (own, contents.has_world) {
        (None, true) => Cow::Borrowed(module),
        (own, _) => {
            let (resolve, world) = match own {
                Some((folder, world)) => own_world(folder, world)?,
                None => contract_world(&contents)?,
            };
            let mut module = module.to_vec();
            embed_component_metadata(&mut module, &resolve, world, encoding, false)?;
            Cow::Owned(module)
        }
    };
    let mut encoder = ComponentEncoder::default();
    encoder.module(&module)?.validate(true);
    encoder.adapter(adapter::WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, adapter::WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER)?;
    encoder.encode()
}

fn own_world(folder: &Path, world: &str) -> anyhow::Result<(Resolve, WorldId)> {
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_path(folder)?;
    let world = resolve.select_world(&[package], Some(world))?;
    Ok((resolve, world))
}

fn contract_world(contents: &Contents) -> anyhow::Result<(Resolve, WorldId)> {
    let (mut resolve, _) = contract::resolve()?;
    let package = resolve.push_str("guest.wit", &contract::world_for(contents.exports.iter().map(String::as_str)))?;
    let world = resolve.select_world(&[package], None)?;
    Ok((resolve, world))
}

/// What a core module tells of itself.
struct Contents {
    exports: Vec<String>,
    /// A world is embedded, by the object file of a bindings generator.
    has_world: bool,
}

impl Contents {
    fn of(module: &[u8]) -> anyhow::Result<Self> {
        let mut contents = Self { exports: Vec::new(), has_world: false };
        for payload in Parser::new(0).parse_all(module) {
            match payload? {
                Payload::ExportSection(exports) => {
                    for export in exports {
                        contents.exports.push(export?.name.to_owned());
                    }
                }
                Payload::CustomSection(section) => contents.has_world |= section.name().starts_with("component-type"),
                _ => {}
            }
        }
        Ok(contents)
    }
}

#[cfg(test)]
mod tests {
    use super::{encode, without_debug_information};
    use wit_component::StringEncoding;

    const EMPTY: &[u8] = b"\0asm\x01\0\0\0";

    #[test]
    fn only_debug_information_is_left_out() {
        let name = [0, 6, 4, b'n', b'a', b'm', b'e', 0];
        let debug = [0, 8, 6, b'.', b'd', b'e', b'b', b'u', b'g', 1];
        let types = [1, 1, 0];
        let module = [EMPTY, &name, &debug, &types].concat();
        assert_eq!(without_debug_information(&module).unwrap(), [EMPTY, &name, &types].concat());
        assert!(without_debug_information(&module[..module.len() - 1]).is_err());
    }

    #[test]
    fn what_is_missing_is_named() {
        let error = encode(EMPTY, None, StringEncoding::UTF8).unwrap_err();
        assert!(format!("{error:#}").contains("whimbrel:websocket/handler@0.1.0"), "{error:#}");
        let error = encode(b"text", None, StringEncoding::UTF8).unwrap_err();
        assert!(format!("{error:#}").contains("not a core module"), "{error:#}");
    }
}
