//! From a request to a plan: credentials, rule, answer, faults, in that order.
//!
//! Owns what every dialect shares: literal bodies, scripted statuses, latency, common headers.
//! Refuses to know the shape of any API; that is the dialect's.

use std::borrow::Cow;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;

use crate::azure;
use crate::credentials;
use crate::digest::Random;
use crate::journal::Usage;
use crate::limits::{self, Style, Turn};
use crate::openai::{self, Stored};
use crate::pace::{Pace, Tempo};
use crate::plan::{Answer, Kind, Piece, Plan};
use crate::provider::Shared;
use crate::quirks::{self, Judged};
use crate::request::Request;
use crate::rules::{Account, Live, Selected};
use crate::script::{Auth, Dialect, Encoding, Fault, Framing, Provider, Respond, RetryAfterForm, SseEvent, Tokenizer};

/// What a dialect may draw on.
pub(crate) struct Context<'a> {
    pub(crate) provider: &'a Provider,
    /// What the request is answered in; not always the provider's own.
    pub(crate) dialect: Dialect,
    pub(crate) respond: &'a Respond,
    /// What goes wrong; those who make answers obey its semantic keys, `plan` all others.
    pub(crate) fault: &'a Fault,
    /// What earlier requests left behind.
    pub(crate) stored: &'a Stored,
    /// The script's latency, with the answer's own laid over it, as it is for this request.
    pub(crate) tempo: Tempo,
    /// What a token is.
    pub(crate) tokenizer: Tokenizer,
    /// Follows from seed, provider, rule, request and occurrence.
    pub(crate) random: Random,
    /// Where the ids of the answer come from: the same, unless the script's clock says otherwise.
    pub(crate) ids: Random,
    /// When the answer claims to be made, in seconds of the Unix epoch.
    pub(crate) created: u64,
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
    let dialect = live.provider.dialect.of(request.head);
    let let_in = || stranger(live, dialect, request).is_none();
    let limits = live.limits.as_ref().filter(|_| request.head.method() == "POST" && let_in())?;
    Some(limits.admit(request, dialect, clock).await)
}

/// The plan for a request, and what the journal says of its choice.
pub(crate) fn plan<'l>(
    shared: &Shared,
    live: &'l Live,
    request: &Request<'_>,
    body: &[u8],
    turn: Option<&Turn>,
    early: Option<&'l Fault>,
) -> (Account<'l>, Plan) {
    let dialect = live.provider.dialect.of(request.head);
    let stranger = stranger(live, dialect, request);
    let over = turn.and_then(|turn| turn.refusal.as_ref());
    let selected = live.select(&shared.dice, request, body, stranger.is_none() && over.is_none(), early);
    let Selected { mut account, respond, fault: fired, random, unanswered } = selected;
    if let Some(limits) = live.limits.as_ref().filter(|_| over.is_some()) {
        account.rule = &limits.rule;
    }
    let (ids, created, seed) = (shared.dice.ids(&random), shared.dice.created(), shared.dice.seed());
    let error = over.map(|refusal| refusal.error(request.model())).or(unanswered);
    let denied = stranger.map(|auth| refusal(auth, dialect, request, &ids));
    let denied = denied.or_else(|| error.map(|error| dialect.shaped(error, &ids)));
    let fault = live.provider.quirks.under(fired.as_deref());
    let fault = fault.as_deref();
    let judged = fault.map(|fault| quirks::judge(request, fault)).unwrap_or_default();
    let Judged { heard, refusal, done, not_applicable } = judged;
    let request = heard.as_ref().unwrap_or(request);
    let latency = live.provider.latency.overlaid(&respond.latency);
    let tokenizer = live.provider.tokenizer();
    let prompt = || openai::prompt_tokens(request, tokenizer);
    let tempo = Tempo::new(latency, &random, turn.map_or(0.0, |turn| turn.busy), prompt);
    let own_delay = respond.delay_head.as_ref().map(|delay| delay.draw(&random, "respond.delay_head"));
    let mut delay = tempo.head + own_delay.unwrap_or_default();
    let Live { provider, stored, .. } = live;
    let ill = fault.unwrap_or(&live.no_fault);
    let context =
        Context { provider, dialect, respond, fault: ill, stored, tempo, tokenizer, random, ids, created, seed };
    let mut answer = match denied.or(refusal) {
        Some(refusal) => refusal,
        None => answer(request, &context, status(ill, respond)),
    };
    delay += context.tempo.unstreamed(&answer);
    if let Some(turn) = turn {
        turn.answered(&mut answer, Style::of(dialect));
    }
    if let Some(size) = respond.size {
        answer.pad(size);
    }
    if let Some(wait) = respond.retry_after {
        answer.headers.retain(|(name, _)| name != "retry-after");
        answer.headers.push(("retry-after".into(), retry_after(wait, respond.retry_after_form).into()));
        answer.headers.extend((dialect == Dialect::Azure).then(|| azure::retry_after_ms(wait)));
    }
    let common = dialect.common_headers(&context.ids, request.head, delay).into_iter().flatten();
    let mut plan = answer.plan(respond, common, delay);
    (plan.dialect, plan.tokenizer) = (dialect, tokenizer);
    if request.head.http10 && plan.framing == Framing::Chunked {
        plan.framing = Framing::Close;
    }
    let accepted = |encoding: &Encoding| !respond.if_accepted || request.accepts(*encoding);
    plan.encoding = respond.encoding.filter(accepted);
    context.tempo.fit(&mut plan.delay, &mut plan.pieces);
    plan.name_faults(&done);
    plan.not_applicable = not_applicable;
    plan.http2 = request.head.http2;
    match fault {
        None => plan.settle(),
        Some(fault) => {
            plan.recast(fault);
            plan.deviate(fault, request);
            plan.apply(fault, &context.random);
            provider.quirks.excuse(&mut plan.not_applicable, fired.as_deref());
        }
    }
    (account, plan)
}

/// The status that the script asks for; an error that is to hide behind a 200 is one first.
fn status(fault: &Fault, respond: &Respond) -> Option<u16> {
    let asked = fault.status.or(respond.status);
    if fault.status_200_with_error_body { asked.filter(|status| *status >= 400).or(Some(500)) } else { asked }
}

/// Who lets callers in, when it does not let in this one.
fn stranger<'l>(live: &'l Live, dialect: Dialect, request: &Request<'_>) -> Option<&'l Auth> {
    let open = live.provider.quirks.fault().is_some_and(|fault| fault.api_key_ignored);
    live.provider.auth.as_ref().filter(|auth| !open && !admits(auth, dialect, request))
}

/// Whether the caller's key is one of those that are let in.
fn admits(auth: &Auth, dialect: Dialect, request: &Request<'_>) -> bool {
    let presented = credentials::presented(dialect.of_key(request.head), &request.head.lines);
    presented.is_some_and(|key| auth.keys.iter().any(|known| known == key))
}

/// The answer for a caller who is not let in.
fn refusal(auth: &Auth, dialect: Dialect, request: &Request<'_>, ids: &Random) -> Answer {
    match credentials::presented(dialect.of_key(request.head), &request.head.lines) {
        Some(key) => dialect.wrong_key(key, ids),
        None => dialect.missing_key(auth.missing, ids),
    }
}

fn answer(request: &Request<'_>, context: &Context<'_>, status: Option<u16>) -> Answer {
    let respond = context.respond;
    if let Some((error, headers)) = limits::as_if(context.fault, context.provider, context.dialect, request) {
        let mut answer = context.dialect.shaped(error, &context.ids);
        answer.headers.extend(headers);
        return answer;
    }
    if let Some(mut literal) = literal(respond, context.dialect) {
        literal.status = status.unwrap_or(200);
        return literal;
    }
    match status {
        Some(status @ 400..) => context.dialect.error(status, respond.text.as_deref(), &context.ids),
        Some(status @ (100..=199 | 204 | 300..=399)) => {
            let mut bare = Answer::json(status, Bytes::new(), None);
            bare.pieces.clear();
            bare
        }
        _ => {
            if let Some(error) = limits::overflow(context.provider, request) {
                return context.dialect.shaped(error, &context.ids);
            }
            let mut answer = context.dialect.answer(request, context);
            match answer.status {
                200 => answer.status = status.unwrap_or(200),
                _ => answer.forget_credentials(request),
            }
            answer
        }
    }
}

impl Answer {
    /// Takes the caller's own credentials out of an error that repeats what was asked for.
    fn forget_credentials(&mut self, request: &Request<'_>) {
        for piece in &mut self.pieces {
            let text = String::from_utf8_lossy(&piece.bytes);
            let shown = credentials::redact_echoes(&text, &request.head.lines);
            if let Cow::Owned(shown) = shown {
                piece.bytes = shown.into();
            }
        }
    }
}

/// The body that the script spells out, when it does.
fn literal(respond: &Respond, dialect: Dialect) -> Option<Answer> {
    if let Some(events) = &respond.sse {
        let mut used = None;
        let pieces = events.iter().map(|event| {
            let piece = literal_event(event, dialect, used);
            used = piece.usage.or(used);
            piece
        });
        return Some(Answer::stream(pieces.collect()));
    }
    if let Some(bytes) = &respond.body_base64 {
        return Some(Answer::json(200, bytes.clone(), reported(bytes, dialect, None)));
    }
    if let Some(body) = &respond.body {
        return Some(Answer::json(200, body.clone(), reported(body.as_bytes(), dialect, None)));
    }
    let value = respond.json.as_ref()?;
    Some(Answer::json(200, value.to_string(), dialect.reported(value, None)))
}

fn literal_event(event: &SseEvent, dialect: Dialect, before: Option<Usage>) -> Piece {
    let done = ["data: [DONE]", "event: message_stop"].iter().any(|end| event.bytes.starts_with(end.as_bytes()));
    let data = memchr::memmem::find(&event.bytes, b"data:").map(|at| &event.bytes[at + 5..]);
    let usage = data.and_then(|data| reported(data, dialect, before));
    let kind = if done { Kind::Done } else { Kind::Content };
    Piece { bytes: event.bytes.clone(), gap: event.after, kind, usage, ..Piece::default() }
}

/// The usage in literal bytes, when they are JSON and have one.
fn reported(bytes: &[u8], dialect: Dialect, before: Option<Usage>) -> Option<Usage> {
    memchr::memmem::find(bytes, b"\"usage\"")?;
    dialect.reported(&serde_json::from_slice(bytes).ok()?, before)
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
