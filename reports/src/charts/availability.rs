//! What visitors had of each trial over time: a panel for each, in rows of two, with what was offered, answered and failed, the
//! outage shaded, and where there are two versions, how many answers were the new one's. From a record to a chart model.

use super::{cpus, made, target, warned};
use crate::analyse::impact::outages;
use crate::analyse::lesson::{felt, finding, refusal};
use crate::chart::{Axis, Chart, Colour, Mark, Panel, Reading, Series, Shape, Weight};
use crate::lesson::{Event, EventKind, Lesson, Moment, SPOF_SCHEMA, Trial};
use crate::number::{capital, counted, ms, rate, seconds};

/// So that a line at its highest is not the panel's edge.
const HEADROOM: f64 = 1.05;

/// The chart of `lesson`.
pub fn chart(lesson: &Lesson) -> Chart {
    let (tone, title, subtitle) = warned(&lesson.verdict, lesson.partial, &finding(lesson), &context(lesson));
    let (shared, own) = marks(lesson);
    let end_s = lesson.trials.iter().map(|trial| trial.duration_s).fold(0.0, f64::max);
    Chart {
        tone,
        title,
        subtitle,
        x: Axis::fitted("seconds since the first request was due", 0.0, end_s, 8, rate)
            .read(Reading::Seconds),
        bands: Vec::new(),
        marks: shared,
        panels: lesson
            .trials
            .iter()
            .zip(own)
            .enumerate()
            .map(|(n, (trial, marks))| Panel { marks, ..panel(trial, lesson.limit_ms, n % 2 == 1) })
            .collect(),
        footer: footer(lesson),
    }
}

fn context(lesson: &Lesson) -> String {
    format!(
        "{}, {} requests/s offered in each trial, open loop; well again: nothing fails, and p99 is at most {}",
        lesson.target.url,
        rate(lesson.rps),
        ms(lesson.limit_ms)
    )
}

/// Events nearer to one another than this, in seconds, are at the same time.
const SAME_S: f64 = 0.5;

/// What was done, and when: at the same time in all trials, and in each of them at a time of its own.
fn marks(lesson: &Lesson) -> (Vec<Mark>, Vec<Vec<Mark>>) {
    let mut shared = Vec::new();
    let mut own = vec![Vec::new(); lesson.trials.len()];
    for kind in [EventKind::Begin, EventKind::End] {
        let of = |trial| event(trial, kind).map(|event| mark(lesson, trial, event));
        let each: Vec<Option<Mark>> = lesson.trials.iter().map(of).collect();
        let same = |one: &Mark, other: &Mark| (one.at - other.at).abs() < SAME_S && one.label == other.label;
        match each.first() {
            Some(Some(first)) if each.iter().all(|one| one.as_ref().is_some_and(|one| same(one, first))) => {
                let at = each.iter().flatten().map(|one| one.at).fold(first.at, f64::min);
                shared.push(Mark { at, ..first.clone() });
            }
            _ => own.iter_mut().zip(each).for_each(|(own, one)| own.extend(one)),
        }
    }
    for (own, trial) in own.iter_mut().zip(&lesson.trials) {
        own.extend(refusal(trial).map(|refusal| Mark {
            at: refusal.at_s,
            label: String::from("refused"),
            colour: Colour::Tail,
        }));
    }
    (shared, own)
}

/// What was done, if it was done while somebody looked.
fn event(trial: &Trial, kind: EventKind) -> Option<&Event> {
    trial.events.iter().find(|event| event.kind == kind && (0.0..=trial.duration_s).contains(&event.at_s))
}

fn mark(lesson: &Lesson, trial: &Trial, event: &Event) -> Mark {
    let label = match (event.kind, lesson.schema == SPOF_SCHEMA) {
        (EventKind::End, true) => "started again",
        (EventKind::End, false) if refusal(trial).is_some() => "given up",
        (EventKind::End, false) => "through",
        (_, true) => "killed",
        (_, false) => "the change begins",
    };
    let colour = if event.kind == EventKind::End { Colour::Ok } else { Colour::Failure };
    Mark { at: event.at_s, label: label.to_owned(), colour }
}

fn panel(trial: &Trial, limit_ms: f64, beside: bool) -> Panel {
    let per_second = |n: u64| n as f64 / trial.interval_s;
    let due = ((trial.duration_s / trial.interval_s).ceil().max(0.0) as usize).min(trial.bins.len());
    let bins = &trial.bins[..due];
    let steps = |of: &dyn Fn(&Moment) -> u64| {
        let start = |n: usize| n as f64 * trial.interval_s;
        let mut points: Vec<_> =
            bins.iter().enumerate().map(|(n, bin)| (start(n), Some(per_second(of(bin))))).collect();
        points.extend(
            bins.last().map(|bin| (start(bins.len()).min(trial.duration_s), Some(per_second(of(bin))))),
        );
        points
    };
    let most = bins.iter().map(|bin| per_second(bin.planned.max(bin.ok).max(bin.failed))).fold(0.0, f64::max);
    let y = Axis::from_zero("", most * HEADROOM, 3, rate).read(Reading::PerSecond);
    let mut series = shaded(&outages(trial, limit_ms), trial.interval_s, y.to);
    let mut line = |label: &str, colour, shape, points| {
        series.push(Series { label: label.to_owned(), colour, shape, points });
    };
    if bins.iter().any(|bin| bin.failed > 0) {
        line("failed", Colour::Failure, Shape::Area, steps(&|bin| bin.failed));
    }
    line("offered", Colour::Offered, Shape::Steps(Weight::Thin), steps(&|bin| bin.planned));
    line("answered", Colour::Ok, Shape::Steps(Weight::Bold), steps(&|bin| bin.ok));
    let new = newcomer(trial, bins);
    if !new.is_empty() {
        line("new version", Colour::Tier(1), Shape::Steps(Weight::Medium), new);
    }
    let note = bins.is_empty().then(|| String::from("No request was due"));
    Panel {
        title: format!("{}: {}", capital(&trial.name), felt(trial)),
        weight: 1.0,
        y,
        series: if note.is_some() { Vec::new() } else { series },
        note,
        beside,
        ..Panel::default()
    }
}

/// From the bottom to the top of the plot, each span in which the website was out.
fn shaded(outages: &[bool], interval_s: f64, top: f64) -> Vec<Series> {
    let is_out = |n: usize| outages[n];
    let numbers: Vec<usize> = (0..outages.len()).collect();
    let spans = numbers.chunk_by(|a, b| is_out(*a) == is_out(*b)).filter(|span| is_out(span[0]));
    let series = |span: &[usize]| {
        let (from, to) = (span[0] as f64, (span[0] + span.len()) as f64);
        let ends = |at: f64| [(at * interval_s, Some(0.0)), (at * interval_s, Some(top))];
        let points = [ends(from), ends(to)].concat();
        Series { label: String::new(), colour: Colour::Failure, shape: Shape::Between, points }
    };
    spans.map(series).collect()
}

/// How many answers per second were the last version's, as far as the samples tell; nothing where there is one version only.
fn newcomer(trial: &Trial, bins: &[Moment]) -> Vec<(f64, Option<f64>)> {
    let named = || trial.versions.iter().filter_map(|seen| seen.version.as_deref());
    let Some(first) = named().next().filter(|first| named().any(|version| version != *first)) else {
        return Vec::new();
    };
    let point = |(n, bin): (usize, &Moment)| {
        let (from, to) = (n as f64 * trial.interval_s, (n + 1) as f64 * trial.interval_s);
        let within = |at_ms: i64| (from..to).contains(&(at_ms as f64 / 1e3));
        let seen = trial
            .versions
            .iter()
            .filter(|seen| within(seen.at_ms))
            .filter_map(|seen| seen.version.as_deref());
        let (new, all) =
            seen.fold((0, 0), |(new, all), version| (new + u32::from(version != first), all + 1));
        let rate = bin.ok as f64 / trial.interval_s;
        (from, (all > 0).then(|| rate * f64::from(new) / f64::from(all)))
    };
    bins.iter().enumerate().map(point).collect()
}

fn footer(lesson: &Lesson) -> Vec<String> {
    let mut what = vec![format!(
        "{} in {}, seed {}",
        counted(lesson.trials.len() as u64, "trial"),
        seconds(lesson.duration_s),
        lesson.head.seed
    )];
    what.extend(target(&lesson.target));
    what.extend(cpus("generator", &lesson.head.cpus));
    made(&lesson.head, &what, &lesson.emulated, &[])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chart::Tone;
    use crate::draw::layout_tests::assert_legible;
    use crate::fixture;

    #[test]
    fn each_trial_has_a_panel_and_its_outage_is_shaded() {
        let chart = chart(&fixture::lesson::spof());
        assert_eq!(chart.tone, Tone::Plain);
        let marks: Vec<_> = chart.marks.iter().map(|mark| (mark.at, mark.label.as_str())).collect();
        assert_eq!(marks, [(3.0, "killed"), (6.0, "started again")]);
        assert_eq!(chart.panels.iter().map(|panel| panel.beside).collect::<Vec<_>>(), [false, true]);
        let shaded = |panel: &Panel| {
            let spans = panel.series.iter().filter(|series| series.shape == Shape::Between);
            spans.map(|series| (series.points[0].0, series.points[2].0)).collect::<Vec<_>>()
        };
        assert_eq!(shaded(&chart.panels[0]), [(3.0, 6.0)]);
        assert_eq!(shaded(&chart.panels[1]), []);
        assert!(
            chart.panels[0]
                .title
                .starts_with("Killing the only app server: 3 s out, 600 of 2,400 requests failed")
        );
        let emulated = chart.footer.last().expect("a footer");
        assert!(emulated.contains("computing nothing"), "{emulated}");
    }

    #[test]
    fn the_new_version_is_a_line_where_there_are_two() {
        let chart = chart(&fixture::lesson::maintenance());
        let new = |panel: &Panel| panel.series.iter().find(|series| series.label == "new version").cloned();
        assert!(new(&chart.panels[0]).is_none());
        let points = new(&chart.panels[1]).expect("a line").points;
        assert_eq!((points[0].1, points[20].1, points[40].1), (Some(0.0), Some(100.0), Some(200.0)));
        assert_legible("availability", &chart);
    }

    #[test]
    fn what_did_not_happen_at_one_time_is_marked_in_each_panel() {
        let own = |chart: &Chart| {
            let labels =
                |panel: &Panel| panel.marks.iter().map(|mark| mark.label.clone()).collect::<Vec<_>>();
            chart.panels.iter().map(labels).collect::<Vec<_>>()
        };
        let sick = chart(&fixture::lesson::sick());
        assert_eq!(sick.marks.len(), 1, "{:?}", sick.marks);
        assert_eq!(own(&sick), [vec!["through"], vec!["through"], vec!["given up", "refused"]]);
        assert_legible("sick", &sick);
        // Of what nobody saw the end of, or saw after the load, there is no mark.
        for change in [0.0, 20.0] {
            let mut endless = fixture::lesson::spof();
            endless.trials[1].events[1].at_s += change;
            endless.trials[1].events.retain(|event| change > 0.0 || event.kind != EventKind::End);
            let chart = chart(&endless);
            assert!(chart.marks.iter().all(|mark| mark.label == "killed"), "{:?}", chart.marks);
            assert_eq!(own(&chart), [vec!["started again"], vec![]]);
        }
    }
}
