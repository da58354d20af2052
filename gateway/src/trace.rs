//! W3C trace context: the incoming `traceparent` continues, a missing one begins unsampled. Its `tracestate` is the
//! business of [`state`].

pub mod state;

use http::{HeaderMap, HeaderValue};

use crate::headers::TRACEPARENT;

/// Trace and span of one exchange.
#[derive(Debug, Clone, Copy)]
pub struct Trace {
    /// 16 bytes.
    pub trace_id: u128,
    /// The gateway's own span.
    pub span_id: u64,
    /// The caller's span, 0 for none.
    pub parent_id: u64,
    /// Trace flags; bit 0 is sampled.
    pub flags: u8,
    /// The gateway takes no part: the caller's header goes on as it came.
    pub passes: bool,
}

impl Trace {
    /// Continues the caller's trace or begins one with random ids.
    #[must_use]
    pub fn begin(headers: &HeaderMap, mut random: impl FnMut() -> u64) -> Self {
        let span_id = random().max(1);
        match only(headers).and_then(parse) {
            Some((trace_id, parent_id, flags)) => Self { trace_id, span_id, parent_id, flags, passes: false },
            None => {
                let trace_id = u128::from(random()) << 64 | u128::from(random().max(1));
                Self { trace_id, span_id, parent_id: 0, flags: 0, passes: false }
            }
        }
    }

    /// Whether the caller's trace goes on; otherwise its `tracestate` ends here (W3C trace context, section 4.3).
    #[must_use]
    pub fn continues(&self) -> bool {
        self.parent_id != 0
    }

    /// The header for the provider, with a span of the gateway as parent.
    #[must_use]
    pub fn header(&self, span_id: u64) -> HeaderValue {
        let mut text = *b"00-00000000000000000000000000000000-0000000000000000-00";
        text[3..35].copy_from_slice(&hex::<32>(self.trace_id));
        text[36..52].copy_from_slice(&hex::<16>(span_id.into()));
        text[53..].copy_from_slice(&hex::<2>(self.flags.into()));
        HeaderValue::from_bytes(&text).expect("hex digits and dashes are a header value")
    }
}

/// The last digits of a number, of which there are an even number, in lower case.
#[must_use]
pub fn hex<const DIGITS: usize>(number: u128) -> [u8; DIGITS] {
    const { assert!(DIGITS.is_multiple_of(2) && DIGITS <= 32) };
    const PAIRS: [[u8; 2]; 256] = {
        let (digits, mut pairs, mut byte) = (b"0123456789abcdef", [[0; 2]; 256], 0);
        while byte < 256 {
            pairs[byte] = [digits[byte >> 4], digits[byte & 0xF]];
            byte += 1;
        }
        pairs
    };
    let mut digits = [0; DIGITS];
    let bytes = number.to_be_bytes();
    for (pair, byte) in digits.chunks_exact_mut(2).zip(&bytes[16 - DIGITS / 2..]) {
        pair.copy_from_slice(&PAIRS[usize::from(*byte)]);
    }
    digits
}

/// The one `traceparent`; two contradict each other and count as none.
fn only(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(TRACEPARENT).iter();
    let first = values.next()?.to_str().ok();
    first.filter(|_| values.next().is_none())
}

fn parse(value: &str) -> Option<(u128, u64, u8)> {
    let mut parts = value.trim().split('-');
    let (version, trace, parent, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let hex = |text: &str, len: usize| {
        text.len() == len && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
    };
    let shapes = hex(version, 2) && hex(trace, 32) && hex(parent, 16) && hex(flags, 2);
    if !shapes || version == "ff" || (version == "00" && parts.next().is_some()) {
        return None;
    }
    let trace_id = u128::from_str_radix(trace, 16).ok().filter(|id| *id != 0)?;
    let parent_id = u64::from_str_radix(parent, 16).ok().filter(|id| *id != 0)?;
    Some((trace_id, parent_id, u8::from_str_radix(flags, 16).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_well_formed_context_is_continued() {
        let good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        assert_eq!(parse(good).unwrap().1, 0xb7ad_6b71_6920_3331);
        for bad in [
            "",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0AF7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x",
        ] {
            assert!(parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn two_contexts_are_none() {
        let mut headers = HeaderMap::new();
        headers.append("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".parse().unwrap());
        assert!(Trace::begin(&headers, || 7).continues());
        headers.append("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203332-01".parse().unwrap());
        assert!(!Trace::begin(&headers, || 7).continues());
    }

    #[test]
    fn the_header_round_trips() {
        let mut headers = HeaderMap::new();
        headers.insert("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".parse().unwrap());
        let trace = Trace::begin(&headers, || 7);
        assert_eq!(trace.header(9), "00-0af7651916cd43dd8448eb211c80319c-0000000000000009-01");
    }
}
