use std::path::{Path, PathBuf};

use mock_providers::fleet::{Document, Fleet, FleetOptions};
use mock_providers::record::{Existing, Notice, RecordError, RecordOptions, Recorder, Timing, Upstream};
use mock_providers::tls::RunCa;
use mock_providers::{MockProvider, Options};
use serde_json::Value;
use tempfile::TempDir;
use tokio::net::TcpStream;

use crate::support::{CANARY, Client, HI, HI_STREAM, Response, canaries, provider, script, soon};

const CHAT: &str = "/v1/chat/completions";

/// A recorder in a folder of its own.
struct Bench {
    recorder: Recorder,
    folder: TempDir,
}

fn options(upstream: &str, out: &Path) -> RecordOptions {
    RecordOptions {
        upstream: Upstream::new(upstream, None).expect("a URL"),
        listen: "127.0.0.1:0".parse().expect("an address"),
        out: out.to_owned(),
        existing: Existing::Refuse,
        timing: Timing::None,
    }
}

impl Bench {
    async fn of(mock: &MockProvider) -> Self {
        Self::with(mock, |_| {}).await
    }

    async fn with(mock: &MockProvider, change: impl FnOnce(&mut RecordOptions)) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mut options = options(&format!("http://{}", mock.addr()), &folder.path().join("recording.yaml"));
        change(&mut options);
        Self { recorder: Recorder::start(options).await.expect("a free port"), folder }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("recording.yaml")
    }

    fn text(&self) -> String {
        std::fs::read_to_string(self.path()).expect("a file")
    }

    async fn client(&self) -> Client {
        Client::over(TcpStream::connect(self.recorder.addr()).await.expect("the port is open"))
    }

    async fn notice(&mut self) -> Notice {
        soon(self.recorder.next()).await.expect("the recorder lives")
    }

    async fn recorded(&mut self) -> String {
        match self.notice().await {
            Notice::Recorded { rule, .. } => rule,
            passed => panic!("{passed}"),
        }
    }

    /// One request on a connection of its own, once it is written down.
    async fn ask(&mut self, path: &str, body: &str) -> Response {
        let mut client = self.client().await;
        send(&mut client, path, body).await;
        let response = client.response().await;
        self.recorded().await;
        response
    }

    /// Serves what was recorded.
    async fn replay(&self) -> Replay {
        let document = Document::read(&self.text()).expect("a configuration");
        let rules = &document.config().providers["recorded"].rules;
        assert!(rules.iter().all(|rule| rule.name.is_some()));
        Replay(Fleet::start(document, FleetOptions::default()).await.expect("free ports"))
    }
}

struct Replay(Fleet);

impl Replay {
    async fn client(&self) -> Client {
        let addr = self.0.running().member("recorded").expect("the provider of recordings").addr();
        Client::over(TcpStream::connect(addr).await.expect("the port is open"))
    }

    async fn ask(&self, path: &str, body: &str) -> Response {
        let mut client = self.client().await;
        send(&mut client, path, body).await;
        client.response().await
    }
}

async fn send(client: &mut Client, path: &str, body: &str) {
    if body.is_empty() { client.get(path).await } else { client.post(path, body).await }
}

fn same(recorded: &Response, replayed: &Response) {
    assert_eq!(recorded.status, replayed.status);
    let text = |response: &Response| String::from_utf8_lossy(&response.body).into_owned();
    assert!(recorded.body == replayed.body, "{}\n{}", text(recorded), text(replayed));
    for name in ["content-type", "x-request-id", "openai-version", "retry-after", "x-kept"] {
        assert_eq!(recorded.header(name), replayed.header(name), "{name}");
    }
}

const UPSTREAM: &str = r#"
models: [m-1, {id: embed, kind: embedding}]
rules:
  - {when: {last_user: tools}, respond: {blocks: [{text: "Let me look. "}, {tool_call: {name: f, arguments: {city: "Zürich"}}}]}}
  - {when: {last_user: limited}, respond: {status: 429, retry_after: 2s, headers: {x-kept: [one, two], set-cookie: "sid=secret"}}}
  - {when: {last_user: page}, respond: {status: 502, content_type: text/html, body: "<html>\n  <b>bad</b>\n</html>\n"}}
  - {when: {last_user: pretty}, respond: {body: "{\n  \"a\": 1.0,\n  \"b\": [1e5, \"\\u0041\"]\n}"}}
  - {when: {last_user: bytes}, respond: {content_type: audio/mpeg, body_base64: "AAH/gA=="}}
  - {when: {last_user: nothing}, respond: {status: 204}}
  - {when: {last_user: chunks}, respond: {framing: chunked, text: framed}}
  - {when: {last_user: close}, respond: {framing: close, text: framed}}
  - {when: {last_user: odd}, respond: {sse: [{raw: ": hello\r\n\r\n"}, {raw: "event: x\nid: 7\ndata: y\ndata: 'z'\n\n"}, {raw_base64: "ZGF0YTog/w0KDQo="}, {data: "plain: #text"}, done, {raw: "data: rest"}]}}
"#;

#[tokio::test]
async fn what_was_recorded_is_replayed_byte_for_byte() {
    let mock = provider(UPSTREAM).await;
    let mut bench = Bench::of(&mock).await;
    let chat = |said: &str, more: &str| {
        format!(r#"{{"model":"m-1","messages":[{{"role":"user","content":"{said}"}}]{more}}}"#)
    };
    let tools = r#","tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object"}}}]"#;
    let mut requests = vec![(CHAT, HI.to_owned()), (CHAT, HI_STREAM.to_owned()), ("/v1/models", String::new())];
    requests.push((CHAT, r#"{"model":"no-such","messages":[{"role":"user","content":"hi"}]}"#.to_owned()));
    requests.push((CHAT, r#"{"model":"m-1"}"#.to_owned()));
    requests.push((CHAT, "no JSON".to_owned()));
    for said in ["tools", "limited", "page", "pretty", "bytes", "nothing", "chunks", "odd"] {
        requests.push((CHAT, chat(said, tools)));
    }
    requests.push((CHAT, chat("tools", &format!(r#"{tools},"stream":true"#))));
    requests
        .push((CHAT, chat("\\u00fc \\\"#: it's\\n- x", r#","stream":true,"stream_options":{"include_usage":true}"#)));
    requests.push(("/v1/embeddings", r#"{"model":"embed","input":["a","b"]}"#.to_owned()));
    for stream in ["", r#","stream":true"#] {
        requests.push(("/v1/responses", format!(r#"{{"model":"m-1","input":"hi"{stream}}}"#)));
        requests.push(("/v1/messages", chat("hi", &format!(r#","max_tokens":9{stream}"#))));
        requests.push(("/nowhere", format!(r#"{{"a":1{stream}}}"#)));
    }
    let mut recorded = Vec::new();
    for (path, body) in &requests {
        recorded.push(bench.ask(path, body).await);
    }
    let replay = bench.replay().await;
    for ((path, body), recorded) in requests.iter().zip(&recorded) {
        same(recorded, &replay.ask(path, body).await);
    }
    let text = bench.text();
    for absent in ["set-cookie", "secret", "connection", "transfer-encoding", "date:", "latency", "delay_head"] {
        assert!(!text.contains(absent), "{absent} in:\n{text}");
    }
    let unknown = replay.ask(CHAT, r#"{"model":"m-1","messages":[{"role":"user","content":"never asked"}]}"#).await;
    assert!(unknown.status == 404 && unknown.text().contains("no_rule_matched"));
}

#[tokio::test]
async fn a_body_that_ends_with_the_connection_is_replayed_so() {
    let mock = provider(UPSTREAM).await;
    let mut bench = Bench::of(&mock).await;
    let body = r#"{"model":"m-1","messages":[{"role":"user","content":"close"}]}"#;
    let mut client = bench.client().await;
    client.post(CHAT, body).await;
    let (recorded, error) = client.rest().await;
    assert_eq!((error, bench.recorded().await.starts_with("chat-m-1-h")), (None, true));
    let replay = bench.replay().await;
    let mut client = replay.client().await;
    client.post(CHAT, body).await;
    let content = |bytes: &[u8]| String::from_utf8_lossy(bytes).split_once("\r\n\r\n").expect("a head").1.to_owned();
    let (replayed, error) = client.rest().await;
    assert_eq!((content(&replayed), error), (content(&recorded), None));
    assert!(content(&recorded).contains("framed"));
}

#[tokio::test]
async fn broken_answers_break_again_at_the_same_byte() {
    for (fault, bodies) in [
        ("{disconnect: {after_chunks: 2}}", &[HI_STREAM][..]),
        ("{disconnect: {after_bytes: 40, how: fin}}", &[HI, HI_STREAM]),
        ("{disconnect: {}}", &[HI, HI_STREAM]),
        ("{bad_content_length: more}", &[HI]),
        ("{empty_response: true}", &[HI]),
        ("{rst_before_head: true}", &[HI]),
    ] {
        for body in bodies {
            let mock = provider(&format!("{{fault: {fault}}}")).await;
            let mut bench = Bench::of(&mock).await;
            let mut client = bench.client().await;
            client.post(CHAT, body).await;
            let recorded = client.rest().await;
            bench.recorded().await;
            let replay = bench.replay().await;
            let mut client = replay.client().await;
            client.post(CHAT, body).await;
            let replayed = client.rest().await;
            let content = |bytes: &[u8]| {
                let text = String::from_utf8_lossy(bytes).into_owned();
                let body = text.split_once("\r\n\r\n").map(|(_, body)| body.to_owned());
                let length = text.lines().find(|line| line.starts_with("content-length")).map(str::to_owned);
                (body.map(unchunked), length)
            };
            let text = bench.text();
            assert_eq!((content(&recorded.0), recorded.1), (content(&replayed.0), replayed.1), "{fault}\n{text}");
        }
    }
}

/// The data of a chunked body as far as it goes; any other body as it is.
fn unchunked(body: String) -> String {
    let is_size = |line: &str| !line.is_empty() && line.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !body.lines().next().is_some_and(is_size) {
        return body;
    }
    let mut rest = body.as_str();
    let mut data = String::new();
    while let Some((size, after)) = rest.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).expect("a size").min(after.len());
        data.push_str(&after[..size]);
        rest = after.get(size + 2..).unwrap_or_default();
    }
    data
}

#[tokio::test]
async fn equal_requests_become_a_sequence_and_unlike_ones_are_told_apart() {
    let mock = provider(
        "{sequence: [{respond: {status: 503}}, {respond: {text: one}}, {respond: {text: two}}, {respond: {text: three}}, \
         {respond: {text: four}}, {respond: {text: five}}, {respond: {text: six}}, {respond: {text: seven}}]}",
    )
    .await;
    let mut bench = Bench::of(&mock).await;
    let asks = |system: &str, more: &str| {
        format!(
            r#"{{"model":"m-1","messages":[{{"role":"system","content":"{system}"}},{{"role":"user","content":"hi"}}]{more}}}"#
        )
    };
    let again = r#"{"model":"m-1","messages":[{"role":"user","content":"hi"},{"role":"assistant","content":"x"},{"role":"tool","tool_call_id":"c","content":"y"}]}"#;
    let requests = [
        (CHAT, HI.to_owned()),
        (CHAT, HI.to_owned()),
        (CHAT, asks("be brief", "")),
        (CHAT, asks("be long", "")),
        (CHAT, asks("be long", r#","stop":null"#)),
        (CHAT, asks("be long", r#","metadata":{"a":[1,2]}"#)),
        (CHAT, again.to_owned()),
        (CHAT, again.replace("\"y\"", "\"z\"")),
    ];
    let mut recorded = Vec::new();
    for (path, body) in &requests {
        recorded.push(bench.ask(path, body).await);
    }
    let text = bench.text();
    assert!(text.contains("system_hash: h") && text.contains("sequence:"), "{text}");
    let replay = bench.replay().await;
    // In another order than they came, but for the two that are equal.
    for index in [7, 4, 0, 6, 3, 1, 5, 2] {
        let (path, body) = &requests[index];
        let replayed = replay.ask(path, body).await;
        assert_eq!(
            (replayed.status, replayed.text()),
            (recorded[index].status, recorded[index].text()),
            "{index}\n{text}"
        );
    }
}

#[tokio::test]
async fn names_are_the_same_in_every_recording_and_no_credential_changes_them() {
    let mock = provider("{}").await;
    let mut names = Vec::new();
    for key in ["sk-one-0123456789", "sk-two-0123456789"] {
        let mut bench = Bench::of(&mock).await;
        let mut client = bench.client().await;
        client.post_with(&format!("{CHAT}?a=b&key={key}"), &format!("x-api-key: {key}\r\n"), HI).await;
        client.response().await;
        names.push(bench.recorded().await);
    }
    assert!(names[0] == names[1] && names[0].starts_with("chat-m-1-h"), "{names:?}");
}

#[tokio::test]
async fn the_times_of_an_answer_are_recorded_unless_they_are_not_wanted() {
    let mock = provider("{latency: {head: 30ms, ttft: 20ms, itl: 15ms}, respond: {chunks: [a, b]}}").await;
    for timing in [Timing::Exact, Timing::None] {
        let mut bench = Bench::with(&mock, |options| options.timing = timing).await;
        bench.ask(CHAT, HI_STREAM).await;
        let document = Document::read(&bench.text()).expect("a configuration");
        let respond = document.config().providers["recorded"].rules[0].respond.as_ref().expect("an answer");
        let waits: u128 = respond.sse.as_ref().expect("events").iter().map(|event| event.after.as_millis()).sum();
        let text = bench.text();
        match timing {
            Timing::Exact => assert!(respond.delay_head.is_some() && waits >= 30, "{text}"),
            Timing::None => assert!(respond.delay_head.is_none() && waits == 0, "{text}"),
        }
    }
}

#[tokio::test]
async fn no_secret_of_a_request_is_written_or_told_even_when_the_provider_repeats_it() {
    let (headers, query) = canaries();
    let echo = format!("you sent {CANARY}-authorization and {CANARY}-cookie in {CANARY}");
    let yaml = format!(
        "{{rules: [{{when: {{stream: true}}, respond: {{sse: [{{data: '{echo}'}}, done], headers: {{x-echo: '{CANARY}-apikey'}}}}}}, \
         {{when: {{path: '*/gzip'}}, respond: {{encoding: gzip, body: '{echo}'}}}}, \
         {{when: {{path: '*/x'}}, fault: {{redirect: {{to: 'https://a/b?sig={CANARY}-of-link'}}}}}}], \
         respond: {{status: 401, json: {{error: {{message: '{echo}'}}}}, headers: {{set-cookie: 'sid={CANARY}', x-api-key: {CANARY}}}}}}}"
    );
    let mock = provider(&yaml).await;
    let mut bench = Bench::of(&mock).await;
    let asked = format!(
        r#"{{"model":"{CANARY}-x-api-key","{CANARY}-key":1,"user":"{CANARY}-sig",
        "messages":[{{"role":"system","content":"{CANARY}"}},{{"role":"user","content":"is {CANARY}-api-key mine?"}}]}}"#
    );
    let streamed = asked.replacen('{', r#"{"stream":true,"#, 1);
    let mut told = String::new();
    for (path, body) in [(CHAT, &asked), (CHAT, &streamed), ("/gzip", &asked), (&format!("/v1/{CANARY}/x"), &asked)] {
        let mut client = bench.client().await;
        client.post_with(&format!("{path}?{query}"), &headers, body).await;
        let response = client.response().await;
        assert!(
            path == "/gzip" || format!("{response:?}").contains(CANARY) || response.text().contains(CANARY),
            "the client gets what the provider says"
        );
        told += &format!("{:?}\n", bench.notice().await);
    }
    let text = bench.text();
    assert!(!told.contains(CANARY) && !told.contains("Passed"), "{told}");
    assert!(!text.contains(CANARY) && text.contains("[redacted]") && text.contains("encoding: gzip"), "{text}");
    assert_eq!(mock.journal().requests[0].header("x-api-key"), Some(&*format!("{CANARY}-x-api-key")), "sent on");
    let replay = bench.replay().await;
    let mut client = replay.client().await;
    client.post(CHAT, &asked.replace(CANARY, "anything-else")).await;
    let replayed = client.response().await;
    assert!(replayed.status == 401 && replayed.text().contains("you sent [redacted]"), "{}", replayed.text());
}

#[tokio::test]
async fn a_stream_that_says_a_credential_in_pieces_is_relayed_and_not_recorded() {
    let (first, second) = CANARY.split_at(9);
    let mock = provider(&format!("{{respond: {{chunks: ['{first}', '{second}']}}}}")).await;
    let mut bench = Bench::of(&mock).await;
    let mut client = bench.client().await;
    client.post_with(CHAT, &format!("authorization: Bearer {CANARY}\r\n"), HI_STREAM).await;
    assert!(client.response().await.text().contains(second));
    let notice = bench.notice().await;
    assert!(matches!(notice, Notice::Passed { .. }), "{notice:?}");
    assert!(!bench.text().contains(second));
}

#[tokio::test]
async fn a_provider_behind_tls_is_asked_by_its_own_name_and_below_its_own_path() {
    let ca = RunCa::new();
    let tls = Options { tls: Some(ca.server_config(&["localhost", "127.0.0.1"])), ..Options::default() };
    let mock = mock_providers::start("a", script("{tls: true}"), tls).await.expect("a free port");
    let port = mock.addr().port();
    let pem = ca.ca_pem();
    let upstream = |ca| Upstream::new(&format!("https://127.0.0.1:{port}/base"), ca).expect("a URL");
    let mut bench = Bench::with(&mock, |options| options.upstream = upstream(Some(pem.as_bytes()))).await;
    let body = r#"{"model":"m-1","messages":[{"role":"user","content":"hi"}]}"#;
    let mut client = bench.client().await;
    for _ in 0..2 {
        client.post(CHAT, body).await;
        assert_eq!(client.response().await.status, 200);
        bench.recorded().await;
    }
    let journal = mock.journal();
    assert_eq!(
        (journal.connections.len(), journal.requests.len()),
        (1, 2),
        "connections are kept as clients keep theirs"
    );
    let head = &journal.requests[0].head;
    assert_eq!((head.path(), head.header("host")), ("/base/v1/chat/completions", Some(&*format!("127.0.0.1:{port}"))));
    assert_eq!(bench.replay().await.ask(CHAT, body).await.status, 200);

    let mut stranger = Bench::with(&mock, |options| options.upstream = upstream(None)).await;
    let mut client = stranger.client().await;
    client.post(CHAT, body).await;
    assert_eq!(client.response().await.status, 502);
    assert!(matches!(stranger.notice().await, Notice::Passed { .. }));
}

#[tokio::test]
async fn answers_are_relayed_before_they_end_and_an_idle_connection_that_ended_is_replaced() {
    let mock = provider("{idle_timeout: 1ms, rules: [{when: {stream: true}, respond: {chunks: [early]}, fault: {stall: {after_chunks: 1}}}]}").await;
    let mut bench = Bench::of(&mock).await;
    let mut client = bench.client().await;
    for _ in 0..3 {
        client.post(CHAT, HI).await;
        assert_eq!(client.response().await.status, 200);
        bench.recorded().await;
        let gone = |journal: &mock_providers::Journal| journal.connections.iter().all(|one| one.closed_at.is_some());
        soon(mock.wait_until(gone)).await;
    }
    client.post(CHAT, HI_STREAM).await;
    client.read_until("early").await;
    drop(client);
    assert!(matches!(bench.notice().await, Notice::Passed { reason, .. } if reason.contains("the client left")));
}

#[tokio::test]
async fn a_file_that_is_there_is_refused_replaced_or_gone_on_with() {
    let mock = provider("{sequence: [{respond: {text: one}}, {respond: {text: two}}, {respond: {text: three}}]}").await;
    let mut bench = Bench::of(&mock).await;
    let path = bench.path();
    bench.ask(CHAT, HI).await;
    let again = |existing| RecordOptions { existing, ..options(&format!("http://{}", mock.addr()), &path) };
    assert!(matches!(Recorder::start(again(Existing::Refuse)).await, Err(RecordError::Exists(_))));

    bench.recorder = Recorder::start(again(Existing::Append)).await.expect("a recording");
    bench.ask(CHAT, HI).await;
    let other = HI.replace("hi\"}", "hi\"},{\"role\":\"system\",\"content\":\"be brief\"}");
    bench.ask(CHAT, &other).await;
    let replay = bench.replay().await;
    let said = async |body: &str| replay.ask(CHAT, body).await.json()["choices"][0]["message"]["content"].take();
    assert_eq!([said(HI).await, said(&other).await, said(HI).await], ["one", "three", "two"].map(Value::from));

    bench.recorder = Recorder::start(again(Existing::Replace)).await.expect("a new recording");
    assert!(!bench.text().contains("chat-m-1"));
    std::fs::write(&path, "providers: {a: {}}").expect("a file");
    let error = Recorder::start(again(Existing::Append)).await.expect_err("no recording").to_string();
    assert!(error.contains("no provider `recorded`"), "{error}");
}
