//! Findings about faults: which of them never happen, and which change nothing where they do.
//!
//! Owns the sums of probabilities and the counts of triggers. Refuses to judge what a fault does to an answer.

use super::Findings;
use super::implies::{excludes, implies, impossible};
use crate::script::{Fault, Glob, When};

/// Paths whose answers have neither streams nor choices.
const PLAIN: &[&str] = &["*/embeddings", "*/moderations", "*/models", "*/models/*"];

/// Keys that change nothing but events.
pub(super) const OF_STREAMS: &[&str] = &[
    "missing_done",
    "double_done",
    "data_after_done",
    "duplicate_chunk",
    "reorder",
    "empty_deltas",
    "comment_keepalive",
    "data_keepalive",
    "retry_frame",
    "event_frame",
    "empty_data_frame",
    "id_lines",
    "no_space",
    "crlf",
    "cr",
    "no_final_blank_line",
];

/// Keys that change nothing but texts and choices.
pub(super) const OF_MODELS: &[&str] =
    &["refuse", "content_filter", "length_cut", "ignore_max_tokens", "ignore_stop", "ignore_n"];

impl Findings<'_> {
    /// A list, of which at most one happens at a time.
    pub(super) fn fault_list(&mut self, place: &str, faults: &[Fault]) {
        for (index, fault) in faults.iter().enumerate() {
            let at = format!("{place}[{index}]");
            self.fault(&at, fault, &When::default());
            let before: f64 = faults[..index].iter().filter(|first| covers(first, fault)).map(likelihood).sum();
            if before >= 1.0 {
                let why = "one of those before it always happens when its triggers hold, and at most one does";
                self.error(&at, "the fault never happens", why, "put it first, or give the others a `probability`");
            } else if before + likelihood(fault) > 1.0 && fault.probability.is_some() {
                let sum = before + likelihood(fault);
                let why = format!("with those before it the probabilities add up to {sum:.3}, and one roll is for all");
                self.warning(&at, "the fault happens less often than it says", why, "keep the sum at 1 or below");
            }
        }
    }

    /// One fault; `context` is what holds for every request that it may happen to.
    pub(super) fn fault(&mut self, at: &str, fault: &Fault, context: &When) {
        let never = "the fault never happens";
        if fault.names().is_empty() {
            self.warning(at, "the fault does nothing", "it says when, but not what", "add a key such as `status: 503`");
        }
        if fault.probability == Some(0.0) {
            self.error(at, never, "its probability is 0", "remove it");
        }
        if fault.times == Some(0) {
            self.error(at, never, "it may happen 0 times", "remove it");
        }
        if fault.during.is_some_and(|during| during.to.is_some_and(|to| to <= during.from)) {
            self.error(at, never, "`during` ends before it begins", "swap `from` and `to`");
        }
        if !countable(fault) {
            let why = "no number satisfies its `first`, `after`, `every` and `nth` together; they count from 1";
            self.error(at, never, why, "remove one of them");
        }
        self.states(at, &fault.state);
        let own = fault.when.as_deref();
        own.into_iter().for_each(|when| self.states_of(&format!("{at}.when"), when));
        let state = When { state: fault.state.clone(), ..When::default() };
        if own.is_some_and(impossible) {
            self.error(&format!("{at}.when"), never, "its conditions contradict each other", "remove one of them");
        } else if own.into_iter().chain([&state]).any(|when| excludes(when, context)) {
            self.error(at, never, "its triggers contradict the `when` of its rule", "remove the `when` of one of them");
        }
        self.inapplicable(at, fault, context);
    }

    /// The fault of a rule or a step, with what comes too early for rules.
    pub(super) fn fault_of_rule(&mut self, at: &str, fault: &Fault, context: &When) {
        for name in fault.early_names() {
            let why = "it is decided before the request is whole, and only then is a rule chosen";
            self.warning(at, format!("`{name}` never happens here"), why, "move it to the `faults` of the provider");
        }
        self.fault(at, fault, context);
    }

    /// Keys that find nothing to change in the answers that the fault may happen to.
    fn inapplicable(&mut self, at: &str, fault: &Fault, context: &When) {
        let looks =
            |test: &dyn Fn(&When) -> bool| [Some(context), fault.when.as_deref()].into_iter().flatten().any(test);
        let plain = looks(&|when| PLAIN.iter().any(|path| implies(when, &of_path(path))));
        let whole = plain || looks(&|when| when.stream == Some(false));
        for name in fault.names() {
            let why = match name {
                _ if whole && OF_STREAMS.contains(&name) => "it changes the events of a stream, and there is none",
                _ if plain && OF_MODELS.contains(&name) => "it changes what a model says, and no model speaks",
                _ => continue,
            };
            self.warning(at, format!("`{name}` finds nothing to change"), why, "remove it, or widen the `when`");
        }
    }
}

fn of_path(path: &str) -> When {
    When { path: Some(Glob(path.to_owned())), ..When::default() }
}

fn likelihood(fault: &Fault) -> f64 {
    fault.probability.unwrap_or(1.0)
}

/// Whether the first takes part in the roll wherever the second does.
fn covers(first: &Fault, second: &Fault) -> bool {
    let Fault { times, first: only_first, after, every, nth, during, state, when, .. } = first;
    let counts = times.or(*only_first).or(*after).or(*every).is_some() || !nth.0.is_empty() || during.is_some();
    let everything = When::default();
    let theirs = second.when.as_deref().unwrap_or(&everything);
    !counts
        && state.iter().all(|(machine, name)| second.state.get(machine) == Some(name))
        && when.as_deref().is_none_or(|own| implies(theirs, own))
}

/// Whether there is a number that all counting triggers let through.
fn countable(fault: &Fault) -> bool {
    let Fault { first, after, every, nth, .. } = fault;
    let (least, most, step) = (after.unwrap_or(0), first.unwrap_or(u64::MAX), every.unwrap_or(1));
    let Some(next) = least.checked_div(step).and_then(|times| times.checked_add(1)?.checked_mul(step)) else {
        return false;
    };
    let fits = |count: u64| count > least && count <= most && count.is_multiple_of(step);
    if nth.0.is_empty() { next <= most } else { nth.0.iter().any(|count| fits(*count)) }
}
