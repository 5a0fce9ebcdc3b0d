//! Zig: a module in Zig that speaks the contract itself, without C and without its library.

use std::ffi::OsString;

use super::Profile;
use super::compiler::ZIG;
use super::programs::require;
use super::recipe::{Project, Step};

pub(super) const PROFILE: Profile = Profile {
    title: "Zig",
    needs: &[NEEDED],
    template: &[
        ("handler.zig", include_str!("../../../templates/zig/handler.zig.txt")),
        ("whimbrel.toml", include_str!("../../../templates/c/whimbrel.toml.txt")),
        ("README.md", include_str!("../../../templates/zig/README.md.txt")),
        (".gitignore", include_str!("../../../templates/c/gitignore.txt")),
    ],
    support: &[("whimbrel/whimbrel.zig", include_str!("../../../templates/zig/whimbrel.zig"))],
    wit: true,
    project_files: &[&["handler.zig"]],
};

/// The version that the module is written in: the language changes from one to the next.
const NEEDED: &[super::Program] = &[super::Program { minimum: &[0, 17], ..ZIG }];

/// What the compiler is told: a library for the host to call, with checks of its bounds and overflows. Its default stack of
/// 16 MiB would be every instance's own.
const FLAGS: &str = "-target wasm32-wasi -fno-entry -rdynamic -O ReleaseSafe -fno-strip --stack 262144";

/// Compile, then make the component.
pub(super) async fn recipe(project: &Project<'_>) -> anyhow::Result<Vec<Step>> {
    let (_, zig) = require(PROFILE.title, NEEDED, project.dir).await?;
    let core = project.beside_component("core.wasm")?;
    let mut output = OsString::from("-femit-bin=");
    output.push(&core);
    let arguments = ["build-exe", "handler.zig"].into_iter().chain(FLAGS.split_whitespace()).map(OsString::from);
    Ok(vec![zig.run(arguments.chain([output])), Step::Componentize { core }])
}
