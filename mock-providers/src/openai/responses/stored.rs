//! The responses that a provider keeps, and the operations on them.
//!
//! Owns the bounds: the oldest give way to new ones. Refuses to outlive the script.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use serde_json::{Value, json};

use crate::openai::ApiError;
use crate::plan::{Answer, Kind, Piece};

/// How many responses are kept.
const MAX_KEPT: usize = 1024;
/// How many bytes they have together.
const MAX_BYTES: usize = 32 << 20;
/// How many input items are shown at once, and at most.
const PAGE: (usize, usize) = (20, 100);

/// All kept responses.
#[derive(Default)]
pub(crate) struct Stored(Mutex<Ring>);

#[derive(Default)]
struct Ring {
    order: VecDeque<String>,
    by_id: HashMap<String, Arc<Kept>>,
    bytes: usize,
}

/// One kept response.
pub(super) struct Kept {
    /// The response object as it ends.
    pub(super) body: Bytes,
    /// The input items, as a JSON array.
    pub(super) input: Bytes,
    /// The calls that a next request may answer.
    pub(super) calls: Vec<String>,
    /// How many tokens a next request goes on from.
    pub(super) tokens: u64,
    pub(super) background: bool,
    /// The events with which it was sent, if it was a stream.
    pub(super) events: Vec<(Kind, Bytes)>,
    /// Whether one in the background has been seen at its end.
    pub(super) seen: AtomicBool,
}

impl Kept {
    fn size(&self) -> usize {
        let events = self.events.iter().map(|(_, event)| event.len() + size_of::<(Kind, Bytes)>());
        self.body.len() + self.input.len() + events.sum::<usize>()
    }

    /// The same stream once more, at once, behind the event of this number.
    fn streamed(&self, after: Option<&str>) -> Result<Answer, ApiError> {
        if self.events.is_empty() {
            let why = "only a response that was created with 'stream' can be streamed again";
            return Err(ApiError::wrong_value("stream", why));
        }
        let wrong = || ApiError::wrong_value("starting_after", "it is not the number of an event");
        let skipped = after.map_or(Ok(0), |after| after.parse::<usize>().map(|after| after.saturating_add(1)));
        let events = self.events.iter().skip(skipped.map_err(|_| wrong())?);
        let pieces = events.map(|(kind, bytes)| Piece { bytes: bytes.clone(), kind: *kind, ..Piece::default() });
        Ok(Answer::stream(pieces.collect()))
    }
}

impl Ring {
    fn remove(&mut self, id: &str) -> Option<Arc<Kept>> {
        let kept = self.by_id.remove(id)?;
        self.order.retain(|known| known != id);
        self.bytes -= kept.size();
        Some(kept)
    }
}

impl Stored {
    fn lock(&self) -> MutexGuard<'_, Ring> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn keep(&self, id: String, kept: Kept) {
        let mut ring = self.lock();
        ring.remove(&id);
        ring.bytes += kept.size();
        ring.by_id.insert(id.clone(), Arc::new(kept));
        ring.order.push_back(id);
        while ring.order.len() > MAX_KEPT || ring.bytes > MAX_BYTES {
            let Some(oldest) = ring.order.pop_front() else { return };
            ring.remove(&oldest);
        }
    }

    pub(super) fn find(&self, id: &str) -> Option<Arc<Kept>> {
        self.lock().by_id.get(id).cloned()
    }

    fn get(&self, id: &str) -> Result<Arc<Kept>, ApiError> {
        self.find(id).ok_or_else(|| ApiError::unknown_response(id))
    }
}

/// The value of a parameter of a query.
fn parameter<'q>(query: Option<&'q str>, name: &str) -> Option<&'q str> {
    let mut pairs = query?.split('&').filter_map(|pair| pair.split_once('='));
    pairs.find(|(known, _)| *known == name).map(|(_, value)| value)
}

/// `GET /responses/{id}`; one in the background has come to its end by then.
pub(in crate::openai) fn retrieve(stored: &Stored, id: &str, query: Option<&str>) -> Result<Answer, ApiError> {
    let kept = stored.get(id)?;
    kept.seen.store(true, Ordering::Relaxed);
    if parameter(query, "stream") == Some("true") {
        return kept.streamed(parameter(query, "starting_after"));
    }
    Ok(Answer::json(200, kept.body.clone(), None))
}

/// `DELETE /responses/{id}`.
pub(in crate::openai) fn delete(stored: &Stored, id: &str) -> Result<Answer, ApiError> {
    stored.lock().remove(id).ok_or_else(|| ApiError::unknown_response(id))?;
    Ok(Answer::json(200, json!({ "id": id, "object": "response", "deleted": true }).to_string(), None))
}

/// `POST /responses/{id}/cancel`: one that nobody has seen at its end is cancelled before it.
pub(in crate::openai) fn cancel(stored: &Stored, id: &str) -> Result<Answer, ApiError> {
    let kept = stored.get(id)?;
    if !kept.background {
        return Err(ApiError::wrong_value("response_id", "only a response in the background can be cancelled"));
    }
    if kept.seen.load(Ordering::Relaxed) {
        return Ok(Answer::json(200, kept.body.clone(), None));
    }
    let mut body: Value = serde_json::from_slice(&kept.body).expect("what is kept is JSON");
    (body["status"], body["output"], body["usage"]) = ("cancelled".into(), json!([]), Value::Null);
    let body = Bytes::from(body.to_string());
    let input = kept.input.clone();
    let (calls, events) = Default::default();
    let cancelled = Kept { body: body.clone(), input, calls, tokens: 0, background: true, events, seen: true.into() };
    stored.keep(id.to_owned(), cancelled);
    Ok(Answer::json(200, body, None))
}

/// `GET /responses/{id}/input_items`, newest first unless asked otherwise.
pub(in crate::openai) fn input_items(stored: &Stored, id: &str, query: Option<&str>) -> Result<Answer, ApiError> {
    let kept = stored.get(id)?;
    let mut items: Vec<Value> = serde_json::from_slice(&kept.input).expect("what is kept is JSON");
    match parameter(query, "order") {
        None | Some("desc") => items.reverse(),
        Some("asc") => {}
        Some(_) => return Err(ApiError::wrong_value("order", "it is neither asc nor desc")),
    }
    let limit = match parameter(query, "limit") {
        None => PAGE.0,
        Some(limit) => limit
            .parse()
            .ok()
            .filter(|limit| (1..=PAGE.1).contains(limit))
            .ok_or_else(|| ApiError::wrong_value("limit", &format!("it is not a number from 1 to {}", PAGE.1)))?,
    };
    if let Some(after) = parameter(query, "after") {
        let place = items.iter().position(|item| item["id"] == after);
        items.drain(..place.map_or(0, |place| place + 1));
    }
    let has_more = items.len() > limit;
    items.truncate(limit);
    let end = |item: Option<&Value>| item.map(|item| item["id"].clone());
    let list = json!({
        "object": "list", "first_id": end(items.first()), "last_id": end(items.last()), "has_more": has_more, "data": items,
    });
    Ok(Answer::json(200, list.to_string(), None))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(bytes: usize) -> Kept {
        let body = vec![b' '; bytes].into();
        let (input, calls, events) = Default::default();
        Kept { body, input, calls, tokens: 0, background: false, events, seen: false.into() }
    }

    #[test]
    fn an_id_that_is_kept_again_and_again_is_still_there() {
        let stored = Stored::default();
        for _ in 0..2 * MAX_KEPT {
            stored.keep("resp_1".to_owned(), kept(1));
        }
        assert!(stored.find("resp_1").is_some());
        assert_eq!(stored.lock().order.len(), 1);
    }

    #[test]
    fn the_oldest_responses_give_way_by_number_and_by_size() {
        let stored = Stored::default();
        for id in 0..=MAX_KEPT {
            stored.keep(id.to_string(), kept(1));
        }
        assert!(stored.find("0").is_none() && stored.find("1").is_some());
        stored.keep("large".to_owned(), kept(MAX_BYTES));
        assert!(stored.find("1").is_none() && stored.find("large").is_some());
        assert_eq!(stored.lock().by_id.len(), 1);
    }
}
