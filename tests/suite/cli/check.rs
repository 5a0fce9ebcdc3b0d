//! What `whimbrel check` says of how many instances there can be.

use std::path::{Path, PathBuf};

use super::{Output, run, text_of};
use crate::support::guests;

/// A manifest in `folder` with these lines; each has its own route.
fn manifest(folder: &Path, name: &str, component: &str, lines: &str) -> PathBuf {
    let path = folder.join(format!("{name}.toml"));
    let text = format!("name = {name:?}\ncomponent = {component:?}\nroutes = [\"/{name}/{{key}}\"]\n{lines}\n");
    std::fs::write(&path, text).expect("the file can be written");
    path
}

/// The row of a deployment's instances.
fn row<'a>(output: &'a Output, name: &str) -> &'a str {
    let of_deployment = output.stdout.split_once(&format!("{name}: ok\n")).expect("it is ok").1;
    let row = of_deployment.lines().find_map(|line| line.trim_start().strip_prefix("instances "));
    row.expect("a row with instances").trim_start()
}

fn number(text: &str) -> u32 {
    text.split(' ').next().and_then(|word| word.parse().ok()).unwrap_or_else(|| panic!("a number before {text:?}"))
}

#[tokio::test]
async fn check_says_how_many_instances_the_machine_holds_and_what_scopes_come_to() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let of = |name, component, lines| manifest(folder.path(), name, component, lines);
    let checked = [
        of("each", guests::ECHO, "[limits]\nconnections = 1000"),
        of("rooms", guests::ECHO, "scope = { room = \"{key}\" }\n[limits]\nrooms = 30000"),
        of("shared", guests::LARGE_DATA, "scope = { shared = 4 }"),
        of("event", guests::ECHO, "scope = \"event\"\n[limits]\nconnections = 50000"),
        of("metered", guests::ECHO, "metering = \"fuel\"\nscope = { shared = 2000 }"),
    ];
    let arguments: Vec<&str> = ["check"].into_iter().chain(checked.iter().map(|path| text_of(path))).collect();
    let output = run(&arguments).await;
    output.assert_code(0);
    let last = output.stdout.lines().last().expect("a line");
    let holds = last.strip_prefix("this machine holds ").unwrap_or_else(|| panic!("{last:?} says nothing of it"));
    let (instances, parts) = holds.split_once("): ").expect("a reason");
    assert!(
        instances.contains("(vm.max_map_count = ") || instances.contains("(the most that one host holds"),
        "{last}"
    );
    assert!(parts.contains(" of components with up to 64 KiB of data, at 4 mappings each; "), "{last}");
    assert!(parts.ends_with(" with metering = \"fuel\", at 6"), "{last}");
    let parts: Vec<u32> = parts.split("; ").map(number).collect();
    assert_eq!(parts.iter().sum::<u32>(), number(instances), "{last}");

    assert_eq!(row(&output, "each"), "up to 1000 (one per connection, limits.connections)");
    let note = |room: u32| format!("; note: this machine holds {room} such, then 503");
    assert_eq!(row(&output, "rooms"), format!("up to 30000 (one per room, limits.rooms){}", note(parts[0])));
    assert_eq!(row(&output, "shared"), "up to 4 (scope)");
    let event = format!("up to 50000 (one per event at a time, limits.connections){}", note(parts[0]));
    assert_eq!(row(&output, "event"), event);
    assert_eq!(row(&output, "metered"), format!("up to 2000 (scope){}", note(parts[2])));
}

#[tokio::test]
async fn check_counts_the_instances_of_a_host_config() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let manifest = manifest(folder.path(), "each", guests::ECHO, "[limits]\nconnections = 101");
    let config = folder.path().join("host.toml");
    let check = async |instances: &str| {
        std::fs::write(&config, format!("[host]\ninstances = {instances}\n")).expect("the file can be written");
        run(&["check", "--config", text_of(&config), text_of(&manifest)]).await
    };
    let output = check("100").await;
    let last = output.assert_code(0).stdout.lines().last().expect("a line");
    assert!(last.starts_with("this machine holds 100 instances (host.instances = 100, vm.max_map_count = "), "{last}");
    assert!(row(&output, "each").ends_with("note: this machine holds 88 such, then 503"), "{}", output.stdout);
    let output = check("100000000").await;
    output.assert_code(2).assert_stderr("host.instances: 100000000 is more than this machine holds");
    assert!(!output.stdout.contains("this machine holds"), "{}", output.stdout);
}
