//! `POST /responses`: the request and the response object.
//!
//! Owns the order in which a request becomes items, a response and its events, around the same completion that chat
//! has, and what is kept for later requests. Refuses the tools that only OpenAI could run.

mod events;
mod input;
mod object;
mod output;
mod request;
pub(super) mod stored;

use bytes::Bytes;
use serde_json::{Value, json};

use super::completion::Completion;
use super::parameters::object as body_of;
use super::{ApiError, usage};
use crate::answer::Context;
use crate::journal::Usage;
use crate::plan::{Answer, Failure};
use crate::request::Request;
use crate::script::UsageSpec;
use events::Frame;
use object::{State, object};
use output::Item;
use request::Asked;
use stored::Kept;

pub(crate) use stored::Stored;

/// Answers a request for a response, plain or as a stream of typed events.
pub(super) fn answer(request: &Request<'_>, context: &Context<'_>) -> Result<Answer, ApiError> {
    let body = body_of(request)?;
    let mut asked = Asked::of(body)?;
    let previous = match asked.previous {
        None => None,
        Some(id) => Some(context.stored.find(id).ok_or_else(|| ApiError::unknown_previous_response(id))?),
    };
    let input = body.get("input").ok_or_else(|| ApiError::missing("input"))?;
    input::check(input, previous.as_ref().map(|previous| previous.calls.as_slice()))?;

    let limit = asked.wishes.max_tokens.unwrap_or(usize::MAX);
    let thought = output::reasoning_tokens(asked.effort).min(limit);
    // Thinking counts: where it takes all there is, nothing is said.
    let spent = thought > 0 && thought == limit;
    asked.wishes.max_tokens = asked.wishes.max_tokens.map(|limit| limit - thought);
    let mut completion = Completion::new(request, &asked.wishes, context);
    if spent && let Some(choice) = completion.choices.first_mut() {
        choice.finish = "length".to_owned();
    }
    let items = output::items(&mut completion, &asked, context, spent);
    let earlier = previous.map_or(0, |previous| previous.tokens);
    let used = completion.usage.map(|used| with_context(used, &context.respond.usage, earlier, thought as u64));
    let whole = whole(&asked, &completion, &items, used.as_ref());
    let kept = asked.store.then(|| keep(&whole, input, &completion, &items, used, asked.background));
    let made = Made { asked, completion, items, whole, used };
    let answer = made.answer(context);
    if let Some(kept) = kept {
        context.stored.keep(format!("resp_{}", made.completion.id), kept);
    }
    Ok(answer)
}

/// A response and all that is needed to send it.
struct Made<'v> {
    asked: Asked<'v>,
    completion: Completion,
    items: Vec<Item>,
    whole: Value,
    used: Option<Usage>,
}

impl Made<'_> {
    fn answer(&self, context: &Context<'_>) -> Answer {
        let Self { asked, completion, items, whole, used } = self;
        let begun = || {
            let status = if asked.background { "queued" } else { "in_progress" };
            object(asked, completion, State { status, ..State::default() })
        };
        if !asked.wishes.stream {
            let body = if asked.background { begun().to_string() } else { whole.to_string() };
            return Answer::json(200, body, used.filter(|_| !asked.background));
        }
        let frame = Frame { begun: begun(), whole: whole.clone(), usage: *used, background: asked.background };
        let mut answer = Answer::stream(events::pieces(&frame, items, context.pace()));
        if context.fault.error_event.is_some() {
            answer.failure = Some(Failure { write: events::failure, of: frame.begun });
        }
        answer
    }
}

/// An estimate covers what the conversation said before, and what the model thought.
fn with_context(used: Usage, spec: &UsageSpec, earlier: u64, thought: u64) -> Usage {
    if *spec != UsageSpec::Auto {
        return used;
    }
    Usage {
        prompt_tokens: used.prompt_tokens + earlier,
        completion_tokens: used.completion_tokens + thought,
        reasoning_tokens: used.reasoning_tokens + thought,
        ..used
    }
}

/// The finished response.
fn whole(asked: &Asked<'_>, completion: &Completion, items: &[Item], used: Option<&Usage>) -> Value {
    let reason = match completion.choices.first().map(|choice| choice.finish.as_str()) {
        Some("length") => Some("max_output_tokens"),
        Some("content_filter") => Some("content_filter"),
        _ => None,
    };
    let status = if reason.is_some() { "incomplete" } else { "completed" };
    let usage = used.map_or(Value::Null, usage::responses_json);
    let output = items.iter().map(Item::finished).collect();
    object(asked, completion, State { status, error: Value::Null, reason, output, usage })
}

/// What later requests can ask for.
fn keep(
    whole: &Value,
    input: &Value,
    completion: &Completion,
    items: &[Item],
    used: Option<Usage>,
    background: bool,
) -> Kept {
    let own = items.iter().filter_map(|item| match &item.body {
        output::Body::Call { id, .. } => Some(id.as_str()),
        _ => None,
    });
    let given = input::calls(input.as_array().map_or(&[], Vec::as_slice));
    Kept {
        body: Bytes::from(whole.to_string()),
        input: Bytes::from(json!(input::listed(input, &completion.id)).to_string()),
        calls: own.chain(given).map(str::to_owned).collect(),
        tokens: used.map_or(0, |used| used.prompt_tokens + used.completion_tokens),
        background,
        seen: false.into(),
    }
}
