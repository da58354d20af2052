//! The `models` key: which models a provider has, and what is known of each.
//!
//! Owns their YAML shape, a name alone or a map. Refuses to make up limits: what is left out is not limited.

use serde::de::{Deserializer, MapAccess, Visitor, value::MapAccessDeserializer};
use serde::{Deserialize, de};

use super::Provider;

/// One model of a provider.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Model {
    /// What requests call it.
    pub id: String,
    /// Whose it is; default `system`.
    #[serde(default)]
    pub owned_by: Option<String>,
    /// The Unix time of its making; default the beginning of 2026, or that of all answers where it is earlier.
    #[serde(default)]
    pub created: Option<u64>,
    /// How many tokens prompt and answer may have together.
    #[serde(default)]
    pub context_window: Option<u64>,
    /// How many tokens an answer may have.
    #[serde(default)]
    pub max_output: Option<u64>,
    /// What it can be asked for; anything when left out.
    #[serde(default)]
    pub kind: Option<ModelKind>,
}

/// What a model is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ModelKind {
    /// Text: chat, completions, responses, messages.
    Chat,
    /// Vectors.
    Embedding,
    /// Verdicts.
    Moderation,
}

/// How the names begin of models that are nowhere, also where the script lists none.
const MISSING: &str = "no-such-model";

impl Provider {
    /// Whether requests that name this model are refused.
    pub fn lacks(&self, id: &str) -> bool {
        match &self.models {
            Some(_) => self.model(id).is_none(),
            None => id.starts_with(MISSING),
        }
    }

    /// The listed model of this name; none also where the script lists no models at all.
    pub fn model(&self, id: &str) -> Option<&Model> {
        self.models.as_ref()?.iter().find(|model| model.id == id)
    }
}

/// Reads a list whose entries may be names alone.
pub(super) fn list<'de, D: Deserializer<'de>>(reader: D) -> Result<Option<Vec<Model>>, D::Error> {
    let named = Option::<Vec<Named>>::deserialize(reader)?;
    Ok(named.map(|models| models.into_iter().map(|named| named.0).collect()))
}

/// A model as it stands in the list.
pub(super) struct Named(Model);

impl<'de> Deserialize<'de> for Named {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        struct NamedVisitor;
        impl<'de> Visitor<'de> for NamedVisitor {
            type Value = Named;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("the name of a model, or a map with its `id`")
            }
            fn visit_str<E: de::Error>(self, id: &str) -> Result<Named, E> {
                Ok(Named(Model { id: id.to_owned(), ..Model::default() }))
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Named, A::Error> {
                Model::deserialize(MapAccessDeserializer::new(map)).map(Named)
            }
        }
        reader.deserialize_any(NamedVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_list_only_those_models_are_missing_that_say_so() {
        let provider: Provider = serde_saphyr::from_str("{}").expect("well-formed");
        assert!(provider.lacks("no-such-model") && provider.lacks("no-such-model-4d6f"));
        assert!(!provider.lacks("gpt-4o") && !provider.lacks("") && !provider.lacks("org/no-such-model"));
        let listed: Provider = serde_saphyr::from_str("{models: [no-such-model-but-this]}").expect("well-formed");
        assert!(!listed.lacks("no-such-model-but-this"));
    }

    #[test]
    fn a_model_is_a_name_or_a_map_with_an_id() {
        let script = "{models: [m-1, {id: m-2, kind: embedding, context_window: 8192}]}";
        let provider: Provider = serde_saphyr::from_str(script).expect("well-formed");
        assert_eq!(provider.model("m-1").map(|model| model.kind), Some(None));
        let second = provider.model("m-2").expect("listed");
        assert_eq!((second.kind, second.context_window), (Some(ModelKind::Embedding), Some(8192)));
        assert_eq!(provider.model("m-3"), None);
        assert!(provider.lacks("m-3") && !provider.lacks("m-1"));
        for (wrong, why) in [("{models: [{kind: chat}]}", "id"), ("{models: [{id: a, window: 3}]}", "window")] {
            let error = serde_saphyr::from_str::<Provider>(wrong).expect_err("refused").to_string();
            assert!(error.contains(why), "{error}");
        }
    }
}
