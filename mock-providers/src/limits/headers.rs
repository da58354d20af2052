//! Rate-limit headers, as OpenAI and as Anthropic write them.
//!
//! Owns their names and the spelling of times. Refuses to round in the caller's favour: every time is rounded up.

use std::time::Duration;

use super::bucket::Standing;
use crate::plan::Header;
use crate::script::{Dialect, Measure};

/// Whose names they have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    Openai,
    Anthropic,
}

impl Style {
    /// That of the API which is asked.
    pub(crate) fn of(dialect: Dialect) -> Self {
        if dialect == Dialect::Anthropic { Style::Anthropic } else { Style::Openai }
    }
}

/// The three headers of a quota. The wall time is since 1970.
pub(super) fn standing(style: Style, of: Measure, now: Standing, wall: Duration) -> [Header; 3] {
    let (kind, Standing { limit, remaining, reset }) = (of.name(), now);
    let header = |what: &str, value: String| {
        let name = match style {
            Style::Openai => format!("x-ratelimit-{what}-{kind}"),
            Style::Anthropic => format!("anthropic-ratelimit-{kind}-{what}"),
        };
        (name.into(), value.into())
    };
    let reset = match style {
        Style::Openai => go_duration(reset),
        Style::Anthropic => rfc3339(wall + reset),
    };
    [header("limit", limit.to_string()), header("remaining", remaining.to_string()), header("reset", reset)]
}

/// How long to wait, in all the forms that clients read.
pub(super) fn wait(style: Style, wait: Duration) -> Vec<Header> {
    let mut headers = vec![("retry-after".into(), up(wait, 1_000_000_000).to_string().into())];
    if style == Style::Openai {
        headers.push(("retry-after-ms".into(), up(wait, 1_000_000).to_string().into()));
    }
    headers
}

/// In whole steps of so many nanoseconds, rounded up.
fn up(time: Duration, step: u128) -> u128 {
    time.as_nanos().div_ceil(step)
}

/// As Go writes durations: `20ms`, `1s`, `6m0s`, `1m26.4s`.
pub(super) fn go_duration(time: Duration) -> String {
    let millis = up(time, 1_000_000);
    if (1..1000).contains(&millis) {
        return format!("{millis}ms");
    }
    let (hours, minutes, rest) = (millis / 3_600_000, millis / 60_000 % 60, millis % 60_000);
    let mut text = match (hours, minutes) {
        (0, 0) => String::new(),
        (0, minutes) => format!("{minutes}m"),
        (hours, minutes) => format!("{hours}h{minutes}m"),
    };
    text += &(rest / 1000).to_string();
    if rest % 1000 > 0 {
        text += format!(".{:03}", rest % 1000).trim_end_matches('0');
    }
    text + "s"
}

/// A point in time since 1970, to the second.
fn rfc3339(time: Duration) -> String {
    let seconds = up(time, 1_000_000_000);
    let (year, month, day) = civil(seconds / 86_400);
    let of_day = seconds % 86_400;
    let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// The date of a day since 1970, counted in years that begin in March, so that leap days come last.
fn civil(days: u128) -> (u128, u128, u128) {
    const ERA: u128 = 146_097;
    let days = days + 719_468;
    let (era, of_era) = (days / ERA, days % ERA);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / (ERA - 1)) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let march_based = (5 * of_year + 2) / 153;
    let day = of_year - (153 * march_based + 2) / 5 + 1;
    let month = if march_based < 10 { march_based + 3 } else { march_based - 9 };
    (era * 400 + year + u128::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn durations_are_written_as_go_does_and_rounded_up() {
        for (millis, text) in [
            (0, "0s"),
            (20, "20ms"),
            (1000, "1s"),
            (8640, "8.64s"),
            (59_999, "59.999s"),
            (86_400, "1m26.4s"),
            (360_000, "6m0s"),
            (3_600_000, "1h0m0s"),
            (90_061_001, "25h1m1.001s"),
        ] {
            assert_eq!(go_duration(millis * MS), text);
        }
        assert_eq!(go_duration(Duration::from_nanos(1)), "1ms");
    }

    #[test]
    fn points_in_time_are_dates() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_767_225_599, "2025-12-31T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(rfc3339(Duration::from_secs(seconds)), text);
        }
        assert_eq!(rfc3339(Duration::from_nanos(1)), "1970-01-01T00:00:01Z");
    }

    #[test]
    fn both_styles_name_the_same_facts() {
        let now = Standing { limit: 10, remaining: 3, reset: 1500 * MS };
        let openai = standing(Style::Openai, Measure::Requests, now, Duration::ZERO);
        let pairs = openai.iter().map(|(name, value)| format!("{name}: {value}")).collect::<Vec<_>>();
        let want =
            ["x-ratelimit-limit-requests: 10", "x-ratelimit-remaining-requests: 3", "x-ratelimit-reset-requests: 1.5s"];
        assert_eq!(pairs, want);
        let anthropic = standing(Style::Anthropic, Measure::Tokens, now, Duration::from_secs(60));
        assert_eq!(anthropic[2].0, "anthropic-ratelimit-tokens-reset");
        assert_eq!(anthropic[2].1, "1970-01-01T00:01:02Z");
        assert_eq!(wait(Style::Openai, 1001 * MS)[0].1, "2");
        assert_eq!(wait(Style::Openai, Duration::from_nanos(1_000_001))[1].1, "2");
    }
}
