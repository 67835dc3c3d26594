//! What a cache buys, on four plots: the ceilings without one and with one, what a request costs behind the proxy, who reaches the app
//! when a popular page expires, and who is served while the app is dead. From a record to a chart model.

use super::{cpus, made, target, warned};
use crate::analyse::caching::{ceiling, finding, is_at_least, per_request, requests};
use crate::cache::{Busy, Caching, Cure, Outage, Stampede, Way};
use crate::chart::{Axis, Band, Chart, Colour, Panel, Reading, Series, Shape, Tick, Weight};
use crate::number::{NONE, percent, rate, seconds};

/// The colours of what is without the cure, and of what is with it.
const WITHOUT: Colour = Colour::Failure;
const WITH: Colour = Colour::Ok;
const PARTLY: Colour = Colour::Upper;
/// Half of a bar's width, where the middles of two are 1 apart.
const HALF: f64 = 0.36;
const HEADROOM: f64 = 1.08;

/// The chart of `found`.
pub fn chart(found: &Caching) -> Chart {
    let (tone, title, subtitle) = warned(&found.verdict, found.partial, &finding(found), &context(found));
    let outage = |panel: Panel| Panel { beside: true, ..panel };
    Chart {
        tone,
        title,
        subtitle,
        x: time_axis(found.outages.iter().map(|outage| outage.duration_s)),
        bands: dead(found),
        marks: Vec::new(),
        panels: vec![ceilings(found), costs(found), stampedes(found), outage(outages(found))],
        footer: footer(found),
    }
}

fn context(found: &Caching) -> String {
    let setting = &found.setting;
    let mut context = vec![
        format!("objective {}", found.slo.replace(',', " and ")),
        format!(
            "{} products asked for by Zipf's law, exponent {}",
            crate::number::count(setting.items),
            rate(setting.exponent)
        ),
        format!("a page is fresh for {}", seconds(setting.valid_s as f64)),
    ];
    context.retain(|part| !part.is_empty());
    context.join(", ")
}

/// A bar from the axis up to a value.
fn bar(middle: f64, value: f64, colour: Colour, label: String) -> Series {
    let points = vec![(middle - HALF, Some(value)), (middle + HALF, None)];
    Series { label, colour, shape: Shape::Area, points }
}

/// An axis of words, at 1, 2 and so on.
fn words(words: &[&str]) -> Axis {
    let tick = |(n, word): (usize, &&str)| Tick { at: n as f64 + 1.0, label: (*word).to_owned() };
    Axis {
        from: 0.4,
        to: words.len() as f64 + 0.6,
        ticks: words.iter().enumerate().map(tick).collect(),
        ..Axis::default()
    }
}

fn time_axis(lengths: impl Iterator<Item = f64>) -> Axis {
    let end = lengths.filter(|s| s.is_finite()).fold(0.0, f64::max);
    Axis::fitted("seconds", 0.0, if end > 0.0 { end } else { 10.0 }, 6, rate).read(Reading::Seconds)
}

fn highest(series: &[Series]) -> f64 {
    series.iter().flat_map(|series| &series.points).filter_map(|point| point.1).fold(0.0, f64::max)
}

/// The panel of these series, with its own axis from 0; or what there is to say in its place.
fn panel(title: String, series: Vec<Series>, reading: Reading, note: &str) -> Panel {
    let top = highest(&series) * HEADROOM;
    let note = series.is_empty().then(|| note.to_owned());
    let y = Axis::from_zero("", if top > 0.0 { top } else { 1.0 }, 4, rate).read(reading);
    Panel { title, weight: 1.0, y, series, note, ..Panel::default() }
}

fn ceilings(found: &Caching) -> Panel {
    let ways = [(1.0, &found.uncached, WITHOUT), (2.0, &found.cached, WITH)];
    let known = ways.iter().filter_map(|(at, way, colour)| {
        let way = way.as_ref()?;
        let rps = way.search.ceiling_rps?;
        Some((*at, way, bar(*at, rps, *colour, ceiling(way).unwrap_or_default())))
    });
    let mut series = Vec::new();
    for (at, way, bar) in known {
        series.push(bar);
        series.extend(interval(at, way));
    }
    let limits = ways.iter().filter_map(|(_, way, ..)| way.as_ref().filter(|way| is_at_least(way)));
    let least =
        if limits.count() > 0 { "; the generator or the machine ended the search: at least" } else { "" };
    let title = format!("Ceiling, requests/s, with its 95 % interval{least}");
    let x = Some(words(&["no cache", "cache"]));
    Panel { x, ..panel(title, series, Reading::PerSecond, "No ceiling was found") }
}

fn interval(at: f64, way: &Way) -> Option<Series> {
    let [from, to] = way.search.ci95.filter(|_| !is_at_least(way))?;
    Some(Series {
        label: String::new(),
        colour: Colour::Tail,
        shape: Shape::Whiskers,
        points: vec![(at, Some(from)), (at, Some(to))],
    })
}

fn costs(found: &Caching) -> Panel {
    let busy = |way: &Option<Way>| way.as_ref().and_then(|way| way.busy.clone());
    let (before, after) = (busy(&found.uncached), busy(&found.cached));
    let bars = |busy: &Option<Busy>, at: f64, colour: Colour, name: &str| {
        let Some(busy) = busy else { return Vec::new() };
        let queries = busy.queries_per_request.map(|value| (at + 2.0, value));
        let app = busy.app_per_request.map(|value| (at, value));
        let label = format!("{name}: {}", busy.queries_per_request.map_or(NONE.to_owned(), per_request));
        let last = usize::from(queries.is_some());
        let bar = |(n, (middle, value)): (usize, (f64, f64))| {
            bar(middle, value, colour, if n == last { label.clone() } else { String::new() })
        };
        app.into_iter().chain(queries).enumerate().map(bar).collect()
    };
    let mut series = bars(&before, 1.0, WITHOUT, "no cache");
    series.extend(bars(&after, 2.0, WITH, "cache"));
    let hits = after.and_then(|busy| busy.hit_ratio);
    let hits = hits.map_or_else(String::new, |ratio| format!("; {} answered from the cache", percent(ratio)));
    let title = format!("Behind the proxy, per request{hits}");
    let tick = |at: f64, label: &str| Tick { at, label: label.to_owned() };
    let x = Axis {
        from: 0.4,
        to: 4.6,
        ticks: vec![tick(1.5, "to the app"), tick(3.5, "queries of the database")],
        ..Axis::default()
    };
    Panel { x: Some(x), beside: true, ..panel(title, series, Reading::Plain, "It was not measured") }
}

/// Requests that have reached the app by then.
fn reaching(stampede: &Stampede, colour: Colour) -> Series {
    let all = stampede.reached.last().map_or(0, |last| last.1);
    let points = stampede.reached.iter().map(|(at, n)| (*at, Some(*n as f64))).collect();
    let label = format!("{}: {}", stampede.cure.words(), crate::number::count(all));
    Series { label, colour, shape: Shape::Steps(Weight::Bold), points }
}

fn stampedes(found: &Caching) -> Panel {
    let colours = [(Cure::None, WITHOUT), (Cure::Lock, PARTLY), (Cure::Full, WITH)];
    let known = colours.iter().filter_map(|(cure, colour)| Some((found.stampede(*cure)?, *colour)));
    let series: Vec<_> =
        known.filter(|(one, _)| one.reached.len() > 1).map(|(one, colour)| reaching(one, colour)).collect();
    let size = |cure: Cure| found.stampede(cure)?.sizes().map(|(mean, _)| requests(mean));
    let first = |cure: Cure| found.stampede(cure)?.cold.map(|n| requests(n as f64));
    let finding = match (first(Cure::None), first(Cure::Lock), size(Cure::None), size(Cure::Full)) {
        (Some(first), Some(locked), Some(expired), Some(updated)) => format!(
            ": {first} for the first copy, with a lock {locked}; {expired} when it expires, updating {updated}"
        ),
        _ => String::new(),
    };
    let title = format!("A popular page; requests that have reached the app{finding}");
    let x = Some(time_axis(found.stampedes.iter().map(|one| one.duration_s)));
    Panel { x, ..panel(title, series, Reading::Plain, "No page was made to expire") }
}

fn dead(found: &Caching) -> Vec<Band> {
    let killed = found.outages.iter().filter_map(|outage| Some((outage.killed_at_s?, outage)));
    let spell = killed.map(|(from, outage)| (from, outage.back_at_s.unwrap_or(outage.duration_s)));
    // Both were killed at about the same time: what they have in common.
    let both = spell.reduce(|a, b| (a.0.max(b.0), a.1.min(b.1)));
    both.filter(|(from, to)| from < to)
        .map(|(from, to)| Band { from, to, label: String::new() })
        .into_iter()
        .collect()
}

/// Correct answers per second.
fn served(outage: &Outage, colour: Colour, name: &str) -> Series {
    let share = outage.dead.map_or(NONE.to_owned(), |dead| percent(dead.served()));
    let per_second = |(n, one): (usize, &(u64, u64))| {
        (n as f64 * outage.interval_s, Some(one.0 as f64 / outage.interval_s))
    };
    // What ends after the last request was due is no part of the plot.
    let within = |point: &(f64, Option<f64>)| point.0 < outage.duration_s;
    let points = outage.intervals.iter().enumerate().map(per_second).filter(within).collect();
    Series { label: format!("{name}: {share}"), colour, shape: Shape::Steps(Weight::Bold), points }
}

fn outages(found: &Caching) -> Panel {
    let one = |stale: bool, colour: Colour, name: &str| {
        let outage = found.outage(stale).filter(|one| !one.intervals.is_empty() && one.interval_s > 0.0)?;
        Some(served(outage, colour, name))
    };
    let series: Vec<_> =
        [one(false, WITHOUT, "no stale"), one(true, WITH, "stale")].into_iter().flatten().collect();
    let share = |stale: bool| Some(percent(found.outage(stale)?.dead?.served()));
    let finding = match (share(false), share(true)) {
        (Some(without), Some(with)) => format!("{without} served without stale pages, {with} with them"),
        _ => String::from("not known"),
    };
    let title = format!("The app is dead (grey); correct answers/s: {finding}");
    panel(title, series, Reading::PerSecond, "The app was not killed")
}

/// Where the numbers come from, and what in them is emulated.
fn footer(found: &Caching) -> Vec<String> {
    let setting = &found.setting;
    let mut what = target(&found.target);
    what.extend(cpus("generator", &found.head.cpus));
    what.push(format!(
        "in the lower plots a page is fresh for {}, and the catalogue a small one",
        seconds(setting.short_valid_s as f64)
    ));
    made(&found.head, &what, &found.emulated, &[])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chart::Tone;
    use crate::fixture::caching::{Made, made};

    fn labels(panel: &Panel) -> Vec<&str> {
        panel.series.iter().map(|series| series.label.as_str()).filter(|label| !label.is_empty()).collect()
    }

    #[test]
    fn each_lesson_has_a_plot_with_both_sides() {
        let found = made(Made::Whole);
        let chart = chart(&found);
        assert_eq!((chart.tone, chart.panels.len()), (Tone::Plain, 4));
        assert!(chart.title.starts_with("A cache moves the ceiling from "), "{}", chart.title);
        let [ceilings, costs, stampedes, outages] = [0, 1, 2, 3].map(|n| labels(&chart.panels[n]));
        let words = |way: &Option<Way>| ceiling(way.as_ref().unwrap()).unwrap();
        assert_eq!(ceilings, [words(&found.uncached), words(&found.cached)]);
        assert_eq!(costs, ["no cache: 1.6", "cache: 0.032"]);
        assert_eq!(stampedes, ["no lock: 160", "lock: 121", "lock and updating: 4"]);
        let title = &chart.panels[2].title;
        assert!(
            title.ends_with("40 for the first copy, with a lock 1; 40 when it expires, updating 1"),
            "{title}"
        );
        assert!(outages[0].starts_with("no stale: 28 %") && outages[1].starts_with("stale: "), "{outages:?}");
        assert!(chart.panels[1].title.contains("98 % answered from the cache"), "{}", chart.panels[1].title);
        assert_eq!(chart.bands, [Band { from: 3.0, to: 8.0, label: String::new() }]);
        assert!(chart.footer.iter().any(|line| line.starts_with("EMULATED: A slower application")));
    }

    #[test]
    fn bars_are_as_high_as_what_was_measured_and_intervals_lie_around_their_ends() {
        let found = made(Made::Whole);
        let panel = &chart(&found).panels[0];
        let way = found.cached.as_ref().unwrap();
        let bar = panel.series.iter().find(|series| series.colour == WITH).unwrap();
        assert_eq!(bar.points[0].1, way.search.ceiling_rps);
        let whiskers: Vec<_> = panel.series.iter().filter(|series| series.shape == Shape::Whiskers).collect();
        let [from, to] = way.search.ci95.unwrap();
        assert_eq!(whiskers.len(), 2);
        assert_eq!(whiskers[1].points, [(2.0, Some(from)), (2.0, Some(to))]);
    }

    #[test]
    fn a_bound_is_said_to_be_one_and_has_no_interval() {
        let chart = chart(&made(Made::AtLeast));
        let panel = &chart.panels[0];
        assert!(labels(panel)[1].starts_with("at least "), "{:?}", labels(panel));
        assert_eq!(panel.series.iter().filter(|series| series.shape == Shape::Whiskers).count(), 1);
        assert!(chart.title.contains("at least"), "{}", chart.title);
    }

    #[test]
    fn what_was_not_measured_is_said() {
        let spoilt = chart(&made(Made::Spoilt));
        assert_eq!(spoilt.tone, Tone::Alarm);
        let partial = chart(&made(Made::Partial));
        assert!(partial.panels[0].note.is_none() && partial.panels[2].note.is_some());
        let empty = chart(&made(Made::Empty));
        assert!(empty.panels.iter().all(|panel| panel.note.is_some() && panel.series.is_empty()));
    }
}
