//! Wall-clock time as text. Given time since 1970, it gives the forms that logs use, in UTC; it never reads a clock
//! and knows no other time zone.

use std::io::Write;
use std::time::Duration;

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// A moment of the Gregorian calendar.
struct Moment {
    year: u64,
    month: u64,
    day: u64,
    hour: u64,
    minute: u64,
    second: u64,
}

impl Moment {
    fn of(since_1970: Duration) -> Self {
        let (days, seconds) = (since_1970.as_secs() / 86_400, since_1970.as_secs() % 86_400);
        // Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", civil_from_days; years start in March.
        let days = days + 719_468;
        let (era, day_of_era) = (days / 146_097, days % 146_097);
        let year = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year + year / 4 - year / 100);
        let shifted = (5 * day_of_year + 2) / 153;
        let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
        Self {
            year: era * 400 + year + u64::from(month <= 2),
            month,
            day: day_of_year - (153 * shifted + 2) / 5 + 1,
            hour: seconds / 3600,
            minute: seconds / 60 % 60,
            second: seconds % 60,
        }
    }

    fn month_name(&self) -> &'static str {
        usize::try_from(self.month).ok().and_then(|m| MONTHS.get(m.checked_sub(1)?)).unwrap_or(&"")
    }
}

/// `24/Nov/2026:07:55:55 +0000`.
pub(crate) fn common_log(since_1970: Duration, out: &mut Vec<u8>) {
    let moment = Moment::of(since_1970);
    let month = moment.month_name();
    let Moment { year, day, hour, minute, second, .. } = moment;
    // Writing to a vector cannot fail; so below.
    let _ = write!(out, "{day:02}/{month}/{year}:{hour:02}:{minute:02}:{second:02} +0000");
}

/// `Tue, 24 Nov 2026 07:55:55 GMT`, as header fields have it (RFC 9110, section 5.6.7).
pub(crate) fn http(since_1970: Duration, out: &mut Vec<u8>) {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    let moment = Moment::of(since_1970);
    let weekday = DAYS[(since_1970.as_secs() / 86_400 % 7) as usize];
    let month = moment.month_name();
    let Moment { year, day, hour, minute, second, .. } = moment;
    let _ = write!(out, "{weekday}, {day:02} {month} {year} {hour:02}:{minute:02}:{second:02} GMT");
}

/// Seconds since 1970 of a moment in one of the forms that a header field may have: RFC 9110's own, RFC 850's and asctime's. The
/// name of the day is not looked at, as nginx does not look at it.
pub(crate) fn parse_http(text: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(text).ok()?;
    let mut words = text.split([' ', ',', '-']).filter(|word| !word.is_empty());
    let _weekday = words.next()?;
    let first = words.next()?;
    let (day, month, year, clock) = if first.as_bytes()[0].is_ascii_digit() {
        (first, words.next()?, Some(words.next()?), words.next()?)
    } else {
        // asctime has the year at the end, and nobody's zone.
        (words.next()?, first, None, words.next()?)
    };
    let year = year.or_else(|| words.next())?;
    let number =
        |text: &str| text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse::<i64>().ok()).flatten();
    let month = i64::try_from(MONTHS.iter().position(|name| *name == month)?).ok()?;
    let year = match (year.len(), number(year)?) {
        (2, year) if year < 70 => year + 2000,
        (2, year) => year + 1900,
        (4, year) => year,
        _ => return None,
    };
    let mut clock = clock.split(':').map(number);
    let (hour, minute, second) = (clock.next()??, clock.next()??, clock.next()??);
    let day = number(day)?;
    if hour > 23 || minute > 59 || second > 59 || !(1..=days_of(year, month)).contains(&day) {
        return None;
    }
    Some(days_before(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second)
}

/// How many days a month, counted from 0, has.
fn days_of(year: i64, month: i64) -> i64 {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        1 => 28 + i64::from(leap),
        3 | 5 | 8 | 10 => 30,
        _ => 31,
    }
}

/// Days from 1970 to a day of a month counted from 0: Hinnant's days_from_civil.
fn days_before(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month < 2);
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * ((month + 10) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// `2026-11-24T07:55:55+00:00`.
pub(crate) fn iso8601(since_1970: Duration, out: &mut Vec<u8>) {
    let Moment { year, month, day, hour, minute, second } = Moment::of(since_1970);
    let _ = write!(out, "{year}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}+00:00");
}

/// `2026/11/24 07:55:55`, as error logs begin.
pub(crate) fn error_log(since_1970: Duration, out: &mut Vec<u8>) {
    let Moment { year, month, day, hour, minute, second } = Moment::of(since_1970);
    let _ = write!(out, "{year}/{month:02}/{day:02} {hour:02}:{minute:02}:{second:02}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_read_as_date_writes_them() {
        // Seconds and texts from `date -u -d @SECONDS`.
        let rows = [
            (0, "01/Jan/1970:00:00:00 +0000", "Thu, 01 Jan 1970 00:00:00 GMT"),
            (951_782_400, "29/Feb/2000:00:00:00 +0000", "Tue, 29 Feb 2000 00:00:00 GMT"),
            (1_709_251_199, "29/Feb/2024:23:59:59 +0000", "Thu, 29 Feb 2024 23:59:59 GMT"),
            (1_709_251_200, "01/Mar/2024:00:00:00 +0000", "Fri, 01 Mar 2024 00:00:00 GMT"),
            (4_107_542_399, "28/Feb/2100:23:59:59 +0000", "Sun, 28 Feb 2100 23:59:59 GMT"),
            (4_107_542_400, "01/Mar/2100:00:00:00 +0000", "Mon, 01 Mar 2100 00:00:00 GMT"),
        ];
        for (second, log, field) in rows {
            for (write, want) in [(common_log as fn(Duration, &mut Vec<u8>), log), (http, field)] {
                let mut out = Vec::new();
                write(Duration::from_secs(second), &mut out);
                assert_eq!(String::from_utf8_lossy(&out), want, "{second}");
            }
        }
    }

    #[test]
    fn what_is_written_is_read() {
        for second in (0..4_200_000_000_u64).step_by(86_400 * 13 + 12_345) {
            let mut out = Vec::new();
            http(Duration::from_secs(second), &mut out);
            assert_eq!(parse_http(&out), i64::try_from(second).ok(), "{}", String::from_utf8_lossy(&out));
        }
    }

    #[test]
    fn three_forms_are_read_and_no_others() {
        for text in
            ["Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"]
        {
            assert_eq!(parse_http(text.as_bytes()), Some(784_111_777), "{text}");
        }
        for text in [
            "",
            "junk",
            "Sun, 06 Nov 1994",
            "Sun, 31 Feb 1994 08:49:37 GMT",
            "Sun, 29 Feb 2023 08:49:37 GMT",
            "Sun, 06 nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 24:49:37 GMT",
            "Sun, 06 Nov 1994 08:49 GMT",
            "Sun, +6 Nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 99999999999999 08:49:37 GMT",
        ] {
            assert_eq!(parse_http(text.as_bytes()), None, "{text}");
        }
    }
}
