//! Dates as HTTP writes them (RFC 9110, section 5.6.7). Given a time, it gives the text.

use std::time::{SystemTime, UNIX_EPOCH};

const DAYS: [&str; 7] = ["Thursday", "Friday", "Saturday", "Sunday", "Monday", "Tuesday", "Wednesday"];
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// Milliseconds since 1970.
#[expect(clippy::disallowed_methods, reason = "the suite's dates are relative to now")]
pub(super) fn now_ms() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

/// The date `delta_s` after `now_ms`; in the obsolete form of RFC 850 where it is asked for.
pub(super) fn http(now_ms: i64, delta_s: i64, rfc850: bool) -> String {
    let seconds = now_ms.div_euclid(1000) + delta_s;
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let name = DAYS[usize::try_from(days.rem_euclid(7)).unwrap()];
    let (year, month, day) = civil(days);
    let month = MONTHS[month];
    let time = format!("{:02}:{:02}:{:02} GMT", second / 3600, second / 60 % 60, second % 60);
    if rfc850 {
        format!("{name}, {day:02}-{month}-{:02} {time}", year % 100)
    } else {
        format!("{}, {day:02} {month} {year} {time}", &name[..3])
    }
}

/// Year, month from 0 and day of a day since 1970, by counting.
fn civil(mut days: i64) -> (i64, usize, i64) {
    let leap = |year: i64| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let mut year = 1970;
    loop {
        let length = if leap(year) { 366 } else { 365 };
        if days < length {
            break;
        }
        days -= length;
        year += 1;
    }
    let mut month = 0;
    loop {
        let length = match month {
            1 if leap(year) => 29,
            1 => 28,
            3 | 5 | 8 | 10 => 30,
            _ => 31,
        };
        if days < length {
            return (year, month, days + 1);
        }
        days -= length;
        month += 1;
    }
}

#[test]
fn dates_are_those_of_the_rfc() {
    let ms = 784_111_777_000;
    assert_eq!(http(ms, 0, false), "Sun, 06 Nov 1994 08:49:37 GMT");
    assert_eq!(http(ms, 0, true), "Sunday, 06-Nov-94 08:49:37 GMT");
    assert_eq!(http(951_782_400_000, -86_400, false), "Mon, 28 Feb 2000 00:00:00 GMT");
    assert_eq!(http(951_782_400_000, 0, false), "Tue, 29 Feb 2000 00:00:00 GMT");
}
