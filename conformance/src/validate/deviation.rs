//! The known deviations: what each means to clients, and what works around it. What they are, and which come with
//! which, says the mock's own table of quirks, so that validator and mock cannot drift apart.

mod table;

use std::collections::HashSet;

use mock_providers::quirks::{self, Quirk, UnknownQuirk};

/// A known deviation.
#[derive(Debug, Clone, Copy)]
pub struct Deviation {
    /// The quirk of a mock that is like it.
    pub quirk: &'static Quirk,
    /// What it means to clients.
    pub means: &'static str,
    /// What works around it.
    pub workaround: &'static str,
}

impl Deviation {
    /// By the name of its quirk.
    pub fn of(name: &str) -> Option<Deviation> {
        let quirk = quirks::all().iter().find(|quirk| quirk.name == name)?;
        let (_, means, workaround) = table::MEANINGS.iter().find(|(known, ..)| *known == name)?;
        Some(Deviation { quirk, means, workaround })
    }

    /// Its ids in the catalogue: `D21 D39`.
    pub fn ids(&self) -> String {
        self.quirk.deviations.join(" ")
    }
}

/// Quirks that were announced.
#[derive(Debug, Clone, Default)]
pub struct Expected {
    /// The quirks by name, profiles taken apart.
    pub names: Vec<&'static str>,
    /// What else comes with them.
    implied: Vec<&'static str>,
}

impl Expected {
    /// Of names of profiles and quirks.
    pub fn of<S: AsRef<str>>(names: &[S]) -> Result<Expected, UnknownQuirk> {
        let mut expected = Expected::default();
        for name in names.iter().map(AsRef::as_ref) {
            let profile = quirks::profiles().iter().find(|profile| profile.name == name);
            let own = quirks::all().iter().find(|quirk| quirk.name == name).map(|quirk| quirk.name);
            match (profile, own) {
                (Some(profile), _) => expected.names.extend(profile.quirks),
                (None, Some(own)) => expected.names.push(own),
                (None, None) => return Err(unknown(name)),
            }
        }
        let mut seen = HashSet::new();
        expected.names.retain(|name| seen.insert(*name));
        let quirks = quirks::all().iter().filter(|quirk| expected.names.contains(&quirk.name));
        expected.implied = quirks.flat_map(|quirk| quirk.implies).copied().collect();
        Ok(expected)
    }

    /// Whether a quirk was announced, by itself or as a part of another.
    pub fn knows(&self, quirk: &str) -> bool {
        let implied = || {
            Deviation::of(quirk)
                .is_some_and(|deviation| deviation.quirk.deviations.iter().any(|id| self.implied.contains(id)))
        };
        self.names.contains(&quirk) || implied()
    }
}

fn unknown(name: &str) -> UnknownQuirk {
    let known =
        quirks::profiles().iter().map(|profile| profile.name).chain(quirks::all().iter().map(|quirk| quirk.name));
    UnknownQuirk { name: name.to_owned(), close: gateway::yaml::did_you_mean(name, known) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_announces_its_quirks_and_a_quirk_what_it_implies() {
        let expected = Expected::of(&["gemini-openai", "finish_camel_case"]).expect("known");
        assert!(expected.knows("array_error") && expected.knows("finish_camel_case"));
        assert!(expected.knows("finish_key_missing"), "D07 comes with it");
        assert!(!expected.knows("n_ignored"));
        let twice = Expected::of(&["n_ignored", "vllm", "n_ignored", "vllm"]).expect("known").names;
        let once: HashSet<_> = twice.iter().collect();
        assert_eq!(once.len(), twice.len(), "{twice:?}");
        assert_eq!(Expected::of(&["vlm"]).expect_err("unknown").close, Some("vllm"));
    }
}
