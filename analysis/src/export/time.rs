/// A time in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct UtcTime {
    year: u64,
    month: u64,
    day: u64,
    second_of_day: u64,
}

impl UtcTime {
    /// Milliseconds since 1970; later times than the year 9999 are its end.
    ///
    /// # Source
    /// H. Hinnant, "chrono-compatible low-level date algorithms": years that begin in March, in eras of 400 years.
    pub(super) fn of_ms(ms: u64) -> Self {
        let seconds = (ms / 1000).min(253_402_300_799);
        let days = seconds / 86_400 + 719_468;
        let era = days / 146_097;
        let of_era = days % 146_097;
        let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let march_month = (5 * of_year + 2) / 153;
        let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
        Self {
            year: era * 400 + year_of_era + u64::from(month <= 2),
            month,
            day: of_year - (153 * march_month + 2) / 5 + 1,
            second_of_day: seconds % 86_400,
        }
    }

    /// `20261129_180512`.
    pub(super) fn compact(self) -> String {
        let Self { year, month, day, second_of_day } = self;
        let [hour, minute, second] = hms(second_of_day);
        format!("{year:04}{month:02}{day:02}_{hour:02}{minute:02}{second:02}")
    }

    /// `2026-11-29T18:05:12Z`.
    pub(super) fn iso(self) -> String {
        let Self { year, month, day, second_of_day } = self;
        let [hour, minute, second] = hms(second_of_day);
        format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
    }
}

fn hms(second_of_day: u64) -> [u64; 3] {
    [second_of_day / 3600, second_of_day / 60 % 60, second_of_day % 60]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_the_calendar() {
        let iso = |ms| UtcTime::of_ms(ms).iso();
        assert_eq!(iso(0), "1970-01-01T00:00:00Z");
        assert_eq!(iso(951_782_400_000), "2000-02-29T00:00:00Z");
        assert_eq!(iso(1_795_975_512_345), "2026-11-29T18:05:12Z");
        assert_eq!(iso(u64::MAX), "9999-12-31T23:59:59Z");
        assert_eq!(UtcTime::of_ms(1_795_975_512_345).compact(), "20261129_180512");
    }
}
