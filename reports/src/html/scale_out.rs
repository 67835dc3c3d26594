//! The report of an experiment on scaling out: verdict and finding, the picture, the ceilings as a table, what follows from them,
//! how it was measured. From the record to a page.

use super::page::{Page, Section};
use super::table::{Cell, Table};
use super::told::{
    Fact, command, facts, files, host, nothing, pictures, pinned, said, sentences, tiles, verdict,
};
use crate::analyse::scale_out::{finding, losses, times};
use crate::charts::scale_out::counted_points;
use crate::number::{NONE, capital, exact_rate, percent, rate, seconds};
use crate::pictures;
use crate::scale_out::{Mix, Point, ScaleOut, Standing};
use crate::store::SCALE_OUT_FILE;
use crate::text::{scale_out_limit as limit, scale_out_ratio as ratio};
use maud::{Markup, html};

/// The report of `found`.
pub(super) fn page(found: &ScaleOut) -> Page {
    let (finding, charts) = (finding(found), pictures::of(found));
    let beside = [(SCALE_OUT_FILE, "the record: every search, and every number on this page")];
    if found.is_empty() {
        return nothing("Scaling out", &found.head, &finding, SCALE_OUT_FILE);
    }
    Page {
        kind: "Scaling out",
        target: "the reference website".to_owned(),
        started_at: found.head.started_at.clone(),
        title: format!("Scaling out: {finding}"),
        opening: opening(found, &finding),
        sections: vec![
            Section { id: "pictures", title: "Picture", body: pictures(&charts) },
            Section { id: "ceilings", title: "Ceilings", body: ceilings(found) },
            Section { id: "concluded", title: "What follows from them", body: concluded(found) },
            Section { id: "measured", title: "How it was measured", body: measured(found) },
            Section { id: "data", title: "Raw data", body: files(&beside, &charts) },
        ],
    }
}

fn opening(found: &ScaleOut, finding: &str) -> Markup {
    let partial = found.partial.then(|| format!("cut short after {}", seconds(found.duration_s)));
    html! {
        (verdict(&found.verdict, partial.as_deref(), finding))
        p.lead {
            "Each app server has a size of its own, and a search for the ceiling is made with every number of them. "
            "Where the servers are the limit, more of them move it; where another tier is, they do not."
        }
        (tiles(&summary(found)))
    }
}

fn summary(found: &ScaleOut) -> Vec<(&'static str, String, String)> {
    let gain = |mix: &Mix| {
        let gain = mix.gain.as_ref()?;
        let interval = gain.ci95.map(|[from, to]| format!("95 % interval {} to {}", times(from), times(to)));
        let [few, many] = gain.servers;
        let words = format!("{}, {many} servers against {few}; {}", mix.what, interval.unwrap_or_default());
        Some(("Gain", format!("{} times", times(gain.ratio)), words))
    };
    let wall = |mix: &Mix| {
        let wall = mix.wall.as_ref()?;
        let how = if wall.reached { "reached" } else { "predicted" };
        Some((
            if wall.reached { "Wall" } else { "Next wall" },
            format!("{}/s", rate(wall.rps)),
            format!("{}, {how}, for {}", wall.what, mix.what),
        ))
    };
    found.mixes.iter().flat_map(|mix| [gain(mix), wall(mix)]).flatten().collect()
}

fn ceilings(found: &ScaleOut) -> Markup {
    html! {
        (points(found))
        h3 { "How busy generator and machine were" }
        p { "At the loads near each ceiling. What the generator or the machine ends is not counted as the servers'." }
        (headroom(found))
    }
}

/// Every point with its mix.
fn all(found: &ScaleOut) -> impl Iterator<Item = (&Mix, &Point)> {
    found.mixes.iter().flat_map(|mix| mix.points.iter().map(move |point| (mix, point)))
}

fn points(found: &ScaleOut) -> Table {
    let row = |(mix, point): (&Mix, &Point)| {
        let search = &point.search;
        let ends = search
            .ci95
            .map_or(NONE.to_owned(), |[from, to]| format!("{} to {}", exact_rate(from), exact_rate(to)));
        let sign = if point.standing == Standing::AtLeast { "at least " } else { "" };
        let ceiling = search.ceiling_rps.map_or(NONE.to_owned(), |rps| format!("{sign}{}", exact_rate(rps)));
        let ratio = ratio(mix, point);
        vec![
            Cell::Text(mix.what.clone()),
            Cell::count(point.servers.into()),
            Cell::Number(ceiling, search.ceiling_rps),
            Cell::Number(ends, search.ci95.map(|[from, _]| from)),
            Cell::Number(ratio.map_or(NONE.to_owned(), times), ratio),
            Cell::Text(limit(point)),
            Cell::number(search.predicted_rps),
            Cell::count(search.steps.len() as u64),
        ]
    };
    Table {
        id: "points",
        caption: "The ceiling by the number of app servers".into(),
        columns: vec![
            ("Mix", ""),
            ("Servers", ""),
            ("Ceiling", "requests/s"),
            ("95 % interval", "requests/s"),
            ("Times the first", ""),
            ("Limit", ""),
            ("Predicted", "requests/s"),
            ("Loads", ""),
        ],
        rows: all(found).map(row).collect(),
        sortable: true,
    }
}

fn headroom(found: &ScaleOut) -> Table {
    let row = |(mix, point): (&Mix, &Point)| {
        let head = point.headroom;
        let shares = [head.generator_cpu, head.generator_rate, head.target_cpu, head.steal].map(Cell::share);
        [Cell::Text(mix.what.clone()), Cell::count(point.servers.into())].into_iter().chain(shares).collect()
    };
    Table {
        id: "headroom",
        caption: "In use at the ceiling".into(),
        columns: vec![
            ("Mix", ""),
            ("Servers", ""),
            ("Generator's CPU", ""),
            ("Of the rate that it can do", ""),
            ("Target's CPUs", ""),
            ("Taken by the hypervisor", ""),
        ],
        rows: all(found).map(row).collect(),
        sortable: true,
    }
}

fn concluded(found: &ScaleOut) -> Markup {
    html! {
        @for mix in &found.mixes {
            h3 { (said(&capital(&mix.what))) }
            @if let Some(gain) = &mix.gain {
                p { (times(gain.ratio)) " times, which is " (percent(gain.of_perfect)) " of perfect scaling." }
            }
            @if let Some(law) = &mix.law {
                p {
                    "The Universal Scalability Law through " (counted_points(mix)) ": "
                    (rate(law.lambda)) " requests/s of one server, " (losses(mix)) ". "
                    "Three parameters through so few points are known only as well as the ceilings are: the intervals "
                    "come from theirs."
                }
            } @else { p { (said(&format!("{}.", capital(&mix.no_law)))) } }
            @if let Some(wall) = &mix.wall {
                @let [from, to] = wall.range;
                p {
                    @if wall.reached { "The wall that was reached: " } @else { "The next wall: " }
                    (said(&wall.what)) ", full at " (exact_rate(wall.rps))
                    " requests/s by what a request takes of it (" (exact_rate(from)) " to " (exact_rate(to))
                    " from search to search)."
                }
            }
        }
    }
}

fn measured(found: &ScaleOut) -> Markup {
    let sizes = &found.sizes;
    let size = format!(
        "{} CPUs for each app server, {} for the database, {} for the proxy",
        rate(sizes.server_cpu),
        rate(sizes.db_cpu),
        rate(sizes.proxy_cpu)
    );
    let spent = format!(
        "{} of {} used, seed {}",
        seconds(found.duration_s),
        seconds(found.budget_s),
        found.head.seed
    );
    let mut all: Vec<Fact> = vec![
        ("Command", command(&found.head.command)),
        ("Sizes", said(&size)),
        ("Objective", said(&found.slo)),
        ("Searches", said(&spent)),
    ];
    all.extend(pinned("generator on", &found.head.cpus, &found.target_cpus));
    if let Some(check) = &found.self_check {
        let able =
            format!("{} requests/s at most against a target that does nothing", exact_rate(check.closed_rps));
        all.push(("Generator alone", said(&able)));
    }
    all.extend(host(&found.head.host));
    html! {
        (facts(&all))
        @if !found.emulated.is_empty() { h3 { "What is emulated" } (sentences("notes", &found.emulated)) }
        @if !found.cut.is_empty() { h3 { "What was not done" } (sentences("notes", &found.cut)) }
    }
}
