//! Findings about rules: which of them no request ever reaches.
//!
//! Owns the order in which rules are tried, as `rules` has it. Refuses to guess: a rule is unreachable where every request
//! that it matches is answered before.

use std::collections::BTreeMap;

use super::implies::{implies, impossible};
use super::{Findings, Severity};
use crate::rules;
use crate::script::{OnExhausted, Provider, Rule, Unmatched, When};

impl Findings<'_> {
    pub(super) fn rules(&mut self, place: &str, provider: &Provider) {
        let mut names = BTreeMap::new();
        for (index, rule) in provider.rules.iter().enumerate() {
            let at = format!("{place}.rules[{index}]");
            if let Some(name) = &rule.name {
                let why = "the journal cannot tell them apart, and X-Mock-Rule finds the first only";
                if let Some(first) = names.insert(name.as_str(), index) {
                    let what = format!("the name `{name}` is that of rules[{first}] too");
                    self.warning(&at, what, why, "give each rule a name of its own");
                }
            }
            self.rule(&at, rule, provider);
        }
        let shorthand = Rule {
            respond: provider.respond.clone(),
            fault: provider.fault.clone(),
            sequence: provider.sequence.clone(),
            ..Rule::default()
        };
        self.answers(place, &shorthand);
        self.shadows(place, provider);
    }

    fn rule(&mut self, at: &str, rule: &Rule, provider: &Provider) {
        let when = format!("{at}.when");
        if impossible(&rule.when) {
            self.error(&when, "no request satisfies it", "its conditions contradict each other", "remove one of them");
        }
        if rule.when.dialect.is_some_and(|dialect| !provider.dialect.serves(dialect)) {
            let why = format!("the provider speaks {:?}", provider.dialect).to_lowercase();
            self.error(&when, "the rule never matches", why, "remove `dialect`, or give the rule to another provider");
        }
        if rule.times == Some(0) {
            self.error(&format!("{at}.times"), "the rule never answers", "it may answer 0 times", "remove the rule");
        }
        if !rule.when.nth.0.is_empty() && rule.when.nth.0.iter().all(|nth| *nth == 0) {
            self.error(&format!("{when}.nth"), "the rule never answers", "matches are counted from 1", "begin with 1");
        }
        self.states_of(&when, &rule.when);
        self.states(&format!("{at}.to_state"), &rule.to_state);
        self.answers(at, rule);
    }

    /// What a rule, or a provider in its place, answers with.
    fn answers(&mut self, at: &str, rule: &Rule) {
        if !rule.sequence.is_empty() && (rule.respond.is_some() || rule.fault.is_some()) {
            let why = "beside a sequence, `respond` and `fault` are not looked at";
            self.error(at, "part of the answer is never used", why, "move it into a step of the sequence");
        }
        if let Some(fault) = &rule.fault {
            self.fault_of_rule(&format!("{at}.fault"), fault, &rule.when);
        }
        for (index, step) in rule.sequence.steps.iter().enumerate() {
            let at = format!("{at}.sequence[{index}]");
            let last = index + 1 == rule.sequence.steps.len() && rule.sequence.on_exhausted == OnExhausted::RepeatLast;
            if step.times == Some(0) && !last {
                self.error(&at, "the step is never taken", "it is for 0 requests", "remove it, or say `times: 1`");
            }
            if let Some(fault) = &step.fault {
                self.fault_of_rule(&format!("{at}.fault"), fault, &rule.when);
            }
        }
    }

    /// State machines that a condition names, however deep.
    pub(super) fn states_of(&mut self, place: &str, when: &When) {
        self.states(place, &when.state);
        when.any_of.iter().chain(when.not.as_deref()).for_each(|inner| self.states_of(place, inner));
    }

    fn shadows(&mut self, place: &str, provider: &Provider) {
        let mut order: Vec<(usize, &Rule)> = provider.rules.iter().enumerate().collect();
        order.sort_by_key(|(_, rule)| rules::priority(rule));
        for (position, (index, rule)) in order.iter().enumerate() {
            let earlier = order[..position].iter();
            let shadow = earlier.into_iter().find(|(_, first)| answers_all(first) && implies(&rule.when, &first.when));
            let Some((first, other)) = shadow else { continue };
            let named = other.name.as_ref().map(|name| format!(" (`{name}`)")).unwrap_or_default();
            let why = format!("rules[{first}]{named} comes before it and answers every request that it matches");
            let (severity, what) = match provider.allow_overrides {
                true => (Severity::Warning, "only X-Mock-Rule reaches the rule"),
                false => (Severity::Error, "the rule is never reached"),
            };
            let hint = "put it first, give it a lower `priority`, or narrow the `when` of the other";
            self.add(severity, &format!("{place}.rules[{index}]"), what, why, hint);
        }
        self.behind_all(place, provider, &order);
    }

    /// What only a request gets that no rule answers.
    fn behind_all(&mut self, place: &str, provider: &Provider, order: &[(usize, &Rule)]) {
        let catch_all = order.iter().find(|(_, rule)| answers_all(rule) && implies(&When::default(), &rule.when));
        let shorthand = provider.respond.is_some() || provider.fault.is_some() || !provider.sequence.is_empty();
        if let Some((index, _)) = catch_all.filter(|_| shorthand) {
            let why = format!("rules[{index}] answers everything");
            let hint = "remove it, or narrow the `when` of that rule";
            self.error(place, "its own `respond`, `fault` or `sequence` is never reached", why, hint);
        }
        let own = shorthand && !matches!(provider.sequence.on_exhausted, OnExhausted::FallThrough);
        if provider.unmatched == Unmatched::Error && (own || catch_all.is_some()) {
            let why = "a rule, or the provider's own `respond`, answers everything";
            self.warning(&format!("{place}.unmatched"), "no request is unmatched", why, "remove one of them");
        }
    }
}

/// Whether it answers every request that its `when` holds for, however many there are.
fn answers_all(rule: &Rule) -> bool {
    let endless = rule.sequence.is_empty() || rule.sequence.on_exhausted != OnExhausted::FallThrough;
    rule.times.is_none() && rule.when.nth.0.is_empty() && endless
}
