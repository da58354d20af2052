//! Sizes as people write them: a number of bytes, or a number and a unit.
//!
//! Owns the one reader of sizes in scripts; refuses what no provider would ever send.

use serde::de::{self, Deserializer, Visitor};

/// Nothing is larger.
const MAX: u64 = 1 << 30;

/// Reads `5MiB`, `64KiB`, `10kB`, `300B`.
fn parse(text: &str) -> Result<usize, String> {
    let text = text.trim();
    let unit_at = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(unit_at);
    let factor = match unit.trim_start() {
        "" | "B" => 1,
        "kB" => 1000,
        "KiB" => 1 << 10,
        "MB" => 1_000_000,
        "MiB" => 1 << 20,
        _ => return Err(format!("size `{text}` has no known unit: 300B, 64KiB, 5MiB, 10kB, 1MB")),
    };
    let number: u64 = number.parse().map_err(|_| format!("size `{text}` does not start with a whole number"))?;
    bounded(number.saturating_mul(factor))
}

fn bounded(bytes: u64) -> Result<usize, String> {
    let fitting = Some(bytes).filter(|bytes| *bytes <= MAX).and_then(|bytes| usize::try_from(bytes).ok());
    fitting.ok_or_else(|| format!("a size of {bytes} bytes is out of range: at most 1024MiB"))
}

/// For fields of type `Option<usize>`.
pub(super) fn deserialize<'de, D: Deserializer<'de>>(reader: D) -> Result<Option<usize>, D::Error> {
    struct SizeVisitor;
    impl Visitor<'_> for SizeVisitor {
        type Value = Option<usize>;
        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("a size such as 5MiB, or a number of bytes")
        }
        fn visit_unit<E: de::Error>(self) -> Result<Option<usize>, E> {
            Ok(None)
        }
        fn visit_u64<E: de::Error>(self, bytes: u64) -> Result<Option<usize>, E> {
            bounded(bytes).map(Some).map_err(E::custom)
        }
        fn visit_i64<E: de::Error>(self, bytes: i64) -> Result<Option<usize>, E> {
            self.visit_u64(u64::try_from(bytes).map_err(|_| E::custom("a size is not negative"))?)
        }
        fn visit_str<E: de::Error>(self, text: &str) -> Result<Option<usize>, E> {
            parse(text).map(Some).map_err(E::custom)
        }
    }
    reader.deserialize_any(SizeVisitor)
}

/// The same for what happens at a rate, which is never zero.
pub(super) fn rate<'de, D: Deserializer<'de>>(reader: D) -> Result<Option<usize>, D::Error> {
    match deserialize(reader)? {
        Some(0) => {
            Err(de::Error::custom("a rate of 0 never comes to an end: `hang_before_head` keeps a caller waiting"))
        }
        rate => Ok(rate),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_read_and_nonsense_is_refused() {
        assert_eq!((parse("5MiB"), parse("64 KiB"), parse("10kB")), (Ok(5 << 20), Ok(64 << 10), Ok(10_000)));
        assert_eq!((parse("300"), parse("1024MiB")), (Ok(300), Ok(1 << 30)));
        assert!(parse("5mb").is_err_and(|e| e.contains("no known unit")));
        assert!(parse("MiB").is_err_and(|e| e.contains("whole number")));
        assert!(parse("1025MiB").is_err_and(|e| e.contains("out of range")));
        assert!(parse("99999999999999999MiB").is_err());
    }

    #[test]
    fn a_rate_is_more_than_nothing() {
        let read = |value: &str| rate(serde_json::from_str::<serde_json::Value>(value).unwrap());
        assert_eq!(read("\"1B\"").unwrap(), Some(1));
        assert!(read("\"0B\"").unwrap_err().to_string().contains("never comes to an end"));
    }
}
