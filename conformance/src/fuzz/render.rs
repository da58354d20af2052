//! A case as a scenario file: its world, its steps, and the invariants as expectations. The vocabulary is the public
//! one, so a case that fails is a scenario that anybody can run.

use serde_json::{Map, Value, json};

use super::case::Case;
use super::provider::{Fate, Turn};
use super::request::{Asked, Operation};
use super::yaml;

const NAMES: [&str; 2] = ["a", "b"];

/// A scenario as text, and its id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rendered {
    /// `PROP-` and a digest of the rest.
    pub(super) id: String,
    /// The file.
    pub(super) text: String,
}

/// The scenario of a case.
pub(super) fn scenario(case: &Case) -> Rendered {
    let steps: Vec<Value> = case.requests.iter().enumerate().map(|(at, asked)| step(case, at, asked)).collect();
    let rest = yaml::text(&json!({
        "title": "What is relayed is what was sent, and what is told is what happened",
        "level": "may",
        "profile": "core",
        "needs": needs(case),
        "secrets": {"caller": {}, "provider": {"prefix": "sk-"}},
        "variables": bodies(case),
        "providers": providers(case),
        "gateway": manifests(case),
        "steps": steps,
        "expect": at_end(case),
    }));
    let id = format!("PROP-{}", digest(rest.as_bytes()));
    Rendered { text: format!("id: {id}\n{rest}"), id }
}

/// FNV-1a.
fn digest(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

fn needs(case: &Case) -> Vec<&'static str> {
    let mut needs = vec![
        "chat",
        "key_injection",
        "byte_exact_bodies",
        "telemetry.requests",
        "telemetry.access_log",
        "telemetry.exposition",
    ];
    let mut also = |name: &'static str, needed: bool| needs.extend(needed.then_some(name));
    let any = |wanted: fn(&Asked) -> bool| case.requests.iter().any(wanted);
    also("completions", any(|asked| asked.operation == Operation::Completions));
    also("responses", any(|asked| asked.operation == Operation::Responses));
    also("embeddings", any(|asked| asked.operation == Operation::Embeddings));
    also("streaming", any(|asked| asked.stream));
    also("streaming.usage_hidden", any(|asked| asked.stream && !asked.asks_usage));
    also("input_validation", any(|asked| asked.body.refused));
    also("cancel", any(|asked| asked.leaves.is_some()));
    also("model_override", case.renamed);
    also("retry", case.retry.is_some());
    also("failover.by_default", case.providers.len() > 1 && case.retry.is_none());
    also("failover.eviction", case.eviction);
    also("timeouts.backend_request", case.limited);
    also("tls.upstream", case.tls);
    also("telemetry.tokens", case.counts_tokens());
    needs
}

fn bodies(case: &Case) -> Map<String, Value> {
    let all = case.requests.iter().enumerate();
    all.map(|(at, asked)| (format!("body-{at}"), asked.body.text.as_str().into())).collect()
}

fn providers(case: &Case) -> Map<String, Value> {
    let script = |turn: &Turn| {
        let mut script = Map::from_iter([("respond".to_owned(), Value::Object(turn.respond.clone()))]);
        if !turn.fault.is_empty() {
            script.insert("fault".to_owned(), Value::Object(turn.fault.clone()));
        }
        script
    };
    let provider = |turns: &Vec<Turn>| {
        let mut provider = match turns.as_slice() {
            [turn] => script(turn),
            turns => Map::from_iter([(
                "sequence".to_owned(),
                turns.iter().map(|turn| Value::Object(script(turn))).collect(),
            )]),
        };
        if case.tls {
            provider.insert("tls".to_owned(), true.into());
        }
        Value::Object(provider)
    };
    NAMES.iter().zip(&case.providers).map(|(name, turns)| ((*name).to_owned(), provider(turns))).collect()
}

fn manifests(case: &Case) -> Vec<Value> {
    let provider = |name: &str| {
        let openai = if case.renamed { json!({"model": format!("m-{name}")}) } else { json!({}) };
        let (host, port) = (format!("${{{name}.host}}"), format!("${{{name}.port}}"));
        json!({"name": name, "host": host, "port": port, "openai": openai})
    };
    let all: Vec<Value> = NAMES.iter().take(case.providers.len()).map(|name| provider(name)).collect();
    let groups: Vec<Value> = match case.one_group {
        true => vec![json!({"providers": all})],
        false => all.into_iter().map(|one| json!({"providers": [one]})).collect(),
    };
    let mut policies = json!({"auth": {"secretRef": {"name": "provider-key"}}});
    if case.tls {
        policies["tls"] = json!({});
    }
    if case.eviction {
        policies["health"] = json!({"eviction": {"duration": "10s"}});
    }
    let mut rule =
        json!({"backendRefs": [{"name": "pool", "group": "agentgateway.dev", "kind": "AgentgatewayBackend"}]});
    if case.limited {
        rule["timeouts"] = json!({"backendRequest": "300ms"});
    }
    if let Some(retry) = case.retry {
        rule["retry"] = json!({"attempts": retry.attempts, "codes": retry.codes});
    }
    let listeners = json!([{"name": "http", "port": 8080, "protocol": "HTTP"}]);
    let parents = json!([{"name": "gateway"}]);
    let manifest = |kind: &str, name: &str, more: Value| {
        let mut manifest = json!({"kind": kind, "metadata": {"name": name}});
        manifest
            .as_object_mut()
            .into_iter()
            .for_each(|keys| keys.extend(more.as_object().cloned().unwrap_or_default()));
        manifest
    };
    vec![
        manifest("Gateway", "gateway", json!({"spec": {"gatewayClassName": "agentgateway", "listeners": listeners}})),
        manifest("Secret", "provider-key", json!({"stringData": {"Authorization": "${secrets.provider}"}})),
        manifest("AgentgatewayBackend", "pool", json!({"spec": {"ai": {"groups": groups}, "policies": policies}})),
        manifest("HTTPRoute", "pool", json!({"spec": {"parentRefs": parents, "rules": [rule]}})),
    ]
}

fn step(case: &Case, at: usize, asked: &Asked) -> Value {
    let query = asked.query.as_ref().map(|(sent, _)| format!("?{sent}")).unwrap_or_default();
    let mut request = json!({"post": format!("{}{query}", asked.operation.path())});
    let mut headers = Map::from_iter([("content-type".to_owned(), "application/json".into())]);
    headers.extend(asked.headers.iter().map(|(name, value)| ((*name).to_owned(), value.as_str().into())));
    request["headers"] = headers.into();
    request["body"] = format!("${{body-{at}}}").into();
    if let Some(size) = asked.chunked {
        request["chunked"] = size.into();
    }
    if let Some(leaves) = &asked.leaves {
        request["close_after"] = leaves.clone();
    }
    let mut step = json!({"request": request, "expect": expect(case, at, asked)});
    if asked.times > 1 {
        step["repeat"] = json!({"times": asked.times, "concurrency": asked.times});
    }
    step
}

fn expect(case: &Case, at: usize, asked: &Asked) -> Value {
    if asked.body.refused {
        let error = json!({"$.error": {"type": "object"}});
        return json!({"status": {"in": "${options.refused_status}"}, "json": error, "as_sent": true, "attempts": 0});
    }
    let mut expect = Map::new();
    if let Some(status) = status(case, asked) {
        expect.insert("status".to_owned(), status);
    }
    expect.insert("as_sent".to_owned(), true.into());
    if asked.leaves.is_none() {
        expect.insert("ended".to_owned(), json!(["clean", "aborted"]));
    }
    if let Some(stream) = stream(case, asked) {
        expect.insert("stream".to_owned(), stream);
    }
    // A limit may pass before a provider has the request.
    let least = u32::from(!case.limited);
    expect.insert("attempts".to_owned(), json!({"between": [least, case.most_attempts()]}));
    expect.insert("every_attempt".to_owned(), attempt(case, at, asked));
    expect.into()
}

fn status(case: &Case, asked: &Asked) -> Option<Value> {
    let Some(turn) = case.foretold(asked) else {
        return asked.leaves.is_none().then(|| json!({"between": [200, 599]}));
    };
    Some(match turn.fate {
        Fate::Whole | Fate::NoTerminator => json!(turn.status),
        Fate::Nothing => json!({"in": "${options.exhausted_status}"}),
        Fate::Silence => json!({"in": "${options.timeout_status}"}),
        Fate::Broken | Fate::Torn | Fate::Reset => json!({"between": [200, 599]}),
    })
}

fn stream(case: &Case, asked: &Asked) -> Option<Value> {
    if !asked.stream {
        return None;
    }
    let mut stream = Map::new();
    let mut add = |name: &str, value: Value| drop(stream.insert(name.to_owned(), value));
    if !asked.asks_usage {
        add("usage_chunk", "absent".into());
    }
    match case.foretold(asked) {
        Some(Turn { status: 200, fate: Fate::Whole, .. }) if !asked.operation.has_stream_options() => {
            add("replacement_character", "absent".into());
        }
        Some(Turn { status: 200, fate: Fate::Whole, usage, .. }) => {
            add("complete", true.into());
            add("finish_reason", json!({"present": true}));
            add("replacement_character", "absent".into());
            if asked.asks_usage {
                add("usage_chunk", if *usage { "exactly_once" } else { "absent" }.into());
            }
        }
        Some(Turn { fate: Fate::NoTerminator | Fate::Nothing | Fate::Silence, .. }) => add("done", "absent".into()),
        _ => {}
    }
    (!stream.is_empty()).then(|| stream.into())
}

/// What every upstream request must look like.
fn attempt(case: &Case, at: usize, asked: &Asked) -> Value {
    let asks = asked.stream && !asked.asks_usage && asked.operation.has_stream_options();
    let whole = format!("${{body-{at}}}");
    let seen = asked.query.as_ref().and_then(|(_, seen)| seen.as_deref());
    let mut attempt = json!({
        "method": "POST",
        "path": asked.operation.path(),
        "query": seen.map_or(json!({"absent": true}), Value::from),
        "headers": {"authorization": {"exactly_once": "Bearer ${secrets.provider}"}},
        "framing": {"content_length": "exact"},
    });
    if !case.renamed && !asks {
        attempt["body"] = json!({"bytes_equal": whole});
        return attempt;
    }
    attempt["body"] = json!({"contains": asked.body.kept});
    let mut document = Map::from_iter([("$".to_owned(), json!({"same_order_as": whole}))]);
    if case.renamed {
        document.insert("$.model".to_owned(), json!({"in": ["m-a", "m-b"]}));
    }
    if asks {
        document.insert("$.stream_options.include_usage".to_owned(), true.into());
    }
    attempt["json"] = document.into();
    attempt
}

fn at_end(case: &Case) -> Value {
    let mut telemetry = json!({
        "requests": {"delta": case.exchanges()},
        "log_count": case.exchanges(),
        "log_every": {"end": {"in": ["complete", "client_closed", "upstream_failed", "timed_out", "rejected"]}},
        "exposition": true,
    });
    let foretold: Vec<Value> = case.requests.iter().flat_map(|asked| records(case, asked)).collect();
    if !foretold.is_empty() {
        telemetry["log"] = foretold.into();
    }
    if case.counts_tokens() {
        telemetry["tokens"] = json!({"input": {"delta": "reported"}, "output": {"delta": "reported"}});
    }
    let never = json!(["client", "providers", "logs", "metrics"]);
    json!({
        "telemetry": telemetry,
        "canary": {
            "secrets.caller": {"never_at": never},
            "secrets.provider": {"never_at": ["client", "logs", "metrics"]},
        },
    })
}

/// The log records of a request, where everything is known.
fn records(case: &Case, asked: &Asked) -> impl Iterator<Item = Value> {
    let record = record(case, asked);
    std::iter::repeat_n(record, asked.times).flatten()
}

fn record(case: &Case, asked: &Asked) -> Option<Value> {
    if asked.body.refused {
        return Some(json!({"http.status": {"in": "${options.refused_status}"}, "end": "rejected"}));
    }
    let turn = case.foretold(asked)?;
    match turn.fate {
        Fate::Whole if turn.status == 200 => Some(json!({"http.status": 200, "end": "complete"})),
        Fate::Whole => Some(json!({"http.status": turn.status})),
        Fate::Nothing => Some(json!({"http.status": {"in": "${options.exhausted_status}"}, "end": "upstream_failed"})),
        Fate::Silence => Some(json!({"http.status": {"in": "${options.timeout_status}"}, "end": "timed_out"})),
        _ => None,
    }
}
