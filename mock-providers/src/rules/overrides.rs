//! The request headers `X-Mock-…`, by which a caller steers what it gets where the script allows that.
//!
//! Owns reading them. A value that means nothing is an error for the caller, never silence.

use serde_json::{Value, json};

use crate::openai::ApiError;
use crate::request::Head;
use crate::script::Fault;

/// What a request asks for itself.
#[derive(Default)]
pub(super) struct Overrides {
    /// The rule that shall answer.
    pub(super) rule: Option<String>,
    /// What shall go wrong.
    pub(super) fault: Option<Box<Fault>>,
}

impl Overrides {
    pub(super) fn read(head: &Head) -> Result<Self, ApiError> {
        let mut fault: Option<Box<Fault>> = None;
        let given = [
            ("x-mock-fault", head.header("x-mock-fault").map(named)),
            ("x-mock-status", head.header("x-mock-status").map(status)),
            ("x-mock-delay", head.header("x-mock-delay").map(|delay| Ok(json!({ "hang_before_head": delay })))),
        ];
        for (header, value) in given {
            let Some(value) = value else { continue };
            let read = value.and_then(|keys| reader::from::<Fault, _>(keys).map_err(|error| error.to_string()));
            let read = read.map_err(|problem| refusal(header, &problem))?;
            fault.get_or_insert_default().overlay(&read);
        }
        let rule = head.header("x-mock-rule").map(str::to_owned);
        Ok(Self { rule, fault })
    }
}

/// An override that cannot be obeyed.
pub(super) fn refusal(header: &str, problem: &str) -> ApiError {
    ApiError::parameter(header, "invalid_override", format!("The header {header} cannot be obeyed: {problem}."))
}

/// The names of faults that need nothing more, or a JSON map of `fault` keys.
fn named(text: &str) -> Result<Value, String> {
    if text.trim_start().starts_with('{') {
        return serde_json::from_str(text).map_err(|error| format!("it is not valid JSON: {error}"));
    }
    let mut keys = serde_json::Map::new();
    for name in text.split([',', '+']).map(str::trim).filter(|name| !name.is_empty()) {
        let forms = [json!(true), json!({})];
        let fits = |form: &Value| reader::from::<Fault, _>(json!({ name: form })).is_ok();
        let form =
            forms.into_iter().find(fits).ok_or_else(|| match Fault::CATALOGUE.iter().any(|key| key.0 == name) {
                true => format!("`{name}` needs a value: write {{\"{name}\": …}}"),
                false => format!("there is no fault `{name}`"),
            })?;
        keys.insert(name.to_owned(), form);
    }
    Ok(keys.into())
}

fn status(text: &str) -> Result<Value, String> {
    let status = text.trim().parse::<u16>().ok().filter(|status| (200..=999).contains(status));
    status.map(|status| json!({ "status": status })).ok_or_else(|| format!("`{text}` is no status of 200 to 999"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::RequestHead;

    fn read(header: &str, value: &str) -> Result<Overrides, ApiError> {
        let lines = RequestHead::new("POST", "/", [(header, value)].into_iter());
        Overrides::read(&Head { lines, ..Head::default() })
    }

    #[test]
    fn faults_are_named_or_spelt_out() {
        let names = |value: &str| read("X-Mock-Fault", value).ok().and_then(|all| all.fault).map(|fault| fault.names());
        assert_eq!(names("missing_done, stall"), Some(vec!["stall", "missing_done"]));
        assert_eq!(names(r#"{"disconnect": {"how": "rst"}}"#), Some(vec!["disconnect"]));
        assert_eq!(read("x-mock-status", "503").ok().and_then(|all| all.fault?.status), Some(503));
        assert!(
            read("x-mock-delay", "20ms")
                .is_ok_and(|all| all.fault.is_some_and(|fault| fault.hang_before_head.is_some()))
        );
        assert!(read("x-other", "1").is_ok_and(|all| all.fault.is_none()));
    }

    #[test]
    fn what_cannot_be_obeyed_is_said() {
        for (header, value, problem) in [
            ("x-mock-fault", "stal", "there is no fault `stal`"),
            ("x-mock-fault", "status", "needs a value"),
            ("x-mock-fault", "{\"stall\": 1}", "invalid type"),
            ("x-mock-status", "12", "no status"),
            ("x-mock-delay", "5", "unit"),
        ] {
            let error = read(header, value).err().map(|error| format!("{error:?}")).unwrap_or_default();
            assert!(error.contains(problem), "{header}: {value}: {error}");
        }
    }
}
