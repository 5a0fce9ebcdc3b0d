//! JavaScript beside the cases of all languages: what its engine lacks, and its SDK makes up for.

use std::path::Path;

use crate::support::{Client, TestHost, guests};

/// What the engine lacks or does wrong, and the SDK makes up for.
pub(super) async fn makes_up_for_quickjs(folder: &Path) {
    let host = TestHost::serving(guests::ECHO).route("/other").argument(&folder.to_string_lossy()).start().await;
    let mut first = Client::connect(&host, "/case/a").await;
    let mut second = Client::connect(&host, "/case/b").await;
    let (one, two) = (first.ask("!random").await, second.ask("!random").await);
    for (one, two) in one.split(' ').zip(two.split(' ')) {
        assert_ne!(one, two, "two instances drew the same");
    }
    assert_eq!(first.ask("!globals").await, "é true undefined");
    assert_eq!(first.ask("!surrogate").await, "a\u{fffd}b");
    first.text("!async").await;
    first.closed_with(1011).await;
    host.wait_log("onMessage returned a promise").await;
    assert_eq!(second.ask("still here").await, "still here");
    drop(second);
    host.stop().await;
}
