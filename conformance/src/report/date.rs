//! Moments of a report as text, in UTC.

use crate::date::Date;

/// `2026-11-21T07:11:00Z`.
pub fn timestamp(seconds: u64) -> String {
    let of_day = seconds % 86_400;
    format!("{}T{:02}:{:02}:{:02}Z", Date::at(seconds), of_day / 3600, of_day / 60 % 60, of_day % 60)
}

/// `2026-11-21`.
pub fn date(seconds: u64) -> String {
    Date::at(seconds).to_string()
}

/// `2026-11`.
pub fn month(seconds: u64) -> String {
    let date = date(seconds);
    date.rsplit_once('-').map_or(date.clone(), |(month, _)| month.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_moments_have_their_dates() {
        assert_eq!(timestamp(0), "1970-01-01T00:00:00Z");
        assert_eq!(timestamp(951_782_399), "2000-02-28T23:59:59Z");
        assert_eq!(timestamp(1_795_245_060), "2026-11-21T07:11:00Z");
        assert_eq!((date(4_107_542_400), month(4_107_542_399)), ("2100-03-01".to_owned(), "2100-02".to_owned()));
    }

    #[test]
    fn no_number_of_seconds_is_too_large() {
        assert!(timestamp(u64::MAX).ends_with('Z'));
    }
}
