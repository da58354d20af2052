use std::io::ErrorKind;
use std::time::Duration;

use mock_providers::{Journal, Peer};

use crate::support::{Client, HI, chat, provider, script, soon};

fn all_closed(journal: &Journal) -> bool {
    !journal.connections.is_empty() && journal.open_connections().next().is_none()
}

#[tokio::test]
async fn a_black_hole_accepts_and_says_nothing_until_the_caller_leaves() {
    let mock = provider("{accept: blackhole}").await;
    let mut client = Client::connect(&mock).await;
    client.post("/v1/chat/completions", HI).await;
    soon(mock.wait_until(|journal| journal.connections.len() == 1)).await;
    assert_eq!(mock.connections_open(), 1);
    drop(client);
    let journal = soon(mock.wait_until(all_closed)).await;
    let connection = &journal.connections[0];
    assert_eq!((connection.closed_by, connection.reset, connection.taken), (Some(Peer::Client), false, 0));
    assert!(journal.requests.is_empty() && mock.connections_open() == 0);
}

#[tokio::test]
async fn a_black_hole_notices_a_reset() {
    let mock = provider("{accept: blackhole}").await;
    let client = Client::connect(&mock).await;
    soon(mock.wait_until(|journal| journal.connections.len() == 1)).await;
    client.reset();
    let journal = soon(mock.wait_until(all_closed)).await;
    assert_eq!((journal.connections[0].closed_by, journal.connections[0].reset), (Some(Peer::Client), true));
}

#[tokio::test]
async fn the_first_connections_stall_and_later_ones_are_served() {
    let mock = provider("{accept: {stall: {first: 1, for: 40ms}}, respond: {text: x}}").await;
    let mut stalled = Client::connect(&mock).await;
    stalled.post("/v1/chat/completions", HI).await;
    soon(mock.wait_until(|journal| journal.connections.len() == 1)).await;
    assert_eq!(chat(&mock, HI).await.status, 200);
    assert!(stalled.rest().await.0.is_empty());
    let journal = soon(mock.wait_until(all_closed)).await;
    let first = &journal.connections[0];
    assert_eq!((first.closed_by, first.requests, journal.connections[1].requests), (Some(Peer::Fault), 0, 1));
    assert!(first.closed_at.expect("closed") - first.opened_at >= Duration::from_millis(40));
}

#[tokio::test]
async fn a_new_script_may_turn_a_black_hole_into_a_provider() {
    let mock = provider("{accept: blackhole}").await;
    mock.set_script(script("{respond: {text: back}}"));
    assert_eq!(chat(&mock, HI).await.status, 200);
}

#[tokio::test]
async fn an_idle_connection_is_closed_after_its_time_and_not_before_its_first_request() {
    let mock = provider("{idle_timeout: 30ms, respond: {body: ok}}").await;
    let mut client = Client::connect(&mock).await;
    soon(mock.wait_until(|journal| journal.connections.len() == 1)).await;
    client.get("/1").await;
    assert_eq!(client.response().await.header("connection"), None);
    assert_eq!(client.rest().await, (Vec::new(), None));
    let journal = soon(mock.wait_until(all_closed)).await;
    let connection = &journal.connections[0];
    assert_eq!((connection.closed_by, connection.reset), (Some(Peer::Mock), false));
    let idle = connection.closed_at.expect("closed") - journal.requests[0].head_at.expect("answered");
    assert!(idle >= Duration::from_millis(30), "{idle:?}");
}

#[tokio::test]
async fn connections_can_be_reset_without_closing_the_port() {
    let mock = provider("{fault: {hang_before_head: true}}").await;
    let mut hanging = Client::connect(&mock).await;
    let mut idle = Client::connect(&mock).await;
    hanging.post("/v1/chat/completions", HI).await;
    let under_way = |journal: &Journal| journal.connections.len() == 2 && journal.requests.len() == 1;
    soon(mock.wait_until(under_way)).await;
    soon(mock.reset_connections()).await;
    for client in [&mut hanging, &mut idle] {
        assert_eq!(client.rest().await, (Vec::new(), Some(ErrorKind::ConnectionReset)));
    }
    assert_eq!(mock.connections_open(), 0);
    mock.set_script(script("{respond: {text: back}}"));
    assert_eq!(chat(&mock, HI).await.status, 200);
}
