//! Shared instances: connections are spread over a few.

use crate::support::{Client, TestHost, guests};

#[tokio::test]
async fn connections_are_spread_over_the_instances() {
    let host = TestHost::serving(guests::PROBE)
        .manifest("scope = { shared = 3 }")
        .host("metrics = \"127.0.0.1:0\"")
        .start()
        .await;
    let gauge = "whimbrel_instances{deployment=\"guest\",scope=\"shared\",state=\"active\"}";
    let mut clients = Vec::new();
    for number in 1..=9 {
        clients.push(Client::connect(&host, "/").await);
        assert_eq!(host.metric(gauge).await, f64::from(number.min(3)));
    }
    // Each reaches those of its own instance: three of nine.
    for client in &mut clients {
        assert_eq!(client.ask("send-many 1,2,3,4,5,6,7,8,9 hello").await.as_str(), "hello");
    }
    for client in &mut clients {
        let mut told = Vec::new();
        while told.len() < 3 {
            told.push(client.receive_text().await);
        }
        assert_eq!(told.iter().filter(|text| *text == "ok 3").count(), 1, "{told:?}");
    }
    // Where one has left, the next one comes.
    clients.remove(0).close(1000, "").await;
    host.wait_metric("whimbrel_connections{deployment=\"guest\"}", 8.0).await;
    let mut next = Client::connect(&host, "/").await;
    next.text("send-many 1,2,3,4,5,6,7,8,9,10 hello").await;
    assert_eq!((next.receive_text().await.as_str(), next.receive_text().await.as_str()), ("hello", "ok 3"));
    host.stop().await;
}

#[tokio::test]
async fn a_trap_costs_the_connections_of_one_instance() {
    let host = TestHost::serving(guests::PROBE).manifest("scope = { shared = 2 }").start().await;
    let (mut one, mut two) = (Client::connect(&host, "/").await, Client::connect(&host, "/").await);
    let three = Client::connect(&host, "/").await;
    assert_eq!(two.ask("id").await, "2");
    one.text("panic now").await;
    one.closed_with(1011).await;
    three.closed_with(1011).await;
    let line = host.wait_log("kind=\"fault\"").await;
    assert!(line.contains("scope=\"shared\" key=\"0\""), "{line}");
    assert_eq!(two.ask("count").await, "2");
    // The instance is started again.
    let mut again = Client::connect(&host, "/").await;
    assert_eq!(again.ask("count").await, "1");
    host.stop().await;
}
