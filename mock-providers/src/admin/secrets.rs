//! What of a configuration is secret, and the marks that stand for it in answers.
//!
//! Owns where secrets stand in a configuration. A mark that is sent back means the secret that it stood for, also when it
//! has moved to another rule, but only at the kind of place that it was shown at: nothing can be moved to where it is said.

use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::Value;

use crate::credentials;

/// The secrets that were shown as marks, in the order of their numbers, with the kind of their place.
#[derive(Default)]
pub(super) struct Secrets(Mutex<Vec<(String, String)>>);

impl Secrets {
    fn known(&self) -> MutexGuard<'_, Vec<(String, String)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The configuration as it may be shown.
    pub(super) fn mask(&self, document: &Value) -> Value {
        let mut shown = document.clone();
        let masked: Result<(), String> = walk(&mut shown, &mut Vec::new(), &mut |kind, text| {
            *text = self.mark(kind, text);
            Ok(())
        });
        masked.expect("masking cannot fail");
        shown
    }

    /// The configuration as it was meant, from one in which marks stand.
    pub(super) fn unmask(&self, document: &mut Value) -> Result<(), String> {
        walk(document, &mut Vec::new(), &mut |kind, text| {
            if let Some(number) = number(text) {
                let known = self.known();
                let secret = number.checked_sub(1).and_then(|index| known.get(index));
                let secret = secret.filter(|(shown, _)| shown == kind);
                *text = secret.ok_or_else(|| format!("`{text}` stands for no secret that was shown here"))?.1.clone();
            }
            Ok(())
        })
    }

    fn mark(&self, kind: &str, secret: &str) -> String {
        let mut known = self.known();
        let index = known.iter().position(|(shown, one)| shown == kind && one == secret).unwrap_or_else(|| {
            known.push((kind.to_owned(), secret.to_owned()));
            known.len() - 1
        });
        format!("[redacted #{}]", index + 1)
    }
}

fn number(text: &str) -> Option<usize> {
    text.strip_prefix("[redacted #")?.strip_suffix(']')?.parse().ok()
}

/// Visits every secret text below a value that stands at a path.
fn walk<E>(
    value: &mut Value,
    path: &mut Vec<String>,
    visit: &mut impl FnMut(&str, &mut String) -> Result<(), E>,
) -> Result<(), E> {
    if let Some(kind) = kind(path) {
        // A number is a key as well as a text; what is no condition on the text stays.
        if value.is_number() {
            *value = Value::String(value.to_string());
        }
        if let Value::String(text) = value {
            return visit(&kind, text);
        }
    }
    match value {
        Value::Object(fields) => {
            for (name, child) in fields.iter_mut() {
                path.push(name.clone());
                walk(child, path, visit)?;
                path.pop();
            }
        }
        Value::Array(items) => {
            for item in items {
                walk(item, path, visit)?;
            }
        }
        _ => {}
    }
    Ok(())
}

/// What kind of secret stands there, if one does. Lists add nothing to a path, so that `auth.keys` is one whatever place
/// a key has.
fn kind(path: &[String]) -> Option<String> {
    path.windows(2).find_map(|pair| match (pair[0].as_str(), pair[1].as_str()) {
        ("auth", "keys") => Some("auth.keys".to_owned()),
        (on @ ("header" | "headers"), name) if credentials::is_credential_header(name) => Some(format!("{on}.{name}")),
        ("query", name) if credentials::is_credential_parameter(name) => Some(format!("query.{name}")),
        ("when" | "any_of" | "not", "key") => Some("when.key".to_owned()),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn document() -> Value {
        json!({"providers": {"a": {
            "auth": {"keys": ["sk-1", "sk-2"]},
            "rules": [
                {"when": {"header": {"Authorization": {"equals": "Bearer sk-3"}, "x-test": "t"}, "not": {"key": 17}}},
                {"respond": {"headers": {"set-cookie": ["sid=s4"]}}},
            ],
        }}})
    }

    #[test]
    fn secrets_are_marked_wherever_they_stand_and_come_back_from_their_marks() {
        let secrets = Secrets::default();
        let shown = secrets.mask(&document());
        let text = shown.to_string();
        for secret in ["sk-1", "sk-2", "sk-3", "17", "s4"] {
            assert!(!text.contains(secret), "{secret} in {text}");
        }
        assert!(text.contains(r#""x-test":"t""#), "{text}");
        let mut back = shown;
        secrets.unmask(&mut back).unwrap();
        let mut meant = document();
        meant["providers"]["a"]["rules"][0]["when"]["not"]["key"] = "17".into();
        assert_eq!(back, meant);
    }

    #[test]
    fn a_mark_keeps_its_meaning_when_the_order_changes_and_means_nothing_elsewhere() {
        let secrets = Secrets::default();
        let mut shown = secrets.mask(&document());
        let keys = shown["providers"]["a"]["auth"]["keys"].as_array_mut().unwrap();
        keys.reverse();
        shown["providers"]["a"]["rules"][1]["respond"]["text"] = "[redacted #1]".into();
        secrets.unmask(&mut shown).unwrap();
        assert_eq!(shown["providers"]["a"]["auth"]["keys"], json!(["sk-2", "sk-1"]));
        assert_eq!(shown["providers"]["a"]["rules"][1]["respond"]["text"], "[redacted #1]");
        shown["providers"]["a"]["auth"]["keys"] = json!(["[redacted #99]"]);
        assert!(secrets.unmask(&mut shown).unwrap_err().contains("#99"));
    }

    #[test]
    fn a_mark_cannot_be_moved_to_where_its_secret_is_said() {
        let secrets = Secrets::default();
        let mut shown = secrets.mask(&json!({"providers": {"a": {"auth": {"keys": ["sk-1"]}}}}));
        let mark = shown["providers"]["a"]["auth"]["keys"][0].clone();
        shown["providers"]["a"]["respond"] = json!({"headers": {"set-cookie": mark}});
        assert!(secrets.unmask(&mut shown).unwrap_err().contains("shown here"));
    }
}
