//! Days and times of day from seconds since 1970, in UTC; nothing else of a calendar is needed here.

/// `2026-11-21T07:11:00Z`.
pub fn timestamp(seconds: u64) -> String {
    let of_day = seconds % DAY;
    format!("{}T{:02}:{:02}:{:02}Z", date(seconds), of_day / 3600, of_day / 60 % 60, of_day % 60)
}

/// `2026-11-21`.
pub fn date(seconds: u64) -> String {
    let (year, month, day) = civil(seconds / DAY);
    format!("{year:04}-{month:02}-{day:02}")
}

/// `2026-11`.
pub fn month(seconds: u64) -> String {
    let (year, month, _) = civil(seconds / DAY);
    format!("{year:04}-{month:02}")
}

const DAY: u64 = 86_400;
/// Days of 400 Gregorian years.
const ERA: u64 = 146_097;

/// Year, month and day: years begin in March, so that a leap day is the last of its year.
fn civil(days: u64) -> (u64, u64, u64) {
    // From 0000-03-01.
    let days = days + 719_468;
    let (era, of_era) = (days / ERA, days % ERA);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (era * 400 + year + next, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_moments_have_their_dates() {
        assert_eq!(timestamp(0), "1970-01-01T00:00:00Z");
        assert_eq!(timestamp(951_782_399), "2000-02-28T23:59:59Z");
        assert_eq!(date(951_782_400), "2000-02-29");
        assert_eq!(date(951_868_800), "2000-03-01");
        assert_eq!(timestamp(1_795_245_060), "2026-11-21T07:11:00Z");
        assert_eq!(month(4_107_542_399), "2100-02");
        assert_eq!(date(4_107_542_400), "2100-03-01");
        assert_eq!(date(13_574_563_200), "2400-02-29");
    }

    #[test]
    fn no_number_of_seconds_is_too_large() {
        assert!(timestamp(u64::MAX).ends_with('Z'));
    }
}
