//! The report of an experiment on caching: verdict and finding, the picture, then each lesson with its figures as a table and what it
//! costs, and how it was measured. From the record to a page.

use super::page::{Page, Section};
use super::table::{Cell, Table};
use super::told::{
    Fact, command, facts, files, host, nothing, pictures, pinned, said, sentences, tiles, verdict,
};
use crate::analyse::caching::{
    ceiling, finding, is_at_least, outage_in_words, per_request, requests, stampede_in_words, times,
};
use crate::cache::{Caching, Cure, Outage, Stampede, Way};
use crate::ceiling::Bound;
use crate::number::{NONE, capital, count, exact_rate, ms, percent, rate, seconds};
use crate::pictures;
use crate::store::CACHE_FILE;
use maud::{Markup, html};

/// The report of `found`.
pub(super) fn page(found: &Caching) -> Page {
    let (finding, charts) = (finding(found), pictures::of(found));
    let beside = [(CACHE_FILE, "the record: both searches, and every number on this page")];
    if found.is_empty() {
        return nothing("Caching", &found.head, &finding, CACHE_FILE);
    }
    Page {
        kind: "Caching",
        target: found.target.url.clone(),
        started_at: found.head.started_at.clone(),
        title: format!("Caching: {finding}"),
        opening: opening(found, &finding),
        sections: vec![
            Section { id: "pictures", title: "Picture", body: pictures(&charts) },
            Section { id: "ceilings", title: "The moved ceiling", body: ceilings(found) },
            Section { id: "stampede", title: "The stampede", body: stampedes(found) },
            Section { id: "outage", title: "The app is dead", body: outages(found) },
            Section { id: "measured", title: "How it was measured", body: measured(found) },
            Section { id: "data", title: "Raw data", body: files(&beside, &charts) },
        ],
    }
}

fn opening(found: &Caching, finding: &str) -> Markup {
    let partial = found.partial.then(|| format!("cut short after {}", seconds(found.duration_s)));
    html! {
        (verdict(&found.verdict, partial.as_deref(), finding))
        p.lead {
            "The proxy keeps pages that it has fetched, and answers from what it keeps. What that costs is freshness: a page "
            "may be as old as it is allowed to be, here " (seconds(found.setting.valid_s as f64)) "."
        }
        (tiles(&summary(found)))
    }
}

fn summary(found: &Caching) -> Vec<(&'static str, String, String)> {
    let busy = found.cached.as_ref().and_then(|way| way.busy.as_ref());
    let gain = found.gain.map(|gain| {
        let least = if gain.bound == Bound::AtLeast { "at least " } else { "" };
        let ci95 = gain.ci95.map(|[from, to]| format!("95 % interval {} to {}", times(from), times(to)));
        ("Ceiling", format!("{least}{} times", times(gain.ratio)), ci95.unwrap_or_default())
    });
    let hits = busy.and_then(|busy| busy.hit_ratio);
    let hits = hits.map(|ratio| ("Answered from the cache", percent(ratio), String::new()));
    let queries = busy.and_then(|busy| busy.queries_per_request);
    let queries =
        queries.map(|value| ("Database queries", per_request(value), "per request, with a cache".into()));
    let reach = |cure: Cure| found.stampede(cure)?.sizes().map(|(mean, _)| requests(mean));
    let stampede = reach(Cure::None).zip(reach(Cure::Full)).map(|(without, with)| {
        ("Requests to the app at an expiry", with, format!("with lock and updating; {without} without"))
    });
    let share = |stale: bool| Some(percent(found.outage(stale)?.dead?.served()));
    let outage = share(false).zip(share(true)).map(|(without, with)| {
        ("Served while the app is dead", with, format!("with stale pages; {without} without"))
    });
    [gain, hits, queries, stampede, outage].into_iter().flatten().collect()
}

/// A way by its name, if there is one.
fn ways(found: &Caching) -> impl Iterator<Item = (&'static str, &Way)> {
    let ways = [("without a cache", &found.uncached), ("with a cache", &found.cached)];
    ways.into_iter().filter_map(|(name, way)| Some((name, way.as_ref()?)))
}

fn ceilings(found: &Caching) -> Markup {
    html! {
        p {
            "Product pages and listings are asked for as people ask, a few of them most of the time. Both ways are searched for "
            "the highest rate at which the objective holds; then they are loaded somewhat below it, and what goes on to the app "
            "and to the database is counted."
        }
        (ceilings_table(found))
        @for (name, way) in ways(found) {
            @if let Some(limit) = way.search.limited_by.evidence.first() {
                p { (said(&format!("{}: {limit}.", capital(name)))) }
            }
        }
        @if found.cached.as_ref().is_some_and(is_at_least) {
            p { "With a cache the generator, the machine or the search itself ended first: the ceiling is at least this." }
        }
    }
}

fn ceilings_table(found: &Caching) -> Table {
    let row = |(name, way): (&str, &Way)| {
        let ends = way.search.ci95.filter(|_| !is_at_least(way));
        let words =
            ends.map_or(NONE.to_owned(), |[from, to]| format!("{} to {}", exact_rate(from), exact_rate(to)));
        let busy = way.busy.clone().unwrap_or_default();
        let queries = busy.queries_per_request;
        vec![
            Cell::Text(capital(name)),
            Cell::Number(ceiling(way).unwrap_or(NONE.to_owned()), way.search.ceiling_rps),
            Cell::Number(words, ends.map(|[from, _]| from)),
            Cell::rate(busy.offered_rps),
            Cell::share(busy.hit_ratio),
            Cell::share(busy.app_per_request),
            Cell::Number(queries.map_or(NONE.to_owned(), per_request), queries),
        ]
    };
    Table {
        id: "ways",
        caption: "The catalogue: its ceiling, and what a request costs behind the proxy somewhat below it"
            .into(),
        columns: vec![
            ("", ""),
            ("Ceiling", "requests/s"),
            ("95 % interval", "requests/s"),
            ("Offered", "requests/s"),
            ("From the cache", ""),
            ("To the app", ""),
            ("Database queries", "per request"),
        ],
        rows: ways(found).map(row).collect(),
        sortable: false,
    }
}

fn stampedes(found: &Caching) -> Markup {
    let row = |one: &Stampede| {
        vec![
            Cell::Text(capital(one.cure.words())),
            Cell::rate(one.offered_rps),
            Cell::number(one.cold.map(|n| n as f64)),
            Cell::count(one.expiries.len() as u64),
            Cell::number(one.sizes().map(|sizes| sizes.0)),
            Cell::number(one.sizes().map(|sizes| sizes.1 as f64)),
            Cell::ms(one.p50_ms),
            Cell::ms(one.p99_ms),
            Cell::count(one.ledger.failed()),
        ]
    };
    let table = Table {
        id: "stampedes",
        caption: "One popular page, and an app that takes long over it".into(),
        columns: vec![
            ("", ""),
            ("Offered", "requests/s"),
            ("For the first copy", "to the app"),
            ("Expiries", ""),
            ("To the app", "in the mean"),
            ("To the app", "at most"),
            ("p50", ""),
            ("p99", ""),
            ("Failed", ""),
        ],
        rows: found.stampedes.iter().map(row).collect(),
        sortable: false,
    };
    html! {
        p {
            "While there is no copy of a popular page, every request for it goes to the app: as many as come in the time that it "
            "takes over it, " (ms(found.setting.service_ms)) " here, and more where that makes it slower. With a lock one goes for the "
            "first copy, and the others wait for its answer. When the copy expires, nginx's lock holds nobody up; what helps then "
            "is " code { "proxy_cache_use_stale updating" } ": one fetches it anew, and the others are sent the old one meanwhile."
        }
        @for one in &found.stampedes {
            p { (said(&format!("{}: {}.", capital(one.cure.words()), stampede_in_words(one)))) }
        }
        @if !table.rows.is_empty() { (table) }
    }
}

fn outages(found: &Caching) -> Markup {
    let row = |one: &Outage| {
        let dead = one.dead.unwrap_or_default();
        let stale = dead.stale.map_or(NONE.to_owned(), count);
        let at = |s: Option<f64>| Cell::Number(s.map_or(NONE.to_owned(), seconds), s);
        vec![
            Cell::text(if one.stale { "With stale pages" } else { "Without stale pages" }),
            Cell::rate(one.offered_rps),
            at(one.killed_at_s),
            at(one.back_at_s),
            Cell::count(dead.ok),
            Cell::Number(stale, dead.stale.map(|n| n as f64)),
            Cell::count(dead.failed),
            Cell::share(one.dead.map(|dead| dead.served())),
        ]
    };
    let table = Table {
        id: "outages",
        caption: "While the app was dead".into(),
        columns: vec![
            ("", ""),
            ("Offered", "requests/s"),
            ("Killed at", ""),
            ("Back at", ""),
            ("Served", "requests"),
            ("Stale among them", "pages"),
            ("Failed", "requests"),
            ("Served", "share"),
        ],
        rows: found.outages.iter().map(row).collect(),
        sortable: false,
    };
    html! {
        p {
            "The app server is killed in the course of a steady load. What is fresh is served for a while; then the proxy either "
            "passes on that the app does not answer, or sends the copy that it has, although it is no longer fresh. Pages that "
            "nobody had asked for before have no copy, and fail in both."
        }
        @for one in &found.outages {
            p {
                (said(&format!(
                    "{}: {}.",
                    if one.stale { "With stale pages" } else { "Without stale pages" },
                    outage_in_words(one)
                )))
            }
        }
        @if !table.rows.is_empty() { (table) }
    }
}

fn measured(found: &Caching) -> Markup {
    let setting = &found.setting;
    let catalogue = format!(
        "{} products by Zipf's law, exponent {}; fresh for {} in the searches, for {} in stampede and outage",
        count(setting.items),
        rate(setting.exponent),
        seconds(setting.valid_s as f64),
        seconds(setting.short_valid_s as f64)
    );
    let spent = format!(
        "{}, for which {} were given; seed {}",
        seconds(found.duration_s),
        seconds(found.budget_s),
        found.head.seed
    );
    let target = format!("{}, {}, proxy {}", found.target.url, found.target.what, setting.proxy);
    let mut all: Vec<Fact> = vec![
        ("Command", command(&found.head.command)),
        ("Target", said(&target)),
        ("Catalogue", said(&catalogue)),
        ("Objective", said(&found.slo)),
        ("Time", said(&spent)),
    ];
    all.extend(pinned("generator on", &found.head.cpus, &found.target.cpus));
    all.extend(host(&found.head.host));
    html! {
        (facts(&all))
        @if !found.emulated.is_empty() { h3 { "What is emulated" } (sentences("notes", &found.emulated)) }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Reported;
    use super::super::tests::{HOSTILE, sound};
    use crate::fixture::caching::{Made, made};

    #[test]
    fn it_reads_whole_whatever_the_record_has_in_it() {
        for which in Made::ALL {
            let mut found = made(which);
            sound(&found.html());
            (found.emulated, found.head.command) = (vec![HOSTILE.to_owned()], vec![HOSTILE.to_owned()]);
            (found.target.url, found.setting.proxy) = (HOSTILE.to_owned(), HOSTILE.to_owned());
            found.stampedes.iter_mut().for_each(|one| one.reasons = vec![HOSTILE.to_owned()]);
            sound(&found.html());
        }
    }
}
