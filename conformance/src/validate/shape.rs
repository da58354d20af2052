//! The wire types of the API as data, and a checker that names the JSON path of what does not fit.
//! Unknown members are never wrong: backends may add. Owns shapes only; what values mean is the checks' business.

mod types;

use serde_json::Value;

pub use types::*;

/// What a value must be.
#[derive(Debug, Clone, Copy)]
pub enum Shape {
    /// Anything.
    Any,
    /// A string.
    Text,
    /// A string that is not empty.
    Name,
    /// A whole number that is not negative.
    Count,
    /// A number.
    Number,
    /// True or false.
    Bool,
    /// One of these strings.
    Word(&'static [&'static str]),
    /// This, or null.
    Nullable(&'static Shape),
    /// An array of these.
    List(&'static Shape),
    /// An object with these members, and others.
    Object(&'static [Member]),
}

/// A member of an object.
#[derive(Debug, Clone, Copy)]
pub struct Member {
    /// Its name.
    pub name: &'static str,
    /// Whether it must be there.
    pub needed: bool,
    /// What it must be.
    pub shape: Shape,
}

/// A member that must be there.
pub const fn must(name: &'static str, shape: Shape) -> Member {
    Member { name, needed: true, shape }
}

/// A member that may be left out.
pub const fn may(name: &'static str, shape: Shape) -> Member {
    Member { name, needed: false, shape }
}

impl Shape {
    /// What does not fit, as `$.path: expected …, got …`; empty when all does.
    pub fn misfits(&self, value: &Value) -> Vec<String> {
        let mut found = Vec::new();
        self.check(value, "$", &mut found);
        found
    }

    fn check(&self, value: &Value, path: &str, found: &mut Vec<String>) {
        let fits = match self {
            Shape::Any => true,
            Shape::Text => value.is_string(),
            Shape::Name => value.as_str().is_some_and(|text| !text.is_empty()),
            Shape::Count => value.is_u64(),
            Shape::Number => value.is_number(),
            Shape::Bool => value.is_boolean(),
            Shape::Word(words) => value.as_str().is_some_and(|word| words.contains(&word)),
            Shape::Nullable(_) if value.is_null() => true,
            Shape::Nullable(inner) if inner.same_kind(value) => return inner.check(value, path, found),
            Shape::Nullable(_) => false,
            Shape::List(_) => value.is_array(),
            Shape::Object(_) => value.is_object(),
        };
        if !fits {
            found.push(format!("{path}: expected {}, got {}", self.name(), kind(value)));
            return;
        }
        match (self, value) {
            (Shape::List(each), Value::Array(items)) => {
                for (index, item) in items.iter().enumerate() {
                    each.check(item, &format!("{path}[{index}]"), found);
                }
            }
            (Shape::Object(members), Value::Object(fields)) => {
                for member in *members {
                    let path = format!("{path}.{}", member.name);
                    match fields.get(member.name) {
                        Some(value) => member.shape.check(value, &path, found),
                        None if member.needed => {
                            found.push(format!("{path}: expected {}, is missing", member.shape.name()));
                        }
                        None => {}
                    }
                }
            }
            _ => {}
        }
    }

    /// Whether a value is of the right JSON type, so that a deeper look is worth more than "or null".
    fn same_kind(&self, value: &Value) -> bool {
        match self {
            Shape::List(_) => value.is_array(),
            Shape::Object(_) => value.is_object(),
            other => {
                let mut found = Vec::new();
                other.check(value, "$", &mut found);
                found.is_empty()
            }
        }
    }

    fn name(&self) -> String {
        match self {
            Shape::Any => "a value".to_owned(),
            Shape::Text => "string".to_owned(),
            Shape::Name => "a string that is not empty".to_owned(),
            Shape::Count => "integer".to_owned(),
            Shape::Number => "number".to_owned(),
            Shape::Bool => "boolean".to_owned(),
            Shape::Word(words) => words.iter().map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(" or "),
            Shape::Nullable(inner) => format!("{} or null", inner.name()),
            Shape::List(_) => "array".to_owned(),
            Shape::Object(_) => "object".to_owned(),
        }
    }
}

/// What a value is, in a few words.
pub fn kind(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(_) => "boolean".to_owned(),
        Value::Number(number) => format!("number {number}"),
        Value::String(text) => format!("string {:?}", super::answer::cut(text, 40)),
        Value::Array(_) => "array".to_owned(),
        Value::Object(_) => "object".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_misfit_is_named_by_its_path() {
        let mut chat = json!({
            "id": "c-1", "object": "chat.completion", "created": 1, "model": "m",
            "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "hi"}}],
        });
        assert_eq!(CHAT.misfits(&chat), [""; 0]);
        chat["choices"][0]["message"]["content"] = json!([]);
        chat["created"] = json!(1.5);
        chat["object"] = json!("list");
        chat.as_object_mut().expect("an object").remove("model");
        assert_eq!(
            CHAT.misfits(&chat),
            [
                "$.object: expected \"chat.completion\", got string \"list\"",
                "$.created: expected integer, got number 1.5",
                "$.model: expected string, is missing",
                "$.choices[0].message.content: expected string or null, got array",
            ]
        );
    }

    #[test]
    fn null_is_only_right_where_it_may_be() {
        const SHAPE: Shape = Shape::Object(&[must("a", Shape::Nullable(&Shape::List(&Shape::Count)))]);
        assert_eq!(SHAPE.misfits(&json!({"a": null})), [""; 0]);
        assert_eq!(SHAPE.misfits(&json!({"a": [1, null]})), ["$.a[1]: expected integer, got null"]);
        assert_eq!(SHAPE.misfits(&json!([])), ["$: expected object, got array"]);
    }
}
