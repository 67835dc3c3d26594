//! An experiment on scaling out as a terminal shows it: first the ceilings, then the figures beside them, and last, where it is
//! still on the screen when it is all printed, whether to believe it and what it says.

use super::{Paint, named, nothing, wrapped};
use crate::analyse::bottleneck::noun;
use crate::analyse::scale_out::{finding, learnt, limiting, times, why_not};
use crate::number::{NONE, counted, exact_rate, percent, rate, seconds};
use crate::scale_out::{Mix, Point, ScaleOut, Standing};
use crate::terminal::printable;
use std::fmt::Write;

/// The summary of `found`, with ANSI colours where `colour` is set. It ends in a line end.
pub fn scale_out(found: &ScaleOut, colour: bool) -> String {
    let paint = Paint { colour };
    if found.is_empty() {
        return nothing(&finding(found), &paint);
    }
    format!("{}\n{}\n{}", ceilings(found, &paint), figures(found), verdict(found, &paint))
}

/// A row for each ceiling, mix by mix.
fn ceilings(found: &ScaleOut, paint: &Paint) -> String {
    let mut out = format!(
        "{:<10}{:>7}{:>11}  {:<18}{:>7}  {}\n",
        "mix", "servers", "ceiling", "95 % interval", "times", "limit"
    );
    for mix in &found.mixes {
        for point in &mix.points {
            let interval = point
                .search
                .ci95
                .map_or(NONE.to_owned(), |[from, to]| format!("{} to {}", exact_rate(from), exact_rate(to)));
            let ceiling =
                point.search.ceiling_rps.map_or(NONE.to_owned(), |rps| format!("{}/s", exact_rate(rps)));
            let ratio = ratio(mix, point).map_or(NONE.to_owned(), times);
            let limit = limit(point);
            let painted = match point.standing {
                Standing::App | Standing::NextTier | Standing::Unexplained => limit,
                _ => paint.bad(&limit),
            };
            let _ = writeln!(
                out,
                "{:<10}{:>7}{ceiling:>11}  {interval:<18}{ratio:>7}  {painted}",
                printable(&mix.name),
                point.servers
            );
        }
    }
    out
}

/// A ceiling in a line, as soon as it is found.
pub fn scale_out_point(mix: &Mix, point: &Point) -> String {
    let rps = point.search.ceiling_rps.map_or(NONE.to_owned(), |rps| format!("{}/s", exact_rate(rps)));
    let ends = point
        .search
        .ci95
        .map_or_else(String::new, |[from, to]| format!(" ({} to {})", exact_rate(from), exact_rate(to)));
    let why = if point.standing.counts() { limit(point) } else { why_not(point) };
    format!("{} with {}: {rps}{ends}, {why}", mix.what, counted(point.servers.into(), "server"))
}

/// A ceiling that counts, over the first of its mix.
pub(crate) fn ratio(mix: &Mix, point: &Point) -> Option<f64> {
    let first = mix.points.iter().find(|point| point.standing.counts())?;
    let counted = point.search.ceiling_rps.filter(|_| point.standing.counts())?;
    Some(counted / first.search.ceiling_rps?)
}

/// What a ceiling is made of, in a few words.
pub(crate) fn limit(point: &Point) -> String {
    let resource = || limiting(&point.search).map(|one| (one.tier.clone(), one.resource.clone()));
    match point.standing {
        Standing::App | Standing::NextTier => {
            resource().map_or_else(String::new, |(tier, what)| format!("{tier} {what}"))
        }
        Standing::Unexplained => "unexplained".to_owned(),
        Standing::Machine => "THE MACHINE".to_owned(),
        Standing::Generator => "THE GENERATOR".to_owned(),
        Standing::AtLeast => "AT LEAST".to_owned(),
        Standing::Invalid => "INVALID".to_owned(),
    }
}

fn figures(found: &ScaleOut) -> String {
    let sizes = &found.sizes;
    let size = format!(
        "{} CPUs for each app server, {} for the database, {} for the proxy",
        rate(sizes.server_cpu),
        rate(sizes.db_cpu),
        rate(sizes.proxy_cpu)
    );
    let mut out = named("sizes", &size);
    for emulated in &found.emulated {
        out.push_str(&named("emulated", &printable(emulated)));
    }
    for mix in &found.mixes {
        out.push_str(&named(&printable(&mix.name), &printable(&learnt(mix))));
    }
    let lowest = found.mixes.iter().flat_map(|mix| &mix.points).map(|point| point.headroom);
    let most = |of: fn(&crate::scale_out::Headroom) -> Option<f64>| {
        lowest.clone().filter_map(|one| of(&one)).reduce(f64::max)
    };
    let shares = [
        (most(|one| one.generator_cpu), "of the generator's CPU"),
        (most(|one| one.generator_rate), "of the rate that it can do"),
        (most(|one| one.target_cpu), "of the target's CPUs"),
        (most(|one| one.steal), "of the CPU time taken by the hypervisor"),
    ];
    let known: Vec<String> =
        shares.iter().filter_map(|(share, what)| Some(format!("{} {what}", percent((*share)?)))).collect();
    if !known.is_empty() {
        out.push_str(&named("headroom", &format!("at most in use at any ceiling: {}", known.join(", "))));
    }
    let searches: usize = found.mixes.iter().map(|mix| mix.points.len()).sum();
    let loads: usize =
        found.mixes.iter().flat_map(|mix| &mix.points).map(|point| point.search.steps.len()).sum();
    let plural = if searches == 1 { "" } else { "es" };
    let loads = counted(loads as u64, "load");
    out + &named(
        "searches",
        &format!(
            "{searches} search{plural} of {loads} in {}, seed {}",
            seconds(found.duration_s),
            found.head.seed
        ),
    )
}

fn verdict(found: &ScaleOut, paint: &Paint) -> String {
    let word = if found.verdict.valid { "VALID" } else { "INVALID" };
    let painted = if found.verdict.valid { paint.good(word) } else { paint.bad(word) };
    let indent = word.len() + 2;
    let sentence = printable(&finding(found)).into_owned();
    let mut out = format!("{painted}  {}", wrapped(&sentence, indent, indent).trim_start());
    if found.partial {
        out.push_str(&wrapped(&format!("PARTIAL: cut short after {}", seconds(found.duration_s)), 2, 4));
    }
    for reason in &found.verdict.reasons {
        let dash = if found.verdict.valid { paint.note("-") } else { paint.bad("-") };
        out.push_str(&wrapped(&format!("- {}", printable(reason)), 2, 4).replacen('-', &dash, 1));
    }
    for mix in &found.mixes {
        let last = mix.points.iter().rfind(|point| point.standing.counts());
        let resource = last.and_then(|point| Some((point, limiting(&point.search)?)));
        if let Some((point, resource)) = resource {
            let servers = counted(point.servers.into(), "server");
            let busy = resource.utilisation.map_or_else(String::new, |u| format!(", {} busy", percent(u)));
            let said = format!("{} with {servers}: {}{busy}", mix.what, noun(resource));
            out.push_str(&named("limit", &printable(&said)));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::scale_out::{Made, made};

    #[test]
    fn a_terminal_has_the_verdict_last_and_all_ceilings_before_it() {
        let found = made(Made::Both);
        let text = scale_out(&found, false);
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        let row = |line: &str, start: &str| line.starts_with(start) && line.contains("/s");
        assert_eq!(text.lines().filter(|line| row(line, "app ") && line.contains("app cpu")).count(), 4);
        assert_eq!(text.lines().filter(|line| row(line, "database ") && line.contains("db cpu")).count(), 4);
        for part in ["VALID  4 servers serve", "96 % of", "wall reached: the database's", "headroom"] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(text.find("VALID") > text.find("headroom"), "{text}");
    }

    #[test]
    fn what_does_not_count_stands_out() {
        let text = scale_out(&made(Made::Spoilt), false);
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        for part in ["THE MACHINE", "AT LEAST", "INVALID  3 servers serve", "- product pages with 4 servers"]
        {
            assert!(text.contains(part), "{part}: {text}");
        }
        let coloured = scale_out(&made(Made::Spoilt), true);
        assert!(coloured.contains("\u{1b}[1;31mTHE MACHINE"), "{coloured}");
        let text = scale_out(&made(Made::Partial), false);
        assert!(text.contains("PARTIAL: cut short after 48 s"), "{text}");
        let text = scale_out(&made(Made::Empty), false);
        assert_eq!(text, "INVALID  Nothing was measured: no search has ended\n");
    }

    #[test]
    fn nothing_of_a_record_is_for_a_terminal_to_obey() {
        let mut found = made(Made::AppBound);
        found.mixes[0].what = "\u{1b}[2Jpages".to_owned();
        found.emulated = vec!["\u{1b}]0;title\u{7}".to_owned()];
        found.verdict.reasons = vec!["\u{1b}[31m".to_owned()];
        assert!(!scale_out(&found, false).contains('\u{1b}'));
    }
}
