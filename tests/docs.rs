//! The documentation against what it is about: links, keys, metrics, examples.

use std::collections::BTreeSet;
use std::path::Path;

use whimbrel::host_config::HostConfig;
use whimbrel::limits::{Ceilings, KEYS, Limits};
use whimbrel::manifest::Manifest;

use crate::none;
use crate::sources::{repository, sources};

#[test]
fn links_lead_to_files() {
    let mut dead = Vec::new();
    for page in sources(&["md"]) {
        let folder = repository().join(Path::new(&page.path).parent().unwrap_or(Path::new("")));
        for target in links(&page.text) {
            let file = target.split('#').next().unwrap_or(target);
            if !file.is_empty() && !file.contains(':') && !folder.join(file).exists() {
                dead.push(format!("{}: leads to {target}, which is not there", page.path));
            }
        }
    }
    none(dead);
}

#[test]
fn every_limit_is_described() {
    for page in ["docs/manifest.md", "docs/operations.md"] {
        let text = read(page);
        let missing = KEYS.iter().map(|key| key.name).filter(|name| !text.contains(&format!("| `{name}` |")));
        none(missing.map(|name| format!("{page}: has no row for {name}")));
    }
}

#[test]
fn defaults_and_ceilings_are_told_as_they_are() {
    let text = read("docs/manifest.md");
    let (limits, ceilings) = (Limits::default(), Ceilings::default());
    let wrong = KEYS.iter().filter_map(|key| {
        let ceiling = key.ceiling(&ceilings).map_or_else(|| "none".to_owned(), |ceiling| ceiling.to_string());
        let row = format!("| `{}` | {} | {ceiling} |", key.name, key.get(&limits));
        (!text.contains(&row)).then(|| format!("docs/manifest.md: no row begins with {row}"))
    });
    none(wrong);
}

/// What a program can see of `tornado.websocket`, and of the rest of Tornado from within a WebSocket handler.
const TORNADO: &str = "WebSocketHandler StaticFileHandler initialize prepare set_default_headers set_header add_header \
    set_cookie set_status write redirect finish HTTPError check_origin trusted_origins select_subprotocol \
    selected_subprotocol get_compression_options open on_message on_close on_ping on_pong on_finish write_message ping \
    close close_code close_reason set_nodelay WebSocketError WebSocketClosedError ping_interval ping_timeout \
    max_message_size websocket_ping_interval websocket_ping_timeout websocket_max_message_size websocket_connect \
    request remote_ip protocol uri path query host headers arguments cookies get_argument get_arguments \
    get_query_argument get_query_arguments get_cookie get_signed_cookie get_current_user current_user settings \
    application path_args path_kwargs locale reverse_url render_string log_exception require_setting \
    get_ssl_certificate max_header_size idle_connection_timeout xheaders trusted_downstream ssl_options max_body_size";

#[test]
fn a_tornado_user_finds_every_name() {
    let text = read("docs/tornado.md");
    let words: BTreeSet<_> = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').collect();
    let missing = TORNADO.split_whitespace().filter(|name| !words.contains(name));
    none(missing.map(|name| format!("docs/tornado.md: does not say where {name} is")));
}

#[test]
fn every_metric_is_described() {
    let text = read("docs/operations.md");
    let code: String =
        sources(&["rs"]).filter(|file| file.path.starts_with("host/src/")).map(|file| file.text).collect();
    let names = code.split('"').filter(|word| {
        word.starts_with("whimbrel_") && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
    });
    let names: BTreeSet<_> = names.collect();
    assert!(names.len() > 10, "{names:?}");
    let missing = names.into_iter().filter(|name| !text.contains(&format!("| `{name}` |")));
    none(missing.map(|name| format!("docs/operations.md: has no row for {name}")));
}

#[test]
fn the_examples_of_configuration_are_right() {
    for (page, is_manifest) in [("docs/manifest.md", true), ("docs/host-config.md", false)] {
        let text = read(page);
        let examples: Vec<_> = blocks(&text, "toml").collect();
        assert!(!examples.is_empty(), "{page}: has no example");
        for example in examples {
            let path = Path::new(page);
            let problems = match is_manifest {
                true => Manifest::parse(example, path, &Limits::default(), &Ceilings::default()).err(),
                false => HostConfig::parse(example, path).err(),
            };
            none(problems.map(|problems| format!("{problems}\nin\n{example}")));
        }
    }
}

#[test]
fn the_first_guest_is_the_echo_example() {
    let echo = read("examples/echo/src/lib.rs");
    for page in ["README.md", "docs/guests.md"] {
        assert!(
            blocks(&read(page), "rust").any(|block| block == echo),
            "{page}: has not examples/echo/src/lib.rs in it"
        );
    }
}

/// Pages about languages, and the template whose handler they begin with.
const LANGUAGES: [(&str, &str, &str); 3] =
    [("c", "c", "c/handler.c.txt"), ("cpp", "cpp", "cpp/handler.cpp.txt"), ("zig", "zig", "zig/handler.zig.txt")];

#[test]
fn the_first_handler_of_each_language_is_its_template() {
    for (page, fence, template) in LANGUAGES {
        let (page, template) = (format!("docs/languages/{page}.md"), format!("host/templates/{template}"));
        let (text, handler) = (read(&page), read(&template));
        let first = blocks(&text, fence).next().unwrap_or_else(|| panic!("{page}: has no {fence}"));
        let is_in = first.split("\n\n").all(|part| handler.contains(part.trim_end()));
        assert!(is_in, "{page}: its first handler is not that of {template}");
    }
}

/// `WHIMBREL_BLESS=1` writes what stands below the page's last heading.
#[test]
#[allow(clippy::disallowed_methods, reason = "the rule that only cli reads the environment is the host's")]
fn the_page_about_the_contract_has_all_of_it() {
    const PAGE: &str = "docs/contract.md";
    const HEADING: &str = "## The files\n";
    let mut files: Vec<_> = sources(&["wit"]).filter(|file| file.path.starts_with("wit/")).collect();
    files.sort_by(|one, other| one.path.cmp(&other.path));
    let shown = files.iter().map(|file| format!("\n### {}\n\n```wit\n{}```\n", file.path, file.text));
    let text = read(PAGE);
    let (beginning, _) = text.split_once(HEADING).unwrap_or_else(|| panic!("{PAGE}: has no {HEADING:?}"));
    let expected = format!("{beginning}{HEADING}{}", shown.collect::<String>());
    if std::env::var_os("WHIMBREL_BLESS").is_some() {
        std::fs::write(repository().join(PAGE), &expected).expect("the page can be written");
    }
    assert!(read(PAGE) == expected, "{PAGE} is older than wit/: WHIMBREL_BLESS=1 cargo test --test tidy contract");
}

#[test]
fn every_row_of_tornado_is_answered() {
    let text = read("docs/tornado.md");
    let rows = [("A1", 1..=18), ("A2", 19..=29), ("A3", 30..=35), ("A4", 36..=40)];
    let rows = rows.into_iter().flat_map(|(section, rows)| rows.map(move |row| format!("{section}-{row:02}")));
    none(rows.filter(|row| !text.contains(row)).map(|row| format!("docs/tornado.md: has no row {row}")));
}

fn read(path: &str) -> String {
    std::fs::read_to_string(repository().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// What stands between brackets behind `](`.
fn links(text: &str) -> impl Iterator<Item = &str> {
    text.split("](").skip(1).filter_map(|rest| rest.split(')').next())
}

/// The code blocks of a language.
fn blocks<'a>(text: &'a str, language: &str) -> impl Iterator<Item = &'a str> {
    let fence = format!("```{language}\n");
    let starts: Vec<_> = text.match_indices(&fence).map(|(at, _)| at + fence.len()).collect();
    starts.into_iter().filter_map(|start| text[start..].split("```").next())
}
