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
mod tools;

use bytes::Bytes;
use serde_json::{Value, json};

use super::completion::{Choice, Completion};
use super::parameters::{Reading, object as body_of};
use super::{ApiError, usage};
use crate::answer::Context;
use crate::journal::Usage;
use crate::plan::{Answer, Failure, Kind};
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
    let reading = Reading::of(context.provider);
    let asked = Asked::of(body, reading)?;
    let previous = match asked.previous {
        None => None,
        Some(id) => Some(context.stored.find(id).ok_or_else(|| ApiError::unknown_previous_response(id))?),
    };
    let input = body.get("input").unwrap_or(&Value::Null);
    reading.settle(input::check(body.get("input"), previous.as_ref().map(|previous| previous.calls.as_slice())))?;

    let mut completion = Completion::new(request, &asked.wishes, context);
    let choice = completion.choices.pop().expect("there is one choice");
    let reason = incomplete(&choice);
    let items = output::items(completion.stem(), choice, &asked, context);
    let earlier = previous.map_or(0, |previous| previous.tokens);
    let used = completion.usage.map(|used| match context.respond.usage {
        // The conversation so far is read again.
        UsageSpec::Auto => Usage { prompt_tokens: used.prompt_tokens.saturating_add(earlier), ..used },
        _ => used,
    });
    let whole = Bytes::from(whole(&asked, &completion, &items, used.as_ref(), reason).to_string());
    let made = Made { asked, completion, items, whole, incomplete: reason.is_some(), used };
    let answer = made.answer(context);
    if made.asked.store {
        context.stored.keep(made.completion.id("resp_"), made.kept(input, &answer));
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
    fn kept(&self, input: &Value, answer: &Answer) -> Kept {
        let own = self.items.iter().filter_map(|item| match &item.body {
            Body::Call { id, .. } => Some(id.as_str()),
            _ => None,
        });
        let given = input::calls(input.as_array().map_or(&[], Vec::as_slice));
        Kept {
            body: self.whole.clone(),
            input: json!(input::listed(input, self.completion.stem())).to_string().into(),
            calls: own.chain(given).map(str::to_owned).collect(),
            tokens: self.used.map_or(0, |used| used.total_tokens()),
            background: self.asked.background,
            events: if self.asked.wishes.stream { events(answer) } else { Vec::new() },
            seen: false.into(),
        }
    }
}

fn events(answer: &Answer) -> Vec<(Kind, Bytes)> {
    answer.pieces.iter().map(|piece| (piece.kind, piece.bytes.clone())).collect()
}

/// Why the response ends before its end, if it does.
fn incomplete(choice: &Choice<'_>) -> Option<&'static str> {
    match &*choice.finish {
        "length" => Some("max_output_tokens"),
        "content_filter" => Some("content_filter"),
        _ => None,
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
    let output = items.iter().map(Item::finished).collect();
    object(asked, completion, State { status, reason, output, usage })
}
