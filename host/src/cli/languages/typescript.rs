//! TypeScript: its types checked, bundled into one module, then as JavaScript.

use super::Profile;
use super::npm::{self, NODE, NPM, SDK};
use super::recipe::{Project, Step};

pub(super) const PROFILE: Profile = Profile {
    title: "TypeScript",
    needs: &[NODE, NPM],
    template: &[
        ("handler.ts", include_str!("../../../templates/typescript/handler.ts")),
        ("handler.test.ts", include_str!("../../../templates/typescript/handler.test.ts")),
        ("tsconfig.json", include_str!("../../../templates/typescript/tsconfig.json")),
        ("whimbrel/component.js", include_str!("../../../templates/typescript/component.js")),
        ("package.json", include_str!("../../../templates/typescript/package.json.txt")),
        ("whimbrel.toml", include_str!("../../../templates/javascript/whimbrel.toml.txt")),
        ("README.md", include_str!("../../../templates/typescript/README.md.txt")),
        (".gitignore", include_str!("../../../templates/javascript/gitignore.txt")),
    ],
    support: SDK,
    wit: true,
    project_files: &[&["tsconfig.json", "package.json"]],
};

/// The same on StarlingMonkey.
pub(super) const STARLING: Profile = Profile {
    template: &[
        ("handler.ts", include_str!("../../../templates/typescript/handler.ts")),
        ("handler.test.ts", include_str!("../../../templates/typescript/starling/handler.test.ts")),
        ("tsconfig.json", include_str!("../../../templates/typescript/tsconfig.json")),
        ("whimbrel/component.js", include_str!("../../../templates/typescript/starling/component.js")),
        ("package.json", include_str!("../../../templates/typescript/starling/package.json.txt")),
        ("whimbrel.toml", include_str!("../../../templates/javascript/starling/whimbrel.toml.txt")),
        ("README.md", include_str!("../../../templates/typescript/starling/README.md.txt")),
        (".gitignore", include_str!("../../../templates/javascript/gitignore.txt")),
    ],
    ..PROFILE
};

/// npm's packages, then the types, the bundle and the engine.
pub(super) async fn recipe(project: &Project<'_>) -> anyhow::Result<Vec<Step>> {
    npm::recipe(PROFILE.title, project).await
}
