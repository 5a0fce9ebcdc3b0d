//! `whimbrel dev` follows the manifest too: another name, other routes.

use rustix::process::Signal;

use super::{Running, edit, new_handler, run_with, text_of};

#[tokio::test]
async fn another_name_and_route_take_the_place_of_the_old_ones() {
    let (_folder, handler) = new_handler("parrot").await;
    let manifest = handler.join("whimbrel.toml");
    let mut dev = Running::start(&["dev", "--listen", "127.0.0.1:0", text_of(&handler)]);
    let line = dev.stdout("handler ws://").await;
    let url = line.split_whitespace().last().expect("the line ends with the URL");
    let mut client = Running::start(&["connect", "--wait", "forever", url]);
    client.stderr("connected").await;

    // The same route under another name: nobody else has it any more.
    edit(&manifest, "name = \"parrot\"", "name = \"cockatoo\"");
    client.stderr("closed by the peer: 1012").await;
    dev.stderr("reloaded").await;
    assert_eq!(run_with(&["connect", "--expect", "1", url], b"hi\n").await.assert_code(0).stdout, "hi\n");

    edit(&manifest, "\"/parrot\"", "\"/cockatoo/{id}\"");
    let moved = dev.stdout("/cockatoo/{id}").await;
    let moved = moved.split_whitespace().last().expect("the line ends with the URL").replace("{id}", "1");
    assert_eq!(run_with(&["connect", "--expect", "1", &moved], b"hi\n").await.assert_code(0).stdout, "hi\n");
    run_with(&["connect", url], b"").await.assert_code(1).assert_stderr("404 Not Found");

    dev.signal(Signal::TERM);
    assert_eq!(dev.ended().await.0, Some(0));
}
