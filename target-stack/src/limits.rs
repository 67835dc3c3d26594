//! What the kernel lets a process have: CPUs, file descriptors, a life no longer than its parent's.

use crate::failure::{Failure, Outcome};
use rustix::process::{Resource, Rlimit, Signal};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// A list of CPUs, as an option has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cpus(pub(crate) Vec<usize>);

/// Reads a list of CPUs as taskset and nginx users write it: `0`, `0,2`, `0-3,6`.
pub(crate) fn parse_cpus(text: &str) -> Result<Cpus, String> {
    let number = |part: &str| {
        part.trim()
            .parse::<usize>()
            .ok()
            .filter(|&cpu| cpu < CpuSet::MAX_CPU)
            .ok_or_else(|| format!("`{part}` is no CPU number; write a list such as 0,2-3"))
    };
    let mut cpus = Vec::new();
    for part in text.split(',') {
        match part.split_once('-') {
            Some((first, last)) => {
                let (first, last) = (number(first)?, number(last)?);
                if first > last {
                    return Err(format!("`{part}` runs backwards"));
                }
                cpus.extend(first..=last);
            }
            None => cpus.push(number(part)?),
        }
    }
    cpus.sort_unstable();
    cpus.dedup();
    Ok(Cpus(cpus))
}

/// The CPUs that this process may use.
pub(crate) fn allowed_cpus() -> Vec<usize> {
    let Ok(set) = sched_getaffinity(None) else { return vec![0] };
    (0..CpuSet::MAX_CPU).filter(|&cpu| set.is_set(cpu)).collect()
}

/// The CPUs that a target takes when none are asked for: all but the last quarter (at least one), which is left
/// to the generator. With one CPU in all there is nothing to share out.
pub(crate) fn default_target_cpus(allowed: &[usize]) -> Vec<usize> {
    let generator = (allowed.len() / 4).max(1);
    allowed[..allowed.len().saturating_sub(generator).max(1)].to_vec()
}

/// Pins this thread, and all that it starts from now on, to `cpus`.
///
/// # Errors
/// When the kernel knows none of them, or this process may use none of them.
pub(crate) fn pin(cpus: &[usize]) -> Outcome {
    let mut set = CpuSet::new();
    for &cpu in cpus {
        set.set(cpu);
    }
    sched_setaffinity(None, &set).map_err(|e| {
        Failure::usage(format!("cannot use CPUs {cpus:?}: {e}; this process may use {:?}", allowed_cpus()))
    })
}

/// Raises the limit of open file descriptors to the hard one, and gives what it then is. Makes room for `room` of
/// them at once, while this process has one thread: later, each time the kernel's table of them grows, every thread that
/// opens one waits for all CPUs to pass a quiescent state (expand_files in fs/file.c), in the middle of a load.
pub(crate) fn raise_descriptors(room: u64) -> u64 {
    let limit = rustix::process::getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    let done = rustix::process::setrlimit(Resource::Nofile, raised).is_ok();
    let limit = if done { limit.maximum } else { limit.current }.unwrap_or(u64::MAX);
    let highest = i32::try_from(limit.min(room)).unwrap_or(i32::MAX) - 1;
    // The highest one is closed again at once; the table stays. Without standard error there is less room, that is all.
    drop(rustix::io::fcntl_dupfd_cloexec(std::io::stderr(), highest));
    limit
}

/// Limits the open file descriptors of this process to `most`, or to as many as it can have. Those that are open stay open.
///
/// # Errors
/// When the process may not have so many.
pub(crate) fn limit_descriptors(most: Option<u64>) -> std::io::Result<()> {
    let Rlimit { current, maximum } = rustix::process::getrlimit(Resource::Nofile);
    let wanted = most.or(maximum);
    if wanted == current {
        return Ok(());
    }
    // The hard limit stays where it can, so that a later configuration can have more.
    let maximum = maximum.zip(wanted).map(|(maximum, wanted)| maximum.max(wanted));
    Ok(rustix::process::setrlimit(Resource::Nofile, Rlimit { current: wanted, maximum })?)
}

/// How many file descriptors this process may have.
pub(crate) fn descriptors() -> u64 {
    rustix::process::getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

/// From now on this process gets `signal` when the process that started it dies. If it is already gone, the
/// caller must end: `expected_parent` is the pid that the starter gave of itself.
pub(crate) fn die_with_parent(signal: Signal, expected_parent: u32) -> Outcome {
    rustix::process::set_parent_process_death_signal(Some(signal))
        .map_err(|e| Failure::start(format!("cannot follow the parent process: {e}")))?;
    let parent = rustix::process::getppid().map_or(0, |pid| pid.as_raw_pid());
    if u32::try_from(parent) == Ok(expected_parent) {
        Ok(())
    } else {
        Err(Failure::start("the process that started this one has gone"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_lists_read_as_taskset_reads_them() {
        for (text, want) in [("0", vec![0]), ("3,1", vec![1, 3]), ("0-2,2", vec![0, 1, 2])] {
            assert_eq!(parse_cpus(text), Ok(Cpus(want)), "{text}");
        }
        for text in ["", "x", "2-1", "1,,2", "-1", "99999"] {
            assert!(parse_cpus(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_generator_keeps_the_last_quarter() {
        assert_eq!(default_target_cpus(&[0]), [0]);
        assert_eq!(default_target_cpus(&[0, 1]), [0]);
        assert_eq!(default_target_cpus(&[0, 1, 2, 3]), [0, 1, 2]);
        assert_eq!(default_target_cpus(&(0..8).collect::<Vec<_>>()), (0..6).collect::<Vec<_>>());
    }
}
