//! Texts for a schema: of a format, of a pattern, or words.
//!
//! Owns how long they are.

use serde_json::{Map, Value};

use super::budget::{Budget, PATTERN};
use super::{pattern, words};
use crate::digest::{HEX, Random};

/// Nobody gets longer texts.
const LONGEST: usize = 100_000;

/// A text that fits.
pub(super) fn string(keys: &Map<String, Value>, random: &mut Random, budget: &Budget) -> Option<String> {
    let count = |name: &str| keys.get(name).and_then(Value::as_f64).map(|count| count as usize);
    let (least, most) = (count("minLength").unwrap_or(0), count("maxLength").unwrap_or(usize::MAX));
    if least > LONGEST || least > most {
        return None;
    }
    let pattern = keys.get("pattern").and_then(Value::as_str);
    if pattern.is_some_and(|pattern| !budget.spend(PATTERN) || !budget.spend_text(pattern)) {
        return None;
    }
    if let Some(text) = pattern.and_then(|pattern| pattern::matching(pattern, least..=most, random)) {
        return Some(text);
    }
    let formatted = keys.get("format").and_then(Value::as_str).and_then(|format| of_format(format, random));
    if let Some(text) = formatted.filter(|text| (least..=most).contains(&text.chars().count())) {
        return Some(text);
    }
    // A word has a letter at least.
    let text = words(2.max(least.div_ceil(2)), random);
    Some(text.chars().take(most.min(least.max(text.len()))).collect())
}

fn of_format(format: &str, random: &mut Random) -> Option<String> {
    let mut part = |low: usize, high: usize| low + random.below(high - low + 1);
    let date = format!("2026-{:02}-{:02}", part(1, 12), part(1, 28));
    let time = format!("{:02}:{:02}:{:02}Z", part(0, 23), part(0, 59), part(0, 59));
    let number = part(1, 250);
    Some(match format {
        "date-time" => format!("{date}T{time}"),
        "date" => date,
        "time" => time,
        "duration" => format!("P{number}DT4H"),
        "email" | "idn-email" => format!("wind{number}@example.com"),
        "hostname" | "idn-hostname" => format!("wind{number}.example.com"),
        "ipv4" => format!("192.0.2.{number}"),
        "ipv6" => format!("2001:db8::{number:x}"),
        "uri" | "url" | "iri" => format!("https://example.com/wind/{number}"),
        "uri-reference" | "iri-reference" => format!("/wind/{number}"),
        "uri-template" => format!("https://example.com/{{id}}/{number}"),
        "uuid" => uuid(random),
        "json-pointer" => format!("/wind/{number}"),
        "relative-json-pointer" => format!("{number}/wind"),
        "regex" => format!("^wind{number}$"),
        "byte" => "d2luZA==".to_owned(),
        _ => return None,
    })
}

/// Of version 4.
fn uuid(random: &mut Random) -> String {
    let digits = random.word(30, HEX);
    let variant = &"89ab"[random.below(4)..][..1];
    format!("{}-{}-4{}-{variant}{}-{}", &digits[..8], &digits[8..12], &digits[12..15], &digits[15..18], &digits[18..30])
}
