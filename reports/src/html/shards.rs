//! The machines of a merged load as a table of the report.

use super::table::{Cell, Table, Tone};
use crate::record::{Run, ShardResult};

/// A row for each shard.
pub(super) fn table(run: &Run) -> Table {
    let row = |one: &ShardResult| {
        vec![
            Cell::count(u64::from(one.shard.index)),
            Cell::Flag(one.verdict.valid, if one.verdict.valid { Tone::Good } else { Tone::Bad }),
            Cell::text(&one.shard.machine),
            Cell::count(one.host.cpus as u64),
            Cell::count(one.planned),
            Cell::count(one.ok),
            Cell::count(one.errors.saturating_add(one.dropped)),
            Cell::number(one.response_ms.p50),
            Cell::number(one.response_ms.p99),
            Cell::number(one.response_ms.max),
            Cell::number(one.send_lag_ms.p99),
            Cell::share(Some(one.cpu_share_max)),
            Cell::number(one.shard.clock.error_ms),
            Cell::text(&one.dir),
        ]
    };
    Table {
        id: "shards",
        caption: "What each machine sent, and what it saw".into(),
        columns: vec![
            ("Shard", ""),
            ("Valid", ""),
            ("Machine", ""),
            ("CPUs", ""),
            ("Planned", "requests"),
            ("Answered", "correctly"),
            ("Failed", "requests"),
            ("Median", "ms"),
            ("p99", "ms"),
            ("Slowest", "ms"),
            ("Send lag", "p99, ms"),
            ("Busiest thread", "share of a CPU"),
            ("Clock", "off by at most, ms"),
            ("Record", ""),
        ],
        rows: run.shards.iter().map(row).collect(),
        sortable: true,
    }
}
