use std::io::ErrorKind;

use mock_providers::{End, Peer};
use tokio::net::TcpStream;

use crate::support::{Client, HI, HI_STREAM, chat, provider, script, soon};

#[tokio::test]
async fn a_refusing_provider_keeps_its_port_closed_until_it_is_opened() {
    let mock = provider("{accept: refuse}").await;
    let error = TcpStream::connect(mock.addr()).await.expect_err("refused");
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    mock.resume_listening().await.expect("the port is still ours");
    assert_eq!(chat(&mock, HI).await.status, 200);
}

#[tokio::test]
async fn a_stopped_provider_resets_its_streams_and_comes_back_on_the_same_port() {
    let mock = provider("{respond: {chunks: [a, b]}, fault: {stall: {after_chunks: 1}}}").await;
    let mut streaming = Client::connect(&mock).await;
    streaming.post("/v1/chat/completions", HI_STREAM).await;
    streaming.read_until("\"content\":\"a\"").await;
    soon(mock.stop_listening()).await;
    assert_eq!(streaming.rest().await.1, Some(ErrorKind::ConnectionReset));
    assert_eq!(TcpStream::connect(mock.addr()).await.expect_err("refused").kind(), ErrorKind::ConnectionRefused);
    let journal = mock.journal();
    assert_eq!(journal.requests[0].end, End::Fault);
    let connection = &journal.connections[0];
    assert_eq!((connection.closed_by, connection.reset), (Some(Peer::Mock), true));
    mock.set_script(script("{respond: {text: back}}"));
    mock.resume_listening().await.expect("the port is still ours");
    assert_eq!(chat(&mock, HI).await.json()["choices"][0]["message"]["content"], "back");
}

#[tokio::test]
async fn dropping_the_handle_closes_everything() {
    let mock = provider("{}").await;
    let (addr, mut client) = (mock.addr(), Client::connect(&mock).await);
    client.get("/v1/models").await;
    assert_eq!(client.response().await.status, 200);
    drop(mock);
    client.rest().await;
    assert_eq!(TcpStream::connect(addr).await.expect_err("refused").kind(), ErrorKind::ConnectionRefused);
}

#[tokio::test]
async fn an_address_that_is_not_to_be_had_is_told_with_the_reason() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let bind = taken.local_addr().expect("an address");
    let options = mock_providers::Options { bind, ..Default::default() };
    let error = mock_providers::start("a", script("{}"), options).await.expect_err("taken").to_string();
    assert!(error.contains(&bind.to_string()) && error.contains("in use"), "{error}");
}
