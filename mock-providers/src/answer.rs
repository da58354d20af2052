//! From a request to a plan: credentials, rule, answer, faults, in that order.
//!
//! Owns what every dialect shares: literal bodies, scripted statuses, latency, common headers.
//! Refuses to know the shape of any API; that is the dialect's.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use serde_json::Value;

use crate::credentials;
use crate::digest::{self, Random};
use crate::journal::Usage;
use crate::openai::{self, ApiError};
use crate::pace::Pace;
use crate::plan::{Answer, Header, Kind, Piece, Plan};
use crate::quirks::{self, Judged};
use crate::request::Request;
use crate::rules::{Live, Selected};
use crate::script::{Encoding, Fault, Framing, Latency, Provider, Respond, RetryAfterForm, SseEvent};

/// What a dialect may draw on.
pub(crate) struct Context<'a> {
    pub(crate) provider: &'a Provider,
    pub(crate) respond: &'a Respond,
    /// What goes wrong; those who make answers obey its semantic keys, `plan` all others.
    pub(crate) fault: &'a Fault,
    /// The script's latency, with the answer's own laid over it.
    pub(crate) latency: Latency,
    /// Follows from seed, provider, request and occurrence.
    pub(crate) random: Random,
    /// Follows from the seed alone.
    pub(crate) seed: u64,
}

impl Context<'_> {
    /// The times of this answer's events.
    pub(crate) fn pace(&self) -> Pace {
        Pace::new(&self.latency)
    }
}

/// The plan for a request, and the name of the rule it comes from.
pub(crate) fn plan<'l>(live: &'l Live, request: &Request<'_>, random: Random, seed: u64) -> (&'l Arc<str>, Plan) {
    let quirks = &live.provider.quirks;
    let open = quirks.fault().is_some_and(|fault| fault.api_key_ignored);
    let denied = live.provider.auth.as_ref().filter(|_| !open).and_then(|auth| refusal(&auth.keys, request));
    let Selected { rule, respond, fault: fired } =
        if denied.is_some() { live.unscripted() } else { live.select(request) };
    let fault = quirks.under(Cow::Borrowed(&*fired));
    let Judged { heard, refusal, done, not_applicable } = quirks::judge(request, &fault);
    let request = heard.as_ref().unwrap_or(request);
    let latency = live.provider.latency.overlaid(&respond.latency);
    let delay = latency.head.unwrap_or_default() + respond.delay_head.unwrap_or_default();
    let common = common_headers(&random, delay);
    let context = Context { provider: &live.provider, respond, fault: &fault, latency, random, seed };
    let mut answer = match denied.map(ApiError::answer).or(refusal) {
        Some(refusal) => refusal,
        None => answer(request, &context, fault.status.or(respond.status)),
    };
    if let Some(size) = respond.size {
        answer.pad(size);
    }
    if let Some(wait) = respond.retry_after {
        answer.headers.push(("retry-after".into(), retry_after(wait, respond.retry_after_form).into()));
    }
    let mut plan = answer.plan(respond, common, delay);
    if request.head.http10 && plan.framing == Framing::Chunked {
        plan.framing = Framing::Close;
    }
    let accepted = |encoding: &Encoding| !respond.if_accepted || request.accepts(*encoding);
    plan.encoding = respond.encoding.filter(accepted);
    plan.name_faults(&done);
    plan.not_applicable = not_applicable;
    plan.deviate(&fault, request);
    plan.apply(&fault);
    quirks.excuse(&mut plan.not_applicable, &fired);
    (rule, plan)
}

impl Latency {
    fn overlaid(&self, own: &Latency) -> Latency {
        Latency { head: own.head.or(self.head), ttft: own.ttft.or(self.ttft), itl: own.itl.or(self.itl) }
    }
}

fn refusal(keys: &[String], request: &Request<'_>) -> Option<ApiError> {
    let presented = credentials::bearer(&request.head.lines);
    match presented {
        Some(key) if keys.iter().any(|known| known == key) => None,
        Some(key) => Some(ApiError::wrong_key(key)),
        None => Some(ApiError::missing_key()),
    }
}

fn answer(request: &Request<'_>, context: &Context<'_>, status: Option<u16>) -> Answer {
    let respond = context.respond;
    if let Some(mut literal) = literal(respond) {
        literal.status = status.unwrap_or(200);
        return literal;
    }
    match status {
        Some(status @ 400..) => ApiError::of_status(status, respond.text.as_deref()).answer(),
        Some(status @ (100..=199 | 204 | 300..=399)) => {
            let mut bare = Answer::json(status, Bytes::new(), None);
            bare.pieces.clear();
            bare
        }
        _ => {
            let mut answer = openai::answer(request, context).unwrap_or_else(|error| error.answer());
            if answer.status == 200 {
                answer.status = status.unwrap_or(200);
            }
            answer
        }
    }
}

/// The body that the script spells out, when it does.
fn literal(respond: &Respond) -> Option<Answer> {
    if let Some(events) = &respond.sse {
        return Some(Answer::stream(events.iter().map(literal_event).collect()));
    }
    if let Some(bytes) = &respond.body_base64 {
        return Some(Answer::json(200, bytes.clone(), reported(bytes)));
    }
    if let Some(body) = &respond.body {
        return Some(Answer::json(200, body.clone(), reported(body.as_bytes())));
    }
    respond.json.as_ref().map(|value| Answer::json(200, value.to_string(), usage_of(value)))
}

fn literal_event(event: &SseEvent) -> Piece {
    let done = event.bytes.starts_with(b"data: [DONE]");
    let usage = memchr::memmem::find(&event.bytes, b"data:").and_then(|at| reported(&event.bytes[at + 5..]));
    let kind = if done { Kind::Done } else { Kind::Content };
    Piece { bytes: event.bytes.clone(), gap: event.after, kind, usage, ..Piece::default() }
}

/// The usage in literal bytes, when they are JSON and have one.
fn reported(bytes: &[u8]) -> Option<Usage> {
    memchr::memmem::find(bytes, b"\"usage\"")?;
    usage_of(&serde_json::from_slice(bytes).ok()?)
}

fn usage_of(value: &Value) -> Option<Usage> {
    // The last event of the responses API has it one level further down.
    let usage = value.get("usage").or_else(|| value.get("response")?.get("usage"))?.as_object()?;
    let count = |name: &str| usage.get(name).and_then(Value::as_u64);
    let detail = |group: &str, name: &str| usage.get(group).and_then(|details| details.get(name)?.as_u64());
    let either = |one, other, name| detail(one, name).or(detail(other, name)).unwrap_or(0);
    Some(Usage {
        prompt_tokens: count("prompt_tokens").or(count("input_tokens")).unwrap_or(0),
        completion_tokens: count("completion_tokens").or(count("output_tokens")).unwrap_or(0),
        cached_tokens: either("prompt_tokens_details", "input_tokens_details", "cached_tokens"),
        reasoning_tokens: either("completion_tokens_details", "output_tokens_details", "reasoning_tokens"),
    })
}

/// Never earlier than it was scripted.
fn retry_after(wait: Duration, form: RetryAfterForm) -> String {
    let up = |time: Duration| Duration::from_secs(time.as_secs() + u64::from(time.subsec_nanos() > 0));
    match form {
        RetryAfterForm::Seconds => up(wait).as_secs().to_string(),
        RetryAfterForm::HttpDate => {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            httpdate::fmt_http_date(UNIX_EPOCH + up(now + wait))
        }
    }
}

fn common_headers(random: &Random, delay: Duration) -> [Header; 3] {
    let id = random.branch("x-request-id").word(32, digest::HEX);
    let millis = if delay.is_zero() { "0".into() } else { delay.as_millis().to_string().into() };
    [
        ("x-request-id".into(), format!("req_{id}").into()),
        ("openai-processing-ms".into(), millis),
        ("openai-version".into(), "2020-10-01".into()),
    ]
}
