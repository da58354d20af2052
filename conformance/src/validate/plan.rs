//! Before anything is asked: which checks ask what, which requests are the same, and what it all may cost.
//! Afterwards: what each check makes of its answers. Refuses to send.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use serde_json::Value;

use super::answer::Answer;
use super::ask::{Ask, Way};
use super::check::{Case, Check};
use super::facts::Facts;
use super::finding::Finding;
use super::gather::is_lost;
use super::outcome::Checked;
use super::survey::Survey;
use super::transcript;

/// A check, and what it asks, or why it does not.
#[derive(Debug)]
pub struct Planned {
    check: &'static Check,
    asks: Result<Vec<Ask>, String>,
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
    /// Of these checks, as far as the budget goes.
    pub fn new(checks: &[&'static Check], survey: &Survey, max_requests: usize) -> Plan {
        let mut plan = Plan::default();
        let mut known: HashSet<Ask> = survey.asked.iter().map(|(ask, _)| ask.clone()).collect();
        for check in checks {
            let mut asks = (check.asks)(&survey.facts);
            if let Ok(own) = &asks {
                let mut more: Vec<&Ask> = own.iter().filter(|ask| !known.contains(ask)).collect();
                more.dedup();
                let requests: usize = more.iter().map(|ask| ask.requests()).sum();
                if survey.requests + plan.requests + requests > max_requests {
                    asks = Err(format!("its {requests} requests would be more than --max-requests {max_requests}"));
                } else {
                    plan.requests += requests;
                    plan.tokens += more.iter().map(|ask| ask.tokens()).sum::<u64>();
                    plan.asks.extend(more.into_iter().cloned());
                    known.extend(own.iter().cloned());
                }
            }
            plan.checks.push(Planned { check, asks });
        }
        plan
    }
}

impl Planned {
    /// What the answers mean.
    pub fn judged(&self, facts: &Facts, all: &HashMap<Ask, Arc<Vec<Answer>>>, stopped: Option<&str>) -> Checked {
        let asks = match &self.asks {
            Ok(asks) => asks,
            Err(why) => return Checked::skipped(self.check, why),
        };
        let answers: Option<Vec<Arc<Vec<Answer>>>> = asks.iter().map(|ask| all.get(ask).cloned()).collect();
        let Some(answers) = answers.filter(|answers| answers.iter().all(|answers| !answers.is_empty())) else {
            return Checked::skipped(self.check, stopped.unwrap_or("it was not asked"));
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
            // How these end is what their checks are about.
            if matches!(ask.way, Way::Http2 | Way::Until429(_) | Way::Twice) {
                continue;
            }
            for (place, answer) in case.all(index).iter().enumerate() {
                if ask.way == Way::Last && place > 0 && is_lost(answer) {
                    finding.fail(format!("after it the backend answers no chat any more: {}", answer.refusal()));
                } else if let Some(trouble) = answer.trouble() {
                    finding.fail(trouble);
                } else if answer.status() == Some(429) {
                    finding.skipped(format!("the backend limits its callers: {}", answer.refusal()));
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
