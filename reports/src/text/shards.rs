//! The machines of a merged load as a terminal shows them: a row each, those of a few where there are many: the invalid and the slow.

use super::{named, printable};
use crate::number::{NONE, count, counted, ms_column};
use crate::record::{Run, Shard, ShardResult};
use std::fmt::Write;

/// More rows than this nobody reads.
const MOST: usize = 10;

/// A table of the shards, where not all are shown the invalid ones first and then the slowest; nothing of a run that one machine sent.
pub(super) fn shards(run: &Run) -> String {
    if run.shards.is_empty() {
        return String::new();
    }
    let mut shown: Vec<&ShardResult> = run.shards.iter().collect();
    if shown.len() > MOST {
        let p99 = |one: &ShardResult| one.response_ms.p99.or(one.response_ms.p50).unwrap_or(0.0);
        shown.sort_by(|a, b| {
            (a.verdict.valid, p99(b))
                .partial_cmp(&(b.verdict.valid, p99(a)))
                .unwrap_or(std::cmp::Ordering::Equal)
        });
        shown.truncate(MOST);
    }
    let mut out =
        row(["shard", "planned", "ok", "failed", "p50", "p99", "lag p99", "verdict"].map(str::to_owned));
    let told_apart = run.shards.iter().any(|one| one.shard.machine != run.shards[0].shard.machine);
    for one in &shown {
        let time = |ms: Option<f64>| ms.map_or(NONE.to_owned(), ms_column);
        out.push_str(&row([
            called(&one.shard, told_apart),
            count(one.planned),
            count(one.ok),
            count(one.errors.saturating_add(one.dropped)),
            time(one.response_ms.p50),
            time(one.response_ms.p99),
            time(one.send_lag_ms.p99),
            String::from(if one.verdict.valid { "valid" } else { "INVALID" }),
        ]));
    }
    if let hidden @ 1.. = run.shards.len() - shown.len() {
        let rest = counted(hidden as u64, "shard");
        out.push_str(&named("", &format!("and {rest} more: run.json has all")));
    }
    out
}

/// A shard by its number and, where they are different machines, as much of the machine's name as there is room for.
fn called(shard: &Shard, told_apart: bool) -> String {
    const ROOM: usize = 12;
    let called = if told_apart {
        format!("{} {}", shard.index, shard.machine)
    } else {
        format!("{} of {}", shard.index, shard.of)
    };
    printable(&called).chars().take(ROOM).collect()
}

fn row([shard, cells @ ..]: [String; 8]) -> String {
    let mut out = format!("{shard:<12}");
    for cell in cells {
        let _ = write!(out, "{cell:>9}");
    }
    out.push('\n');
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;
    use crate::record::{Distribution, Verdict};

    fn shard(index: u32, p99: f64, valid: bool) -> ShardResult {
        ShardResult {
            shard: Shard { index, of: 30, ..Shard::default() },
            planned: 300_000,
            response_ms: Distribution { p99: Some(p99), ..Distribution::default() },
            verdict: Verdict { valid, reasons: Vec::new() },
            ..ShardResult::default()
        }
    }

    #[test]
    fn a_slow_or_an_invalid_shard_is_always_seen() {
        let mut run = fixture::healthy().run;
        assert_eq!(shards(&run), "");
        run.shards = (1..=30).map(|n| shard(n, if n == 17 { 90.0 } else { 5.0 }, n != 29)).collect();
        let text = shards(&run);
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[1].starts_with("29 of 30") && lines[1].ends_with("INVALID"), "{text}");
        assert!(lines[2].starts_with("17 of 30") && text.contains("and 20 shards more"), "{text}");
        run.shards.truncate(3);
        for (number, one) in run.shards.iter_mut().enumerate() {
            one.shard.machine = format!("generator-{number}.example");
        }
        assert!(shards(&run).contains("\n2 generator-") && shards(&run).lines().all(|line| line.len() == 75));
        assert_eq!(shards(&run).lines().count(), 4);
    }
}
