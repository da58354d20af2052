//! What a message says.
//!
//! Owns the order of wishes: the script's first, then the request's, then something made up. Refuses to cut what was
//! said: `cut` does.

use std::borrow::Cow;

use serde_json::Value;

use super::super::parameters::Wishes;
use super::Block;
use crate::answer::Context;
use crate::digest::{BASE62, Random};
use crate::openai::pieces::{Cuts, Pieces};
use crate::openai::synth;
use crate::request::Request;
use crate::rules::Facts;
use crate::script::{self, ToolCall};
use crate::tokens;

const SIGNATURE: usize = 88;
const REFUSAL: &str = "I cannot help with that.";

/// The writer of one message.
pub(super) struct Author<'w, 'a> {
    request: &'a Request<'a>,
    wishes: &'w Wishes<'a>,
    context: &'a Context<'a>,
    cuts: Cuts,
    random: Random,
    /// Of calls.
    ids: Random,
}

impl<'w, 'a> Author<'w, 'a> {
    pub(super) fn new(request: &'a Request<'a>, wishes: &'w Wishes<'a>, context: &'a Context<'a>) -> Self {
        let (random, ids) = (context.random.branch("message"), context.ids.branch("calls"));
        Self { request, wishes, context, cuts: Cuts::of(context), random, ids }
    }

    /// Thoughts, when they are wanted, and what is said.
    pub(super) fn blocks(mut self) -> Vec<Block<'a>> {
        let mut said = self.said();
        if self.wishes.single_call {
            let mut calls = 0;
            said.retain(|block| {
                calls += usize::from(matches!(block, Block::Call { .. }));
                !matches!(block, Block::Call { .. }) || calls == 1
            });
        }
        let scripted = said.iter().any(|block| matches!(block, Block::Thinking { .. }));
        if let Some(thinking) = self.wishes.thinking.as_ref().filter(|_| !scripted) {
            let count = if thinking.shown { 12 + self.random.below(12) } else { 0 };
            let thoughts = synth::words(count, &mut self.random);
            said.insert(0, self.thinking(thoughts));
        }
        said
    }

    fn said(&mut self) -> Vec<Block<'a>> {
        let respond = self.context.respond;
        if !respond.blocks.is_empty() {
            return respond.blocks.iter().map(|block| self.scripted(block)).collect();
        }
        if let Some(chunks) = &respond.chunks {
            return vec![Block::Text(Pieces::exact(chunks))];
        }
        if let Some(scripted) = &respond.text {
            return self.only(scripted);
        }
        if respond.echo {
            let asked = if self.context.fault.ignore_max_tokens { tokens::MOST } else { self.wishes.max_tokens };
            let facts = Facts::new(self.request);
            let said = tokens::beginning(facts.last_user().unwrap_or_default(), asked.min(tokens::MOST));
            return self.only(said.to_owned());
        }
        if let Some(count) = &respond.tokens {
            let count = count.draw(&self.random, "respond.tokens");
            return self.words(count);
        }
        if self.context.fault.refuse {
            return self.only(REFUSAL);
        }
        if let Some(call) = &self.wishes.call {
            let input = synth::fitting(call.schema, &mut self.random).to_string();
            return vec![self.call(call.name, input.into(), None)];
        }
        if let Some(schema) = self.wishes.format {
            let fitting = synth::fitting(schema, &mut self.random).to_string();
            return self.only(fitting);
        }
        let count = 8 + self.random.below(16);
        self.words(count)
    }

    fn words(&mut self, count: usize) -> Vec<Block<'a>> {
        let words = synth::words(count, &mut self.random);
        self.only(words)
    }

    /// A text alone, where there is any.
    fn only(&self, text: impl Into<Cow<'a, str>>) -> Vec<Block<'a>> {
        let text = text.into();
        if text.is_empty() { Vec::new() } else { vec![self.text(text)] }
    }

    fn text(&self, text: impl Into<Cow<'a, str>>) -> Block<'a> {
        Block::Text(Pieces::new(text, self.cuts))
    }

    fn thinking(&mut self, thoughts: impl Into<Cow<'a, str>>) -> Block<'a> {
        let signature = self.random.word(SIGNATURE, BASE62);
        Block::Thinking { thoughts: Pieces::new(thoughts, self.cuts), signature }
    }

    fn call(&mut self, name: &'a str, input: Cow<'a, str>, id: Option<&str>) -> Block<'a> {
        let id = id.map_or_else(|| format!("toolu_{}", self.ids.word(24, BASE62)), str::to_owned);
        let cuts = Cuts { tokenizer: self.cuts.tokenizer, ..Cuts::default() };
        Block::Call { id, name, input: Pieces::new(input, cuts) }
    }

    fn scripted(&mut self, block: &'a script::Block) -> Block<'a> {
        match block {
            script::Block::Text(text) | script::Block::Refusal(text) => self.text(text),
            // Providers read all files before they start.
            script::Block::TextFile(_) => self.text(""),
            script::Block::Reasoning(text) => self.thinking(text),
            script::Block::ToolCall(ToolCall { name, arguments, id }) => {
                let input: Cow<'a, str> = match arguments {
                    Value::String(word) if word == "auto" => self.made_up(name).into(),
                    Value::String(literal) => literal.into(),
                    Value::Null => "{}".into(),
                    other => other.to_string().into(),
                };
                self.call(name, input, id.as_deref())
            }
        }
    }

    /// Input that fits the schema of the request's tool of this name.
    fn made_up(&mut self, name: &str) -> String {
        let tools = self.request.field("tools").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        let tool = tools.iter().find(|tool| tool.get("name").is_some_and(|own| own == name));
        let schema = tool.and_then(|tool| tool.get("input_schema"));
        schema.map_or_else(|| "{}".to_owned(), |schema| synth::arguments(schema, &mut self.random).to_string())
    }
}
