//! What a request says about how it is to be answered: parameters that the log tells where they were sent.
//! Numbers, and the name of an encoding; texts of people are not among them.

use serde_json::Value;

use crate::json::{self, Kind, Member};

/// Longest value that is told.
const MAX_VALUE: usize = 32;

/// Parameters by the name that the log has for them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Asked(Vec<(&'static str, Value)>);

impl Asked {
    /// The log's name of a member of a request.
    #[must_use]
    pub fn name(member: &str) -> Option<&'static str> {
        Some(match member {
            "temperature" => "gen_ai.request.temperature",
            "top_p" => "gen_ai.request.top_p",
            "max_tokens" | "max_completion_tokens" | "max_output_tokens" => "gen_ai.request.max_tokens",
            "frequency_penalty" => "gen_ai.request.frequency_penalty",
            "presence_penalty" => "gen_ai.request.presence_penalty",
            "seed" => "gen_ai.request.seed",
            "dimensions" => "gen_ai.embeddings.dimension.count",
            "encoding_format" => "gen_ai.request.encoding_formats",
            _ => return None,
        })
    }

    /// Reads the members of that name out of a body; of two with the same name the first counts.
    #[must_use]
    pub fn read(body: &[u8], members: &[(&'static str, Member)]) -> Option<Box<Self>> {
        let mut asked = Self::default();
        for (name, member) in members {
            let text = &body[member.value.clone()];
            match (member.kind, *name) {
                (Kind::Number, _) => asked.tell_number(name, text),
                (Kind::String, "gen_ai.request.encoding_formats") if text.len() <= MAX_VALUE => {
                    if let Some(format) = json::unquote(text) {
                        asked.tell(name, vec![format].into());
                    }
                }
                _ => (),
            }
        }
        (!asked.0.is_empty()).then(|| Box::new(asked))
    }

    /// What only spans tell: how many choices, from how many tokens each is drawn, and in what form they are wanted.
    #[must_use]
    pub fn aside(body: &[u8]) -> Option<Box<Self>> {
        let mut asked = Self::default();
        let scanned = json::scan_object(body, |name, member| {
            let text = &body[member.value];
            match (name, member.kind) {
                ("n", Kind::Number) => asked.tell_number("gen_ai.request.choice.count", text),
                ("top_k", Kind::Number) => asked.tell_number("gen_ai.request.top_k", text),
                ("response_format", Kind::Object) => asked.tell_form(inner(text, "type")),
                ("text", Kind::Object) => {
                    asked.tell_form(inner(text, "format").and_then(|format| inner(format, "type")))
                }
                _ => (),
            }
        });
        // one choice is what everyone gets who does not say how many
        asked.0.retain(|(name, value)| *name != "gen_ai.request.choice.count" || *value != 1);
        (scanned.is_ok() && !asked.0.is_empty()).then(|| Box::new(asked))
    }

    fn tell_number(&mut self, name: &'static str, text: &[u8]) {
        if text.len() <= MAX_VALUE
            && let Ok(number @ Value::Number(_)) = serde_json::from_slice(text)
        {
            self.tell(name, number);
        }
    }

    fn tell_form(&mut self, kind: Option<&[u8]>) {
        match kind {
            Some(br#""json_object""# | br#""json_schema""#) => self.tell("gen_ai.output.type", "json".into()),
            Some(br#""text""#) => self.tell("gen_ai.output.type", "text".into()),
            _ => (),
        }
    }

    /// Of two with the same name the first counts.
    fn tell(&mut self, name: &'static str, value: Value) {
        if self.0.iter().all(|(known, _)| *known != name) {
            self.0.push((name, value));
        }
    }

    /// Each with its name.
    pub fn each(&self) -> impl Iterator<Item = (&'static str, &Value)> {
        self.0.iter().map(|(name, value)| (*name, value))
    }
}

/// The text of the first member of that name.
fn inner<'b>(object: &'b [u8], name: &str) -> Option<&'b [u8]> {
    let mut found = None;
    json::scan_object(object, |known, member| {
        if known == name {
            found.get_or_insert(member.value);
        }
    })
    .ok()?;
    found.map(|span| &object[span])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edit::Prompt;

    #[test]
    fn aside_is_told_how_many_choices_are_wanted_and_in_what_form() {
        let aside = |body: &str| {
            let asked = Asked::aside(body.as_bytes()).unwrap_or_default();
            asked.each().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>()
        };
        let body = r#"{"n":3,"top_k":40,"response_format":{"type":"json_schema","json_schema":{}},"stop":["secret"]}"#;
        let expected = ["gen_ai.request.choice.count=3", "gen_ai.request.top_k=40", "gen_ai.output.type=\"json\""];
        assert_eq!(aside(body), expected);
        assert_eq!(aside(r#"{"text":{"format":{"type":"text"}}}"#), ["gen_ai.output.type=\"text\""]);
        let twice =
            r#"{"n":2,"n":3,"top_k":1e400,"text":{"format":{"type":"text"}},"response_format":{"type":"json_object"}}"#;
        assert_eq!(aside(twice), ["gen_ai.request.choice.count=2", "gen_ai.output.type=\"text\""]);
        assert_eq!(aside(&format!(r#"{{"top_k":{}}}"#, "9".repeat(MAX_VALUE + 1))), [""; 0]);
        assert_eq!(aside(r#"{"n":1,"top_k":"x","response_format":{"type":"mine"},"text":"a"}"#), [""; 0]);
    }

    #[test]
    fn parameters_are_told_by_the_names_of_the_log_and_texts_never() {
        let body = r#"{"temperature":0.2,"max_completion_tokens":64,"max_tokens":"many","seed":7,"top_p":null,
            "encoding_format":"float","dimensions":"a name","user":"somebody","frequency_penalty":-1.5}"#;
        let prompt = Prompt::read(body.into()).unwrap();
        let told: Vec<_> = prompt.asked.unwrap().each().map(|(name, value)| format!("{name}={value}")).collect();
        let expected = [
            "gen_ai.request.temperature=0.2",
            "gen_ai.request.max_tokens=64",
            "gen_ai.request.seed=7",
            "gen_ai.request.encoding_formats=[\"float\"]",
            "gen_ai.request.frequency_penalty=-1.5",
        ];
        assert_eq!(told, expected);
        assert!(Prompt::read("{\"model\":\"m\"}".into()).unwrap().asked.is_none());
    }
}
