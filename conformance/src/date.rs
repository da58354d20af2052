//! Days of the calendar, as much of them as reports and expiry dates need (proleptic Gregorian, UTC).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Date {
    year: i64,
    month: i64,
    day: i64,
}

impl Date {
    /// Reads `YYYY-MM-DD`.
    pub fn parse(text: &str) -> Option<Date> {
        let mut parts = text.splitn(3, '-').map(|part| part.parse::<i64>().ok());
        let date = Date { year: parts.next()??, month: parts.next()??, day: parts.next()?? };
        let real = text.len() == 10 && Date::of(date.days_since_1970()?) == date;
        real.then_some(date)
    }

    /// The day of a moment, in seconds since 1970.
    pub fn at(seconds: u64) -> Date {
        Date::of(i64::try_from(seconds / 86_400).unwrap_or_default())
    }

    /// Today.
    pub fn today() -> Date {
        let now: Duration = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Date::at(now.as_secs())
    }

    /// From days since 1970; years are counted from March, so that the leap day is the last.
    fn of(days: i64) -> Date {
        let days = days + 719_468;
        let era = days.div_euclid(146_097);
        let of_era = days.rem_euclid(146_097);
        let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted = (5 * of_year + 2) / 153;
        let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
        let year = year_of_era + era * 400 + i64::from(month <= 2);
        Date { year, month, day: of_year - (153 * shifted + 2) / 5 + 1 }
    }

    fn days_since_1970(self) -> Option<i64> {
        if !(1..=12).contains(&self.month) || !(1..=31).contains(&self.day) {
            return None;
        }
        let year = if self.month <= 2 { self.year - 1 } else { self.year };
        let shifted = if self.month > 2 { self.month - 3 } else { self.month + 9 };
        let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
        let of_year = (153 * shifted + 2) / 5 + self.day - 1;
        Some(era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + of_year - 719_468)
    }
}

impl std::fmt::Display for Date {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_counted_with_leap_years() {
        assert_eq!(Date::at(0).to_string(), "1970-01-01");
        assert_eq!(Date::at(951_782_400).to_string(), "2000-02-29");
        assert_eq!(Date::at(1_795_219_200).to_string(), "2026-11-21");
        assert_eq!(Date::parse("2026-11-21"), Some(Date::at(1_795_219_200)));
    }

    #[test]
    fn what_is_no_day_is_refused() {
        for text in ["2026-02-29", "2026-13-01", "26-1-1", "soon", "2026-11-21T00", ""] {
            assert_eq!(Date::parse(text), None, "{text}");
        }
        assert!(Date::parse("2026-09-30") < Date::parse("2026-10-01"));
    }
}
