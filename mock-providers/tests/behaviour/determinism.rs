use mock_providers::Options;

use crate::support::{Client, HI, HI_STREAM, script};

async fn run(seed: u64, bodies: &[&str]) -> Vec<Vec<u8>> {
    let options = Options { seed, ..Options::default() };
    let mock = mock_providers::start("a", script("{}"), options).await.expect("a free port");
    let mut answers = Vec::new();
    for body in bodies {
        let mut client = Client::connect(&mock).await;
        let length = body.len();
        let head = "POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\nconnection: close\r\n";
        client.send(format!("{head}content-length: {length}\r\n\r\n{body}")).await;
        answers.push(client.rest().await.0);
    }
    answers
}

#[tokio::test]
async fn equal_seeds_and_requests_give_equal_bytes_in_any_order() {
    let first = run(7, &[HI, HI_STREAM, HI]).await;
    let second = run(7, &[HI_STREAM, HI, HI]).await;
    assert_eq!((&first[0], &first[1], &first[2]), (&second[1], &second[0], &second[2]));
}

#[tokio::test]
async fn another_seed_or_occurrence_gives_other_ids() {
    let answers = run(7, &[HI, HI]).await;
    assert_ne!(answers[0], answers[1]);
    assert_ne!(answers[0], run(8, &[HI]).await[0]);
}
