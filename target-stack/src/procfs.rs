//! What /proc says of processes. Given a pid, it reads proc_pid_stat(5) and its neighbours when it is asked; of a process
//! that is gone it gives nothing.

/// What of a process's stat is of use here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stat {
    state: char,
    /// User and system time of its own, in ticks.
    own: u64,
    /// That of its children which it has waited for.
    waited_for: u64,
}

/// The processes whose parent is `pid`, which has one thread that starts some.
pub(crate) fn children(pid: u32) -> Vec<u32> {
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    children.split_ascii_whitespace().filter_map(|pid| pid.parse().ok()).collect()
}

/// Whether it runs; one that has ended and was not waited for does not.
pub(crate) fn runs(pid: u32) -> bool {
    stat(pid).is_some_and(|stat| !matches!(stat.state, 'Z' | 'X'))
}

/// What it calls itself: its command line, or what it has put in its place.
pub(crate) fn title(pid: u32) -> String {
    let words = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&words).replace('\0', " ")
}

/// Its CPU time, in seconds, by ticks of a hundredth of one.
pub(crate) fn cpu_seconds(pid: u32) -> Option<f64> {
    stat(pid).map(|stat| seconds(stat.own))
}

/// The same of its children that have ended.
pub(crate) fn past_childrens_cpu_seconds(pid: u32) -> Option<f64> {
    stat(pid).map(|stat| seconds(stat.waited_for))
}

/// Its resident memory.
pub(crate) fn resident_bytes(pid: u32) -> Option<i64> {
    let statm = std::fs::read_to_string(format!("/proc/{pid}/statm")).ok()?;
    let pages = statm.split_ascii_whitespace().nth(1)?.parse::<i64>().ok()?;
    Some(pages * i64::try_from(rustix::param::page_size()).ok()?)
}

/// Whether this process was told to ignore the signal of this number (proc_pid_status(5), `SigIgn`).
pub(crate) fn ignores(signal: i32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask =
        status.lines().find_map(|line| u64::from_str_radix(line.strip_prefix("SigIgn:")?.trim(), 16).ok());
    mask.unwrap_or_default() >> (signal - 1) & 1 == 1
}

fn seconds(ticks: u64) -> f64 {
    ticks as f64 / rustix::param::clock_ticks_per_second() as f64
}

fn stat(pid: u32) -> Option<Stat> {
    parse(&std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

fn parse(stat: &str) -> Option<Stat> {
    // The command, field 2, may hold spaces and brackets; what follows begins with field 3, the state.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_ascii_whitespace().collect();
    let ticks = |field: usize| fields.get(field - 3)?.parse::<u64>().ok();
    Some(Stat {
        state: fields.first()?.chars().next()?,
        own: ticks(14)? + ticks(15)?,
        waited_for: ticks(16)? + ticks(17)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stat_is_read_past_any_name() {
        let rest = "1 10 10 0 -1 4194304 95 0 0 0 7 3 20 5 20 0 1 0 12 2486272 228";
        for name in ["cat", "a b", "a) R 1 (b", ")"] {
            let want = Stat { state: 'S', own: 10, waited_for: 25 };
            assert_eq!(parse(&format!("10 ({name}) S {rest}")), Some(want), "{name}");
        }
        for text in ["", "10 (cat", "10 (cat) S", "10 (cat) S 1 10 10 0 -1 4 95 0 0 0 x 3 20 5"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn this_process_runs_and_nobody_has_the_last_pid() {
        let own = std::process::id();
        assert!(runs(own) && cpu_seconds(own).is_some() && resident_bytes(own) > Some(0));
        assert!(!runs(u32::MAX) && cpu_seconds(u32::MAX).is_none() && children(u32::MAX).is_empty());
    }

    #[test]
    fn a_signal_that_is_ignored_is_seen() {
        // Rust's own programs ignore SIGPIPE, and nothing else.
        assert!(
            ignores(rustix::process::Signal::PIPE.as_raw())
                && !ignores(rustix::process::Signal::TERM.as_raw())
        );
    }

    #[test]
    fn a_child_is_one_until_it_was_waited_for() {
        // Of the thread that started it, which is not the main one in a test: so it is asked of a process with one thread.
        // A shell gives what it leaves in the background no input unless it is told to.
        let mut child = std::process::Command::new("sh")
            .args(["-c", "exec 3<&0; cat <&3 & echo $!; wait"])
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .expect("a shell");
        let mut line = String::new();
        let out = child.stdout.take().expect("its output");
        std::io::BufRead::read_line(&mut std::io::BufReader::new(out), &mut line).expect("a line");
        let grandchild: u32 = line.trim().parse().expect("a pid");
        assert_eq!(children(child.id()), [grandchild]);
        drop(child.stdin.take());
        child.kill().expect("a signal");
        // Ended and not waited for.
        while runs(child.id()) {}
        assert!(stat(child.id()).is_some_and(|stat| stat.state == 'Z'));
        child.wait().expect("its end");
        assert_eq!(stat(child.id()), None);
    }
}
