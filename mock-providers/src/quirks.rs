//! Quirks: in what other providers differ from OpenAI, as named switches that are always on.
//!
//! Owns the names, the fault keys that each stands for, the profiles that bundle them, and their reading from scripts.
//! Refuses to own effects: those are the keys' own. The ids (D01…) are those of the catalogue of known deviations.

mod judge;
mod table;

#[cfg(feature = "schema")]
use std::borrow::Cow;

use serde::Deserialize;
use serde::de::{self, Deserializer};
use serde_json::{Map, Value};

use crate::rules::Mishap;
use crate::script::{Fault, Stage};

pub(crate) use judge::{Judged, judge};
pub use table::{all, profiles};

/// One way in which a provider differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quirk {
    /// What scripts call it.
    pub name: &'static str,
    /// Which known deviations it is.
    pub deviations: &'static [&'static str],
    /// The fault keys that it stands for, as JSON.
    pub keys: &'static str,
    /// Which other deviations come with it.
    pub implies: &'static [&'static str],
    /// What is different.
    pub text: &'static str,
}

/// The quirks of one provider, as a bundle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Profile {
    /// What scripts call it.
    pub name: &'static str,
    /// The names of its quirks.
    pub quirks: &'static [&'static str],
}

/// The quirks of a provider in a script: their names, and the fault that they make together.
#[derive(Debug, Clone, Default)]
pub struct Quirks {
    names: Vec<String>,
    fault: Option<Box<Fault>>,
}

/// A name that is neither a profile nor a quirk nor a switch of the fault catalogue.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{name}` is neither a profile nor a quirk{}: name a profile such as vllm or a switch such as index_missing",
    hint(.close)
)]
pub struct UnknownQuirk {
    /// The name.
    pub name: String,
    /// The nearest that exists.
    pub close: Option<&'static str>,
}

fn hint(close: &Option<&'static str>) -> String {
    close.map(|close| format!("; did you mean `{close}`?")).unwrap_or_default()
}

impl Quirks {
    /// The quirks of these names: profiles, quirks, or fault keys that are `true` or left out.
    pub fn named<S: Into<String>>(names: impl IntoIterator<Item = S>) -> Result<Self, UnknownQuirk> {
        let names: Vec<String> = names.into_iter().map(Into::into).collect();
        let mut keys = Map::new();
        for name in &names {
            for own in keys_of(name)? {
                merge(&mut keys, own);
            }
        }
        let fault = reader::from(Value::from(keys)).expect("the keys of quirks are those of faults; a test reads all");
        Ok(Self { fault: (!names.is_empty()).then_some(fault), names })
    }

    /// As the script has them.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// What they do together.
    pub fn fault(&self) -> Option<&Fault> {
        self.fault.as_deref()
    }

    /// Lays them under what goes wrong by itself.
    pub(crate) fn under<'a>(&'a self, fired: Option<&'a Fault>) -> Option<Mishap<'a>> {
        let (Some(own), fired) = (self.fault(), fired.filter(|fired| !fired.names().is_empty())) else {
            return fired.map(Mishap::Scripted);
        };
        let mut both = Mishap::Scripted(own);
        if let Some(fired) = fired {
            both.overlay(fired);
        }
        Some(both)
    }

    /// A quirk that does not concern an answer is nothing to report; a fault that was scripted for it is.
    pub(crate) fn excuse(&self, not_applicable: &mut Vec<&'static str>, fired: Option<&Fault>) {
        if self.fault.is_some() {
            let scripted = fired.map_or_else(Vec::new, Fault::names);
            not_applicable.retain(|name| scripted.contains(name));
        }
    }
}

/// The fault keys of a name, for each of the quirks that it stands for.
fn keys_of(name: &str) -> Result<Vec<Map<String, Value>>, UnknownQuirk> {
    if let Some(profile) = profiles().iter().find(|profile| profile.name == name) {
        return profile
            .quirks
            .iter()
            .map(|quirk| keys_of(quirk))
            .collect::<Result<Vec<_>, _>>()
            .map(|all| all.concat());
    }
    if let Some(quirk) = all().iter().find(|quirk| quirk.name == name) {
        return Ok(vec![serde_json::from_str(quirk.keys).expect("the keys of quirks are JSON; a test reads all")]);
    }
    if switches().any(|switch| switch == name) {
        return Ok(vec![Map::from_iter([(name.to_owned(), true.into())])]);
    }
    let known = profiles().iter().map(|profile| profile.name);
    let known = known.chain(all().iter().map(|quirk| quirk.name)).chain(switches());
    let close = known.map(|known| (strsim::damerau_levenshtein(known, name), known)).min();
    let near = |(distance, _): &(usize, &str)| *distance <= 1 + name.len() / 4;
    Err(UnknownQuirk { name: name.to_owned(), close: close.filter(near).map(|(_, known)| known) })
}

/// The fault keys that are `true` or left out and concern what an answer says.
fn switches() -> impl Iterator<Item = &'static str> {
    let concerned = |stage: Stage| matches!(stage, Stage::Body | Stage::Content | Stage::Semantic);
    let own = Fault::CATALOGUE.iter().filter(move |(_, stage)| concerned(*stage));
    own.map(|(name, _)| *name).filter(|name| {
        let keys = Map::from_iter([((*name).to_owned(), true.into())]);
        reader::from::<Fault, _>(Value::from(keys)).is_ok()
    })
}

/// Lists add up, maps merge, and of anything else the last counts.
fn merge(keys: &mut Map<String, Value>, more: Map<String, Value>) {
    for (name, value) in more {
        match (keys.get_mut(&name), value) {
            (Some(Value::Array(list)), Value::Array(more)) => list.extend(more),
            (Some(Value::Object(fields)), Value::Object(more)) => merge(fields, more),
            (_, value) => {
                keys.insert(name, value);
            }
        }
    }
}

impl<'de> Deserialize<'de> for Quirks {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        Self::named(Vec::<String>::deserialize(reader)?).map_err(de::Error::custom)
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Quirks {
    fn schema_name() -> Cow<'static, str> {
        "Quirks".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let names = profiles().iter().map(|profile| profile.name).chain(all().iter().map(|quirk| quirk.name));
        let mut names: Vec<&str> = names.chain(switches()).collect();
        names.sort_unstable();
        names.dedup();
        schemars::json_schema!({
            "description": "In what the provider differs from OpenAI, always: profiles and switches by name.",
            "type": "array",
            "items": { "enum": names },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_quirk_and_every_profile_can_be_read() {
        for quirk in all() {
            let quirks = Quirks::named([quirk.name]).expect("known");
            assert!(!quirks.fault().expect("given").names().is_empty(), "{}", quirk.name);
            assert!(!quirk.deviations.is_empty() && !quirk.text.is_empty(), "{}", quirk.name);
        }
        for profile in profiles() {
            Quirks::named([profile.name]).unwrap_or_else(|error| panic!("{}: {error}", profile.name));
        }
    }

    #[test]
    fn every_known_deviation_has_a_quirk_and_names_are_unique() {
        let mut names: Vec<_> = all().iter().map(|quirk| quirk.name).collect();
        names.extend(profiles().iter().map(|profile| profile.name));
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
        for number in 1..=45 {
            let id = format!("D{number:02}");
            assert!(all().iter().any(|quirk| quirk.deviations.contains(&id.as_str())), "{id}");
        }
    }

    #[test]
    fn an_unknown_name_is_refused_with_the_nearest_that_exists() {
        let error = Quirks::named(["index_mising"]).expect_err("unknown").to_string();
        assert!(error.contains("did you mean `index_missing`?"), "{error}");
        let error = Quirks::named(["vlm"]).expect_err("unknown");
        assert_eq!(error.close, Some("vllm"));
        assert_eq!(Quirks::named(["something else altogether"]).expect_err("unknown").close, None);
        assert!(Quirks::named(["stall"]).is_err(), "what concerns times is no quirk");
    }

    #[test]
    fn quirks_add_up_and_lie_under_what_is_scripted() {
        let quirks = Quirks::named(["dimensions_ignored", "encoding_format_ignored", "crlf"]).expect("known");
        let fired = Fault { ignored_fields: vec!["n".to_owned()], ..Fault::default() };
        let both = quirks.under(None).expect("quirks are given");
        assert_eq!((both.ignored_fields.len(), both.crlf), (2, true));
        let both = quirks.under(Some(&fired)).expect("quirks are given");
        assert_eq!(both.ignored_fields, ["n"]);
    }
}
