//! Which server answers, told by what it shows of itself. Owns the signs and their evidence; a guess is never used to
//! judge, only to say which quirks to expect.

use serde_json::Value;

use super::answer::Answer;

/// What a backend seems to be.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Fingerprint {
    /// `vllm`, `llama.cpp`, …, or `unknown`.
    pub name: String,
    /// What says so, or what else was seen.
    pub evidence: Vec<String>,
}

/// What a sign is looked for in.
#[derive(Debug, Default, Clone, Copy)]
pub struct Traces<'a> {
    /// The list of models.
    pub models: Option<&'a Answer>,
    /// A chat.
    pub chat: Option<&'a Answer>,
    /// A path that is not there.
    pub error: Option<&'a Answer>,
    /// `/version` of the server.
    pub version: Option<&'a Answer>,
    /// `/props` of the server.
    pub props: Option<&'a Answer>,
    /// `/api/version` of the server.
    pub api_version: Option<&'a Answer>,
}

/// The profile of the mock that is like this server, for `--quirks`.
pub fn profile(name: &str) -> Option<&'static str> {
    let known = [
        ("vllm", "vllm"),
        ("llama.cpp", "llamacpp"),
        ("llama-cpp-python", "llamacpp"),
        ("ollama", "ollama"),
        ("lmstudio", "lmstudio"),
        ("tgi", "tgi"),
        ("sglang", "sglang-old"),
        ("azure", "azure"),
        ("openrouter", "openrouter"),
        ("mistral", "mistral"),
        ("gemini", "gemini-openai"),
    ];
    known.into_iter().find_map(|(known, profile)| (known == name).then_some(profile))
}

impl Fingerprint {
    /// Of all that was seen.
    pub fn of(traces: &Traces<'_>) -> Fingerprint {
        let mut signs = Vec::new();
        from_headers(traces, &mut signs);
        from_models(traces.models, &mut signs);
        from_chat(traces.chat, &mut signs);
        from_paths(traces, &mut signs);
        let name = signs.iter().find_map(|(name, _)| *name).unwrap_or("unknown");
        let counts = |(of, _): &&(Option<&str>, String)| of.is_none_or(|of| of == name);
        let evidence = signs.iter().filter(counts).map(|(_, seen)| seen.clone()).collect();
        Fingerprint { name: name.to_owned(), evidence }
    }
}

/// A name, where there is one, and what was seen.
type Sign = (Option<&'static str>, String);

fn from_headers(traces: &Traces<'_>, signs: &mut Vec<Sign>) {
    const HEADERS: &[(&str, &str)] = &[
        ("x-litellm-version", "litellm"),
        ("x-litellm-call-id", "litellm"),
        ("apim-request-id", "azure"),
        ("openai-version", "openai"),
        ("x-compute-type", "tgi"),
    ];
    let answers = [traces.models, traces.chat, traces.error];
    let all = || answers.into_iter().flatten();
    for (header, name) in HEADERS {
        if all().any(|answer| answer.header(header).is_some()) {
            signs.push((Some(name), format!("header `{header}`")));
        }
    }
    if let Some(server) = all().find_map(|answer| answer.header("server")) {
        let name = ["llama.cpp", "ollama", "vllm", "sglang", "litellm"];
        let name = name.into_iter().find(|name| server.to_ascii_lowercase().contains(name));
        signs.push((name, format!("header `server: {}`", super::answer::cut(server, 40))));
    }
}

fn from_models(models: Option<&Answer>, signs: &mut Vec<Sign>) {
    const OWNERS: &[(&str, &str)] = &[
        ("vllm", "vllm"),
        ("llamacpp", "llama.cpp"),
        ("library", "ollama"),
        ("organization_owner", "lmstudio"),
        ("sglang", "sglang"),
        ("mistralai", "mistral"),
        ("google", "gemini"),
        ("me", "llama-cpp-python"),
    ];
    let Some(model) = models.and_then(Answer::json).map(|list| &list["data"][0]) else { return };
    if let Some(owner) = model["owned_by"].as_str() {
        let name = OWNERS.iter().find_map(|(known, name)| (*known == owner).then_some(*name));
        signs.push((name, format!("/models: owned_by `{}`", super::answer::cut(owner, 40))));
    }
    if model.get("max_model_len").is_some() {
        signs.push((Some("vllm"), "/models: `max_model_len`".to_owned()));
    }
}

fn from_chat(chat: Option<&Answer>, signs: &mut Vec<Sign>) {
    const MEMBERS: &[(&str, &str)] = &[
        ("/timings", "llama.cpp"),
        ("/x_groq", "groq"),
        ("/provider", "openrouter"),
        ("/choices/0/matched_stop", "sglang"),
    ];
    let Some(value) = chat.and_then(Answer::json) else { return };
    if let Some(print) = value["system_fingerprint"].as_str() {
        let build = print.strip_prefix('b').and_then(|rest| rest.split_once('-'));
        let name = match build {
            _ if print == "fp_ollama" => Some("ollama"),
            Some((number, _)) if number.bytes().all(|byte| byte.is_ascii_digit()) => Some("llama.cpp"),
            _ if print.ends_with("-native") => Some("tgi"),
            _ => None,
        };
        signs.push((name, format!("system_fingerprint `{}`", super::answer::cut(print, 40))));
    }
    for (pointer, name) in MEMBERS {
        if value.pointer(pointer).is_some() {
            signs.push((Some(name), format!("chat: `{}`", &pointer[1..].replace('/', "."))));
        }
    }
}

fn from_paths(traces: &Traces<'_>, signs: &mut Vec<Sign>) {
    let found = |answer: Option<&Answer>, name: &str| {
        let answer = answer.filter(|answer| answer.status() == Some(200))?;
        answer.json()?.get(name).map(Value::to_string)
    };
    if let Some(version) = found(traces.api_version, "version") {
        signs.push((Some("ollama"), format!("/api/version: {version}")));
    }
    if found(traces.props, "default_generation_settings").is_some() {
        signs.push((Some("llama.cpp"), "/props: `default_generation_settings`".to_owned()));
    }
    if let Some(version) = found(traces.version, "version") {
        signs.push((Some("vllm"), format!("/version: {version}")));
    }
}
