//! What each quirk is on the wire: its own deviations and those that it implies, and none of the others.

use std::collections::BTreeSet;

use mock_providers::quirks;
use serde_json::Value;

use crate::quirks::{REQUESTS, answers};

/// The answers to all requests.
struct Wire(Vec<(u16, Vec<u8>)>);

impl Wire {
    fn of(&self, name: &str) -> &(u16, Vec<u8>) {
        let place = REQUESTS.iter().position(|(known, ..)| *known == name);
        &self.0[place.unwrap_or_else(|| panic!("no request {name}"))]
    }

    fn status(&self, name: &str) -> u16 {
        self.of(name).0
    }

    fn text(&self, name: &str) -> String {
        String::from_utf8_lossy(&self.of(name).1).into_owned()
    }

    fn json(&self, name: &str) -> Value {
        serde_json::from_slice(&self.of(name).1).unwrap_or_default()
    }

    /// The JSON of the events of a stream.
    fn chunks(&self, name: &str) -> Vec<Value> {
        let text = self.text(name);
        let data = text.lines().filter_map(|line| line.strip_prefix("data: "));
        data.filter_map(|data| serde_json::from_str(data).ok()).collect()
    }

    /// All choices of all events.
    fn choices(&self, name: &str) -> Vec<Value> {
        let chunks = self.chunks(name);
        chunks.iter().filter_map(|chunk| chunk["choices"].as_array()).flatten().cloned().collect()
    }

    /// The finish reasons of a stream, by whatever name.
    fn ends(&self, name: &str) -> Vec<String> {
        self.choices(name).iter().filter_map(end).map(str::to_owned).collect()
    }

    /// The deltas of calls in a stream.
    fn calls(&self, name: &str) -> Vec<Value> {
        let choices = self.choices(name);
        choices.iter().filter_map(|choice| choice["delta"]["tool_calls"].as_array()).flatten().cloned().collect()
    }

    /// The bodies of answers that are errors, and of errors in streams.
    fn errors(&self) -> Vec<Value> {
        let whole = REQUESTS.iter().filter(|(name, ..)| self.status(name) >= 400).map(|(name, ..)| self.json(name));
        let inside =
            REQUESTS.iter().flat_map(|(name, ..)| self.chunks(name)).filter(|chunk| chunk.get("error").is_some());
        whole.chain(inside).collect()
    }

    fn fields(&self, name: &str) -> Vec<String> {
        self.chunks(name).iter().filter_map(Value::as_object).flat_map(|chunk| chunk.keys().cloned()).collect()
    }
}

/// Why a choice ends, if it does.
fn end(choice: &Value) -> Option<&str> {
    let reason = choice["finish_reason"].as_str().or_else(|| choice["finishReason"].as_str());
    reason.filter(|reason| !reason.is_empty())
}

fn has(value: &Value, name: &str) -> bool {
    value.get(name).is_some()
}

/// A Python class by its spelling.
fn is_class(value: &Value) -> bool {
    value.as_str().is_some_and(|name| name.ends_with("Error") && name.starts_with(char::is_uppercase))
}

type Detector = (&'static str, fn(&Wire) -> bool);

const DETECTORS: &[Detector] = &[
    ("D01", |wire| wire.errors().iter().any(|error| error["object"] == "error")),
    ("D02", |wire| {
        let inner = |body: &Value| body.get("error").unwrap_or(body).clone();
        wire.errors().iter().map(inner).any(|error| error["code"].is_u64() && is_class(&error["type"]))
    }),
    ("D03", |wire| wire.ends("cut") == ["tool_calls"]),
    ("D04", |wire| {
        wire.ends("named") == ["tool_calls"] && wire.json("required")["choices"][0]["finish_reason"] == "stop"
    }),
    ("D05", |wire| wire.status("failing") == 200 && wire.text("failing") == "data: [DONE]\n\n"),
    ("D06", |wire| {
        let said = |choice: &Value| {
            has(&choice["delta"], "content") && choice["finish_reason"].as_str().is_some_and(|end| !end.is_empty())
        };
        wire.choices("stream").iter().any(said)
    }),
    ("D07", |wire| wire.choices("stream").iter().any(|choice| !has(choice, "finish_reason"))),
    ("D08", |wire| has(&wire.json("chat")["choices"][0], "stop_reason")),
    ("D09", |wire| wire.choices("thinking").iter().any(|choice| has(&choice["delta"], "reasoning"))),
    ("D10", |wire| wire.status("cut") == 200 && wire.chunks("cut").iter().any(|chunk| has(chunk, "error"))),
    ("D11", |wire| wire.status("developer") == 400),
    ("D12", |wire| wire.json("envelope")["type"] != "error" && has(&wire.json("envelope")["error"], "param")),
    ("D13", |wire| wire.status("stream") == 200 && wire.chunks("stream").iter().all(|chunk| chunk["usage"].is_null())),
    ("D14", |wire| {
        wire.chunks("stream")
            .iter()
            .any(|chunk| chunk["usage"].is_object() && chunk["choices"][0]["finish_reason"] == "stop")
    }),
    ("D15", |wire| {
        wire.status("long-stream") == 200 && wire.chunks("long-stream").iter().any(|chunk| has(chunk, "error"))
    }),
    ("D16", |wire| wire.json("long")["error"]["type"] == "exceed_context_size_error"),
    ("D17", |wire| has(&wire.json("chat"), "timings") && wire.fields("stream").iter().any(|name| name == "timings")),
    ("D18", |wire| wire.status("developer") == 500),
    ("D19", |wire| wire.status("base64") == 400),
    ("D20", |wire| wire.status("long") == 500),
    ("D21", |wire| wire.calls("tools").iter().any(|call| !has(call, "index"))),
    ("D22", |wire| {
        let calls = wire.calls("tools");
        calls.iter().filter(|call| has(call, "id")).count() == 2 && calls.iter().all(|call| call["index"] == 0)
    }),
    ("D23", |wire| wire.calls("tools").len() == 2),
    ("D24", |wire| {
        wire.status("limit") == 200
            && wire.json("limit")["usage"]["completion_tokens"].as_u64().is_some_and(|count| count > 1)
    }),
    ("D25", |wire| {
        let size = wire.json("dimensions")["data"][0]["embedding"].as_array().map(Vec::len);
        wire.json("base64")["data"][0]["embedding"].is_array() || size.is_some_and(|size| size != 4)
    }),
    ("D26", |wire| {
        let deaf = wire.status("two") == 200 && wire.choices("two").iter().all(|choice| choice["index"] == 0);
        let uncalled =
            wire.status("required") == 200 && wire.json("required")["choices"][0]["message"]["tool_calls"].is_null();
        deaf || uncalled || wire.status("bias") == 200 || wire.status("keyless") == 200
    }),
    ("D27", |wire| wire.status("long") == 200),
    ("D28", |wire| wire.status("long-stream") == 200 && wire.text("long-stream").is_empty()),
    ("D29", |wire| {
        wire.errors().iter().any(|body| has(body, "message") && has(body, "error") && !has(&body["error"], "type"))
    }),
    ("D30", |wire| wire.status("path") == 200),
    ("D31", |wire| wire.json("base64")["data"][0]["embedding"].is_array()),
    ("D32", |wire| !has(&wire.json("models")["data"][0], "created")),
    ("D33", |wire| wire.choices("stream").iter().any(|choice| choice["finish_reason"] == "")),
    ("D34", |wire| {
        let marked = has(&wire.json("chat")["choices"][0], "matched_stop");
        marked || ["stream", "two"].iter().any(|name| wire.status(name) == 200 && !each_ends_once(wire, name))
    }),
    ("D35", |wire| {
        let eos = wire.json("chat")["choices"][0]["finish_reason"] == "eos_token";
        let text = wire.errors().iter().any(|body| body["error"].is_string());
        eos || text || wire.status("tools") == 200 && !wire.text("tools").ends_with("data: [DONE]\n\n")
    }),
    ("D36", |wire| {
        let reported = wire.chunks("stream").iter().any(|chunk| chunk["usage"].is_object());
        reported && wire.chunks("stream").iter().any(|chunk| !has(chunk, "usage"))
    }),
    ("D37", |wire| wire.json("required")["choices"][0]["finish_reason"] == "tool_call"),
    ("D38", |wire| {
        wire.ends("tools") == ["stop"] && wire.json("required")["choices"][0]["finish_reason"] == "tool_calls"
    }),
    ("D39", |wire| wire.calls("tools").iter().any(|call| !has(call, "index") || has(call, "extra_content"))),
    ("D40", |wire| wire.errors().iter().any(Value::is_array)),
    ("D41", |wire| {
        let on_content = |chunk: &Value| chunk["usage"].is_object() && has(&chunk["choices"][0]["delta"], "content");
        wire.chunks("stream").iter().any(on_content)
            || wire.choices("stream").iter().any(|choice| has(choice, "finishReason"))
    }),
    ("D42", |wire| wire.chunks("tools").first().is_some_and(|chunk| has(chunk, "prompt_filter_results"))),
    ("D43", |wire| wire.status("store") == 422 && wire.json("store")["detail"].is_array()),
    ("D44", |wire| {
        let text = wire.text("tools");
        text.starts_with(": ")
            || text.contains("\n: ")
            || text.contains("data: : keepalive")
            || wire.ends("tools").len() == 2
    }),
    ("D45", |wire| {
        let content = wire.json("format")["choices"][0]["message"]["content"].as_str().map(str::to_owned);
        let free = content.is_some_and(|text| serde_json::from_str::<Value>(&text).is_err());
        let silent = wire.status("logprobs") == 200 && wire.json("logprobs")["choices"][0]["logprobs"].is_null();
        let deaf = ["hot", "penalty"].iter().any(|name| wire.status(name) == 200);
        let refuses = ["two", "user", "dimensions"].iter().any(|name| wire.status(name) == 400);
        let unused = wire.status("chat") == 200 && wire.json("chat")["usage"].is_null();
        free || silent || deaf || refuses || unused
    }),
];

/// Whether every choice of a stream ends, and only once.
fn each_ends_once(wire: &Wire, name: &str) -> bool {
    let choices = wire.choices(name);
    let index = |choice: &Value| choice["index"].as_u64();
    let present: BTreeSet<u64> = choices.iter().filter_map(index).collect();
    let mut ended: Vec<u64> = choices.iter().filter(|choice| end(choice).is_some()).filter_map(index).collect();
    ended.sort_unstable();
    ended == Vec::from_iter(present)
}

async fn seen(quirk: &str) -> BTreeSet<&'static str> {
    let wire = Wire(answers(quirk).await);
    DETECTORS.iter().filter(|(_, detects)| detects(&wire)).map(|(id, _)| *id).collect()
}

#[tokio::test]
async fn a_quirk_is_its_own_deviations_and_those_it_implies_and_none_else() {
    assert_eq!(seen("").await, BTreeSet::new(), "of a provider without quirks");
    let mut wrong = Vec::new();
    for quirk in quirks::all() {
        let told: BTreeSet<&str> = quirk.deviations.iter().chain(quirk.implies).copied().collect();
        let seen = seen(quirk.name).await;
        if seen != told {
            wrong.push(format!("{}: says {told:?}, is {seen:?}", quirk.name));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn a_profile_is_all_deviations_of_its_quirks_that_do_not_hide_each_other() {
    for profile in quirks::profiles() {
        let of = |quirk: &&quirks::Quirk| profile.quirks.contains(&quirk.name);
        let own = quirks::all().iter().filter(of).flat_map(|quirk| quirk.deviations.iter().chain(quirk.implies));
        let own: BTreeSet<&str> = own.copied().collect();
        let seen = seen(profile.name).await;
        assert!(seen.is_subset(&own), "{}: says {own:?}, is {seen:?}", profile.name);
        let hidden: Vec<_> = own.difference(&seen).collect();
        assert!(hidden.is_empty(), "{} hides {hidden:?}", profile.name);
    }
}
