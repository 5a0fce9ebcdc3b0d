//! Tests of good host configs; bad ones are golden files beside those of the manifest.

use std::fs;

use super::*;

fn parse(text: &str) -> HostConfig {
    HostConfig::parse(text, Path::new("/etc/whimbrel/host.toml")).unwrap()
}

#[test]
fn an_empty_file_is_the_default() {
    assert_eq!(parse(""), HostConfig::default());
    assert_eq!(
        parse("[tls]\ncert = \"c\"\nkey = \"/k\"\n[handshake]\n[host]\n[defaults]\n[ceilings]\n"),
        HostConfig {
            tls: Some(TlsFiles { cert: "/etc/whimbrel/c".into(), key: "/k".into() }),
            ..HostConfig::default()
        }
    );
}

#[test]
fn every_key_is_read() {
    let config = parse(
        r#"
        listen = ["127.0.0.1:0", "127.0.0.1:0", "[::1]:8080"]
        hosts = ["example.com", "*.example.com", "[::1]"]
        deployments = ["../chat", "/srv/echo/whimbrel.toml"]
        shutdown_grace = "0s"
        metrics = "127.0.0.1:9090"
        log = "json"
        workers = 2
        [handshake]
        time = "5s"
        header_bytes = "32KiB"
        headers = 50
        [host]
        connections = 10000
        connections_per_peer = 20
        handshakes_per_peer = 64
        memory_budget = "1GiB"
        memory_pressure = "off"
        instances = 9000
        metered_instances = 200
        wasm_stack = "1MiB"
        [coredumps]
        dir = "dumps"
        count = 3
        size = "1MiB"
        [defaults]
        memory = "128MiB"
        ping_interval = "off"
        [ceilings]
        memory = "256MiB"
        execution = "off"
        connections = 1000
        "#,
    );
    let expected = HostConfig {
        listen: ["127.0.0.1:0", "127.0.0.1:0", "[::1]:8080"].map(|address| address.parse().unwrap()).into(),
        hosts: Hosts::Only(["example.com", "*.example.com", "::1"].map(|name| name.parse().unwrap()).into()),
        deployments: ["/etc/whimbrel/../chat", "/srv/echo/whimbrel.toml"].map(PathBuf::from).into(),
        shutdown_grace: Duration::ZERO,
        metrics: Some("127.0.0.1:9090".parse().unwrap()),
        log: LogFormat::Json,
        workers: Some(2),
        tls: None,
        handshake: HandshakeLimits { time: Duration::from_secs(5), header_bytes: 32 * 1024, headers: 50 },
        host: HostLimits {
            connections: Some(10_000),
            connections_per_peer: Some(20),
            handshakes_per_peer: Some(64),
            memory_budget: Some(1 << 30),
            memory_pressure: None,
            instances: Some(9000),
            metered_instances: Some(200),
            wasm_stack: 1 << 20,
        },
        coredumps: Some(CoreDumpSettings { dir: "/etc/whimbrel/dumps".into(), count: 3, size: 1 << 20 }),
        // The ceiling lowers the default that the file does not name.
        defaults: Limits { memory: 128 << 20, ping_interval: None, connections: 1000, ..Limits::default() },
        ceilings: Ceilings { memory: Some(256 << 20), execution: None, connections: Some(1000), ..Ceilings::default() },
    };
    assert_eq!(config, expected);
    let off = "[host]\nconnections_per_peer = \"off\"\nhandshakes_per_peer = \"off\"\nmemory_pressure = \"90%\"";
    assert_eq!(parse(off).host, HostLimits::default());
}

#[test]
fn a_file_is_loaded_or_explained() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("host.toml");
    let absent = "there is no such file; give the path of a host config, or leave it out";
    assert_eq!(HostConfig::load(&file).unwrap_err().to_string(), format!("{}: {absent}", file.display()));
    fs::write(&file, "deployments = [\"chat\"]\n").unwrap();
    assert_eq!(HostConfig::load(&file).unwrap().deployments, [folder.path().join("chat")]);
}
