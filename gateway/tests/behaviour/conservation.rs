//! Nothing is lost and nothing is counted twice: over a mixed run, the clients' book, the log, the metrics and the
//! providers' journals tell the same numbers.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use mock_providers::{End, MockProvider};

use crate::support::{chat, pool, post, provider, raw, start};

/// What the providers answer by the model that they are asked for; the second one knows what the first one fails.
const FIRST: &str = "{rules: [{when: {model: moved}, respond: {status: 503}}, \
    {when: {model: refused}, respond: {status: 400}}, \
    {when: {model: failed}, respond: {status: 500}}, \
    {when: {model: broken}, respond: {chunks: [one, two]}, fault: {disconnect: {how: rst, after_chunks: 1}}}, \
    {when: {model: endless}, respond: {chunks: [one, two]}, fault: {stall: {after_chunks: 1}}}, \
    {respond: {chunks: [a, b], usage: {prompt_tokens: 1000, completion_tokens: 7, cached_tokens: 900, reasoning_tokens: 5}}}]}";
const SECOND: &str = "{respond: {text: served by b, usage: {prompt_tokens: 20, completion_tokens: 3}}}";
/// A provider that fails stays in rotation, so that each request of a kind ends like the others of that kind.
const POLICIES: &str = "  policies: {health: {eviction: {consecutiveFailures: 1000}}}\n";
const CLIENTS: usize = 4;
const ROUNDS: usize = 5;

fn ask(model: &str, stream: bool) -> String {
    format!(r#"{{"model":"{model}","stream":{stream},"messages":[{{"role":"user","content":"hi"}}]}}"#)
}

/// Asks for a stream, and leaves behind its first content.
fn leave(address: SocketAddr) {
    let mut client = TcpStream::connect(address).unwrap();
    client.write_all(&post("/v1/chat/completions", &ask("endless", true))).unwrap();
    let (mut seen, mut chunk) = (Vec::new(), [0; 1024]);
    while !String::from_utf8_lossy(&seen).contains("one") {
        let n = client.read(&mut chunk).unwrap();
        assert!(n > 0, "the answer ended");
        seen.extend_from_slice(&chunk[..n]);
    }
}

/// Successes, streams, a failover, failures, refusals and one who leaves; how many requests that was.
fn client(address: SocketAddr) -> usize {
    let mut sent = 0;
    let mut expect = |status, answered| {
        assert_eq!(answered, status);
        sent += 1;
    };
    for _ in 0..ROUNDS {
        expect(200, chat(address, &ask("whole", false)).status);
        expect(200, chat(address, &ask("stream", true)).status);
        expect(200, chat(address, &ask("moved", false)).status);
        expect(400, chat(address, &ask("refused", false)).status);
        expect(500, chat(address, &ask("failed", false)).status);
        expect(200, chat(address, &ask("broken", true)).status);
        expect(400, chat(address, "{").status);
        expect(404, raw(address, &post("/nowhere", "{}")).status);
        leave(address);
    }
    sent + ROUNDS
}

/// Input and output tokens of all whole answers, cached and reasoning ones as parts.
fn reported(mocks: &[&MockProvider]) -> [u64; 4] {
    let journals: Vec<_> = mocks.iter().map(|mock| mock.journal()).collect();
    let whole = journals.iter().flat_map(|journal| &journal.requests).filter(|entry| entry.end == End::Complete);
    whole.filter_map(|entry| entry.usage).fold([0; 4], |[input, output, cached, reasoning], usage| {
        let of_prompt = [input + usage.prompt_tokens, output + usage.completion_tokens];
        [of_prompt[0], of_prompt[1], cached + usage.cached_tokens, reasoning + usage.reasoning_tokens]
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn log_metrics_and_journals_tell_the_same_numbers_of_a_mixed_run() {
    let (a, b) = (provider("a", FIRST).await, provider("b", SECOND).await);
    let running = start(&pool(&[&a, &b], POLICIES).replace("openai: {model: m-1}", "openai: {}"));
    let address = running.address();
    let clients: Vec<_> = (0..CLIENTS).map(|_| tokio::task::spawn_blocking(move || client(address))).collect();
    let mut sent = 0;
    for client in clients {
        sent += client.await.unwrap();
    }
    let both = tokio::task::spawn_blocking(move || (running.metrics(sent as u64), running.stop()));
    let (metrics, log) = both.await.unwrap();

    let sum = |start: &str, label: &str| {
        let samples = metrics.lines().filter(|line| line.starts_with(start) && line.contains(label));
        samples.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()).sum::<f64>() as u64
    };
    let logged = |key: &str| log.iter().filter_map(|record| record[key].as_u64()).sum::<u64>();
    assert_eq!((log.len(), sum("agentgateway_requests_total{", "")), (sent, sent as u64));
    assert_eq!(sum("agentgateway_request_duration_seconds_count{", ""), sent as u64);
    for status in [200, 400, 404, 500] {
        let told = log.iter().filter(|record| record["http.status"] == status).count() as u64;
        assert_eq!(sum("agentgateway_requests_total{", &format!("status=\"{status}\"")), told, "{status}");
    }

    let attempts = (a.journal().requests.len() + b.journal().requests.len()) as u64;
    let upstream = log.iter().filter(|record| record["attempts"].as_u64() > Some(0)).count() as u64;
    assert_eq!(logged("attempts"), attempts);
    assert_eq!(sum("agentgateway_retries_total{", ""), attempts - upstream);
    assert_eq!(attempts - upstream, (CLIENTS * ROUNDS) as u64);

    let [input, output, cached, reasoning] = reported(&[&a, &b]);
    assert_eq!(input, (CLIENTS * ROUNDS * (1000 + 1000 + 20)) as u64);
    let names = ["input_tokens", "output_tokens", "cache_read.input_tokens", "reasoning_tokens"];
    assert_eq!(names.map(|name| logged(&format!("gen_ai.usage.{name}"))), [input, output, cached, reasoning]);
    for (kind, tokens) in [("input\"", input), ("output\"", output)] {
        assert_eq!(sum("agentgateway_tokens_total{", &format!("gen_ai_token_type=\"{kind}")), tokens);
    }
    for (kind, tokens) in [("input\"", input), ("output\"", output), ("input_cache_read\"", cached)] {
        let label = format!("gen_ai_token_type=\"{kind}");
        assert_eq!(sum("agentgateway_gen_ai_client_token_usage_sum{", &label), tokens, "{kind}");
    }
}
