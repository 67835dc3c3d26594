//! The generator alone: what it can do, and how late it is, when the target costs nothing. From CPUs to two short loads.

use crate::experiment::null_target::NullTarget;
use crate::failure::Outcome;
use crate::load::{self, Site};
use crate::signals::Signals;
use reports::ceiling::SelfCheck;

/// Lengths and rate of the generator's check of itself.
const CLOSED: &str = "--duration 800ms --warmup 200ms --connections 64";
const FLOOR: &str = "--duration 1s --rps 500";

/// The check, with sending threads on `cpus` and the target on `target_cpus`; `None` when it was asked to end.
///
/// # Errors
/// The host's fault: threads that cannot be started.
pub(crate) async fn self_check(
    cpus: &[usize],
    target_cpus: &[usize],
    signals: &mut Signals,
) -> Outcome<Option<SelfCheck>> {
    let target = NullTarget::start(target_cpus)?;
    let site = Site {
        addresses: target.addresses.clone(),
        what: "nothing, answered at once",
        target_cpus: target_cpus.to_vec(),
        cpus: cpus.to_vec(),
        not_ours: target.threads.clone(),
    };
    let closed = load::once(CLOSED, &site, signals).await?;
    let floor = load::once(FLOOR, &site, signals).await?;
    if closed.partial || floor.partial {
        return Ok(None);
    }
    Ok(Some(SelfCheck {
        closed_rps: closed.rps.ok,
        floor_p50_ms: floor.response_ms.p50,
        floor_p99_ms: floor.response_ms.p99,
        send_lag_p99_ms: floor.send_lag_ms.p99,
    }))
}
