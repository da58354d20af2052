//! The live script: which rule answers a request, and with which of its steps.
//!
//! Owns matching and counting; refuses to change the script it was given: a new script is a new value.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::attend::Attention;
use crate::limits::Limits;
use crate::openai::Stored;
use crate::request::Request;
use crate::script::{Accept, AcceptStall, Fault, Provider, Respond, Rule, Step, When};

/// A script and how often its rules have matched.
pub(crate) struct Live {
    pub(crate) provider: Provider,
    pub(crate) limits: Option<Arc<Limits>>,
    rules: Vec<LiveRule>,
    nothing: (Arc<str>, Respond, Fault),
    /// Responses that later requests can ask for.
    pub(crate) stored: Stored,
    /// Counts connections for `accept`.
    accepted: AtomicU64,
}

struct LiveRule {
    name: Arc<str>,
    rule: Rule,
    matched: AtomicU64,
}

/// What a request gets.
pub(crate) struct Selected<'a> {
    pub(crate) rule: &'a Arc<str>,
    pub(crate) respond: &'a Respond,
    /// What goes wrong with it, all that happens at once laid over each other.
    pub(crate) fault: Cow<'a, Fault>,
}

impl Live {
    pub(crate) fn new(mut provider: Provider) -> Self {
        let mut rules = std::mem::take(&mut provider.rules);
        rules.extend(shorthand(&mut provider));
        let live = |(index, rule): (usize, Rule)| LiveRule {
            name: rule.name.as_deref().map_or_else(|| format!("rule-{}", index + 1).into(), Arc::from),
            rule,
            matched: AtomicU64::new(0),
        };
        let rules = rules.into_iter().enumerate().map(live).collect();
        Self {
            limits: provider.limits.clone().map(|limits| Arc::new(Limits::new(limits))),
            provider,
            rules,
            nothing: ("default".into(), Respond::default(), Fault::default()),
            stored: Stored::default(),
            accepted: AtomicU64::new(0),
        }
    }

    /// The first rule that matches and is not used up.
    pub(crate) fn select(&self, request: &Request<'_>) -> Selected<'_> {
        for live in &self.rules {
            if !matches(&live.rule.when, request) {
                continue;
            }
            let before = live.matched.fetch_add(1, Ordering::Relaxed);
            if live.rule.times.is_some_and(|times| before >= times) {
                continue;
            }
            let (respond, fault) = live.rule.step(before);
            return Selected {
                rule: &live.name,
                respond: respond.unwrap_or(&self.nothing.1),
                fault: Cow::Borrowed(fault.unwrap_or(&self.nothing.2)),
            };
        }
        self.unscripted()
    }

    /// What the next connection gets.
    pub(crate) fn attention(&self) -> Attention {
        match self.provider.accept {
            Accept::Normal | Accept::Refuse => Attention::Service,
            Accept::Blackhole => Attention::Neglect,
            Accept::Stall(AcceptStall { first, duration }) => {
                let stalled = self.accepted.fetch_add(1, Ordering::Relaxed) < first;
                if stalled { Attention::NeglectFor(duration) } else { Attention::Service }
            }
        }
    }

    /// What a request gets that no rule may answer.
    pub(crate) fn unscripted(&self) -> Selected<'_> {
        Selected { rule: &self.nothing.0, respond: &self.nothing.1, fault: Cow::Borrowed(&self.nothing.2) }
    }
}

/// The catch-all rule that a provider's own `respond`, `fault` and `sequence` mean.
fn shorthand(provider: &mut Provider) -> Option<Rule> {
    let respond = provider.respond.take();
    let fault = provider.fault.take();
    let sequence = std::mem::take(&mut provider.sequence);
    let given = respond.is_some() || fault.is_some() || !sequence.is_empty();
    given.then(|| Rule { name: Some("respond".to_owned()), respond, fault, sequence, ..Rule::default() })
}

impl Rule {
    /// What the match after `before` earlier ones gets.
    fn step(&self, before: u64) -> (Option<&Respond>, Option<&Fault>) {
        let mut left = before;
        let current = self.sequence.iter().find(|step| {
            let times = step.times.unwrap_or(1);
            let here = left < times;
            left = left.saturating_sub(times);
            here
        });
        match current.or(self.sequence.last()) {
            Some(Step { respond, fault, .. }) => (respond.as_ref(), fault.as_ref()),
            None => (self.respond.as_ref(), self.fault.as_ref()),
        }
    }
}

pub(crate) fn matches(when: &When, request: &Request<'_>) -> bool {
    when.path.as_ref().is_none_or(|glob| glob.matches(request.head.path()))
        && when.method.as_deref().is_none_or(|method| method.eq_ignore_ascii_case(request.head.method()))
        && when.model.as_ref().is_none_or(|glob| request.model().is_some_and(|model| glob.matches(model)))
        && when.stream.is_none_or(|stream| stream == request.stream())
        && when.header.iter().all(|(name, want)| want.holds(request.head.header(name)))
        && when.body.0.iter().all(|(path, want)| want.holds(request.json.as_ref().and_then(|json| path.first(json))))
        && when.last_user.as_ref().is_none_or(|want| want.holds(request.last_user().as_deref()))
}
