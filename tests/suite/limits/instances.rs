//! How many instances there may be, and what they cost of what bounds them: Linux's count of memory mappings.

use std::fs;

use super::connections::{connects_in_the_end, is_turned_away};
use crate::support::metrics::Metrics;
use crate::support::{Client, TestHost, guests};

fn max_map_count() -> u64 {
    let text = fs::read_to_string("/proc/sys/vm/max_map_count").expect("this is Linux");
    text.trim().parse().expect("a number")
}

/// Mappings of the host's process.
fn mappings(host: &TestHost) -> usize {
    let maps = fs::read_to_string(format!("/proc/{}/maps", host.pid().as_raw_nonzero())).expect("it runs");
    maps.lines().count()
}

#[tokio::test]
async fn instances_of_the_host() {
    let host = TestHost::serving(guests::MINIMAL).host("[host]\ninstances = 2").start().await;
    let first = Client::connect(&host, "/").await;
    let mut second = Client::connect(&host, "/").await;
    is_turned_away(&host, "/", "This host has all the instances").await;
    host.wait_log("host.instances: all are in use").await;
    first.close(1000, "").await;
    connects_in_the_end(&host, "/").await;
    assert_eq!(second.ask("two").await, "two");
    drop(second);
    host.stop().await;
}

#[tokio::test]
async fn more_instances_than_the_machine_holds_are_a_mistake_of_the_host_config() {
    let ended = TestHost::serving(guests::MINIMAL).host("[host]\ninstances = 100000000").fails().await;
    assert_eq!(ended.status.code(), Some(2), "{}", ended.log);
    let advice = "sysctl vm.max_map_count=";
    assert!(ended.log.contains("host.instances: 100000000") && ended.log.contains(advice), "{}", ended.log);
    assert!(ended.log.contains(&format!("vm.max_map_count = {} leaves room for ", max_map_count())), "{}", ended.log);
}

#[tokio::test]
async fn a_host_says_when_the_machine_holds_fewer_instances_than_connections_are_wanted() {
    let host = TestHost::serving(guests::MINIMAL)
        .host("metrics = \"127.0.0.1:0\"\n[host]\nconnections = 1000000")
        .start()
        .await;
    let line = host.wait_log("host.instances: ").await;
    assert!(line.ends_with(&format!("; vm.max_map_count = {}", max_map_count())), "{line}");
    let most = line.split("host.instances: ").nth(1).and_then(|rest| rest.split(';').next()).expect("a number");
    assert_eq!(Metrics::read(&host).await.value("whimbrel_instances_limit").to_string(), most);
    if most != "20000" {
        let line = host.wait_log("host.connections: 1000000").await;
        assert!(line.contains("each connection of \"guest\" has an instance"), "{line}");
        assert!(line.contains(&format!("leaves room for {most}; raise it with: sysctl vm.max_map_count=8")), "{line}");
    }
    host.stop().await;
}

/// What `count` more connections add to the host's mappings, all of them after a message.
async fn added(host: &TestHost, held: &mut Vec<Client>, count: usize) -> usize {
    let before = mappings(host);
    for _ in 0..count {
        let mut client = Client::connect(host, "/").await;
        client.ask("1").await;
        held.push(client);
    }
    mappings(host) - before
}

#[tokio::test]
async fn an_instance_costs_the_mappings_that_are_counted_for_it() {
    for (guest, each) in [(guests::ECHO, 2), (guests::LARGE_DATA, 4)] {
        let host = TestHost::serving(guest).host("[host]\ninstances = 200").start().await;
        // Two for the stack of each that the deployment may have: an eighth is kept for other ones.
        assert!(mappings(&host) > 350, "{}", mappings(&host));
        let mut held = Vec::new();
        // Until then the host itself grows.
        added(&host, &mut held, 30).await;
        let added = added(&host, &mut held, 60).await;
        assert!((each * 60 - 15..=each * 60 + 15).contains(&added), "{guest}: {added} for 60");
        drop(held);
        host.stop().await;
    }
}

#[tokio::test]
async fn large_data_is_that_of_the_component_in_every_instance() {
    let host = TestHost::serving(guests::LARGE_DATA).host("[host]\ninstances = 2").start().await;
    for _ in 0..10 {
        let mut first = connects_in_the_end(&host, "/").await;
        let mut second = connects_in_the_end(&host, "/").await;
        is_turned_away(&host, "/", "This host has all the instances").await;
        for client in [&mut first, &mut second] {
            // What one has overwritten is its own, and gone with it.
            assert_eq!((client.ask("0").await, client.ask("0").await), ("1".to_owned(), "0".to_owned()));
            assert_eq!(client.ask("102399").await, (102_399 % 251 + 1).to_string());
        }
        first.close(1000, "").await;
        second.close(1000, "").await;
    }
    host.stop().await;
}

#[tokio::test]
async fn guests_with_little_and_with_much_data_share_the_instances() {
    let host = TestHost::serving(guests::ECHO)
        .host("metrics = \"127.0.0.1:0\"\n[host]\ninstances = 4")
        .and_serving("large", guests::LARGE_DATA)
        .route("/large")
        .start()
        .await;
    assert_eq!(Metrics::read(&host).await.value("whimbrel_instances_limit"), 4.0);
    let mut large = Client::connect(&host, "/large").await;
    is_turned_away(&host, "/large", "This host has all the instances").await;
    let mut small = Vec::new();
    for _ in 0..3 {
        small.push(Client::connect(&host, "/").await);
    }
    is_turned_away(&host, "/", "This host has all the instances").await;
    assert_eq!(large.ask("0").await, "1");
    drop((large, small));
    host.stop().await;
}
