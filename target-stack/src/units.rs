//! Times, shares and counts as options have them: text in, a duration or a number out.

use std::fmt;
use std::time::Duration;

/// Reads a time above zero, an hour at most, such as `1ms`, `250us` or `2.5s`.
pub(crate) fn time(text: &str) -> Result<Duration, String> {
    let bad = || {
        format!(
            "`{text}` is no time above zero and up to an hour; write it with a unit, such as 1ms, 250us or 2s"
        )
    };
    let split = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).ok_or_else(bad)?;
    let (number, unit) = text.split_at(split);
    let scale = match unit {
        "us" => 1e-6,
        "ms" => 1e-3,
        "s" => 1.0,
        _ => return Err(bad()),
    };
    let seconds = number.parse::<f64>().map_err(|_| bad())? * scale;
    if seconds > 0.0 && seconds <= 3600.0 { Ok(Duration::from_secs_f64(seconds)) } else { Err(bad()) }
}

/// Reads how long something is kept, in whole units of at least a second and up to a year, such as `90s`, `2h` or `30d`.
pub(crate) fn days(text: &str) -> Result<Duration, String> {
    let bad = || {
        format!("`{text}` is no time from a second to a year; write it with a unit, such as 90s, 2h or 30d")
    };
    let split = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(bad)?;
    let (number, unit) = text.split_at(split);
    let scale = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return Err(bad()),
    };
    let seconds = number.parse::<u64>().ok().and_then(|number| number.checked_mul(scale));
    seconds.filter(|seconds| (1..=31_622_400).contains(seconds)).map(Duration::from_secs).ok_or_else(bad)
}

/// Reads a whole number in bounds.
pub(crate) fn whole<T: TryFrom<u64>, const LEAST: u64, const MOST: u64>(text: &str) -> Result<T, String> {
    let number = text.parse::<u64>().ok().filter(|number| (LEAST..=MOST).contains(number));
    number
        .and_then(|number| T::try_from(number).ok())
        .ok_or_else(|| format!("`{text}`: write a whole number from {LEAST} to {MOST}"))
}

/// A part of something, or some times as much.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Share {
    percent: f64,
}

impl Share {
    /// So much of a time.
    pub(crate) fn of(self, time: Duration) -> Duration {
        time.mul_f64(self.percent / 100.0)
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}%", self.percent)
    }
}

/// Reads a share above zero, ten times as much at most, such as `10%`.
pub(crate) fn share(text: &str) -> Result<Share, String> {
    let percent = text.strip_suffix('%').and_then(|number| number.parse::<f64>().ok());
    percent
        .filter(|percent| *percent > 0.0 && *percent <= 1000.0)
        .map(|percent| Share { percent })
        .ok_or_else(|| format!("`{text}` is no share above zero and up to 1000%, such as 10%"))
}

/// The same time as an option.
pub(crate) fn option(time: Duration) -> String {
    format!("{}us", time.as_nanos() as f64 / 1e3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lives_are_of_whole_seconds_up_to_a_year() {
        for (text, want) in [
            ("1s", Some(1)),
            ("90s", Some(90)),
            ("2m", Some(120)),
            ("2h", Some(7_200)),
            ("366d", Some(31_622_400)),
            ("367d", None),
            ("0s", None),
            ("1.5h", None),
            ("7", None),
            ("d", None),
            ("", None),
            ("1w", None),
            ("18446744073709551615d", None),
        ] {
            assert_eq!(days(text).ok(), want.map(Duration::from_secs), "{text}");
        }
    }

    #[test]
    fn counts_are_whole_and_in_bounds() {
        for (text, want) in
            [("1", Some(1)), ("64", Some(64)), ("0", None), ("65", None), ("four", None), ("1.5", None)]
        {
            let read = whole::<u32, 1, 64>(text);
            assert_eq!(read.clone().ok(), want, "{text}");
            assert!(read.err().is_none_or(|e| e.contains("a whole number from 1 to 64")), "{text}");
        }
    }

    #[test]
    fn shares_are_percentages() {
        let second = Duration::from_secs(1);
        for (text, ms) in [("10%", 100), ("2.5%", 25), ("1000%", 10_000)] {
            let read = share(text).expect("a share");
            assert_eq!((read.of(second), read.to_string().as_str()), (Duration::from_millis(ms), text));
        }
        for text in ["", "%", "10", "0%", "-1%", "1001%", "nan%", "inf%", "ten%", "10 %"] {
            assert!(share(text).is_err(), "{text}");
        }
    }

    #[test]
    fn times_have_units() {
        for (text, want) in [("1ms", 1_000), ("2.5ms", 2_500), ("250us", 250), ("3600s", 3_600_000_000)] {
            assert_eq!(time(text), Ok(Duration::from_micros(want)), "{text}");
            assert_eq!(time(&option(Duration::from_micros(want))), Ok(Duration::from_micros(want)));
        }
        for text in ["", "1", "ms", "0ms", "-1ms", "1m", "3601s", "1.2.3s", "nanms"] {
            assert!(time(text).is_err(), "{text}");
        }
    }
}
