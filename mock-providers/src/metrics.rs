//! What a provider counts, cheaply enough to count always.
//!
//! Owns every number and the question whether timers keep up with the script. They lie beside the journal and change
//! under its lock, which is held anyway: a plain exchange costs a dozen additions, no allocation, no text. Only what is
//! scripted has a map of labels. Refuses to format: `exposition` does.

mod exposition;
mod histogram;
mod operation;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::journal::{End, RequestRecord};
use histogram::Histogram;
pub(crate) use operation::Operation;

pub(crate) use exposition::expose;

/// Series beyond this share one with the rule `other`, so that a script cannot fill the memory.
const MAX_SERIES: usize = 1000;
/// The statuses that unscripted answers have; others take the way of the scripted ones.
const PLAIN: [u16; 12] = [200, 400, 401, 403, 404, 405, 413, 415, 422, 429, 500, 503];
/// A timer is late beyond this.
const LATE: Duration = Duration::from_millis(3);
/// So many seconds are looked back for saturation.
const LOOK_BACK: u64 = 5;
const SLOTS: usize = 8;
/// Fewer timed events than this say nothing.
const FEW: u64 = 100;

/// The numbers of one provider.
#[derive(Debug, Clone)]
pub(crate) struct Metrics {
    origin: Instant,
    received: u64,
    over: u64,
    /// By operation and status, of exchanges with neither rule nor fault.
    plain: [[u64; PLAIN.len()]; Operation::ALL.len()],
    scripted: BTreeMap<Labels, u64>,
    /// From the whole request to the written head.
    head: Histogram,
    /// The same without the silence that was scripted.
    own: Histogram,
    lateness: Histogram,
    recent: [Second; SLOTS],
    events: u64,
    bytes: u64,
    tokens: [u64; 4],
    aborts: u64,
    faults: [u64; 3],
}

/// What a provider counted so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// Requests that came.
    pub received: u64,
    /// Of them, those that have not ended.
    pub in_flight: u64,
    /// Those that ended, by the status that was written, if any was.
    pub statuses: BTreeMap<Option<u16>, u64>,
}

/// What tells one counter of scripted exchanges from another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Labels {
    operation: Operation,
    status: Option<u16>,
    rule: Arc<str>,
    fault: String,
}

/// The timers of one second.
#[derive(Debug, Clone, Default)]
struct Second {
    /// Which one, plus 1.
    number: u64,
    due: u64,
    late: u64,
}

impl Metrics {
    pub(crate) fn new(origin: Instant) -> Self {
        Self {
            origin,
            received: 0,
            over: 0,
            plain: Default::default(),
            scripted: BTreeMap::new(),
            head: Histogram::default(),
            own: Histogram::default(),
            lateness: Histogram::default(),
            recent: Default::default(),
            events: 0,
            bytes: 0,
            tokens: [0; 4],
            aborts: 0,
            faults: [0; 3],
        }
    }

    /// A request has come.
    pub(crate) fn began(&mut self) {
        self.received += 1;
    }

    /// An exchange is over.
    pub(crate) fn ended(&mut self, record: &RequestRecord) {
        self.over += 1;
        self.count(record);
        if let (Some(whole), Some(head)) = (record.body_at, record.head_at) {
            let took = head.saturating_sub(whole);
            self.head.observe(took);
            self.own.observe(took.saturating_sub(record.delay));
        }
        self.events += record.events.len() as u64;
        self.bytes += record.events.iter().map(|(_, bytes)| *bytes as u64).sum::<u64>();
        if let Some(usage) = record.usage {
            let counts = [usage.prompt_tokens, usage.completion_tokens, usage.cached_tokens, usage.reasoning_tokens];
            self.tokens.iter_mut().zip(counts).for_each(|(total, count)| *total += count);
        }
        let aborted = matches!(record.end, End::ClientClosed { .. });
        self.aborts += u64::from(aborted);
        let idle = record.not_applicable.len() as u64;
        let done = record.fault.as_deref().map_or(0, |names| names.split('+').count() as u64);
        // What the caller did not wait for has not been done to it.
        let applied = if aborted { 0 } else { done };
        self.faults.iter_mut().zip([done + idle, applied, idle]).for_each(|(total, count)| *total += count);
    }

    /// So many exchanges will end without a record.
    pub(crate) fn forgotten(&mut self, under_way: usize) {
        self.over += under_way as u64;
    }

    fn count(&mut self, record: &RequestRecord) {
        let operation = Operation::of(record.head.path());
        let plain = record.fault.is_none() && &*record.rule == "default";
        let status = record.status.filter(|_| plain).and_then(|status| PLAIN.iter().position(|known| *known == status));
        match status {
            Some(status) => self.plain[operation as usize][status] += 1,
            None => self.count_scripted(operation, record),
        }
    }

    fn count_scripted(&mut self, operation: Operation, record: &RequestRecord) {
        let fault = record.fault.clone().unwrap_or_default();
        let labels = Labels { operation, status: record.status, rule: record.rule.clone(), fault };
        let full = self.scripted.len() >= MAX_SERIES && !self.scripted.contains_key(&labels);
        let labels = if full {
            Labels { operation, status: record.status, rule: "other".into(), fault: String::new() }
        } else {
            labels
        };
        *self.scripted.entry(labels).or_insert(0) += 1;
    }

    /// What was due at one time has its turn at another.
    pub(crate) fn late(&mut self, due: Instant, now: Instant) {
        let late = now.saturating_duration_since(due);
        self.lateness.observe(late);
        let number = now.saturating_duration_since(self.origin).as_secs() + 1;
        let second = &mut self.recent[number as usize % SLOTS];
        if second.number != number {
            *second = Second { number, ..Second::default() };
        }
        second.due += 1;
        second.late += u64::from(late > LATE);
    }

    pub(crate) fn tally(&self) -> Tally {
        let mut statuses: BTreeMap<Option<u16>, u64> = BTreeMap::new();
        for counters in &self.plain {
            for (status, count) in PLAIN.iter().zip(counters) {
                *statuses.entry(Some(*status)).or_default() += count;
            }
        }
        for (labels, count) in &self.scripted {
            *statuses.entry(labels.status).or_default() += count;
        }
        statuses.retain(|_, count| *count > 0);
        Tally { received: self.received, in_flight: self.in_flight(), statuses }
    }

    /// How many have not ended.
    pub(crate) fn in_flight(&self) -> u64 {
        self.received.saturating_sub(self.over)
    }

    /// Timed events of the last seconds, and how many of them were late.
    pub(crate) fn recent(&self) -> (u64, u64) {
        let now = self.origin.elapsed().as_secs() + 1;
        let seconds = self.recent.iter().filter(|second| now.saturating_sub(second.number) < LOOK_BACK);
        seconds.fold((0, 0), |(due, late), second| (due + second.due, late + second.late))
    }
}

/// Whether more than one of a hundred timed events came more than 3 ms late: then delays are no longer the script's.
pub(crate) fn saturated(due: u64, late: u64) -> bool {
    due >= FEW && late * 100 > due
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::RequestHead;

    const NO_HEADERS: [(&str, &str); 0] = [];

    fn ended(rule: &str, fault: Option<&str>, status: u16) -> RequestRecord {
        RequestRecord {
            head: RequestHead::new("POST", "/v1/chat/completions", NO_HEADERS.into_iter()),
            rule: rule.into(),
            fault: fault.map(str::to_owned),
            status: Some(status),
            body_at: Some(Duration::from_millis(1)),
            head_at: Some(Duration::from_millis(51)),
            delay: Duration::from_millis(50),
            end: End::Complete,
            ..RequestRecord::default()
        }
    }

    #[test]
    fn plain_exchanges_touch_no_map_and_scripted_ones_keep_their_labels() {
        let mut metrics = Metrics::new(Instant::now());
        metrics.began();
        metrics.ended(&ended("default", None, 200));
        assert!(metrics.scripted.is_empty());
        metrics.ended(&ended("flaky", Some("status+stall"), 503));
        let scripted = &metrics.scripted;
        let (labels, count) = scripted.first_key_value().unwrap();
        assert_eq!((&*labels.rule, labels.fault.as_str(), *count), ("flaky", "status+stall", 1));
        assert_eq!(metrics.faults[0], 2);
    }

    #[test]
    fn labels_beyond_the_bound_are_counted_together() {
        let mut metrics = Metrics::new(Instant::now());
        for n in 0..MAX_SERIES + 5 {
            metrics.ended(&ended(&format!("rule-{n}"), None, 200));
        }
        let scripted = &metrics.scripted;
        assert_eq!(scripted.len(), MAX_SERIES + 1);
        assert_eq!(scripted.values().sum::<u64>(), MAX_SERIES as u64 + 5);
    }

    #[test]
    fn timers_that_come_late_are_told_once_there_are_enough() {
        let mut metrics = Metrics::new(Instant::now());
        let now = Instant::now();
        for _ in 0..FEW {
            metrics.late(now, now);
        }
        let (due, late) = metrics.recent();
        assert!(!saturated(due, late), "{late} of {due}");
        metrics.late(now - Duration::from_millis(20), now);
        metrics.late(now - Duration::from_millis(20), now);
        let (due, late) = metrics.recent();
        assert!(saturated(due, late), "{late} of {due}");
        assert!(!saturated(9, 9));
    }
}
