//! `whimbrel bindgen`: bindings of the contract, or of any world, for languages whose generators are crates.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, ValueEnum};
use wit_bindgen_core::{Files, WorldGenerator};
use wit_parser::{Resolve, WorldId};

use crate::cli::{contract, terminal};

/// Write bindings of the contract for C or Go
#[derive(Args, Debug)]
#[command(after_help = HELP)]
pub(crate) struct BindgenArgs {
    /// The language; bindings for C serve C++ too
    #[arg(long, value_enum)]
    lang: Generator,

    /// The world
    #[arg(long, default_value = "websocket-handler")]
    world: String,

    /// A folder of WIT files in place of the contract's
    #[arg(long, value_name = "DIR")]
    wit: Option<PathBuf>,

    /// Where to write them
    #[arg(long, value_name = "DIR", default_value = ".")]
    out: PathBuf,
}

const HELP: &str = "\
New handlers in C, C++ and Go have their bindings already. JavaScript and Python get them from their own tools, Rust has
the SDK, Zig a module in the folder of a new handler.

Examples:
  whimbrel bindgen --lang c --out whimbrel
  whimbrel bindgen --lang go --world websocket-handler-with-upgrade --out .

Exit codes:
  0  written
  1  failed
  2  bad usage";

/// The languages with a generator in this program.
#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Generator {
    /// C, and with it C++
    C,
    /// Go
    Go,
}

/// Write the files, and print their paths.
pub(crate) fn run(arguments: &BindgenArgs) -> anyhow::Result<ExitCode> {
    let (mut resolve, world) = world(arguments.wit.as_deref(), &arguments.world)?;
    for (name, bytes) in generate(arguments.lang, &mut resolve, world)? {
        let file = arguments.out.join(name);
        if let Some(folder) = file.parent() {
            fs::create_dir_all(folder).with_context(|| format!("failed to make {}", folder.display()))?;
        }
        fs::write(&file, bytes).with_context(|| format!("failed to write {}", file.display()))?;
        terminal::result(&file.display().to_string())?;
    }
    Ok(ExitCode::SUCCESS)
}

fn world(folder: Option<&Path>, name: &str) -> anyhow::Result<(Resolve, WorldId)> {
    let (resolve, package) = match folder {
        Some(folder) => {
            let mut resolve = Resolve::default();
            let (package, _) = resolve.push_path(folder)?;
            (resolve, package)
        }
        None => contract::resolve()?,
    };
    let world = resolve.select_world(&[package], Some(name))?;
    Ok((resolve, world))
}

/// Names of files, relative to where they are to lie, and what is in them.
fn generate(generator: Generator, resolve: &mut Resolve, world: WorldId) -> anyhow::Result<Vec<(String, Vec<u8>)>> {
    let mut generator: Box<dyn WorldGenerator> = match generator {
        // `whimbrel componentize` embeds the world; an object file would have to be linked, and is forgotten easily.
        Generator::C => wit_bindgen_c::Opts { no_object_file: true, ..Default::default() }.build(),
        Generator::Go => wit_bindgen_go::Opts::default().build(),
    };
    let mut files = Files::default();
    generator.generate(resolve, world, &mut files)?;
    Ok(files.iter().map(|(name, bytes)| (name.to_owned(), without_link(bytes).to_vec())).collect())
}

/// The generator leaves a reference to the object file in the C file when it is told to make none.
fn without_link(bytes: &[u8]) -> &[u8] {
    const COMMENT: &[u8] = b"\n// Ensure that the *_component_type.o object is linked in";
    let place = bytes.windows(COMMENT.len()).position(|window| window == COMMENT);
    place.and_then(|place| bytes.get(..place)).unwrap_or(bytes)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{Generator, generate, world};

    /// `WHIMBREL_BLESS=1` writes them.
    #[test]
    fn the_bindings_of_templates_are_fresh() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("templates/c/whimbrel");
        let (mut resolve, world) = world(None, "websocket-handler-with-upgrade").unwrap();
        for (name, bytes) in generate(Generator::C, &mut resolve, world).unwrap() {
            let file = folder.join(name);
            if std::env::var_os("WHIMBREL_BLESS").is_some() {
                std::fs::write(&file, &bytes).unwrap();
            }
            let is_fresh = std::fs::read(&file).unwrap() == bytes;
            assert!(is_fresh, "{}: WHIMBREL_BLESS=1 cargo test --bins bindings", file.display());
        }
    }
}
