//! What is appended is read again, whatever else is in the file.

use super::*;
use crate::fixture::comparison::{hostile, slower};
use crate::fixture::history::{machine, night};
use proptest::prelude::*;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

fn path(dir: &tempfile::TempDir) -> PathBuf {
    dir.path().join("branch/history/nights.jsonl")
}

fn line(number: usize) -> String {
    serde_json::to_string(&night(number)).unwrap() + "\n"
}

fn written(text: impl AsRef<[u8]>) -> (Vec<usize>, Vec<String>) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("nights");
    fs::write(&file, text).unwrap();
    let (found, notes) = read(&file).unwrap();
    let number = |one: &Night| (0..9).find(|n| night(*n) == *one).unwrap();
    (found.iter().map(number).collect(), notes)
}

#[test]
fn what_is_appended_is_read_in_its_order() {
    let dir = tempfile::tempdir().unwrap();
    for n in 0..3 {
        append(&path(&dir), &night(n)).unwrap();
    }
    assert_eq!(read(&path(&dir)).unwrap(), ((0..3).map(night).collect(), vec![]));
    let refused = append(&path(&dir), &night(1)).unwrap_err();
    assert!(
        refused.contains("nights.jsonl: the night ") && refused.ends_with("is in the history already"),
        "{refused}"
    );
    assert_eq!(fs::read_to_string(path(&dir)).unwrap().lines().count(), 3);
}

#[test]
fn a_line_that_was_cut_short_costs_no_other() {
    let dir = tempfile::tempdir().unwrap();
    append(&path(&dir), &night(0)).unwrap();
    let whole = fs::read(path(&dir)).unwrap();
    fs::write(path(&dir), [&whole[..], &line(1).as_bytes()[..100]].concat()).unwrap();
    let (nights, notes) = read(&path(&dir)).unwrap();
    assert_eq!(
        (nights.len(), notes),
        (1, vec!["line 2 is left out: it has no end: whoever wrote it was stopped".into()])
    );
    append(&path(&dir), &night(2)).unwrap();
    let (nights, notes) = read(&path(&dir)).unwrap();
    assert_eq!(nights, [night(0), night(2)]);
    assert_eq!(notes, ["line 2 is left out: it is no line of a history"]);
    // Whose line is whole but for its end is there, before and after somebody gives it one.
    fs::write(path(&dir), line(0).trim_end()).unwrap();
    assert_eq!(read(&path(&dir)).unwrap(), (vec![night(0)], vec![]));
    assert!(append(&path(&dir), &night(0)).is_err());
    append(&path(&dir), &night(1)).unwrap();
    assert_eq!(read(&path(&dir)).unwrap(), (vec![night(0), night(1)], vec![]));
}

#[test]
fn what_is_in_the_file_beside_nights_is_left_out_and_said() {
    assert_eq!(written(""), (vec![], vec!["the history is empty".into()]));
    assert_eq!(written("\n \n"), (vec![], vec!["the history is empty".into()]));
    assert_eq!(written(line(4)), (vec![4], vec![]));
    let other = line(1).replace("history/1", "history/2");
    let untimed =
        serde_json::to_string(&Night { at: "yesterday".into(), id: "x".into(), ..night(1) }).unwrap();
    let long = "x".repeat(2 * LONGEST_LINE as usize);
    let text = [line(0), "}{\n".into(), other, untimed + "\n", line(0), long + "\n", "[]\n".into(), line(2)]
        .concat();
    let want = [
        "line 2 is left out: it is no line of a history",
        "line 3 is left out: \"loadgen.history/2\" is not loadgen.history/1",
        "line 4 is left out: its time is none",
        "line 5 is left out: its night is there already",
        "line 6 is left out: it is too long",
        "line 7 is left out: it is no line of a history",
    ];
    assert_eq!(written(text), (vec![0, 2], want.map(String::from).into()));
    let (_, notes) = written("{}\n".repeat(50));
    assert_eq!((notes.len(), notes[20].as_str()), (21, "and 30 notes more"));
}

#[test]
fn a_clock_that_goes_back_moves_no_night() {
    let (nights, notes) = written([line(3), line(1), line(2)].concat());
    assert_eq!(nights, [3, 1, 2]);
    assert_eq!(notes, ["line 2: the clock went back; its night stays where it was appended"]);
}

#[test]
fn what_is_no_file_to_write_to_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let (real, link) = (dir.path().join("real"), dir.path().join("link"));
    fs::write(&real, "").unwrap();
    symlink(&real, &link).unwrap();
    let refused = |path: &Path, part: &str| {
        let error = append(path, &night(0)).unwrap_err();
        assert!(error.contains(part) && error.contains(&path.display().to_string()), "{error}");
    };
    refused(&link, "it is a link");
    refused(dir.path(), "it is a directory");
    assert!(append(&real.join("below"), &night(0)).unwrap_err().starts_with("cannot make "));
    refused(Path::new("/dev/null"), "it is no file");
    assert_eq!(fs::read(&real).unwrap(), b"");
    let untimed = Night { at: String::new(), ..night(0) };
    assert!(append(&real, &untimed).unwrap_err().contains("it has to be RFC 3339"));
    let endless = Night { load: "x".repeat(LONGEST_LINE as usize), ..night(0) };
    assert!(append(&real, &endless).unwrap_err().contains("too long"));
    assert!(read(&dir.path().join("none")).unwrap_err().contains("there is no history"));
    assert!(read(dir.path()).unwrap_err().contains("it is no file"));
}

#[test]
fn of_two_writers_both_have_their_lines() {
    let dir = tempfile::tempdir().unwrap();
    let path = path(&dir);
    let write = |from: usize| (from..from + 20).for_each(|n| append(&path, &night(n)).unwrap());
    std::thread::scope(|scope| {
        for from in [0, 20, 40] {
            scope.spawn(move || write(from));
        }
    });
    let (mut nights, notes) = read(&path).unwrap();
    nights.sort_by(|a, b| a.at.cmp(&b.at));
    assert_eq!(nights, (0..60).map(night).collect::<Vec<_>>());
    // Of very many notes the first ones are told.
    let known = |note: &String| note.contains("the clock went back") || note.ends_with("notes more");
    assert!(notes.iter().all(known), "{notes:?}");
}

#[test]
fn a_night_is_what_its_comparison_says() {
    let tests = [SelfTest { slowdown: 0.1, found: true }];
    let found = Night::of(&slower(), &tests, Some(false));
    assert_eq!(found.id, "2026-11-24T08:00:00Z 9be01f3");
    assert_eq!((found.base.as_str(), found.call, found.alarm), ("1ad522a", Call::Regression, Some(false)));
    assert_eq!(found.self_test, tests);
    let (p50, known) = (&found.metrics["p50_ms"], slower().metrics[1].found.clone().unwrap());
    assert_eq!((p50.base, p50.ratio, p50.delta), (Some(known.base), Some(known.ratio), Some(0.05)));
    assert_eq!((found.metrics["rps"].candidate, found.metrics["cpu_us.dns"].delta), (None, None));
    // What is no number is not there.
    let mut broken = slower();
    broken.metrics[0].found.as_mut().unwrap().ci95[1] = f64::INFINITY;
    assert_eq!(Night::of(&broken, &[], None).metrics["ceiling_rps"].ci95, None);
    let dir = tempfile::tempdir().unwrap();
    for night in [
        found,
        Night {
            at: "2026-11-24T08:00:00Z".into(),
            ..Night::of(&hostile("\u{1b}\n\u{2028}\"\\{"), &[], None)
        },
    ] {
        append(&path(&dir), &night).unwrap();
        assert_eq!(read(&path(&dir)).unwrap().0.last(), Some(&night));
    }
}

#[test]
fn a_line_that_is_older_than_the_rate_is_read() {
    let old = line(1).replace(
        r#""offered":{"rps":600.0,"rest":"6 s, poisson arrivals by raw, HTTP/1.1, requests 85"},"#,
        "",
    );
    assert!(!old.contains("offered"), "{old}");
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("nights");
    fs::write(&file, old).unwrap();
    assert_eq!(read(&file).unwrap(), (vec![Night { offered: None, ..night(1) }], vec![]));
}

#[test]
fn a_fingerprint_is_the_machines() {
    // Written down, so that it stays what it is from version to version.
    assert_eq!(Machine::default().fingerprint(), "e467105e8887b25f");
    let one = machine("a");
    assert_eq!(one.fingerprint(), machine("a").fingerprint());
    for other in [
        machine("b"),
        Machine { cpus: 3, ..one.clone() },
        Machine { kernel: String::new(), extra: one.kernel.clone() + &one.extra, ..one.clone() },
    ] {
        assert_ne!(one.fingerprint(), other.fingerprint());
    }
}

#[test]
fn a_machine_is_told_by_the_versions_of_what_its_target_uses_and_not_by_the_load() {
    let mut found = slower();
    let plain = Night::of(&found, &[], None).host;
    assert_eq!(plain.extra, "");
    (found.load, found.offered) = ("another".into(), Some(Offered { rps: 7.0, rest: "another".into() }));
    let loaded = Night::of(&found, &[], None);
    assert_eq!((loaded.host, loaded.offered.as_ref()), (plain.clone(), found.offered.as_ref()));
    found.candidate.versions = [("mariadb", "10.11.6"), ("nginx", "1.22.1")]
        .map(|(what, version)| (what.to_owned(), version.to_owned()))
        .into();
    let versed = Night::of(&found, &[], None).host;
    assert_eq!(versed.extra, "mariadb 10.11.6, nginx 1.22.1");
    assert_ne!(versed.fingerprint(), plain.fingerprint());
}

#[test]
fn a_series_begins_anew_on_another_machine() {
    let mut nights: Vec<Night> = (0..5).map(night).collect();
    nights[3].host = machine("other");
    nights[1].metrics.clear();
    nights[4].metrics.get_mut("p50_ms").unwrap().candidate = Some(-1.0);
    let found = segments(&nights, "p50_ms");
    let places: Vec<Vec<usize>> =
        found.iter().map(|one| one.points.iter().map(|point| point.night).collect()).collect();
    assert_eq!(places, [vec![0, 2], vec![3], vec![]]);
    assert!(segments(&[], "p50_ms").is_empty());
}

#[test]
fn a_series_begins_anew_at_another_rate_but_for_a_ceilings() {
    let mut nights: Vec<Night> = (0..7).map(night).collect();
    let rates = [None, None, Some(600.0), Some(600.0 + 1e-10), Some(700.0), Some(700.0), Some(700.0)];
    for (night, rps) in nights.iter_mut().zip(rates) {
        night.offered = rps.map(|rps| Offered { rps, rest: "6 s, even arrivals, requests 1".into() });
    }
    nights[5].host = machine("other");
    assert_eq!(loads(&nights), [0..2, 2..4, 4..5, 5..6, 6..7]);
    let from = |name: &str| segments(&nights, name).iter().map(|segment| segment.from).collect::<Vec<_>>();
    for name in ["p50_ms", "p99_ms", "cpu_us.app"] {
        assert_eq!(from(name), [0, 2, 4, 5, 6], "{name}");
    }
    assert_eq!(from("ceiling_rps"), [0, 5, 6]);
    assert!(loads(&[]).is_empty());
    // Other requests are another load, to a ceiling too; more of them are not.
    nights[6].offered.as_mut().unwrap().rest = "6 s, even arrivals, requests 2".into();
    nights[4].offered.as_mut().unwrap().rest = "9 s, even arrivals, requests 1".into();
    let from: Vec<_> = segments(&nights, "ceiling_rps").iter().map(|segment| segment.from).collect();
    assert_eq!(from, [0, 5, 6]);
    nights[5].host = nights[4].host.clone();
    let from: Vec<_> = segments(&nights, "ceiling_rps").iter().map(|segment| segment.from).collect();
    assert_eq!(from, [0, 6]);
}

proptest! {
    #[test]
    fn any_bytes_are_read_and_appended_to(bytes in prop::collection::vec(any::<u8>(), 0..400), at in 0..3usize) {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("nights");
        // Anything, before, behind or between nights.
        let mut parts = vec![line(0).into_bytes(), line(1).into_bytes()];
        parts.insert(at, [&bytes[..], b"\n"].concat());
        fs::write(&file, parts.concat()).unwrap();
        let (nights, notes) = read(&file).unwrap();
        prop_assert_eq!(nights, vec![night(0), night(1)]);
        prop_assert!(notes.len() <= 21);
        fs::write(&file, &bytes).unwrap();
        append(&file, &night(2)).unwrap();
        prop_assert_eq!(read(&file).unwrap().0, vec![night(2)]);
    }

    #[test]
    fn a_line_that_is_cut_anywhere_is_lost_alone(cut in 1..1000usize) {
        let text = line(1);
        let part = &text.as_bytes()[..cut.min(text.len() - 2)];
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("nights");
        fs::write(&file, [line(0).as_bytes(), part].concat()).unwrap();
        append(&file, &night(2)).unwrap();
        prop_assert_eq!(read(&file).unwrap().0, vec![night(0), night(2)]);
    }
}
