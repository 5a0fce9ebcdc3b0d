//! JavaScript.

use super::Profile;
use super::recipe::{Project, Step};

pub(super) const PROFILE: Profile = Profile {
    title: "JavaScript",
    needs: &[],
    template: &[],
    support: &[],
    wit: true,
    project_files: &[&["package.json"]],
};

/// Not written yet.
pub(super) async fn recipe(_project: &Project<'_>) -> anyhow::Result<Vec<Step>> {
    anyhow::bail!("JavaScript cannot be built yet")
}
