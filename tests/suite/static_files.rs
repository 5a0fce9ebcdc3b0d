//! The static files of a deployment, beside its WebSockets.

use crate::support::host::Builder;
use crate::support::raw::{Request, Response};
use crate::support::{Client, Raw, TestHost, guests};

fn serving() -> Builder {
    let builder = TestHost::serving(guests::ECHO).name("page").route("/ws").route("/page.html");
    builder
        .manifest("static = \"public\"")
        .file("page/public/index.html", "<title>index</title>")
        .file("page/public/page.html", "<title>page</title>")
        .file("page/public/app.js", "let a = 1;")
        .file("page/public/style.css", "body {}")
        .file("page/public/icon.svg", "<svg/>")
        .file("page/public/data.json", "{}")
        .file("page/public/grüße.txt", "grüße")
        .file("page/public/deep/er/file.txt", "deep")
        .file("page/secret.txt", "secret")
}

async fn fetch(host: &TestHost, request: Request) -> Response {
    let mut raw = Raw::connect(host.addr()).await;
    raw.request(&request).await
}

async fn get(host: &TestHost, target: &str) -> Response {
    fetch(host, Request::new(host, "GET", target)).await
}

#[tokio::test]
async fn files_have_their_types() {
    let host = serving().start().await;
    for (target, kind, body) in [
        ("/", "text/html; charset=utf-8", "<title>index</title>"),
        ("/index.html", "text/html; charset=utf-8", "<title>index</title>"),
        ("/app.js", "text/javascript; charset=utf-8", "let a = 1;"),
        ("/style.css?v=1", "text/css; charset=utf-8", "body {}"),
        ("/icon.svg", "image/svg+xml", "<svg/>"),
        ("/data.json", "application/json", "{}"),
        ("/gr%C3%BC%C3%9Fe.txt", "text/plain; charset=utf-8", "grüße"),
        ("/deep/er/file.txt", "text/plain; charset=utf-8", "deep"),
    ] {
        let response = get(&host, target).await;
        assert_eq!((response.status, response.header("content-type")), (200, Some(kind)), "{target}");
        assert_eq!(response.body, body, "{target}");
        assert_eq!(response.header("cache-control"), Some("no-cache"), "{target}");
    }
    host.stop().await;
}

#[tokio::test]
async fn head_has_the_headers_alone() {
    let host = serving().start().await;
    let mut raw = Raw::connect(host.addr()).await;
    let request = Request::new(&host, "HEAD", "/app.js").header("Connection", "close");
    raw.send(request.text().as_bytes()).await;
    let head = String::from_utf8(raw.rest().await).expect("a head is text");
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n") && head.ends_with("\r\n\r\n"), "{head}");
    assert!(head.contains("content-length: 10\r\n"), "{head}");
    drop(raw);
    // Also where a WebSocket shares the path; where there is none, a route knows GET only.
    for (target, status) in [("/page.html", "200 OK"), ("/ws", "405 Method Not Allowed")] {
        let mut raw = Raw::connect(host.addr()).await;
        let request = Request::new(&host, "HEAD", target).header("Connection", "close");
        raw.send(request.text().as_bytes()).await;
        let head = String::from_utf8(raw.rest().await).expect("a head is text");
        assert!(head.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{target}: {head}");
    }
    host.stop().await;
}

#[tokio::test]
async fn an_offer_of_http_2_is_ignored() {
    let host = serving().start().await;
    let offering = |target: &str| {
        let request = Request::new(&host, "GET", target).header("Connection", "Upgrade, HTTP2-Settings");
        request.header("Upgrade", "h2c").header("HTTP2-Settings", "AAMAAABkAAQAAP__")
    };
    assert_eq!(fetch(&host, offering("/app.js")).await.body, "let a = 1;");
    assert_eq!(fetch(&host, offering("/")).await.body, "<title>index</title>");
    assert_eq!(fetch(&host, offering("/page.html")).await.body, "<title>page</title>");
    // Where there is no file, the route says what it speaks.
    assert_eq!(fetch(&host, offering("/ws")).await.status, 400);
    assert_eq!(fetch(&host, Request::upgrade(&host, "/app.js")).await.status, 404);
    host.stop().await;
}

#[tokio::test]
async fn other_methods_are_refused() {
    let host = serving().start().await;
    let response = fetch(&host, Request::new(&host, "POST", "/app.js").header("Content-Length", "0")).await;
    assert_eq!((response.status, response.header("allow")), (405, Some("GET,HEAD")));
    host.stop().await;
}

#[tokio::test]
async fn what_has_not_changed_is_not_sent_again() {
    let host = serving().start().await;
    let first = get(&host, "/app.js").await;
    let date = first.header("last-modified").expect("a file has a date").to_owned();
    let again = Request::new(&host, "GET", "/app.js").header("If-Modified-Since", &date);
    let mut raw = Raw::connect(host.addr()).await;
    raw.send(again.header("Connection", "close").text().as_bytes()).await;
    let response = String::from_utf8(raw.rest().await).expect("a response is text");
    assert!(response.starts_with("HTTP/1.1 304 Not Modified\r\n") && response.ends_with("\r\n\r\n"), "{response}");
    drop(raw);
    let old = Request::new(&host, "GET", "/app.js").header("If-Modified-Since", "Sat, 01 Jan 2000 00:00:00 GMT");
    assert_eq!(fetch(&host, old).await.body, "let a = 1;");
    host.stop().await;
}

#[tokio::test]
async fn h28_nothing_outside_the_folder_is_served() {
    let host = serving().start().await;
    std::os::unix::fs::symlink("../secret.txt", host.folder().join("page/public/link.txt")).expect("a link");
    for target in [
        "/../secret.txt",
        "/%2e%2e/secret.txt",
        "/..%2fsecret.txt",
        "/deep/../../secret.txt",
        "/deep/%2e%2e/%2e%2e/secret.txt",
        "/..%5csecret.txt",
        "/link.txt",
        "/%00secret.txt",
        "//secret.txt",
        "/secret.txt",
        "/etc/passwd",
        "/%2fetc/passwd",
        "//etc/passwd",
    ] {
        let response = get(&host, target).await;
        assert!([400, 404].contains(&response.status), "{target}: {} {}", response.status, response.body);
        assert!(!response.body.contains("secret") && !response.body.contains("root:"), "{target}: {}", response.body);
    }
    host.stop().await;
}

#[tokio::test]
async fn what_is_not_there_is_404() {
    let host = serving().start().await;
    for target in ["/nothing.html", "/deep/er", "/deep/er/file.txt/more", "/app.js/"] {
        let response = get(&host, target).await;
        assert!([404, 307].contains(&response.status), "{target}: {}", response.status);
    }
    assert_eq!(get(&host, "/nothing.html").await.status, 404);
    // Without static files of its own, a host has a page at `/` and nothing else.
    let bare = TestHost::serving(guests::ECHO).route("/ws").start().await;
    assert_eq!(get(&bare, "/index.html").await.status, 404);
    assert_eq!(get(&bare, "/").await.status, 200);
    host.stop().await;
    bare.stop().await;
}

#[tokio::test]
async fn a_page_and_a_websocket_share_a_path() {
    let host = serving().start().await;
    assert_eq!(get(&host, "/page.html").await.body, "<title>page</title>");
    let mut client = Client::connect(&host, "/page.html").await;
    assert_eq!(client.ask("hello").await, "hello");
    assert_eq!(get(&host, "/page.html").await.body, "<title>page</title>");
    assert_eq!(client.ask("still there").await, "still there");
    drop(client);
    host.stop().await;
}

#[tokio::test]
async fn a_folder_can_be_mounted_elsewhere() {
    let host = TestHost::serving(guests::ECHO)
        .name("page")
        .route("/ws")
        .manifest("static = { dir = \"web\", at = \"/app\" }")
        .file("page/web/index.html", "<title>app</title>")
        .file("page/web/a.txt", "a")
        .start()
        .await;
    assert_eq!(get(&host, "/app/").await.body, "<title>app</title>");
    assert_eq!(get(&host, "/app/a.txt").await.body, "a");
    let response = get(&host, "/app").await;
    assert_eq!((response.status, response.header("location")), (307, Some("/app/")));
    for target in ["/a.txt", "/apple", "/app/b.txt", "/app/../page/web/a.txt"] {
        assert_eq!(get(&host, target).await.status, 404, "{target}");
    }
    host.stop().await;
}

#[tokio::test]
async fn two_deployments_have_files_of_their_own() {
    let host = TestHost::serving(guests::ECHO)
        .name("one")
        .route("/one/ws")
        .manifest("static = { dir = \"web\", at = \"/one\" }")
        .and_serving("two", guests::ECHO)
        .route("/two/ws")
        .manifest("static = { dir = \"web\", at = \"/two\" }")
        .file("one/web/a.txt", "one")
        .file("two/web/a.txt", "two")
        .start()
        .await;
    assert_eq!(get(&host, "/one/a.txt").await.body, "one");
    assert_eq!(get(&host, "/two/a.txt").await.body, "two");
    host.stop().await;
}

#[tokio::test]
async fn files_change_without_a_restart_and_go_with_their_connection() {
    let host = serving().start().await;
    let mut raw = Raw::connect(host.addr()).await;
    assert_eq!(raw.request(&Request::new(&host, "GET", "/data.json")).await.body, "{}");
    std::fs::write(host.folder().join("page/public/data.json"), "{\"a\":1}").expect("the file can be written");
    assert_eq!(raw.request(&Request::new(&host, "GET", "/data.json")).await.body, "{\"a\":1}");
    // The same connection becomes a WebSocket.
    assert_eq!(raw.request(&Request::upgrade(&host, "/ws")).await.status, 101);
    raw.send_frame(1, b"hello").await;
    assert_eq!(raw.frame().await.payload, b"hello");
    drop(raw);
    host.stop().await;
}
