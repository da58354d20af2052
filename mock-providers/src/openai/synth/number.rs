//! Numbers within the bounds of a schema.
//!
//! Owns integers, decimals, exclusive bounds and multiples.

use serde_json::{Map, Value};

use crate::digest::Random;

/// Where one bound is missing, the other is so far away.
const SPAN: i128 = 8;
/// The same for decimals, so that they have decimals.
const SPREAD: f64 = 4.5;
/// Values are drawn from so many.
const DRAWN: i128 = 1000;
/// No number is farther from zero.
const FARTHEST: i128 = 1 << 100;
/// A fraction that is no integer when taken so often never is.
const FRACTIONS: i32 = 10_000;

/// A whole number.
pub(super) fn integer(keys: &Map<String, Value>, random: &mut Random) -> Option<Value> {
    let low = bound(keys, "minimum", "exclusiveMinimum").map(|(bound, open)| up(bound, open));
    let high = bound(keys, "maximum", "exclusiveMaximum").map(|(bound, open)| -up(-bound, open));
    let low = whole(low, keys.get("minimum"), bound(keys, "minimum", "exclusiveMinimum"));
    let high = whole(high, keys.get("maximum"), bound(keys, "maximum", "exclusiveMaximum"));
    let step = match keys.get("multipleOf").and_then(Value::as_f64).filter(|step| *step > 0.0) {
        None => 1,
        Some(step) => {
            (1..=FRACTIONS).map(|times| f64::from(times) * step).find(|step| step.fract() == 0.0).map(clamped)?
        }
    };
    let span = SPAN.max(step);
    let low = low.unwrap_or_else(|| high.map_or(1, |high| high.min(1 + span) - span));
    let high = high.unwrap_or(low + span);
    let (first, last) = (-(-low).div_euclid(step), high.div_euclid(step));
    let value = drawn(first, last, random)? * step;
    i64::try_from(value).map(Value::from).or_else(|_| u64::try_from(value).map(Value::from)).ok()
}

/// The bound as it is written, where a decimal would lose digits.
fn whole(rounded: Option<i128>, written: Option<&Value>, bound: Option<(f64, bool)>) -> Option<i128> {
    let exact = written.and_then(|value| value.as_i64().map(i128::from).or(value.as_u64().map(i128::from)));
    match (exact, bound) {
        (Some(exact), Some((bound, false))) if exact as f64 == bound => Some(exact),
        _ => rounded,
    }
}

/// The next integer from here on, or beyond here.
fn up(bound: f64, open: bool) -> i128 {
    if open { clamped(bound.floor()) + 1 } else { clamped(bound.ceil()) }
}

/// The integer, far from where sums would overflow.
fn clamped(number: f64) -> i128 {
    (number as i128).clamp(-FARTHEST, FARTHEST)
}

fn drawn(first: i128, last: i128, random: &mut Random) -> Option<i128> {
    let span = usize::try_from((last.checked_sub(first)?).min(DRAWN - 1)).ok()?;
    Some(first + random.below(span + 1) as i128)
}

/// A number that may have decimals.
pub(super) fn number(keys: &Map<String, Value>, random: &mut Random) -> Option<Value> {
    let low = bound(keys, "minimum", "exclusiveMinimum");
    let high = bound(keys, "maximum", "exclusiveMaximum");
    let bottom = low.map_or_else(|| high.map_or(1.0, |(high, _)| high.min(1.0) - 1.0), |(low, _)| low);
    let top = high.map_or(bottom + SPREAD, |(high, _)| high);
    if bottom > top {
        return None;
    }
    let inside = |value: &f64| {
        low.is_none_or(|(low, open)| *value > low || (!open && *value == low))
            && high.is_none_or(|(high, open)| *value < high || (!open && *value == high))
    };
    if let Some(step) = keys.get("multipleOf").and_then(Value::as_f64).filter(|step| *step > 0.0) {
        let top = if high.is_none() { top.max(bottom + 2.0 * step) } else { top };
        let (first, last) = (clamped((bottom / step).ceil()), clamped((top / step).floor()));
        let first = first + i128::from(!inside(&rounded(first, step)));
        let last = last - i128::from(!inside(&rounded(last, step)));
        let value = rounded(drawn(first, last, random)?, step);
        return Some(value).filter(inside).map(Value::from);
    }
    let raw = bottom + (top - bottom) * (1 + random.below(7)) as f64 / 8.0;
    let short = (raw * 100.0).round() / 100.0;
    [short, raw, bottom, top].into_iter().find(|value| value.is_finite() && inside(value)).map(Value::from)
}

/// So many steps, without the noise of binary fractions.
fn rounded(times: i128, step: f64) -> f64 {
    let decimals = step.to_string().split_once('.').map_or(0, |(_, decimals)| decimals.len());
    let value = times as f64 * step;
    format!("{value:.decimals$}").parse().unwrap_or(value)
}

/// The tighter of a closed and an open bound, and whether it is the open one.
fn bound(keys: &Map<String, Value>, closed: &str, open: &str) -> Option<(f64, bool)> {
    let number = |name: &str| keys.get(name).and_then(Value::as_f64);
    // The fourth draft makes the closed bound open by a boolean.
    let opened = keys.get(open) == Some(&Value::Bool(true));
    let tighter = |a: f64, b: f64| if closed == "minimum" { a > b } else { a < b };
    match (number(closed), number(open)) {
        (Some(bound), Some(open)) if tighter(bound, open) => Some((bound, false)),
        (_, Some(open)) => Some((open, true)),
        (Some(bound), None) => Some((bound, opened)),
        (None, None) => None,
    }
}
