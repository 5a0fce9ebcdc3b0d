//! Tests of good manifests and of files; bad ones are golden files.

use std::fs;
use std::time::Duration;

use super::*;

fn parse(text: &str) -> Manifest {
    Manifest::parse(text, Path::new("/srv/chat/whimbrel.toml"), &Limits::default(), &Ceilings::default()).unwrap()
}

const SHORT: &str = "name = \"echo\"\ncomponent = \"echo.wasm\"\nroutes = [\"/echo\"]\n";

#[test]
fn a_short_manifest_has_defaults() {
    let manifest = parse(SHORT);
    assert_eq!(manifest.name, "echo");
    assert_eq!(manifest.path, Path::new("/srv/chat/whimbrel.toml"));
    assert_eq!(manifest.dir, Path::new("/srv/chat"));
    assert_eq!(manifest.component, Path::new("/srv/chat/echo.wasm"));
    assert_eq!(manifest.routes, [Pattern::parse("/echo").unwrap()]);
    assert_eq!((manifest.build, manifest.static_files), (None, None));
    assert!(manifest.trusted_origins.is_empty() && manifest.environment.is_empty());
    assert_eq!(manifest.limits, Limits::default());
    assert_eq!((manifest.metering, manifest.coredumps), (Metering::Time, false));
}

#[test]
#[allow(clippy::too_many_lines, reason = "one row per key")]
fn every_key_is_read() {
    let manifest = parse(
        r#"
        name = "chat"
        component = "target/wasm32-wasip2/release/chat.wasm"
        build = "cargo build --release --target wasm32-wasip2"
        routes = ["/chat/{room}", { regex = '/echo/(?P<a>[^/]+)(?:/(.*))?' }]
        static = { dir = "public", at = "/app/" }
        trusted_origins = ["https://example.com", "https://*.example.com"]
        metering = "fuel"
        coredumps = true
        [environment]
        ZULU = "last letter first"
        GREETING = "hi"
        EMPTY = ""
        "#,
    );
    assert_eq!(manifest.build.as_deref(), Some("cargo build --release --target wasm32-wasip2"));
    assert_eq!((manifest.metering, manifest.coredumps), (Metering::Fuel, true));
    assert_eq!(manifest.routes.iter().map(Pattern::is_regex).collect::<Vec<_>>(), [false, true]);
    let static_files = StaticFiles { dir: "/srv/chat/public".into(), at: "/app".to_owned() };
    assert_eq!(manifest.static_files, Some(static_files));
    assert!(manifest.trusted_origins.iter().any(|origin| origin.matches("https://a.example.com")));
    let environment = [("ZULU", "last letter first"), ("GREETING", "hi"), ("EMPTY", "")];
    assert_eq!(manifest.environment, environment.map(|(key, value)| (key.to_owned(), value.to_owned())));
}

/// Every limit, none of them as it is by default.
const EVERY_LIMIT: &str = r#"
metering = "fuel"
[limits]
memory = "128MiB"
execution = "50ms"
event_time = "1min"
table_elements = 10_000
core_instances = 8
component_size = "1MiB"
execution_share = "25%"
instructions = 1_000_000
start_time = "1s 500ms"
max_message_size = 1_048_576
fragments = 10
message_time = "off"
messages_per_second = 50
bytes_per_second = "1MiB"
rate_time = "2s"
control_frames = "off"
outbound = "1.5MiB"
slow_consumer_time = "1m"
connections = 5
rooms = 6
members = 7
mailbox = 8
room_idle = "2m"
instance_share = "40%"
recycle_at = "32MiB"
recycle_events = 1_000
traps = 3
trap_window = "1m"
trap_pause = "500ms"
ping_interval = "20s"
ping_timeout = "off"
close_timeout = "1s"
subscriptions = 0
topic_size = "64B"
log_line_size = "1KiB"
log_lines = 7
"#;

#[test]
fn every_limit_is_read() {
    let expected = Limits {
        memory: 128 << 20,
        table_elements: 10_000,
        core_instances: 8,
        component_size: 1 << 20,
        execution: Duration::from_millis(50),
        execution_share: 25,
        instructions: Some(1_000_000),
        event_time: Duration::from_secs(60),
        start_time: Duration::from_millis(1500),
        max_message_size: 1 << 20,
        fragments: 10,
        message_time: None,
        messages_per_second: Some(50),
        bytes_per_second: Some(1 << 20),
        rate_time: Duration::from_secs(2),
        control_frames: None,
        outbound: 3 << 19,
        slow_consumer_time: Duration::from_secs(60),
        connections: 5,
        rooms: 6,
        members: 7,
        mailbox: 8,
        room_idle: Duration::from_secs(120),
        instance_share: 40,
        recycle_at: Some(32 << 20),
        recycle_events: Some(1_000),
        traps: Some(3),
        trap_window: Duration::from_secs(60),
        trap_pause: Duration::from_millis(500),
        ping_interval: Some(Duration::from_secs(20)),
        ping_timeout: None,
        close_timeout: Duration::from_secs(1),
        subscriptions: 0,
        topic_size: 64,
        log_line_size: 1024,
        log_lines: 7,
    };
    assert_eq!(parse(&format!("{SHORT}{EVERY_LIMIT}")).limits, expected);
}

#[test]
fn the_limits_that_are_shown_can_be_written() {
    let limits = Limits::default();
    let rows = limits.rows().map(|(key, value)| match value.parse::<u64>() {
        Ok(count) => format!("{key} = {count}\n"),
        Err(_) => format!("{key} = {value:?}\n"),
    });
    let text = format!("{SHORT}[limits]\n{}", rows.collect::<String>());
    assert_eq!(parse(&text).limits, Limits::default());
}

#[test]
fn a_static_folder_needs_no_routes() {
    for (text, at) in
        [("\"public\"", "/"), ("{ dir = \"./public\" }", "/"), ("{ dir = \"a/b\", at = \"/x/y.z\" }", "/x/y.z")]
    {
        let manifest = parse(&format!("name = \"page\"\ncomponent = \"page.wasm\"\nstatic = {text}\n"));
        assert!(manifest.routes.is_empty());
        assert_eq!(manifest.static_files.unwrap().at, at);
    }
}

#[test]
fn the_ping_timeout_follows_a_shorter_interval() {
    let limits = |text: &str| parse(&format!("{SHORT}[limits]\n{text}\n")).limits;
    let seconds = |seconds| Some(Duration::from_secs(seconds));
    assert_eq!(limits("ping_interval = \"10s\"").ping_timeout, seconds(10));
    assert_eq!(limits("ping_interval = \"5min\"").ping_timeout, seconds(30));
    assert_eq!(limits("ping_interval = \"off\"").ping_interval, None);
    assert_eq!(limits("ping_interval = \"off\"\nping_timeout = \"50s\"").ping_timeout, seconds(50));
    assert_eq!(limits("ping_interval = \"50s\"\nping_timeout = \"50s\"").ping_timeout, seconds(50));
}

#[test]
fn host_defaults_are_inherited_and_ceilings_hold() {
    let defaults = Limits { connections: 7, ..Limits::default() };
    let ceilings =
        Ceilings { connections: Some(10), ping_interval: Some(Some(Duration::from_secs(60))), ..Ceilings::none() };
    let limits = |text: &str| {
        let text = format!("{SHORT}[limits]\n{text}\n");
        Manifest::parse(&text, Path::new(FILE_NAME), &defaults, &ceilings).map(|manifest| manifest.limits)
    };
    assert_eq!(limits("").unwrap().connections, 7);
    assert_eq!(limits("connections = 10").unwrap().connections, 10);
    assert_eq!(limits("memory = \"4GiB\"").unwrap().memory, 4 << 30);
    let error = limits("connections = 11\nping_interval = \"off\"").unwrap_err();
    let expected = "\
whimbrel.toml:5: limits.connections: 11 is over the ceiling of 10; only [ceilings] in the host config can raise it
whimbrel.toml:6: limits.ping_interval: \"off\" is over the ceiling of 1m; only [ceilings] in the host config can raise it";
    assert_eq!(error.to_string(), expected);
}

#[test]
fn a_folder_or_its_manifest_is_loaded() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join(FILE_NAME);
    fs::write(&file, SHORT).unwrap();
    let load = |path: &Path| Manifest::load(path, &Limits::default(), &Ceilings::default());
    let manifest = load(folder.path()).unwrap();
    assert_eq!((&manifest.path, manifest.dir.as_path()), (&file, folder.path()));
    assert_eq!(load(&file).unwrap(), manifest);
}

#[test]
fn files_that_cannot_be_read_are_explained() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join(FILE_NAME);
    let error = || Manifest::load(folder.path(), &Limits::default(), &Ceilings::default()).unwrap_err().to_string();
    let absent = "there is no such file; a deployment is a folder with a whimbrel.toml, or the path of such a file";
    assert_eq!(error(), format!("{}: {absent}", file.display()));
    fs::write(&file, b"name = \"a\"\n\xff").unwrap();
    assert_eq!(error(), format!("{}:2: is not UTF-8 text", file.display()));
    fs::write(&file, "#".repeat(262_145)).unwrap();
    assert_eq!(error(), format!("{}: is larger than the 262144 bytes that are allowed", file.display()));
    fs::remove_file(&file).unwrap();
    fs::create_dir(&file).unwrap();
    assert!(error().contains("whimbrel.toml: cannot be read: "), "{}", error());
}

#[test]
fn too_many_routes_are_refused_once() {
    let routes: Vec<String> = (0..300).map(|index| format!("\"/{index}\"")).collect();
    let text = format!("name = \"a\"\ncomponent = \"a.wasm\"\nroutes = [{}]\n", routes.join(", "));
    let error = Manifest::parse(&text, Path::new(FILE_NAME), &Limits::default(), &Ceilings::default()).unwrap_err();
    assert_eq!(error.to_string(), "whimbrel.toml:3: routes: at most 256 routes are allowed");
}

#[test]
fn instructions_are_inherited_where_they_are_counted() {
    let defaults = Limits { instructions: Some(7), ..Limits::default() };
    let parse =
        |text: &str| Manifest::parse(text, Path::new("whimbrel.toml"), &defaults, &Ceilings::default()).unwrap();
    assert_eq!(parse(SHORT).limits.instructions, None);
    assert_eq!(parse(&format!("{SHORT}[limits]\ninstructions = \"off\"")).limits.instructions, None);
    assert_eq!(parse(&format!("{SHORT}metering = \"fuel\"")).limits.instructions, Some(7));
}
