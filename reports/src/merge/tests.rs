//! What shards come to together, against one recorder that was fed everything; and what is refused.

use super::*;
use crate::fixture;
use crate::histogram::{Distributions, Histogram};
use crate::log::Entry;
use crate::record::{Clock, Interaction, Shard};
use crate::store::{LOG_FILE, load, save_whole};
use proptest::prelude::*;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

/// The record of shard `index` of `of`, whose answers took so long, in nanoseconds.
pub(super) fn shard(index: u32, of: u32, times: &[u64]) -> Record {
    let mut record = fixture::healthy();
    let mut all = Distributions::default();
    for ns in times {
        for (_, sum) in [(0, &mut all.response), (1, &mut all.service), (2, &mut all.ok_response)] {
            sum.record(*ns);
        }
        all.send_lag.record(ns / 100);
    }
    let entry = |tag: &str, histogram: &Histogram| Entry {
        tag: tag.into(),
        start_s: 0.0,
        length_s: record.run.timeline.interval_s,
        histogram: histogram.into(),
    };
    record.intervals =
        all.tagged().into_iter().filter(|(_, h)| !h.is_empty()).map(|(t, h)| entry(t, h)).collect();
    record.totals = all;
    let n = times.len() as u64;
    let run = &mut record.run;
    (run.planned, run.sent, run.ok, run.dropped, run.unfinished) = (n, n, n, 0, 0);
    run.errors = Default::default();
    run.status = [(200, n)].into();
    run.interactions.clear();
    run.steps.truncate(1);
    run.steps[0].counted = true;
    run.steps[0].counts = crate::outcome::Counts {
        planned: n,
        sent: n,
        ok: n,
        status: [(200, n)].into(),
        ..Default::default()
    };
    (run.steps[0].from_rps, run.steps[0].to_rps) = (1_000.0 / f64::from(of), 1_000.0 / f64::from(of));
    run.timeline.bins.truncate(1);
    run.timeline.bins[0].planned = n;
    run.response_ms = crate::analyse::interval::distribution(&record.totals.response);
    run.service_ms = crate::analyse::interval::distribution(&record.totals.service);
    run.send_lag_ms = crate::analyse::interval::distribution(&record.totals.send_lag);
    run.ok_response_ms = crate::analyse::interval::distribution(&record.totals.ok_response);
    let clock = Clock { synchronised: Some(true), ..Clock::default() };
    run.shard = Some(Shard {
        index,
        of,
        start_at: None,
        began_unix_s: 1e9 + f64::from(index) * 1e-3,
        clock,
        machine: format!("gen-{index}"),
    });
    record
}

pub(super) fn write(dir: &Path, record: &Record) {
    save_whole(dir, record, 1e9).unwrap();
}

/// Gives a shard two interactions, which take its requests in turn.
fn with_interactions(record: &mut Record, times: &[u64]) {
    for number in 0..2 {
        let mut histogram = Histogram::default();
        times.iter().skip(number).step_by(2).for_each(|ns| histogram.record(*ns));
        let n = histogram.count();
        record.run.interactions.push(Interaction {
            name: format!("interaction {number}"),
            planned: n,
            sent: n,
            ok: n,
            response_ms: crate::analyse::interval::distribution(&histogram),
            ..Interaction::default()
        });
        let tag = crate::log::tag_of_interaction(number);
        let whole = Entry { tag, start_s: 0.0, length_s: 10.0, histogram: (&histogram).into() };
        record.intervals.extend((n > 0).then_some(whole));
    }
}

/// Writes three shards, changed as is said, and merges what is below.
pub(super) fn merged(change: impl Fn(u32, &mut Record)) -> (tempfile::TempDir, Result<Record, String>) {
    let dir = tempfile::tempdir().unwrap();
    for index in 1..=3 {
        let mut record = shard(index, 3, &[1_000_000 * u64::from(index), 2_000_000, 3_000_000]);
        change(index, &mut record);
        write(&dir.path().join(index.to_string()), &record);
    }
    let found = merge(&[dir.path().to_owned()], &Terms::default()).map(|merged| merged.record);
    (dir, found)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20))]
    #[test]
    fn the_percentiles_of_all_are_those_of_one_recorder(
        parts in prop::collection::vec(prop::collection::vec(1_000..10_000_000_000u64, 1..80), 1..5),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let of = parts.len() as u32;
        let mut all = Histogram::default();
        for (index, part) in (1..).zip(&parts) {
            part.iter().for_each(|ns| all.record(*ns));
            write(&dir.path().join(index.to_string()), &shard(index, of, part));
        }
        let record = merge(&[dir.path().to_owned()], &Terms::default()).unwrap().record;
        prop_assert_eq!(&record.totals.response, &all);
        let plain = |mut of: crate::record::Distribution| {
            (of.blocks, of.ci95_blocks) = (None, Default::default());
            of
        };
        let expected = crate::analyse::interval::distribution(&all);
        prop_assert_eq!(plain(record.run.response_ms.clone()), expected);
        prop_assert_eq!(record.run.planned, all.count());
        prop_assert!(record.run.verdict.valid, "{:?}", record.run.verdict);
        // And it is a record as any other.
        let out = dir.path().join("out");
        save_whole(&out, &record, 1e9).unwrap();
        prop_assert_eq!(load(&out).unwrap(), record);
    }
}

#[test]
fn interactions_are_merged_as_far_as_their_times_are_known() {
    let dir = tempfile::tempdir().unwrap();
    let at = |index: u32| dir.path().join(index.to_string());
    let times = |index: u32| (1..=40).map(|n| n * n * 10_000 * u64::from(index)).collect::<Vec<_>>();
    let mut one = Histogram::default();
    for index in 1..=3 {
        let mut record = shard(index, 3, &times(index));
        with_interactions(&mut record, &times(index));
        times(index).iter().step_by(2).for_each(|ns| one.record(*ns));
        write(&at(index), &record);
    }
    let merged = || merge(&[dir.path().to_owned()], &Terms::default()).unwrap().record;
    let told = "not all logs have the times of the interactions";
    let notes = |record: &Record| record.run.verdict.reasons.iter().filter(|why| why.contains(told)).count();
    let record = merged();
    assert_eq!(record.run.interactions[0].response_ms, crate::analyse::interval::distribution(&one));
    assert_eq!((record.run.interactions[1].planned, notes(&record)), (60, 0));
    let out = tempfile::tempdir().unwrap();
    save_whole(out.path(), &record, 1e9).unwrap();
    assert_eq!(load(out.path()).unwrap(), record);

    // One of them was ended before it had written the times of one.
    let log = at(2).join(LOG_FILE);
    let text = fs::read_to_string(&log).unwrap();
    let without: String =
        text.split_inclusive('\n').filter(|line| !line.starts_with("Tag=interaction-0")).collect();
    fs::write(&log, &without).unwrap();
    let record = merged();
    let first = &record.run.interactions[0].response_ms;
    assert_eq!((first.count, first.p50, notes(&record)), (60, None, 1));
    assert!(first.max > Some(45.0) && record.run.interactions[1].response_ms.p50.is_some());

    // A log with other times than its record is none of it, from where ever that is seen.
    let twice = text.replace("Tag=interaction-1", "Tag=interaction-0");
    for (text, said) in [
        (twice, "2/latency.hlog: the response_ms of an interaction is not what the record has"),
        (text.replace("Tag=interaction-1", "Tag=interaction-7"), "the run has no interaction-7"),
        (
            format!(
                "{without}{}",
                without.lines().last().unwrap().replace("interaction-1", "response") + "\n"
            ),
            "line 10: it belongs before",
        ),
    ] {
        fs::write(&log, text).unwrap();
        let record = merged();
        let reasons = record.run.verdict.reasons.join("\n");
        assert!(reasons.contains(said), "{said}: {reasons}");
        assert_eq!((record.run.planned, record.run.interactions[0].response_ms.count), (80, 40));
        assert_eq!(record.totals.response.count(), 80, "what was counted is taken back");
    }
}

#[test]
fn counts_are_added_and_each_shard_stays_to_be_seen() {
    let (_dir, found) = merged(|_, _| {});
    let run = found.unwrap().run;
    let told = ["what the tiers say of themselves is what shard 1 was told"];
    assert!(run.verdict.valid && run.verdict.reasons[..1] == told, "{:?}", run.verdict);
    assert!(
        run.verdict.reasons[1].starts_with("p90 needs 29 requests, there were 9"),
        "of all together: {:?}",
        run.verdict
    );
    assert_eq!((run.planned, run.ok, run.steps[0].from_rps), (9, 9, 1_000.0));
    let seen: Vec<_> =
        run.shards.iter().map(|one| (one.shard.index, one.planned, one.response_ms.count)).collect();
    assert_eq!(seen, [(1, 3, 3), (2, 3, 3), (3, 3, 3)]);
    assert!(run.shard.is_none() && run.shards[2].dir.ends_with('3'));
    let record = Record { run, totals: Default::default(), intervals: Vec::new() };
    let footers = crate::pictures::of(&record).into_iter().map(|(_, chart)| chart.footer.concat());
    assert!(
        footers.clone().count() > 0 && footers.clone().all(|footer| footer.contains("sent by 3 machines"))
    );
}

/// The numbers of one record's copies.
static COPIES: AtomicU32 = AtomicU32::new(1);

#[test]
fn what_was_made_of_shards_may_lie_beside_them() {
    let (dir, found) = merged(|_, _| {});
    save_whole(&dir.path().join("merged"), &found.unwrap(), 1e9).unwrap();
    let again = merge(&[dir.path().to_owned()], &Terms::default()).unwrap();
    assert_eq!((again.record.run.planned, again.faults.len()), (9, 0));
    let refused = merge(&[dir.path().join("merged")], &Terms::default()).unwrap_err();
    assert!(refused.ends_with("merged: it is no shard's record: it was merged already"), "{refused}");
}

#[test]
fn a_machine_for_which_nothing_was_due_has_done_its_part() {
    let few = |index: u32, record: &mut Record| {
        if index == 3 {
            *record = shard(3, 3, &[]);
        }
        record.run.verdict = crate::analyse::verdict::verdict(&record.run, &Default::default(), None);
    };
    let run = merged(few).1.unwrap().run;
    let idle = |why: &&String| why.contains("no request was due");
    assert_eq!((run.planned, run.verdict.reasons.iter().find(idle)), (6, None), "{:?}", run.verdict);
    let none = merged(|index, record| *record = shard(index, 3, &[])).1.unwrap().run;
    assert!(!none.verdict.valid && none.verdict.reasons.iter().any(|why| idle(&why)), "{:?}", none.verdict);
}

#[test]
fn what_is_not_of_one_load_is_refused() {
    /// What is changed of a shard's record, and what is then said.
    type Case = (fn(u32, &mut Record), &'static str);
    let cases: [Case; 7] = [
        (|index, record| record.run.seed += u64::from(index == 2), "they are not of one load: seed: "),
        (
            |index, record| record.run.steps[0].to_rps += f64::from(index == 3),
            "not of one load: a machine's part: ",
        ),
        (
            |index, record| record.run.load_digest.extend((index == 2).then_some('f')),
            "not of one load: requests, connections, time-out or expected statuses: ",
        ),
        (|_, record| record.run.shard.as_mut().unwrap().index = 2, "both are shard 2 of 3"),
        (|_, record| record.run.shard = None, "it is no shard's record: its load was sent by one machine"),
        (
            |_, record| {
                *record = shard(1, 3, &[1_000_000]);
                record.run.shard.as_mut().unwrap().index = COPIES.fetch_add(1, Ordering::Relaxed);
            },
            "one is a copy of the other under another number",
        ),
        (|index, record| record.run.shard.as_mut().unwrap().index = index + 3, "there is no shard "),
    ];
    for (change, said) in cases {
        let refused = merged(change).1.unwrap_err();
        assert!(refused.contains(said), "{said}: {refused}");
    }
    let dir = tempfile::tempdir().unwrap();
    let refused = merge(&[dir.path().to_owned()], &Terms::default()).unwrap_err();
    assert!(refused.contains("there is no record of a run in it"), "{refused}");
}
