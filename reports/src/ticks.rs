//! Round numbers for axes: steps of 1, 2 and 5 times a power of ten. Given the span of the data it gives ticks in
//! ascending order of which the first and the last enclose the span. It never returns fewer than two, and of a
//! logarithmic axis that is not thinned never fewer than three.

/// The smallest and the largest value that a logarithmic axis tells apart.
const LOG_LIMITS: (f64, f64) = (1e-9, 1e15);

/// Evenly spaced ticks that enclose `from` to `to`, about `wanted` of them.
pub fn linear(from: f64, to: f64, wanted: usize) -> Vec<f64> {
    let (from, to) = ordered(from, to);
    let (from, to) = if to > from { (from, to) } else { (from.min(0.0), from.max(0.0) + 1.0) };
    let step = round_up((to - from) / wanted.max(1) as f64);
    // A hair's breadth of slack, so that 0.3 / 0.1 counts as three steps and not as four.
    let first = (from / step + 1e-9).floor() as i64;
    let last = (to / step - 1e-9).ceil() as i64;
    (first..=last.max(first + 1)).map(|i| scaled(i as f64, step)).collect()
}

/// Ticks at 1, 2 and 5 times the powers of ten that enclose `from` to `to`; thinned to the powers where there would
/// be more than `most`, and to every second, third ... power where even those are too many.
pub fn logarithmic(from: f64, to: f64, most: usize) -> Vec<f64> {
    let (from, to) = ordered(from, to);
    let from = from.clamp(LOG_LIMITS.0, LOG_LIMITS.1 / 10.0);
    let to = to.clamp(from, LOG_LIMITS.1);
    // The place of a value among ..., 1, 2, 5, 10, 20, ...: three places a decade.
    let mut first = place_at_most(from);
    let mut last = place_at_least(to);
    // Of two ticks nobody reads a scale: one more above, and of data that are all of one value one below, too.
    if last == first {
        first -= 1;
    }
    last = last.max(first + 2);
    if (last - first + 1) as usize <= most.max(2) {
        return (first..=last).map(value_at).collect();
    }
    let (first, last) = (first.div_euclid(3), (last + 2).div_euclid(3));
    let stride = (last - first + 1).unsigned_abs().div_ceil(most.max(2) as u64).max(1) as i64;
    let mut ticks: Vec<f64> = (first..last).step_by(stride as usize).map(|p| value_at(p * 3)).collect();
    let end = first + (ticks.len() as i64) * stride;
    ticks.push(value_at(end * 3));
    ticks
}

fn ordered(a: f64, b: f64) -> (f64, f64) {
    let sane = |v: f64| if v.is_finite() { v } else { 0.0 };
    let (a, b) = (sane(a), sane(b));
    (a.min(b), a.max(b))
}

/// The smallest of 1, 2, 5 times a power of ten that is at least `step`.
fn round_up(step: f64) -> f64 {
    value_at(place_at_least(step.max(f64::MIN_POSITIVE * 1e10)))
}

fn place_at_least(value: f64) -> i64 {
    let mut place = value.log10().floor() as i64 * 3 - 1;
    while value_at(place) < value * (1.0 - 1e-12) {
        place += 1;
    }
    place
}

fn place_at_most(value: f64) -> i64 {
    let mut place = value.log10().ceil() as i64 * 3 + 1;
    while value_at(place) > value * (1.0 + 1e-12) {
        place -= 1;
    }
    place
}

fn value_at(place: i64) -> f64 {
    let mantissa = [1.0, 2.0, 5.0][place.rem_euclid(3) as usize];
    scaled(mantissa, 10f64.powi(place.div_euclid(3) as i32))
}

/// `number * unit` without the last digit's noise, for 3 times 0.1 is to be 0.3.
fn scaled(number: f64, unit: f64) -> f64 {
    let product = number * unit;
    crate::number::round_to_digits(product, 12)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn is_1_2_5(value: f64) -> bool {
        let mantissa = value / 10f64.powf(value.log10().floor());
        [1.0, 2.0, 5.0, 10.0].iter().any(|m| (mantissa - m).abs() < 1e-6)
    }

    proptest! {
        #[test]
        fn log_ticks_are_round_ascending_and_enclose(low in -5.0..8.0f64, decades in 0.0..7.0f64, most in 2..16usize) {
            let (from, to) = (10f64.powf(low), 10f64.powf(low + decades));
            let ticks = logarithmic(from, to, most);
            prop_assert!(ticks.len() >= 2 && ticks.len() <= most.max(3) + 1, "{:?}", ticks);
            prop_assert!(ticks.windows(2).all(|pair| pair[0] < pair[1]), "{:?}", ticks);
            prop_assert!(ticks.iter().all(|t| is_1_2_5(*t)), "{:?}", ticks);
            prop_assert!(ticks[0] <= from * (1.0 + 1e-9) && ticks[ticks.len() - 1] >= to * (1.0 - 1e-9), "{:?}", ticks);
        }

        #[test]
        fn linear_ticks_are_even_ascending_and_enclose(a in -1e6..1e6f64, length in 1e-3..1e9f64, wanted in 2..12usize) {
            let ticks = linear(a, a + length, wanted);
            let step = ticks[1] - ticks[0];
            prop_assert!(is_1_2_5(step), "{:?}", ticks);
            prop_assert!(ticks.len() >= 2 && ticks.len() <= wanted + 3, "{:?}", ticks);
            prop_assert!(ticks.windows(2).all(|pair| ((pair[1] - pair[0]) / step - 1.0).abs() < 1e-3), "{:?}", ticks);
            let slack = step * 1e-6;
            prop_assert!(ticks[0] <= a + slack && ticks[ticks.len() - 1] >= a + length - slack, "{:?}", ticks);
        }

        #[test]
        fn nothing_finite_or_not_makes_them_panic(a in any::<f64>(), b in any::<f64>()) {
            prop_assert!(logarithmic(a, b, 8).len() >= 2);
            let narrow = |v: f64| if v.is_finite() { v.clamp(-1e15, 1e15) } else { v };
            prop_assert!(linear(narrow(a), narrow(b), 5).len() >= 2);
        }
    }

    #[test]
    fn known_axes() {
        assert_eq!(linear(0.0, 10.0, 5), [0.0, 2.0, 4.0, 6.0, 8.0, 10.0]);
        assert_eq!(linear(0.0, 0.3, 3), [0.0, 0.1, 0.2, 0.3]);
        assert_eq!(linear(0.0, 0.0, 5), [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]);
        assert_eq!(logarithmic(0.6, 3.0, 8), [0.5, 1.0, 2.0, 5.0]);
        assert_eq!(logarithmic(2.0, 2.0, 8), [1.0, 2.0, 5.0]);
        assert_eq!(logarithmic(0.03, 900.0, 8), [0.01, 0.1, 1.0, 10.0, 100.0, 1000.0]);
    }
}
