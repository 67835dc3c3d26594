//! The distributions of a run: time over percentile, both logarithmic, so that each nine has the same room. From a
//! record to a chart model. A curve ends where its sample can no longer bound the percentile; nothing is extrapolated.

use super::{LEAST_MS, context, footer, headline, range_ms};
use crate::analyse::blocks::preferred;
use crate::analyse::interval::reach;
use crate::chart::{Axis, Chart, Colour, Panel, Reading, Scale, Series, Shape, Span, Tick, Weight};
use crate::histogram::Histogram;
use crate::number::{ms, percent, rate};
use crate::record::{Distribution, Run};
use crate::store::Record;

/// Points in a curve: more than the eye can tell apart.
const POINTS: usize = 500;
/// From this share of p99 on, waiting before sending is what the picture is about.
const LAG_SHARE: f64 = 0.4;
/// What is faster than this share of a curve does not stretch the axis.
const AXIS_FROM: f64 = 0.05;
/// Below this difference of p50 and p99, the curve of the correct answers says nothing new.
const DIFFERENCE: f64 = 0.05;

/// The chart of `record`.
pub fn chart(record: &Record) -> Chart {
    let (run, totals) = (&record.run, &record.totals);
    let mut curves = vec![
        ("response", Colour::Tail, Weight::Bold, &totals.response),
        ("service", Colour::Ok, Weight::Medium, &totals.service),
        ("send lag", Colour::Lag, Weight::Medium, &totals.send_lag),
    ];
    if differs(&run.ok_response_ms, &run.response_ms) {
        curves.push(("correct only", Colour::Typical, Weight::Medium, &totals.ok_response));
    }
    let series: Vec<_> = curves
        .into_iter()
        .map(|(label, colour, weight, histogram)| Series {
            label: label.into(),
            colour,
            shape: Shape::Line(weight),
            points: curve(histogram),
        })
        .filter(|series| !series.points.is_empty())
        .collect();
    let spans = p99_interval(&run.response_ms);
    // The few fastest, of a target that was not busy yet, would take most of the height.
    let told = series.iter().flat_map(|s| &s.points).filter(|p| p.0 >= place(AXIS_FROM)).filter_map(|p| p.1);
    let (least, most) = range_ms(told.chain(spans.iter().flat_map(|span| [span.from, span.to])));
    let end = series.iter().filter_map(|s| s.last()).map(|(x, _)| x).fold(0.0, f64::max);
    let (tone, title, subtitle) = headline(run, &finding(run), &context(run));
    Chart {
        tone,
        title,
        subtitle,
        x: percentile_axis(end),
        bands: Vec::new(),
        marks: Vec::new(),
        panels: vec![Panel {
            title: panel_title(run),
            weight: 1.0,
            y: Axis::log("", least, most, 12, ms).read(Reading::Ms),
            note: series.is_empty().then(|| nothing_to_show(run)),
            series,
            spans,
            ..Panel::default()
        }],
        footer: footer(run),
    }
}

fn panel_title(run: &Run) -> String {
    let slowest =
        run.response_ms.max.map_or_else(String::new, |max| format!("; the slowest took {}", ms(max)));
    format!("Time that this share of the requests did not exceed{slowest}")
}

fn nothing_to_show(run: &Run) -> String {
    match run.response_ms.count {
        0 => "No request ended".to_owned(),
        1 => "One request is no distribution".to_owned(),
        n => format!("{n} requests are too few for a percentile"),
    }
}

/// The place of the percentile `q` on the axis: 0 at 0 %, 1 at 90 %, 2 at 99 %.
fn place(q: f64) -> f64 {
    -(1.0 - q).log10()
}

fn percentile_axis(end: f64) -> Axis {
    let end = end.max(place(0.5));
    let ticks = [0.0, 0.5, 0.9, 0.99, 0.999, 0.9999, 0.99999, 0.999999, 0.9999999]
        .into_iter()
        .filter(|q| place(*q) <= end + 1e-9)
        .map(|q| Tick {
            at: place(q).abs(),
            label: format!("{} %", crate::number::round_to_digits(q * 100.0, 9)),
        })
        .collect();
    Axis {
        title: "percentile".into(),
        scale: Scale::Linear,
        from: 0.0,
        to: end,
        ticks,
        reading: Reading::Nines,
    }
}

/// Time in milliseconds over [`place`], as far as the sample reaches.
fn curve(histogram: &Histogram) -> Vec<(f64, Option<f64>)> {
    let n = histogram.count();
    let end = place(reach(n));
    // Below the median's need there is no percentile at all.
    if end < place(0.5) {
        return Vec::new();
    }
    let mut points = Vec::with_capacity(POINTS + 1);
    let mut recorded = histogram.recorded();
    let (mut seen, mut value) = (0, 0);
    for i in 0..=POINTS {
        let x = end * i as f64 / POINTS as f64;
        let rank = ((1.0 - 10f64.powf(-x)) * n as f64).ceil().max(1.0) as u64;
        while seen < rank.min(n) {
            let Some((next, count)) = recorded.next() else { break };
            (value, seen) = (next, seen + count);
        }
        points.push((x, Some((value as f64 / 1e6).max(LEAST_MS))));
    }
    points
}

fn differs(ok: &Distribution, all: &Distribution) -> bool {
    let apart = |a: Option<f64>, b: Option<f64>| match (a, b) {
        (Some(a), Some(b)) => (a - b).abs() > DIFFERENCE * b,
        _ => a.is_some() != b.is_some(),
    };
    ok.count != all.count && ok.count > 0 && (apart(ok.p50, all.p50) || apart(ok.p99, all.p99))
}

fn p99_interval(times: &Distribution) -> Vec<Span> {
    let span = preferred(times, "p99").zip(times.p99).map(|((_, [from, to]), p99)| Span {
        at: place(0.99),
        from: from.max(LEAST_MS),
        to: to.max(LEAST_MS),
        label: match (ms(from), ms(to)) {
            (from, to) if from == to => format!("p99 {}", ms(p99)),
            (from, to) => format!("p99 {}, 95 % interval {from} to {to}", ms(p99)),
        },
        colour: Colour::Tail,
    });
    span.into_iter().collect()
}

fn finding(run: &Run) -> String {
    let times = &run.response_ms;
    if times.count == 0 {
        return "No request ended".to_owned();
    }
    if run.ok == 0 {
        return "None of the answers was correct: these are the times of failures".to_owned();
    }
    // Where some failed, the times of the failures are not what is asked after.
    let (times, failures) = match run.planned - run.ok.min(run.planned) {
        0 => (times, String::new()),
        failed => {
            let share = percent(failed as f64 / run.planned as f64);
            (&run.ok_response_ms, format!("{share} failed; of the correct answers, "))
        }
    };
    let Some((p50, p99)) = times.p50.zip(times.p99) else {
        return times.max.map_or_else(String::new, |max| {
            format!("Too few requests for p99; the slowest of {} took {}", times.count, ms(max))
        });
    };
    let lag = run.send_lag_ms.p99.filter(|lag| *lag >= LAG_SHARE * p99);
    if let Some(lag) = lag {
        // Percentiles do not add up: the requests that waited longest are not those that were served slowest.
        return format!(
            "{failures}p99 is {}; waiting before sending alone has a p99 of {}",
            ms(p99),
            ms(lag)
        );
    }
    let ratio = if p50 > 0.0 { p99 / p50 } else { 1.0 };
    let ratio = rate(crate::number::round_to_digits(ratio, 2));
    format!("{failures}p99 is {ratio} times the median: {} against {}", ms(p99), ms(p50))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    #[test]
    fn curves_end_where_their_sample_does() {
        let record = fixture::healthy();
        let chart = chart(&record);
        let labels: Vec<_> = chart.x.ticks.iter().map(|tick| tick.label.as_str()).collect();
        assert_eq!(labels, ["0 %", "50 %", "90 %", "99 %", "99.9 %", "99.99 %"]);
        let panel = &chart.panels[0];
        let names: Vec<_> = panel.series.iter().map(|s| s.label.as_str()).collect();
        assert_eq!(names, ["response", "service", "send lag"]);
        for series in &panel.series {
            assert!(series.points.windows(2).all(|pair| pair[0].0 < pair[1].0 && pair[0].1 <= pair[1].1));
        }
        let response = &panel.series[0];
        let at = |q: f64| response.points.iter().find(|p| p.0 >= place(q)).unwrap().1.unwrap();
        assert!((at(0.99) / record.run.response_ms.p99.unwrap() - 1.0).abs() < 0.05);
        let (span, ci) = (&panel.spans[0], record.run.response_ms.ci95["p99"]);
        assert_eq!([span.from, span.to], ci);
    }

    #[test]
    fn titles_say_what_was_found() {
        for (record, part) in [
            (fixture::healthy(), "times the median"),
            (fixture::all_failed(), "None of the answers was correct"),
            (fixture::overload(), "waiting before sending alone has a p99 of "),
            (fixture::single(), "the slowest of 1 took"),
            (fixture::empty(), "INVALID: no request was due"),
        ] {
            let title = chart(&record).title;
            assert!(title.contains(part), "{title}");
        }
    }

    #[test]
    fn correct_answers_have_a_curve_of_their_own_where_failures_change_the_picture() {
        let chart = chart(&fixture::died());
        assert!(chart.panels[0].series.iter().any(|s| s.label == "correct only"));
    }

    #[test]
    fn too_few_requests_are_no_curve() {
        for record in [fixture::single(), fixture::tiny(), fixture::empty()] {
            let panel = &chart(&record).panels[0];
            assert!(panel.series.is_empty() && panel.note.is_some() && panel.y.from < panel.y.to);
        }
    }
}
