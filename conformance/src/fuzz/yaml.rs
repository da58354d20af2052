//! Writes a value as YAML that people like to read: in one line where it fits, else one line for each member.

use serde_json::Value;

/// Longest line that is not broken.
const WIDTH: usize = 116;

/// A document of this mapping.
pub(super) fn text(document: &Value) -> String {
    let mut out = String::new();
    block(document, 0, 0, &mut out);
    out
}

/// Writes the members or elements of a value, each on a line of its own.
fn block(value: &Value, indent: usize, depth: usize, out: &mut String) {
    let pad = " ".repeat(indent);
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                out.push_str(&format!("{pad}{}:", scalar(name)));
                inner(member, indent, depth, out);
            }
        }
        Value::Array(items) => {
            for item in items {
                out.push_str(&format!("{pad}-"));
                let mut lines = String::new();
                if fits(item, indent) {
                    out.push_str(&format!(" {}\n", flow(item)));
                } else {
                    block(item, indent + 2, depth + 1, &mut lines);
                    out.push_str(&format!(" {}", lines.trim_start()));
                }
            }
        }
        other => out.push_str(&format!("{pad}{}\n", flow(other))),
    }
}

fn inner(member: &Value, indent: usize, depth: usize, out: &mut String) {
    let nested = matches!(member, Value::Object(_) | Value::Array(_)) && member != &Value::Object(Default::default());
    // Providers, manifests and steps stand one below the other even where they are short.
    let spread = depth == 0 && matches!(member, Value::Array(items) if items.iter().any(Value::is_object));
    if nested && (spread || !fits(member, indent)) {
        out.push('\n');
        block(member, indent + 2, depth + 1, out);
    } else {
        out.push_str(&format!(" {}\n", flow(member)));
    }
}

fn fits(value: &Value, indent: usize) -> bool {
    !matches!(value, Value::Object(_) | Value::Array(_)) || flow(value).chars().count() + indent <= WIDTH - 24
}

fn flow(value: &Value) -> String {
    match value {
        Value::Object(members) => {
            let all: Vec<String> =
                members.iter().map(|(name, member)| format!("{}: {}", scalar(name), flow(member))).collect();
            format!("{{{}}}", all.join(", "))
        }
        Value::Array(items) => format!("[{}]", items.iter().map(flow).collect::<Vec<_>>().join(", ")),
        Value::String(text) => scalar(text),
        other => other.to_string(),
    }
}

/// A text without quotes where nobody could take it for something else, and with those that need least escaping.
fn scalar(text: &str) -> String {
    let word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '/');
    let first = text.chars().next().is_some_and(|c| c.is_ascii_alphabetic() || c == '/');
    let meant = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"].contains(&text.to_lowercase().as_str());
    let odd = |c: char| c == '\'' || c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}');
    if first && !meant && text.chars().all(word) {
        text.to_owned()
    } else if text.contains(['"', '\\']) && !text.contains(odd) {
        format!("'{text}'")
    } else {
        Value::from(text).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_written_is_read_back() {
        let long = "x".repeat(150);
        let value = json!({
            "id": "PROP-1", "yes": "no", "number": "12", "port": "${a.port}", "odd": "a\n\"\\\u{1f600}: #", "none": {},
            "json": "{\"a\":\"\\u00e9 \u{feff} '\"}", "single": "{\"a\":\"\\u00e9 # \u{1f600}\"}: ",
            "back\\": "\u{2028}\"", "list": [1, 2], "empty": [],
            "steps": [{"a": 1}, {"b": [long, {"c": [null, true, -0.5]}], "d": {"e": long}}],
        });
        let text = text(&value);
        let back: Value = serde_saphyr::from_str(&text).expect("YAML");
        assert_eq!(back, value, "{text}");
        assert!(text.contains("id: PROP-1\nyes") || text.contains("\"yes\": \"no\""), "{text}");
    }
}
