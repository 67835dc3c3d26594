//! What is said in a report: texts of a record made harmless, facts as a list, a picture with its words, the verdict. From
//! values to pieces of HTML; maud escapes, and what a screen would obey is spelt out before.

use super::page::{Page, Section};
use crate::chart::{Chart, Tone};
use crate::draw;
use crate::number::counted;
use crate::record::{Head, Host, Verdict};
use crate::terminal::{printable, shell};
use crate::text;
use maud::{Markup, PreEscaped, html};

/// Text of a record, apart from the direction of writing around it.
pub(super) fn said(text: &str) -> Markup {
    html! { bdi { (printable(text)) } }
}

/// A fact: its name, and what it is.
pub(super) type Fact = (&'static str, Markup);

/// Facts as a list; none of nothing.
pub(super) fn facts(facts: &[Fact]) -> Markup {
    html! {
        dl.facts { @for (name, what) in facts { div { dt { (name) } dd { (what) } } } }
    }
}

/// The few figures that most readers come for: name, value, what has to be known to read it.
pub(super) fn tiles(tiles: &[(&str, String, String)]) -> Markup {
    html! {
        dl.tiles {
            @for (name, value, note) in tiles {
                div {
                    dt { (name) }
                    dd { strong { (printable(value)) } @if !note.is_empty() { span { (printable(note)) } } }
                }
            }
        }
    }
}

/// Sentences as a list; nothing of none.
pub(super) fn sentences(class: &str, sentences: &[String]) -> Markup {
    html! {
        @if !sentences.is_empty() {
            ul class=(class) { @for one in sentences { li { (said(one)) } } }
        }
    }
}

/// Whether to believe it, and what it is, as the first heading; then why, or what else has to be known.
pub(super) fn verdict(verdict: &Verdict, partial: Option<&str>, finding: &str) -> Markup {
    let (class, word) = if verdict.valid { ("valid", "VALID") } else { ("invalid", "INVALID") };
    html! {
        h1 { span.badge.(class) { (word) } " " span { (printable(finding)) } }
        @if !verdict.valid { p.alarm { "The figures below are not to be relied on:" } }
        (sentences(if verdict.valid { "notes" } else { "reasons" }, &verdict.reasons))
        @if let Some(partial) = partial { p.alarm { "PARTIAL: " (printable(partial)) } }
    }
}

/// Of an experiment that was cut short before anything was measured: what was asked for, and no more.
pub(super) fn nothing(kind: &'static str, head: &Head, finding: &str, file: &str) -> Page {
    let all = [("Command", command(&head.command))];
    let all: Vec<Fact> = all.into_iter().chain(host(&head.host)).collect();
    Page {
        kind,
        target: String::new(),
        started_at: head.started_at.clone(),
        title: format!("{kind}: {finding}"),
        opening: html! { h1 { span.badge.invalid { "INVALID" } " " span { (finding) } } },
        sections: vec![
            Section { id: "measured", title: "How it was to be measured", body: facts(&all) },
            Section { id: "data", title: "Raw data", body: files(&[(file, "the record")], &[]) },
        ],
    }
}

/// All pictures of a record by their names.
pub(super) fn pictures(charts: &[(&str, Chart)]) -> Markup {
    html! { @for (name, chart) in charts { (picture(name, chart)) } }
}

/// A picture with its finding above and what has to be known to read it below. It is there twice, and the style shows the one that
/// the screen has room for.
fn picture(name: &str, chart: &Chart) -> Markup {
    let (id, title) = (format!("picture-{name}"), format!("picture-{name}-title"));
    let chart = harmless(chart);
    let name = match name {
        "timeline" => "Over time",
        "percentiles" => "Percentiles",
        "heatmap" => "Heat map",
        "ceiling" => "Goodput over offered load",
        "latency" => "Response time over offered load",
        "tiers" => "Tiers over offered load",
        "usl" => "Scalability law",
        "availability" => "What visitors had",
        "cache" => "What a cache buys",
        "scale-out" => "Ceiling by app servers",
        "trend" => "Night by night",
        "waterfall" => "Waterfall",
        other => other,
    };
    html! {
        figure id=(id) aria-labelledby=(title) {
            h3 id=(title) { small { (name) } " " span .alarm[chart.tone == Tone::Alarm] { (chart.title) } }
            div.plot.broad role="group" aria-labelledby=(title) tabindex="0" {
                (PreEscaped(draw::svg_alone(&chart)))
            }
            div.plot.narrow role="group" aria-labelledby=(title) tabindex="0" {
                (PreEscaped(draw::svg_narrow(&chart)))
            }
            figcaption { (chart.subtitle) }
        }
    }
}

/// The same picture without anything in its words that a screen would obey. What a tier is called is a record's text too.
fn harmless(chart: &Chart) -> Chart {
    let mut chart = chart.clone();
    let own = [&mut chart.title, &mut chart.subtitle, &mut chart.x.title];
    let bands = chart.bands.iter_mut().map(|band| &mut band.label);
    let marks = chart.marks.iter_mut().map(|mark| &mut mark.label);
    let panels = chart.panels.iter_mut().flat_map(|panel| {
        let series = panel.series.iter_mut().map(|series| &mut series.label);
        let spans = panel.spans.iter_mut().map(|span| &mut span.label);
        let rows = panel.y.ticks.iter_mut().map(|tick| &mut tick.label);
        let marks = panel.marks.iter_mut().map(|mark| &mut mark.label);
        let own = [&mut panel.title].into_iter().chain(&mut panel.note);
        series.chain(spans).chain(marks).chain(rows).chain(own)
    });
    let texts = own.into_iter().chain(&mut chart.footer).chain(bands).chain(marks).chain(panels);
    texts.for_each(|text| *text = printable(text).into_owned());
    chart
}

/// The files beside the report: name, and what is in it; then the pictures.
pub(super) fn files(files: &[(&str, &str)], charts: &[(&str, Chart)]) -> Markup {
    html! {
        ul.files {
            @for (name, what) in files { li { a href=(name) { code { (name) } } " " (what) } }
            @for (name, _) in charts {
                @let file = format!("{name}.png");
                li { a href=(file) { code { (file) } } " the picture above" }
            }
        }
    }
}

/// A command line as it can be typed again.
pub(super) fn command(words: &[String]) -> Markup {
    html! { code.command { (said(&shell(words))) } }
}

/// The CPUs of `whose`, in words, and the target's, where they are known.
pub(super) fn pinned(whose: &str, cpus: &[usize], target: &[usize]) -> Option<Fact> {
    let pinned = [text::cpus(whose, cpus), text::cpus("target on", target)];
    let pinned: Vec<_> = pinned.into_iter().flatten().collect();
    (!pinned.is_empty()).then(|| ("CPUs", said(&pinned.join(", "))))
}

/// Where it was measured, and by what.
pub(super) fn host(host: &Host) -> Vec<Fact> {
    let mut all = Vec::new();
    let cpus = counted(host.cpus as u64, "CPU");
    let parts = [host.cpu.clone(), cpus, host.kernel.clone()].into_iter().filter(|part| !part.is_empty());
    all.push(("Machine", said(&parts.collect::<Vec<_>>().join(", "))));
    let commit = if host.commit.is_empty() { String::new() } else { format!(" ({})", host.commit) };
    all.push(("Version", said(&format!("loadgen {}{commit}", host.version))));
    all
}
