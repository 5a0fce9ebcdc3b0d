//! What a guest sees of the machine: nothing but what the manifest gives.

use tokio::net::TcpListener;

use crate::support::{Client, TestHost, guests};

#[tokio::test]
async fn g23_g24_no_files_no_sockets_and_only_the_manifests_environment() {
    let host = TestHost::serving(guests::SANDBOX).environment("GREETING", "hi").start().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    let secret = host.folder().join("secret.txt");
    std::fs::write(&secret, "secret").expect("the file can be written");
    let mut client = Client::connect(&host, "/").await;
    for command in [
        format!("read {}", secret.display()),
        "read /etc/passwd".to_owned(),
        "read whimbrel.toml".to_owned(),
        format!("write {}", host.folder().join("written.txt").display()),
        "list /".to_owned(),
        "list .".to_owned(),
        format!("connect {address}"),
        format!("connect {}", host.addr()),
        "listen 127.0.0.1:0".to_owned(),
    ] {
        let answer = client.ask(&command).await;
        assert!(answer.starts_with("refused: "), "{command}: {answer}");
    }
    assert!(!host.folder().join("written.txt").exists());
    assert_eq!(client.ask("environment").await, "[(\"GREETING\", \"hi\")]");
    assert_eq!(client.ask("arguments").await, "[]");
    drop(client);
    host.stop().await;
}

#[tokio::test]
async fn random_numbers_differ_from_instance_to_instance() {
    let host = TestHost::serving(guests::SANDBOX).start().await;
    let (mut one, mut two) = (Client::connect(&host, "/").await, Client::connect(&host, "/").await);
    assert_ne!(one.ask("random").await, two.ask("random").await);
    drop((one, two));
    host.stop().await;
}
