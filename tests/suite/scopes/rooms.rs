//! Rooms: members share an instance, which lives from the first to some time after the last.

use super::rooms;
use crate::support::{Client, guests};

/// The probe's number for a connection.
async fn id(client: &mut Client) -> String {
    client.ask("id").await
}

#[tokio::test]
async fn members_reach_each_other_and_nobody_else() {
    let host = rooms(guests::PROBE).start().await;
    let (mut ann, mut ben) = (Client::connect(&host, "/harbour").await, Client::connect(&host, "/harbour").await);
    let mut eve = Client::connect(&host, "/elsewhere").await;
    let (ann_id, ben_id, eve_id) = (id(&mut ann).await, id(&mut ben).await, id(&mut eve).await);
    assert_eq!(ann.ask(&format!("send-to {ben_id} hello")).await, "ok 7");
    assert_eq!(ben.receive_text().await, "hello");
    assert_eq!(ann.ask(&format!("send-to {eve_id} hello")).await, "error UnknownConnection");
    assert_eq!(ben.ask(&format!("send-many {ann_id},{ben_id},{eve_id} all")).await, "all");
    assert_eq!(ben.receive_text().await, "ok 2");
    assert_eq!(ann.receive_text().await, "all");
    // One member may end another.
    assert_eq!(ann.ask(&format!("close-to {ben_id} enough")).await, "ok");
    assert_eq!(ben.closed().await, Some((1000, "enough".to_owned())));
    host.wait_log(&format!("event close id={ben_id} ")).await;
    assert_eq!(ann.ask(&format!("send-to {ben_id} hello")).await, "error UnknownConnection");
    let gauge = "whimbrel_instances{deployment=\"guest\",scope=\"room\",state=\"active\"}";
    assert_eq!(host.metric(gauge).await, 2.0);
    host.stop().await;
}

#[tokio::test]
async fn a_room_outlives_its_last_member_for_a_while() {
    let host = rooms(guests::PROBE).limit("room_idle", "300ms").argument("--log-level=debug").start().await;
    let gauge = |state| format!("whimbrel_instances{{deployment=\"guest\",scope=\"room\",state=\"{state}\"}}");
    let client = Client::connect(&host, "/a").await;
    client.close(1000, "").await;
    host.wait_metric(&gauge("idle"), 1.0).await;
    // The next one meets the same instance.
    let mut next = Client::connect(&host, "/a").await;
    assert_eq!(id(&mut next).await, "2");
    next.close(1000, "").await;
    host.wait_metric(&gauge("idle"), 0.0).await;
    assert_eq!(host.metric(&gauge("active")).await, 0.0);
    let mut last = Client::connect(&host, "/a").await;
    assert_eq!(id(&mut last).await, "3");
    let log = host.stop().await;
    assert_eq!(log.matches("instance started").count(), 2, "{log}");
    assert!(log.contains("scope=\"room\" key=\"a\""), "{log}");
}

#[tokio::test]
async fn the_key_is_made_of_the_routes_args() {
    let host = crate::support::TestHost::serving(guests::PROBE)
        .route("/{city}/{room}")
        .manifest("scope = { room = \"{city}/{room}\" }")
        .start()
        .await;
    let (mut one, mut two) = (Client::connect(&host, "/a/1").await, Client::connect(&host, "/b/1").await);
    let mut three = Client::connect(&host, "/a/1?x=y").await;
    let (one_id, two_id) = (id(&mut one).await, id(&mut two).await);
    assert_eq!(three.ask(&format!("send-to {two_id} x")).await, "error UnknownConnection");
    assert_eq!(three.ask(&format!("send-to {one_id} x")).await, "ok 3");
    assert_eq!(one.receive_text().await, "x");
    host.stop().await;
}

#[tokio::test]
async fn all_members_hear_one_order() {
    let host = rooms(guests::PROBE).start().await;
    let mut members = Vec::new();
    for _ in 0..10 {
        members.push(Client::connect(&host, "/a").await);
    }
    let mut ids = Vec::new();
    for member in &mut members {
        ids.push(id(member).await);
    }
    let everybody = ids.join(",");
    for round in 0..50 {
        for (member, id) in members.iter_mut().zip(&ids) {
            member.text(&format!("send-many {everybody} {round} from {id}")).await;
        }
    }
    let mut heard = Vec::new();
    for member in &mut members {
        let mut said = Vec::new();
        while said.len() < 500 {
            let text = member.receive_text().await;
            if text != "ok 10" {
                said.push(text);
            }
        }
        heard.push(said);
    }
    assert!(heard.iter().all(|said| *said == heard[0]), "members heard different orders");
    for id in &ids {
        let own = heard[0].iter().filter(|text| text.ends_with(&format!(" from {id}")));
        let rounds = own.map(|text| text.split(' ').next().unwrap_or_default().parse::<i32>().expect("a number"));
        assert!(rounds.eq(0..50), "the messages of {id} are out of order");
    }
    host.stop().await;
}

#[tokio::test]
async fn s08_ten_thousand_joins_and_leaves_leave_nothing() {
    let host = rooms(guests::PROBE).limit("log_lines", "0").limit("rooms", "1").start().await;
    let mut stays = Client::connect(&host, "/a").await;
    let before = host.resident_kib();
    for round in 0..5_000 {
        let (mut one, two) = (Client::connect(&host, "/a").await, Client::connect(&host, "/a").await);
        if round % 100 == 0 {
            assert_ne!(id(&mut one).await, "1");
        }
        match round % 2 {
            0 => drop((one, two)),
            _ => {
                one.close(1000, "").await;
                two.close(1001, "").await;
            }
        }
    }
    host.wait_metric("whimbrel_connections{deployment=\"guest\"}", 1.0).await;
    assert_eq!(host.metric("whimbrel_connections_total{deployment=\"guest\"}").await, 10_001.0);
    assert_eq!(stays.ask("count").await, "1");
    let grown = host.resident_kib().saturating_sub(before);
    assert!(grown < 16 * 1024, "{grown} KiB more than before");
    host.stop().await;
}

#[tokio::test]
async fn a_drain_closes_members_and_a_stop_waits_for_them() {
    let host = rooms(guests::PROBE).start().await;
    let (one, two) = (Client::connect(&host, "/a").await, Client::connect(&host, "/a").await);
    let (stopped, one, two) = tokio::join!(host.stop(), one.closed(), two.closed());
    assert_eq!((one.map(|it| it.0), two.map(|it| it.0)), (Some(1001), Some(1001)));
    assert_eq!(stopped.matches("cause=drained").count(), 2, "{stopped}");
}
