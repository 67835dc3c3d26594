//! The report of all lessons: a story of one server, told with the numbers of the records that it is made of. What it does, what it
//! suffers from, and what each cure buys and costs. From records to a page; it concludes nothing that they do not say.

use super::page::{Page, Section};
use super::told::{pictures, said, sentences, verdict};
use crate::analyse::lesson::{finding as of_trials, sentences as learnt};
use crate::analyse::{caching, scale_out};
use crate::cache::{Caching, Outage, Stampede};
use crate::lesson::Lesson;
use crate::number::{capital, counted};
use crate::pictures;
use crate::record::Verdict;
use crate::scale_out::ScaleOut;
use maud::{Markup, html};

/// The records that the story is made of; those that are there.
#[derive(Clone, Debug, Default)]
pub struct Lessons {
    /// Parts that fail.
    pub spof: Option<Lesson>,
    /// Changes.
    pub maintenance: Option<Lesson>,
    /// More servers.
    pub scale_out: Option<ScaleOut>,
    /// A cache.
    pub cache: Option<Caching>,
    /// Which were not made, and why, in a sentence each.
    pub left_out: Vec<String>,
}

/// A chapter before it is laid out.
struct Chapter<'a> {
    id: &'static str,
    title: &'static str,
    /// What one server suffers from, and what helps.
    about: &'static str,
    /// What the cure costs.
    price: &'static str,
    finding: String,
    verdict: &'a Verdict,
    /// What is said of it before all chapters where it is not to be believed.
    invalid: String,
    partial: bool,
    sentences: Vec<String>,
    pictures: Markup,
    /// Where its own report is.
    dir: &'static str,
}

/// That trials are not to be believed, how many of them, and why the first is not; the rest is in the chapter.
fn of_trials_invalid(found: &Lesson) -> String {
    let bad = || found.trials.iter().filter(|trial| !trial.valid);
    match bad().find_map(|trial| trial.reasons.first()) {
        Some(why) => {
            let all = counted(found.trials.len() as u64, "trial");
            format!("INVALID, {} of {all}: {why}", bad().count())
        }
        None => invalid(&found.verdict),
    }
}

/// The same of a whole record.
fn invalid(verdict: &Verdict) -> String {
    let why = verdict.reasons.first().map_or("no reason was given", String::as_str);
    let more = match verdict.reasons.len().saturating_sub(1) {
        0 => String::new(),
        n => format!(", and {}", counted(n as u64, "more reason")),
    };
    format!("INVALID: {why}{more}")
}

/// The report of `lessons`.
pub(super) fn page(lessons: &Lessons) -> Page {
    let chapters = chapters(lessons);
    let bad = chapters.iter().filter(|chapter| !chapter.verdict.valid);
    let reasons: Vec<String> = bad.map(|chapter| format!("{}: {}", chapter.title, chapter.invalid)).collect();
    let missing = 4 - chapters.len();
    let cut = missing > 0 || chapters.iter().any(|chapter| chapter.partial);
    let all = Verdict { valid: reasons.is_empty() && !chapters.is_empty(), reasons };
    let partial = cut.then(|| format!("{} of 4 lessons are here", chapters.len()));
    let findings: Vec<String> =
        chapters.iter().map(|chapter| format!("{}: {}.", chapter.title, chapter.finding)).collect();
    let heads = [
        lessons.spof.as_ref().map(|found| &found.head),
        lessons.maintenance.as_ref().map(|found| &found.head),
        lessons.scale_out.as_ref().map(|found| &found.head),
        lessons.cache.as_ref().map(|found| &found.head),
    ];
    let started_at = heads.into_iter().flatten().next().map(|head| head.started_at.clone());
    Page {
        kind: "Four lessons of one server",
        target: String::from("the reference website"),
        started_at: started_at.unwrap_or_default(),
        title: String::from("What one server suffers from, and what cures it"),
        opening: html! {
            (verdict(&all, partial.as_deref(), "What one server suffers from, and what cures it"))
            p.lead {
                "A name in the zone leads to a proxy, the proxy to an app server, the app server to a database. As long as there is one "
                "of each, each of them is where the website ends: when it fails, while it is changed, and when it is full. "
                "Here is what that cost on this machine, and what four cures bought."
            }
            (sentences("evidence", &findings))
            (sentences("notes", &lessons.left_out))
        },
        sections: chapters.into_iter().map(section).collect(),
    }
}

fn section(chapter: Chapter<'_>) -> Section {
    let body = html! {
        p { (chapter.about) }
        p.lead { strong { (said(&chapter.finding)) } "." }
        @if !chapter.verdict.valid {
            p.alarm { "INVALID: the figures of this lesson are not to be relied on:" }
            (sentences("reasons", &chapter.verdict.reasons))
        }
        (chapter.pictures)
        (sentences("evidence", &chapter.sentences))
        p { strong { "What it costs: " } (chapter.price) }
        @let report = format!("{}/report.html", chapter.dir);
        p { a href=(report) { "All figures of this lesson" } }
    };
    Section { id: chapter.id, title: chapter.title, body }
}

fn chapters(lessons: &Lessons) -> Vec<Chapter<'_>> {
    let spof = lessons.spof.as_ref().map(|found| Chapter {
        id: "failure",
        title: "Failure",
        about: "A single server is a single point of failure: when a part of it dies, the website is gone until somebody starts it \
                again. Behind a balancer, another server answers in the meantime.",
        price: "a second server that does nothing which one could not do on a good day, and a proxy that has become the next single \
                point; two of those need clients that try the next address. The one database stays what it is.",
        finding: of_trials(found),
        verdict: &found.verdict,
        invalid: of_trials_invalid(found),
        partial: found.partial,
        sentences: learnt(found),
        pictures: pictures(&pictures::of(found)),
        dir: "spof",
    });
    let maintenance = lessons.maintenance.as_ref().map(|found| Chapter {
        id: "maintenance",
        title: "Maintenance",
        about: "To bring out new code, the app server has to be started anew, and whoever comes meanwhile is turned away. A rolling \
                deployment takes one server at a time out of the balancer, and puts the old one back where the new one is no good.",
        price: "time, for each server is drained before it ends, a server more than the load needs, and versions that can stand \
                beside each other while both answer.",
        finding: of_trials(found),
        verdict: &found.verdict,
        invalid: of_trials_invalid(found),
        partial: found.partial,
        sentences: learnt(found),
        pictures: pictures(&pictures::of(found)),
        dir: "maintenance",
    });
    let scale_out = lessons.scale_out.as_ref().map(|found| Chapter {
        id: "scale",
        title: "Scale",
        about: "One server of a given size serves so much and no more. More of them beside it serve more, for as long as they are what \
                is full, and not one of the tiers that they share.",
        price: "servers, and connections to the database of each; where the database is the wall, more app servers buy nothing.",
        finding: scale_out::finding(found),
        verdict: &found.verdict,
        invalid: invalid(&found.verdict),
        partial: found.partial,
        sentences: found.mixes.iter().map(|mix| capital(&scale_out::learnt(mix))).collect(),
        pictures: pictures(&pictures::of(found)),
        dir: "scale-out",
    });
    let cache = lessons.cache.as_ref().map(|found| Chapter {
        id: "cache",
        title: "Cache",
        about: "Most visitors want the same few pages. A proxy that keeps what it has fetched asks the app and the database for a page \
                once in a while, and not once for each visitor.",
        price: "freshness: a page may be as old as it is allowed to be; memory; and a stampede whenever a page that all want runs \
                out, unless one request fetches it for all.",
        finding: caching::finding(found),
        verdict: &found.verdict,
        invalid: invalid(&found.verdict),
        partial: found.partial,
        sentences: of_cache(found),
        pictures: pictures(&pictures::of(found)),
        dir: "cache",
    });
    [spof, maintenance, scale_out, cache].into_iter().flatten().collect()
}

fn of_cache(found: &Caching) -> Vec<String> {
    let stampede = |one: &Stampede| {
        format!("A popular page, {}: {}.", one.cure.words(), caching::stampede_in_words(one))
    };
    let outage = |one: &Outage| {
        let how = if one.stale { "with" } else { "without" };
        format!("The app is dead, {how} stale pages: {}.", caching::outage_in_words(one))
    };
    found.stampedes.iter().map(stampede).chain(found.outages.iter().map(outage)).collect()
}

#[cfg(test)]
mod tests {
    use super::super::Reported;
    use super::*;
    use crate::fixture::caching::{Made, made};

    #[test]
    fn each_way_of_caching_is_told_by_its_name() {
        let cache = Some(made(Made::Whole));
        let page = Lessons { cache, ..Lessons::default() }.html();
        for name in ["no lock", "lock", "lock and updating"] {
            assert!(page.contains(&format!("A popular page, {name}: ")), "{name}");
        }
        for how in ["with", "without"] {
            assert!(page.contains(&format!("The app is dead, {how} stale pages: ")), "{how}");
        }
        assert!(page.contains("2026-11-24 08:00"), "when it began");
    }

    #[test]
    fn a_lesson_that_is_not_to_be_believed_has_one_line_at_the_top() {
        let mut spof = crate::fixture::lesson::spof();
        for trial in &mut spof.trials {
            trial.valid = false;
            trial.reasons = vec!["the generator was kept from running".into(), "so was the target".into()];
        }
        crate::analyse::lesson::conclude(&mut spof);
        let left_out = vec![String::from("Scaling out was left out: no right")];
        let page = page(&Lessons { spof: Some(spof), left_out, ..Lessons::default() });
        let top = page.opening.into_string();
        assert_eq!(top.matches("the generator was kept from running").count(), 1, "{top}");
        assert!(top.contains("Scaling out was left out"), "{top}");
        assert!(top.contains("Failure: INVALID, 2 of 2 trials: the generator"), "{top}");
    }
}
