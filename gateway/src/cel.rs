//! CEL expressions at work: what they can see of an exchange, and what they say of it.
//! They are checked and bounded when the configuration is compiled; here one that cannot be evaluated says nothing.
//! A caller's credentials cannot be seen at all.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, OnceLock};

use cel::common::value::{CowVal, Val};
use cel::context::VariableResolver;
use cel::objects::Key;
use cel::{Context, Env, Program, Value};
use http::{HeaderMap, StatusCode};

use crate::headers::is_credential;
use crate::record::Record;

/// The functions of the language's standard library, made once.
static LANGUAGE: LazyLock<Arc<Env>> = LazyLock::new(|| Arc::new(Env::stdlib()));

/// A checked expression.
#[derive(Debug)]
pub struct Expression {
    program: Program,
    /// What it looks at.
    pub uses: Uses,
}

/// Parts of an exchange that are only kept for expressions that look at them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Uses {
    /// `request.headers`
    pub request_headers: bool,
    /// `request.body`
    pub request_body: bool,
    /// `response.headers`
    pub response_headers: bool,
    /// `response.body`
    pub response_body: bool,
}

impl std::ops::BitOr for Uses {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self {
            request_headers: self.request_headers || other.request_headers,
            request_body: self.request_body || other.request_body,
            response_headers: self.response_headers || other.response_headers,
            response_body: self.response_body || other.response_body,
        }
    }
}

/// Status and headers of an answer.
#[derive(Debug, Clone, Copy)]
pub struct Answered<'a> {
    /// `response.code`
    pub status: StatusCode,
    /// `response.headers`
    pub headers: &'a HeaderMap,
}

/// What an expression sees.
#[derive(Clone, Copy)]
pub struct Scope<'a> {
    /// The exchange so far.
    pub record: &'a Record,
    /// The request's headers, where they are at hand.
    pub request_headers: Option<&'a HeaderMap>,
    /// The answer, if there is one.
    pub response: Option<Answered<'a>>,
}

impl Expression {
    /// Of a program that was checked.
    #[must_use]
    pub fn new(program: Program, uses: Uses) -> Self {
        Self { program, uses }
    }

    /// Whether it is true; `None` when it cannot be evaluated or is no boolean.
    #[must_use]
    pub fn holds(&self, scope: &Scope<'_>) -> Option<bool> {
        match self.evaluate(scope) {
            Some(Value::Bool(holds)) => Some(holds),
            _ => None,
        }
    }

    /// Its value; `None` when it cannot be evaluated or is null.
    #[must_use]
    pub fn value(&self, scope: &Scope<'_>) -> Option<serde_json::Value> {
        self.evaluate(scope).map(|value| json(&value)).filter(|value| !value.is_null())
    }

    /// The value of one that looks at nothing; `None` where it does.
    #[must_use]
    pub fn constant(&self) -> Option<serde_json::Value> {
        let context = Context::with_env(LANGUAGE.clone());
        self.program.execute(&context).ok().map(|value| json(&value))
    }

    fn evaluate(&self, scope: &Scope<'_>) -> Option<Value> {
        let visible = Visible { scope: *scope, uses: self.uses, made: Default::default() };
        let mut context = Context::with_env(LANGUAGE.clone());
        context.set_variable_resolver(&visible);
        self.program.execute(&context).ok()
    }
}

/// The variables of one evaluation. Each is made when it is first named, and no more: a loop may name it often.
struct Visible<'a> {
    scope: Scope<'a>,
    uses: Uses,
    /// `request`, `response` and `llm`.
    made: [OnceLock<Option<Box<dyn Val>>>; 3],
}

impl VariableResolver for Visible<'_> {
    fn resolve<'b>(&'b self, variable: &str) -> Option<CowVal<'b, 'b>> {
        let [request, response, llm] = &self.made;
        let value = |fields: Option<Fields>| Box::<dyn Val>::try_from(Value::from(fields?)).ok();
        let made = match variable {
            "request" => request.get_or_init(|| value(Some(self.request()))),
            "response" => response.get_or_init(|| value(self.response())),
            "llm" => llm.get_or_init(|| value(self.llm())),
            _ => return None,
        };
        made.as_deref().map(CowVal::Borrowed)
    }
}

type Fields = HashMap<Key, Value>;

/// Adds a field that has a value.
fn put(fields: &mut Fields, name: &str, value: Option<impl Into<Value>>) {
    if let Some(value) = value {
        fields.insert(name.into(), value.into());
    }
}

impl Visible<'_> {
    fn request(&self) -> Fields {
        let (record, mut fields) = (self.scope.record, Fields::new());
        put(&mut fields, "method", Some(record.method.as_str()));
        put(&mut fields, "host", Some(&*record.host));
        put(&mut fields, "path", Some(&*record.path));
        let headers = self.scope.request_headers.filter(|_| self.uses.request_headers);
        put(&mut fields, "headers", headers.map(header_map));
        let body = record.request_body.as_deref().filter(|_| self.uses.request_body);
        put(&mut fields, "body", body.map(|body| String::from_utf8_lossy(body).into_owned()));
        fields
    }

    /// Nothing before there is an answer.
    fn response(&self) -> Option<Fields> {
        let (response, mut fields) = (self.scope.response?, Fields::new());
        put(&mut fields, "code", Some(i64::from(response.status.as_u16())));
        put(&mut fields, "headers", self.uses.response_headers.then(|| header_map(response.headers)));
        let body = self.scope.record.response_body.as_deref().filter(|_| self.uses.response_body);
        put(&mut fields, "body", body.map(|body| String::from_utf8_lossy(body).into_owned()));
        Some(fields)
    }

    /// Nothing where no model is asked.
    fn llm(&self) -> Option<Fields> {
        let (record, mut fields) = (self.scope.record, Fields::new());
        record.operation?;
        put(&mut fields, "streaming", Some(record.stream));
        put(&mut fields, "requestModel", record.requested_model.as_deref());
        put(&mut fields, "responseModel", record.response_model.as_deref());
        put(&mut fields, "provider", record.system);
        let Some(usage) = record.usage else { return Some(fields) };
        for (name, tokens) in [
            ("inputTokens", usage.input),
            ("outputTokens", usage.output),
            ("totalTokens", usage.input.saturating_add(usage.output)),
            ("cachedInputTokens", usage.cached),
            ("reasoningTokens", usage.reasoning),
        ] {
            put(&mut fields, name, i64::try_from(tokens).ok());
        }
        Some(fields)
    }
}

/// Headers by lower-case name, several values joined; without credentials.
fn header_map(headers: &HeaderMap) -> Fields {
    let mut fields = Fields::new();
    for name in headers.keys().filter(|name| !is_credential(name.as_str()) && *name != http::header::SET_COOKIE) {
        let values: Vec<_> =
            headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
        put(&mut fields, name.as_str(), Some(values.join(", ")));
    }
    fields
}

fn json(value: &Value) -> serde_json::Value {
    match value {
        Value::Bool(value) => (*value).into(),
        Value::Int(value) => (*value).into(),
        Value::UInt(value) => (*value).into(),
        Value::Float(value) => (*value).into(),
        Value::String(value) => value.as_str().into(),
        Value::Bytes(value) => String::from_utf8_lossy(value).into(),
        Value::List(values) => values.iter().map(json).collect(),
        Value::Map(map) => {
            let mut members: Vec<_> = map.map.iter().map(|(key, value)| (key_text(key), json(value))).collect();
            members.sort_by(|(a, _), (b, _)| a.cmp(b));
            members.into_iter().collect()
        }
        _ => serde_json::Value::Null,
    }
}

fn key_text(key: &Key) -> String {
    match key {
        Key::Int(key) => key.to_string(),
        Key::Uint(key) => key.to_string(),
        Key::Bool(key) => key.to_string(),
        Key::String(key) => key.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::record::End;
    use crate::trace::Trace;
    use crate::usage::Usage;

    fn record() -> Record {
        let trace = Trace::begin(&HeaderMap::new(), || 7);
        Record {
            request_id: "r".into(),
            trace,
            method: http::Method::POST,
            host: "api.example.com".into(),
            path: "/v1/chat/completions".into(),
            port: 80,
            operation: Some("chat"),
            system: Some("openai"),
            requested_model: Some("gpt-4o".into()),
            stream: true,
            usage: Some(Usage { input: 11, output: 7, ..Usage::default() }),
            status: 200,
            end: End::Complete,
            request_body: Some("{\"é\":1}".into()),
            ..Record::empty()
        }
    }

    fn headers(all: &[(&'static str, &'static str)]) -> HeaderMap {
        all.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    /// Compiles without the checks of the configuration: more can happen here than there.
    fn raw(text: &str) -> Option<Expression> {
        let all = Uses { request_headers: true, request_body: true, response_headers: true, response_body: true };
        Program::compile(text).ok().map(|program| Expression::new(program, all))
    }

    fn value(text: &str) -> Option<serde_json::Value> {
        let (record, request) = (record(), headers(&[("x-tier", "gold"), ("authorization", "Bearer sk-1")]));
        let response = headers(&[("retry-after", "3"), ("set-cookie", "s=1")]);
        let response = Some(Answered { status: StatusCode::SERVICE_UNAVAILABLE, headers: &response });
        raw(text).unwrap().value(&Scope { record: &record, request_headers: Some(&request), response })
    }

    #[test]
    fn an_exchange_is_seen_as_it_is() {
        let cases = [
            ("request.method + ' ' + request.host + request.path", "POST api.example.com/v1/chat/completions".into()),
            ("request.headers['x-tier'] == 'gold' && 'x-none' in request.headers", false.into()),
            ("response.code >= 500 && response.headers['retry-after'] == '3'", true.into()),
            ("llm.requestModel.startsWith('gpt-') && llm.streaming && llm.provider == 'openai'", true.into()),
            ("llm.totalTokens", 18.into()),
            ("{'in': llm.inputTokens, 'list': [1, 2.5, true]}", serde_json::json!({"in": 11, "list": [1, 2.5, true]})),
            ("request.body", "{\"é\":1}".into()),
        ];
        for (text, expected) in cases {
            assert_eq!(value(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_evaluated_says_nothing() {
        for text in ["llm.responseModel", "request.headers['none']", "1 / 0", "null", "nobody", "response.code + 'a'"] {
            assert_eq!(value(text), None, "{text}");
        }
    }

    #[test]
    fn credentials_cannot_be_seen() {
        assert_eq!(value("size(request.headers)"), Some(1.into()));
        assert_eq!(value("has(request.headers.authorization) || 'set-cookie' in response.headers"), Some(false.into()));
    }

    #[test]
    fn without_an_answer_there_is_no_response() {
        let record = record();
        let scope = Scope { record: &record, request_headers: None, response: None };
        assert_eq!(raw("response.code >= 500").unwrap().holds(&scope), None);
        assert_eq!(raw("request.method == 'POST'").unwrap().holds(&scope), Some(true));
    }

    proptest! {
        #[test]
        fn no_evaluation_panics(words in prop::collection::vec(prop::sample::select(vec![
            "request.path", "response.code", "llm.inputTokens", "request.headers", "[1,2]", "'é'", "-1", "1.5", "2u", "null",
            "b'\\xff'", "9223372036854775807", " + ", " - ", " * ", " / ", " % ", " == ", " < ", " && ", " ? ", " : ", " in ",
            "[", "]", "(", ")", "size(", "string(", "int(", ".startsWith(", ".map(x, x)", "-", "!", ", ", "{'a': ", "}",
        ]), 1..9)) {
            let text = words.concat();
            if raw(&text).is_some() {
                let _value = value(&text);
            }
        }
    }
}
