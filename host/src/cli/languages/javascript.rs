//! JavaScript: the SDK's modules, and an engine in the component.

use super::Profile;
use super::npm::{self, NODE, NPM, SDK};
use super::recipe::{Project, Step};

pub(super) const PROFILE: Profile = Profile {
    title: "JavaScript",
    needs: &[NODE, NPM],
    template: &[
        ("handler.js", include_str!("../../../templates/javascript/handler.js")),
        ("handler.test.js", include_str!("../../../templates/javascript/handler.test.js")),
        ("whimbrel/component.js", include_str!("../../../templates/javascript/component.js")),
        ("package.json", include_str!("../../../templates/javascript/package.json.txt")),
        ("whimbrel.toml", include_str!("../../../templates/javascript/whimbrel.toml.txt")),
        ("README.md", include_str!("../../../templates/javascript/README.md.txt")),
        (".gitignore", include_str!("../../../templates/javascript/gitignore.txt")),
    ],
    support: SDK,
    wit: true,
    project_files: &[&["package.json"]],
};

/// The same on StarlingMonkey.
pub(super) const STARLING: Profile = Profile {
    template: &[
        ("handler.js", include_str!("../../../templates/javascript/handler.js")),
        ("handler.test.js", include_str!("../../../templates/javascript/starling/handler.test.js")),
        ("whimbrel/component.js", include_str!("../../../templates/javascript/starling/component.js")),
        ("package.json", include_str!("../../../templates/javascript/starling/package.json.txt")),
        ("whimbrel.toml", include_str!("../../../templates/javascript/starling/whimbrel.toml.txt")),
        ("README.md", include_str!("../../../templates/javascript/starling/README.md.txt")),
        (".gitignore", include_str!("../../../templates/javascript/gitignore.txt")),
    ],
    ..PROFILE
};

/// npm's packages, then the engine.
pub(super) async fn recipe(project: &Project<'_>) -> anyhow::Result<Vec<Step>> {
    npm::recipe(PROFILE.title, project).await
}
