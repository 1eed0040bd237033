//! Dates and time spans as text.

pub(crate) use jobs::now_ms;
use std::time::{Duration, UNIX_EPOCH};

/// Milliseconds since 1970 as a date and a time to the minute, in UTC: `2026-11-29 18:05`.
pub(crate) fn date(ms: u64) -> String {
    let time = UNIX_EPOCH.checked_add(Duration::from_millis(ms)).unwrap_or(UNIX_EPOCH);
    // A year after 9999 has no such form.
    let latest = UNIX_EPOCH + Duration::from_secs(253_402_300_799);
    let text = humantime::format_rfc3339_seconds(time.min(latest)).to_string();
    text[..16].replace('T', " ")
}

/// A time span in its two largest units: `1 h 02 min`, `35 s`.
pub(crate) fn span(seconds: f64) -> String {
    if !seconds.is_finite() || seconds < 0.0 {
        return "unknown".to_owned();
    }
    let seconds = seconds.round() as u64;
    let minutes = seconds / 60;
    let hours = seconds / 3600;
    let days = seconds / 86_400;
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => format!("{minutes} min {:02} s", seconds % 60),
        (0, _, _) => format!("{hours} h {:02} min", minutes % 60),
        _ => format!("{days} d {:02} h", hours % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_told_to_the_minute() {
        assert_eq!(
            [0, 1_795_975_512_345, u64::MAX].map(date),
            ["1970-01-01 00:00", "2026-11-29 18:05", "9999-12-31 23:59"]
        );
    }

    #[test]
    fn a_span_has_its_two_largest_units() {
        let spans =
            [(0.4, "0 s"), (59.0, "59 s"), (61.0, "1 min 01 s"), (3_720.0, "1 h 02 min"), (90_000.0, "1 d 01 h")];
        for (seconds, text) in spans {
            assert_eq!(span(seconds), text);
        }
        assert_eq!(span(f64::INFINITY), "unknown");
    }
}
