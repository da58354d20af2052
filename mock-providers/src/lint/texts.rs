//! When one matcher of texts or values holds wherever another does, and when no text satisfies both.
//!
//! Owns the certain cases; "no" means "not certain".

use serde_json::Value;

use crate::script::{Glob, ModelMatch, TextMatch, ValueMatch};

/// Whether every text that satisfies `a`, or its absence, satisfies `b`.
pub(super) fn text_implies(a: &TextMatch, b: &TextMatch) -> bool {
    if a.present == Some(false) {
        return b.present == Some(false);
    }
    let known = |test: &dyn Fn(&str) -> bool| a.equals.as_deref().is_some_and(test);
    let inside = |part: &str| [&a.contains, &a.prefix].into_iter().flatten().any(|own| own.contains(part));
    let starts = |start: &str| a.prefix.as_deref().is_some_and(|own| own.starts_with(start));
    b.present != Some(false)
        && b.equals.as_deref().is_none_or(|want| known(&|text| text == want))
        && b.contains.as_deref().is_none_or(|part| known(&|text| text.contains(part)) || inside(part))
        && b.prefix.as_deref().is_none_or(|start| known(&|text| text.starts_with(start)) || starts(start))
        && b.matches.as_ref().is_none_or(|pattern| {
            let same = a.matches.as_ref().is_some_and(|own| own.0.as_str() == pattern.0.as_str());
            same || known(&|text| pattern.0.is_match(text))
        })
}

/// Whether nothing, not even absence, satisfies both.
pub(super) fn text_excludes(a: &TextMatch, b: &TextMatch) -> bool {
    let (absent_a, absent_b) = (a.present == Some(false), b.present == Some(false));
    if absent_a || absent_b {
        return absent_a != absent_b;
    }
    let against = |a: &TextMatch, b: &TextMatch| a.equals.as_deref().is_some_and(|text| !b.holds(Some(text)));
    let starts = a.prefix.as_deref().zip(b.prefix.as_deref());
    against(a, b) || against(b, a) || starts.is_some_and(|(a, b)| !a.starts_with(b) && !b.starts_with(a))
}

/// Whether no text, and no absence, satisfies it.
pub(super) fn text_impossible(text: &TextMatch) -> bool {
    text_excludes(text, text)
}

/// Whether `b` matches whatever `a` matches: what stands for anything in `a` must meet a `*` of `b`.
pub(super) fn glob_implies(a: &Glob, b: &Glob) -> bool {
    b.matches(&a.0)
}

fn literal(glob: &Glob) -> Option<&str> {
    (!glob.0.contains('*')).then_some(glob.0.as_str())
}

/// Whether no text matches both.
pub(super) fn glob_excludes(a: &Glob, b: &Glob) -> bool {
    let start = |glob: &Glob| glob.0.split('*').next().unwrap_or_default().to_owned();
    let (from_a, from_b) = (start(a), start(b));
    let apart = !from_a.starts_with(&from_b) && !from_b.starts_with(&from_a);
    apart || literal(a).is_some_and(|text| !b.matches(text)) || literal(b).is_some_and(|text| !a.matches(text))
}

/// A glob as a matcher of texts that holds wherever the glob does.
fn weakened(glob: &Glob) -> TextMatch {
    let start = glob.0.split('*').next().map(str::to_owned);
    match literal(glob) {
        Some(text) => TextMatch { equals: Some(text.to_owned()), ..TextMatch::default() },
        None => TextMatch { prefix: start, present: Some(true), ..TextMatch::default() },
    }
}

/// Whether every name that satisfies `a` satisfies `b`.
pub(super) fn model_implies(a: &ModelMatch, b: &ModelMatch) -> bool {
    match (a, b) {
        (ModelMatch::Glob(a), ModelMatch::Glob(b)) => glob_implies(a, b),
        (ModelMatch::Text(a), ModelMatch::Text(b)) => text_implies(a, b),
        (ModelMatch::Glob(a), ModelMatch::Text(b)) => text_implies(&weakened(a), b),
        (ModelMatch::Text(a), ModelMatch::Glob(b)) => {
            let known = a.equals.as_deref().is_some_and(|name| b.matches(name));
            let begins = a.prefix.as_ref().is_some_and(|start| b.matches(&format!("{start}*")));
            a.present != Some(false) && (known || begins || b.0 == "*")
        }
    }
}

/// Whether no name satisfies both.
pub(super) fn model_excludes(a: &ModelMatch, b: &ModelMatch) -> bool {
    match (a, b) {
        (ModelMatch::Glob(a), ModelMatch::Glob(b)) => glob_excludes(a, b),
        (ModelMatch::Text(a), ModelMatch::Text(b)) => text_excludes(a, b),
        (ModelMatch::Glob(glob), ModelMatch::Text(text)) | (ModelMatch::Text(text), ModelMatch::Glob(glob)) => {
            text_excludes(&weakened(glob), text) || text.equals.as_deref().is_some_and(|name| !glob.matches(name))
        }
    }
}

/// Whether every value that satisfies `a`, or its absence, satisfies `b`.
pub(super) fn value_implies(a: &ValueMatch, b: &ValueMatch) -> bool {
    if a.present == Some(false) {
        return b.present == Some(false);
    }
    if let Some(value) = &a.equals {
        return b.holds(Some(value));
    }
    let same = |a: &Option<Value>, b: &Option<Value>| b.is_none() || a == b;
    let pattern = |value: &ValueMatch| value.matches.as_ref().map(|pattern| pattern.0.as_str().to_owned());
    b.present != Some(false)
        && b.equals.is_none()
        && same(&a.contains, &b.contains)
        && (b.matches.is_none() || pattern(a) == pattern(b))
}

/// Whether nothing, not even absence, satisfies both.
pub(super) fn value_excludes(a: &ValueMatch, b: &ValueMatch) -> bool {
    let (absent_a, absent_b) = (a.present == Some(false), b.present == Some(false));
    if absent_a || absent_b {
        return absent_a != absent_b;
    }
    let against = |a: &ValueMatch, b: &ValueMatch| a.equals.as_ref().is_some_and(|value| !b.holds(Some(value)));
    against(a, b) || against(b, a)
}
