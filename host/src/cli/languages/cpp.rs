//! C++: as C, with a class around the bindings. Without exceptions, which no C++ library for WASI has.

use super::Profile;
use super::compiler::{self, COMPILERS, Dialect};
use super::recipe::{Project, Step};

const DIALECT: Dialect = Dialect {
    title: "C++",
    zig: &["c++", "-std=c++20", "-fno-exceptions"],
    clang: &["--driver-mode=g++", "-std=c++20", "-fno-exceptions"],
    extensions: &["c", "cc", "cpp", "cxx"],
};

pub(super) const PROFILE: Profile = Profile {
    title: DIALECT.title,
    needs: &[COMPILERS],
    template: &[],
    support: &[],
    wit: true,
    project_files: &[&["handler.cpp"]],
};

/// Compile and link, then make the component.
pub(super) async fn recipe(project: &Project<'_>) -> anyhow::Result<Vec<Step>> {
    compiler::recipe(&DIALECT, project).await
}
