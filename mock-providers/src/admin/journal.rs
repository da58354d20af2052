//! The journals of all providers as one list: filtered, in pages, as JSON or one entry a line.

use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;
use serde_json::json;

use super::Desk;
use super::call::Call;
use super::reply::{Refusal, Reply};
use crate::journal::{End, RequestRecord};
use crate::script::Glob;
use crate::verdict::id;

/// Of each body, a list shows so much.
const SHOWN: usize = 2048;
const MOST: usize = 1000;

/// A request under its name across journals.
#[derive(Serialize)]
struct Entry {
    id: String,
    /// The size of the whole body, of which a list shows the beginning.
    body_bytes: usize,
    #[serde(flatten)]
    record: RequestRecord,
}

impl Entry {
    fn new(record: RequestRecord) -> Self {
        Self { id: id(&record), body_bytes: record.body.len(), record }
    }

    fn brief(mut record: RequestRecord) -> Self {
        let whole = record.body.len();
        record.body = Bytes::copy_from_slice(&record.body[..whole.min(SHOWN)]);
        Self { body_bytes: whole, ..Self::new(record) }
    }
}

pub(super) async fn list(desk: &Desk, call: Call<'_>) -> Result<Reply, Refusal> {
    page(desk, &call, |_| true)
}

pub(super) async fn unmatched(desk: &Desk, call: Call<'_>) -> Result<Reply, Refusal> {
    // Who was not let in has met no rule.
    page(desk, &call, |record| &*record.rule == "default" && !record.rejected.is_empty())
}

pub(super) async fn one(desk: &Desk, call: Call<'_>) -> Result<Reply, Refusal> {
    let wanted = &call.parameters[0];
    let found = desk.records(None).into_iter().find(|record| id(record) == *wanted);
    let gone = || {
        let refusal = Refusal::missing(format!("the journals hold no request `{wanted}`"));
        refusal.hint("ids are `provider-number`; the oldest requests give way to new ones")
    };
    Ok(Reply::json(&Entry::new(found.ok_or_else(gone)?)))
}

fn page(desk: &Desk, call: &Call<'_>, holds: impl Fn(&RequestRecord) -> bool) -> Result<Reply, Refusal> {
    let filter = Filter::of(call)?;
    let limit = call.parsed("limit", "a number from 1 to 1000")?.unwrap_or(100);
    if !(1..=MOST).contains(&limit) {
        return Err(Refusal::bad("`limit` is a number from 1 to 1000"));
    }
    let after = call.query("cursor").map(|text| Cursor::parse(text).ok_or_else(|| bad_cursor(text))).transpose()?;
    let mut records = desk.records(call.query("provider"));
    records.retain(|record| {
        holds(record) && filter.holds(record) && after.as_ref().is_none_or(|after| Cursor::of(record) > *after)
    });
    let more = records.len() > limit;
    records.truncate(limit);
    let next = records.last().filter(|_| more).map(|last| Cursor::of(last).to_string());
    let entries: Vec<Entry> = records.into_iter().map(Entry::brief).collect();
    if call.header("accept").is_some_and(|accept| accept.contains("ndjson")) {
        let reply = Reply::lines(&entries);
        return Ok(match next {
            Some(next) => reply.with("x-next-cursor", next),
            None => reply,
        });
    }
    Ok(Reply::json(&json!({"requests": entries, "next": next})))
}

fn bad_cursor(text: &str) -> Refusal {
    Refusal::bad(format!("`{text}` is no cursor")).hint("take the `next` of the page before as it is")
}

impl Desk {
    /// The requests of one provider or all, in order of arrival.
    pub(super) fn records(&self, provider: Option<&str>) -> Vec<RequestRecord> {
        let running = self.fleet.running();
        let members = running.members().filter(|member| provider.is_none_or(|name| name == member.provider().name()));
        let mut records: Vec<RequestRecord> = members.flat_map(|member| member.provider().journal().requests).collect();
        records.sort_by_key(Cursor::of);
        records
    }
}

/// The place of a request among all.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Cursor(u128, String, u64);

impl Cursor {
    fn of(record: &RequestRecord) -> Self {
        Self(record.received_at.as_nanos(), record.provider.to_string(), record.seq)
    }

    fn parse(text: &str) -> Option<Self> {
        let (nanos, rest) = text.split_once('-')?;
        let (provider, seq) = rest.rsplit_once('-')?;
        Some(Self(nanos.parse().ok()?, provider.to_owned(), seq.parse().ok()?))
    }
}

impl std::fmt::Display for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}-{}", self.0, self.1, self.2)
    }
}

/// What the query asks for; all of it must hold.
struct Filter<'c> {
    since: Option<Duration>,
    session: Option<&'c str>,
    rule: Option<&'c str>,
    status: Option<u16>,
    fault: Option<&'c str>,
    model: Option<Glob>,
    path: Option<Glob>,
    end: Option<&'c str>,
}

impl<'c> Filter<'c> {
    fn of(call: &'c Call<'_>) -> Result<Self, Refusal> {
        let glob = |name| call.query(name).map(|text| Glob(text.to_owned()));
        let end = call.query("end");
        if end.is_some_and(|end| !matches!(end, "pending" | "complete" | "client_closed" | "fault")) {
            return Err(Refusal::bad("`end` is one of pending, complete, client_closed, fault"));
        }
        let since: Option<f64> = call.parsed("since", "a number of milliseconds")?;
        let since = since.map(|millis| Duration::try_from_secs_f64(millis / 1e3));
        Ok(Self {
            since: since.transpose().map_err(|_| Refusal::bad("`since` is not negative"))?,
            session: call.query("session"),
            rule: call.query("rule"),
            status: call.parsed("status", "a number")?,
            fault: call.query("fault"),
            model: glob("model"),
            path: glob("path"),
            end,
        })
    }

    fn holds(&self, record: &RequestRecord) -> bool {
        self.since.is_none_or(|since| record.received_at >= since)
            && self.session.is_none_or(|session| record.session.as_deref() == Some(session))
            && self.rule.is_none_or(|rule| *record.rule == *rule)
            && self.status.is_none_or(|status| record.status == Some(status))
            && self.fault.is_none_or(|fault| has_fault(record, fault))
            && self.model.as_ref().is_none_or(|glob| record.model.as_deref().is_some_and(|model| glob.matches(model)))
            && self.path.as_ref().is_none_or(|glob| glob.matches(record.head.path()))
            && self.end.is_none_or(|end| end == end_name(record.end))
    }
}

fn has_fault(record: &RequestRecord, wanted: &str) -> bool {
    match (&record.fault, wanted) {
        (fault, "none") => fault.is_none(),
        (fault, "any") => fault.is_some(),
        (Some(names), wanted) => names.split('+').any(|name| name == wanted),
        (None, _) => false,
    }
}

fn end_name(end: End) -> &'static str {
    match end {
        End::Pending => "pending",
        End::Complete => "complete",
        End::ClientClosed { .. } => "client_closed",
        End::Fault => "fault",
    }
}
