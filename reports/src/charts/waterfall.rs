//! One request from name to page: a bar a part, below what it is a part of. From a record to a chart model. What is known only to lie
//! somewhere within another part has that as a pale bar around it.

use super::{cpus, made, target, tier_colour, warned};
use crate::analyse::waterfall::finding;
use crate::chart::{Axis, Chart, Colour, Mark, Panel, Series, Shape, Tick};
use crate::number::{bytes, counted, ms};
use crate::trace::{Asked, Part, Place, Trace};

/// The chart of `trace`.
pub fn chart(trace: &Trace) -> Chart {
    let (tone, title, subtitle) = warned(&trace.verdict, trace.partial, &finding(trace), &context(trace));
    let end_ms = trace.shown().map_or(1.0, |asked| asked.total_ms);
    let rows = trace.parts.len().max(1) as f64;
    let row = |n: usize| rows - n as f64 - 0.5;
    let ticks = trace.parts.iter().enumerate().rev();
    let ticks = ticks.map(|(n, part)| Tick { at: row(n), label: part.title() }).collect();
    let bars = trace.parts.iter().enumerate().flat_map(|(n, part)| bars(trace, part, row(n)));
    Chart {
        tone,
        title,
        subtitle,
        x: Axis::fitted(since(trace), 0.0, end_ms, 10, plain),
        bands: Vec::new(),
        marks: first_byte(trace).into_iter().collect(),
        panels: vec![Panel {
            title: legend(trace),
            weight: 1.0,
            y: Axis { from: 0.0, to: rows, ticks, ..Axis::default() },
            series: bars.collect(),
            note: trace.parts.is_empty().then(|| "No request was answered".to_owned()),
            ..Panel::default()
        }],
        footer: footer(trace),
    }
}

/// What the axis begins with.
fn since(trace: &Trace) -> &'static str {
    match trace.part("name") {
        Some(_) => "milliseconds since the name was asked for",
        None => "milliseconds since the connection was begun",
    }
}

/// A tick without its unit.
fn plain(ms: f64) -> String {
    format!("{}", (ms * 1e6).round() / 1e6)
}

fn legend(trace: &Trace) -> String {
    if trace.parts.iter().any(|part| part.place != Place::Measured) {
        "Solid: how long it took. Pale: what that lies somewhere within, as clocks of different processes are not compared".to_owned()
    } else {
        "How long each part took, by the client's clock".to_owned()
    }
}

/// The bar of `part`, over that of where it may lie.
fn bars(trace: &Trace, part: &Part, y: f64) -> Vec<Series> {
    let colour = colour(part);
    let bar = |from: f64, length: f64, shape, label| Series {
        label,
        colour,
        shape,
        points: vec![(from, Some(y)), (from + length, Some(y))],
    };
    let within = part.of.filter(|_| part.place != Place::Measured).and_then(|of| trace.parts.get(of));
    let pale = within.map(|of| bar(of.start_ms, of.length_ms, Shape::Room, String::new()));
    pale.into_iter().chain([bar(part.start_ms, part.length_ms, Shape::Bar, words(part))]).collect()
}

fn colour(part: &Part) -> Colour {
    match part.tier.as_str() {
        "client" | "" => Colour::Offered,
        tier => tier_colour(tier),
    }
}

/// `2.21 ms: 2 statements`; of a clock that tells whole milliseconds, that it does.
pub(crate) fn words(part: &Part) -> String {
    let grain = if part.grain_ms >= 1.0 { " (whole ms)" } else { "" };
    let is_id = part.name == "app" && !part.said.contains(' ');
    let said = if part.said.is_empty() || is_id { String::new() } else { format!(": {}", part.said) };
    format!("{}{grain}{said}", ms(part.took_ms))
}

fn first_byte(trace: &Trace) -> Option<Mark> {
    let wait = trace.part("wait")?;
    let at = wait.start_ms + wait.length_ms;
    Some(Mark { at, label: format!("first byte at {}", ms(at)), colour: Colour::Shared })
}

/// Which request it is, among which.
pub(crate) fn context(trace: &Trace) -> String {
    let Some(asked) = trace.shown() else { return trace.target.url.clone() };
    let mut context = vec![
        format!("GET {}", trace.target.url),
        asked.status.map_or_else(String::new, |status| format!("status {status}")),
        bytes(asked.bytes),
        among(trace),
        format!("request {}", asked.id),
    ];
    context.retain(|part| !part.is_empty());
    context.join(", ")
}

/// `the median of 11, which took 3.9 to 6.2 ms`; nothing of a single one.
pub(crate) fn among(trace: &Trace) -> String {
    let answered: Vec<&Asked> = trace.requests.iter().filter(|asked| asked.failed.is_none()).collect();
    let least = answered.iter().map(|asked| asked.total_ms).fold(f64::INFINITY, f64::min);
    let most = answered.iter().map(|asked| asked.total_ms).fold(0.0, f64::max);
    match answered.len() {
        0 | 1 => String::new(),
        n => format!("the median of {n}, which took {} to {}", ms(least), ms(most)),
    }
}

fn footer(trace: &Trace) -> Vec<String> {
    let each = if trace.requests.len() > 1 { ", each with a connection of its own" } else { "" };
    let mut what = vec![format!("{}{each}", counted(trace.requests.len() as u64, "request"))];
    what.extend(trace.resolver.as_ref().map(|resolver| format!("names by {resolver}")));
    what.extend(target(&trace.target));
    what.extend(cpus("client", &trace.head.cpus));
    made(&trace.head, &what, &trace.emulated, &[])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chart::Tone;
    use crate::fixture::trace;

    #[test]
    fn a_part_is_a_bar_within_where_it_may_lie() {
        let trace = trace::home();
        let chart = chart(&trace);
        assert_eq!((chart.tone, chart.panels.len()), (Tone::Plain, 1));
        let panel = &chart.panels[0];
        let label = |name: &str| panel.series.iter().find(|series| series.label.contains(name));
        assert!(label("2 statements").is_some() && label("(whole ms)").is_some(), "{panel:?}");
        let of = |shape| panel.series.iter().filter(|series| series.shape == shape).count();
        let loose = trace.parts.iter().filter(|part| part.place != Place::Measured).count();
        assert_eq!((of(Shape::Bar), of(Shape::Room)), (trace.parts.len(), loose));
        assert_eq!(panel.y.ticks.len(), trace.parts.len());
        assert!(panel.y.ticks.is_sorted_by(|a, b| a.at < b.at));
        assert_eq!(panel.y.ticks.last().map(|tick| tick.label.as_str()), Some("name (DNS)"));
        assert!(chart.title.starts_with("4.21 ms from name to page: name 0.31 ms"), "{}", chart.title);
        assert!(
            chart.subtitle.contains("the median of 3, which took 3.9 ms to 6.2 ms"),
            "{}",
            chart.subtitle
        );
        assert!(chart.footer.last().is_some_and(|line| line.starts_with("EMULATED: ")));
    }

    #[test]
    fn what_cannot_be_is_a_warning() {
        assert_eq!(chart(&trace::contradictory()).tone, Tone::Alarm);
        let chart = chart(&trace::unanswered());
        assert_eq!(chart.tone, Tone::Alarm);
        assert!(chart.panels[0].note.is_some() && chart.panels[0].series.is_empty());
    }
}
