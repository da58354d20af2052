//! A completion: the answer of a model, before it is JSON or a stream.
//!
//! Owns its parts, its identity and its usage. Refuses to know what is said, which is `author`'s, and how it is sent.

use std::borrow::Cow;

use serde_json::Value;

use super::author::Author;
use super::logprobs::Logprobs;
use super::pieces::Pieces;
use super::reasoning::Effort;
use super::render::{raw, text};
use super::tools::Calls;
use super::{resolve, usage};
use crate::answer::Context;
use crate::digest::{BASE62, HEX, Random, hash};
use crate::journal::Usage;
use crate::request::Request;
use crate::script::{ReasoningField, UsageSpec};

/// What a request for text asks for.
#[derive(Default)]
pub(super) struct Wishes<'v> {
    pub(super) model: &'v str,
    pub(super) stream: bool,
    pub(super) include_usage: bool,
    /// Pad the events of a stream, so that their length does not tell their text's.
    pub(super) obfuscate: bool,
    pub(super) choices: usize,
    pub(super) max_tokens: Option<usize>,
    pub(super) stops: Vec<&'v str>,
    pub(super) calls: Calls<'v>,
    /// The schema that the text must fit; null stands for any object.
    pub(super) schema: Option<&'v Value>,
    /// How many alternatives to each token are shown, if log probabilities are.
    pub(super) logprobs: Option<usize>,
    pub(super) effort: Option<Effort>,
    /// The tier that the answer names.
    pub(super) service_tier: Option<&'static str>,
}

/// One answer, with all its choices.
pub(super) struct Completion<'a> {
    /// Without the prefix that tells its kind; a script's own id is whole.
    id: Cow<'a, str>,
    scripted_id: bool,
    pub(super) created: u64,
    pub(super) model: Cow<'a, str>,
    pub(super) fingerprint: Cow<'a, str>,
    pub(super) service_tier: &'a str,
    pub(super) choices: Vec<Choice<'a>>,
    pub(super) usage: Option<Usage>,
    /// The member that shows thoughts, if one does.
    pub(super) reasoning_field: Option<&'static str>,
    /// A call is told as `function_call`, as before there were tools.
    pub(super) legacy_calls: bool,
}

/// One of the alternatives.
#[derive(Default)]
pub(super) struct Choice<'a> {
    pub(super) parts: Vec<Part<'a>>,
    pub(super) finish: Cow<'a, str>,
    /// Tokens of thought, shown or not.
    pub(super) reasoning: usize,
    pub(super) logprobs: Option<Logprobs<'a>>,
}

/// A stretch of the answer.
pub(super) enum Part<'a> {
    /// Text.
    Text(Pieces<'a>),
    /// A refusal.
    Refusal(Pieces<'a>),
    /// Thoughts that are shown.
    Reasoning(Pieces<'a>),
    /// A call of a tool.
    Call { id: Cow<'a, str>, name: Cow<'a, str>, arguments: Pieces<'a>, custom: bool },
}

impl<'a> Completion<'a> {
    pub(super) fn new(request: &'a Request<'a>, wishes: &Wishes<'a>, context: &'a Context<'a>) -> Self {
        let respond = context.respond;
        let mut author = Author::new(request, wishes, context);
        let mut seeds = context.random.branch("choices");
        let choices: Vec<Choice<'a>> =
            (0..wishes.choices).map(|_| author.choice(Random::new(&[seeds.next()]))).collect();
        let model = respond.model.as_deref().unwrap_or_else(|| resolve(wishes.model));
        let fingerprint = || Random::new(&[context.seed, hash(model.as_bytes())]).named("fp_", 10, HEX);
        let id = || context.ids.branch("id").word(29, BASE62);
        Self {
            id: respond.id.as_deref().map_or_else(|| id().into(), Cow::Borrowed),
            scripted_id: respond.id.is_some(),
            created: context.created,
            model: model.into(),
            fingerprint: respond.system_fingerprint.as_deref().map_or_else(|| fingerprint().into(), Cow::Borrowed),
            service_tier: respond.service_tier.as_deref().or(wishes.service_tier).unwrap_or("default"),
            usage: used(context, usage::prompt(request, context.tokenizer), &choices),
            choices,
            reasoning_field: respond.reasoning.and_then(|reasoning| reasoning.field).map(ReasoningField::name),
            legacy_calls: wishes.calls.legacy,
        }
    }
}

impl Completion<'_> {
    /// The id of an answer of the kind that has this prefix.
    pub(super) fn id(&self, prefix: &str) -> String {
        if self.scripted_id { self.id.clone().into_owned() } else { format!("{prefix}{}", self.id) }
    }

    /// What the ids of its parts are made of.
    pub(super) fn stem(&self) -> &str {
        &self.id
    }

    /// Its id as a JSON string.
    pub(super) fn write_id(&self, out: &mut Vec<u8>, prefix: &str) {
        if self.scripted_id {
            return text(out, &self.id);
        }
        raw(out, "\"");
        raw(out, prefix);
        raw(out, &self.id);
        raw(out, "\"");
    }
}

fn used(context: &Context<'_>, prompt: u64, choices: &[Choice<'_>]) -> Option<Usage> {
    let completion: usize = choices.iter().map(Choice::tokens).sum();
    let reasoning: usize = choices.iter().map(|choice| choice.reasoning).sum();
    let mut used = usage::of(context, prompt, completion as u64)?;
    if context.respond.usage == UsageSpec::Auto {
        used.reasoning_tokens = reasoning as u64;
    }
    Some(used)
}

impl Choice<'_> {
    /// What it costs, thoughts included.
    pub(super) fn tokens(&self) -> usize {
        self.reasoning + self.parts.iter().map(Part::tokens).sum::<usize>()
    }
}

impl Part<'_> {
    /// What it costs; thoughts are counted apart.
    pub(super) fn tokens(&self) -> usize {
        match self {
            Part::Text(pieces) | Part::Refusal(pieces) => pieces.count(),
            Part::Reasoning(_) => 0,
            Part::Call { arguments, .. } => 1 + arguments.count(),
        }
    }
}
