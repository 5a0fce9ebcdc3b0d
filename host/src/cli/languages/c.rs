//! C: zig's C compiler or clang, generated bindings, and a header that makes them pleasant.

use super::compiler::{self, COMPILERS, Dialect};
use super::recipe::{Project, Step};
use super::{File, Profile};

const DIALECT: Dialect = Dialect { title: "C", zig: &["cc"], clang: &[], extensions: &["c"], c_too: false };

pub(super) const PROFILE: Profile = Profile {
    title: DIALECT.title,
    needs: &[COMPILERS],
    template: &[
        ("handler.c", include_str!("../../../templates/c/handler.c.txt")),
        ("whimbrel.toml", include_str!("../../../templates/c/whimbrel.toml.txt")),
        ("README.md", include_str!("../../../templates/c/README.md.txt")),
        (".gitignore", include_str!("../../../templates/c/gitignore.txt")),
    ],
    support: BINDINGS,
    wit: true,
    project_files: &[&["handler.c"]],
};

macro_rules! support_files {
    ($($name:literal),+ $(,)?) => {
        &[$((concat!("whimbrel/", $name), include_str!(concat!("../../../templates/c/whimbrel/", $name)))),+]
    };
}

/// The header for handlers, and the generated bindings under it.
pub(super) const BINDINGS: &[File; 4] =
    support_files!["websocket_handler_with_upgrade.c", "websocket_handler_with_upgrade.h", "whimbrel.c", "whimbrel.h",];

/// Compile and link, then make the component.
pub(super) async fn recipe(project: &Project<'_>) -> anyhow::Result<Vec<Step>> {
    compiler::recipe(&DIALECT, project).await
}
