//! TypeScript.

use super::Profile;
use super::recipe::{Project, Step};

pub(super) const PROFILE: Profile = Profile {
    title: "TypeScript",
    needs: &[],
    template: &[],
    support: &[],
    wit: true,
    project_files: &[&["tsconfig.json"]],
};

/// Not written yet.
pub(super) async fn recipe(_project: &Project<'_>) -> anyhow::Result<Vec<Step>> {
    anyhow::bail!("TypeScript cannot be built yet")
}
