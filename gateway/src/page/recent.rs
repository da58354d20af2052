//! The last exchanges, kept by the telemetry thread for the admin page: no bodies, no headers, bounded memory.
//! Numbers over the last minutes are `window`'s business, JSON is `exchange`'s.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use http::Method;
use serde_json::{Value, json};

use super::exchange::{self, Filter};
use super::window::Window;
use crate::record::{Record, cut, shortened, timestamp};

/// Exchanges that are kept.
pub const KEPT: usize = 500;
/// Longest text of a kept record.
const LONGEST: usize = 512;
/// Providers whose last error is known.
const MAX_TROUBLES: usize = 1000;

/// Shared by the telemetry thread and whoever is asked.
#[derive(Debug, Clone)]
pub struct Recent(Arc<Mutex<Kept>>);

#[derive(Debug)]
struct Kept {
    exchanges: VecDeque<Box<Record>>,
    /// Exchanges so far, which is the number of the last one.
    last: u64,
    window: Window,
    /// By backend and provider: when, and what.
    troubles: HashMap<(Arc<str>, Arc<str>), Value>,
}

/// What came after a number.
#[derive(Debug)]
pub struct News {
    /// Number of the last exchange.
    pub last: u64,
    /// Newest first.
    pub exchanges: Vec<Value>,
    /// Exchanges between that are not told.
    pub missed: u64,
}

impl Recent {
    /// Nothing yet.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        let window = Window::new(now);
        let kept = Kept { exchanges: VecDeque::with_capacity(KEPT), last: 0, window, troubles: HashMap::new() };
        Self(Arc::new(Mutex::new(kept)))
    }

    /// Keeps an exchange, and returns the oldest where that has to go.
    pub fn keep(&self, mut record: Box<Record>) -> Option<Box<Record>> {
        slim(&mut record);
        let mut kept = self.kept();
        kept.window.count(&record, Instant::now());
        kept.remember_troubles(&record);
        let oldest = if kept.exchanges.len() == KEPT { kept.exchanges.pop_front() } else { None };
        kept.exchanges.push_back(record);
        kept.last += 1;
        oldest
    }

    /// The exchanges that a filter lets through, newest first.
    #[must_use]
    pub fn list(&self, filter: &Filter) -> Value {
        let kept = self.kept();
        let fitting: Vec<Value> =
            kept.numbered().filter(|(_, record)| filter.fits(record)).map(|(n, r)| exchange::told(n, r)).collect();
        json!({"last": kept.last, "kept": kept.exchanges.len(), "exchanges": fitting})
    }

    /// One exchange by its number.
    #[must_use]
    pub fn one(&self, number: u64) -> Option<Value> {
        let kept = self.kept();
        kept.numbered().find(|(own, _)| *own == number).map(|(own, record)| exchange::told(own, record))
    }

    /// What came after `seen`, at most `most` of it. A number from the future is another gateway's.
    #[must_use]
    pub fn since(&self, seen: u64, most: usize) -> News {
        let kept = self.kept();
        let seen = if seen > kept.last { 0 } else { seen };
        let newer = kept.numbered().take_while(|(number, _)| *number > seen).take(most);
        let exchanges: Vec<Value> = newer.map(|(number, record)| exchange::told(number, record)).collect();
        News { last: kept.last, missed: kept.last - seen - exchanges.len() as u64, exchanges }
    }

    /// The last minutes in numbers.
    #[must_use]
    pub fn overview(&self) -> Value {
        self.kept().window.told(Instant::now())
    }

    /// The last failure of a provider, if one is known.
    #[must_use]
    pub fn trouble(&self, backend: &Arc<str>, provider: &Arc<str>) -> Option<Value> {
        self.kept().troubles.get(&(backend.clone(), provider.clone())).cloned()
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    /// Newest first, with their numbers.
    fn numbered(&self) -> impl Iterator<Item = (u64, &Record)> {
        (1..=self.last).rev().zip(self.exchanges.iter().rev().map(|record| &**record))
    }

    fn remember_troubles(&mut self, record: &Record) {
        let Some(backend) = &record.backend else { return };
        for attempt in record.attempts.iter().filter(|attempt| !attempt.good) {
            let status = attempt.status.map(|status| format!("status {status}"));
            let Some(what) = attempt.error.as_deref().map(str::to_owned).or(status) else { continue };
            let key = (backend.clone(), attempt.provider.clone());
            if self.troubles.len() < MAX_TROUBLES || self.troubles.contains_key(&key) {
                self.troubles.insert(key, json!({"time": timestamp(record.since_epoch()), "error": what}));
            }
        }
    }
}

/// Takes out what is nobody's business here, and what is too long.
fn slim(record: &mut Record) {
    record.lighten();
    if let Ok(method) = Method::from_bytes(shortened(record.method.as_str()).as_bytes()) {
        record.method = method;
    }
    for text in [&mut record.host, &mut record.path, &mut record.request_id] {
        if let Some(short) = shorter(text) {
            *text = short;
        }
    }
    let optional = [&mut record.requested_model, &mut record.response_model, &mut record.upstream_request_id];
    let errors = record.attempts.iter_mut().filter_map(|attempt| attempt.error.as_mut());
    for text in optional.into_iter().chain([&mut record.error]).flatten().chain(errors) {
        if let Some(short) = shorter(text) {
            *text = short.into();
        }
    }
}

fn shorter(text: &str) -> Option<String> {
    (text.len() > LONGEST).then(|| format!("{}…", cut(text, LONGEST)))
}
