//! Days and months in UTC.

use std::fmt;

/// Milliseconds of a day.
pub(super) const DAY_MS: f64 = 86_400_000.0;

/// Days from 1970-01-01 to 9999-12-31.
const LAST: i32 = 2_932_896;

/// A day in UTC: days since 1970-01-01.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Day(i32);

/// A month in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Month {
    year: i32,
    /// From 1.
    month: i32,
}

impl Day {
    /// The day of a moment; of one before 1970 or after 9999 the nearest that there is.
    pub(super) fn of(unix_ms: f64) -> Self {
        // A float cast saturates, and what is no number becomes 0.
        Day(((unix_ms / DAY_MS).floor() as i32).clamp(0, LAST))
    }

    /// The first moment of the next day, in Unix ms.
    pub(super) fn end_ms(self) -> f64 {
        (f64::from(self.0) + 1.0) * DAY_MS
    }

    /// How many days later `other` is.
    pub(super) fn until(self, other: Day) -> i32 {
        other.0 - self.0
    }

    /// The day that many days later, or earlier.
    pub(super) fn plus(self, days: i32) -> Self {
        Day((self.0 + days).clamp(0, LAST))
    }

    /// Its month, and its number in that, from 1.
    fn in_month(self) -> (Month, i32) {
        let mut left = self.0;
        let mut year = 1970;
        while left >= days_of_year(year) {
            left -= days_of_year(year);
            year += 1;
        }
        let mut month = Month { year, month: 1 };
        while left >= month.days() {
            left -= month.days();
            month.month += 1;
        }
        (month, left + 1)
    }

    pub(super) fn month(self) -> Month {
        self.in_month().0
    }

    /// The first moment of the next month, in Unix ms.
    pub(super) fn end_of_month_ms(self) -> f64 {
        let (month, day) = self.in_month();
        self.plus(month.days() - day).end_ms()
    }
}

impl Month {
    fn days(self) -> i32 {
        match self.month {
            4 | 6 | 9 | 11 => 30,
            2 if is_leap(self.year) => 29,
            2 => 28,
            _ => 31,
        }
    }
}

fn is_leap(year: i32) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days_of_year(year: i32) -> i32 {
    365 + i32::from(is_leap(year))
}

/// `2026-11-24`.
impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (month, day) = self.in_month();
        write!(f, "{month}-{day:02}")
    }
}

/// `2026-11`.
impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}", self.year, self.month)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_have_their_dates_and_ends() {
        // As `date -u -d` says.
        for (unix_ms, date, end_of_month_ms) in [
            (0.0, "1970-01-01", 2_678_400_000.0),
            (951_782_400_000.0, "2000-02-29", 951_868_800_000.0),
            (1_795_478_400_000.0, "2026-11-24", 1_796_083_200_000.0),
            (1_798_761_599_999.0, "2026-12-31", 1_798_761_600_000.0),
            (4_107_542_399_999.0, "2100-02-28", 4_107_542_400_000.0),
            (f64::NEG_INFINITY, "1970-01-01", 2_678_400_000.0),
            (f64::NAN, "1970-01-01", 2_678_400_000.0),
        ] {
            let day = Day::of(unix_ms);
            assert_eq!(day.to_string(), date);
            assert_eq!(day.end_of_month_ms(), end_of_month_ms, "{date}");
        }
        assert_eq!(Day::of(f64::INFINITY).to_string(), "9999-12-31");
        assert_eq!(Day::of(0.0).end_ms(), DAY_MS);
    }
}
