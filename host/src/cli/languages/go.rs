//! Go.

use super::Profile;
use super::recipe::{Project, Step};

pub(super) const PROFILE: Profile =
    Profile { title: "Go", needs: &[], template: &[], support: &[], wit: true, project_files: &[&["go.mod"]] };

/// Not written yet.
pub(super) async fn recipe(_project: &Project<'_>) -> anyhow::Result<Vec<Step>> {
    anyhow::bail!("Go cannot be built yet")
}
