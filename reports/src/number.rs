//! Numbers as people read them: counts with thousands marked, times and sizes with the unit that fits, shares as
//! percentages. Pure functions from a number to a string; none of them rounds a failure away to "0 %" or "100 %".

/// What stands where there is no number.
pub const NONE: &str = "-";

/// A count with its thousands marked: `1,234`.
pub fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// A count with its noun: `1 request`, `2 requests`.
pub fn counted(n: u64, noun: &str) -> String {
    format!("{} {noun}{}", count(n), if n == 1 { "" } else { "s" })
}

/// A rate or another plain quantity to three digits, from a hundred on as a whole number: `0.1`, `12.5`, `4,998`.
pub fn rate(value: f64) -> String {
    if !value.is_finite() {
        return NONE.to_owned();
    }
    let value = round_to_digits(value, 3);
    match value.abs() {
        size if size < 1.0 => value.to_string(),
        size if size < 100.0 => trimmed(&decimals(value)),
        _ => whole(value),
    }
}

/// A rate as [`rate`], but every digit of the whole number kept: what was asked for has to be found again.
pub fn exact_rate(value: f64) -> String {
    if value.is_finite() && value.abs() >= 100.0 { whole(value) } else { rate(value) }
}

/// A time in milliseconds with the unit that fits, to three digits: `85 us`, `0.93 ms`, `20 ms`, `1.2 s`.
pub fn ms(value: f64) -> String {
    let (number, unit) = ms_parts(value);
    format!("{}{unit}", trimmed(&number))
}

/// As [`ms`], with trailing zeros kept, so that a column of them lines up.
pub fn ms_column(value: f64) -> String {
    let (number, unit) = ms_parts(value);
    format!("{number}{unit}")
}

fn ms_parts(value: f64) -> (String, &'static str) {
    if !value.is_finite() {
        return (NONE.to_owned(), "");
    }
    // Rounded before the unit is chosen: 999.9 ms is "1 s", not "1,000 ms".
    let value = round_to_digits(value, 3);
    match value.abs() {
        0.0 => ("0".to_owned(), " ms"),
        size if size < 0.1 => (decimals(round_to_digits(value * 1e3, 3)), " us"),
        size if size < 1e3 => (decimals(value), " ms"),
        _ => (decimals(round_to_digits(value / 1e3, 3)), " s"),
    }
}

/// A time in seconds, as [`ms`].
pub fn seconds(value: f64) -> String {
    if value.abs() >= 1.0 { format!("{} s", trimmed(&decimals(value))) } else { ms(value * 1e3) }
}

/// A size in bytes with the binary unit that fits: `512 B`, `3.4 MiB`.
pub fn bytes(n: u64) -> String {
    let mut value = n as f64;
    let mut unit = "B";
    for next in ["KiB", "MiB", "GiB", "TiB"] {
        if value < 1023.5 {
            break;
        }
        value /= 1024.0;
        unit = next;
    }
    let digits = if unit == "B" || value >= 9.95 { 0 } else { 1 };
    format!("{value:.digits$} {unit}")
}

/// A share (0 to 1) as a percentage: `12 %`, `1.2 %`, `0.12 %`; never 0 or 100 % of what is only nearly so.
pub fn percent(share: f64) -> String {
    match share {
        s if !s.is_finite() => NONE.to_owned(),
        s if s > 0.0 && s < 0.000_095 => "<0.01 %".to_owned(),
        s if (0.995..1.0).contains(&s) => ">99 %".to_owned(),
        s if s >= 0.0995 || s == 0.0 => format!("{:.0} %", s * 100.0),
        s => format!("{} %", round_to_digits(s * 100.0, 2)),
    }
}

/// The words of `text`, for breaking it into lines: a unit is one with the number before it.
pub fn words(text: &str) -> Vec<String> {
    const UNITS: [&str; 9] = ["us", "ms", "s", "%", "B", "KiB", "MiB", "GiB", "TiB"];
    let mut words: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        let is_unit = UNITS.contains(&word.trim_end_matches([',', ';', ':', '.']));
        match words.last_mut().filter(|before| is_unit && before.ends_with(|c: char| c.is_ascii_digit())) {
            Some(number) => *number = format!("{number} {word}"),
            None => words.push(word.to_owned()),
        }
    }
    words
}

/// As the beginning of a sentence.
pub fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// A ratio as a change: `+12 %`, `-3.2 %`, `0 %`.
pub fn change(ratio: f64) -> String {
    let share = (ratio - 1.0) * 100.0;
    let sign = if share > 0.0 { "+" } else { "-" };
    match share.abs() {
        size if !size.is_finite() => NONE.to_owned(),
        size if size < 0.005 => String::from("0 %"),
        size if size < 9.95 => format!("{sign}{} %", round_to_digits(size, 2)),
        size => format!("{sign}{size:.0} %"),
    }
}

/// `value` at `digits` significant digits.
pub fn round_to_digits(value: f64, digits: i32) -> f64 {
    if value == 0.0 || !value.is_finite() {
        return value;
    }
    let power = digits - 1 - value.abs().log10().floor() as i32;
    // Dividing by a power of ten is exact where multiplying by its inverse is not.
    if power >= 0 {
        let scale = 10f64.powi(power);
        (value * scale).round() / scale
    } else {
        let scale = 10f64.powi(-power);
        (value / scale).round() * scale
    }
}

fn decimals(value: f64) -> String {
    match value.abs() {
        size if size < 10.0 => format!("{value:.2}"),
        size if size < 100.0 => format!("{value:.1}"),
        _ => whole(value),
    }
}

fn whole(value: f64) -> String {
    let sign = if value <= -0.5 { "-" } else { "" };
    format!("{sign}{}", count(value.abs().round() as u64))
}

fn trimmed(number: &str) -> String {
    if number.contains('.') {
        number.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        number.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_as_people_say_them() {
        for (ratio, want) in [
            (1.0, "0 %"),
            (1.00001, "0 %"),
            (1.12, "+12 %"),
            (0.968, "-3.2 %"),
            (1.997, "+100 %"),
            (3.0, "+200 %"),
            (1.0994, "+9.9 %"),
            (0.0, "-100 %"),
            (f64::NAN, NONE),
            (f64::INFINITY, NONE),
        ] {
            assert_eq!(change(ratio), want, "{ratio}");
        }
    }

    #[test]
    fn numbers_read_well() {
        for (n, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(count(n), text);
        }
        for (n, text) in [
            (0.1, "0.1"),
            (0.003, "0.003"),
            (4_998.4, "5,000"),
            (12.51, "12.5"),
            (1e6, "1,000,000"),
            (0.0, "0"),
        ] {
            assert_eq!(rate(n), text);
        }
        assert_eq!(exact_rate(4_998.4), "4,998");
        assert_eq!(counted(1, "request"), "1 request");
        assert_eq!(counted(0, "request"), "0 requests");
        for (n, text) in [(1023, "1023 B"), (1024, "1.0 KiB"), (3_565_158, "3.4 MiB"), (12 << 30, "12 GiB")] {
            assert_eq!(bytes(n), text);
        }
    }

    #[test]
    fn a_unit_stays_with_its_number() {
        assert_eq!(words("took  1.28 ms, or 12 % of s"), ["took", "1.28 ms,", "or", "12 %", "of", "s"]);
    }

    #[test]
    fn times_carry_the_unit_that_fits() {
        for (value, text) in [
            (0.0, "0 ms"),
            (0.0004, "0.4 us"),
            (0.085, "85 us"),
            (0.5, "0.5 ms"),
            (0.926, "0.93 ms"),
            (3.1, "3.1 ms"),
            (20.0, "20 ms"),
            (999.96, "1 s"),
            (1_204.0, "1.2 s"),
            (3_600_000.0, "3,600 s"),
            (f64::NAN, NONE),
        ] {
            assert_eq!(ms(value), text, "{value}");
        }
        assert_eq!(ms_column(20.0), "20.0 ms");
        assert_eq!(seconds(3.21), "3.21 s");
        assert_eq!(seconds(0.25), "250 ms");
    }

    #[test]
    fn what_is_rare_is_not_rounded_away() {
        for (share, text) in [
            (0.0, "0 %"),
            (1e-9, "<0.01 %"),
            (0.0012, "0.12 %"),
            (0.012, "1.2 %"),
            (0.12, "12 %"),
            (0.999, ">99 %"),
            (1.0, "100 %"),
        ] {
            assert_eq!(percent(share), text, "{share}");
        }
    }
}
