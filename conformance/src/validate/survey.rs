//! The first look: is this an OpenAI-compatible API at all, which model answers, what kind of server is it?
//! Owns giving up early, with a reason that a user can act on. Refuses verdicts on single requirements.

use std::sync::Arc;

use serde_json::Value;

use super::answer::{Answer, cut};
use super::ask::{Ask, Request};
use super::backend::Backend;
use super::facts::Facts;
use super::fingerprint::{Fingerprint, Traces};
use crate::client::End;

/// What the user says of the backend.
#[derive(Debug, Clone, Default)]
pub struct Wishes {
    /// The chat model.
    pub model: Option<String>,
    /// The embeddings model.
    pub embeddings_model: Option<String>,
    /// The context window in tokens.
    pub context_window: Option<u64>,
    /// How many requests may be sent to see a 429.
    pub burst: Option<usize>,
    /// Whether there is a key.
    pub key: bool,
}

/// What the first look has found.
#[derive(Debug)]
pub struct Survey {
    /// What checks are made from.
    pub facts: Facts,
    /// What the backend seems to be.
    pub fingerprint: Fingerprint,
    /// What was asked, so that checks need not ask again.
    pub asked: Vec<(Ask, Answer)>,
    /// How many requests it took.
    pub requests: usize,
}

/// Why there is nothing to check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hopeless {
    /// The reason.
    pub why: String,
}

/// How often a first chat is tried in another way.
const TRIES: usize = 3;
/// Requests without which there is no look: models, a path that is not there, and a chat.
pub const FIRST: usize = 3;
/// Requests that only say what kind of server it is.
const KIND: usize = 3;

/// Looks, with so many requests at most, of which there must be [`FIRST`].
pub async fn survey(backend: &Arc<Backend>, wishes: &Wishes, most: usize) -> Result<Survey, Hopeless> {
    let (models, missing) = (Request::get("/models"), Request::get("/does-not-exist"));
    let (models, missing) = tokio::join!(backend.send(&models), backend.send(&missing));
    let hopeless = |why: String| Err(Hopeless { why });
    if matches!((&models.end, &missing.end), (End::NotConnected(_), End::NotConnected(_))) {
        return hopeless(unreachable(backend, &models));
    }
    let Some(model) = wishes.model.clone().or_else(|| chat_model(&models)) else {
        let why = plainly_none(&models, &missing, None)
            .unwrap_or_else(|| format!("no model to ask: {}; name one with --model", models.refusal()));
        return hopeless(why);
    };
    let mut facts = Facts {
        model,
        missing: format!("no-such-model-{:016x}", crate::world::random()),
        embeddings_model: wishes.embeddings_model.clone().or_else(|| embeddings_model(&models)),
        key: wishes.key,
        limit: "max_tokens",
        temperature: true,
        context_window: None,
        burst: wishes.burst,
    };
    let mut chat = backend.send(&facts.plain()).await;
    let mut requests = FIRST;
    while requests < most.min(FIRST + TRIES - 1) && adapted(&mut facts, &chat) {
        chat = backend.send(&facts.plain()).await;
        requests += 1;
    }
    if let Some(why) = plainly_none(&models, &missing, Some(&chat)) {
        return hopeless(why);
    }
    let mut kind = [None, None, None];
    if requests + KIND <= most {
        let root = |path: &str| Request { root: true, ..Request::get(path) };
        let (version, props, api_version) = (root("/version"), root("/props"), root("/api/version"));
        let all = tokio::join!(backend.send(&version), backend.send(&props), backend.send(&api_version));
        kind = [all.0, all.1, all.2].map(Some);
        requests += KIND;
    }
    let [version, props, api_version] = kind.each_ref().map(Option::as_ref);
    facts.context_window = wishes.context_window.or_else(|| window(&models, props, &facts.model));
    let fingerprint = Fingerprint::of(&Traces {
        models: Some(&models),
        chat: Some(&chat),
        error: Some(&missing),
        version,
        props,
        api_version,
    });
    let asked = [models, missing, chat].map(|answer| (Ask::from(answer.request.clone()), answer));
    // What was limited or slow the first time is asked again with patience.
    let settled = |(_, answer): &(Ask, Answer)| answer.status() != Some(429) && answer.trouble().is_none();
    Ok(Survey { facts, fingerprint, asked: asked.into_iter().filter(settled).collect(), requests })
}

fn unreachable(backend: &Backend, answer: &Answer) -> String {
    let End::NotConnected(why) = &answer.end else { return answer.refusal() };
    format!("cannot reach {}: {why}; {}", backend.base(), hint(why))
}

/// What to try where there is no connection.
fn hint(why: &str) -> &'static str {
    if why.contains("certificate") {
        "if its certificate is signed by a CA of your own, name that with --ca"
    } else if why.starts_with(super::backend::TLS) {
        "does it speak TLS on this port, or is it http://?"
    } else {
        "is the server running, and is this its port?"
    }
}

/// Changes what the backend refuses of a plain chat; says whether there was anything.
fn adapted(facts: &mut Facts, chat: &Answer) -> bool {
    let Some(message) = chat.error_message().filter(|_| chat.status() == Some(400)) else { return false };
    if facts.limit == "max_tokens" && message.contains("max_completion_tokens") {
        facts.limit = "max_completion_tokens";
        return true;
    }
    let refused = facts.temperature && message.contains("temperature");
    facts.temperature &= !refused;
    refused
}

/// Why this is no such API, when nothing about it is like one.
fn plainly_none(models: &Answer, missing: &Answer, chat: Option<&Answer>) -> Option<String> {
    let all: Vec<&Answer> = [Some(models), Some(missing), chat].into_iter().flatten().collect();
    let every = |fits: fn(&Answer) -> bool| all.iter().all(|answer| fits(answer));
    let not = |what: &str| Some(format!("this is not an OpenAI-compatible API: {what}"));
    if every(|answer| answer.trouble().is_some()) {
        return Some(format!("the backend gives no whole answer to anything: {}", models.refusal()));
    }
    if every(Answer::is_html) {
        return not(&format!(
            "it answers HTML to everything (GET {} is {})",
            models.request.path,
            models.status().unwrap_or(0)
        ));
    }
    if every(|answer| matches!(answer.status(), Some(300..=399))) {
        let to = models.header("location").map(|to| cut(to, 200)).unwrap_or_else(|| "nowhere".to_owned());
        return not(&format!(
            "it redirects everything, GET /models to {to}; give the place it redirects to as --base-url"
        ));
    }
    if every(|answer| matches!(answer.status(), Some(401 | 403))) {
        let told = models.refusal();
        return Some(format!("the backend lets nobody in: {told}; tell where the key is with --api-key-env"));
    }
    if every(|answer| matches!(answer.status(), Some(404 | 405))) {
        return not(&format!("nothing is served below this base URL: {}; most backends want .../v1", models.refusal()));
    }
    let like_models = models.value()["data"].is_array();
    let like_chat = chat.is_some_and(|chat| chat.value()["choices"].is_array() || chat.error_message().is_some());
    if every(|answer| answer.status() == Some(200)) && !like_models && !like_chat && chat.is_some() {
        return not(&format!("it answers 200 to everything, GET /models with {}", shown(models)));
    }
    if every(|answer| answer.json().is_none()) {
        return not(&format!("it answers no JSON to anything; {}", models.refusal()));
    }
    None
}

fn shown(answer: &Answer) -> String {
    if answer.body.is_empty() { "an empty body".to_owned() } else { cut(&String::from_utf8_lossy(&answer.body), 80) }
}

fn ids(models: &Answer) -> Vec<&str> {
    let list = models.value()["data"].as_array().map_or(&[][..], Vec::as_slice);
    list.iter().filter_map(|model| model["id"].as_str()).collect()
}

const EMBEDS: &[&str] = &["embed", "bge", "gte-", "e5-", "minilm", "nomic"];
const NO_CHAT: &[&str] =
    &["whisper", "tts", "dall-e", "moderation", "rerank", "image", "instruct-base", "davinci", "babbage"];

fn is_of(id: &str, words: &[&str]) -> bool {
    let id = id.to_ascii_lowercase();
    words.iter().any(|word| id.contains(word))
}

fn chat_model(models: &Answer) -> Option<String> {
    let ids = ids(models);
    let chats = ids.iter().find(|id| !is_of(id, EMBEDS) && !is_of(id, NO_CHAT));
    chats.or(ids.first()).map(|id| (*id).to_owned())
}

/// One that is called so; or the only one there is.
fn embeddings_model(models: &Answer) -> Option<String> {
    let ids = ids(models);
    let only = ids.first().filter(|_| ids.len() == 1);
    ids.iter().find(|id| is_of(id, EMBEDS)).or(only).map(|id| (*id).to_owned())
}

/// The context window, where a backend tells it.
fn window(models: &Answer, props: Option<&Answer>, model: &str) -> Option<u64> {
    let list = models.value()["data"].as_array().map_or(&[][..], Vec::as_slice);
    let own = list.iter().find(|one| one["id"] == model)?;
    const NULL: &Value = &Value::Null;
    let props = props.map_or(NULL, Answer::value);
    let places = [
        &own["max_model_len"],
        &own["context_window"],
        &own["context_length"],
        &own["max_context_length"],
        &own["meta"]["n_ctx"],
        &props["default_generation_settings"]["n_ctx"],
    ];
    places.into_iter().find_map(Value::as_u64)
}
