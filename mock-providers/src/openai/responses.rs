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
use output::{Body, Item};
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
        choice.finish = "length".into();
    }
    let items = output::items(&mut completion, &asked, context, spent);
    let earlier = previous.map_or(0, |previous| previous.tokens);
    let used = completion.usage.map(|used| with_context(used, &context.respond.usage, earlier, thought as u64));
    let incomplete = incomplete(&completion);
    let whole = Bytes::from(whole(&asked, &completion, &items, used.as_ref(), incomplete).to_string());
    let made = Made { asked, completion, items, whole, incomplete: incomplete.is_some(), used };
    let answer = made.answer(context);
    if made.asked.store {
        context.stored.keep(format!("resp_{}", made.completion.id), made.kept(input));
    }
    Ok(answer)
}

/// A response and all that is needed to send it.
struct Made<'v> {
    asked: Asked<'v>,
    completion: Completion<'v>,
    items: Vec<Item<'v>>,
    /// The response object at its end.
    whole: Bytes,
    incomplete: bool,
    used: Option<Usage>,
}

impl Made<'_> {
    fn answer(&self, context: &Context<'_>) -> Answer {
        let Self { asked, completion, items, whole, incomplete, used } = self;
        let begun = || {
            let status = if asked.background { "queued" } else { "in_progress" };
            object(asked, completion, State { status, ..State::default() })
        };
        match (asked.wishes.stream, asked.background) {
            (false, false) => return Answer::json(200, whole.clone(), *used),
            (false, true) => return Answer::json(200, begun().to_string(), None),
            (true, _) => {}
        }
        let frame =
            Frame { begun: begun(), whole, incomplete: *incomplete, usage: *used, background: asked.background };
        let mut answer = Answer::stream(events::pieces(&frame, items, context.pace()));
        if context.fault.error_event.is_some() {
            answer.failure = Some(Failure { write: events::failure, of: frame.begun });
        }
        answer
    }

    /// What later requests can ask for.
    fn kept(&self, input: &Value) -> Kept {
        let own = self.items.iter().filter_map(|item| match &item.body {
            Body::Call { id, .. } => Some(&**id),
            _ => None,
        });
        let given = input::calls(input.as_array().map_or(&[], Vec::as_slice));
        Kept {
            body: self.whole.clone(),
            input: json!(input::listed(input, &self.completion.id)).to_string().into(),
            calls: own.chain(given).map(str::to_owned).collect(),
            tokens: self.used.map_or(0, |used| used.prompt_tokens + used.completion_tokens),
            background: self.asked.background,
            seen: false.into(),
        }
    }
}

/// Why the response ends before its end, if it does.
fn incomplete(completion: &Completion<'_>) -> Option<&'static str> {
    match completion.choices.first()?.finish.as_ref() {
        "length" => Some("max_output_tokens"),
        "content_filter" => Some("content_filter"),
        _ => None,
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
fn whole(
    asked: &Asked<'_>,
    completion: &Completion<'_>,
    items: &[Item<'_>],
    used: Option<&Usage>,
    reason: Option<&'static str>,
) -> Value {
    let status = if reason.is_some() { "incomplete" } else { "completed" };
    let usage = used.map_or(Value::Null, usage::responses_json);
    let output = items.iter().map(|item| item.finished()).collect();
    object(asked, completion, State { status, reason, output, usage })
}
