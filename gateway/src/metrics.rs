//! Counts finished exchanges. [`family`] has all names; what else the exposition tells (health, connections, reloads)
//! is read where it lives when somebody asks. Series are bounded: a model has some of its own when it is configured or
//! a provider has answered with it; beyond the first [`MAX_MODELS`] it counts as `unknown`, and so does every label of
//! what finds its [`table`] full.

pub mod family;
mod labels;
mod like;
pub mod providers;
pub mod table;
pub mod value;
pub mod write;

use hashbrown::HashSet;

use crate::cost::Lookup;
use crate::record::Record;
use family::{Family, Kind};
use labels::Labeled;
use like::Like;
use table::{Row, Table};
use value::{Count, Distribution, Sampled};
use write::Text;

/// Distinct models that get series of their own only because a provider answered with them.
pub const MAX_MODELS: usize = 200;
/// Longest label value that a client or an expression makes.
const MAX_VALUE: usize = 128;
/// Series of a family after which another one still begins in sight.
const SHORT: usize = 12;
/// In the order of [`GenAi::usage`].
const TOKEN_TYPES: [&str; 4] = [
    "gen_ai_token_type=\"input\"",
    "gen_ai_token_type=\"output\"",
    "gen_ai_token_type=\"input_cache_read\"",
    "gen_ai_token_type=\"input_cache_write\"",
];
/// In the order of [`Metrics::calls`].
const CALLS: [&str; 2] = ["kind=\"Primary\",subtype=\"Http\"", "kind=\"Primary\",subtype=\"Llm\""];

/// By backend, method, status, reason and route.
#[derive(Debug, Clone, Default)]
struct Http {
    requests: Count,
    retries: Count,
    bytes: Count,
    duration: Distribution,
}

/// By operation, system, models and route.
#[derive(Debug, Clone, Default)]
struct GenAi {
    usage: [Distribution; 4],
    duration: Distribution,
    first_token: Distribution,
    output_token: Distribution,
    /// 10⁻¹² USD; `None` as long as nothing had a price.
    cost: Option<u128>,
    /// As [`Lookup::ALL`].
    lookups: [u64; 4],
}

/// All that is counted of the exchanges of one gateway.
#[derive(Debug, Default)]
pub struct Metrics {
    http: Table<Http>,
    gen_ai: Table<GenAi>,
    /// Input and output, by provider as well.
    tokens: Table<[Count; 2]>,
    processing: Table<Distribution>,
    /// Of plain backends and of providers.
    calls: [Distribution; 2],
    /// Of the last record, where that counted in all tables.
    like: Option<Like>,
    models: HashSet<Box<str>>,
    learnt_models: usize,
    folded_models: u64,
}

impl Metrics {
    /// Counts one finished exchange.
    pub fn count(&mut self, record: &Record) {
        let sampled = sampled(record);
        let extra = record.kept.as_ref().map(|kept| kept.labels(record)).unwrap_or_default();
        self.like.take_if(|like| !like.is(record));
        let labeled = self.like.is_none().then(|| Labeled::of(record, &extra));
        let before = self.last_rows();
        let seconds = record.duration.as_secs_f64();
        let http = row_of(&mut self.http, labeled, |labeled, table| labeled.http(table));
        http.requests.add(1, sampled);
        http.bytes.add(record.response_bytes, sampled);
        http.retries.add(record.attempts.len().saturating_sub(1) as u64, sampled);
        http.duration.observe(&family::REQUEST_DURATION, seconds, sampled);
        if let Some(first) = record.attempts.first() {
            let until = first.started.as_secs_f64();
            let processing = row_of(&mut self.processing, labeled, |labeled, table| labeled.route(table));
            processing.observe(&family::REQUEST_PROCESSING, until, sampled);
        }
        let calls = &mut self.calls[usize::from(record.operation.is_some())];
        for attempt in &record.attempts {
            calls.observe(&family::UPSTREAM_CALL, attempt.duration.as_secs_f64(), sampled);
        }
        let operation = record.operation.filter(|_| record.answered());
        let models = operation.and_then(|operation| self.count_gen_ai(record, labeled, operation, sampled));
        // worth its price where the same comes again
        if labeled.is_some() && before == self.last_rows() {
            self.like = models.and_then(|[requested, answered]| Like::of(record, requested, answered));
        }
    }

    /// Where the last record counted.
    fn last_rows(&self) -> [usize; 4] {
        [self.http.last(), self.gen_ai.last(), self.tokens.last(), self.processing.last()]
    }

    /// The models by which it counted, where it counted in all tables.
    fn count_gen_ai<'r>(
        &mut self,
        record: &'r Record,
        labeled: Option<Labeled<'r>>,
        operation: &'r str,
        sampled: Sampled,
    ) -> Option<[&'r str; 2]> {
        let mut asked = [operation, record.system.unwrap_or(labels::UNKNOWN), labels::UNKNOWN, labels::UNKNOWN];
        if labeled.is_some() {
            let (good, configured) = ((200..300).contains(&record.status), record.upstream_model.is_some());
            asked[2] = self.model(record.sent_model(), good, configured);
            asked[3] = self.model(record.response_model.as_deref(), good, false);
        }
        let row = row_of(&mut self.gen_ai, labeled, |labeled, table| labeled.gen_ai(table, asked));
        let seconds = record.duration.as_secs_f64();
        row.duration.observe(&family::SERVER_DURATION, seconds, sampled);
        let first = record.first_token.map(|first| first.as_secs_f64());
        if let Some(first) = first {
            row.first_token.observe(&family::FIRST_TOKEN, first, sampled);
        }
        if let Some(each) = record.time_per_output_token() {
            row.output_token.observe(&family::OUTPUT_TOKEN, each, sampled);
        }
        if let Some(lookup) = record.lookup {
            row.lookups[lookup as usize] += 1;
        }
        if let Some(cost) = &record.cost {
            *row.cost.get_or_insert(0) += cost.total().0;
        }
        let usage = record.usage?;
        let told = [Some(usage.input), Some(usage.output), more(usage.cached), more(usage.cache_written)];
        for (distribution, tokens) in row.usage.iter_mut().zip(told) {
            if let Some(tokens) = tokens {
                distribution.observe(&family::TOKEN_USAGE, tokens as f64, sampled);
            }
        }
        let provider = record.attempts.last().map_or(labels::UNKNOWN, |attempt| &*attempt.provider);
        let [input, output] =
            row_of(&mut self.tokens, labeled, |labeled, table| labeled.tokens(table, asked, provider));
        input.add(usage.input, sampled);
        output.add(usage.output, sampled);
        let [.., requested, answered] = asked;
        Some([requested, answered])
    }

    /// A model's label value; names that nobody vouches for, or that come too late, are `unknown`.
    fn model<'n>(&mut self, name: Option<&'n str>, answered: bool, configured: bool) -> &'n str {
        let Some(name) = name.filter(|name| fits(name)) else { return labels::UNKNOWN };
        if self.models.contains(name) {
            return name;
        }
        if !configured && (!answered || self.learnt_models >= MAX_MODELS) {
            self.folded_models += 1;
            return labels::UNKNOWN;
        }
        self.learnt_models += usize::from(!configured);
        self.models.insert(name.into());
        name
    }

    /// A copy of what was counted so far, to be written while the counting goes on.
    #[must_use]
    pub fn counted(&self) -> Counted {
        Counted {
            http: self.http.rows(),
            gen_ai: self.gen_ai.rows(),
            tokens: self.tokens.rows(),
            processing: self.processing.rows(),
            calls: self.calls.clone(),
            folded: [
                ("http", self.http.folded()),
                ("gen_ai", self.gen_ai.folded()),
                ("tokens", self.tokens.folded()),
                ("backend", self.processing.folded()),
                ("models", self.folded_models),
            ],
        }
    }
}

/// The row that these labels find; without them that of the record before.
fn row_of<'t, V: Default + Clone>(
    table: &'t mut Table<V>,
    labeled: Option<Labeled<'_>>,
    find: impl FnOnce(Labeled<'_>, &'t mut Table<V>) -> &'t mut V,
) -> &'t mut V {
    match labeled {
        Some(labeled) => find(labeled, table),
        None => table.again(),
    }
}

/// Whether a text may be a label value. What does not fit must not make a key either: both would be written alike.
#[must_use]
pub fn fits(value: &str) -> bool {
    !value.is_empty() && value.len() <= MAX_VALUE && !value.contains(char::is_control)
}

/// Whether the gateway has a label of that name itself.
#[must_use]
pub fn is_taken(label: &str) -> bool {
    labels::NAMES.contains(&label)
}

fn more(tokens: u64) -> Option<u64> {
    Some(tokens).filter(|tokens| *tokens > 0)
}

/// The trace to point at, where somebody may have kept it.
fn sampled(record: &Record) -> Sampled {
    let end = record.time + record.duration;
    let since = || end.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    (record.trace.flags & 1 == 1).then(|| (record.trace.trace_id, since().as_secs_f64()))
}

/// What was counted up to a moment.
#[derive(Debug)]
pub struct Counted {
    http: Vec<Row<Http>>,
    gen_ai: Vec<Row<GenAi>>,
    tokens: Vec<Row<[Count; 2]>>,
    processing: Vec<Row<Distribution>>,
    calls: [Distribution; 2],
    folded: [(&'static str, u64); 5],
}

impl Counted {
    /// Writes requests and tokens, which people look for first: both begin within twenty lines where one is short.
    pub fn write_first(&self, text: &mut Text) {
        let requests = |text: &mut Text| text.counts(&family::REQUESTS, &self.http, |http| vec![("", &http.requests)]);
        let tokens = |text: &mut Text| {
            text.counts(&family::TOKENS_TOTAL, &self.tokens, |tokens| TOKEN_TYPES.into_iter().zip(tokens).collect());
        };
        if self.http.len() < self.tokens.len().min(SHORT) {
            requests(text);
            tokens(text);
        } else {
            tokens(text);
            requests(text);
        }
    }

    /// Writes the rest.
    pub fn write_rest(&self, text: &mut Text) {
        text.distributions(&family::REQUEST_DURATION, &self.http, |http| vec![("", &http.duration)]);
        text.counts(&family::RESPONSE_BYTES, &self.http, |http| vec![("", &http.bytes)]);
        text.counts(&family::RETRIES, &self.http, |http| vec![("", &http.retries)]);
        text.distributions(&family::REQUEST_PROCESSING, &self.processing, |each| vec![("", each)]);
        let calls = [Row { labels: "".into(), value: &self.calls }];
        text.distributions(&family::UPSTREAM_CALL, &calls, |calls| CALLS.into_iter().zip(*calls).collect());
        let gen_ai = &self.gen_ai;
        text.distributions(&family::TOKEN_USAGE, gen_ai, |row| TOKEN_TYPES.into_iter().zip(&row.usage).collect());
        text.distributions(&family::SERVER_DURATION, gen_ai, |row| vec![("", &row.duration)]);
        text.distributions(&family::FIRST_TOKEN, gen_ai, |row| vec![("", &row.first_token)]);
        text.distributions(&family::OUTPUT_TOKEN, gen_ai, |row| vec![("", &row.output_token)]);
        let cost = |row: &Row<GenAi>| Some((row.labels.clone(), crate::cost::Usd(row.value.cost?)));
        text.values(&family::COST, gen_ai.iter().filter_map(cost));
        text.values(&family::LOOKUPS, gen_ai.iter().flat_map(lookups));
        let folded = self.folded.iter().filter(|(_, count)| *count > 0);
        text.values(&family::FOLDED, folded.map(|(group, count)| (format!("group=\"{group}\""), count)));
    }
}

fn lookups(row: &Row<GenAi>) -> impl Iterator<Item = (String, u64)> {
    let counts = Lookup::ALL.into_iter().zip(row.value.lookups).filter(|(_, count)| *count > 0);
    counts.map(|(lookup, count)| (format!("status=\"{}\",{}", lookup.name(), row.labels), count))
}

/// The bounds of a histogram family.
fn bounds(family: &Family) -> &'static [f64] {
    match family.kind {
        Kind::Histogram(bounds) => bounds,
        _ => &[],
    }
}

#[cfg(test)]
mod tests;
