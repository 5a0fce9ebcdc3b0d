//! A folder with some files, links and traps; requests in, responses out.

use std::fs;
use std::os::unix::fs::symlink;

use http::header::{ALLOW, CONTENT_LENGTH, IF_MODIFIED_SINCE, LAST_MODIFIED};
use tempfile::TempDir;

use super::*;

/// `public` is served; `secret` lies beside it.
fn folder() -> TempDir {
    let root = tempfile::tempdir().unwrap();
    let public = root.path().join("public");
    fs::create_dir_all(public.join("sub")).unwrap();
    fs::create_dir(root.path().join("secret")).unwrap();
    fs::write(root.path().join("secret/key"), "secret").unwrap();
    for (name, text) in
        [("index.html", "<p>home"), ("app.js", "js"), ("a b.txt", "blank"), ("sub/index.html", "<p>sub")]
    {
        fs::write(public.join(name), text).unwrap();
    }
    symlink("app.js", public.join("inside.js")).unwrap();
    symlink("../secret/key", public.join("outside")).unwrap();
    symlink("../secret", public.join("outside-folder")).unwrap();
    root
}

async fn get(root: &TempDir, at: &str, method: &str, uri: &str, headers: &[(&str, &str)]) -> Option<Response<Body>> {
    let builder = Request::builder().method(method).uri(uri);
    let builder = headers.iter().fold(builder, |builder, (name, value)| builder.header(*name, *value));
    let parts = builder.body(()).unwrap().into_parts().0;
    StaticFiles::new(&root.path().join("public"), at).respond(&parts).await
}

async fn text(response: Response<Body>) -> String {
    String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

#[tokio::test]
async fn serves_files_with_type_date_and_cache_control() {
    let root = folder();
    for (uri, kind, expected) in [
        ("/", "text/html; charset=utf-8", "<p>home"),
        ("/app.js?v=1", "text/javascript; charset=utf-8", "js"),
        ("/a%20b.txt", "text/plain; charset=utf-8", "blank"),
        ("/sub/", "text/html; charset=utf-8", "<p>sub"),
        ("/inside.js", "text/javascript; charset=utf-8", "js"),
    ] {
        let response = get(&root, "/", "GET", uri, &[]).await.unwrap();
        assert_eq!(response.status(), 200, "{uri}");
        assert_eq!(response.headers()[CONTENT_TYPE], kind, "{uri}");
        assert_eq!(response.headers()[CACHE_CONTROL], "no-cache");
        assert!(response.headers().contains_key(LAST_MODIFIED));
        assert_eq!(text(response).await, expected);
    }
}

#[tokio::test]
async fn head_and_other_methods() {
    let root = folder();
    let head = get(&root, "/", "HEAD", "/app.js", &[]).await.unwrap();
    assert_eq!((head.status().as_u16(), &head.headers()[CONTENT_LENGTH]), (200, &HeaderValue::from_static("2")));
    assert_eq!(text(head).await, "");
    let post = get(&root, "/", "POST", "/app.js", &[]).await.unwrap();
    assert_eq!((post.status().as_u16(), &post.headers()[ALLOW]), (405, &HeaderValue::from_static("GET,HEAD")));
}

#[tokio::test]
async fn unchanged_files_are_not_sent_again() {
    let root = folder();
    let first = get(&root, "/", "GET", "/app.js", &[]).await.unwrap();
    let date = first.headers()[LAST_MODIFIED].to_str().unwrap().to_owned();
    let again = get(&root, "/", "GET", "/app.js", &[(IF_MODIFIED_SINCE.as_str(), &date)]).await.unwrap();
    assert_eq!(again.status(), 304);
    assert_eq!(again.headers()[CACHE_CONTROL], "no-cache");
    assert_eq!(text(again).await, "");
}

#[tokio::test]
async fn h28_no_path_leaves_the_folder() {
    let root = folder();
    for uri in [
        "/../secret/key",
        "/%2e%2e/secret/key",
        "/..%2fsecret%2fkey",
        "/sub/../../secret/key",
        "/..%5csecret%5ckey",
        "/outside",
        "/outside-folder/key",
        "/outside-folder",
        "/outside-folder/",
        "//etc/passwd",
        "/%2fetc/passwd",
        "/app.js%00",
        "/%ff",
        "/app.js/",
        "/nothing",
    ] {
        let response = get(&root, "/", "GET", uri, &[]).await.unwrap();
        assert_eq!(response.status(), 404, "{uri}");
    }
    let pipe = root.path().join("public/pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    assert_eq!(get(&root, "/", "GET", "/pipe", &[]).await.unwrap().status(), 404);
}

#[tokio::test]
async fn folders_redirect_within_the_mount_point() {
    let root = folder();
    for (at, uri, location) in
        [("/", "/sub", "/sub/"), ("/app", "/app/sub?x=1", "/app/sub/?x=1"), ("/app", "/app", "/app/")]
    {
        let response = get(&root, at, "GET", uri, &[]).await.unwrap();
        assert_eq!(
            (response.status().as_u16(), &response.headers()[LOCATION]),
            (307, &location.parse().unwrap()),
            "{uri}"
        );
    }
    fs::create_dir(root.path().join("public/evil.example")).unwrap();
    assert_eq!(get(&root, "/", "GET", "//evil.example", &[]).await.unwrap().status(), 404);
}

#[tokio::test]
async fn only_the_mount_point_answers() {
    let root = folder();
    assert_eq!(text(get(&root, "/app/", "GET", "/app/app.js", &[]).await.unwrap()).await, "js");
    for uri in ["/", "/app.js", "/application/app.js"] {
        assert!(get(&root, "/app", "GET", uri, &[]).await.is_none(), "{uri}");
    }
    assert_eq!(get(&root, "/app", "GET", "/app/%2e%2e/app.js", &[]).await.unwrap().status(), 404);
}

#[tokio::test]
async fn a_folder_that_is_gone_is_404() {
    let root = folder();
    fs::remove_dir_all(root.path().join("public")).unwrap();
    assert_eq!(get(&root, "/", "GET", "/", &[]).await.unwrap().status(), 404);
}
