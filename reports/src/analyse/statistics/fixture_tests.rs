//! The statistics against scipy's and statsmodels', on published and on random data: `fixture.py` wrote what is read here.

use super::bootstrap::{self, median_interval};
use super::holm::holm;
use super::wilcoxon::signed_rank;
use serde::Deserialize;

#[derive(Deserialize)]
struct Fixture {
    resamples: usize,
    samples: Vec<Sample>,
    holm: Vec<Family>,
}

#[derive(Deserialize)]
struct Sample {
    name: String,
    values: Vec<f64>,
    p_greater: f64,
    p_less: f64,
    interval: [f64; 2],
}

#[derive(Deserialize)]
struct Family {
    p: Vec<f64>,
    adjusted: Vec<f64>,
}

fn fixture() -> Fixture {
    serde_json::from_str(include_str!("fixture.json")).unwrap()
}

#[test]
fn the_signed_ranks_are_scipys() {
    let samples = fixture().samples;
    assert!(samples.len() > 40);
    for Sample { name, values, p_greater, p_less, .. } in samples {
        let found = signed_rank(&values).unwrap();
        let off = (found.p_greater - p_greater).abs().max((found.p_less - p_less).abs());
        assert!(off < 1e-9, "{name}: {found:?}, not {p_greater} and {p_less}");
    }
}

/// scipy draws its resamples. A percentile of 20,000 is one of all resamples at a level that is off by chance, with the
/// standard error sqrt(q (1 - q) / 20,000) = 0.0011; five of these are exceeded by one in a million ends. Between levels so
/// far off on either side of 0.025 its ends have to lie.
#[test]
fn the_intervals_are_scipys_but_for_its_chance() {
    let Fixture { resamples, samples, .. } = fixture();
    let error = 5.0 * (0.025 * 0.975 / resamples as f64).sqrt();
    let mut same = 0;
    for Sample { name, values, interval: [low, high], .. } in &samples {
        let mut sorted = values.clone();
        sorted.sort_by(f64::total_cmp);
        let [[low_least, high_most], [low_most, high_least]] =
            [-error, error].map(|off| bootstrap::ends(&bootstrap::medians(&sorted), 0.025 + off));
        // Means of two are rounded otherwise.
        let within = |least: f64, end: f64, most: f64| least - 1e-9 <= end && end <= most + 1e-9;
        assert!(within(low_least, *low, low_most) && within(high_least, *high, high_most), "{name}");
        let ours = median_interval(values).unwrap();
        same += usize::from((ours[0] - low).abs() < 1e-9) + usize::from((ours[1] - high).abs() < 1e-9);
    }
    // Levels so far apart would be a weak test alone.
    assert!(same * 10 >= samples.len() * 2 * 7, "{same} ends of {} are the same", samples.len() * 2);
}

#[test]
fn the_adjusted_p_values_are_those_of_statsmodels() {
    for Family { p, adjusted } in fixture().holm {
        let off = holm(&p).iter().zip(&adjusted).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        assert!(off < 1e-12 && adjusted.len() == p.len(), "{p:?}");
    }
}
