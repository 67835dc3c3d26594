//! The ceiling by the number of app servers, a panel for each mix of requests: what was measured with its interval, perfect
//! scaling from the first point, the law, and the next tier's wall. From a record to a chart model. What is not the servers' own
//! ceiling is drawn apart from what is, and past the largest number of servers the law is drawn as the guess that it is.

use super::{cpus, made, warned};
use crate::analyse::scale_out::{finding, losses, times};
use crate::chart::{Axis, Chart, Colour, Marker, Panel, Reading, Series, Shape, Weight};
use crate::number::{capital, counted, rate, seconds};
use crate::scale_out::{Mix, Point, ScaleOut, Standing};

/// The axis goes so far past the most servers.
const PAST: f64 = 0.6;
/// A wall further above everything else than this is said, and does not flatten the rest.
const IN_SIGHT: f64 = 1.6;
const HEADROOM: f64 = 1.04;

/// The marks for points of some standing: their label, what they look like, and which points they are for.
type Kind = (&'static str, Colour, Marker, fn(Standing) -> bool);

/// The chart of `found`.
pub fn chart(found: &ScaleOut) -> Chart {
    let (tone, title, subtitle) = warned(&found.verdict, found.partial, &finding(found), &context(found));
    let shown = found.mixes.iter().filter(|mix| !mix.points.is_empty());
    let mut panels: Vec<Panel> = shown.enumerate().map(|(i, mix)| panel(found, mix, i > 0)).collect();
    if panels.is_empty() {
        let note = Some("No search was ended".to_owned());
        panels.push(Panel { title: "Ceiling by app servers".into(), weight: 1.0, note, ..Panel::default() });
    }
    Chart {
        tone,
        title,
        subtitle,
        x: servers_axis(found),
        bands: Vec::new(),
        marks: Vec::new(),
        panels,
        footer: footer(found),
    }
}

fn servers_axis(found: &ScaleOut) -> Axis {
    let most = found.servers.last().copied().map_or(1.0, f64::from);
    let title = format!("app servers of {} CPUs each", rate(found.sizes.server_cpu));
    let mut axis = Axis::fitted(&title, 0.0, most + PAST, 8, rate);
    axis.ticks.retain(|tick| tick.at.fract() == 0.0);
    axis
}

/// What was asked, and how large everything is.
fn context(found: &ScaleOut) -> String {
    let sizes = &found.sizes;
    let mut context = vec![
        format!("objective {}", found.slo.replace(',', " and ")),
        format!("database {} CPUs", rate(sizes.db_cpu)),
        format!("proxy {} CPUs", rate(sizes.proxy_cpu)),
    ];
    let interval = |mix: &Mix| {
        let [from, to] = mix.gain.as_ref()?.ci95?;
        Some(format!("{} {} to {}", mix.what, times(from), times(to)))
    };
    let intervals: Vec<_> = found.mixes.iter().filter_map(interval).collect();
    if !intervals.is_empty() {
        context.push(format!("95 % intervals: {}", intervals.join(" and ")));
    }
    context.join(", ")
}

fn footer(found: &ScaleOut) -> Vec<String> {
    let searches: usize = found.mixes.iter().map(|mix| mix.points.len()).sum();
    let mut what = vec![format!("{} in {}", count_of(searches), seconds(found.duration_s.round()))];
    what.extend(cpus("target", &found.target_cpus));
    what.extend(cpus("generator", &found.head.cpus));
    made(&found.head, &what, &found.emulated, &found.cut)
}

fn count_of(searches: usize) -> String {
    let many = if searches == 1 { "" } else { "es" };
    format!("{searches} search{many} for a ceiling")
}

fn panel(found: &ScaleOut, mix: &Mix, beside: bool) -> Panel {
    let mut series = law(found, mix);
    series.extend(perfect(mix));
    series.push(intervals(mix));
    let kinds: [Kind; 3] = [
        ("not the servers'", Colour::Offered, Marker::Ring, |one| !one.counts() && one != Standing::AtLeast),
        ("at least", Colour::Offered, Marker::Triangle, |one| one == Standing::AtLeast),
        ("measured", Colour::Ok, Marker::Dot, Standing::counts),
    ];
    series.extend(kinds.map(|(label, colour, marker, of)| marks(mix, label, colour, marker, of)));
    series.retain(|series| !series.points.is_empty());
    let top = highest(&series);
    series.extend(wall(found, mix, top));
    let y = Axis::from_zero("", highest(&series).max(1.0) * HEADROOM, 6, rate).read(Reading::PerSecond);
    let axis = servers_axis(found);
    Panel { title: heading(mix, top), weight: 1.0, x: Some(axis), y, series, beside, ..Panel::default() }
}

/// The mix, how it scaled, and what is too far up to be drawn.
fn heading(mix: &Mix, top: f64) -> String {
    let ratio = mix.gain.as_ref().map(|gain| format!("{} times", times(gain.ratio)));
    let known = ratio.into_iter().chain(Some(losses(mix)).filter(|words| !words.is_empty()));
    let mut title = format!("{} per second", capital(&mix.what));
    for part in known.chain((!mix.no_law.is_empty()).then(|| mix.no_law.clone())) {
        title += &format!("; {part}");
    }
    let far = mix.wall.as_ref().filter(|wall| !wall.reached && wall.rps > IN_SIGHT * top);
    title
        + &far.map_or_else(String::new, |wall| {
            format!("; far above: {}, predicted at {}", wall.what, rate(wall.rps))
        })
}

fn highest(series: &[Series]) -> f64 {
    series.iter().flat_map(|series| &series.points).filter_map(|point| point.1).fold(0.0, f64::max)
}

/// The rate at a point, if any was found.
fn rate_at(point: &Point) -> Option<f64> {
    point.search.ceiling_rps.filter(|rps| rps.is_finite() && *rps >= 0.0)
}

fn marks(mix: &Mix, label: &str, colour: Colour, marker: Marker, of: fn(Standing) -> bool) -> Series {
    let points = mix.points.iter().filter(|point| of(point.standing));
    Series {
        label: label.into(),
        colour,
        shape: Shape::Points(marker),
        points: points.filter_map(|point| Some((point.servers.into(), Some(rate_at(point)?)))).collect(),
    }
}

fn intervals(mix: &Mix) -> Series {
    let ends = |point: &Point| {
        let [from, to] = point.search.ci95.filter(|_| point.standing.counts())?;
        let at = f64::from(point.servers);
        Some([(at, Some(from)), (at, Some(to))])
    };
    Series {
        label: String::new(),
        colour: Colour::Ok,
        shape: Shape::Whiskers,
        points: mix.points.iter().filter_map(ends).flatten().collect(),
    }
}

/// What each server more would give, if it gave as much as the first.
fn perfect(mix: &Mix) -> Option<Series> {
    let first = mix.points.iter().find(|point| point.standing.counts())?;
    let (one, most) = (rate_at(first)? / f64::from(first.servers), mix.points.last()?.servers);
    (most > first.servers).then(|| Series {
        label: "perfect".into(),
        colour: Colour::Offered,
        shape: Shape::Dashed(Weight::Thin),
        points: vec![(0.0, Some(0.0)), (most.into(), Some(one * f64::from(most)))],
    })
}

/// The law with its interval, and beyond the most servers the guess.
fn law(found: &ScaleOut, mix: &Mix) -> Vec<Series> {
    let Some(law) = &mix.law else { return Vec::new() };
    let end = servers_axis(found).to;
    let measured = law.points.last().map_or(0.0, |point| point[0]) + 1e-9;
    let drawn = &law.curve[..law.curve.partition_point(|point| point[0] <= end)];
    let told = drawn.partition_point(|point| point[0] <= measured);
    let line = |label: &str, shape, curve: &[[f64; 4]]| Series {
        label: label.into(),
        colour: Colour::Predicted,
        shape,
        points: curve.iter().map(|[n, x, ..]| (*n, Some(*x))).collect(),
    };
    let guess = &drawn[told.saturating_sub(1)..];
    vec![
        Series {
            label: String::new(),
            colour: Colour::Predicted,
            shape: Shape::Between,
            points: drawn
                .iter()
                .flat_map(|[n, _, low, high]| [(*n, Some(*low)), (*n, Some(*high))])
                .collect(),
        },
        line("", Shape::Line(Weight::Bold), &drawn[..told]),
        line("law, a guess here", Shape::Dashed(Weight::Medium), if guess.len() > 1 { guess } else { &[] }),
    ]
}

/// The next tier's wall, where it is in sight.
fn wall(found: &ScaleOut, mix: &Mix, top: f64) -> Option<Series> {
    let wall = mix.wall.as_ref().filter(|wall| wall.reached || wall.rps <= IN_SIGHT * top)?;
    let axis = servers_axis(found);
    let who = match wall.tier.as_str() {
        "" => "all tiers'",
        "db" => "database",
        other => other,
    };
    Some(Series {
        label: format!("{who} wall {}", rate(wall.rps)),
        colour: Colour::Failure,
        shape: Shape::Dashed(Weight::Medium),
        points: vec![(axis.from, Some(wall.rps)), (axis.to, Some(wall.rps))],
    })
}

/// How many of the points are counted, of how many.
pub(crate) fn counted_points(mix: &Mix) -> String {
    let own = mix.points.iter().filter(|point| point.standing.counts()).count();
    format!("{own} of {}", counted(mix.points.len() as u64, "ceiling"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chart::Tone;
    use crate::fixture::scale_out::{Made, made};

    fn named<'a>(panel: &'a Panel, label: &str) -> &'a Series {
        let named = panel.series.iter().find(|series| series.label.contains(label));
        named.unwrap_or_else(|| panic!("{label}: {:?}", panel.series.iter().map(|s| &s.label)))
    }

    #[test]
    fn each_mix_has_what_was_measured_beside_what_would_be_perfect() {
        let found = made(Made::Both);
        let chart = chart(&found);
        assert_eq!((chart.tone, chart.panels.len()), (Tone::Plain, 2));
        assert!(chart.panels[1].beside && !chart.panels[0].beside);
        assert!(chart.title.starts_with("4 servers serve "), "{}", chart.title);
        let products = &chart.panels[0];
        let measured = named(products, "measured");
        assert_eq!(measured.points.iter().map(|point| point.0).collect::<Vec<_>>(), [1.0, 2.0, 3.0, 4.0]);
        let one = found.mixes[0].points[0].search.ceiling_rps.unwrap();
        assert_eq!(measured.points[0].1, Some(one));
        assert_eq!(named(products, "perfect").last(), Some((4.0, 4.0 * one)));
        assert!(products.series.iter().any(|series| series.shape == Shape::Whiskers));
        // The law is a guess from the last point on, and not before.
        assert!((named(products, "a guess").points[0].0 - 4.0).abs() < 1e-6);
        let full = named(&chart.panels[1], "database wall");
        assert_eq!(full.points[0].1, found.mixes[1].wall.as_ref().map(|wall| wall.rps));
        assert!(chart.footer.iter().any(|line| line.starts_with("EMULATED: The size of each app server")));
    }

    #[test]
    fn what_is_not_the_servers_own_is_drawn_apart() {
        let chart = chart(&made(Made::Spoilt));
        assert_eq!(chart.tone, Tone::Alarm);
        let panel = &chart.panels[0];
        let at = |label| named(panel, label).points.iter().map(|point| point.0).collect::<Vec<_>>();
        assert_eq!((at("measured"), at("at least"), at("not the")), (vec![1.0, 3.0], vec![2.0], vec![4.0]));
        assert!(panel.title.contains("needs 4 ceilings, of which there are 2"), "{}", panel.title);
        assert!(!panel.series.iter().any(|series| series.shape == Shape::Between), "no law, no band");
        let whiskers = panel.series.iter().find(|series| series.shape == Shape::Whiskers).unwrap();
        assert_eq!(whiskers.points.len(), 4, "two counted points");
    }

    #[test]
    fn what_was_cut_short_is_drawn_as_far_as_it_goes() {
        let partial = chart(&made(Made::Partial));
        assert!(partial.title.contains("cut short"), "{}", partial.title);
        assert_eq!(named(&partial.panels[0], "measured").points.len(), 2);
        let empty = chart(&made(Made::Empty));
        assert_eq!(empty.panels[0].note.as_deref(), Some("No search was ended"));
    }
}
