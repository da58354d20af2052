//! The `states` keys: machines that all providers of a process share.
//!
//! Owns their YAML shape and what makes a machine whole. Refuses to run them; that is `states`'.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use serde::de::{self, Deserializer};

use super::{Fault, duration};

/// One state machine.
#[derive(Debug, Clone, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Machine {
    /// Where it begins, and begins anew.
    pub initial: String,
    /// Its states by name.
    pub states: BTreeMap<String, MachineState>,
    /// When it changes by itself, counted from the start or the last reset.
    #[serde(default)]
    pub schedule: Vec<Transition>,
}

/// What holds in one state.
#[derive(Debug, Clone, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct MachineState {
    /// What goes wrong at every provider meanwhile; at most one of them and of the provider's own for each request.
    pub faults: Vec<Fault>,
}

/// One change that comes by itself.
#[derive(Debug, Clone, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Transition {
    /// When.
    #[serde(deserialize_with = "duration::deserialize")]
    #[cfg_attr(feature = "schema", schemars(with = "super::schema::Time"))]
    pub at: Duration,
    /// The new state.
    pub to: String,
}

/// Reads machines, and refuses those that begin or go where there is no state.
pub(super) fn machines<'de, D: Deserializer<'de>>(reader: D) -> Result<BTreeMap<String, Machine>, D::Error> {
    let machines = BTreeMap::<String, Machine>::deserialize(reader)?;
    for (name, machine) in &machines {
        let goals = machine.schedule.iter().map(|transition| ("a scheduled change goes to", &transition.to));
        for (what, state) in [("it begins in", &machine.initial)].into_iter().chain(goals) {
            if !machine.states.contains_key(state) {
                let known: Vec<&str> = machine.states.keys().map(String::as_str).collect();
                let known = known.join(", ");
                let problem = format!("state machine `{name}`: {what} `{state}`, but its states are: {known}");
                return Err(de::Error::custom(problem));
            }
        }
    }
    Ok(machines)
}
