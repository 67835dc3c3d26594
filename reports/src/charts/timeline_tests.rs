//! The timeline's model against records of known events.

use super::*;
use crate::chart::Tone;
use crate::fixture;

fn series<'a>(panel: &'a Panel, label: &str) -> Option<&'a Series> {
    panel.series.iter().find(|s| s.label == label)
}

/// The value at `x` of a series of columns.
fn value_at(series: &Series, x: f64) -> f64 {
    series.points.iter().rfind(|p| p.0 <= x).unwrap().1.unwrap()
}

#[test]
fn a_healthy_run_shows_what_was_offered_and_answered_and_no_failure() {
    let chart = chart(&fixture::healthy());
    assert_eq!(chart.tone, Tone::Plain);
    assert!(chart.title.starts_with("5,000 requests/s offered, all answered: p50 "), "{}", chart.title);
    let [rates, times] = &chart.panels[..] else { panic!("two panels") };
    assert_eq!(value_at(series(rates, "offered").unwrap(), 5.0), 5000.0);
    assert!(series(rates, "failed").is_none());
    let names: Vec<_> = times.series.iter().map(|s| s.label.as_str()).collect();
    assert_eq!(names, ["send lag p99", "p50", "p99", "slowest"]);
    assert_eq!(times.title, "Response time per 100 ms, log scale");
    let footer = chart.footer.join("\n");
    for part in ["loadgen --rps 5000", "0.1.0 (1ad522a)", "AMD EPYC", "0.25 CPU", "target pinned to CPU 0"] {
        assert!(footer.contains(part), "{part} in {footer}");
    }
}

#[test]
fn a_freeze_shows_as_a_second_of_no_answers_and_of_falling_waits() {
    let chart = chart(&fixture::freeze());
    assert_eq!(value_at(series(&chart.panels[0], "answered").unwrap(), 4.5), 0.0);
    let slowest = series(&chart.panels[1], "slowest").unwrap();
    let highest = slowest.points.iter().filter_map(|p| p.1).fold(0.0, f64::max);
    assert!((950.0..1100.0).contains(&highest), "{highest}");
}

#[test]
fn a_death_is_marked_and_what_failed_after_it_is_an_area() {
    let chart = chart(&fixture::died());
    assert_eq!(chart.marks[0].label, "target died at 3.2 s");
    let failed = series(&chart.panels[0], "failed").unwrap();
    assert_eq!(failed.shape, Shape::Area);
    assert_eq!((value_at(failed, 2.0), value_at(failed, 6.0)), (0.0, 5000.0));
}

#[test]
fn what_comes_after_the_last_request_is_set_apart() {
    let chart = chart(&fixture::overload());
    assert_eq!(chart.bands.len(), 1);
    assert_eq!((chart.bands[0].from, chart.bands[0].to), (10.0, chart.x.to));
    let offered = series(&chart.panels[0], "offered").unwrap();
    assert_eq!(offered.points.last().unwrap().0, 10.0);
    let unworthy = super::chart(&fixture::healthy());
    assert_eq!((unworthy.bands.len(), unworthy.x.to), (0, 10.0), "a tenth of a second of ten is not");
    let mut late = fixture::healthy();
    let interval_s = late.run.timeline.interval_s;
    let bins = &mut late.run.timeline.bins;
    bins.truncate((10.0 / interval_s).round() as usize);
    bins.extend([0, 0, 1].map(|ok| Bin { ok, ..Default::default() }));
    let late = super::chart(&late);
    assert_eq!((late.bands.len(), late.x.to), (0, 10.0), "nor is one late answer of fifty thousand");
    let mut odd = fixture::healthy();
    odd.run.duration_s = 9.97;
    let odd = super::chart(&odd);
    assert!(
        odd.bands.is_empty() && odd.x.to > 9.97,
        "nor is what an interval has left behind the last request"
    );
}

#[test]
fn what_comes_before_the_steady_state_is_set_apart() {
    let chart = chart(&fixture::warming_up());
    let [band] = &chart.bands[..] else { panic!("one band") };
    assert_eq!((band.from, band.label.as_str()), (0.0, "not steady yet"));
    // A batch of five intervals is the grain of it.
    assert!((3.0..=3.5).contains(&band.to), "{}", band.to);
    let answered = series(&chart.panels[0], "answered").unwrap();
    assert_eq!(answered.points.first().unwrap().0, 0.05, "and drawn all the same");
}

#[test]
fn an_interval_that_the_run_ends_in_is_no_dip() {
    let mut record = fixture::healthy();
    record.run.duration_s = 9.95;
    let last = record.run.timeline.bins.iter().rposition(|bin| bin.planned > 0).unwrap();
    record.run.timeline.bins.truncate(last + 1);
    (record.run.timeline.bins[last].planned, record.run.timeline.bins[last].ok) = (250, 250);
    let chart = chart(&record);
    for label in ["offered", "answered"] {
        let (_, rate) = series(&chart.panels[0], label).unwrap().last().unwrap();
        assert!((rate - 5000.0).abs() < 1.0, "{label}: {rate}");
    }
}

#[test]
fn a_long_run_keeps_its_worst_moments_and_its_sum() {
    let record = fixture::ten_hours();
    let chart = chart(&record);
    let answered = series(&chart.panels[0], "answered").unwrap();
    assert!(answered.points.len() <= MOST_COLUMNS);
    let slowest = series(&chart.panels[1], "slowest").unwrap();
    let highest = slowest.points.iter().filter_map(|p| p.1).fold(0.0, f64::max);
    assert!((highest / record.run.response_ms.max.unwrap() - 1.0).abs() < 0.01);
    assert_eq!((chart.x.to, chart.x.ticks[1].at, chart.x.ticks[1].label.as_str()), (36_000.0, 3600.0, "1"));
    assert!(chart.panels[1].title.contains("the worst interval of each 72 s"), "{}", chart.panels[1].title);
}

#[test]
fn an_invalid_run_says_so_first() {
    let mut record = fixture::healthy();
    record.run.verdict =
        crate::record::Verdict { valid: false, reasons: vec!["the generator woke late".into()] };
    let chart = chart(&record);
    assert_eq!((chart.tone, chart.title.as_str()), (Tone::Alarm, "INVALID: the generator woke late"));
    assert!(chart.subtitle.starts_with("Not to be relied on: 5,000 requests/s"));
    record.run.verdict.valid = true;
    record.run.partial = true;
    assert!(super::chart(&record).title.starts_with("PARTIAL: "));
}

#[test]
fn what_the_tiers_said_has_a_panel_of_its_own() {
    let chart = chart(&fixture::telling());
    let [.., used] = &chart.panels[..] else { panic!("panels") };
    assert_eq!((chart.panels.len(), used.title.as_str()), (3, "CPUs in use by tier"));
    assert_eq!(series(used, "proxy").unwrap().last().unwrap().0, 7.0, "as long as it said so");
}

#[test]
fn whatever_the_record_holds_the_axes_are_axes() {
    let mut broken = fixture::single();
    broken.run.timeline.interval_s = f64::NAN;
    for record in [fixture::empty(), fixture::single(), fixture::tiny(), fixture::all_failed(), broken] {
        let chart = chart(&record);
        for axis in chart.panels.iter().map(|p| &p.y).chain([&chart.x]) {
            assert!(axis.from < axis.to && axis.ticks.len() >= 2, "{axis:?}");
        }
    }
}
