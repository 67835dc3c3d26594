//! The processes that a command of a user's has started, as far as they have stayed in its process group: they are told to end together,
//! and none of them outlives it.

use crate::pace;
use rustix::process::{Pid, Signal, kill_process_group};
use std::fs;
use std::time::Duration;

/// Between two looks whether any is left.
const LOOK: Duration = Duration::from_millis(5);

/// See the module. What is left of it when this is dropped is killed.
#[derive(Debug)]
pub(super) struct Group(Option<Pid>);

impl Group {
    /// That of the process `id`, which leads it.
    pub(super) fn led_by(id: Option<u32>) -> Self {
        Self(id.and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw))
    }

    /// Tells all of them.
    pub(super) fn tell(&self, signal: Signal) {
        // There may be none any more.
        let _ = self.0.map(|group| kill_process_group(group, signal));
    }

    /// Waits until none is left, which is not waited for any longer than this; whoever is left then is killed.
    pub(super) async fn end(mut self, limit: Duration) {
        let gone = async {
            while self.lives() {
                pace::pause(LOOK).await;
            }
        };
        if pace::within(limit, gone).await.is_some() {
            self.0 = None;
        }
    }

    /// Whether any of its processes runs: one that has ended, and that nobody has asked about yet, does not.
    fn lives(&self) -> bool {
        let Some(group) = self.0 else { return false };
        let own = group.as_raw_nonzero().get().to_string();
        let all = fs::read_dir("/proc").into_iter().flatten().flatten();
        let stats = all
            .filter(|entry| entry.file_name().to_string_lossy().bytes().all(|byte| byte.is_ascii_digit()))
            .filter_map(|entry| fs::read_to_string(entry.path().join("stat")).ok());
        stats.into_iter().any(|stat| is_of(&stat, &own))
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.tell(Signal::KILL);
    }
}

/// Whether a line of proc_pid_stat(5) is of a process of `group` that has not ended. The name in it may have anything in it.
fn is_of(stat: &str, group: &str) -> bool {
    let mut fields = stat.rsplit_once(") ").map_or("", |(_, rest)| rest).split_ascii_whitespace();
    let state = fields.next().unwrap_or("X");
    fields.nth(1) == Some(group) && !["Z", "X"].contains(&state)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_of_its_group_until_it_has_ended() {
        for (stat, want) in [
            ("7 (sh) S 1 7 7 0 -1", true),
            ("8 (a) b) R 7 7 7 0 -1", true),
            ("7 (sh) Z 1 7 7 0 -1", false),
            ("9 (7) S 7 9 7 0 -1", false),
            ("", false),
        ] {
            assert_eq!(is_of(stat, "7"), want, "{stat}");
        }
    }
}
