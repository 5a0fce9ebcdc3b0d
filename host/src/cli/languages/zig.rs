//! Zig.

use super::Profile;
use super::recipe::{Project, Step};

pub(super) const PROFILE: Profile =
    Profile { title: "Zig", needs: &[], template: &[], support: &[], wit: true, project_files: &[&["handler.zig"]] };

/// Not written yet.
pub(super) async fn recipe(_project: &Project<'_>) -> anyhow::Result<Vec<Step>> {
    anyhow::bail!("Zig cannot be built yet")
}
