//! Values as YAML that people read and edit.
//!
//! Owns how each text is quoted, so that every reader gives back the same bytes. Refuses anchors, tags and comments.

use std::fmt::Write;

use serde_json::Value;

/// Lists and maps that are no longer than this, and have no others inside, take one line.
const WIDTH: usize = 100;

/// Words that some reader takes for something else than text.
const RESERVED: [&str; 12] = ["true", "false", "null", "yes", "no", "on", "off", "y", "n", "nan", "inf", "infinity"];

/// The value as a document.
pub(super) fn text(value: &Value) -> String {
    let mut out = String::new();
    block(value, 0, &mut out);
    out.trim_start_matches('\n').to_owned()
}

/// Writes what follows a key or a dash, with its line end.
fn block(value: &Value, indent: usize, out: &mut String) {
    let long = !is_short(value);
    match value {
        Value::String(text) if long => literal(text, indent, out),
        Value::Object(members) if long => {
            out.push('\n');
            for (key, value) in members {
                line(indent, out);
                scalar(key, out);
                out.push(':');
                block(value, indent + 2, out);
            }
        }
        Value::Array(items) if long => {
            out.push('\n');
            for item in items {
                line(indent, out);
                out.push('-');
                let start = out.len();
                block(item, indent + 2, out);
                // The first key of a map stands beside its dash.
                let nested = matches!(item, Value::Object(_)) && out[start..].starts_with('\n');
                if nested {
                    out.replace_range(start..start + indent + 3, " ");
                }
            }
        }
        _ => {
            out.push(' ');
            flow(value, out);
            out.push('\n');
        }
    }
}

fn line(indent: usize, out: &mut String) {
    out.extend(std::iter::repeat_n(' ', indent));
}

/// Whether it stands on one line.
fn is_short(value: &Value) -> bool {
    let plain = |value: &Value| match value {
        Value::String(text) => !is_literal(text),
        Value::Array(_) | Value::Object(_) => false,
        _ => true,
    };
    let flat = match value {
        Value::Array(items) => items.iter().all(plain),
        Value::Object(members) => members.values().all(plain),
        scalar => return plain(scalar),
    };
    flat && {
        let mut inline = String::new();
        flow(value, &mut inline);
        inline.len() <= WIDTH || inline.len() == 2
    }
}

fn flow(value: &Value, out: &mut String) {
    match value {
        Value::String(text) => scalar(text, out),
        Value::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                out.push_str(if index > 0 { ", " } else { "" });
                flow(item, out);
            }
            out.push(']');
        }
        Value::Object(members) => {
            out.push('{');
            for (index, (key, value)) in members.iter().enumerate() {
                out.push_str(if index > 0 { ", " } else { "" });
                scalar(key, out);
                out.push_str(": ");
                flow(value, out);
            }
            out.push('}');
        }
        // Numbers, booleans and null are what they are in JSON.
        other => out.push_str(&other.to_string()),
    }
}

/// A text on one line: bare, in single or in double quotes.
fn scalar(text: &str, out: &mut String) {
    if is_bare(text) {
        out.push_str(text);
    } else if text.chars().all(is_printable) {
        out.push('\'');
        out.push_str(&text.replace('\'', "''"));
        out.push('\'');
    } else {
        quoted(text, out);
    }
}

fn quoted(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if is_printable(c) => out.push(c),
            // Writing to a `String` cannot fail.
            c => drop(write!(out, "\\U{:08X}", u32::from(c))),
        }
    }
    out.push('"');
}

/// Several lines as they are, if they can be.
fn literal(text: &str, indent: usize, out: &mut String) {
    let content = text.trim_end_matches('\n');
    out.push_str(match text.len() - content.len() {
        0 => " |-\n",
        1 => " |\n",
        _ => " |+\n",
    });
    for part in text.strip_suffix('\n').unwrap_or(text).split('\n') {
        if !part.is_empty() {
            line(indent, out);
            out.push_str(part);
        }
        out.push('\n');
    }
}

/// Whether it is written as lines: nothing at its edges may be taken for indentation.
fn is_literal(text: &str) -> bool {
    let content = text.trim_end_matches('\n');
    let edges = |line: &str| line.starts_with([' ', '\t']) && line.trim().is_empty();
    text.contains('\n')
        && !content.is_empty()
        && !content.starts_with([' ', '\t', '\n'])
        && text.chars().all(|c| c == '\n' || is_printable(c))
        && !content.split('\n').any(edges)
}

fn is_bare(text: &str) -> bool {
    if text.strip_suffix("ms").is_some_and(|number| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit())) {
        return true;
    }
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "_./-".contains(c))
        && !RESERVED.iter().any(|word| word.eq_ignore_ascii_case(text))
}

/// Whether YAML shows it as it is.
fn is_printable(c: char) -> bool {
    !c.is_control() && !matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::fleet::read;

    fn values() -> impl Strategy<Value = Value> {
        let texts = prop_oneof![
            "[ -~]{0,12}",
            "[a-z:#' \n\r\t\"\\\\-]{0,12}",
            any::<String>(),
            proptest::sample::select(vec![
                "yes",
                "null",
                "~",
                "0x1",
                "1e3",
                "12ms",
                "<<",
                "- a",
                "a: b",
                "a\n\n",
                "|",
                "data: x\n\n"
            ])
            .prop_map(str::to_owned),
        ];
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            texts.clone().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 40, 5, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                prop::collection::vec(("[a-z$.*]{1,6}", inner), 0..5)
                    .prop_map(|all| Value::Object(all.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_what_is_read(value in values()) {
            let value = json!({"value": value.clone(), "list": [[value.clone()], {"a": value.clone(), "b": value}]});
            let written = text(&value);
            let back: Value = read(&written).map_err(|error| TestCaseError::fail(format!("{error}\n{written}")))?;
            prop_assert_eq!(back, value, "{}", written);
        }
    }

    #[test]
    fn a_recording_looks_as_if_somebody_had_written_it() {
        let rule = json!({"name": "chat-h1", "when": {"path": "/v1/x", "stream": true, "last_user": "it's \"it\""},
            "respond": {"delay_head": "12ms", "sse": [{"raw": "event: a\ndata: {}\n\n", "after": "3ms"}, "done"]}});
        let expected = "\
rules:
  - name: chat-h1
    when: {path: /v1/x, stream: true, last_user: 'it''s \"it\"'}
    respond:
      delay_head: 12ms
      sse:
        - raw: |+
            event: a
            data: {}

          after: 3ms
        - done
";
        assert_eq!(text(&json!({"rules": [rule]})), expected);
    }
}
