//! Routes from outside: which deployment answers a path, what `open` is given, and which conflicts are refused.

use crate::support::client::refusal;
use crate::support::raw::{Request, TEXT};
use crate::support::{Client, Raw, TestHost, guests};

/// What a probe's `open` was given on a path.
async fn args(host: &TestHost, path: &str) -> String {
    Client::connect(host, path).await.ask("args").await
}

/// The status that refuses a handshake on a path.
async fn status(host: &TestHost, path: &str) -> u16 {
    refusal(Client::try_connect(host, path, &[]).await).status().as_u16()
}

#[tokio::test]
async fn patterns_capture_within_a_segment() {
    let host = TestHost::serving(guests::PROBE)
        .route("/chat/{room}")
        .route("/u-{id}.json")
        .route("/{a}/of/{b}/")
        .start()
        .await;
    for (path, expected) in [
        ("/chat/lobby", "[room=lobby]"),
        ("/chat/lobby?room=other", "[room=lobby]"),
        ("/u-7.json", "[id=7]"),
        ("/u-a.json.json", "[id=a.json]"),
        ("/one/of/two/", "[a=one,b=two]"),
    ] {
        assert_eq!(args(&host, path).await, expected, "{path}");
    }
    for path in ["/chat/", "/chat", "/chat/a/b", "/chat/a/", "/u-.json", "/u-7xjson", "/x/u-7.json", "/one/of/two"] {
        assert_eq!(status(&host, path).await, 404, "{path}");
    }
    host.stop().await;
}

#[tokio::test]
async fn regular_expressions_match_as_a_whole_and_capture_in_order() {
    let host = TestHost::serving(guests::PROBE)
        .route("{ regex = '/echo/([^/]+)(?:/(.*))?' }")
        .route("{ regex = '/named/(?P<room>[a-z]+)(-\\d+)?(?:/(?P<rest>.*))?' }")
        .route("{ regex = '/a|/b' }")
        .start()
        .await;
    for (path, expected) in [
        ("/echo/one", "[_=one,_=none]"),
        ("/echo/one/", "[_=one,_=]"),
        ("/echo/one/two/three", "[_=one,_=two/three]"),
        ("/named/room", "[room=room,_=none,rest=none]"),
        ("/named/room-42/x", "[room=room,_=-42,rest=x]"),
        ("/a", "[]"),
        ("/b", "[]"),
    ] {
        assert_eq!(args(&host, path).await, expected, "{path}");
    }
    for path in ["/echo/", "/x/echo/one", "/named/ROOM", "/named/room-", "/a/b", "/ab", "/xb"] {
        assert_eq!(status(&host, path).await, 404, "{path}");
    }
    host.stop().await;
}

#[tokio::test]
async fn captures_are_percent_decoded_after_matching() {
    let host =
        TestHost::serving(guests::PROBE).route("/p/{room}").route("{ regex = '/r/([^/]+)(?:/(.*))?' }").start().await;
    // Not over tungstenite's client, which has its own idea of a URL.
    for (path, expected) in [
        ("/p/r%20oom", "[room=r oom]"),
        ("/p/a%2Fb", "[room=a/b]"),
        ("/p/gr%C3%BC%c3%9fe", "[room=grüße]"),
        ("/p/a+b", "[room=a+b]"),
        ("/p/100%", "[room=100%]"),
        ("/p/%zz%4", "[room=%zz%4]"),
        ("/p/%25%32%30", "[room=%20]"),
        ("/r/r%20oom", "[_=r oom,_=none]"),
        ("/r/a%2Fb/c%2Fd/e", "[_=a/b,_=c/d/e]"),
    ] {
        let mut raw = Raw::open(&host, path).await;
        raw.send_frame(TEXT, b"args").await;
        assert_eq!(String::from_utf8(raw.frame().await.payload).unwrap(), expected, "{path}");
    }
    for path in ["/p/%00", "/p/%ff", "/r/a/%c3%28", "/r/%ed%a0%80"] {
        let mut raw = Raw::connect(host.addr()).await;
        let response = raw.request(&Request::upgrade(&host, path)).await;
        assert_eq!(response.status, 400, "{path}");
        assert!(response.body.contains(path), "{path}: {}", response.body);
    }
    // The path itself is matched as it was sent.
    assert_eq!(status(&host, "/%70/room").await, 404);
    host.stop().await;
}

#[tokio::test]
async fn several_deployments_and_their_precedence() {
    let who = |name: &'static str| move |it: crate::support::host::Builder| it.environment("WHO", name);
    let first = TestHost::serving(guests::PROBE)
        .name("first")
        .route("{ regex = '/(.*)' }")
        .route("/{any}/{more}")
        .route("{ regex = '/late/.*' }");
    let second = who("first")(first).and_serving("second", guests::PROBE).route("/chat/{room}").route("/x/{y}-{z}");
    let third = who("second")(second).and_serving("third", guests::PROBE).route("/chat/lobby").route("/x/{y}");
    let host = who("third")(third).start().await;
    for (path, name, expected) in [
        // Literal text before a capture, a pattern before a regular expression; the order of deployments is no matter.
        ("/chat/lobby", "third", "[]"),
        ("/chat/lobby2", "second", "[room=lobby2]"),
        ("/chat/a", "second", "[room=a]"),
        ("/other/a", "first", "[any=other,more=a]"),
        ("/x/1-2", "second", "[y=1,z=2]"),
        ("/x/12", "third", "[y=12]"),
        ("/a/b/c", "first", "[_=a/b/c]"),
        // Regular expressions in their order.
        ("/late/b/c", "first", "[_=late/b/c]"),
    ] {
        let mut client = Client::connect(&host, path).await;
        assert_eq!(client.ask("env WHO").await, name, "{path}");
        assert_eq!(client.ask("args").await, expected, "{path}");
    }
    let log = host.stop().await;
    assert!(log.contains("args=[room=a] deployment=\"second\""), "{log}");
}

#[tokio::test]
async fn conflicts_name_both_deployments_and_routes() {
    let ended = TestHost::serving(guests::MINIMAL)
        .name("first")
        .route("/chat/{room}")
        .route("{ regex = '/echo/(.*)' }")
        .and_serving("second", guests::MINIMAL)
        .route("/chat/{name}")
        .route("/own")
        .and_serving("third", guests::MINIMAL)
        .route("{ regex = '/echo/(.*)' }")
        .fails()
        .await;
    assert_eq!(ended.status.code(), Some(2), "{}", ended.log);
    for line in [
        "route \"/chat/{name}\" of deployment \"second\" matches the same paths as \
         route \"/chat/{room}\" of deployment \"first\"",
        "route regex '/echo/(.*)' of deployment \"third\" matches the same paths as \
         route regex '/echo/(.*)' of deployment \"first\"",
    ] {
        assert!(ended.log.contains(line), "no {line:?} in\n{}", ended.log);
    }
    assert!(!ended.stdout.contains("listening"), "{}", ended.stdout);
}

#[tokio::test]
async fn two_deployments_of_one_name_are_a_conflict() {
    let manifest = format!("name = \"guest\"\ncomponent = {:?}\nroutes = [\"/b\"]\n", guests::MINIMAL);
    let ended = TestHost::serving(guests::MINIMAL)
        .route("/a")
        .and_serving("twin", guests::MINIMAL)
        .file("twin/whimbrel.toml", manifest)
        .fails()
        .await;
    assert_eq!(ended.status.code(), Some(2), "{}", ended.log);
    for part in ["two manifests have the name \"guest\"", "guest/whimbrel.toml", "twin/whimbrel.toml"] {
        assert!(ended.log.contains(part), "no {part:?} in\n{}", ended.log);
    }
}

#[tokio::test]
async fn bad_routes_of_all_manifests_are_reported_at_once() {
    let ended = TestHost::serving(guests::MINIMAL)
        .name("first")
        .route("no-slash")
        .route("/a/{}")
        .route("{ regex = '/(unclosed' }")
        .and_serving("second", guests::MINIMAL)
        .route("/same/{a}")
        .route("/same/{b}")
        .fails()
        .await;
    assert_eq!(ended.status.code(), Some(2), "{}", ended.log);
    for part in [
        "first/whimbrel.toml:3: routes: \"no-slash\"",
        "has a capture without a name at character 4",
        "is not a regular expression: unclosed group, at character 2",
        "second/whimbrel.toml:3: routes: \"/same/{b}\" matches the same paths as \"/same/{a}\" before it",
    ] {
        assert!(ended.log.contains(part), "no {part:?} in\n{}", ended.log);
    }
}
