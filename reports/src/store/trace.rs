//! The directory of a traced request: `trace.json`, from whose requests the parts that are drawn follow again.

use super::kept::{Kept, changed, fields};
use crate::analyse::credible;
use crate::analyse::waterfall::{conclude, contradiction};
use crate::trace::{TRACE_SCHEMA, Trace};

/// The record of a traced request, as `loadgen.trace/1`.
pub const TRACE_FILE: &str = "trace.json";

impl Kept for Trace {
    const FILES: &'static [(&'static str, &'static str)] = &[(TRACE_SCHEMA, TRACE_FILE)];

    fields!();

    fn check(&self) -> Result<(), String> {
        changed(credible::of_trace(self).or_else(|| contradiction(self)))
    }

    fn conclude(&mut self) -> Result<(), String> {
        conclude(self);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::{keep, kept};
    use super::*;
    use crate::fixture;

    #[test]
    fn a_traced_request_follows_from_what_was_measured() {
        let dir = tempfile::tempdir().unwrap();
        for trace in [fixture::trace::home(), fixture::trace::contradictory(), fixture::trace::unanswered()] {
            keep(dir.path(), &trace).unwrap();
            assert_eq!(kept::<Trace>(dir.path(), TRACE_FILE).unwrap(), trace);
        }
        let changed = |change: fn(&mut Trace)| {
            let mut trace = fixture::trace::home();
            change(&mut trace);
            keep(dir.path(), &trace).unwrap();
            kept::<Trace>(dir.path(), TRACE_FILE).unwrap_err()
        };
        assert!(changed(|trace| trace.requests[2].wait_ms += 0.5).contains("it was changed"));
        assert!(changed(|trace| trace.parts[4].took_ms += 0.5).contains("it was changed"));
        assert!(changed(|trace| trace.requests[2].server_timing.clear()).contains("it was changed"));
        assert!(changed(|trace| trace.requests[1].status = Some(0)).contains("no status"));
        assert!(
            changed(|trace| trace.partial = true).contains("it was changed"),
            "a partial one is not valid"
        );
        assert!(changed(|trace| trace.schema.clear()).contains("is not loadgen.trace/1"));
    }
}
