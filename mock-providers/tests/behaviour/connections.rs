use mock_providers::Peer;

use crate::support::{Client, HI, HI_STREAM, provider, settled, soon};

#[tokio::test]
async fn a_connection_is_reused_and_its_end_is_journalled() {
    let mock = provider("{respond: {text: x}}").await;
    let mut client = Client::connect(&mock).await;
    for body in [HI, HI_STREAM, HI] {
        client.post("/v1/chat/completions", body).await;
        assert_eq!(client.response().await.status, 200);
    }
    drop(client);
    let journal = soon(mock.wait_until(|journal| journal.connections[0].closed_at.is_some())).await;
    let places: Vec<(u64, u32)> = journal.requests.iter().map(|r| (r.connection, r.on_connection)).collect();
    assert_eq!(places, [(1, 1), (1, 2), (1, 3)]);
    let connection = &journal.connections[0];
    assert_eq!((connection.requests, connection.closed_by), (3, Some(Peer::Client)));
    assert!(connection.closed_at >= Some(connection.opened_at));
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let mock = provider("{sequence: [{respond: {body: one}}, {respond: {body: two}}]}").await;
    let mut client = Client::connect(&mock).await;
    client.send("GET /1 HTTP/1.1\r\nhost: a\r\n\r\nGET /2 HTTP/1.1\r\nhost: a\r\n\r\n").await;
    assert_eq!(client.response().await.text(), "one");
    assert_eq!(client.response().await.text(), "two");
}

#[tokio::test]
async fn a_close_asked_for_is_granted() {
    let mock = provider("{respond: {body: ok}}").await;
    let mut client = Client::connect(&mock).await;
    client.send("GET /1 HTTP/1.1\r\nhost: a\r\nConnection: close\r\n\r\n").await;
    let (bytes, error) = client.rest().await;
    assert!(String::from_utf8(bytes).expect("UTF-8").ends_with("connection: close\r\n\r\nok") && error.is_none());
    assert_eq!(settled(&mock).await.connections[0].requests, 1);
}

#[tokio::test]
async fn changed_resolves_for_what_happened_since_the_last_look() {
    let mock = provider("{}").await;
    assert!(mock.journal().requests.is_empty());
    let mut client = Client::connect(&mock).await;
    client.get("/v1/models").await;
    client.response().await;
    soon(async {
        while mock.journal().requests.is_empty() {
            mock.changed().await;
        }
    })
    .await;
}
