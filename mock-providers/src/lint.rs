//! What in a configuration can never have the effect that it seems to have.
//!
//! Owns the findings of `windtunnel mock --lint`. Says "unreachable" only where that is certain: what it cannot decide it
//! leaves alone. Refuses to change anything; what is no valid script at all is an error of the reader already.

mod fault;
mod implies;
mod rule;
mod texts;

use std::collections::BTreeMap;

use serde::Serialize;

use crate::script::{Config, Machine, Provider};

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Something can never happen, or names what there is not.
    Error,
    /// Something is probably not what was meant.
    Warning,
}

/// One thing that is not as it seems.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// A path such as `providers.a.rules[2].when`.
    #[serde(rename = "where")]
    pub place: String,
    /// What is found.
    pub what: String,
    /// Why it is so.
    pub why: String,
    /// What to try.
    pub hint: String,
}

/// Looks at all of a configuration.
pub fn lint(config: &Config) -> Vec<Finding> {
    let mut found = Findings { list: Vec::new(), machines: &config.states };
    for (name, provider) in &config.providers {
        found.provider(&format!("providers.{name}"), provider);
    }
    for (name, machine) in &config.states {
        found.machine(&format!("states.{name}"), machine);
    }
    found.list
}

/// What was found, and what names may be used.
struct Findings<'c> {
    list: Vec<Finding>,
    machines: &'c BTreeMap<String, Machine>,
}

impl Findings<'_> {
    fn add(&mut self, severity: Severity, place: &str, what: impl Into<String>, why: impl Into<String>, hint: &str) {
        let (place, what, why, hint) = (place.to_owned(), what.into(), why.into(), hint.to_owned());
        self.list.push(Finding { severity, place, what, why, hint });
    }

    fn error(&mut self, place: &str, what: impl Into<String>, why: impl Into<String>, hint: &str) {
        self.add(Severity::Error, place, what, why, hint);
    }

    fn warning(&mut self, place: &str, what: impl Into<String>, why: impl Into<String>, hint: &str) {
        self.add(Severity::Warning, place, what, why, hint);
    }

    fn provider(&mut self, place: &str, provider: &Provider) {
        self.rules(place, provider);
        self.fault_list(&format!("{place}.faults"), &provider.faults);
        let ids: Vec<&str> = provider.models.iter().flatten().map(|model| model.id.as_str()).collect();
        for (index, id) in ids.iter().enumerate().filter(|(index, id)| ids[..*index].contains(id)) {
            let at = format!("{place}.models[{index}]");
            self.warning(&at, format!("the model `{id}` is listed twice"), "the first entry counts", "remove one");
        }
    }

    fn machine(&mut self, place: &str, machine: &Machine) {
        for (name, state) in &machine.states {
            self.fault_list(&format!("{place}.states.{name}.faults"), &state.faults);
        }
        for (index, pair) in machine.schedule.windows(2).enumerate() {
            if pair[1].at <= pair[0].at {
                let why = format!("it comes at {:?}, after a change that comes at {:?}", pair[1].at, pair[0].at);
                let hint = "write changes in the order of their times";
                self.warning(&format!("{place}.schedule[{}]", index + 1), "the schedule is not ascending", why, hint);
            }
        }
    }

    /// Machines and states must be there.
    fn states(&mut self, place: &str, states: &BTreeMap<String, String>) {
        let list = |names: Vec<&String>| match names.is_empty() {
            true => "there is none".to_owned(),
            false => format!("there are: {}", names.into_iter().map(String::as_str).collect::<Vec<_>>().join(", ")),
        };
        for (name, state) in states {
            let (what, why) = match self.machines.get(name) {
                None => (format!("unknown state machine `{name}`"), list(self.machines.keys().collect())),
                Some(machine) if !machine.states.contains_key(state) => {
                    (format!("unknown state `{state}` of `{name}`"), list(machine.states.keys().collect()))
                }
                Some(_) => continue,
            };
            self.error(place, what, why, "correct the name, or add it under `states` at the top");
        }
    }
}

#[cfg(test)]
mod tests;
