//! What the providers saw: counts, requests, connections, and requests that nobody caused.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use mock_providers::{End, Journal, RequestRecord};

use super::exchange::{Served, millis};
use super::{Judge, distribution, header, parse};
use crate::client::Exchange;
use crate::matcher::Seen;
use crate::scenario::At;
use crate::scenario::expect::{
    ContentLength, EndExpect, ExchangeExpect, FramingExpect, GapsExpect, ProviderExpect, RequestExpect,
};
use crate::seam::NONCE;

/// The exchanges of a run by nonce.
pub type Sent<'e> = HashMap<&'e str, &'e Exchange>;

/// Judges all providers that are named.
pub fn judge(
    judge: &mut Judge<'_>,
    expect: &BTreeMap<String, ProviderExpect>,
    journals: &BTreeMap<String, Journal>,
    sent: &Sent<'_>,
) {
    let total = journals.values().map(|journal| journal.requests.len()).sum();
    for (name, expect) in expect {
        let empty = Journal::default();
        let journal = journals.get(name).unwrap_or(&empty);
        judge.below(&format!(".providers.{name}"), |judge| provider(judge, expect, journal, total, sent));
    }
}

fn provider(judge: &mut Judge<'_>, expect: &ProviderExpect, journal: &Journal, total: usize, sent: &Sent<'_>) {
    let requests = &journal.requests;
    judge.maybe(".count", expect.count.as_ref(), || Seen::one(requests.len()));
    if let Some(share) = &expect.share {
        distribution::judge(judge, ".share", share, requests.len(), total);
    }
    for (index, wanted) in expect.requests.iter().enumerate() {
        let part = format!(".requests[{index}]");
        match requests.get(index) {
            Some(record) => {
                let seen =
                    Arrival { record, before: index.checked_sub(1).and_then(|before| requests.get(before)), journal };
                judge.below(&part, |judge| request(judge, &wanted.value, seen, sent));
            }
            None => judge.fail(&part, wanted, "this request", format!("{} requests in all", requests.len())),
        }
    }
    if let Some(last) = expect.requests.last().filter(|_| requests.len() > expect.requests.len()) {
        let expected = format!("{} requests", expect.requests.len());
        judge.fail(".requests", last, expected, format!("{} requests", requests.len()));
    }
    if let Some(every) = &expect.every_request {
        let none = expect.count.is_none() && expect.requests.is_empty() && requests.is_empty();
        if let Some(place) = every.place().filter(|_| none) {
            judge.fail(".every_request", place, "requests", "there is none");
        }
        for (index, record) in requests.iter().enumerate() {
            let seen =
                Arrival { record, before: index.checked_sub(1).and_then(|before| requests.get(before)), journal };
            judge.below(&format!(".every_request (request {index})"), |judge| request(judge, every, seen, sent));
        }
    }
    together(judge, expect, journal);
    if let Some(expect) = &expect.connections {
        let open = journal.open_connections().count();
        judge.maybe(".connections.open", expect.open.as_ref(), || Seen::one(open));
        let most = journal.connections.iter().map(|connection| connection.requests).max().unwrap_or(0);
        let tls = journal.connections.iter().any(|connection| connection.tls.is_some());
        judge.maybe(".connections.count", expect.count.as_ref(), || Seen::one(journal.connections.len()));
        judge.maybe(".connections.most_requests", expect.most_requests.as_ref(), || Seen::one(most));
        let none = journal.connections.is_empty();
        if let Some(wanted) = expect.tls.as_ref().filter(|wanted| none || wanted.value != tls) {
            let actual = if none { "no connection".to_owned() } else { format!("TLS: {tls}") };
            judge.fail(".connections.tls", wanted, format!("TLS: {}", wanted.value), actual);
        }
    }
}

/// What all requests of a provider show together.
fn together(judge: &mut Judge<'_>, expect: &ProviderExpect, journal: &Journal) {
    let requests = &journal.requests;
    if let Some(wanted) = &expect.body_equal {
        let equal = requests.len() > 1 && requests.windows(2).all(|pair| pair[0].body == pair[1].body);
        if equal != wanted.value {
            judge.fail(".body_equal", wanted, wanted.value.to_string(), format!("{equal}, {} bodies", requests.len()));
        }
    }
    if let Some(GapsExpect { at_least }) = &expect.gaps {
        let gaps = requests.windows(2).map(|pair| pair[1].received_at.saturating_sub(pair[0].received_at));
        let shortest = gaps.min();
        if shortest.is_none_or(|gap| gap < at_least.value.0) {
            let actual = shortest.map_or_else(|| "fewer than two requests".to_owned(), millis);
            judge.fail(".gaps", at_least, format!("{:?} or more", at_least.value.0), actual);
        }
    }
    judge.maybe(".at_once", expect.at_once.as_ref(), || Seen::one(at_once(requests)));
}

/// Most requests in flight at the same time.
fn at_once(requests: &[RequestRecord]) -> usize {
    let ended = |request: &RequestRecord| match request.end {
        End::ClientClosed { at } => at,
        End::Pending => Duration::MAX,
        _ => request.events.last().map_or(request.received_at, |(at, _)| *at),
    };
    let at = |moment| requests.iter().filter(|one| one.received_at <= moment && ended(one) > moment).count();
    requests.iter().map(|request| at(request.received_at)).max().unwrap_or(0)
}

/// A request with what came before it.
struct Arrival<'j> {
    record: &'j RequestRecord,
    before: Option<&'j RequestRecord>,
    journal: &'j Journal,
}

fn request(judge: &mut Judge<'_>, expect: &RequestExpect, arrival: Arrival<'_>, sent: &Sent<'_>) {
    let Arrival { record, before, journal } = arrival;
    judge.maybe(".after_previous", expect.after_previous.as_ref(), || {
        let gap = before.map(|before| record.received_at.saturating_sub(before.received_at));
        Seen::maybe(gap.map(|gap| gap.as_secs_f64() * 1e3))
    });
    if let Some(wanted) = expect.blocked_at_least.as_ref().filter(|wanted| record.blocked < wanted.value.0) {
        judge.fail(".blocked_at_least", wanted, format!("{:?} or more", wanted.value.0), millis(record.blocked));
    }
    if let Some(expect) = &expect.tls {
        let connection = journal.connections.iter().find(|connection| connection.id == record.connection);
        let sni = connection.and_then(|connection| connection.tls.as_ref()).and_then(|tls| tls.sni.clone());
        judge.maybe(".tls.sni", expect.sni.as_ref(), || Seen::maybe(sni));
    }
    judge.maybe(".method", expect.method.as_ref(), || Seen::one(record.head.method()));
    judge.maybe(".path", expect.path.as_ref(), || Seen::one(record.head.path()));
    judge.maybe(".query", expect.query.as_ref(), || Seen::maybe(record.head.query().map(str::to_owned)));
    for (name, matcher) in &expect.headers {
        judge.check(&format!(".headers[{name}]"), matcher, &header(record.head.headers(), name));
    }
    if !expect.json.is_empty() {
        let document = parse(&record.body);
        judge.json(".json", &expect.json, document.as_ref().map_err(Clone::clone));
    }
    judge.maybe(".body", expect.body.as_ref(), || Seen::Bytes(record.body.to_vec()));
    if let Some(expect) = &expect.framing {
        framing(judge, expect, record);
    }
    if let Some(expect) = &expect.end {
        end(judge, expect, record, sent);
    }
}

fn framing(judge: &mut Judge<'_>, expect: &FramingExpect, record: &RequestRecord) {
    if let Some(wanted) = &expect.content_length {
        let name = "content-length";
        let named = record.head.headers().filter(|(known, _)| known.eq_ignore_ascii_case(name));
        let lengths: Vec<&str> = named.map(|(_, value)| value).collect();
        let encoded = record.head.headers().any(|(known, _)| known.eq_ignore_ascii_case("transfer-encoding"));
        let exact = !encoded && lengths == [record.body.len().to_string()];
        let actual = || format!("Content-Length {lengths:?}, {} bytes of body", record.body.len());
        match wanted.value {
            ContentLength::Exact if !exact || record.malformed.is_some() => {
                judge.fail(".framing.content_length", wanted, "one Content-Length equal to the body", actual());
            }
            ContentLength::Absent if !lengths.is_empty() => {
                judge.fail(".framing.content_length", wanted, "no Content-Length", actual());
            }
            _ => {}
        }
    }
    if let Some(wanted) = expect.chunked.as_ref().filter(|wanted| wanted.value != record.chunked) {
        judge.fail(".framing.chunked", wanted, wanted.value.to_string(), record.chunked.to_string());
    }
}

fn end(judge: &mut Judge<'_>, expect: &At<EndExpect>, record: &RequestRecord, sent: &Sent<'_>) {
    let EndExpect { complete, client_closed, fault } = &expect.value;
    if let Some(wanted) = complete.filter(|wanted| *wanted != (record.end == End::Complete)) {
        judge.fail(".end", expect, format!("complete: {wanted}"), format!("{:?}", record.end));
    }
    if let Some(wanted) = fault.filter(|wanted| *wanted != (record.end == End::Fault)) {
        judge.fail(".end", expect, format!("fault: {wanted}"), format!("{:?}", record.end));
    }
    let Some(wanted) = client_closed else { return };
    let limit = wanted.within.unwrap_or(Duration::from_secs(1));
    let expected = format!("closed by the gateway within {limit:?} of the client's close");
    let End::ClientClosed { at } = record.end else {
        return judge.late(".end", expect, expected, format!("{:?}", record.end));
    };
    let client = record.header(NONCE).and_then(|nonce| sent.get(nonce)).map(|exchange| exchange.ended_at);
    let late = at.saturating_sub(client.unwrap_or_default());
    if late > limit + judge.slack {
        judge.late(".end", expect, expected, format!("after {}", millis(late)));
    }
}

/// Requests that carry no nonce of this run: something was sent that no step caused.
pub fn unexpected<'j>(journals: &'j BTreeMap<String, Journal>, sent: &Sent<'_>) -> Vec<&'j RequestRecord> {
    let requests = journals.values().flat_map(|journal| &journal.requests);
    requests.filter(|record| !record.header(NONCE).is_some_and(|nonce| sent.contains_key(nonce))).collect()
}

/// Who served each exchange.
pub fn by_nonce(journals: &BTreeMap<String, Journal>) -> HashMap<&str, Served> {
    let mut requests: Vec<(&String, &RequestRecord)> = Vec::new();
    for (name, journal) in journals {
        requests.extend(journal.requests.iter().map(|record| (name, record)));
    }
    requests.sort_by_key(|(_, record)| record.received_at);
    let mut found: HashMap<&str, Served> = HashMap::new();
    let mut last: HashMap<&str, u16> = HashMap::new();
    for (name, record) in requests {
        let nonce = record.header(NONCE).unwrap_or_default();
        let served = found.entry(nonce).or_default();
        served.before.extend(last.remove(nonce));
        last.extend(record.status.map(|status| (nonce, status)));
        served.by = Some(name.clone());
        served.attempts += 1;
        served.sent = record.sent.concat();
        served.whole = record.end == End::Complete;
        served.in_order = served.whole || record.end == End::Fault && ended_in_order(record);
    }
    found
}

/// Faults that cut an answer short but close its transfer properly.
fn ended_in_order(record: &RequestRecord) -> bool {
    let mut faults = record.fault.as_deref().unwrap_or_default().split('+');
    faults.all(|fault| !matches!(fault, "disconnect" | "empty_response" | "rst_before_head" | "hang_before_head"))
}

/// Judges every upstream request that was made for one exchange; where there may be none, `attempts` says so.
pub fn attempts(
    judge: &mut Judge<'_>,
    expect: &ExchangeExpect,
    journals: &BTreeMap<String, Journal>,
    exchange: &Exchange,
) {
    let Some(every) = &expect.every_attempt else { return };
    let sent = Sent::from([(exchange.call.nonce.as_str(), exchange)]);
    let mut any = expect.attempts.is_some();
    for (name, journal) in journals {
        let own = |record: &&RequestRecord| record.header(NONCE) == Some(&exchange.call.nonce);
        for record in journal.requests.iter().filter(own) {
            any = true;
            let part = format!(".every_attempt (provider {name}, request {})", record.seq);
            judge.below(&part, |judge| request(judge, every, Arrival { record, before: None, journal }, &sent));
        }
    }
    if let Some(place) = every.place().filter(|_| !any) {
        judge.fail(".every_attempt", place, "upstream requests", "there is none");
    }
}
