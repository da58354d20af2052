//! The live script: which rule answers a request, with which of its steps, and what goes wrong.
//!
//! Owns the order of choosing (overrides, rules, faults, states) and its account for the journal. Refuses to change the
//! script it was given: a new script is a new value. What counts requests does so under one lock together with the
//! number of the request, so that equal requests in flight together share out the same answers on any number of threads.

mod check;
mod conversation;
mod draws;
mod early;
mod entry;
mod facts;
mod injected;
mod live;
mod mishap;
mod occurrence;
mod overrides;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::attend::{Attention, Greeting};
use crate::digest::{Random, hash};
use crate::journal::{Draws, RequestRecord};
use crate::limits::Limits;
use crate::openai::{ApiError, Stored};
use crate::request::Request;
use crate::script::{Accept, AcceptStall, Fault, Provider, Respond, Rule, Unmatched};
use crate::states::{Moment, States};

pub(crate) use check::Scene;
pub(crate) use draws::Dice;
use early::Occasion;
pub(crate) use entry::Entry;
pub(crate) use facts::{Facts, canonicalise, query, short};
pub(crate) use injected::Injected;
use live::{LiveRule, Offer};
pub(crate) use mishap::Mishap;
use overrides::{Overrides, refusal};

/// The name of what no rule answers.
const DEFAULT: &str = "default";

/// How many rejected rules the journal names.
const REJECTED: usize = 8;

/// The place of a rule: lower goes first, equal ones in their order.
pub(crate) fn priority(rule: &Rule) -> i64 {
    rule.priority.unwrap_or(5)
}

/// A script and how often its rules have matched; its clones count together.
#[derive(Clone)]
pub(crate) struct Live {
    pub(crate) provider: Provider,
    pub(crate) limits: Option<Arc<Limits>>,
    /// In the order in which they are tried.
    rules: Arc<[LiveRule]>,
    faults: Arc<[Entry]>,
    /// What lies over the faults of script and states.
    injected: Vec<Injected>,
    states: Arc<States>,
    nothing: (Arc<str>, Respond),
    /// What goes wrong where nothing does.
    pub(crate) no_fault: Fault,
    /// Responses that later requests can ask for.
    pub(crate) stored: Arc<Stored>,
    /// Whether rules look at requests.
    selective: bool,
    /// Whether a fault is decided before a request is whole.
    early: bool,
    /// Held while a request is counted.
    order: Arc<Mutex<()>>,
    /// Whether counts matter.
    counts: bool,
    /// Whether anything looks at the time or at a state.
    timely: bool,
    /// The part of [`DEFAULT`] in the key of draws.
    default_key: u64,
    /// Counts connections for `accept`.
    accepted: Arc<AtomicU64>,
}

/// What a request gets.
pub(crate) struct Selected<'a> {
    pub(crate) account: Account<'a>,
    pub(crate) respond: &'a Respond,
    /// What goes wrong with it, all that happens at once laid over each other.
    pub(crate) fault: Option<Mishap<'a>>,
    pub(crate) random: Random,
    /// Why nobody may answer it.
    pub(crate) unanswered: Option<ApiError>,
}

/// What the journal says of a choice.
pub(crate) struct Account<'a> {
    pub(crate) rule: &'a Arc<str>,
    session: Option<String>,
    draws: Draws,
    rejected: Vec<(String, String)>,
    tools_hash: Option<String>,
    system_hash: Option<String>,
}

impl Account<'_> {
    #[cfg(test)]
    pub(crate) fn rule(&self) -> &str {
        self.rule
    }

    /// Puts it down.
    pub(crate) fn enter(self, record: &mut RequestRecord) {
        record.rule = self.rule.clone();
        record.session = self.session;
        record.draws = Some(self.draws);
        record.rejected = self.rejected;
        record.tools_hash = self.tools_hash;
        record.system_hash = self.system_hash;
    }
}

impl Live {
    pub(crate) fn new(mut provider: Provider, states: &Arc<States>) -> Self {
        let mut rules = std::mem::take(&mut provider.rules);
        let selective = !rules.is_empty();
        rules.extend(shorthand(&mut provider));
        let named = |(index, rule): (usize, Rule)| {
            let name = rule.name.as_deref().map_or_else(|| format!("rule-{}", index + 1).into(), Arc::from);
            LiveRule::new(name, rule)
        };
        let mut rules: Vec<LiveRule> = rules.into_iter().enumerate().map(named).collect();
        rules.sort_by_key(|live| priority(&live.rule));
        let faults = std::mem::take(&mut provider.faults).into_iter().map(Entry::new).collect();
        let live = Self {
            limits: provider.limits.clone().map(|limits| Arc::new(Limits::new(limits))),
            provider,
            rules: rules.into(),
            faults,
            injected: Vec::new(),
            states: Arc::clone(states),
            nothing: (DEFAULT.into(), Respond::default()),
            no_fault: Fault::default(),
            selective,
            early: false,
            order: Arc::default(),
            counts: false,
            timely: false,
            default_key: hash(DEFAULT.as_bytes()),
            stored: Arc::default(),
            accepted: Arc::default(),
        };
        live.settled()
    }

    /// One request at a time, where counts matter.
    fn in_order(&self) -> Option<MutexGuard<'_, ()>> {
        self.counts.then(|| self.order.lock().unwrap_or_else(PoisonError::into_inner))
    }

    #[cfg(test)]
    pub(crate) fn rule_count(&self) -> usize {
        self.rules.len()
    }

    /// All counts begin anew.
    pub(crate) fn reset(&self) {
        self.rules.iter().for_each(LiveRule::reset);
        self.faults.iter().for_each(Entry::reset);
    }

    /// What a request gets; one that is not admitted gets what no rule answers. What was decided with its head comes
    /// instead of what the lists of faults would give it now.
    pub(crate) fn select<'l>(
        &'l self,
        dice: &Dice,
        request: &Request<'_>,
        body: &[u8],
        admitted: bool,
        early: Option<&'l Fault>,
    ) -> Selected<'l> {
        let _order = self.in_order();
        let draws = dice.count(request.head, body);
        let facts = Facts::new(request);
        let mut selected = Selected {
            random: dice.random(&draws, self.default_key),
            account: self.account(&facts, draws),
            respond: &self.nothing.1,
            fault: None,
            unanswered: None,
        };
        if admitted && self.is_scripted() {
            let dialect = self.provider.dialect.of(request.head);
            let moment = if self.timely { self.states.moment() } else { Moment::default() };
            let scene = Scene { facts, dialect, moment };
            self.choose(&mut selected, &scene, dice, early);
        }
        selected
    }

    fn is_scripted(&self) -> bool {
        let Provider { allow_overrides, unmatched, .. } = &self.provider;
        let listed = !self.rules.is_empty() || !self.faults.is_empty() || !self.states.is_empty();
        listed || !self.injected.is_empty() || *allow_overrides || *unmatched == Unmatched::Error
    }

    fn account(&self, facts: &Facts<'_>, draws: Draws) -> Account<'_> {
        Account {
            rule: &self.nothing.0,
            session: facts.session().map(str::to_owned),
            draws,
            rejected: Vec::new(),
            tools_hash: self.selective.then(|| facts.tools_hash()).flatten(),
            system_hash: self.selective.then(|| facts.system_hash()).flatten(),
        }
    }

    /// Rule first, then what goes wrong, then the states that follow.
    fn choose<'l>(&'l self, selected: &mut Selected<'l>, scene: &Scene<'_>, dice: &Dice, early: Option<&'l Fault>) {
        let overrides = match self.overrides(scene) {
            Ok(overrides) => overrides,
            Err(error) => return selected.unanswered = Some(error),
        };
        let (chosen, own) = match &overrides.rule {
            Some(name) => self.asked(name, selected, scene),
            None => self.matching(selected, scene),
        };
        if let Some(live) = chosen {
            selected.account.rule = &live.name;
            selected.random = dice.random(&selected.account.draws, live.key);
        } else if self.provider.unmatched == Unmatched::Error && selected.unanswered.is_none() {
            selected.unanswered = Some(ApiError::unanswered(&self.nearest(scene)));
        }
        self.go_wrong(selected, early, own, overrides.fault, scene);
        let changes = chosen.into_iter().flat_map(|live| &live.rule.to_state);
        // A name that there is not is `lint`'s to find.
        changes.for_each(|(machine, state)| drop(self.states.set(machine, state)));
    }

    fn overrides(&self, scene: &Scene<'_>) -> Result<Overrides, ApiError> {
        match self.provider.allow_overrides {
            true => Overrides::read(scene.facts.request.head),
            false => Ok(Overrides::default()),
        }
    }

    /// The first rule that takes the request, and its fault.
    fn matching<'l>(
        &'l self,
        selected: &mut Selected<'l>,
        scene: &Scene<'_>,
    ) -> (Option<&'l LiveRule>, Option<&'l Entry>) {
        for live in &*self.rules {
            let reason = match live.offer(scene, false) {
                Offer::Unfit => None,
                Offer::Spent(reason) => Some(reason),
                taken => return (Some(live), selected.take(live, taken)),
            };
            let rejected = &mut selected.account.rejected;
            if rejected.len() < REJECTED {
                rejected.push((live.name.to_string(), reason.unwrap_or_else(|| scene.reason(&live.rule.when))));
            }
        }
        (None, None)
    }

    /// The rule of that name, whatever its `when` says.
    fn asked<'l>(
        &'l self,
        name: &str,
        selected: &mut Selected<'l>,
        scene: &Scene<'_>,
    ) -> (Option<&'l LiveRule>, Option<&'l Entry>) {
        let refused = |problem: &str| Some(refusal("x-mock-rule", problem));
        let Some(live) = self.rules.iter().find(|live| *live.name == *name) else {
            let known: Vec<&str> = self.rules.iter().map(|live| &*live.name).collect();
            let known = known.join(", ");
            selected.unanswered = refused(&format!("there is no rule `{name}`, only: {known}"));
            return (None, None);
        };
        match live.offer(scene, true) {
            Offer::Spent(reason) => {
                selected.unanswered = refused(&format!("of rule `{name}`, {reason}"));
                (None, None)
            }
            taken => (Some(live), selected.take(live, taken)),
        }
    }

    /// Lays over each other what happens out of the lists, of the rule's own fault and of what the request asks for.
    fn go_wrong<'l>(
        &'l self,
        selected: &mut Selected<'l>,
        early: Option<&'l Fault>,
        own: Option<&'l Entry>,
        asked: Option<Box<Fault>>,
        scene: &Scene<'_>,
    ) {
        let Selected { account: Account { draws, .. }, random, fault, .. } = selected;
        // What was decided with the head is what the lists had to give: nothing of them is counted twice.
        let listed = early.or_else(|| {
            let listed = self.listed(&scene.moment).filter(|entry| entry.occasion == Occasion::Request);
            entry::happening(listed, scene, &random.branch("faults"), &mut draws.roll)
        });
        let own = entry::happening(own.into_iter(), scene, &random.branch("fault"), &mut draws.rule_roll);
        let asked = asked.map(Mishap::Own);
        for layer in listed.into_iter().chain(own).map(Mishap::Scripted).chain(asked) {
            match fault {
                Some(below) => below.overlay(&layer),
                None => *fault = Some(layer),
            }
        }
    }

    /// The rules that came closest, and what spoke against them.
    fn nearest(&self, scene: &Scene<'_>) -> String {
        let nearness = |live: &LiveRule| (scene.nearness(&live.rule.when), live.name.clone());
        let mut all: Vec<_> = self.rules.iter().map(nearness).collect();
        all.sort_by_key(|((held, misses), _)| (misses.len(), std::cmp::Reverse(*held)));
        let said = all.into_iter().take(3).map(|((_, misses), name)| match misses.is_empty() {
            true => format!("`{name}` (used up)"),
            false => format!("`{name}` ({})", misses.join(", ")),
        });
        said.collect::<Vec<_>>().join("; ")
    }

    /// What the next connection gets.
    pub(crate) fn attention(&self) -> Attention {
        match self.provider.accept {
            Accept::Normal | Accept::Refuse => Attention::Service(Greeting::Usual),
            Accept::Blackhole => Attention::Neglect,
            Accept::Stall(AcceptStall { first, duration }) => {
                let stalled = self.accepted.fetch_add(1, Ordering::Relaxed) < first;
                if stalled { Attention::NeglectFor(duration) } else { Attention::Service(Greeting::Usual) }
            }
        }
    }
}

impl<'l> Selected<'l> {
    /// Takes what a rule offers; returns the fault of the answer.
    fn take(&mut self, live: &LiveRule, offer: Offer<'l>) -> Option<&'l Entry> {
        let Offer::Answer { respond, fault } = offer else {
            let problem = format!("the sequence of rule `{}` is used up, and its on_exhausted is `error`", live.name);
            self.unanswered = Some(ApiError::unanswered(&problem));
            return None;
        };
        self.respond = respond.unwrap_or(self.respond);
        fault
    }
}

/// The catch-all rule that a provider's own `respond`, `fault` and `sequence` mean; it is always the last.
fn shorthand(provider: &mut Provider) -> Option<Rule> {
    let respond = provider.respond.take();
    let fault = provider.fault.take();
    let sequence = std::mem::take(&mut provider.sequence);
    let given = respond.is_some() || fault.is_some() || !sequence.is_empty();
    let (name, priority) = (Some("respond".to_owned()), Some(i64::MAX));
    given.then(|| Rule { name, priority, respond, fault, sequence, ..Rule::default() })
}

#[cfg(test)]
mod tests;
