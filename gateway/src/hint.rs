//! What an error answer says about trying again: how long the provider wants to be left alone, and whether the
//! request is worth another try there. Pure; headers that make no sense are as good as none.

use std::time::{Duration, SystemTime};

use http::{HeaderMap, StatusCode};

/// Longer wishes are cut.
const LONGEST: Duration = Duration::from_secs(24 * 3600);
/// A bare `x-ratelimit-reset` from here on is a Unix time.
const UNIX_TIME: f64 = 30.0 * 24.0 * 3600.0;

/// How long the provider asks to be left alone: `retry-after-ms`, else `Retry-After` in seconds or as a date
/// (RFC 9110 section 10.2.3), else, of a 429, when the last of the used-up limits is full again.
#[must_use]
pub fn pause(status: StatusCode, headers: &HeaderMap) -> Option<Duration> {
    if !status.is_client_error() && !status.is_server_error() {
        return None;
    }
    let pause = retry_after(headers).or_else(|| match status {
        StatusCode::TOO_MANY_REQUESTS => used_up(headers),
        _ => None,
    });
    pause.map(|pause| pause.min(LONGEST))
}

/// `Retry-After` in all its forms.
#[must_use]
pub fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    if let Some(millis) = text(headers, "retry-after-ms").and_then(|value| value.parse::<f64>().ok()) {
        return seconds(millis / 1000.0);
    }
    let value = text(headers, "retry-after")?;
    if let Ok(whole) = value.parse::<u64>() {
        return Some(Duration::from_secs(whole).min(LONGEST));
    }
    let until = httpdate::parse_http_date(value).ok()?;
    Some(until.duration_since(SystemTime::now()).unwrap_or_default().min(LONGEST))
}

/// `x-should-retry`: what the provider itself says about another try after an error.
#[must_use]
pub fn should_retry(status: StatusCode, headers: &HeaderMap) -> Option<bool> {
    if status.as_u16() < 400 {
        return None;
    }
    text(headers, "x-should-retry")?.parse().ok()
}

/// The longest `x-ratelimit-reset…` of those limits of which `x-ratelimit-remaining…` says that nothing is left.
fn used_up(headers: &HeaderMap) -> Option<Duration> {
    const REMAINING: &str = "x-ratelimit-remaining";
    let limits = headers.iter().filter_map(|(name, value)| Some((name.as_str().strip_prefix(REMAINING)?, value)));
    let empty = limits.filter(|(_, left)| left.to_str().is_ok_and(|left| left.trim() == "0"));
    empty.filter_map(|(limit, _)| reset(text(headers, &format!("x-ratelimit-reset{limit}"))?)).max()
}

/// `1m30s`, `250ms`, seconds, or a Unix time.
fn reset(text: &str) -> Option<Duration> {
    if let Ok(number) = text.parse::<f64>() {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let unix_time = number >= UNIX_TIME;
        return seconds(if unix_time { (number - now.as_secs_f64()).max(0.0) } else { number });
    }
    let (mut rest, mut total) = (text, 0.0);
    while !rest.is_empty() {
        let unit = rest.find(|letter: char| !letter.is_ascii_digit() && letter != '.')?;
        let number: f64 = rest[..unit].parse().ok()?;
        let end = rest[unit..].find(|letter: char| letter.is_ascii_digit()).map_or(rest.len(), |end| unit + end);
        total += number
            * match &rest[unit..end] {
                "d" => 86_400.0,
                "h" => 3600.0,
                "m" => 60.0,
                "s" => 1.0,
                "ms" => 0.001,
                "us" | "µs" => 0.000_001,
                _ => return None,
            };
        rest = &rest[end..];
    }
    seconds(total).filter(|_| !text.is_empty())
}

fn seconds(number: f64) -> Option<Duration> {
    let number = Some(number).filter(|number| !number.is_nan())?;
    Duration::try_from_secs_f64(number.min(LONGEST.as_secs_f64())).ok()
}

fn text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};
    use proptest::prelude::*;

    use super::*;

    fn limited(fields: &[(&'static str, &str)]) -> Option<Duration> {
        asked(StatusCode::TOO_MANY_REQUESTS, fields)
    }

    fn asked(status: StatusCode, fields: &[(&'static str, &str)]) -> Option<Duration> {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
        }
        pause(status, &headers)
    }

    #[test]
    fn retry_after_is_read_in_all_its_forms() {
        let read = |name: &'static str, value: &str| limited(&[(name, value)]);
        assert_eq!(read("retry-after", "2"), Some(Duration::from_secs(2)));
        assert_eq!(read("retry-after-ms", "250"), Some(Duration::from_millis(250)));
        assert_eq!(read("retry-after", "Thu, 01 Jan 1970 00:00:00 GMT"), Some(Duration::ZERO));
        let soon = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(60));
        assert!(read("retry-after", &soon).is_some_and(|pause| (58..=60).contains(&pause.as_secs())));
        assert_eq!(read("retry-after", "99999999999"), Some(LONGEST));
        for wrong in
            [("retry-after", "soon"), ("retry-after", "-5"), ("retry-after-ms", "-5"), ("retry-after-ms", "NaN")]
        {
            assert_eq!(limited(&[wrong]), None, "{wrong:?}");
        }
        assert_eq!(limited(&[("retry-after-ms", "250"), ("retry-after", "9")]), Some(Duration::from_millis(250)));
        assert_eq!(asked(StatusCode::OK, &[("retry-after", "9")]), None, "only errors ask for a pause");
    }

    #[test]
    fn a_limit_counts_only_when_nothing_of_it_remains_and_the_last_one_decides() {
        let requests = ("x-ratelimit-reset-requests", "1m30s");
        assert_eq!(limited(&[requests]), None);
        assert_eq!(limited(&[requests, ("x-ratelimit-remaining-requests", "3")]), None);
        let empty = ("x-ratelimit-remaining-requests", "0");
        assert_eq!(limited(&[requests, empty]), Some(Duration::from_secs(90)));
        let tokens = [("x-ratelimit-reset-tokens", "250ms"), ("x-ratelimit-remaining-tokens", "0")];
        assert_eq!(limited(&tokens), Some(Duration::from_millis(250)));
        assert_eq!(limited(&[requests, empty, tokens[0], tokens[1]]), Some(Duration::from_secs(90)));
        assert_eq!(asked(StatusCode::SERVICE_UNAVAILABLE, &[requests, empty]), None);
        assert_eq!(limited(&[requests, empty, ("retry-after", "7")]), Some(Duration::from_secs(7)));
    }

    #[test]
    fn resets_come_as_durations_seconds_and_unix_times() {
        let cases =
            [("6m0s", 360.0), ("1h2m3.5s", 3723.5), ("12", 12.0), ("0.25", 0.25), ("8.64s", 8.64), ("1d", 86_400.0)];
        for (text, expected) in cases {
            assert_eq!(reset(text), Duration::try_from_secs_f64(expected).ok(), "{text}");
        }
        assert_eq!(reset("1000000000"), Some(Duration::ZERO), "a time that has passed");
        for wrong in ["", "s", "1x", "1m30", "-1s", "soon", "..s", "1 s", "NaN"] {
            assert_eq!(reset(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn x_should_retry_is_a_word_of_the_provider() {
        let said = |value: &'static str| {
            let header = (HeaderName::from_static("x-should-retry"), HeaderValue::from_static(value));
            let headers = HeaderMap::from_iter([header]);
            assert_eq!(should_retry(StatusCode::OK, &headers), None, "an answer that is good is taken");
            should_retry(StatusCode::CONFLICT, &headers)
        };
        assert_eq!([said("true"), said("false"), said("maybe")], [Some(true), Some(false), None]);
        assert_eq!(should_retry(StatusCode::CONFLICT, &HeaderMap::new()), None);
    }

    proptest! {
        #[test]
        fn any_value_is_read_without_panic_and_never_asks_for_more_than_a_day(value in "[ -~]{0,24}") {
            for name in ["retry-after", "retry-after-ms", "x-ratelimit-reset"] {
                let pause = limited(&[(name, &value), ("x-ratelimit-remaining", "0")]);
                prop_assert!(pause.is_none_or(|pause| pause <= LONGEST));
            }
        }
    }
}
