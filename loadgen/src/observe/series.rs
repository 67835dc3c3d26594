//! From what the endpoints said to what the record has: for each tier the means over the measured part, and the series. Pure
//! arithmetic; an endpoint that does not say adds nothing, and a span of which one does not say has no value.

use super::history::{History, Kept, Track};
use super::table::{Form, Table};
use reports::record::Points;
use std::collections::BTreeMap;

/// Two inputs that were seen for times closer than this were seen for the same time, in seconds.
const SAME: f64 = 1e-6;

/// By tier and metric.
pub(super) type ByTier<T> = BTreeMap<String, BTreeMap<String, T>>;

/// An endpoint's history, and the tier that it is of.
pub(super) type Told<'a> = (&'a str, &'a History);

/// A metric over a span: what can be added up over endpoints.
#[derive(Clone, Copy, Debug)]
enum Part {
    Sum(f64),
    Share(f64, f64),
}

impl Part {
    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Sum(a), Self::Sum(b)) => Self::Sum(a + b),
            (Self::Share(a, b), Self::Share(c, d)) => Self::Share(a + c, b + d),
            // A metric is of one form, whatever it comes from.
            (first, _) => first,
        }
    }

    fn number(self) -> Option<f64> {
        match self {
            Self::Sum(value) => Some(value),
            Self::Share(part, whole) => (whole > 0.0).then(|| part / whole),
        }
        .filter(|value| value.is_finite())
    }
}

/// An endpoint that tells a metric, and the way in which it does.
type Teller<'a> = (&'a History, Form);

/// The means of the tiers over the measured part. A tier that told nothing is there, empty.
pub(super) fn means(table: &Table, told: &[Told<'_>]) -> ByTier<f64> {
    let mut means: ByTier<f64> = told.iter().map(|(tier, _)| ((*tier).to_owned(), BTreeMap::new())).collect();
    for ((tier, metric), tellers) in tellers(table, told) {
        let parts = tellers.iter().filter_map(|(history, form)| part(table, *form, |n| history.whole()[n]));
        let mean = parts.reduce(Part::and).and_then(Part::number);
        if let Some(of) = means.get_mut(tier) {
            of.extend(mean.map(|mean| (metric.to_owned(), mean)));
        }
    }
    means
}

/// The series of the tiers.
pub(super) fn series(table: &Table, told: &[Told<'_>]) -> ByTier<Points> {
    let mut series: ByTier<Points> = BTreeMap::new();
    for ((tier, metric), tellers) in tellers(table, told) {
        let points = points(table, &tellers);
        if points.iter().any(|(_, value)| value.is_some()) {
            series.entry(tier.to_owned()).or_default().insert(metric.to_owned(), points);
        }
    }
    series
}

/// Who tells what: each endpoint in the first way of the table for which it has data.
fn tellers<'a>(table: &Table, told: &[Told<'a>]) -> BTreeMap<(&'a str, &'static str), Vec<Teller<'a>>> {
    let mut tellers: BTreeMap<(&str, &str), Vec<Teller<'_>>> = BTreeMap::new();
    for (tier, history) in told {
        let mut known = "";
        for row in table.rows {
            if row.metric != known && part(table, row.form, |n| history.whole()[n]).is_some() {
                tellers.entry((tier, row.metric)).or_default().push((history, row.form));
                known = row.metric;
            }
        }
    }
    // A tier is limited only if all that it uses CPUs with is.
    let users: BTreeMap<&str, usize> =
        tellers.iter().filter(|(key, _)| key.1 == "cpu_share").map(|(key, of)| (key.0, of.len())).collect();
    tellers.retain(|key, of| key.1 != "cpu_limit" || users.get(key.0).is_none_or(|count| *count <= of.len()));
    tellers
}

/// What `form` comes to, given how far each input has come.
fn part(table: &Table, form: Form, of: impl Fn(usize) -> Track) -> Option<Part> {
    let get = |input| Some(of(table.number(input))).filter(|track| track.seen > 0.0);
    let both = |a, b| Some((get(a)?, get(b)?)).filter(|(a, b)| (a.seen - b.seen).abs() < SAME);
    match form {
        Form::Rate(input, factor) => get(input).map(|track| Part::Sum(track.amount / track.seen * factor)),
        Form::Mean(input) | Form::Size(input) => get(input).map(|track| Part::Sum(track.amount / track.seen)),
        Form::Quotient(a, b) => both(a, b).map(|(a, b)| Part::Sum(a.amount / b.amount)),
        Form::Per(a, b, factor) => {
            both(a, b).filter(|(_, b)| b.amount > 0.0).map(|(a, b)| Part::Share(a.amount * factor, b.amount))
        }
    }
}

/// One metric at the samples that all of its endpoints have.
fn points(table: &Table, tellers: &[Teller<'_>]) -> Points {
    let mut samples: Vec<_> = tellers.iter().map(|(history, _)| history.samples().peekable()).collect();
    let mut points = Points::new();
    let mut before: Option<Vec<&Kept>> = None;
    let Some((first, _)) = tellers.first() else { return points };
    for tick in first.samples().map(|kept| kept.tick) {
        let now: Option<Vec<&Kept>> = samples
            .iter_mut()
            .map(|samples| {
                while samples.next_if(|kept| kept.tick < tick).is_some() {}
                samples.next_if(|kept| kept.tick == tick)
            })
            .collect();
        let Some(now) = now else { continue };
        let at_s = now.iter().map(|kept| kept.at_s).sum::<f64>() / now.len() as f64;
        let value = before.as_ref().and_then(|before| {
            let spans = before.iter().zip(&now).zip(tellers);
            let parts = spans.map(|((from, to), (_, form))| over(table, *form, from, to));
            parts.collect::<Option<Vec<_>>>()?.into_iter().reduce(Part::and)?.number()
        });
        points.push(((at_s * 1e3).round() / 1e3, value.map(six_digits)));
        before = Some(now);
    }
    points
}

/// What `form` comes to between two samples; of a counter, only if it was seen all the time.
fn over(table: &Table, form: Form, from: &Kept, to: &Kept) -> Option<Part> {
    part(table, form, |n| {
        let (a, b) = (from.tracks[n], to.tracks[n]);
        let seen = if a.breaks == b.breaks { b.seen - a.seen } else { 0.0 };
        Track { amount: b.amount - a.amount, seen, breaks: 0 }
    })
}

/// More of a sample nobody can tell apart, and the record is shorter.
fn six_digits(value: f64) -> f64 {
    if value.abs() < 1e-9 {
        return 0.0;
    }
    let scale = 10f64.powi(5 - value.abs().log10().floor() as i32);
    (value * scale).round() / scale
}

#[cfg(test)]
#[path = "series_tests.rs"]
mod tests;
