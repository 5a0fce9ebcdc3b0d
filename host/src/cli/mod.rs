//! The command line: one file per subcommand. Only here is something printed or the environment read.

mod bindgen;
mod build;
mod cache;
mod check;
mod componentize;
mod connect;
mod contract;
mod deployments;
mod dev;
pub(crate) mod exit;
mod languages;
mod logging;
mod new;
mod path;
mod serve;
mod signals;
pub(crate) mod stderr;
mod terminal;
mod wit;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Runs WebSocket handlers that are WebAssembly components.
#[derive(Parser, Debug)]
#[command(version, about, propagate_version = false, after_help = HELP, disable_help_subcommand = false)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

const HELP: &str = "\
Examples:
  whimbrel new chat && whimbrel dev chat       Write a handler, serve it, reload it as you edit
  whimbrel connect ws://127.0.0.1:8080/chat    Talk to it
  whimbrel check chat                          See what it imports and what limits it gets
  whimbrel serve --config host.toml            Serve in production

Exit codes:
  0  done
  1  failed
  2  bad usage, a bad manifest, a bad component or a bad host config
  130, 143  ended at once by a second ctrl-c or SIGTERM

Results go to stdout, logs and notes to stderr. Colours are used on a terminal only, and not when NO_COLOR is set.
`whimbrel help COMMAND` tells more about a command.";

#[derive(Subcommand, Debug)]
enum Command {
    New(new::NewArgs),
    Build(build::BuildArgs),
    Check(check::CheckArgs),
    Dev(dev::DevArgs),
    Serve(serve::ServeArgs),
    Connect(connect::ConnectArgs),
    Wit(wit::WitArgs),
    Bindgen(bindgen::BindgenArgs),
    Componentize(componentize::ComponentizeArgs),
}

impl Cli {
    /// What the user typed; ends the process for `--help`, `--version` and bad usage.
    pub(crate) fn from_arguments() -> Self {
        Self::parse()
    }

    /// Do what the user asked for. The code is what the process is to exit with.
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        match self.command {
            Command::New(arguments) => new::run(&arguments),
            Command::Build(arguments) => build::run(&arguments),
            Command::Check(arguments) => check::run(&arguments),
            Command::Dev(arguments) => dev::run(&arguments),
            Command::Serve(arguments) => serve::run(&arguments),
            Command::Connect(arguments) => connect::run(arguments),
            Command::Wit(arguments) => wit::run(&arguments),
            Command::Bindgen(arguments) => bindgen::run(&arguments),
            Command::Componentize(arguments) => componentize::run(&arguments),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::Cli;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }
}
