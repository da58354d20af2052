//! Deadlines and retries: GEP-2257 durations and the retry block, which rules and policies share.

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;

use super::Refusal;
use super::cel::{self, Moment};
use crate::config::resources::route::RetrySpec;
use crate::snapshot::Retry;

/// Retries beyond this are cut.
const MOST_ATTEMPTS: u32 = 255;

/// A GEP-2257 duration: up to four numbers with `h`, `m`, `s` or `ms`.
pub(super) fn duration(text: &str) -> Result<Duration, Refusal> {
    parse(text).ok_or_else(|| {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let help = if digits { format!("write `{text}s`") } else { "write it like `90s` or `1m30s`".to_owned() };
        Refusal::new("UnsupportedValue", format!("`{text}` is not a duration: {help}"))
    })
}

fn parse(text: &str) -> Option<Duration> {
    let (mut rest, mut total, mut parts) = (text, Duration::ZERO, 0);
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let number: u64 = rest[..digits].parse().ok().filter(|_| digits <= 5)?;
        rest = &rest[digits..];
        let (unit, length) = match rest.as_bytes() {
            [b'm', b's', ..] => (Duration::from_millis(number), 2),
            [b'h', ..] => (Duration::from_secs(number * 3600), 1),
            [b'm', ..] => (Duration::from_secs(number * 60), 1),
            [b's', ..] => (Duration::from_secs(number), 1),
            _ => return None,
        };
        total += unit;
        rest = &rest[length..];
        parts += 1;
    }
    (1..=4).contains(&parts).then_some(total)
}

/// A deadline: `0s` is none.
pub(super) fn deadline(text: Option<&str>) -> Result<Option<Duration>, Refusal> {
    let duration = text.map(duration).transpose()?;
    Ok(duration.filter(|duration| !duration.is_zero()))
}

/// A retry block: one try more when `attempts` is absent, no wait when `backoff` is.
pub(super) fn retry(spec: &RetrySpec) -> Result<Retry, Refusal> {
    let code = |code: &u16| match StatusCode::from_u16(*code) {
        Ok(status) if (400..600).contains(code) => Ok(status),
        _ => Err(Refusal::new("UnsupportedValue", format!("retry code {code} is outside of 400–599"))),
    };
    Ok(Retry {
        attempts: spec.attempts.unwrap_or(1).min(MOST_ATTEMPTS),
        codes: spec.codes.iter().map(code).collect::<Result<_, _>>()?,
        precondition: None,
        condition: None,
        backoff: spec.backoff.as_deref().map(duration).transpose()?.unwrap_or_default(),
    })
}

/// A policy's retry block. Without its precondition a retry would do more than was asked for, so a wrong one takes it down.
pub(super) fn conditional_retry(spec: &RetrySpec, issues: &mut Vec<String>) -> Option<Retry> {
    let mut expression = |field: &str, text: &Option<String>, moment| {
        let read = text.as_deref().map(|text| cel::compile(text, moment)).transpose();
        let issue = |refusal: Refusal| issues.push(format!("traffic.retry.{field}: {}", refusal.message));
        read.map(|read| read.map(Arc::new)).map_err(issue)
    };
    let precondition = expression("precondition", &spec.precondition, Moment::Request);
    let condition = expression("condition", &spec.condition, Moment::Answer).ok().flatten();
    let retry = retry(spec).map_err(|refusal| issues.push(format!("traffic.retry: {}", refusal.message)));
    Some(Retry { precondition: precondition.ok()?, condition, ..retry.ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_follow_gep_2257() {
        let millis = |text: &str| parse(text).map(|duration| duration.as_millis());
        assert_eq!(millis("120s"), Some(120_000));
        assert_eq!(millis("1h30m5s10ms"), Some(5_405_010));
        assert_eq!(millis("0s"), Some(0));
        for wrong in ["", "120", "1.5s", "-1s", "s", "123456s", "1d", "1s1s1s1s1s", " 1s", "1s "] {
            assert_eq!(millis(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn a_zero_deadline_is_no_deadline() {
        assert_eq!(deadline(Some("0s")), Ok(None));
        assert_eq!(deadline(Some("5s")), Ok(Some(Duration::from_secs(5))));
    }

    #[test]
    fn retries_default_to_one_and_know_their_codes() {
        let retry = retry(&RetrySpec { codes: vec![503], ..RetrySpec::default() }).expect("valid");
        assert_eq!((retry.attempts, retry.backoff), (1, Duration::ZERO));
        assert!(super::retry(&RetrySpec { codes: vec![200], ..RetrySpec::default() }).is_err());
    }
}
