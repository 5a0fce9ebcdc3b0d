//! Python.

use super::Profile;
use super::recipe::{Project, Step};

pub(super) const PROFILE: Profile = Profile {
    title: "Python",
    needs: &[],
    template: &[],
    support: &[],
    wit: true,
    project_files: &[&["requirements.txt"]],
};

/// Not written yet.
pub(super) async fn recipe(_project: &Project<'_>) -> anyhow::Result<Vec<Step>> {
    anyhow::bail!("Python cannot be built yet")
}
