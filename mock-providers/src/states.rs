//! The state machines of a process, as they are now.
//!
//! Owns the time since the start or the last reset, and the state of each machine at that time. Everything is worked out
//! when it is asked for: there are no timers. Refuses to know providers.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use thiserror::Error;

use crate::rules::Entry;
use crate::script::{Fault, Machine};

/// Why a machine cannot go where it is sent.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum StateError {
    /// There is none of that name.
    #[error("there is no state machine `{machine}`; there are: {known}")]
    UnknownMachine {
        /// The name.
        machine: String,
        /// Those that there are.
        known: String,
    },
    /// It has no such state.
    #[error("state machine `{machine}` has no state `{state}`; it has: {known}")]
    UnknownState {
        /// The machine.
        machine: String,
        /// The state.
        state: String,
        /// Those that it has.
        known: String,
    },
}

/// The state machines that providers share, and the time that their scripts count.
pub struct States {
    machines: BTreeMap<String, Running>,
    now: Mutex<Now>,
}

/// A machine and the counters of its faults.
struct Running {
    script: Machine,
    faults: BTreeMap<String, Vec<Entry>>,
}

/// The time of the scripts and the states of all machines, at once.
#[derive(Default)]
pub(crate) struct Moment {
    pub(crate) elapsed: Duration,
    states: BTreeMap<String, String>,
}

impl Moment {
    pub(crate) fn state(&self, machine: &str) -> Option<&str> {
        self.states.get(machine).map(String::as_str)
    }

    /// Whether each of these machines is in the state beside it.
    pub(crate) fn has(&self, wanted: &BTreeMap<String, String>) -> bool {
        wanted.iter().all(|(machine, state)| self.state(machine) == Some(state))
    }
}

struct Now {
    /// Zero of the scripts' time.
    began: Instant,
    /// By how much the time was put forward.
    advanced: Duration,
    /// Where machines were sent, and when.
    sent: BTreeMap<String, (Duration, String)>,
}

impl Now {
    fn new() -> Self {
        Self { began: Instant::now(), advanced: Duration::ZERO, sent: BTreeMap::new() }
    }

    fn elapsed(&self) -> Duration {
        self.began.elapsed().saturating_add(self.advanced)
    }
}

impl Default for States {
    fn default() -> Self {
        Self::new(&BTreeMap::new())
    }
}

impl States {
    /// The machines of a configuration; their time begins now.
    pub fn new(machines: &BTreeMap<String, Machine>) -> Self {
        let entries = |faults: &[Fault]| faults.iter().cloned().map(Entry::new).collect();
        let running = |script: &Machine| Running {
            script: script.clone(),
            faults: script.states.iter().map(|(name, state)| (name.clone(), entries(&state.faults))).collect(),
        };
        let machines = machines.iter().map(|(name, script)| (name.clone(), running(script))).collect();
        Self { machines, now: Mutex::new(Now::new()) }
    }

    fn now(&self) -> MutexGuard<'_, Now> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How long it is since the start or the last reset.
    pub fn elapsed(&self) -> Duration {
        self.now().elapsed()
    }

    /// Puts the time of the scripts forward.
    pub fn advance(&self, by: Duration) {
        let mut now = self.now();
        now.advanced = now.advanced.saturating_add(by);
    }

    /// The state of a machine.
    pub fn get(&self, machine: &str) -> Option<String> {
        let now = self.now();
        self.machines.get(machine).map(|running| running.state(machine, &now).to_owned())
    }

    /// The states of all machines.
    pub fn all(&self) -> BTreeMap<String, String> {
        self.at(&self.now())
    }

    /// Sends a machine to one of its states, where it stays until the schedule's next change.
    pub fn set(&self, machine: &str, state: &str) -> Result<(), StateError> {
        let list = |names: Vec<&String>| names.into_iter().map(String::as_str).collect::<Vec<_>>().join(", ");
        let running = self.machines.get(machine).ok_or_else(|| StateError::UnknownMachine {
            machine: machine.to_owned(),
            known: list(self.machines.keys().collect()),
        })?;
        if !running.script.states.contains_key(state) {
            return Err(StateError::UnknownState {
                machine: machine.to_owned(),
                state: state.to_owned(),
                known: list(running.script.states.keys().collect()),
            });
        }
        let mut now = self.now();
        let elapsed = now.elapsed();
        now.sent.insert(machine.to_owned(), (elapsed, state.to_owned()));
        Ok(())
    }

    /// All machines begin anew, and so do the time and the counts of their faults.
    pub fn reset(&self) {
        *self.now() = Now::new();
        self.all_faults().for_each(Entry::reset);
    }

    /// Time and states as one request sees them, so that all rules and faults look at the same moment.
    pub(crate) fn moment(&self) -> Moment {
        let now = self.now();
        Moment { elapsed: now.elapsed(), states: self.at(&now) }
    }

    fn at(&self, now: &Now) -> BTreeMap<String, String> {
        self.machines.iter().map(|(name, running)| (name.clone(), running.state(name, now).to_owned())).collect()
    }

    /// The faults of the states that hold at this moment, by the names of their machines.
    pub(crate) fn faults<'s, 'm>(&'s self, moment: &'m Moment) -> impl Iterator<Item = &'s Entry> + use<'s, 'm> {
        let at = move |(name, state): (&String, &String)| self.machines.get(name)?.faults.get(state);
        moment.states.iter().filter_map(at).flatten()
    }

    /// The faults of all states.
    pub(crate) fn all_faults(&self) -> impl Iterator<Item = &Entry> {
        self.machines.values().flat_map(|running| running.faults.values().flatten())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.machines.is_empty()
    }
}

impl Running {
    /// The later of the last scheduled change and the last order.
    fn state<'s>(&'s self, name: &str, now: &'s Now) -> &'s str {
        let elapsed = now.elapsed();
        let due = self.script.schedule.iter().filter(|change| change.at <= elapsed).max_by_key(|change| change.at);
        match (due, now.sent.get(name)) {
            (Some(due), Some((at, _))) if due.at > *at => &due.to,
            (_, Some((_, state))) => state,
            (Some(due), None) => &due.to,
            (None, None) => &self.script.initial,
        }
    }
}

impl fmt::Debug for States {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("States").field(&self.all()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::{MachineState, Transition};

    fn outage() -> States {
        let change = |at, to: &str| Transition { at: Duration::from_secs(at), to: to.to_owned() };
        let machine = Machine {
            initial: "up".to_owned(),
            states: ["up", "down", "slow"].map(|name| (name.to_owned(), MachineState::default())).into(),
            schedule: vec![change(3600, "down"), change(7200, "up")],
        };
        States::new(&[("outage".to_owned(), machine)].into())
    }

    #[test]
    fn a_machine_follows_its_schedule_and_the_last_order_before_it() {
        let states = outage();
        assert_eq!(states.get("outage").as_deref(), Some("up"));
        states.set("outage", "slow").expect("a known state");
        assert_eq!(states.get("outage").as_deref(), Some("slow"));
        states.advance(Duration::from_secs(3600));
        assert_eq!(states.get("outage").as_deref(), Some("down"));
        states.set("outage", "slow").expect("a known state");
        assert_eq!(states.get("outage").as_deref(), Some("slow"));
        states.advance(Duration::from_secs(3600));
        assert_eq!(states.get("outage").as_deref(), Some("up"));
        states.set("outage", "down").expect("a known state");
        states.reset();
        assert_eq!(states.get("outage").as_deref(), Some("up"));
    }

    #[test]
    fn an_order_that_cannot_be_followed_names_what_can() {
        let states = outage();
        let unknown = states.set("outrage", "up").expect_err("no such machine").to_string();
        assert!(unknown.contains("`outrage`") && unknown.contains("there are: outage"), "{unknown}");
        let unknown = states.set("outage", "dwn").expect_err("no such state").to_string();
        assert!(unknown.contains("`dwn`") && unknown.contains("down, slow, up"), "{unknown}");
    }
}
