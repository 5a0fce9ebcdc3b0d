//! `whimbrel wit`: the contract's WIT files, as this program knows them.

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;

use crate::cli::{contract, path, terminal};

/// Write the contract's WIT files, or show them
#[derive(Args, Debug)]
#[command(after_help = HELP)]
pub(crate) struct WitArgs {
    /// Write them into this folder, over files of the same names; without it they are printed
    dir: Option<PathBuf>,
}

const HELP: &str = "\
Examples:
  whimbrel wit          Read the contract
  whimbrel wit wit      Write it where tools such as wit-bindgen and componentize-py look

Exit codes:
  0  done
  1  failed
  2  bad usage";

/// Write or print.
pub(crate) fn run(arguments: &WitArgs) -> anyhow::Result<ExitCode> {
    let Some(dir) = &arguments.dir else {
        let texts: Vec<_> = contract::FILES.iter().map(|(name, text)| format!("// {name}\n{text}")).collect();
        terminal::bytes(texts.join("\n").as_bytes())?;
        return Ok(ExitCode::SUCCESS);
    };
    fs::create_dir_all(dir).with_context(|| format!("failed to make {}", dir.display()))?;
    for (name, text) in contract::FILES {
        let file = dir.join(name);
        fs::write(&file, text).with_context(|| format!("failed to write {}", file.display()))?;
    }
    terminal::result(&path::display(dir))?;
    Ok(ExitCode::SUCCESS)
}
