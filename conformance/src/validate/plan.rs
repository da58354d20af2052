//! Before anything is asked: which checks ask what, which requests are the same, and what it all may cost.
//! Afterwards: what each check makes of its answers. Refuses to send.

use std::collections::HashSet;
use std::sync::Arc;

use serde_json::Value;

use super::answer::Answer;
use super::ask::{Ask, Way};
use super::check::{Case, Check};
use super::facts::Facts;
use super::finding::Finding;
use super::gather::{Answers, Budget, is_lost};
use super::outcome::Checked;
use super::survey::Survey;
use super::transcript;

/// A check, and what it asks, or why it does not.
#[derive(Debug)]
pub struct Planned {
    check: &'static Check,
    asks: Asks,
}

#[derive(Debug)]
enum Asks {
    These(Vec<Ask>),
    /// It cannot be asked of this backend, or not without more being told of it.
    Pointless(String),
    /// More requests than are left.
    TooMany(String),
}

/// What a run will ask.
#[derive(Debug, Default)]
pub struct Plan {
    /// The checks, in order.
    pub checks: Vec<Planned>,
    /// All different asks that have no answer yet.
    pub asks: Vec<Ask>,
    /// How many requests they are.
    pub requests: usize,
    /// How many tokens they may take, prompts and answers.
    pub tokens: u64,
}

impl Plan {
    /// Of these checks, as far as the budget goes; what matters most comes first.
    pub fn new(checks: &[&'static Check], survey: &Survey, budget: Budget) -> Plan {
        let mut plan = Plan::default();
        let mut known: HashSet<Ask> = survey.asked.iter().map(|(ask, _)| ask.clone()).collect();
        let mut order: Vec<(usize, &'static Check)> = checks.iter().copied().enumerate().collect();
        order.sort_by_key(|(_, check)| check.level);
        let mut planned: Vec<(usize, Planned)> = Vec::with_capacity(order.len());
        for (place, check) in order {
            let left = budget.most.saturating_sub(survey.requests + plan.requests);
            let asks = plan.of(check, survey, left, budget, &mut known);
            planned.push((place, Planned { check, asks }));
        }
        planned.sort_by_key(|(place, _)| *place);
        plan.checks = planned.into_iter().map(|(_, planned)| planned).collect();
        plan
    }

    fn of(&mut self, check: &Check, survey: &Survey, left: usize, budget: Budget, known: &mut HashSet<Ask>) -> Asks {
        let asks = match (check.asks)(&survey.facts) {
            Ok(asks) => asks,
            Err(why) => return Asks::Pointless(why),
        };
        let mut more: Vec<&Ask> = Vec::new();
        for ask in &asks {
            if !known.contains(ask) && !more.contains(&ask) {
                more.push(ask);
            }
        }
        let requests: usize = more.iter().map(|ask| ask.requests()).sum();
        if requests > left {
            return Asks::TooMany(format!(
                "it takes {requests} more requests, and --max-requests {budget} leaves {left}"
            ));
        }
        self.requests += requests;
        self.tokens += more.iter().map(|ask| ask.tokens()).sum::<u64>();
        self.asks.extend(more.iter().map(|ask| (*ask).clone()));
        known.extend(asks.iter().cloned());
        Asks::These(asks)
    }
}

impl Planned {
    /// What the answers mean.
    pub fn judged(&self, facts: &Facts, all: &Answers, stopped: Option<&str>) -> Checked {
        let asks = match &self.asks {
            Asks::These(asks) => asks,
            Asks::Pointless(why) => return Checked::skipped(self.check, why),
            Asks::TooMany(why) => return Checked::unasked(self.check, why),
        };
        let unasked = || Err(stopped.unwrap_or("it was not asked").to_owned());
        let answers = asks.iter().map(|ask| all.get(ask).cloned().unwrap_or_else(unasked));
        let answers: Vec<Arc<Vec<Answer>>> = match answers.collect() {
            Ok(answers) => answers,
            Err(why) => return Checked::unasked(self.check, &why),
        };
        let case = Case { facts, answers: &answers };
        let mut finding = Finding::default();
        if self.answered(asks, &case, &mut finding) {
            (self.check.judge)(&case, &mut finding);
        }
        let transcript = transcript::of(answers.iter().flat_map(|answers| answers.iter()));
        let mut checked = Checked::of(self.check, finding, transcript);
        checked.observation = answers.iter().map(|answers| super::through::observed(answers)).collect();
        checked
    }

    /// Whether there are answers to judge; what went wrong with all of them is said here, once for all checks.
    fn answered(&self, asks: &[Ask], case: &Case<'_>, finding: &mut Finding) -> bool {
        for (index, ask) in asks.iter().enumerate() {
            if matches!(ask.way, Way::Until429(_)) {
                continue;
            }
            // How these end is what their checks are about; that nobody is let in says nothing of it.
            let own = matches!(ask.way, Way::Http2 | Way::Twice);
            for (place, answer) in case.all(index).iter().enumerate() {
                if ask.way == Way::Last && place > 0 && is_lost(answer) {
                    finding.fail(format!("after it the backend answers no chat any more: {}", answer.refusal()));
                } else if answer.status() == Some(429) {
                    finding.undecided(format!("the backend limits its callers: {}", answer.refusal()));
                } else if own {
                    continue;
                } else if let Some(trouble) = answer.trouble() {
                    finding.fail(trouble);
                } else if let Some(member) = refused_member(answer) {
                    finding.deviates("unknown_fields_422", format!("`{member}` is refused: {}", answer.refusal()));
                } else if gives_html(answer) {
                    finding.fail(answer.refusal());
                } else {
                    continue;
                }
                return false;
            }
        }
        true
    }
}

/// An HTML page is never an answer of this API.
fn gives_html(answer: &Answer) -> bool {
    answer.is_html() && answer.json().is_none()
}

/// The member that a 422 of FastAPI's kind does not know.
fn refused_member(answer: &Answer) -> Option<String> {
    let details = answer.json().filter(|_| answer.status() == Some(422))?["detail"].as_array()?;
    let unknown = details.iter().find(|detail| detail["type"] == "extra_forbidden")?;
    unknown["loc"].as_array()?.last().and_then(Value::as_str).map(str::to_owned)
}
