//! What a history says: each deciding metric as a series, with the nights at which its level changed; on which machines it was
//! measured; how often the gate found what was put in, and how often it cried wolf. Pure: from nights to a value.

use super::change_point::{ChangePoint, LEAST, change_points};
use super::compare::call_in_words;
use super::statistics::bootstrap::median;
use crate::comparison::{Better, Call};
use crate::history::{Figure, Machine, Night, Segment, loads, machines, segments};
use crate::number::{change, counted};
use serde::Serialize;
use std::collections::BTreeMap;

/// The name and version of [`Trend`]'s JSON.
pub const TREND_SCHEMA: &str = "loadgen.trend/1";
/// The standard normal's 97.5th percentile.
const Z: f64 = 1.959_963_984_540_054;
/// Letters of what a metric is, and of its unit.
const LONGEST_WHAT: usize = 60;
/// Letters of a revision in a picture.
const SHORT: usize = 9;
/// Of one that is a hash.
const SHORT_HASH: usize = 7;

/// What a history says.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Trend {
    /// [`TREND_SCHEMA`].
    pub schema: String,
    /// The file, as it was given.
    pub history: String,
    /// What the permutations of the change points came from.
    pub seed: u64,
    /// In the order in which they were appended; all other numbers of nights are places in it, from 0.
    pub nights: Vec<Told>,
    /// In the order in which they were used.
    pub machines: Vec<Stay>,
    /// The nights, from the second one on, that have another rate than the one before them on the same machine: what is measured at it
    /// begins anew there.
    pub other_loads: Vec<usize>,
    /// The metrics that decide.
    pub metrics: Vec<Line>,
    /// How often the base was called worse than itself.
    pub alarms: Rate,
    /// How often each slowdown that was put in was found, the smallest first.
    pub detections: Vec<Detection>,
    /// What there is to know of the file.
    pub notes: Vec<String>,
}

/// A night.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Told {
    /// When it was judged, RFC 3339.
    pub at: String,
    /// What was held against what.
    pub base: String,
    /// What was judged.
    pub candidate: String,
    /// The machine's.
    pub fingerprint: String,
    /// What was offered, in requests per second; `None` where that is not known.
    pub rps: Option<f64>,
    /// What the comparison said.
    pub call: Call,
    /// Whether the base was called worse than itself.
    pub alarm: Option<bool>,
}

/// Nights on one machine that follow each other.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Stay {
    /// The first night.
    pub from: usize,
    /// The one after the last.
    pub to: usize,
    /// The machine's.
    pub fingerprint: String,
    /// The machine.
    pub host: Machine,
}

/// A metric over the nights.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Line {
    /// Such as `p50_ms`.
    pub name: String,
    /// What it is, in words.
    pub what: String,
    /// Of its values; empty for a share.
    pub unit: String,
    /// Which way is good.
    pub better: Better,
    /// The candidate's median of each night; `None` where it has none.
    pub values: Vec<Option<f64>>,
    /// The nights in which it was called a regression.
    pub regressions: Vec<usize>,
    /// The nights, from the second one on, that are not compared with those before them.
    pub breaks: Vec<usize>,
    /// Between its changes and its breaks.
    pub levels: Vec<Level>,
    /// Where its level changed, in ascending order.
    pub changes: Vec<Change>,
}

/// Nights between which nothing changed.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Level {
    /// The first night.
    pub from: usize,
    /// The last.
    pub to: usize,
    /// The median of the values.
    pub value: f64,
}

/// A change of a metric's level.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Change {
    /// The first night of the new level.
    pub night: usize,
    /// When that began.
    pub at: String,
    /// What was judged in it: the change came with it, or since the night before.
    pub candidate: String,
    /// The level before.
    pub before: f64,
    /// The level since.
    pub after: f64,
    /// The one over the other.
    pub ratio: f64,
    /// That there was none.
    pub p: f64,
    /// Whether it was for the worse.
    pub worse: bool,
}

/// How often something happened, of how many times it could have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Rate {
    /// How often it did.
    pub hits: u64,
    /// How often it could have.
    pub of: u64,
    /// The 95 % interval of its share; `None` where it never could have.
    pub ci95: Option<[f64; 2]>,
}

/// How often a slowdown was found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Detection {
    /// How large it was, as a share.
    pub slowdown: f64,
    /// How often it was found.
    pub found: Rate,
}

impl Rate {
    /// With the score interval, which keeps its word for few trials and shares near 0 and 1, too (E. B. Wilson, "Probable inference, the
    /// law of succession, and statistical inference", 1927; recommended by Brown, Cai and DasGupta, "Interval estimation for a binomial
    /// proportion", 2001).
    pub fn of(hits: u64, of: u64) -> Self {
        let (n, hits) = (of as f64, hits.min(of));
        let share = hits as f64 / n;
        let middle = (share + Z * Z / (2.0 * n)) / (1.0 + Z * Z / n);
        let half = Z / (1.0 + Z * Z / n) * (share * (1.0 - share) / n + Z * Z / (4.0 * n * n)).sqrt();
        let (low, high) =
            (if hits == 0 { 0.0 } else { middle - half }, if hits == of { 1.0 } else { middle + half });
        Self { hits, of, ci95: (of > 0).then_some([low, high]) }
    }
}

impl Trend {
    /// Whether there was no night.
    pub fn is_empty(&self) -> bool {
        self.nights.is_empty()
    }

    /// On how many different machines the nights were.
    pub fn different_machines(&self) -> u64 {
        let all: std::collections::BTreeSet<_> = self.machines.iter().map(|stay| &stay.fingerprint).collect();
        all.len() as u64
    }

    /// The number of the machine of a night, from 1 on in the order in which they first came; one that comes back keeps its own.
    pub fn machine_of(&self, night: usize) -> u64 {
        let mut seen: Vec<&str> = Vec::new();
        let here = self.nights.get(night).map_or("", |night| &night.fingerprint);
        for stay in &self.machines {
            if !seen.contains(&stay.fingerprint.as_str()) {
                seen.push(&stay.fingerprint);
            }
        }
        seen.iter().position(|one| *one == here).map_or(0, |place| place as u64 + 1)
    }

    /// How many values of a metric stand beside one another at most, between two breaks.
    fn longest(&self) -> usize {
        let of = |line: &Line| {
            let ends = line.breaks.iter().copied().chain([line.values.len()]);
            let stretches = ends.scan(0, |from, to| Some(std::mem::replace(from, to)..to));
            let values = stretches.filter_map(|range| line.values.get(range));
            values.map(|values| values.iter().flatten().count()).max().unwrap_or(0)
        };
        self.metrics.iter().map(of).max().unwrap_or(0)
    }

    /// All changes with their metrics, in the order of the nights.
    pub fn changes(&self) -> Vec<(&Line, &Change)> {
        let mut all: Vec<_> = self
            .metrics
            .iter()
            .flat_map(|line| line.changes.iter().map(move |change| (line, change)))
            .collect();
        all.sort_by_key(|(_, change)| change.night);
        all
    }

    /// What it says, in one sentence without an end.
    pub fn finding(&self) -> String {
        let nights = counted(self.nights.len() as u64, "night");
        if self.is_empty() {
            return String::from("The history is empty");
        }
        let changes = self.changes();
        let Some((line, last)) = changes.last() else {
            return if self.longest() < 2 * LEAST {
                let last = self.nights.last().map_or("", |night| call_in_words(night.call));
                format!("{nights}: too few for a change to be seen; the last: {last}")
            } else {
                format!("No change in {nights}")
            };
        };
        let with = if last.candidate.is_empty() {
            String::new()
        } else {
            format!(" with {}", short(&last.candidate))
        };
        format!(
            "{} in {nights}; the last: {} {}{with}",
            counted(changes.len() as u64, "change"),
            clipped(&line.what),
            change(last.ratio)
        )
    }
}

/// What `nights` say, with the `notes` on their file `history`. Change points are looked for in each stretch on one machine,
/// and of all that depends on it at one rate.
pub fn trend(history: &str, nights: &[Night], notes: Vec<String>, seed: u64) -> Trend {
    let told = |night: &Night| Told {
        at: night.at.clone(),
        base: night.base.clone(),
        candidate: night.candidate.clone(),
        fingerprint: night.host.fingerprint(),
        rps: night.offered.as_ref().map(|offered| offered.rps),
        call: night.call,
        alarm: night.alarm,
    };
    let stay = |(host, range): (&Machine, std::ops::Range<usize>)| Stay {
        from: range.start,
        to: range.end,
        fingerprint: host.fingerprint(),
        host: host.clone(),
    };
    let alarms: Vec<bool> = nights.iter().filter_map(|night| night.alarm).collect();
    Trend {
        schema: TREND_SCHEMA.to_owned(),
        history: history.to_owned(),
        seed,
        nights: nights.iter().map(told).collect(),
        machines: machines(nights).into_iter().map(stay).collect(),
        other_loads: other_loads(nights),
        metrics: deciding(nights)
            .into_iter()
            .map(|(name, figure)| line(nights, name, figure, seed))
            .collect(),
        alarms: rate(&alarms),
        detections: detections(nights),
        notes,
    }
}

fn other_loads(nights: &[Night]) -> Vec<usize> {
    let begins = loads(nights).into_iter().map(|range| range.start).filter(|night| *night > 0);
    begins.filter(|night| nights[*night].host == nights[night - 1].host).collect()
}

/// The metrics that decided in any night, each as it was when it last did: a tier's may be too small a part of one night.
fn deciding(nights: &[Night]) -> BTreeMap<&str, &Figure> {
    let all = nights.iter().flat_map(|night| &night.metrics);
    let deciding = all.filter(|(_, figure)| figure.delta.is_some());
    deciding.map(|(name, figure)| (name.as_str(), figure)).collect()
}

fn line(nights: &[Night], name: &str, figure: &Figure, seed: u64) -> Line {
    let segments = segments(nights, name);
    let mut values = vec![None; nights.len()];
    segments.iter().flat_map(|one| &one.points).for_each(|point| values[point.night] = Some(point.value));
    let is_bad = |night: &Night| night.metrics.get(name).is_some_and(|one| one.call == Call::Regression);
    let mut line = Line {
        name: name.to_owned(),
        what: if figure.what.is_empty() { name.to_owned() } else { figure.what.clone() },
        unit: figure.unit.clone(),
        better: figure.better,
        values,
        breaks: segments.iter().map(|one| one.from).filter(|from| *from > 0).collect(),
        regressions: (0..nights.len()).filter(|n| is_bad(&nights[*n])).collect(),
        ..Line::default()
    };
    segments.iter().for_each(|segment| line.add(nights, segment, seed));
    line
}

impl Line {
    fn add(&mut self, nights: &[Night], segment: &Segment, seed: u64) {
        let values: Vec<f64> = segment.points.iter().map(|point| point.value).collect();
        let found = change_points(&values, seed);
        let ends = found.iter().map(|one| one.at).chain([values.len()]);
        let mut from = 0;
        for to in ends {
            let points = &segment.points[from..to];
            if let (Some(first), Some(last), Some(value)) =
                (points.first(), points.last(), median(&values[from..to]))
            {
                self.levels.push(Level { from: first.night, to: last.night, value });
            }
            from = to;
        }
        for ChangePoint { at, before, after, p } in found {
            let night = segment.points[at].night;
            let ratio = after / before;
            self.changes.push(Change {
                night,
                at: nights[night].at.clone(),
                candidate: nights[night].candidate.clone(),
                before,
                after,
                ratio,
                p,
                worse: (ratio < 1.0) == (self.better == Better::Higher),
            });
        }
    }
}

fn rate(all: &[bool]) -> Rate {
    Rate::of(all.iter().filter(|hit| **hit).count() as u64, all.len() as u64)
}

fn detections(nights: &[Night]) -> Vec<Detection> {
    // In thousandths: what was written as 0.1 and computed as 0.1 is the same slowdown.
    let mut found: BTreeMap<i64, Vec<bool>> = BTreeMap::new();
    for test in nights.iter().flat_map(|night| &night.self_test) {
        found.entry((test.slowdown * 1e3).round() as i64).or_default().push(test.found);
    }
    let detection = |(thousandths, all): (i64, Vec<bool>)| Detection {
        slowdown: thousandths as f64 / 1e3,
        found: rate(&all),
    };
    found.into_iter().map(detection).collect()
}

/// What a metric is, as there is room for in a picture: whoever has written a novel has it in the tables.
pub(crate) fn clipped(what: &str) -> String {
    match what.char_indices().nth(LONGEST_WHAT) {
        None => what.to_owned(),
        Some((at, _)) => format!("{}\u{2026}", what[..at].trim_end()),
    }
}

/// A revision as there is room for in a picture: of a hash its beginning, of a name what fits.
pub(crate) fn short(revision: &str) -> String {
    let is_hash = revision.len() > SHORT_HASH && revision.bytes().all(|byte| byte.is_ascii_hexdigit());
    let most = if is_hash { SHORT_HASH } else { SHORT };
    match revision.char_indices().nth(most) {
        None => revision.to_owned(),
        Some((at, _)) if is_hash => revision[..at].to_owned(),
        Some((at, _)) => format!("{}\u{2026}", revision[..at].trim_end()),
    }
}

#[cfg(test)]
#[path = "trend_tests.rs"]
mod tests;
