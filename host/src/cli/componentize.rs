//! `whimbrel componentize`: a component of a core module, as compilers without components make it.

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, ensure};
use clap::Args;
use wasi_preview1_component_adapter_provider as adapter;
use wasmparser::{Parser, Payload};
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
    write(&arguments.core, &output, own, encoding)?;
    terminal::result(&path::display(&output))?;
    Ok(ExitCode::SUCCESS)
}

/// Make a component of a core module that speaks the contract.
pub(crate) fn file(core: &Path, component: &Path) -> anyhow::Result<()> {
    write(core, component, None, StringEncoding::UTF8)
}

fn write(core: &Path, component: &Path, own: Option<(&Path, &str)>, encoding: StringEncoding) -> anyhow::Result<()> {
    let module = std::fs::read(core).with_context(|| format!("failed to read {}", core.display()))?;
    let bytes =
        encode(&module, own, encoding).with_context(|| format!("{} does not become a component", core.display()))?;
    std::fs::write(component, bytes).with_context(|| format!("failed to write {}", component.display()))
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
