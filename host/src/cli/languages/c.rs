//! C: zig's C compiler or clang, generated bindings, and a header that makes them pleasant.

use super::Profile;
use super::compiler::{self, COMPILERS, Dialect};
use super::recipe::{Project, Step};

const DIALECT: Dialect = Dialect { title: "C", zig: &["cc"], clang: &[], extensions: &["c"] };

pub(super) const PROFILE: Profile = Profile {
    title: DIALECT.title,
    needs: &[COMPILERS],
    template: &[],
    support: &[],
    wit: true,
    project_files: &[&["handler.c"]],
};

/// Compile and link, then make the component.
pub(super) async fn recipe(project: &Project<'_>) -> anyhow::Result<Vec<Step>> {
    compiler::recipe(&DIALECT, project).await
}
