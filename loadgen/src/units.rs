//! Times, sizes and rates as people write them on a command line. Text in, numbers out.

use std::time::Duration;

/// The longest time that is accepted anywhere, 30 days: past it, it is a slip of the finger.
const LONGEST: Duration = Duration::from_secs(30 * 24 * 3600);

/// Reads `500ms`, `1.5s`, `2m`, `1h`, `250us`, `80ns`.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let bad = || format!("`{text}` is no time; write it with a unit, such as 500ms, 30s or 2m");
    let text = text.trim();
    let split = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).ok_or_else(bad)?;
    let (number, unit) = text.split_at(split);
    let seconds = match unit {
        "ns" => 1e-9,
        "us" | "µs" => 1e-6,
        "ms" => 1e-3,
        "s" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        _ => return Err(bad()),
    };
    let seconds = number.parse::<f64>().map_err(|_| bad())? * seconds;
    let time = Duration::try_from_secs_f64(seconds).map_err(|_| bad())?;
    if time > LONGEST { Err(format!("`{text}` is longer than 30 days")) } else { Ok(time) }
}

/// The same, but not zero.
pub(crate) fn positive_duration(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        Duration::ZERO => Err(format!("`{text}` is no time at all; it has to be longer than zero")),
        time => Ok(time),
    }
}

/// Reads a time that a part of the reference target is to take longer: from a microsecond, which is what it is told in, to an hour.
pub(crate) fn longer(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        time if (Duration::from_micros(1)..=Duration::from_secs(3600)).contains(&time) => Ok(time),
        _ => Err(format!("`{text}`: write a time from 1us to 1h, such as 5ms")),
    }
}

/// Reads a whole number in bounds.
pub(crate) fn whole<T: TryFrom<u64>, const LEAST: u64, const MOST: u64>(text: &str) -> Result<T, String> {
    let number = text.parse::<u64>().ok().filter(|number| (LEAST..=MOST).contains(number));
    number.and_then(|number| T::try_from(number).ok()).ok_or_else(|| match MOST {
        u64::MAX => format!("`{text}`: write a whole number from {LEAST}"),
        most => format!("`{text}`: write a whole number from {LEAST} to {most}"),
    })
}

/// Reads a share of the machine in CPUs: what `target-stack` accepts as a quota.
pub(crate) fn cpus(text: &str) -> Result<f64, String> {
    let cpus = text.parse::<f64>().ok().filter(|cpus| (0.01..=1024.0).contains(cpus));
    cpus.ok_or_else(|| {
        format!("`{text}` is no number of CPUs from 0.01 to 1024; write 0.25 for a quarter of one")
    })
}

/// Reads a size in bytes: `100`, `64KiB`, `1MiB`, `2GiB`, `10kB`, `1MB`.
pub(crate) fn bytes(text: &str) -> Result<u64, String> {
    let bad = || format!("`{text}` is no size; write bytes, or a unit such as 64KiB or 1MiB");
    let text = text.trim();
    let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let unit = match unit.trim_start() {
        "" | "B" => 1,
        "kB" => 1000,
        "KiB" => 1 << 10,
        "MB" => 1_000_000,
        "MiB" => 1 << 20,
        "GB" => 1_000_000_000,
        "GiB" => 1 << 30,
        _ => return Err(bad()),
    };
    number.parse::<u64>().ok().and_then(|number| number.checked_mul(unit)).ok_or_else(bad)
}

/// A rate in millionths of a request per second, so that schedules are computed in integers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Rate {
    /// Requests per million seconds.
    pub(crate) micro: u64,
}

impl Rate {
    /// The highest rate that is accepted: a hundred million requests per second.
    const MAX_RPS: f64 = 1e8;

    /// Requests per second.
    pub(crate) fn rps(self) -> f64 {
        self.micro as f64 / 1e6
    }
}

/// Reads a rate: a number above zero, fractions allowed.
pub(crate) fn rate(text: &str) -> Result<Rate, String> {
    match rate_or_zero(text)? {
        Rate { micro: 0 } => Err(format!("`{text}`: a rate has to be above zero")),
        rate => Ok(rate),
    }
}

/// The same, but zero is allowed: where a ramp begins or ends.
pub(crate) fn rate_or_zero(text: &str) -> Result<Rate, String> {
    let rps =
        text.trim().parse::<f64>().ok().filter(|rps| rps.is_finite()).ok_or_else(|| {
            format!("`{text}` is no rate; write requests per second as a number, such as 5000")
        })?;
    if rps < 0.0 {
        return Err(format!("`{text}`: a rate has to be above zero"));
    }
    if rps > Rate::MAX_RPS {
        return Err(format!("`{text}`: more than {:.0} requests per second is out of range", Rate::MAX_RPS));
    }
    let micro = (rps * 1e6).round() as u64;
    if micro == 0 && rps > 0.0 {
        return Err(format!("`{text}`: less than one request in a million seconds is out of range"));
    }
    Ok(Rate { micro })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        for (text, want) in [
            ("500ms", Duration::from_millis(500)),
            ("1.5s", Duration::from_millis(1500)),
            ("2m", Duration::from_secs(120)),
            ("1h", Duration::from_secs(3600)),
            ("250us", Duration::from_micros(250)),
            ("0s", Duration::ZERO),
        ] {
            assert_eq!(duration(text), Ok(want), "{text}");
        }
        for text in ["", "5", "s", "-1s", "1d", "1e3s", "1.2.3s", "1 s", "99999h", "nans"] {
            assert!(duration(text).is_err(), "{text}");
        }
        assert!(positive_duration("0ms").is_err());
    }

    #[test]
    fn sizes_of_the_reference_target() {
        for (text, want) in
            [("0.25", Some(0.25)), ("1", Some(1.0)), ("0.01", Some(0.01)), ("1024", Some(1024.0))]
                .into_iter()
                .chain(
                    ["0", "-1", "0.009", "1025", "nan", "inf", "200m", "25%", "four", ""]
                        .map(|text| (text, None)),
                )
        {
            let read = cpus(text);
            assert_eq!(read.clone().ok(), want, "{text}");
            assert!(
                read.err().is_none_or(|e| e.contains(text) && e.contains("0.25 for a quarter")),
                "{text}"
            );
        }
        for (text, want) in [("1", Some(1)), ("64", Some(64))]
            .into_iter()
            .chain(["0", "65", "-1", "four", "1.5", "1e1", ""].map(|text| (text, None)))
        {
            let read = whole::<u32, 1, 64>(text);
            assert_eq!(read.clone().ok(), want, "{text}");
            assert!(read.err().is_none_or(|e| e.contains("a whole number from 1 to 64")), "{text}");
        }
        assert_eq!(whole::<u64, 0, { u64::MAX }>("18446744073709551615"), Ok(u64::MAX));
        assert!(whole::<u64, 0, { u64::MAX }>("x").is_err_and(|e| e.ends_with("a whole number from 0")));
        for (text, accepted) in [
            ("1us", true),
            ("1h", true),
            ("5ms", true),
            ("0ms", false),
            ("80ns", false),
            ("61m", false),
            ("5", false),
        ] {
            assert_eq!(longer(text).is_ok(), accepted, "{text}");
        }
    }

    #[test]
    fn sizes() {
        for (text, want) in [("0", 0), ("100", 100), ("64KiB", 65_536), ("1 MiB", 1 << 20), ("10kB", 10_000)]
        {
            assert_eq!(bytes(text), Ok(want), "{text}");
        }
        for text in ["", "MiB", "-1", "1.5MiB", "1 mb", "99999999999GiB"] {
            assert!(bytes(text).is_err(), "{text}");
        }
    }

    #[test]
    fn rates() {
        assert_eq!(rate("5000"), Ok(Rate { micro: 5_000_000_000 }));
        assert_eq!(rate("0.5"), Ok(Rate { micro: 500_000 }));
        for text in ["0", "-5", "", "abc", "inf", "NaN", "1e9", "1e-9", "5k"] {
            assert!(rate(text).is_err(), "{text}");
        }
        assert_eq!(rate_or_zero("0"), Ok(Rate { micro: 0 }));
    }
}
