//! From a request to a plan: credentials, rule, answer, faults, in that order.
//!
//! Owns what every dialect shares: literal bodies, scripted statuses, latency, common headers.
//! Refuses to know the shape of any API; that is the dialect's.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use serde_json::Value;

use crate::credentials;
use crate::digest::{self, Random};
use crate::journal::Usage;
use crate::limits::{self, Style, Turn};
use crate::openai::{self, ApiError};
use crate::pace::{Pace, Tempo};
use crate::plan::{Answer, Header, Kind, Piece, Plan};
use crate::request::Request;
use crate::rules::{Live, Selected};
use crate::script::{Encoding, Fault, Framing, Provider, Respond, RetryAfterForm, SseEvent};

/// What a dialect may draw on.
pub(crate) struct Context<'a> {
    pub(crate) provider: &'a Provider,
    pub(crate) respond: &'a Respond,
    /// What goes wrong; those who make answers obey its semantic keys, `plan` all others.
    pub(crate) fault: &'a Fault,
    /// The script's latency, with the answer's own laid over it, as it is for this request.
    pub(crate) tempo: Tempo,
    /// Follows from seed, provider, request and occurrence.
    pub(crate) random: Random,
    /// Follows from the seed alone.
    pub(crate) seed: u64,
}

impl Context<'_> {
    /// The times of this answer's events.
    pub(crate) fn pace(&self) -> Pace {
        self.tempo.pace()
    }
}

/// The request's turn, once it has come, where the script has limits. Who only looks, or is not let in, needs none.
pub(crate) async fn admit(live: &Live, request: &Request<'_>, clock: impl Fn() -> Duration) -> Option<Turn> {
    let limits = live.limits.as_ref().filter(|_| request.head.method() == "POST" && denied(live, request).is_none())?;
    Some(limits.admit(request, clock).await)
}

/// The plan for a request, and the name of the rule it comes from.
pub(crate) fn plan<'l>(
    live: &'l Live,
    request: &Request<'_>,
    turn: Option<&Turn>,
    random: Random,
    seed: u64,
) -> (&'l Arc<str>, Plan) {
    let over = turn.and_then(|turn| turn.refusal.as_ref()).map(|refusal| refusal.error(request.model()));
    let refusing = live.limits.as_ref().filter(|_| over.is_some());
    let denied = denied(live, request).or(over);
    let Selected { rule, respond, fault } = if denied.is_some() { live.unscripted() } else { live.select(request) };
    let rule = refusing.map_or(rule, |limits| &limits.rule);
    let latency = live.provider.latency.overlaid(&respond.latency);
    let tempo = Tempo::new(latency, &random, turn.map_or(0.0, |turn| turn.busy), || openai::prompt_tokens(request));
    let own_delay = respond.delay_head.as_ref().map(|delay| delay.draw(&random, "respond.delay_head"));
    let delay = tempo.head + own_delay.unwrap_or_default();
    let common = common_headers(&random, delay);
    let context = Context { provider: &live.provider, respond, fault: &fault, tempo, random, seed };
    let mut answer = match denied {
        Some(error) => error.answer(),
        None => answer(request, &context, fault.status.or(respond.status)),
    };
    if let Some(turn) = turn {
        turn.answered(&mut answer, Style::of(request));
    }
    if let Some(size) = respond.size {
        answer.pad(size);
    }
    if let Some(wait) = respond.retry_after {
        answer.headers.retain(|(name, _)| name != "retry-after");
        answer.headers.push(("retry-after".into(), retry_after(wait, respond.retry_after_form).into()));
    }
    let mut plan = answer.plan(respond, common, delay);
    if request.head.http10 && plan.framing == Framing::Chunked {
        plan.framing = Framing::Close;
    }
    let accepted = |encoding: &Encoding| !respond.if_accepted || request.accepts(*encoding);
    plan.encoding = respond.encoding.filter(accepted);
    context.tempo.fit(&mut plan.delay, &mut plan.pieces);
    plan.apply(&fault, &context.random);
    (rule, plan)
}

/// The error for a caller that is not let in.
fn denied(live: &Live, request: &Request<'_>) -> Option<ApiError> {
    live.provider.auth.as_ref().and_then(|auth| refusal(&auth.keys, request))
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
    if let Some((error, headers)) = limits::as_if(context.fault, context.provider, request) {
        let mut answer = error.answer();
        answer.headers.extend(headers);
        return answer;
    }
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
            let fitting = limits::overflow(context.provider, request).map_or(Ok(()), Err);
            let answer = fitting.and_then(|()| openai::answer(request, context));
            let mut answer = answer.unwrap_or_else(|error| error.answer());
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
