//! The languages that handlers are written in: what each needs installed, what a new handler begins with, how it is
//! recognized beside a manifest, and how it becomes a component. A file per language, all of the same shape.

mod c;
mod compiler;
mod cpp;
mod go;
mod javascript;
mod npm;
mod programs;
mod python;
mod recipe;
mod rust;
mod typescript;
mod zig;

use std::path::Path;

use clap::ValueEnum;

pub(crate) use npm::Engine;
pub(crate) use recipe::{Project, Step};
pub(crate) use rust::CARGO_BUILD;

use crate::cli::contract;
use programs::Program;

/// The languages with a template.
#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Language {
    /// Rust, with the SDK of this version of whimbrel
    Rust,
    /// JavaScript
    #[value(alias = "js")]
    Javascript,
    /// TypeScript
    #[value(alias = "ts")]
    Typescript,
    /// Python
    #[value(alias = "py")]
    Python,
    /// C
    C,
    /// C++
    #[value(alias = "c++")]
    Cpp,
    /// Zig
    Zig,
    /// Go
    Go,
}

/// A file's path in the folder of a new handler, and its text.
pub(crate) type File = (&'static str, &'static str);

/// What there is to know of a language before one of its handlers is built.
pub(crate) struct Profile {
    /// As its people write it.
    pub(crate) title: &'static str,
    /// What has to be installed: of each list one program.
    pub(crate) needs: &'static [&'static [Program]],
    /// Files of a new handler, with the placeholders `{{name}}` and `{{file}}` (the name with _ for -).
    pub(crate) template: &'static [File],
    /// Further files, written as they are.
    pub(crate) support: &'static [File],
    /// Whether a new handler gets the contract's WIT files too, in `wit`.
    pub(crate) wit: bool,
    /// A manifest without `build` that has all of one of these lists beside it is of this language.
    pub(crate) project_files: &'static [&'static [&'static str]],
}

impl Language {
    /// Which language the project in this folder is written in; none when no project file says so.
    pub(crate) fn of(dir: &Path) -> Option<Language> {
        let is_here = |files: &[&str]| files.iter().all(|file| dir.join(file).is_file());
        let of_this = |language: &&Language| language.profile().project_files.iter().any(|files| is_here(files));
        // TypeScript before JavaScript: it has the files of both.
        let order = [Self::Typescript].iter().chain(Self::value_variants());
        order.into_iter().find(of_this).copied()
    }

    /// What is known of it.
    pub(crate) fn profile(self) -> &'static Profile {
        match self {
            Self::Rust => &rust::PROFILE,
            Self::Javascript => &javascript::PROFILE,
            Self::Typescript => &typescript::PROFILE,
            Self::Python => &python::PROFILE,
            Self::C => &c::PROFILE,
            Self::Cpp => &cpp::PROFILE,
            Self::Zig => &zig::PROFILE,
            Self::Go => &go::PROFILE,
        }
    }

    /// The steps that build a project, in their order. An error says what is missing and how to install it.
    pub(crate) async fn recipe(self, project: &Project<'_>) -> anyhow::Result<Vec<Step>> {
        match self {
            Self::Rust => rust::recipe(project).await,
            Self::Javascript => javascript::recipe(project).await,
            Self::Typescript => typescript::recipe(project).await,
            Self::Python => python::recipe(project).await,
            Self::C => c::recipe(project).await,
            Self::Cpp => cpp::recipe(project).await,
            Self::Zig => zig::recipe(project).await,
            Self::Go => go::recipe(project).await,
        }
    }

    /// Whether the language keeps a name for itself that a manifest would allow.
    pub(crate) fn reserves(self, name: &str) -> bool {
        match self {
            Self::Rust => rust::reserves(name),
            _ => false,
        }
    }

    /// The word on the command line.
    pub(crate) fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }

    /// Whether its components have a JavaScript engine inside, of which there are several.
    pub(crate) fn has_engines(self) -> bool {
        matches!(self, Self::Javascript | Self::Typescript)
    }

    /// All files of a new handler of this name. The engine is of no matter to languages that have none.
    pub(crate) fn files(self, name: &str, engine: Engine) -> Vec<(String, String)> {
        let profile = match (self, engine) {
            (Self::Javascript, Engine::Starling) => &javascript::STARLING,
            (Self::Typescript, Engine::Starling) => &typescript::STARLING,
            _ => self.profile(),
        };
        // Cargo and others name files after the crate or module.
        let fill = |text: &str| text.replace("{{name}}", name).replace("{{file}}", &name.replace('-', "_"));
        let template = profile.template.iter().map(|(path, text)| ((*path).to_owned(), fill(text)));
        let support = profile.support.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned()));
        let contract = contract::FILES.iter().filter(|_| profile.wit);
        let contract = contract.map(|(path, text)| (format!("wit/{path}"), (*text).to_owned()));
        template.chain(support).chain(contract).collect()
    }

    /// Every language's project files, for an error that no one is there.
    pub(crate) fn all_project_files() -> String {
        let all = Self::value_variants().iter().flat_map(|language| language.profile().project_files);
        let mut names: Vec<_> = all.filter_map(|files| files.first().copied()).collect();
        names.dedup();
        names.join(", ")
    }

    /// A line for each program that the language needs: what it is, and whether it was found in or from `dir`.
    pub(crate) async fn needs(self, dir: &Path) -> Vec<String> {
        let mut lines = Vec::new();
        for alternatives in self.profile().needs {
            lines.extend(programs::describe(alternatives, dir).await);
        }
        lines
    }
}

/// Install what a manifest's own command needs, where that can be told from its text.
pub(crate) async fn prepare(build: &str, dir: &Path) -> anyhow::Result<()> {
    if build.contains(rust::TARGET) { rust::ensure_target(dir).await } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum;

    use super::{Engine, Language};

    #[test]
    fn a_folder_tells_its_language() {
        let all = Language::value_variants().iter();
        let all = all.filter(|language| !language.profile().template.is_empty());
        for (language, engine) in all.flat_map(|language| Engine::value_variants().iter().map(move |it| (language, it)))
        {
            let folder = tempfile::tempdir().unwrap();
            assert_eq!(Language::of(folder.path()), None);
            for (path, text) in language.files("my-chat", *engine) {
                let path = folder.path().join(path);
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::write(path, text).unwrap();
            }
            assert_eq!(Language::of(folder.path()), Some(*language));
        }
    }

    #[test]
    fn no_placeholder_is_left() {
        let all = Language::value_variants().iter();
        for (language, engine) in all.flat_map(|language| Engine::value_variants().iter().map(move |it| (language, it)))
        {
            let files = language.files("my-chat", *engine);
            let (_, support) = (language.profile().template.len(), language.profile().support);
            for (path, text) in files.iter().filter(|(path, _)| support.iter().all(|(other, _)| path != other)) {
                assert!(!text.contains("{{name}}") && !text.contains("{{file}}"), "{language:?} {path}");
            }
        }
    }
}
