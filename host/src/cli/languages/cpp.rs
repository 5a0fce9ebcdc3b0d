//! C++: as C, with a class around the bindings. Without exceptions, which no C++ library for WASI has.

use super::compiler::{self, COMPILERS, Dialect};
use super::recipe::{Project, Step};
use super::{File, Profile, c};

const DIALECT: Dialect = Dialect {
    title: "C++",
    zig: &["c++", "-std=c++20", "-fno-exceptions"],
    clang: &["--driver-mode=g++", "-std=c++20", "-fno-exceptions"],
    extensions: &["cc", "cpp", "cxx"],
    c_too: true,
};

pub(super) const PROFILE: Profile = Profile {
    title: DIALECT.title,
    needs: &[COMPILERS],
    template: &[
        ("handler.cpp", include_str!("../../../templates/cpp/handler.cpp.txt")),
        ("whimbrel.toml", include_str!("../../../templates/c/whimbrel.toml.txt")),
        ("README.md", include_str!("../../../templates/cpp/README.md.txt")),
        (".gitignore", include_str!("../../../templates/c/gitignore.txt")),
    ],
    support: SUPPORT,
    wit: true,
    project_files: &[&["handler.cpp"]],
};

/// What C has, and the classes over its header.
const SUPPORT: &[File; 5] = {
    let [bindings, declarations, functions, header] = *c::BINDINGS;
    let classes = ("whimbrel/whimbrel.hpp", include_str!("../../../templates/cpp/whimbrel.hpp"));
    &[bindings, declarations, functions, header, classes]
};

/// Compile and link, then make the component.
pub(super) async fn recipe(project: &Project<'_>) -> anyhow::Result<Vec<Step>> {
    compiler::recipe(&DIALECT, project).await
}
