//! `POST /completions`, the API from before chat: the request.
//!
//! Owns its prompts and parameters, around the same completion that chat has. Refuses calls of tools: they are left out.

mod render;

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::completion::{Completion, Part, Wishes};
use super::parameters::{
    Reading, between, count, flag, given, integer, logit_bias, model, object, optional_text, stops, stream_options,
};
use super::pieces::{Cuts, Pieces};
use super::place::Place;
use super::reasoning::Effort;
use super::{ApiError, synth};
use crate::answer::Context;
use crate::plan::Answer;
use crate::request::Request;
use crate::script::Tokenizer;

/// Over all prompts.
const MAX_CHOICES: usize = 2048;
/// Prompts are not repeated further, in bytes.
const MAX_ECHO: usize = 1 << 20;
/// Unlike in chat, answers end early unless they are told not to.
const MAX_TOKENS: usize = 16;

/// What a request asks for beside what chat can ask for, too.
#[derive(Default)]
struct Asked<'v> {
    prompts: Vec<Cow<'v, str>>,
    /// The choices that each prompt gets.
    choices: usize,
    /// Of so many samples.
    best_of: usize,
    /// The text begins with the prompt.
    echo: bool,
}

/// Answers a request for a completion, plain or as a stream.
pub(super) fn answer(request: &Request<'_>, context: &Context<'_>) -> Result<Answer, ApiError> {
    let (mut asked, wishes) = read(object(request)?, Reading::of(context.provider))?;
    if context.fault.ignore_n {
        asked.choices = 1;
    }
    let mut completion = Completion::new(request, &wishes, context);
    asked.choose(&mut completion, context.tokenizer);
    Ok(match wishes.stream {
        true => Answer::stream(render::pieces(&completion, &asked, wishes.include_usage, context.pace())),
        false => Answer::json(200, render::json(&completion, &asked), completion.usage),
    })
}

fn read(body: &Map<String, Value>, reading: Reading) -> Result<(Asked<'_>, Wishes<'_>), ApiError> {
    let model = reading.settle(model(body))?;
    let stream = reading.settle(flag(body, "stream"))?;
    let mut prompts = reading.settle(prompts(body))?;
    if prompts.is_empty() {
        prompts.push("".into());
    }
    reading.settle(sampling(body))?;
    let (choices, best_of) = reading.settle(samples(body, stream, prompts.len()))?.unwrap_or((1, 1));
    let (include_usage, _) = reading.settle(stream_options(body, stream))?;
    let wishes = Wishes {
        model,
        stream,
        include_usage,
        choices: best_of * prompts.len(),
        max_tokens: Some(reading.settle(count(body, "max_tokens", 0, u64::MAX))?.unwrap_or(MAX_TOKENS)),
        stops: reading.settle(stops(body))?,
        logprobs: reading.settle(count(body, "logprobs", 0, 5))?,
        effort: Some(Effort::None),
        ..Wishes::default()
    };
    let echo = reading.settle(flag(body, "echo"))?;
    let repeated = prompts.iter().map(|prompt| prompt.len()).sum::<usize>().saturating_mul(choices);
    if echo && repeated > MAX_ECHO {
        return Err(ApiError::wrong_value("echo", "the prompts would be repeated over more than 1 MiB"));
    }
    Ok((Asked { prompts, choices, best_of, echo }, wishes))
}

/// What steers a real model's draws, and not ours.
fn sampling(body: &Map<String, Value>) -> Result<(), ApiError> {
    between(body, "temperature", 0.0, 2.0)?;
    between(body, "top_p", 0.0, 1.0)?;
    between(body, "presence_penalty", -2.0, 2.0)?;
    between(body, "frequency_penalty", -2.0, 2.0)?;
    integer(body, "seed")?;
    optional_text(body, "suffix")?;
    optional_text(body, "user")?;
    logit_bias(body)
}

/// How many choices each prompt gets, and out of how many.
fn samples(body: &Map<String, Value>, stream: bool, prompts: usize) -> Result<Option<(usize, usize)>, ApiError> {
    let choices = count(body, "n", 1, 128)?.unwrap_or(1);
    let given = count(body, "best_of", 1, 20)?;
    let best_of = given.unwrap_or(choices);
    if best_of < choices {
        return Err(ApiError::wrong_value("best_of", "it must not be less than 'n'"));
    }
    if stream && given.is_some_and(|best_of| best_of > 1) {
        return Err(ApiError::wrong_value("best_of", "results cannot be streamed"));
    }
    if best_of.saturating_mul(prompts) > MAX_CHOICES {
        return Err(ApiError::wrong_value("n", &format!("there would be more than {MAX_CHOICES} choices")));
    }
    Ok(Some((choices, best_of)))
}

/// The prompts: a text, texts, the tokens of one, or the tokens of several.
fn prompts(body: &Map<String, Value>) -> Result<Vec<Cow<'_, str>>, ApiError> {
    let place = Place::of("prompt");
    match given(body, "prompt") {
        None => Err(place.missing()),
        Some(Value::String(text)) => Ok(vec![text.as_str().into()]),
        Some(Value::Array(items)) if items.first().is_some_and(Value::is_number) => Ok(vec![tokens(items, place)?]),
        Some(value @ Value::Array(_)) => {
            let items = place.array(Some(value), 1..=MAX_CHOICES)?;
            items.iter().enumerate().map(|(index, item)| prompt(item, place.item(index))).collect()
        }
        Some(other) => Err(place.wrong_type("a string or an array", other)),
    }
}

fn prompt<'v>(item: &'v Value, place: Place<'_>) -> Result<Cow<'v, str>, ApiError> {
    match item {
        Value::String(text) => Ok(text.as_str().into()),
        Value::Array(items) => tokens(items, place),
        other => Err(place.wrong_type("a string or an array of integers", other)),
    }
}

/// A text for tokens, whose real one nobody knows: a word for each.
fn tokens<'v>(items: &[Value], place: Place<'_>) -> Result<Cow<'v, str>, ApiError> {
    let word = |(index, token): (usize, &Value)| {
        let id = token.as_u64().ok_or_else(|| place.item(index).wrong_type("an integer", token))?;
        Ok(synth::word_of(id))
    };
    let words: Result<Vec<&str>, ApiError> = items.iter().enumerate().map(word).collect();
    Ok(words?.join(" ").into())
}

impl<'v> Asked<'v> {
    /// Leaves the best samples of each prompt, and has them begin with it if that was asked for.
    fn choose<'c>(&self, completion: &mut Completion<'c>, tokenizer: Tokenizer)
    where
        'v: 'c,
    {
        let mut sample = 0;
        completion.choices.retain(|_| {
            sample += 1;
            (sample - 1) % self.best_of < self.choices
        });
        for (index, choice) in completion.choices.iter_mut().enumerate() {
            choice.parts.retain(|part| matches!(part, Part::Text(_) | Part::Refusal(_)));
            if choice.finish == "tool_calls" {
                choice.finish = "stop".into();
            }
            if self.echo {
                let cuts = Cuts { tokenizer, ..Cuts::default() };
                choice.parts.insert(0, Part::Text(Pieces::new(self.prompt_of(index).clone(), cuts)));
            }
        }
    }

    /// The prompt that a choice goes on from: all choices of the first prompt come first.
    fn prompt_of(&self, choice: usize) -> &Cow<'v, str> {
        &self.prompts[choice / self.choices]
    }
}
