//! What the kernel lets this process have: CPUs, file descriptors and addresses; and what the host takes away from it.

use crate::failure::{Failure, Outcome};
use rustix::process::{Resource, Rlimit};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use std::fs;
use std::net::{IpAddr, UdpSocket};
use std::time::Duration;

/// A list of CPUs, as an option has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cpus(pub(crate) Vec<usize>);

/// Reads a list of CPUs as taskset does: `0`, `0,2`, `0-3,6`.
pub(crate) fn parse_cpus(text: &str) -> Result<Cpus, String> {
    let wrong = || format!("`{text}` is no list of CPUs; write it such as 0,2-3");
    let number =
        |part: &str| part.trim().parse::<usize>().ok().filter(|&cpu| cpu < CpuSet::MAX_CPU).ok_or_else(wrong);
    let mut cpus = Vec::new();
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (number(first)?, number(last)?);
        if first > last {
            return Err(wrong());
        }
        cpus.extend(first..=last);
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

/// Whether this process may use all of `cpus`, as `--cpus` has them.
///
/// # Errors
/// Wrong use: it may not.
pub(crate) fn check_cpus(cpus: &[usize]) -> Outcome {
    let allowed = allowed_cpus();
    match cpus.iter().find(|cpu| !allowed.contains(cpu)) {
        None => Ok(()),
        Some(cpu) => {
            Err(Failure::usage(format!("--cpus: this process may not use CPU {cpu}, only {allowed:?}")))
        }
    }
}

/// The generator's CPUs beside a target on the same machine: the last quarter of the allowed ones, at least one. The
/// target gets the others; with one CPU in all, both get it.
pub(crate) fn share_with_target(allowed: &[usize]) -> (Vec<usize>, Vec<usize>) {
    let generator = (allowed.len() / 4).max(1);
    let target = allowed.len().saturating_sub(generator);
    let first = allowed[..target.max(1).min(allowed.len())].to_vec();
    (allowed[target..].to_vec(), first)
}

/// Pins this thread, and all that it starts from now on, to `cpus`.
///
/// # Errors
/// When this process may not use them.
pub(crate) fn pin(cpus: &[usize]) -> Outcome {
    let mut set = CpuSet::new();
    for &cpu in cpus {
        set.set(cpu);
    }
    sched_setaffinity(None, &set).map_err(|e| Failure::usage(format!("cannot use CPUs {cpus:?}: {e}")))
}

/// Makes sure that connections can come from these addresses.
///
/// # Errors
/// Wrong use: one of them is not this machine's.
pub(crate) fn check_own_addresses(addresses: &[IpAddr]) -> Outcome {
    let foreign = addresses.iter().find_map(|ip| Some((ip, UdpSocket::bind((*ip, 0)).err()?)));
    foreign.map_or(Ok(()), |(ip, e)| {
        Err(Failure::usage(format!("--source-ip {ip}: not an address of this machine: {e}")))
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

/// CPU time by kind since boot, of some CPUs, in ticks (proc_stat(5)).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct HostTicks {
    /// All of it.
    pub(crate) all: u64,
    /// What went into work: neither idle, nor waiting for disks, nor taken away.
    pub(crate) busy: u64,
    /// What the hypervisor took.
    pub(crate) stolen: u64,
}

impl HostTicks {
    /// As of now; zero where /proc is not there.
    pub(crate) fn of(cpus: &[usize]) -> Self {
        let Ok(stat) = fs::read_to_string("/proc/stat") else { return Self::default() };
        Self::parse(&stat, |cpu| cpus.contains(&cpu))
    }

    /// Those of all CPUs of the machine, and of two sets of them, at the same instant; of no CPU there are none.
    pub(crate) fn of_machine([first, second]: [&[usize]; 2]) -> [Option<Self>; 3] {
        let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
        let of =
            |counts: &dyn Fn(usize) -> bool| Some(Self::parse(&stat, counts)).filter(|ticks| ticks.all > 0);
        [of(&|_| true), of(&|cpu| first.contains(&cpu)), of(&|cpu| second.contains(&cpu))]
    }

    fn parse(stat: &str, counts: impl Fn(usize) -> bool) -> Self {
        let mut sum = Self::default();
        for line in stat.lines() {
            let mut words = line.split_ascii_whitespace();
            let cpu = words.next().and_then(|name| name.strip_prefix("cpu")).and_then(|n| n.parse().ok());
            if cpu.is_some_and(&counts) {
                // user nice system idle iowait irq softirq steal; guest time is in user already.
                let mut ticks = [0; 8];
                ticks.iter_mut().zip(words).for_each(|(ticks, word)| *ticks = word.parse().unwrap_or(0));
                let all: u64 = ticks.iter().sum();
                sum.all += all;
                sum.stolen += ticks[7];
                sum.busy += all - ticks[3] - ticks[4] - ticks[7];
            }
        }
        sum
    }

    /// The share of the time since `before`, 0 to 1, in which the hypervisor ran something else.
    pub(crate) fn stolen_since(&self, before: &Self) -> f64 {
        let all = self.all.saturating_sub(before.all);
        if all == 0 { 0.0 } else { self.stolen.saturating_sub(before.stolen) as f64 / all as f64 }
    }
}

/// How long the calling thread has been ready to run while something else had its CPU, in nanoseconds since it began
/// (the second field of schedstat, Documentation/scheduler/sched-stats.rst); zero where the kernel does not say.
pub(crate) fn waited_for_cpu() -> u64 {
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    text.split_ascii_whitespace().nth(1).and_then(|ns| ns.parse().ok()).unwrap_or(0)
}

/// CPU time that some threads of this process have used (the first field of schedstat); zero where the kernel does not
/// say. Of a thread that runs at the moment, it may lack what the thread used since the last tick.
pub(crate) fn cpu_of_threads(threads: &[i32]) -> Duration {
    let used = |thread: &i32| {
        let text = fs::read_to_string(format!("/proc/self/task/{thread}/schedstat")).ok()?;
        text.split_ascii_whitespace().next()?.parse::<u64>().ok()
    };
    Duration::from_nanos(threads.iter().filter_map(used).sum())
}

/// The most resident memory that this process has had, in bytes (VmHWM of proc_pid_status(5)).
pub(crate) fn max_rss_bytes() -> u64 {
    status_field("VmHWM:").unwrap_or(0) * 1024
}

fn status_field(name: &str) -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    status.lines().find_map(|line| line.strip_prefix(name))?.split_ascii_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_lists() {
        for (text, want) in [("0", vec![0]), ("3,1", vec![1, 3]), ("0-2,2", vec![0, 1, 2])] {
            assert_eq!(parse_cpus(text), Ok(Cpus(want)), "{text}");
        }
        for text in ["", "x", "2-1", "1,,2", "-1", "99999"] {
            assert!(parse_cpus(text).is_err(), "{text}");
        }
    }

    #[test]
    fn addresses_of_others_are_refused() {
        assert!(check_own_addresses(&["127.0.0.7".parse().unwrap()]).is_ok());
        let refused = check_own_addresses(&["192.0.2.1".parse().unwrap()]).unwrap_err();
        assert!(refused.message.contains("192.0.2.1"), "{refused:?}");
    }

    #[test]
    fn the_generator_has_the_last_quarter() {
        assert_eq!(share_with_target(&[3]), (vec![3], vec![3]));
        assert_eq!(share_with_target(&[0, 1]), (vec![1], vec![0]));
        assert_eq!(share_with_target(&[0, 1, 4, 5, 6, 7, 8, 9]), (vec![8, 9], vec![0, 1, 4, 5, 6, 7]));
    }

    #[test]
    fn threads_are_told_apart_by_their_cpu_time() {
        let own = rustix::thread::gettid().as_raw_nonzero().get();
        let before = cpu_of_threads(&[own]);
        let stated =
            fs::read_to_string("/proc/thread-self/schedstat").is_ok_and(|text| !text.starts_with("0 "));
        let mut sum = 0u64;
        // Work until the kernel has seen some of it, unless it does not look at all.
        while stated && cpu_of_threads(&[own]) == before {
            sum = sum.wrapping_mul(31).wrapping_add(1);
        }
        assert!(cpu_of_threads(&[own]) > before || !stated, "{sum}");
        assert_eq!(cpu_of_threads(&[]), Duration::ZERO);
        assert_eq!(cpu_of_threads(&[i32::MAX]), Duration::ZERO);
    }

    #[test]
    fn stolen_time_is_read_from_proc_stat() {
        let before =
            HostTicks::parse("cpu  9 9\ncpu0 10 0 0 80 0 0 0 10 0 0\ncpu1 1 1 1 1 1 1 1 1\n", |cpu| cpu == 0);
        let after = HostTicks::parse("cpu0 20 0 0 150 0 0 0 30 5 0\n", |cpu| cpu == 0);
        assert_eq!(before, HostTicks { all: 100, busy: 10, stolen: 10 });
        assert_eq!(HostTicks::parse("cpu 9\ncpu1 1 1 1 1 1 1 1 1 9\n", |_| true).busy, 5);
        assert!((after.stolen_since(&before) - 0.2).abs() < 1e-9);
        assert!(after.stolen_since(&after).abs() < 1e-9);
    }
}
