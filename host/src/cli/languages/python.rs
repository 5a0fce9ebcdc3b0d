//! Python: componentize-py, which puts CPython into the component, and an SDK with Tornado's names.

use std::ffi::OsString;
use std::path::Path;

use anyhow::ensure;

use super::programs::{Program, require};
use super::recipe::{Project, Run, Step};
use super::{File, Profile};

/// Asked for what Debian has in a package of its own, too.
const PYTHON: &[Program] = &[Program {
    name: "python3 with venv",
    calls: &[&["python3"], &["python"]],
    version: &["-c", "import ensurepip, venv, sys; print(sys.version)"],
    minimum: &[3, 10],
    install: "apt-get install python3 python3-venv, or https://www.python.org/downloads",
}];

/// Where somebody else looks after the environment.
const COMPONENTIZE: &[Program] = &[Program {
    name: "componentize-py",
    calls: &[&["$VIRTUAL_ENV/bin/componentize-py"], &["componentize-py"]],
    version: &["--version"],
    minimum: &[0, 25],
    install: "pip install componentize-py==0.25.1 (or uv add --dev), or name it in a requirements.txt",
}];

macro_rules! template_files {
    ($($path:literal),+ $(,)?) => {
        &[$(($path, include_str!(concat!("../../../templates/python/", $path)))),+]
    };
}

pub(super) const PROFILE: Profile = Profile {
    title: "Python",
    needs: &[PYTHON],
    template: &[
        ("app.py", include_str!("../../../templates/python/app.py")),
        ("test_app.py", include_str!("../../../templates/python/test_app.py")),
        ("requirements.txt", include_str!("../../../templates/python/requirements.txt")),
        ("whimbrel.toml", include_str!("../../../templates/python/whimbrel.toml")),
        ("README.md", include_str!("../../../templates/python/README.md")),
        (".gitignore", include_str!("../../../templates/python/gitignore.txt")),
        ("wit/guest.wit", include_str!("../../../templates/python/guest.wit")),
    ],
    support: SDK,
    wit: true,
    project_files: &[&[REQUIREMENTS], &["pyproject.toml"]],
};

/// The SDK, a package of the project: nothing can be installed into a component that is not on PyPI.
const SDK: &[File] = template_files![
    "whimbrel/__init__.py",
    "whimbrel/component.py",
    "whimbrel/errors.py",
    "whimbrel/fake.py",
    "whimbrel/handler.py",
    "whimbrel/host.py",
    "whimbrel/lifecycle.py",
    "whimbrel/loop.py",
    "whimbrel/nesting.py",
    "whimbrel/open_handlers.py",
    "whimbrel/request.py",
    "whimbrel/response.py",
    "whimbrel/testing.py",
];

const REQUIREMENTS: &str = "requirements.txt";

/// The environment if there is none that fits, then the component.
pub(super) async fn recipe(project: &Project<'_>) -> anyhow::Result<Vec<Step>> {
    const ENTRY: &str = "whimbrel/component.py";
    ensure!(
        project.dir.join(ENTRY).is_file(),
        "there is no {ENTRY} beside the manifest; take the folder whimbrel from a handler of whimbrel new --lang python, or \
         give the manifest a build command"
    );
    // Makes the component's folder.
    project.beside_component("wasm")?;
    let (mut steps, componentize, mut environment) = environment(project.dir).await?;
    // Of an error the author wants Python's traceback, and not the one of the tool itself.
    environment.push(("RUST_BACKTRACE", "0".into()));
    let mut command = componentize;
    command.extend(["--quiet", "-d", "wit", "-w", "guest", "componentize", "whimbrel.component", "-o"].map(Into::into));
    command.push(project.component.into());
    steps.push(Step::Run(Run { command, environment }));
    Ok(steps)
}

type Environment = (Vec<Step>, Vec<OsString>, Vec<(&'static str, OsString)>);

/// What has to be installed first, how componentize-py is called then, and in which environment it finds packages.
async fn environment(dir: &Path) -> anyhow::Result<Environment> {
    let requirements = std::fs::read_to_string(dir.join(REQUIREMENTS)).ok();
    let own = dir.join(".venv");
    let in_own = |steps| {
        let componentize = own.join("bin/componentize-py").into();
        (steps, vec![componentize], vec![("VIRTUAL_ENV", own.clone().into())])
    };
    if is_ready(&own, requirements.as_deref()) {
        return Ok(in_own(Vec::new()));
    }
    if !own.exists() && requirements.as_deref().is_none_or(names_componentize_only) {
        match (require(PROFILE.title, COMPONENTIZE, dir).await, &requirements) {
            (Ok((_, found)), _) => return Ok((Vec::new(), found.call, Vec::new())),
            (Err(missing), None) => return Err(missing),
            (Err(_), Some(_)) => {}
        }
    }
    ensure!(
        requirements.is_some(),
        "{} has no componentize-py; install it: {}",
        own.display(),
        COMPONENTIZE[0].install
    );
    let (_, python) = require(PROFILE.title, PYTHON, dir).await?;
    let run = |arguments: &[&str]| {
        let command = [own.join("bin/python").into_os_string()].into_iter().chain(arguments.iter().map(Into::into));
        Step::Run(Run { command: command.collect(), environment: Vec::new() })
    };
    Ok(in_own(vec![
        python.run(["-m", "venv", ".venv"]),
        run(&["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", REQUIREMENTS]),
        // Tells the next build what is installed.
        run(&["-c", "import shutil; shutil.copy('requirements.txt', '.venv')"]),
    ]))
}

/// Whether what is wanted is installed, as far as can be told.
fn is_ready(own: &Path, requirements: Option<&str>) -> bool {
    let has = |wanted| std::fs::read_to_string(own.join(REQUIREMENTS)).is_ok_and(|installed| installed == wanted);
    own.join("bin/componentize-py").exists() && requirements.is_none_or(has)
}

/// Any other environment with it will do then.
fn names_componentize_only(requirements: &str) -> bool {
    let lines = requirements.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.into_iter().all(|line| line.starts_with("componentize-py"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;

    use super::{SDK, is_ready, names_componentize_only};

    #[test]
    fn the_whole_sdk_is_embedded() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("templates/python/whimbrel");
        let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let files: BTreeSet<_> =
            files.filter(|name| name.ends_with(".py")).map(|name| format!("whimbrel/{name}")).collect();
        assert_eq!(SDK.iter().map(|(path, _)| (*path).to_owned()).collect::<BTreeSet<_>>(), files);
    }

    #[test]
    fn an_environment_is_installed_when_its_requirements_change() {
        let folder = tempfile::tempdir().unwrap();
        let own = folder.path();
        assert!(!is_ready(own, None));
        fs::create_dir(own.join("bin")).unwrap();
        fs::write(own.join("bin/componentize-py"), "").unwrap();
        assert!(is_ready(own, None) && !is_ready(own, Some("a")));
        fs::write(own.join("requirements.txt"), "a").unwrap();
        assert!(is_ready(own, Some("a")) && !is_ready(own, Some("b")));
    }

    #[test]
    fn another_environment_will_do_for_the_template() {
        assert!(names_componentize_only(include_str!("../../../templates/python/requirements.txt")));
        assert!(!names_componentize_only("componentize-py==0.25.1\nmsgpack\n"));
    }
}
