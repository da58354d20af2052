//! What a request says about how it is to be answered: parameters that the log tells where they were sent.
//! Numbers, and the name of an encoding; texts of people are not among them.

use serde_json::Value;

use crate::json::{Kind, Member};

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
            let fits = matches!(member.kind, Kind::Number | Kind::String) && text.len() <= MAX_VALUE;
            if !fits || asked.0.iter().any(|(known, _)| known == name) {
                continue;
            }
            match (serde_json::from_slice(text), *name) {
                (Ok(Value::String(format)), "gen_ai.request.encoding_formats") => {
                    asked.0.push((name, vec![format].into()))
                }
                (Ok(number @ Value::Number(_)), _) => asked.0.push((name, number)),
                _ => (),
            }
        }
        (!asked.0.is_empty()).then(|| Box::new(asked))
    }

    /// Each with its name.
    pub fn each(&self) -> impl Iterator<Item = (&'static str, &Value)> {
        self.0.iter().map(|(name, value)| (*name, value))
    }
}

#[cfg(test)]
mod tests {
    use crate::edit::Prompt;

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
