//! What goes wrong with what an answer says: the keys of the stages `Body` and `Content`, and some of `Semantic`.
//!
//! Owns the order in which they take effect: first what the events say, then errors, then bytes, then framing; a body
//! is changed last. A key that finds nothing to change is noted as not applicable. Refuses the plain path: an answer
//! without such keys is not even looked at.

mod body;
mod calls;
mod chunks;
mod errors;
mod finish;
mod framing;
mod said;
mod text;
mod usage;

use serde_json::Value;

use super::Plan;
use crate::request::Request;
use crate::script::{ErrorShape, Fault, Stage};
use said::Said;

/// What of the request a deviation depends on.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Asked {
    pub(crate) stream: bool,
    /// `tool_choice` is `required`.
    pub(crate) call_required: bool,
}

impl Asked {
    fn of(request: &Request<'_>) -> Self {
        let required = request.field("tool_choice").and_then(Value::as_str) == Some("required");
        Self { stream: request.stream(), call_required: required }
    }
}

/// A key, and what it does when it is given: whether there was anything to change.
type Row<T> = (&'static str, fn(&Fault, &mut T) -> Option<bool>);

macro_rules! rows {
    ($($form:ident $name:ident: $change:expr;)*) => { &[$(rows!(@ $form $name $change),)*] };
    (@ flag $name:ident $change:expr) => {
        (stringify!($name), |fault, subject| fault.$name.then(|| $change(subject)))
    };
    (@ with $name:ident $change:expr) => {
        (stringify!($name), |fault, subject| fault.$name.as_ref().map(|value| $change(subject, value)))
    };
    (@ all $name:ident $change:expr) => {
        (stringify!($name), |fault, subject| fault.$name.then(|| $change(subject, fault)))
    };
}

/// What the events, or the body, say.
const SAID: &[Row<Said>] = rows! {
    flag wrong_language_chars: text::wrong_language;
    with slow_reasoning: text::slow_reasoning;
    flag unknown_tool: calls::unknown_tool;
    flag bad_arguments_json: calls::bad_arguments;
    flag whole_calls: calls::whole;
    flag arguments_as_object: calls::as_object;
    flag thought_signature: calls::signature;
    flag cut_call_errors: finish::cut_call_errors;
    with stream_call_finish: finish::of_streamed_calls;
    with required_call_finish: |said, name: &String| finish::of_required_call(said, name);
    flag index_missing: calls::index_missing;
    flag index_always_zero: calls::index_always_zero;
    with reasoning_as: |said, name: &String| chunks::reasoning_as(said, name);
    with chunk_fields: chunks::more_fields;
    with choice_fields: chunks::more_choice_fields;
    flag missing_role: chunks::missing_role;
    flag id_changes: chunks::id_changes;
    flag model_changes: chunks::model_changes;
    with finish_names: finish::names;
    with wrong_finish: |said, name: &String| finish::wrong(said, name);
    flag early_finish: finish::early;
    flag missing_finish: finish::missing;
    flag finish_last_choice_only: finish::last_choice_only;
    flag double_finish: finish::double;
    flag missing_usage: usage::missing;
    with usage_mismatch: usage::mismatch;
    flag usage_on_finish_chunk: usage::on_finish_chunk;
    flag usage_on_content_chunk: usage::on_content_chunk;
    flag usage_null_missing: usage::null_missing;
    flag finish_on_content_chunk: finish::on_content_chunk;
    flag finish_empty: finish::empty;
    flag finish_key_missing: finish::key_missing;
    flag finish_camel_case: finish::camel_case;
    with empty_deltas: |said, count: &usize| chunks::empty_deltas(said, *count);
    with duplicate_chunk: |said, number: &usize| chunks::duplicate(said, *number);
    flag reorder: chunks::reorder;
    flag missing_done: chunks::missing_done;
    flag double_done: chunks::double_done;
    flag data_after_done: chunks::data_after_done;
    flag invalid_utf8: text::invalid_utf8;
    with oversize_event: |said, size: &usize| text::oversize(said, *size);
    flag choices_empty_first: chunks::choices_empty_first;
};

/// How errors, bodies and events are written.
const WRITTEN: &[Row<Plan>] = rows! {
    flag unknown_path_200: errors::unknown_path;
    all integer_error_code: errors::integer_code;
    flag openai_error: errors::openai;
    all string_error: |plan, fault| errors::reshape(plan, fault, ErrorShape::String);
    all array_error: |plan, fault| errors::reshape(plan, fault, ErrorShape::Array);
    all flat_error: |plan, fault| errors::reshape(plan, fault, ErrorShape::Flat);
    all untyped_error: |plan, fault| errors::reshape(plan, fault, ErrorShape::NoType);
    flag wrong_object: body::wrong_object;
    with missing_field: body::missing_field;
    flag extra_field: body::extra_field;
    flag null_choices: body::null_choices;
    with huge_body: |plan, size: &usize| body::huge(plan, *size);
    flag malformed_json: body::malformed;
    flag truncated_json: body::truncated;
    flag empty_body: body::empty;
    flag malformed_event: text::malformed;
    with comment_keepalive: framing::comments;
    with data_keepalive: framing::data_keepalive;
    flag empty_data_frame: framing::empty_data_frame;
    flag event_frame: framing::event_frame;
    flag retry_frame: framing::retry_frame;
    flag id_lines: framing::id_lines;
    flag no_space: framing::no_space;
    flag crlf: framing::crlf;
    flag cr: framing::cr;
    flag no_final_blank_line: framing::no_final_blank_line;
    flag bom: framing::bom;
};

impl Plan {
    /// Changes what the answer says, as the script wants it.
    pub(crate) fn deviate(&mut self, fault: &Fault, request: &Request<'_>) {
        if [Stage::Body, Stage::Content, Stage::Semantic].iter().any(|stage| fault.reaches(*stage)) {
            self.deviate_asked(fault, Asked::of(request));
        }
    }

    fn deviate_asked(&mut self, fault: &Fault, asked: Asked) {
        let mut done = Vec::new();
        self.say(fault, asked, &mut done);
        let overflow = fault.overflow_as.map(|how| errors::overflow(self, how, asked));
        self.note("overflow_as", overflow, &mut done);
        let event = fault.error_event.as_ref().map(|event| errors::report(self, fault, event));
        self.note("error_event", event, &mut done);
        let hidden = fault.failure_hidden.then(|| errors::hide(self, fault, asked));
        self.note("failure_hidden", hidden, &mut done);
        for (name, change) in WRITTEN {
            let changed = change(fault, self);
            self.note(name, changed, &mut done);
        }
        self.name_faults(&done);
    }

    /// Changes what the events, or the body, say.
    fn say(&mut self, fault: &Fault, asked: Asked, done: &mut Vec<&'static str>) {
        let Some(mut said) = Said::new(self, asked.call_required) else {
            let given = fault.names();
            self.not_applicable.extend(SAID.iter().map(|(name, _)| *name).filter(|name| given.contains(name)));
            return;
        };
        for (name, change) in SAID {
            let changed = change(fault, &mut said);
            self.note(name, changed, done);
        }
        self.pieces = said.pieces();
        if fault.invalid_utf8 {
            text::unmark(self);
        }
    }

    /// Notes a key that is given by whether it changed anything.
    pub(super) fn note(&mut self, name: &'static str, changed: Option<bool>, done: &mut Vec<&'static str>) {
        match changed {
            Some(true) => done.push(name),
            Some(false) => self.not_applicable.push(name),
            None => {}
        }
    }

    /// Adds to the names of the faults that took effect.
    pub(crate) fn name_faults(&mut self, names: &[&str]) {
        if !names.is_empty() {
            let all: Vec<&str> = self.fault.as_deref().into_iter().chain(names.iter().copied()).collect();
            self.fault = Some(all.join("+"));
        }
    }
}
