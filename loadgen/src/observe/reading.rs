//! From one answer of an endpoint to its inputs: a number for each one of the table. It sums over labels, leaves out what is
//! not the tier's, and never fills in what is not there.

use super::select::Selection;
use super::table::{EXPORTER, Keep, Table, UP, Whose};
use super::text::{self, Sample};
use std::collections::{BTreeMap, BTreeSet};

/// What is there of each input of a table.
#[derive(Clone, Debug)]
pub(super) struct Values {
    /// The numbers: NaN where there is none, infinite where there is one that no counter or gauge of ours can have.
    pub(super) of: Vec<f64>,
    /// When they were so, in seconds since 1970, where the endpoint says that; NaN where it does not.
    pub(super) stamps: Vec<f64>,
}

impl Values {
    /// Nothing.
    pub(super) fn none(table: &Table) -> Self {
        let none = vec![f64::NAN; table.inputs.len()];
        Self { of: none.clone(), stamps: none }
    }
}

/// What stands for a number that none can be.
const NO_NUMBER: f64 = f64::INFINITY;
/// From here on a double does not count by ones any more, so that nothing is counted in it: 2^53.
const UNCOUNTED: f64 = 9_007_199_254_740_992.0;
/// Which control groups there are.
const GROUPS: &str = "container_cpu_usage_seconds_total";

/// The inputs in `text`, from samples that `only` selects.
///
/// # Errors
/// Why there are none.
pub(super) fn read(table: &Table, text: &[u8], only: &Selection) -> Result<Values, String> {
    let Values { of: mut values, mut stamps } = Values::none(table);
    let mut groups = Groups::default();
    let (mut exporter, mut down) = (false, [false; UP.len()]);
    let is_metrics = text::each(text, |sample| {
        exporter |= sample.name.ends_with(EXPORTER);
        for (down, (up, _)) in down.iter_mut().zip(UP) {
            *down |= sample.name == up && sample.value == 0.0;
        }
        let numbers = table.of_name(sample.name);
        if numbers.is_empty() || !only.has(sample) {
            return;
        }
        for &n in numbers {
            // `max` takes the other one for NaN.
            stamps[n] = stamps[n].max(sample.stamp.unwrap_or(f64::NAN));
            match table.inputs[n].0.keep {
                Keep::Outermost | Keep::Sole => groups.add(n, sample),
                keep => add(&mut values[n], counted(keep, sample)),
            }
        }
    });
    if !is_metrics {
        return Err("the answer is no metrics text".to_owned());
    }
    groups.sum_into(table, &mut values);
    for (value, (input, _, whose)) in values.iter_mut().zip(&table.inputs) {
        let stale = down.iter().zip(UP).any(|(down, (_, prefix))| *down && input.name.starts_with(prefix));
        if stale || (exporter && *whose == Whose::Process) {
            *value = f64::NAN;
        }
    }
    // The first one only says when the process was started.
    if values.iter().skip(1).all(|value| value.is_nan()) {
        return Err("none of the metrics that are known are in the answer".to_owned());
    }
    Ok(Values { of: values, stamps })
}

/// What a sample adds to its input, if it is one of those that count.
fn counted(keep: Keep, sample: &Sample<'_>) -> Option<f64> {
    let has = |label, values: &[&str]| sample.label(label).is_some_and(|value| values.contains(&&*value));
    match keep {
        Keep::Without(label, values) => (!has(label, values)).then_some(sample.value),
        Keep::Count(label, value) => has(label, &[value]).then_some(1.0),
        _ => Some(sample.value),
    }
}

/// Adds to a sum that may not be there yet; what is no number spoils it.
fn add(sum: &mut f64, value: Option<f64>) {
    let Some(value) = value else { return };
    let before = if sum.is_nan() { 0.0 } else { *sum };
    let after = before + value;
    *sum = if value >= 0.0 && after < UNCOUNTED { after } else { NO_NUMBER };
}

/// The samples of control groups, until it is known which of the groups lie within others.
#[derive(Default)]
struct Groups {
    /// By input and path.
    samples: BTreeMap<(usize, String), f64>,
    paths: BTreeSet<String>,
}

impl Groups {
    fn add(&mut self, n: usize, sample: &Sample<'_>) {
        let path = sample.label("id").unwrap_or_default().trim_end_matches('/').to_owned();
        if sample.name == GROUPS {
            self.paths.insert(path.clone());
        }
        add(self.samples.entry((n, path)).or_insert(f64::NAN), Some(sample.value));
    }

    /// Whether no other group has this one in it.
    fn outermost(&self, path: &str) -> bool {
        let mut above = path;
        while let Some((parent, _)) = above.rsplit_once('/') {
            if self.paths.contains(parent) {
                return false;
            }
            above = parent;
        }
        true
    }

    fn sum_into(mut self, table: &Table, values: &mut [f64]) {
        if self.paths.is_empty() {
            self.paths.extend(self.samples.keys().map(|(_, path)| path.clone()));
        }
        let sole = self.paths.iter().filter(|path| self.outermost(path)).count() == 1;
        for ((n, path), value) in &self.samples {
            if self.outermost(path) && (sole || table.inputs[*n].0.keep != Keep::Sole) {
                add(&mut values[*n], Some(*value));
            }
        }
    }
}

#[cfg(test)]
#[path = "reading_tests.rs"]
mod tests;
