//! What a merged load is worth: what is missing, late, cut short or broken is named, and what the whole says of itself.

use super::tests::{merged, shard, write};
use super::*;
use crate::store::{LOG_FILE, RUN_FILE};
use std::fs;

#[test]
fn what_is_missing_late_or_broken_is_named_and_makes_it_invalid() {
    let late = |index: u32, record: &mut Record| {
        record.run.shard.as_mut().unwrap().began_unix_s += f64::from(index / 3) * 0.5;
    };
    let unsure = |_: u32, record: &mut Record| record.run.shard.as_mut().unwrap().clock.error_ms = Some(60.0);
    // Each within the bound, and not together; and of one alone nothing is apart.
    let both = |index: u32, record: &mut Record| {
        let shard = record.run.shard.as_mut().unwrap();
        shard.began_unix_s += f64::from(index / 3) * 0.05;
        shard.clock.error_ms = Some(30.0);
    };
    let one = |index: u32, record: &mut Record| {
        record.run.shard.as_mut().unwrap().clock.error_ms = (index == 2).then_some(90.0);
    };
    let invalid = |index: u32, record: &mut Record| {
        record.run.verdict = Verdict { valid: index != 2, reasons: vec!["it was late itself".into()] };
    };
    let partial = |index: u32, record: &mut Record| record.run.partial = index == 1;
    for (change, said) in [
        (&late as &dyn Fn(u32, &mut Record), "shard 3 began 502 ms after shard 1"),
        (
            &unsure,
            "shard 3 began 2 ms after shard 1, by clocks that may be 120 ms apart: they may be no one load",
        ),
        (
            &both,
            "shard 3 began 52 ms after shard 1, by clocks that may be 60 ms apart: they may be no one load",
        ),
        (&invalid, "shard 2: it was late itself"),
        (&partial, "shard 1: cut short"),
    ] {
        let verdict = merged(change).1.unwrap().run.verdict;
        assert!(
            !verdict.valid && verdict.reasons.iter().any(|why| why.contains(said)),
            "{said}: {verdict:?}"
        );
    }
    assert!(merged(partial).1.unwrap().run.partial && merged(one).1.unwrap().run.verdict.valid);
    let (dir, _) = merged(|_, _| {});
    fs::remove_dir_all(dir.path().join("2")).unwrap();
    fs::write(dir.path().join("3").join(LOG_FILE), "Tag=response,0").unwrap();
    let run = merge(&[dir.path().to_owned()], &Terms::default()).unwrap().record.run;
    let told = run.verdict.reasons.join("\n");
    assert!(!run.verdict.valid && told.contains("2 shards of 3 missing: 2, 3"), "{told}");
    assert!(told.contains("3/latency.hlog: line 1: cut off"), "{told}");
    assert_eq!(run.planned, 3, "what is broken is not in it");
    fs::write(dir.path().join("3").join(RUN_FILE), "{\"schema\": ").unwrap();
    let told =
        merge(&[dir.path().to_owned()], &Terms::default()).unwrap().record.run.verdict.reasons.join("\n");
    assert!(told.contains("3/run.json: EOF"), "{told}");
    // A shard that was killed has left its log alone.
    fs::remove_file(dir.path().join("3").join(RUN_FILE)).unwrap();
    let named = ["1", "3"].map(|name| dir.path().join(name));
    let told = merge(&named, &Terms::default()).unwrap().record.run.verdict.reasons.join("\n");
    assert!(
        told.contains("3: there is no record of a run in it") && told.contains("missing: 2, 3"),
        "{told}"
    );
}

#[test]
fn a_record_may_say_what_it_likes_of_how_many_there_are() {
    let (_dir, found) = merged(|_, record| record.run.shard.as_mut().unwrap().of = u32::MAX);
    let told = found.unwrap().run.verdict.reasons.remove(0);
    assert!(told.starts_with("4,294,967,292 shards of 4294967295 missing: 4, 5, "), "{told}");
    assert!(told.ends_with("23 and 4294967272 more"), "{told}");
}

#[test]
fn a_threshold_that_the_sample_is_too_small_for_has_no_answer() {
    let dir = tempfile::tempdir().unwrap();
    write(&dir.path().join("1"), &shard(1, 1, &[1_000_000; 40]));
    let asked = |rule: &str| {
        let terms = Terms { thresholds: vec![Threshold::parse(rule).unwrap()], command: Vec::new() };
        merge(&[dir.path().to_owned()], &terms).unwrap().record.run
    };
    assert!(asked("p50<5ms").verdict.valid);
    let run = asked("p999<5ms");
    assert!(
        !run.verdict.valid && run.verdict.reasons[0].starts_with("p95 needs 59 requests, there were 40"),
        "{:?}",
        run.verdict
    );
}

#[test]
fn it_began_when_the_first_of_them_did() {
    let (_dir, found) = merged(|index, record| {
        let parts = ["00.5Z", "00Z", "00.25Z"];
        record.run.started_at = format!("2026-01-31T12:00:{}", parts[index as usize - 1]);
    });
    assert_eq!(found.unwrap().run.started_at, "2026-01-31T12:00:00Z");
}

#[test]
fn thresholds_are_judged_by_the_lateness_of_the_latest() {
    let dir = tempfile::tempdir().unwrap();
    for index in 1..=2u32 {
        let times: Vec<u64> = (1..=400).map(|n| 1_000_000 + n * 10_000).collect();
        let mut record = shard(index, 2, &times);
        record.run.generator.late_p99_ms = Some(0.4 * f64::from(index));
        write(&dir.path().join(index.to_string()), &record);
    }
    let judged = |rule: &str| {
        let thresholds = vec![Threshold::parse(rule).unwrap()];
        let terms = Terms { thresholds, ..Terms::default() };
        let run = merge(&[dir.path().to_owned()], &terms).unwrap().record.run;
        (
            run.verdict.valid,
            run.thresholds[0].passed,
            run.verdict.reasons.first().cloned().unwrap_or_default(),
        )
    };
    let (valid, _, why) = judged("p99<10ms");
    assert!(!valid && why.contains("the latest of the generators sent p99 0.8 ms after"), "{why}");
    let (valid, passed, why) = judged("p99<20ms");
    assert!(valid && passed, "{why}");
    let (valid, passed, why) = judged("p50<0.01ms");
    assert!(!valid && !passed && why.contains("does not hold, but the generator itself was late"), "{why}");
    let (valid, _, why) = judged("p99.99<50ms");
    assert!(!valid && why.contains("p99.99"), "{why}");
}

#[test]
fn what_many_shards_say_is_said_once() {
    let dir = tempfile::tempdir().unwrap();
    for index in 1..=8 {
        let mut record = shard(index, 8, &[1_000_000]);
        let late = format!("it was late: {}.5 ms", index % 7);
        let why = if index == 3 { String::from("it was killed") } else { late };
        record.run.verdict = Verdict { valid: false, reasons: vec![why] };
        write(&dir.path().join(index.to_string()), &record);
    }
    let reasons = merge(&[dir.path().to_owned()], &Terms::default()).unwrap().record.run.verdict.reasons;
    let said = [
        "shards 1, 2, 4, 5, 6 and 2 more, worst of them shard 6: it was late: 6.5 ms",
        "shard 3: it was killed",
    ];
    assert_eq!(reasons[..2], said);
}

#[test]
fn what_is_not_all_of_the_load_is_told_from_what_a_shard_says_of_itself() {
    let dir = tempfile::tempdir().unwrap();
    for index in [1, 3] {
        let mut record = shard(index, 3, &[1_000_000]);
        record.run.machine =
            [("steal", 0.02 * f64::from(index)), ("cpu_busy", 0.5)].map(|(n, v)| (n.into(), v)).into();
        record.run.verdict = Verdict { valid: false, reasons: vec!["it was late".into()] };
        write(&dir.path().join(index.to_string()), &record);
    }
    let Merged { record, faults } = merge(&[dir.path().to_owned()], &Terms::default()).unwrap();
    assert_eq!(faults, ["1 shard of 3 missing: 2"]);
    assert_eq!(record.run.verdict.reasons[..2], ["1 shard of 3 missing: 2", "shards 1, 3: it was late"]);
    let machine: Vec<_> = record.run.machine.iter().map(|(name, share)| (name.as_str(), *share)).collect();
    assert_eq!(machine, [("steal", 0.06)], "of the worst, and nothing of one machine's");
}
