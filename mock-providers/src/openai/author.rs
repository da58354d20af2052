//! What a completion says.
//!
//! Owns the order of wishes: the script's first, then the request's, then something made up. Refuses to cut what was
//! said: `limits` does.

use std::borrow::Cow;

use serde_json::Value;

use super::completion::{Choice, Part, Wishes};
use super::logprobs::Logprobs;
use super::pieces::{Cuts, Pieces};
use super::tools::{Force, Tool};
use super::{reasoning, synth};
use crate::answer::Context;
use crate::digest::{BASE62, Random};
use crate::request::Request;
use crate::rules::Facts;
use crate::script::{Block, LogprobsSpec, ToolCall};
use crate::tokens::beginning;

/// What a model says that will not.
const REFUSAL: &str = "I'm sorry, but I can't help with that.";
/// In the place of a file that nobody has read; providers read all before they start.
const UNREAD: &str = "";
/// A model seldom makes more calls at once.
const CALLS: usize = 3;

/// The writer of one completion's choices.
pub(super) struct Author<'w, 'a> {
    request: &'a Request<'a>,
    wishes: &'w Wishes<'a>,
    context: &'a Context<'a>,
    cuts: Cuts,
    /// Of calls.
    ids: Random,
    /// How many tokens are thought where no thoughts are scripted.
    reasoning: usize,
    /// How many tokens a choice may have.
    most: usize,
}

impl<'w, 'a> Author<'w, 'a> {
    pub(super) fn new(request: &'a Request<'a>, wishes: &'w Wishes<'a>, context: &'a Context<'a>) -> Self {
        let reasoning = reasoning::tokens(context.respond, wishes.model, wishes.effort);
        let ids = context.ids.branch("calls");
        let most = wishes.most(context);
        Self { request, wishes, context, cuts: Cuts::of(context), ids, reasoning, most }
    }

    /// One of the alternatives, within the limits of the request.
    pub(super) fn choice(&mut self, mut random: Random) -> Choice<'a> {
        let Self { wishes, context, .. } = *self;
        let logprobs = self.logprobs(&random);
        let mut parts = self.parts(&mut random);
        if context.fault.refuse {
            self.refuse(&mut parts);
        }
        let reasoning = self.think(&mut parts, &mut random);
        if wishes.calls.single {
            let mut calls = 0;
            parts.retain(|part| !matches!(part, Part::Call { .. }) || std::mem::replace(&mut calls, 1) == 0);
        }
        let called = parts.iter().any(|part| matches!(part, Part::Call { .. }));
        let finish = match called && !wishes.calls.named {
            true if wishes.calls.legacy => "function_call",
            true => "tool_calls",
            false => "stop",
        };
        let mut choice = Choice { parts, finish: finish.into(), reasoning, logprobs };
        choice.limit(wishes, context);
        if let Some(scripted) = &context.respond.finish_reason {
            choice.finish = scripted.as_str().into();
        }
        choice
    }

    /// The script decides whether there are any, or else the request.
    fn logprobs(&self, random: &Random) -> Option<Logprobs<'a>> {
        let scripted = self.context.respond.logprobs.as_ref();
        let top = match scripted {
            None => self.wishes.logprobs,
            Some(LogprobsSpec::None) => None,
            Some(LogprobsSpec::Synth | LogprobsSpec::Literal(_)) => Some(self.wishes.logprobs.unwrap_or(0)),
        };
        top.map(|top| Logprobs::new(random.branch("logprobs"), top, scripted))
    }

    fn parts(&mut self, random: &mut Random) -> Vec<Part<'a>> {
        let respond = self.context.respond;
        if !respond.blocks.is_empty() {
            return respond.blocks.iter().map(|block| self.block(block, random)).collect();
        }
        if let Some(chunks) = &respond.chunks {
            return vec![Part::Text(Pieces::exact(chunks))];
        }
        if let Some(text) = &respond.text {
            return vec![Part::Text(self.pieces(text))];
        }
        if respond.echo {
            let facts = Facts::new(self.request);
            let said = beginning(facts.last_user().unwrap_or_default(), self.most).to_owned();
            return vec![Part::Text(self.pieces(said))];
        }
        if let Some(count) = &respond.tokens {
            let count = count.draw(random, "respond.tokens").min(self.most.saturating_add(1));
            return vec![Part::Text(self.words(count, random))];
        }
        let calls = self.calls(random);
        if !calls.is_empty() {
            return calls;
        }
        if let Some(schema) = self.wishes.schema {
            return vec![Part::Text(self.pieces(synth::fitting(schema, random).to_string()))];
        }
        let count = 8 + random.below(16);
        vec![Part::Text(self.words(count, random))]
    }

    /// So many made-up words: no more than are looked at anyway.
    fn words(&self, count: usize, random: &mut Random) -> Pieces<'a> {
        Pieces::words(synth::words(count, random), count, self.cuts)
    }

    fn pieces(&self, text: impl Into<Cow<'a, str>>) -> Pieces<'a> {
        let text = match text.into() {
            Cow::Borrowed(text) => beginning(text, self.most).into(),
            Cow::Owned(mut text) => {
                text.truncate(beginning(&text, self.most).len());
                Cow::Owned(text)
            }
        };
        Pieces::new(text, self.cuts)
    }

    fn block(&mut self, block: &'a Block, random: &mut Random) -> Part<'a> {
        match block {
            Block::Text(text) => Part::Text(self.pieces(text)),
            Block::TextFile(_) => Part::Text(self.pieces(UNREAD)),
            Block::Refusal(text) => Part::Refusal(self.pieces(text)),
            Block::Reasoning(text) => Part::Reasoning(self.pieces(text)),
            Block::ToolCall(call) => self.scripted(call, random),
        }
    }

    fn scripted(&mut self, call: &'a ToolCall, random: &mut Random) -> Part<'a> {
        let tool = self.wishes.calls.offered.iter().find(|tool| tool.name == call.name);
        let arguments: Cow<'a, str> = match &call.arguments {
            Value::String(word) if word == "auto" => tool.map_or("{}".into(), |tool| tool.input(random).into()),
            Value::String(literal) => literal.as_str().into(),
            Value::Null => "{}".into(),
            other => other.to_string().into(),
        };
        let id = call.id.as_deref().map_or_else(|| call_id(&mut self.ids), Cow::Borrowed);
        let custom = tool.is_some_and(|tool| tool.custom);
        Part::Call {
            id,
            name: call.name.as_str().into(),
            arguments: Pieces::arguments(arguments, self.cuts.tokenizer),
            custom,
        }
    }

    /// The calls that the request forces: of one tool, or of several at once where it allows that.
    fn calls(&mut self, random: &mut Random) -> Vec<Part<'a>> {
        let calls = &self.wishes.calls;
        let (first, count, among) = match &calls.force {
            Force::Nothing => return Vec::new(),
            Force::One(tool) => (0, 1, std::slice::from_ref(tool)),
            Force::Any(tools) => {
                let most = if calls.single { 1 } else { tools.len().min(CALLS) };
                let several = random.below(2) == 1;
                let count = if several && most > 1 { 2 + random.below(most - 1) } else { 1 };
                (random.below(tools.len()), count, tools.as_slice())
            }
        };
        let chosen = (first..first + count).map(|place| &calls.offered[among[place % among.len()]]);
        chosen.map(|tool| self.forced(tool, random)).collect()
    }

    fn forced(&mut self, tool: &Tool<'a>, random: &mut Random) -> Part<'a> {
        let arguments = Pieces::arguments(tool.input(random), self.cuts.tokenizer);
        Part::Call { id: call_id(&mut self.ids), name: tool.name.into(), arguments, custom: tool.custom }
    }

    /// The text becomes a refusal, and nothing else is said.
    fn refuse(&self, parts: &mut Vec<Part<'a>>) {
        let scripted = self.context.respond.text.as_deref().unwrap_or(REFUSAL);
        parts.retain(|part| matches!(part, Part::Reasoning(_)));
        parts.push(Part::Refusal(self.pieces(scripted)));
    }

    /// How many tokens are thought; where they are shown and nothing is scripted, the thoughts are made up.
    fn think(&self, parts: &mut Vec<Part<'a>>, random: &mut Random) -> usize {
        let scripted = parts.iter().filter_map(|part| match part {
            Part::Reasoning(thoughts) => Some(thoughts.count()),
            _ => None,
        });
        if let Some(tokens) = scripted.reduce(|sum, tokens| sum + tokens) {
            return tokens;
        }
        if self.reasoning > 0 && self.context.respond.reasoning.is_some_and(|reasoning| reasoning.field.is_some()) {
            parts.insert(0, Part::Reasoning(self.pieces(synth::words(self.reasoning, random))));
        }
        self.reasoning
    }
}

fn call_id<'a>(ids: &mut Random) -> Cow<'a, str> {
    format!("call_{}", ids.word(24, BASE62)).into()
}
