//! The manifest: `whimbrel.toml` beside a guest, read and checked as a whole.

mod origin;
mod problems;
pub(crate) mod reader;
mod scope;
pub(crate) mod settings;
pub(crate) mod value;

#[cfg(test)]
mod golden;
#[cfg(test)]
mod tests;

use std::path::{Component, Path, PathBuf};

pub use origin::{OriginError, TrustedOrigin};
pub use problems::{Problem, Problems};
pub use scope::{BadKey, RoomKey, Scope};

use crate::limits::{Ceilings, Limits, ROUTES};
use crate::routing::Pattern;
use reader::{Item, Report, Table};

/// A manifest's file name.
pub const FILE_NAME: &str = "whimbrel.toml";
/// Longest name, in bytes.
const NAME_BYTES: usize = 63;

/// What a guest's author says about its deployment. Every value is checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// The deployment's name: 1 to 63 of `a-z`, `0-9` and `-`.
    pub name: String,
    /// The manifest's own path, absolute.
    pub path: PathBuf,
    /// The folder that it lies in, absolute.
    pub dir: PathBuf,
    /// The component file, absolute. It need not exist yet.
    pub component: PathBuf,
    /// The shell command that makes the component, run in `dir`.
    pub build: Option<String>,
    /// At most [`ROUTES`], of different shapes; empty only if there are static files.
    pub routes: Vec<Pattern>,
    /// Files that are served as they are.
    pub static_files: Option<StaticFiles>,
    /// Origins other than the host's own whose pages may connect.
    pub trusted_origins: Vec<TrustedOrigin>,
    /// The guest's environment variables, in the manifest's order, without duplicates.
    pub environment: Vec<(String, String)>,
    /// How the guest's work is measured.
    pub metering: Metering,
    /// Whom an instance serves.
    pub scope: Scope,
    /// Whether a trap leaves a core dump where the host keeps them.
    pub coredumps: bool,
    /// The host's defaults, changed by `[limits]`; within the host's ceilings.
    pub limits: Limits,
}

/// How a guest's work is measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Metering {
    /// By the processor's time.
    #[default]
    Time,
    /// By the processor's time and by instructions, which are wasmtime's fuel.
    Fuel,
}

impl Metering {
    const WORDS: [(&str, Metering); 2] = [("time", Metering::Time), ("fuel", Metering::Fuel)];

    /// The word in a manifest.
    pub fn name(self) -> &'static str {
        match self {
            Metering::Time => "time",
            Metering::Fuel => "fuel",
        }
    }

    /// What sets how many instances of such guests may live.
    pub fn instances(self) -> &'static str {
        match self {
            Metering::Time => "host.instances",
            Metering::Fuel => "host.metered_instances",
        }
    }
}

/// A folder of files and the path below which they are served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StaticFiles {
    /// The folder, absolute, inside the manifest's folder. It need not exist yet.
    pub dir: PathBuf,
    /// `/`, or a path such as `/app` without a slash at its end.
    pub at: String,
}

impl Manifest {
    /// Read a manifest from its file, or from the folder that it lies in.
    ///
    /// # Errors
    /// Every problem of the file.
    pub fn load(path: &Path, defaults: &Limits, ceilings: &Ceilings) -> Result<Manifest, Problems> {
        let path = if path.is_dir() { path.join(FILE_NAME) } else { path.to_owned() };
        let absent = "a deployment is a folder with a whimbrel.toml, or the path of such a file";
        let text = reader::read_file(&path, absent)?;
        Manifest::parse(&text, &path, defaults, ceilings)
    }

    /// Check a manifest's text. `path` is where it lies: problems quote it, and other paths are relative to its folder.
    ///
    /// # Errors
    /// Every problem of the text.
    pub fn parse(text: &str, path: &Path, defaults: &Limits, ceilings: &Ceilings) -> Result<Manifest, Problems> {
        let (mut report, table) = Report::parse(path, text);
        let manifest = table.and_then(|table| read(table, path, defaults, ceilings, &mut report));
        report.finish(manifest)
    }
}

fn read<'a>(
    mut table: Table<'a>,
    path: &Path,
    defaults: &Limits,
    ceilings: &Ceilings,
    report: &mut Report<'a>,
) -> Option<Manifest> {
    let path = std::path::absolute(path).map_err(|error| report.file(format!("has no absolute path: {error}"))).ok()?;
    let dir = path.parent().map(Path::to_owned).unwrap_or_default();

    let name = table.required("name", "\"chat\"", report, name);
    let component_example = "\"target/wasm32-wasip2/release/chat.wasm\"";
    let component = table.required("component", component_example, report, value::path);
    let build = table.read("build", report, value::line);
    if !table.has("routes") && !table.has("static") {
        report.file("routes: is missing; write it as in routes = [\"/chat/{room}\"], or give a static folder");
    }
    let routes = routes(&mut table, report);
    let static_files = table.take("static").and_then(|item| static_files(&item, &dir, report));
    let trusted_origins = table.list("trusted_origins", report, |item, _| {
        let text = value::string(item)?;
        TrustedOrigin::parse(&text).map_err(|error| format!("{} {error}", item.shown))
    });
    let environment = table.table("environment", report).map(|table| environment(table, report));
    let metering = table.read("metering", report, |item| value::word(item, &Metering::WORDS)).unwrap_or_default();
    let coredumps = table.read("coredumps", report, value::boolean);
    let scope = table.take("scope").and_then(|item| scope::read(&item, &routes, report));
    let limits = table.table("limits", report);
    let limits = limits_of(metering, limits, defaults, ceilings, report);
    table.finish(report);

    Some(Manifest {
        name: name?,
        component: dir.join(component?),
        path,
        dir,
        build,
        routes,
        static_files,
        trusted_origins: trusted_origins.unwrap_or_default(),
        environment: environment.unwrap_or_default(),
        metering,
        scope: scope.unwrap_or_default(),
        coredumps: coredumps.unwrap_or_default(),
        limits,
    })
}

/// `[limits]`; where instructions are not counted, no limit of them may be asked for and none is inherited.
fn limits_of<'a>(
    metering: Metering,
    section: Option<Table<'a>>,
    defaults: &Limits,
    ceilings: &Ceilings,
    report: &mut Report<'a>,
) -> Limits {
    let asked = section.as_ref().and_then(|section| section.get("instructions"));
    if metering == Metering::Time
        && let Some(item) = asked.filter(|item| !value::is_off(item))
    {
        let text =
            format!("{} needs metering = \"fuel\" at the top; instructions are not counted without it", item.shown);
        report.item(item, text);
    }
    let mut limits = settings::limits(section, defaults, ceilings, report);
    if metering == Metering::Time {
        limits.instructions = None;
    }
    limits
}

fn name(item: &Item<'_>) -> Result<String, String> {
    let name = value::string(item)?;
    let is_allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if (1..=NAME_BYTES).contains(&name.len()) && name.bytes().all(is_allowed) {
        return Ok(name);
    }
    Err(format!("{} is not a name; write 1 to {NAME_BYTES} of a-z, 0-9 and -", item.shown))
}

fn routes<'a>(table: &mut Table<'a>, report: &mut Report<'a>) -> Vec<Pattern> {
    let mut count = 0;
    // Kept here as well to compare each with those before it: a conflict is best shown at its own line.
    let mut known: Vec<Pattern> = Vec::new();
    let routes = table.list("routes", report, |item, report| {
        count += 1;
        if count > ROUTES {
            let text = format!("at most {ROUTES} routes are allowed");
            return if count == ROUTES + 1 { Err(text) } else { Ok(None) };
        }
        let Some(pattern) = route(item, report)? else { return Ok(None) };
        if let Some(other) = known.iter().find(|other| other.same_shape(&pattern)) {
            return Err(format!("{pattern} matches the same paths as {other} before it; remove one of them"));
        }
        known.push(pattern.clone());
        Ok(Some(pattern))
    });
    routes.into_iter().flatten().flatten().collect()
}

/// A route; none when its table has problems, which are reported.
fn route<'a>(item: &Item<'a>, report: &mut Report<'a>) -> Result<Option<Pattern>, String> {
    if let Some(mut table) = item.as_table(report) {
        let regex = table.required("regex", "'/echo/(.*)'", report, |item| {
            Pattern::regex(&value::string(item)?).map_err(|error| format!("{} {error}", item.shown))
        });
        table.finish(report);
        return Ok(regex);
    }
    let Ok(text) = value::string(item) else {
        return Err(format!("{} is not a route; write \"/chat/{{room}}\" or {{ regex = '/chat/(.*)' }}", item.shown));
    };
    Pattern::parse(&text).map(Some).map_err(|error| format!("{} {error}", item.shown))
}

fn static_files<'a>(item: &Item<'a>, dir: &Path, report: &mut Report<'a>) -> Option<StaticFiles> {
    if let Some(mut table) = item.as_table(report) {
        let folder = table.required("dir", "\"public\"", report, static_dir);
        let at = table.read("at", report, static_at);
        table.finish(report);
        return Some(StaticFiles { dir: dir.join(folder?), at: at.unwrap_or_else(|| "/".to_owned()) });
    }
    match static_dir(item) {
        Ok(folder) => Some(StaticFiles { dir: dir.join(folder), at: "/".to_owned() }),
        Err(text) => {
            report.item(item, text);
            None
        }
    }
}

/// The host may serve manifests of authors that it does not trust, so that only their own folder may be published.
fn static_dir(item: &Item<'_>) -> Result<PathBuf, String> {
    let path = value::path(item)?;
    let is_inside = path.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    let is_folder = path.components().any(|part| matches!(part, Component::Normal(_)));
    if is_inside && is_folder {
        return Ok(path);
    }
    Err(format!("{} is not a folder inside the manifest's own; write it as in \"public\"", item.shown))
}

fn static_at(item: &Item<'_>) -> Result<String, String> {
    let path = value::line(item)?;
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '~');
    let is_segment =
        |segment: &str| !segment.is_empty() && segment.chars().all(is_plain) && !matches!(segment, "." | "..");
    let path = path.strip_suffix('/').unwrap_or(&path);
    match path.strip_prefix('/') {
        None if path.is_empty() => Ok("/".to_owned()),
        Some(segments) if segments.split('/').all(is_segment) => Ok(path.to_owned()),
        _ => {
            Err(format!("{} is not a path to serve files at; write \"/\", or a plain path as in \"/app\"", item.shown))
        }
    }
}

fn environment<'a>(table: Table<'a>, report: &mut Report<'a>) -> Vec<(String, String)> {
    let mut variables = Vec::new();
    for item in table.into_items() {
        let value = value::string(&item).and_then(|text| match text.contains('\0') {
            true => Err(format!("{} has a NUL character", item.shown)),
            false => Ok(text),
        });
        let is_name = !item.key.is_empty() && !item.key.contains(['=', '\0']);
        match value {
            _ if !is_name => report.item(&item, "cannot name a variable; write a name without = and NUL"),
            Ok(text) => variables.push((item.key, text)),
            Err(text) => report.item(&item, text),
        }
    }
    variables
}
