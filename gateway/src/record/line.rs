//! A record as a line of the log: one JSON object, written straight into the log's buffer, because every exchange has one.
//! Names are written as they are, values are escaped only where they need it. What policies make of a line is
//! `access_log`'s business.

use std::io::Write as _;
use std::net::IpAddr;
use std::time::Duration;

use serde_json::Value;

use super::place::{self, Place};
use super::{Attempt, Record, shortened};
use crate::json::is_plain;
use crate::trace::hex;

/// The name of a member, which needs no escapes, as it stands between two members.
macro_rules! name {
    ($name:literal) => {
        concat!(",\"", $name, "\":")
    };
}

/// An object that is being written.
struct Object<'o> {
    out: &'o mut Vec<u8>,
    empty: bool,
}

impl<'o> Object<'o> {
    fn begin(out: &'o mut Vec<u8>) -> Self {
        out.push(b'{');
        Self { out, empty: true }
    }

    fn end(self) {
        self.out.push(b'}');
    }

    /// A member's name as [`name!`] has it.
    fn name(&mut self, name: &str) -> &mut Vec<u8> {
        self.out.extend_from_slice(&name.as_bytes()[usize::from(self.empty)..]);
        self.empty = false;
        self.out
    }

    fn text(&mut self, name: &str, value: &str) {
        let out = self.name(name);
        if is_plain(value.as_bytes()) {
            quoted(out, value.as_bytes());
        } else {
            serde_json::to_writer(out, value).expect("a text is JSON, and there is always room");
        }
    }

    fn some_text(&mut self, name: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.text(name, value);
        }
    }

    /// Digits and signs.
    fn plain(&mut self, name: &str, value: &[u8]) {
        quoted(self.name(name), value);
    }

    fn number(&mut self, name: &str, value: u64) {
        let out = self.name(name);
        out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
    }

    fn positive(&mut self, name: &str, value: u64) {
        if value > 0 {
            self.number(name, value);
        }
    }

    fn seconds(&mut self, name: &str, value: Option<f64>) {
        if let Some(value) = value {
            serde_json::to_writer(self.name(name), &value).expect("a number is JSON, and there is always room");
        }
    }

    fn millis(&mut self, name: &str, value: Duration) {
        let out = self.name(name);
        out.push(b'"');
        out.extend_from_slice(itoa::Buffer::new().format(value.as_millis()).as_bytes());
        out.extend_from_slice(b"ms\"");
    }
}

fn quoted(out: &mut Vec<u8>, text: &[u8]) {
    out.push(b'"');
    out.extend_from_slice(text);
    out.push(b'"');
}

/// The members of a line that tell where its record was served, kept for the next one.
#[derive(Debug, Default)]
pub struct PlaceText {
    of: Place,
    text: Vec<u8>,
}

impl PlaceText {
    /// The members for this record, each with a comma before it.
    fn of(&mut self, record: &Record) -> &[u8] {
        if self.text.is_empty() || !self.of.is_of(record) {
            self.text.clear();
            let mut line = Object { out: &mut self.text, empty: false };
            let members = [name!("gateway"), name!("listener"), name!("route_rule"), name!("route"), name!("backend")];
            for (member, name) in members.into_iter().zip(place::names(record)) {
                line.some_text(member, name.map(|name| &**name));
            }
            self.of = Place::of(record);
        }
        &self.text
    }
}

impl Record {
    /// Appends the record as a JSON object without the end of the line; `place` is of the record before.
    pub fn write(&self, place: &mut PlaceText, out: &mut Vec<u8>) {
        let mut line = Object::begin(out);
        line.plain(name!("level"), b"info");
        line.plain(name!("time"), &timestamp_in_ascii(self.since_epoch()));
        line.plain(name!("scope"), b"request");
        line.out.extend_from_slice(place.of(self));
        if let Some(last) = self.attempts.last() {
            line.text(name!("endpoint"), &last.endpoint);
            line.text(name!("provider"), &last.provider);
            line.some_text(name!("provider.standing"), last.standing);
        }
        self.write_request(&mut line);
        line.plain(name!("protocol"), self.protocol().as_bytes());
        self.write_gen_ai(&mut line);
        line.number(name!("attempts"), self.attempts.len() as u64);
        line.positive(name!("retry.attempt"), self.attempts.len().saturating_sub(1) as u64);
        if self.attempts.len() > 1 || self.attempts.iter().any(|attempt| attempt.error.is_some()) {
            write_attempts(&self.attempts, line.name(name!("attempt.detail")));
        }
        line.plain(name!("end"), self.end.name().as_bytes());
        line.some_text(name!("reason"), self.reason.map(|reason| reason.name()));
        line.some_text(name!("error"), self.error.as_deref());
        line.some_text(name!("request.body"), self.request_body.as_deref().map(String::from_utf8_lossy).as_deref());
        line.some_text(name!("response.body"), self.response_body.as_deref().map(String::from_utf8_lossy).as_deref());
        line.millis(name!("duration"), self.duration);
        line.end();
    }

    /// The record as a tree.
    #[must_use]
    pub fn value(&self) -> Value {
        let mut line = Vec::new();
        self.write(&mut PlaceText::default(), &mut line);
        serde_json::from_slice(&line).expect("a record is written as JSON")
    }

    /// What was asked for, and how it is called.
    fn write_request(&self, line: &mut Object<'_>) {
        write_address(self.peer, line.name(name!("src.addr")));
        line.text(name!("http.method"), shortened(self.method.as_str()));
        line.text(name!("http.host"), &self.host);
        line.text(name!("http.path"), &self.path);
        line.plain(name!("http.version"), version(self.version).as_bytes());
        line.number(name!("http.status"), self.status.into());
        line.text(name!("request.id"), &self.request_id);
        line.some_text(name!("upstream.request.id"), self.upstream_request_id.as_deref());
        line.plain(name!("trace.id"), &hex::<32>(self.trace.trace_id));
        line.plain(name!("span.id"), &hex::<16>(self.trace.span_id.into()));
    }

    fn write_gen_ai(&self, line: &mut Object<'_>) {
        let Some(operation) = self.operation else { return };
        line.plain(name!("gen_ai.operation.name"), operation.as_bytes());
        line.some_text(name!("gen_ai.provider.name"), self.system);
        line.some_text(name!("gen_ai.request.model"), self.sent_model().map(shortened));
        line.some_text(name!("gen_ai.request.original_model"), self.requested_model.as_deref().map(shortened));
        line.some_text(name!("gen_ai.response.model"), self.response_model.as_deref().map(shortened));
        if let Some(usage) = self.usage {
            line.number(name!("gen_ai.usage.input_tokens"), usage.input);
            line.number(name!("gen_ai.usage.output_tokens"), usage.output);
            line.positive(name!("gen_ai.usage.cache_read.input_tokens"), usage.cached);
            line.positive(name!("gen_ai.usage.cache_creation.input_tokens"), usage.cache_written);
            line.positive(name!("gen_ai.usage.reasoning_tokens"), usage.reasoning);
        }
        line.seconds(name!("agw.ai.time_to_first_token"), self.first_token.map(|first| first.as_secs_f64()));
        line.seconds(name!("agw.ai.time_per_output_token"), self.time_per_output_token());
        if let Some(cost) = &self.cost {
            line.plain(name!("agw.ai.usage.cost.total"), cost.total().to_string().as_bytes());
        }
        for (name, value) in self.asked.iter().flat_map(|asked| asked.each()) {
            serde_json::to_writer(line.name(&format!(",\"{name}\":")), value)
                .expect("a value is JSON, and there is always room");
        }
    }
}

fn write_attempts(attempts: &[Attempt], out: &mut Vec<u8>) {
    out.push(b'[');
    for (at, attempt) in attempts.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        let mut told = Object::begin(out);
        told.text(name!("provider"), &attempt.provider);
        told.text(name!("endpoint"), &attempt.endpoint);
        told.some_text(name!("standing"), attempt.standing);
        if let Some(status) = attempt.status {
            told.number(name!("status"), status.into());
        }
        told.some_text(name!("error"), attempt.error.as_deref());
        told.millis(name!("duration"), attempt.duration);
        told.end();
    }
    out.push(b']');
}

fn write_address(address: IpAddr, out: &mut Vec<u8>) {
    let IpAddr::V4(address) = address else {
        return write!(out, "\"{address}\"").expect("there is always room");
    };
    let mut before = b'"';
    for part in address.octets() {
        out.push(before);
        out.extend_from_slice(itoa::Buffer::new().format(part).as_bytes());
        before = b'.';
    }
    out.push(b'"');
}

/// As `Debug` has it.
fn version(version: http::Version) -> &'static str {
    match version {
        http::Version::HTTP_09 => "HTTP/0.9",
        http::Version::HTTP_10 => "HTTP/1.0",
        http::Version::HTTP_11 => "HTTP/1.1",
        http::Version::HTTP_2 => "HTTP/2.0",
        _ => "HTTP/3.0",
    }
}

/// RFC 3339 in UTC with microseconds.
pub(crate) fn timestamp(since_epoch: Duration) -> String {
    String::from_utf8_lossy(&timestamp_in_ascii(since_epoch)).into_owned()
}

fn timestamp_in_ascii(since_epoch: Duration) -> [u8; 27] {
    let seconds = since_epoch.as_secs();
    let (days, of_day) = (seconds / 86_400, seconds % 86_400);
    // civil date from days since 1970-01-01 (Gregorian calendar, eras of 400 years)
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_index = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_index + 2) / 5 + 1;
    let month = if month_index < 10 { month_index + 3 } else { month_index - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
    let mut text = *b"0000-00-00T00:00:00.000000Z";
    let parts = [year, month, day, hour, minute, second, since_epoch.subsec_micros().into()];
    for (mut number, place) in parts.into_iter().zip([0..4, 5..7, 8..10, 11..13, 14..16, 17..19, 20..26]) {
        for digit in text[place].iter_mut().rev() {
            *digit = b'0' + (number % 10) as u8;
            number /= 10;
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_are_rfc_3339() {
        assert_eq!(timestamp(Duration::ZERO), "1970-01-01T00:00:00.000000Z");
        assert_eq!(timestamp(Duration::from_micros(1_709_210_096_000_007)), "2024-02-29T12:34:56.000007Z");
    }

    #[test]
    fn a_line_is_one_json_object_whatever_the_values() {
        let mut record = Record { host: "a\"b\\c\n\u{1}\u{7f}北".into(), path: "/".into(), ..Record::empty() };
        record.response_body = Some(vec![b'x', 0xff]);
        let mut line = Vec::new();
        record.write(&mut PlaceText::default(), &mut line);
        assert!(!line.contains(&b'\n'));
        let read: Value = serde_json::from_slice(&line).unwrap();
        assert_eq!((read["http.host"].as_str(), read["src.addr"].as_str()), (Some(&*record.host), Some("0.0.0.0")));
        assert_eq!((&read["response.body"], &read["http.version"]), (&Value::from("x\u{fffd}"), &"HTTP/1.1".into()));
        assert_eq!(read, record.value());
    }

    #[test]
    fn a_line_tells_its_own_place_whatever_the_line_before_told() {
        let name = |name: &str| Some(std::sync::Arc::<str>::from(name));
        let (a, b) = (name("a"), name("b"));
        let attempted = |provider| vec![crate::span::tests::attempt(provider, 1, 2)];
        let nowhere = Record::empty;
        let records = [
            nowhere(),
            Record { gateway: a.clone(), route: b.clone(), ..nowhere() },
            Record { gateway: a.clone(), route: b.clone(), ..nowhere() },
            Record { gateway: a.clone(), rule: b.clone(), ..nowhere() },
            Record { gateway: b, attempts: attempted("one"), ..nowhere() },
            Record { gateway: a, attempts: attempted("two"), ..nowhere() },
            nowhere(),
        ];
        let mut place = PlaceText::default();
        for record in &records {
            let mut line = Vec::new();
            record.write(&mut place, &mut line);
            assert_eq!(serde_json::from_slice::<Value>(&line).unwrap(), record.value());
        }
    }
}
