//! Durations as people write them: a number and a unit.
//!
//! Owns the one reader of such strings in scripts; refuses bare numbers, whose unit nobody could know.

use std::time::Duration;

/// Nobody waits longer, and sums of a few stay far from any overflow.
pub(crate) const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// Reads `250ms`, `1.5s`, `80us`.
pub(super) fn parse(text: &str) -> Result<Duration, String> {
    let text = text.trim();
    let unit_at = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(unit_at);
    let seconds_per_unit = match unit {
        "ns" => 1e-9,
        "us" | "µs" => 1e-6,
        "ms" => 1e-3,
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return Err(format!("duration `{text}` needs a unit: 80us, 250ms, 1.5s, 2m")),
    };
    let value: f64 = number.parse().map_err(|_| format!("duration `{text}` does not start with a number"))?;
    let nanos = (value * seconds_per_unit * 1e9).round();
    let duration = Duration::try_from_secs_f64(nanos / 1e9).ok().filter(|duration| *duration <= LONGEST);
    duration.ok_or_else(|| format!("duration `{text}` is out of range: at most a day"))
}

/// For fields of type `Duration`.
pub(super) fn deserialize<'de, D: serde::Deserializer<'de>>(reader: D) -> Result<Duration, D::Error> {
    let text = <String as serde::Deserialize>::deserialize(reader)?;
    parse(&text).map_err(serde::de::Error::custom)
}

/// For fields of type `Option<Duration>`.
pub(super) mod option {
    use std::time::Duration;

    /// Reads a duration or null.
    pub(in crate::script) fn deserialize<'de, D: serde::Deserializer<'de>>(
        reader: D,
    ) -> Result<Option<Duration>, D::Error> {
        let text = <Option<String> as serde::Deserialize>::deserialize(reader)?;
        text.map(|text| super::parse(&text).map_err(serde::de::Error::custom)).transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_read_and_bare_numbers_refused() {
        assert_eq!(parse("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(parse("1.5s"), Ok(Duration::from_millis(1500)));
        assert_eq!(parse("80us"), Ok(Duration::from_micros(80)));
        assert!(parse("5").is_err_and(|e| e.contains("needs a unit")));
        assert!(parse("ms").is_err());
        assert!(parse("25h").is_err_and(|e| e.contains("at most a day")));
    }
}
