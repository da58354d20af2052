//! When one `when` holds wherever another does, and when no request satisfies both.
//!
//! Owns the certain cases, key by key; "no" means "not certain". Counts (`nth`) are not looked at.

use std::collections::BTreeMap;

use super::texts::{
    glob_excludes, glob_implies, model_excludes, model_implies, text_excludes, text_implies, text_impossible,
    value_excludes, value_implies,
};
use crate::script::{Path, TextMatch, Turns, ValueMatch, When};

/// Whether every request that satisfies `a` satisfies `b`.
pub(super) fn implies(a: &When, b: &When) -> bool {
    let by_each = !a.any_of.is_empty() && a.any_of.iter().all(|one| implies(one, b));
    by_each || impossible(a) || (keys_imply(a, b) && any_of_implied(a, b) && not_implied(a, b))
}

fn keys_imply(a: &When, b: &When) -> bool {
    head_implies(a, b) && body_implies(a, b) && conversation_implies(a, b)
}

fn head_implies(a: &When, b: &When) -> bool {
    pair(&a.path, &b.path, glob_implies)
        && pair(&a.method, &b.method, |a, b| a.eq_ignore_ascii_case(b))
        && pair(&a.dialect, &b.dialect, |a, b| a == b)
        && pair(&a.key, &b.key, text_implies)
        && named(&a.header, &b.header, str::eq_ignore_ascii_case)
        && named(&a.query, &b.query, str::eq)
        && pair(&a.session, &b.session, text_implies)
        && b.state.iter().all(|(machine, state)| a.state.get(machine) == Some(state))
}

fn body_implies(a: &When, b: &When) -> bool {
    pair(&a.model, &b.model, model_implies)
        && pair(&a.stream, &b.stream, |a, b| a == b)
        && b.body.0.iter().all(|(path, want)| at(a, path).any(|own| value_implies(own, want)))
        && pair(&a.response_format, &b.response_format, text_implies)
        && pair(&a.n_gt, &b.n_gt, |a, b| a >= b)
        && pair(&a.max_tokens_lt, &b.max_tokens_lt, |a, b| a <= b)
        && b.tools_include.0.iter().all(|tool| a.tools_include.0.contains(tool))
        && pair(&a.tools_hash, &b.tools_hash, |a, b| a == b)
        && pair(&a.image_input, &b.image_input, |a, b| a == b)
        && pair(&a.input, &b.input, text_implies)
}

fn conversation_implies(a: &When, b: &When) -> bool {
    pair(&a.last_user, &b.last_user, text_implies)
        && pair(&a.system, &b.system, text_implies)
        && pair(&a.system_hash, &b.system_hash, |a, b| a == b)
        && pair(&a.any_message, &b.any_message, text_implies)
        && pair(&a.turn, &b.turn, within)
        && pair(&a.has_tool_result, &b.has_tool_result, |a, b| a == b)
        && pair(&a.tool_result, &b.tool_result, text_implies)
        && pair(&a.tool_call_id, &b.tool_call_id, text_implies)
}

fn any_of_implied(a: &When, b: &When) -> bool {
    b.any_of.is_empty() || b.any_of.iter().any(|one| implies(a, one))
}

fn not_implied(a: &When, b: &When) -> bool {
    let Some(never) = &b.not else { return true };
    let by_not = a.not.as_ref().is_some_and(|own| implies(never, own));
    by_not || excludes(a, never)
}

/// A condition that `b` has is implied by the one that `a` has.
fn pair<T>(a: &Option<T>, b: &Option<T>, implies: impl Fn(&T, &T) -> bool) -> bool {
    b.as_ref().is_none_or(|b| a.as_ref().is_some_and(|a| implies(a, b)))
}

type Texts = BTreeMap<String, TextMatch>;

fn named(a: &Texts, b: &Texts, same: impl Fn(&str, &str) -> bool) -> bool {
    b.iter().all(|(name, want)| a.iter().any(|(own, text)| same(own, name) && text_implies(text, want)))
}

/// What `when` asks of the value at this path.
fn at<'w>(when: &'w When, path: &'w Path) -> impl Iterator<Item = &'w ValueMatch> {
    when.body.0.iter().filter(|(own, _)| own.as_str() == path.as_str()).map(|(_, want)| want)
}

fn within(a: &Turns, b: &Turns) -> bool {
    a.min >= b.min && b.max.is_none_or(|most| a.max.is_some_and(|own| own <= most))
}

/// Whether no request satisfies both.
pub(super) fn excludes(a: &When, b: &When) -> bool {
    let each = |one: &When, other: &When| !one.any_of.is_empty() && one.any_of.iter().all(|part| excludes(part, other));
    let denied = |one: &When, other: &When| one.not.as_ref().is_some_and(|never| implies(other, never));
    keys_exclude(a, b) || each(a, b) || each(b, a) || denied(a, b) || denied(b, a)
}

fn keys_exclude(a: &When, b: &When) -> bool {
    let differs = |a: &Option<bool>, b: &Option<bool>| both(a, b, |a, b| a != b);
    let hashes = |a: &Option<String>, b: &Option<String>| both(a, b, |a, b| a != b);
    both(&a.path, &b.path, glob_excludes)
        || both(&a.method, &b.method, |a, b| !a.eq_ignore_ascii_case(b))
        || both(&a.dialect, &b.dialect, |a, b| a != b)
        || both(&a.model, &b.model, model_excludes)
        || differs(&a.stream, &b.stream)
        || differs(&a.has_tool_result, &b.has_tool_result)
        || differs(&a.image_input, &b.image_input)
        || hashes(&a.tools_hash, &b.tools_hash)
        || hashes(&a.system_hash, &b.system_hash)
        || both(&a.turn, &b.turn, |a, b| apart(a, b) || apart(b, a))
        || texts(a).zip(texts(b)).any(|(a, b)| both(a, b, text_excludes))
        || apart_by_name(&a.header, &b.header, str::eq_ignore_ascii_case)
        || apart_by_name(&a.query, &b.query, str::eq)
        || a.body.0.iter().any(|(path, want)| at(b, path).any(|other| value_excludes(want, other)))
        || a.state.iter().any(|(machine, state)| b.state.get(machine).is_some_and(|other| other != state))
}

/// The conditions on texts of which a request has at most one.
fn texts(when: &When) -> impl Iterator<Item = &Option<TextMatch>> {
    [&when.key, &when.session, &when.last_user, &when.system, &when.response_format].into_iter()
}

fn both<T>(a: &Option<T>, b: &Option<T>, test: impl Fn(&T, &T) -> bool) -> bool {
    a.as_ref().zip(b.as_ref()).is_some_and(|(a, b)| test(a, b))
}

fn apart(a: &Turns, b: &Turns) -> bool {
    a.max.is_some_and(|most| most < b.min)
}

fn apart_by_name(a: &Texts, b: &Texts, same: impl Fn(&str, &str) -> bool) -> bool {
    a.iter().any(|(name, want)| b.iter().any(|(own, other)| same(own, name) && text_excludes(want, other)))
}

/// Whether no request satisfies it at all.
pub(super) fn impossible(when: &When) -> bool {
    let positive = When { not: None, any_of: Vec::new(), ..when.clone() };
    let some = |text: &Option<TextMatch>| text.as_ref().is_some_and(|text| text.present != Some(false));
    let results = [&when.tool_result, &when.tool_call_id];
    keys_exclude(&positive, &positive)
        || results.into_iter().chain([&when.any_message, &when.input]).flatten().any(text_impossible)
        || (when.has_tool_result == Some(false) && results.into_iter().any(some))
        || when.turn.is_some_and(|turn| apart(&turn, &turn))
        || when.max_tokens_lt == Some(0)
        || when.n_gt == Some(u64::MAX)
        || when.not.as_ref().is_some_and(|never| implies(&positive, never))
        || (!when.any_of.is_empty() && when.any_of.iter().all(|one| impossible(one) || excludes(one, &positive)))
}
