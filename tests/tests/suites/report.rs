//! What is known to fail, and why; and the table of who passed what. Given the outcomes of all cases, it says where they are not as the tables
//! have it.

use crate::side::Who;
use std::collections::{BTreeMap, BTreeSet};

/// How one case went with one proxy: passed, or what was wrong.
pub(crate) type Verdict = Result<(), String>;

/// All cases of a suite and how they went with one proxy, in the order of the cases.
pub(crate) struct Row<'a> {
    pub(crate) suite: &'a str,
    pub(crate) id: &'a str,
    pub(crate) verdicts: Vec<Verdict>,
}

/// Prints, per suite, how many cases there are and how many each passes.
pub(crate) fn print(title: &str, who: &[Who], rows: &[Row<'_>]) {
    let mut suites: Vec<&str> = Vec::new();
    for row in rows {
        if !suites.contains(&row.suite) {
            suites.push(row.suite);
        }
    }
    let names: String = who.iter().map(|who| format!("{:>9}", who.name())).collect();
    println!("\n{title:<34}{:>7}{names}", "cases");
    for suite in suites {
        let of: Vec<&Row<'_>> = rows.iter().filter(|row| row.suite == suite).collect();
        let passed: String = (0..who.len())
            .map(|n| format!("{:>9}", of.iter().filter(|row| row.verdicts[n].is_ok()).count()))
            .collect();
        println!("{suite:<34}{:>7}{passed}", of.len());
    }
}

/// Prints the cases that not all of them pass, or all fail in the same way.
pub(crate) fn print_differences(who: &[Who], rows: &[Row<'_>]) {
    let said = |verdict: &Verdict| verdict.as_ref().map_or_else(Clone::clone, |()| "passes".to_owned());
    for row in rows.iter().filter(|row| row.verdicts.iter().any(|verdict| *verdict != row.verdicts[0])) {
        let all: Vec<String> =
            who.iter().zip(&row.verdicts).map(|(who, v)| format!("{}: {}", who.name(), said(v))).collect();
        println!("{}: {}\n    {}", row.suite, row.id, all.join("; "));
    }
}

/// The cases that our proxy is known to fail, with the reason: a paragraph each, whose first line is the reason and whose others are
/// `SUITE: CASE`.
pub(crate) fn known(text: &str) -> BTreeMap<String, String> {
    let mut known = BTreeMap::new();
    for paragraph in text.split("\n\n") {
        let mut lines = paragraph.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
        let Some(reason) = lines.next() else { continue };
        for line in lines {
            let twice = known.insert(line.to_owned(), reason.to_owned());
            assert!(twice.is_none(), "twice: {line}");
        }
    }
    known
}

/// Asserts that what fails with our proxy, the first one, is what is known to.
pub(crate) fn hold(rows: &[Row<'_>], known: &BTreeMap<String, String>) {
    let name = |row: &Row<'_>| format!("{}: {}", row.suite, row.id);
    let names: BTreeSet<String> = rows.iter().map(name).collect();
    assert_eq!(names.len(), rows.len(), "each case has a name of its own");
    let mut wrong = String::new();
    for row in rows {
        match (&row.verdicts[0], known.get(&name(row))) {
            (Err(why), None) => wrong.push_str(&format!("fails: {}: {why}\n", name(row))),
            (Ok(()), Some(reason)) => {
                wrong.push_str(&format!("passes, against the table: {} ({reason})\n", name(row)));
            }
            _ => {}
        }
    }
    for name in known.keys().filter(|name| !names.contains(*name)) {
        wrong.push_str(&format!("in the table, and no case: {name}\n"));
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}
