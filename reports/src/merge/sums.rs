//! The record of a whole load from those of its shards: what is counted is added, times come from the pooled histograms, and of what the
//! machines say of themselves the worst is kept, with each of them beside it.

use super::Piece;
use super::pool::{Pool, TAGS};
use super::told::called;
use crate::analyse::blocks::Blocks;
use crate::analyse::interval::distribution;
use crate::analyse::steady::steady;
use crate::histogram::{Histogram, Tally};
use crate::log::{self, Entry};
use crate::outcome::Counts;
use crate::record::{
    Bin, Bytes, Distribution, Generator, Interaction, Rates, Run, Sessions, ShardResult, Step, Timeline,
};
use crate::store::Record;
use jiff::Timestamp;
use std::collections::BTreeMap;

/// The record of `pieces`, of which there is one at least, with what their logs come to.
pub(super) fn record(pieces: &[Piece], mut pool: Pool, command: &[String]) -> Record {
    let runs: Vec<&Run> = pieces.iter().map(|piece| &piece.run).collect();
    let first = runs[0];
    let interval_s = first.timeline.interval_s;
    let times = std::mem::take(&mut pool.interactions);
    let mut intervals = entries(pool, interval_s);
    let totals = log::total(&intervals);
    let duration_s = runs.iter().map(|run| run.duration_s).fold(0.0, f64::max);
    let steps = steps(&runs);
    let mut counts = Counts::default();
    steps.iter().filter(|step| step.counted).for_each(|step| counts += &step.counts);
    let interactions = interactions(&runs, &times);
    intervals.extend(of_interactions(&interactions, &times, duration_s));
    let blocks = Blocks::of_log(interval_s, &intervals);
    // Of one that was cut short the rate is not that of all the time.
    let of_all = |run: &Run| if run.duration_s < duration_s { run.duration_s / duration_s } else { 1.0 };
    let rate = |of: fn(&Rates) -> f64| runs.iter().map(|run| of(&run.rps) * of_all(run)).sum();
    let mut run = Run {
        partial: runs.iter().any(|run| run.partial),
        command: command.to_vec(),
        started_at: started_at(&runs),
        duration_s,
        connections_max: sum(&runs, |run| run.connections_max),
        planned: counts.planned,
        sent: counts.sent,
        ok: counts.ok,
        dropped: counts.dropped,
        unfinished: counts.unfinished,
        errors: counts.errors,
        status: counts.status,
        rps: Rates { planned: rate(|of| of.planned), sent: rate(|of| of.sent), ok: rate(|of| of.ok) },
        response_ms: blocks.distribution(&totals.response, duration_s),
        service_ms: distribution(&totals.service),
        send_lag_ms: distribution(&totals.send_lag),
        ok_response_ms: distribution(&totals.ok_response),
        bytes: Bytes {
            sent: sum(&runs, |run| run.bytes.sent),
            received: sum(&runs, |run| run.bytes.received),
        },
        generator: generator(&runs),
        died_at_s: runs.iter().filter_map(|run| run.died_at_s).min_by(f64::total_cmp),
        steps,
        timeline: timeline(&runs, &intervals),
        steady: None,
        arrival_stream: None,
        interactions,
        sessions: sessions(&runs),
        shard: None,
        shards: pieces.iter().map(result).collect(),
        machine: machine(&runs),
        ..first.clone()
    };
    run.telemetry.machine.clear();
    run.steady = Some(steady(&run));
    Record { run, totals, intervals }
}

/// What cannot be merged of what the pieces have, or is not as it should be; `record` is what they were merged to.
pub(super) fn notes(pieces: &[Piece], record: &Record) -> Vec<String> {
    let mut notes = Vec::new();
    let first = pieces.first();
    let known = record.intervals.iter().filter(|entry| log::interaction(&entry.tag).is_some()).count();
    let all = record.run.interactions.iter().filter(|one| one.response_ms.count > 0).count();
    if known < all && pieces.len() > 1 {
        notes.push(String::from(
            "not all logs have the times of the interactions, which are therefore known only in count, mean and largest",
        ));
    }
    if let Some(first) = first.filter(|piece| !piece.run.observed.is_empty() && pieces.len() > 1) {
        notes.push(format!("what the tiers say of themselves is what {} was told", called(first)));
    }
    let build = |piece: &Piece| format!("{} {}", piece.run.host.version, piece.run.host.commit);
    if let Some(other) = pieces.iter().find(|piece| first.is_some_and(|first| build(first) != build(piece))) {
        notes.push(format!("{} was sent by another version of loadgen ({})", called(other), build(other)));
    }
    notes
}

/// Of several machines there is no one; but whoever judges the load has to know how much of the worst its hypervisor took.
fn machine(runs: &[&Run]) -> BTreeMap<String, f64> {
    let steal = runs.iter().filter_map(|run| run.machine.get("steal").copied()).max_by(f64::total_cmp);
    steal.map(|share| (String::from("steal"), share)).into_iter().collect()
}

/// When the first of them did. As text a later one may come first: a whole second is written without its thousandths.
fn started_at(runs: &[&Run]) -> String {
    let instant = |run: &&&Run| run.started_at.parse().unwrap_or(Timestamp::MAX);
    runs.iter().min_by_key(instant).map(|run| run.started_at.clone()).unwrap_or_default()
}

fn sum(runs: &[&Run], of: fn(&Run) -> u64) -> u64 {
    runs.iter().map(|run| of(run)).fold(0, u64::saturating_add)
}

/// The pool as the entries of a log, interval by interval; it is used up on the way.
fn entries(pool: Pool, interval_s: f64) -> Vec<Entry> {
    let mut entries = Vec::new();
    for (number, tallies) in pool.intervals.into_iter().enumerate() {
        for (tag, tally) in TAGS.iter().zip(tallies) {
            let histogram = tally.sparse();
            if histogram.count() > 0 {
                let start_s = number as f64 * interval_s;
                entries.push(Entry { tag: (*tag).to_owned(), start_s, length_s: interval_s, histogram });
            }
        }
    }
    entries
}

/// The steps with all rates and counts together.
fn steps(runs: &[&Run]) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for run in runs {
        for (n, step) in run.steps.iter().enumerate() {
            match steps.get_mut(n) {
                Some(all) => {
                    all.from_rps += step.from_rps;
                    all.to_rps += step.to_rps;
                    all.counts += &step.counts;
                }
                None => steps.push(step.clone()),
            }
        }
    }
    // What was asked for comes in millionths, and a third of it three times is not quite all.
    let whole = |rps: f64| (rps * 1e6).round() / 1e6;
    steps
        .iter_mut()
        .for_each(|step| (step.from_rps, step.to_rps) = (whole(step.from_rps), whole(step.to_rps)));
    steps
}

fn generator(runs: &[&Run]) -> Generator {
    let all = || runs.iter().map(|run| &run.generator);
    let most = |of: fn(&Generator) -> f64| all().map(of).fold(0.0, f64::max);
    let worst = |of: fn(&Generator) -> Option<f64>| all().filter_map(of).max_by(f64::total_cmp);
    let cpu_s: f64 = all().map(|one| one.cpu_s).sum();
    let requests: f64 = all()
        .filter(|one| one.cpu_us_per_request > 0.0)
        .map(|one| one.cpu_s * 1e6 / one.cpu_us_per_request)
        .sum();
    let by_the_kernel = all().all(|one| one.receive_clock == "kernel");
    Generator {
        cpu_s,
        cpu_us_per_request: if requests > 0.0 { cpu_s * 1e6 / requests } else { 0.0 },
        cpu_share_max: most(|one| one.cpu_share_max),
        threads: all().map(|one| one.threads).fold(0, usize::saturating_add),
        max_rss_bytes: all().map(|one| one.max_rss_bytes).max().unwrap_or(0),
        startup_s: most(|one| one.startup_s),
        cpus: Vec::new(),
        receive_clock: String::from(if by_the_kernel { "kernel" } else { "process" }),
        late_p50_ms: worst(|one| one.late_p50_ms),
        late_p99_ms: worst(|one| one.late_p99_ms),
    }
}

fn timeline(runs: &[&Run], intervals: &[Entry]) -> Timeline {
    let interval_s = runs[0].timeline.interval_s;
    let mut bins: Vec<Bin> = Vec::new();
    for run in runs {
        for (n, one) in run.timeline.bins.iter().enumerate() {
            if bins.len() <= n {
                bins.push(Bin::default());
            }
            let all = &mut bins[n];
            for (sum, more) in [
                (&mut all.planned, one.planned),
                (&mut all.sent, one.sent),
                (&mut all.ok, one.ok),
                (&mut all.errors, one.errors),
                (&mut all.dropped, one.dropped),
                (&mut all.in_flight, one.in_flight),
                (&mut all.backlog, one.backlog),
                (&mut all.connections, one.connections),
            ] {
                *sum = sum.saturating_add(more);
            }
            all.generator_cpu = all.generator_cpu.max(one.generator_cpu);
        }
    }
    let mut times = Histogram::default();
    for entry in intervals {
        let number = (entry.start_s / interval_s).round() as usize;
        let Some(bin) = bins.get_mut(number) else { continue };
        if !["response", "send_lag"].contains(&entry.tag.as_str()) {
            continue;
        }
        times.clear();
        times.add_sparse(&entry.histogram);
        let quantile_ms = |q: f64| Some(times.quantile(q) as f64 / 1e6);
        if entry.tag == "response" {
            (bin.p50_ms, bin.p99_ms, bin.max_ms) = (quantile_ms(0.5), quantile_ms(0.99), quantile_ms(1.0));
        } else {
            bin.send_lag_p99_ms = quantile_ms(0.99);
        }
    }
    Timeline { interval_s, bins }
}

/// The interactions, by name and step, with their times as far as the logs have them.
fn interactions(runs: &[&Run], times: &[Tally]) -> Vec<Interaction> {
    let mut all: Vec<Interaction> = Vec::new();
    for one in runs.iter().flat_map(|run| &run.interactions) {
        match all.iter_mut().find(|sum| sum.name == one.name && sum.step == one.step) {
            Some(sum) => add(sum, one),
            None => all.push(one.clone()),
        }
    }
    let planned = all.iter().map(|one| one.planned).fold(0, u64::saturating_add).max(1);
    let mut histogram = Histogram::default();
    for (number, one) in all.iter_mut().enumerate() {
        one.share_planned = one.planned as f64 / planned as f64;
        let Some(times) = times.get(number).map(Tally::sparse) else { continue };
        // A record of a run that was killed, or of before logs had them, lacks them.
        if times.count() == one.response_ms.count && runs.len() > 1 {
            histogram.clear();
            histogram.add_sparse(&times);
            one.response_ms = distribution(&histogram);
        }
    }
    all
}

/// The entries of a log for the times of the interactions that are known in full.
fn of_interactions(interactions: &[Interaction], times: &[Tally], duration_s: f64) -> Vec<Entry> {
    let entry = |(number, (one, times)): (usize, (&Interaction, &Tally))| {
        let histogram = times.sparse();
        let known = histogram.count() > 0 && histogram.count() == one.response_ms.count;
        let tag = log::tag_of_interaction(number);
        known.then_some(Entry { tag, start_s: 0.0, length_s: duration_s, histogram })
    };
    interactions.iter().zip(times).enumerate().filter_map(entry).collect()
}

fn add(sum: &mut Interaction, one: &Interaction) {
    for (sum, more) in [
        (&mut sum.planned, one.planned),
        (&mut sum.sent, one.sent),
        (&mut sum.ok, one.ok),
        (&mut sum.dropped, one.dropped),
        (&mut sum.unfinished, one.unfinished),
    ] {
        *sum = sum.saturating_add(more);
    }
    sum.errors += one.errors;
    for (check, n) in &one.failed_checks {
        let sum = sum.failed_checks.entry(check.clone()).or_default();
        *sum = sum.saturating_add(*n);
    }
    let (a, b) = (&sum.response_ms, &one.response_ms);
    let count = a.count.saturating_add(b.count);
    let total = |of: &Distribution| of.mean.map_or(0.0, |mean| mean * of.count as f64);
    let mean = (count > 0).then(|| (total(a) + total(b)) / count as f64);
    let max = a.max.into_iter().chain(b.max).max_by(f64::total_cmp);
    sum.response_ms = Distribution { count, mean, max, ..Distribution::default() };
}

fn sessions(runs: &[&Run]) -> Option<Sessions> {
    let all = runs.iter().filter_map(|run| run.sessions);
    all.reduce(|a, b| Sessions {
        begun: a.begun.saturating_add(b.begun),
        completed: a.completed.saturating_add(b.completed),
        failed: a.failed.saturating_add(b.failed),
    })
}

fn result(piece: &Piece) -> ShardResult {
    let run = &piece.run;
    ShardResult {
        shard: run.shard.clone().unwrap_or_default(),
        dir: piece.dir.display().to_string(),
        host: run.host.clone(),
        planned: run.planned,
        sent: run.sent,
        ok: run.ok,
        errors: run.errors.total(),
        dropped: run.dropped,
        unfinished: run.unfinished,
        response_ms: run.response_ms.clone(),
        send_lag_ms: run.send_lag_ms.clone(),
        cpu_share_max: run.generator.cpu_share_max,
        verdict: run.verdict.clone(),
    }
}
