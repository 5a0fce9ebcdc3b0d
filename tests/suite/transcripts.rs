//! What the READMEs of the examples show, replayed.

use crate::support::{TestHost, guests, transcript};

#[tokio::test]
async fn echo() {
    let host = TestHost::serving(guests::ECHO).name("echo").route("/echo").start().await;
    transcript::replay("examples/echo/README.md", &host).await;
    host.stop().await;
}
