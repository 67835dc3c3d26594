//! The loads of a search as tables: what was offered and what came of it, and what the tiers said of themselves meanwhile.
//! From the loads to tables that can be sorted by every column.

use super::table::{Cell, Table, Tone};
use crate::ceiling::Step;
use crate::number::{counted, exact_rate};

/// What each load came to.
pub(super) fn outcomes(steps: &[Step]) -> Table {
    Table {
        id: "steps",
        caption: format!("{}, in the order of time until sorted", counted(steps.len() as u64, "load")),
        columns: vec![
            ("Offered", "requests/s"),
            ("Phase", ""),
            ("Goodput", "requests/s"),
            ("p50", "ms"),
            ("p90", "ms"),
            ("p99", "ms"),
            ("p99.9", "ms"),
            ("Errors", ""),
            ("In flight", ""),
            ("Passed", ""),
            ("Valid", ""),
            ("Stationary", ""),
            ("Start", "s"),
            ("Notes", ""),
        ],
        rows: steps.iter().map(outcome).collect(),
        sortable: true,
    }
}

fn outcome(step: &Step) -> Vec<Cell> {
    let good = |yes: bool| if yes { Tone::Good } else { Tone::Bad };
    vec![
        Cell::rate(step.offered_rps),
        Cell::text(&step.phase.to_string()),
        Cell::rate(step.ok_rps),
        Cell::plain_ms(step.p50_ms),
        Cell::plain_ms(step.p90_ms),
        Cell::plain_ms(step.p99_ms),
        Cell::plain_ms(step.p999_ms),
        Cell::count(step.errors),
        Cell::number(Some(step.in_flight)),
        Cell::Flag(step.passed, good(step.passed)),
        Cell::Flag(step.valid, good(step.valid)),
        Cell::Flag(step.stationary, Tone::Plain),
        Cell::Number(format!("{:.1}", step.start_s), Some(step.start_s)),
        Cell::Text(step.reasons.join("; ")),
    ]
}

/// What the tiers and the machine said of themselves during each load.
pub(super) fn observed(steps: &[Step]) -> Table {
    let row = |step: &Step, whose: &str, (name, value): (&String, &f64)| {
        vec![
            Cell::Number(exact_rate(step.offered_rps), Some(step.offered_rps)),
            Cell::text(&step.phase.to_string()),
            Cell::text(whose),
            Cell::text(name),
            Cell::number(Some(*value)),
        ]
    };
    let rows = steps.iter().flat_map(|step| {
        let tiers = step.observed.iter();
        let tiers = tiers.flat_map(move |(tier, metrics)| metrics.iter().map(move |m| row(step, tier, m)));
        tiers.chain(step.machine.iter().map(move |metric| row(step, "machine", metric)))
    });
    Table {
        id: "observed",
        caption: "What the target's tiers and the machine said of themselves: means over each load".into(),
        columns: vec![("Offered", "requests/s"), ("Phase", ""), ("Tier", ""), ("Metric", ""), ("Value", "")],
        rows: rows.collect(),
        sortable: true,
    }
}
