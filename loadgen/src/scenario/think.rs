//! How long a user thinks between an answer and the next request. Given 64 random bits, it gives nanoseconds; it waits
//! for nothing.

use super::random;
use super::source::Value;
use crate::failure::Outcome;
use crate::{plan, units};

/// A think time, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Think {
    /// Always the same.
    Fixed(u64),
    /// Exponential; a longer one than `most` is cut to it.
    Exponential { mean: u64, most: u64 },
    /// Anything between the two is as likely.
    Uniform { from: u64, to: u64 },
}

/// What is said of one that is none.
const FORMS: &str =
    "write a think time as \"7s\", { mean = \"7s\", most = \"70s\" } or { from = \"1s\", to = \"5s\" }";

impl Think {
    /// Nobody thinks.
    pub(super) const NONE: Self = Self::Fixed(0);

    /// Reads `"7s"`, `{ mean = "7s", most = "70s" }` or `{ from = "1s", to = "5s" }`.
    ///
    /// # Errors
    /// When it is none of them.
    pub(super) fn read(value: Value<'_>) -> Outcome<Self> {
        if value.is_text() {
            return time(value).map(Self::Fixed);
        }
        if !value.is_table() {
            return Err(value.wrong(FORMS));
        }
        let table = value.table(&["from", "mean", "most", "to"])?;
        let part = |key| table.get(key).map(time).transpose();
        match (part("mean")?, part("most")?, part("from")?, part("to")?) {
            (Some(mean), most, None, None) => {
                let most = most.unwrap_or(u64::MAX);
                if most < mean {
                    return Err(value.wrong("`most` is less than `mean`"));
                }
                Ok(Self::Exponential { mean, most })
            }
            (None, None, Some(from), Some(to)) if from <= to => Ok(Self::Uniform { from, to }),
            _ => Err(value.wrong(FORMS)),
        }
    }

    /// The time that these random bits stand for.
    pub(super) fn draw(self, random: u64) -> u64 {
        match self {
            Self::Fixed(time) => time,
            Self::Exponential { mean, most } => ((-random::unit(random).ln() * mean as f64) as u64).min(most),
            Self::Uniform { from, to } => from + random::below(random, to - from + 1),
        }
    }
}

fn time(value: Value<'_>) -> Outcome<u64> {
    units::duration(value.text()?).map(plan::ns).map_err(|e| value.wrong(e))
}

#[cfg(test)]
mod tests {
    use super::super::random::{Draw, draw};
    use super::*;

    #[test]
    fn times_have_their_means_and_bounds() {
        for (think, mean, most) in [
            (Think::Fixed(700), 700.0, 700),
            // Of a mean of 1, e⁻² is cut off at 2: 1 - e⁻² is left.
            (Think::Exponential { mean: 1_000_000, most: 2_000_000 }, 864_665.0, 2_000_000),
            (Think::Uniform { from: 100, to: 300 }, 200.0, 300),
        ] {
            let times: Vec<u64> = (0..20_000).map(|i| think.draw(draw(1, Draw::Think, &[i]))).collect();
            let found = times.iter().sum::<u64>() as f64 / times.len() as f64;
            assert!((found / mean - 1.0).abs() < 0.02, "{think:?}: {found}");
            assert_eq!(times.iter().max(), Some(&most), "{think:?}");
        }
    }
}
