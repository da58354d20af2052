use std::time::Duration;

use mock_providers::script::{Clock, Created, Determinism, Ids};
use mock_providers::{MockProvider, Options, RequestRecord};
use serde_json::Value;

use crate::support::{Client, HI, HI_STREAM, script, settled};

/// The bytes of a whole exchange, from the status line to the end of the connection.
async fn raw(mock: &MockProvider, path: &str, body: &str) -> Vec<u8> {
    let mut client = Client::connect(mock).await;
    let length = body.len();
    let head = format!("POST {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n");
    client.send(format!("{head}content-length: {length}\r\n\r\n{body}")).await;
    client.rest().await.0
}

async fn run_with(options: Options, bodies: &[&str]) -> Vec<Vec<u8>> {
    let mock = mock_providers::start("a", script("{}"), options).await.expect("a free port");
    let mut answers = Vec::new();
    for body in bodies {
        answers.push(raw(&mock, "/v1/chat/completions", body).await);
    }
    answers
}

async fn run(seed: u64, bodies: &[&str]) -> Vec<Vec<u8>> {
    run_with(Options { seed, ..Options::default() }, bodies).await
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

#[tokio::test]
async fn per_sequence_the_same_place_gives_the_same_ids_whatever_is_asked() {
    let options = Options { determinism: Determinism::PerSequence, ..Options::default() };
    let id = |answer: &[u8]| {
        let text = String::from_utf8_lossy(answer).into_owned();
        let line = text.lines().find(|line| line.starts_with("x-request-id")).map(str::to_owned);
        line.expect("every answer has one")
    };
    let (first, second) =
        (run_with(options.clone(), &[HI, HI_STREAM]).await, run_with(options, &[HI_STREAM, HI]).await);
    assert_eq!((id(&first[0]), id(&first[1])), (id(&second[0]), id(&second[1])));
    assert_ne!(id(&first[0]), id(&first[1]));
}

#[tokio::test]
async fn the_clock_of_a_script_sets_the_time_of_answers_and_where_ids_come_from() {
    let body = |answer: &[u8]| -> Value {
        let text = String::from_utf8_lossy(answer).into_owned();
        serde_json::from_str(text.split("\r\n\r\n").nth(1).expect("a body")).expect("JSON")
    };
    let clock = Clock { created: Created::At(1_735_689_600), ids: Ids::Random };
    let options = Options { clock, ..Options::default() };
    let (first, second) = (run_with(options.clone(), &[HI]).await, run_with(options, &[HI]).await);
    let (first, second) = (body(&first[0]), body(&second[0]));
    assert_eq!((&first["created"], &first["choices"]), (&Value::from(1_735_689_600), &second["choices"]));
    assert_ne!(first["id"], second["id"]);
    let options = Options { clock: Clock { created: Created::Real, ..Clock::default() }, ..Options::default() };
    let created = body(&run_with(options, &[HI]).await[0])["created"].as_u64().expect("a time");
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
    assert!(now.abs_diff(Duration::from_secs(created)) < Duration::from_secs(60));
}

const MIXED: &str = r#"
faults:
  - {probability: 0.1, status: 503}
  - {probability: 0.1, when: {stream: true}, disconnect: {after_chunks: 2}}
  - {probability: 0.1, when: {stream: true}, truncate: {after_chunks: 1}}
  - {every: 3, when: {model: counted}, status: 429}
rules:
  - {name: loop, when: {tools_include: get_weather, has_tool_result: false}, respond: {blocks: [{tool_call: {name: get_weather, arguments: {city: Paris}}}]}}
  - {name: steps, when: {model: stepped}, sequence: {steps: [{respond: {text: one}}, {fault: {status: 500}, times: 2}, {respond: {tokens: 20}}], on_exhausted: cycle}}
  - {name: few, when: {model: few}, times: 5, respond: {text: few}}
  - {name: own, when: {model: own}, fault: {probability: 0.5, error_event: {after_chunks: 1}}}
"#;

/// Ten requests of all kinds.
fn kinds() -> Vec<(&'static str, String)> {
    let chat = "/v1/chat/completions";
    let model = |model: &str| HI_STREAM.replace("m-1", model);
    let tools = r#""m-1","tools":[{"type":"function","function":{"name":"get_weather"}}]"#;
    vec![
        (chat, HI.to_owned()),
        (chat, HI_STREAM.to_owned()),
        (chat, HI_STREAM.replace("\"m-1\"", tools)),
        (chat, model("stepped")),
        (chat, model("few")),
        (chat, model("own")),
        (chat, model("counted")),
        ("/v1/responses", r#"{"model":"m-1","input":"hi","stream":true}"#.to_owned()),
        ("/v1/embeddings", r#"{"model":"m-1","input":["a","b"],"dimensions":8}"#.to_owned()),
        ("/v1/messages", HI_STREAM.replace("\"m-1\"", "\"m-1\",\"max_tokens\":9")),
    ]
}

/// What clients got, and what the journal says, request by request in the order of their occurrences.
fn mixed(threads: usize, reversed: bool) -> (Vec<Vec<u8>>, Vec<String>) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let options = Options { seed: 3, keep_sent: 1 << 16, ..Options::default() };
        let mock = mock_providers::start("a", script(MIXED), options).await.expect("a free port");
        let mut requests: Vec<_> = std::iter::repeat_n(kinds(), 40).flatten().collect();
        if reversed {
            requests.reverse();
        }
        let mock = std::sync::Arc::new(mock);
        let tasks = requests.into_iter().map(|(path, body)| {
            let mock = std::sync::Arc::clone(&mock);
            tokio::spawn(async move { raw(&mock, path, &body).await })
        });
        let mut answers = Vec::new();
        for task in tasks.collect::<Vec<_>>() {
            answers.push(task.await.expect("no panic"));
        }
        answers.sort_unstable();
        let mut records = settled(&mock).await.requests;
        records.sort_by_key(|record| record.draws.map(|draws| (draws.request, draws.occurrence)));
        (answers, records.iter().map(account).collect())
    })
}

fn account(record: &RequestRecord) -> String {
    let RequestRecord { draws, rule, fault, status, sent, rejected, .. } = record;
    format!("{draws:?} {rule} {fault:?} {status:?} {rejected:?} {:?}", sent.concat())
}

#[test]
fn four_hundred_requests_in_flight_get_the_same_on_one_thread_and_on_eight() {
    let (answers, accounts) = mixed(1, false);
    assert_eq!((answers.len(), accounts.len()), (400, 400));
    for reversed in [false, true] {
        let (again, accounts_again) = mixed(8, reversed);
        assert!(answers == again, "the bytes differ");
        assert_eq!(accounts, accounts_again);
    }
    let with = |text: &str| accounts.iter().filter(|account| account.contains(text)).count();
    assert_eq!((with(" few "), with(" steps "), with("\"status\"") > 20), (5, 40, true));
    assert!(with("disconnect") > 5 && with("truncate") > 5 && with("error_event") > 5);
}

#[tokio::test]
async fn random_ids_concern_calls_too_and_nothing_else_that_is_made_up() {
    let tools = r#""tools":[{"type":"function","name":"f","input_schema":{"type":"object"},"function":{"name":"f"}}]"#;
    let messages = r#""model":"m","max_tokens":50,"messages":[{"role":"user","content":"hi"}]"#;
    for (path, choice, id) in [
        ("/v1/chat/completions", r#""required""#, "/choices/0/message/tool_calls/0/id"),
        ("/v1/messages", r#"{"type":"any"}"#, "/content/0/id"),
    ] {
        let body = format!(r#"{{{messages},{tools},"tool_choice":{choice}}}"#);
        let ask = async |ids: Ids| {
            let options = Options { clock: Clock { ids, ..Clock::default() }, ..Options::default() };
            let mock = mock_providers::start("a", crate::support::script("{}"), options).await.expect("a free port");
            let mut client = Client::connect(&mock).await;
            client.post_with(path, crate::anthropic::VERSION, &body).await;
            let mut json = client.response().await.json();
            let id = json.pointer_mut(id).unwrap_or_else(|| panic!("{path}: no call")).take();
            json["id"] = Value::Null;
            (id, json)
        };
        let (derived, random, again) = (ask(Ids::Derived).await, ask(Ids::Random).await, ask(Ids::Random).await);
        assert_eq!(derived.0, ask(Ids::Derived).await.0);
        assert!(derived.0 != random.0 && random.0 != again.0, "{path}");
        assert_eq!((&derived.1, &random.1), (&random.1, &again.1), "{path}");
    }
}
