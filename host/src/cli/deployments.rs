//! What to serve or check, as named on the command line: folders, manifests and bare components.

use std::path::Path;

use whimbrel::host_config::HostConfig;
use whimbrel::limits::Limits;
use whimbrel::manifest::{Manifest, Metering, Scope};
use whimbrel::routing::Pattern;

use crate::cli::exit::Problems;
use crate::cli::languages::Language;

/// The manifests of all paths under this host's defaults and ceilings; every problem of every one at once.
pub(crate) fn load<'a>(
    paths: impl IntoIterator<Item = &'a Path>,
    config: &HostConfig,
) -> Result<Vec<Manifest>, Problems> {
    let mut manifests = Vec::new();
    let mut problems = Vec::new();
    for path in paths {
        match load_one(path, config) {
            Ok(manifest) => {
                problems.extend(missing(&manifest));
                manifests.push(manifest);
            }
            Err(Problems(more)) => problems.extend(more),
        }
    }
    if problems.is_empty() { Ok(manifests) } else { Err(Problems(problems)) }
}

/// The manifest of one path.
pub(crate) fn load_one(path: &Path, config: &HostConfig) -> Result<Manifest, Problems> {
    // A precompiled one is refused when it is loaded, which says why.
    if path.extension().is_some_and(|extension| extension == "wasm" || extension == "cwasm") {
        return bare(path, config).map_err(|problem| Problems(vec![format!("{}: {problem}", path.display())]));
    }
    Manifest::load(path, &config.defaults, &config.ceilings).map_err(|problems| Problems::of_file(&problems))
}

/// What a manifest names and the disk does not have.
pub(crate) fn missing(manifest: &Manifest) -> Vec<String> {
    let folder = manifest.static_files.as_ref().map(|files| &files.dir).filter(|dir| !dir.is_dir());
    let file = manifest.path.display();
    let folder = folder.map(|dir| format!("{file}: static: {} is not a folder", dir.display()));
    missing_component(manifest).into_iter().chain(folder).collect()
}

/// What to do about a component that was not built yet; none when it is there, or not needed.
fn missing_component(manifest: &Manifest) -> Option<String> {
    if manifest.routes.is_empty() || manifest.component.exists() {
        return None;
    }
    let (file, component) = (manifest.path.display(), manifest.component.display());
    let can_be_built = manifest.build.is_some() || Language::of(&manifest.dir).is_some();
    let advice = match can_be_built {
        true => format!("; make it with whimbrel build {}", manifest.dir.display()),
        false => String::new(),
    };
    Some(format!("{file}: component {component} does not exist{advice}"))
}

/// A component without a manifest: its file stem is the deployment's name and its route, the limits are the defaults.
fn bare(path: &Path, config: &HostConfig) -> Result<Manifest, String> {
    let component = std::path::absolute(path).map_err(|error| error.to_string())?;
    match component.metadata() {
        Ok(file) if file.is_file() => {}
        Ok(_) => return Err("not a file; a deployment is a component, or a folder with a whimbrel.toml".to_owned()),
        Err(error) => return Err(format!("no such component: {error}")),
    }
    let stem = component.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if !(1..=63).contains(&stem.len()) || !stem.bytes().all(is_allowed) {
        return Err("its name becomes its route, so 1 to 63 of a-z, A-Z, 0-9, - and _ are allowed; or write a \
                    whimbrel.toml for it"
            .to_owned());
    }
    let route = Pattern::parse(&format!("/{stem}")).map_err(|error| error.to_string())?;
    Ok(Manifest {
        // Cargo writes a package's - as _ in file names.
        name: stem.to_ascii_lowercase().replace('_', "-"),
        dir: component.parent().map(Path::to_owned).unwrap_or_default(),
        path: component.clone(),
        component,
        build: None,
        routes: vec![route],
        static_files: None,
        trusted_origins: Vec::new(),
        environment: Vec::new(),
        metering: Metering::Time,
        scope: Scope::default(),
        coredumps: false,
        limits: Limits { instructions: None, ..config.defaults.clone() },
    })
}

#[cfg(test)]
mod tests {
    use super::{HostConfig, load, load_one};

    #[test]
    fn a_bare_component_is_served_under_its_file_stem() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("my_chat.wasm");
        std::fs::write(&file, "").unwrap();
        let manifest = load_one(&file, &HostConfig::default()).unwrap();
        assert_eq!(manifest.name, "my-chat");
        assert_eq!(manifest.routes.first().unwrap().as_str(), "/my_chat");
    }

    #[test]
    fn problems_of_all_paths_are_reported_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let (a, b) = (dir.path().join("a b.wasm"), dir.path().join("c.wasm"));
        std::fs::write(&a, "").unwrap();
        let problems = load([&*a, &*b, dir.path()], &HostConfig::default()).unwrap_err();
        assert_eq!(problems.0.len(), 3, "{problems}");
    }
}
