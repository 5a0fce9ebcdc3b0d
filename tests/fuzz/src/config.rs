//! Manifests and host configs: any text is read to the end, and what is accepted is within its limits and can be written
//! again.

use std::fmt::Write as _;
use std::path::Path;

use whimbrel::host_config::HostConfig;
use whimbrel::limits::{Ceilings, KEYS, Limits};
use whimbrel::manifest::{Manifest, Problems};

/// The fuzz target: the text of a manifest.
pub fn manifest(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let ceilings = Ceilings::default();
    match Manifest::parse(&text, Path::new("whimbrel.toml"), &Limits::default(), &ceilings) {
        Err(problems) => check_problems(&problems, &text),
        Ok(manifest) => {
            check_limits(&manifest.limits, &ceilings);
            check_written(&manifest.limits);
            assert!(manifest.dir.is_absolute() && manifest.component.is_absolute());
            assert!(!manifest.routes.is_empty() || manifest.static_files.is_some());
            if let Some(files) = &manifest.static_files {
                assert!(files.dir.starts_with(&manifest.dir) && files.at.starts_with('/'));
            }
        }
    }
}

/// The fuzz target: the text of a host config.
pub fn host_config(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    match HostConfig::parse(&text, Path::new("host.toml")) {
        Err(problems) => check_problems(&problems, &text),
        Ok(config) => {
            check_limits(&config.defaults, &config.ceilings);
            assert!(!config.listen.is_empty());
            assert!(config.deployments.iter().all(|path| path.is_absolute()));
        }
    }
}

/// Each problem is one line and points into the text.
fn check_problems(problems: &Problems, text: &str) {
    assert!(!problems.0.is_empty());
    for problem in &problems.0 {
        assert!(!problem.text.is_empty() && !problem.text.contains(['\n', '\r', '\x1b']), "{:?}", problem.text);
        assert!(problem.line.is_none_or(|line| (1..=text.lines().count() + 1).contains(&line)), "{problem}");
    }
}

/// Every limit is in its range and under its ceiling.
fn check_limits(limits: &Limits, ceilings: &Ceilings) {
    for key in KEYS {
        let value = key.get(limits);
        let name = key.name;
        match value.amount {
            Some(amount) => assert!((key.least..=key.most).contains(&amount), "{name} = {value}"),
            None => assert!(key.kind.allows_off(), "{name} is off"),
        }
        assert!(key.ceiling(ceilings).is_none_or(|ceiling| !value.exceeds(&ceiling)), "{name} = {value}");
    }
}

/// Limits as they are shown, written into a manifest, are read as the same limits.
pub fn check_written(limits: &Limits) {
    let mut text = "name = \"a\"\ncomponent = \"a.wasm\"\nroutes = [\"/\"]\nmetering = \"fuel\"\n[limits]\n".to_owned();
    for (name, value) in limits.rows() {
        let is_number = value.bytes().all(|byte| byte.is_ascii_digit());
        let quote = if is_number { "" } else { "\"" };
        writeln!(text, "{name} = {quote}{value}{quote}").expect("a string can be written");
    }
    let read = Manifest::parse(&text, Path::new("whimbrel.toml"), &Limits::default(), &Ceilings::none());
    match read {
        Ok(manifest) => assert_eq!(&manifest.limits, limits),
        Err(problems) => panic!("{problems}\nin\n{text}"),
    }
}
