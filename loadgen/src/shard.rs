//! A machine's share of a load that several send together, and its beginning. The schedule is cut by arithmetic: shard i of n sends every
//! n-th request, and no machine has to know of another. Nobody coordinates them: all begin at an instant that was agreed on, each by its own
//! clock, and each says what it knows of that clock.

use crate::failure::{Exit, Failure, Outcome};
use crate::pace;
use crate::signals::Signals;
use jiff::Timestamp;
use reports::number::seconds;
use reports::record::Clock;
use std::process::Stdio;
use std::time::{Duration, Instant};
use tokio::io::AsyncReadExt;
use tokio::process::Command;

/// Of so many shards at most; each is a directory for whoever merges them.
const MOST: u32 = 100_000;
/// An instant that lies further ahead is a mistake.
const FURTHEST: Duration = Duration::from_secs(24 * 3600);
/// Whoever keeps the clock is waited for so long.
const ASKED: Duration = Duration::from_secs(2);
/// So long before the beginning nothing but the threads is missing.
const READY: Duration = Duration::from_secs(1);
/// The threads are started so long before the beginning.
const AHEAD: Duration = Duration::from_millis(250);
/// So late a beginning is late: shards that begin further apart are no one load.
const LATE: Duration = Duration::from_millis(5);

/// `--shard`, read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Share {
    /// Which, from 0.
    pub(crate) index: u32,
    /// Of how many.
    pub(crate) of: u32,
}

impl Share {
    /// All of it.
    pub(crate) const WHOLE: Self = Self { index: 0, of: 1 };

    /// Reads `I/N`, of which the first is 1.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}`: write it as I/N, such as 1/3 for the first of three");
        let (index, of) = text.split_once('/').ok_or_else(wrong)?;
        let [index, of] = [index, of].map(|number| number.parse::<u32>().map_err(|_| wrong()));
        let (index, of) = (index?, of?);
        if of == 0 || of > MOST {
            return Err(format!("`{text}`: there are 1 to {MOST} shards"));
        }
        if !(1..=of).contains(&index) {
            return Err(format!("`{text}`: of {of} shards the first is 1/{of} and the last {of}/{of}"));
        }
        Ok(Self { index: index - 1, of })
    }

    /// The share of a thread, the `n`-th of `threads` on this machine: its number among all threads of all machines, and how many those
    /// are.
    pub(crate) fn of_thread(self, n: usize, threads: usize) -> (usize, usize) {
        (self.index as usize + n * self.of as usize, threads * self.of as usize)
    }
}

/// Reads an instant.
pub(crate) fn instant(text: &str) -> Result<Timestamp, String> {
    text.parse().map_err(|_| format!("`{text}`: write it as RFC 3339, such as 2026-01-31T12:00:00Z"))
}

/// How long it is until `at`.
///
/// # Errors
/// The machine's fault: it has passed; wrong use: it is too far ahead.
pub(crate) fn until(at: Timestamp) -> Outcome<Duration> {
    let left = at.as_nanosecond() - i128::try_from(pace::wall_clock().as_nanos()).unwrap_or(i128::MAX);
    let ns = |left: i128| Duration::from_nanos(u64::try_from(left.unsigned_abs()).unwrap_or(u64::MAX));
    if left < 0 {
        let late = seconds(ns(left).as_secs_f64());
        let message =
            format!("--start-at: {at} was {late} ago: a shard that begins late is none of the load");
        return Err(Failure { exit: Exit::Invalid, message });
    }
    if ns(left) > FURTHEST {
        return Err(Failure::usage(format!("--start-at: {at} is more than a day ahead")));
    }
    Ok(ns(left))
}

/// Waits until it is time to make ready for a load that is to begin at `at`; `false` when it was asked to end before.
///
/// # Errors
/// See [`until`].
pub(crate) async fn approach(at: Timestamp, signals: &mut Signals) -> Outcome<bool> {
    Ok(wait_for(at, READY, signals).await?.is_some())
}

/// Waits until it is time to start the threads; the instant at which the load is to begin. `None` when it was asked to end before.
///
/// # Errors
/// See [`until`].
pub(crate) async fn wait(at: Timestamp, signals: &mut Signals) -> Outcome<Option<Instant>> {
    wait_for(at, AHEAD, signals).await
}

async fn wait_for(at: Timestamp, ahead: Duration, signals: &mut Signals) -> Outcome<Option<Instant>> {
    loop {
        let left = until(at)?;
        if left <= ahead {
            return Ok(Some(pace::now() + left));
        }
        // In parts, so that a clock that is set meanwhile is not believed for longer than that.
        let part = (left - ahead).min(Duration::from_secs(10));
        tokio::select! {
            () = pace::pause(part) => {}
            () = signals.asked() => return Ok(None),
        }
    }
}

/// Whether what began at `began` (since 1970) was late for `at`.
pub(crate) fn is_late(at: Timestamp, began: Duration) -> bool {
    let began = i128::try_from(began.as_nanos()).unwrap_or(i128::MAX);
    began - at.as_nanosecond() > i128::try_from(LATE.as_nanos()).unwrap_or(0)
}

/// What is known of this machine's clock, of whoever says it within the limit.
pub(crate) async fn clock() -> Clock {
    let unknown = || Clock { source: String::from("unknown"), ..Clock::default() };
    pace::within(ASKED, asked()).await.flatten().unwrap_or_else(unknown)
}

async fn asked() -> Option<Clock> {
    /// A program, its words, and how what it says is read.
    type Source = (&'static str, &'static [&'static str], fn(&str) -> Option<Clock>);
    const SOURCES: [Source; 4] = [
        ("chronyc", &["-c", "-n", "tracking"], of_chrony),
        ("timedatectl", &["show", "--property=NTPSynchronized"], of_systemd),
        ("adjtimex", &["--print"], of_the_kernel),
        ("busybox", &["adjtimex"], of_the_kernel),
    ];
    for (program, words, read) in SOURCES {
        if let Some(clock) = said(program, words).await.and_then(|text| read(&text)) {
            return Some(clock);
        }
    }
    None
}

/// What a program says when it ends well, as far as it is of use; it is ended where nobody waits for it any more.
async fn said(program: &str, words: &[&str]) -> Option<String> {
    const MOST: u64 = 1 << 16;
    let mut command = Command::new(program);
    command.args(words).env("LC_ALL", "C").kill_on_drop(true);
    let mut child = command.stdin(Stdio::null()).stderr(Stdio::null()).stdout(Stdio::piped()).spawn().ok()?;
    let mut text = Vec::new();
    child.stdout.take()?.take(MOST).read_to_end(&mut text).await.ok()?;
    child.wait().await.ok().filter(std::process::ExitStatus::success)?;
    String::from_utf8(text).ok()
}

/// From `chronyc -c tracking`: reference, name, stratum, time, system time's offset, last and RMS offset, frequency, residual, skew, root
/// delay, root dispersion, update interval, leap status; times in seconds. That offset is the correction that is due: positive where the
/// clock is slow.
fn of_chrony(text: &str) -> Option<Clock> {
    let fields: Vec<&str> = text.trim().split(',').collect();
    let number = |n: usize| fields.get(n)?.parse::<f64>().ok().filter(|value| value.is_finite());
    let (offset_s, delay_s, dispersion_s) = (number(4)?, number(10)?, number(11)?);
    let synchronised = fields.get(13).map(|leap| *leap != "Not synchronised");
    Some(Clock {
        source: String::from("chrony"),
        synchronised,
        offset_ms: Some(-offset_s * 1e3),
        error_ms: Some((offset_s.abs() + delay_s / 2.0 + dispersion_s) * 1e3),
    })
}

fn of_systemd(text: &str) -> Option<Clock> {
    let said = text.trim().strip_prefix("NTPSynchronized=")?;
    Some(Clock { source: String::from("timedatectl"), synchronised: Some(said == "yes"), ..Clock::default() })
}

/// What the kernel was told by whoever disciplines it, which a container sees too (adjtimex(2)). The largest error that it gives grows by half a
/// millisecond each second until it is told again, and says nothing.
fn of_the_kernel(text: &str) -> Option<Clock> {
    const UNSYNCHRONISED: u64 = 0x40;
    let status = text.lines().find_map(|line| line.trim().strip_prefix("status:"))?;
    let status: u64 = status.split_whitespace().next()?.parse().ok()?;
    let synchronised = Some(status & UNSYNCHRONISED == 0);
    Some(Clock { source: String::from("kernel"), synchronised, ..Clock::default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_one_of_so_many() {
        assert_eq!(Share::parse("1/1"), Ok(Share::WHOLE));
        assert_eq!(Share::parse("3/3"), Ok(Share { index: 2, of: 3 }));
        for (text, part) in [
            ("0/3", "the first is 1/3"),
            ("4/3", "the last 3/3"),
            ("1/0", "1 to 100000 shards"),
            ("1/100001", "1 to 100000 shards"),
            ("1", "I/N"),
            ("a/3", "I/N"),
            ("-1/3", "I/N"),
            ("1/3/5", "I/N"),
            ("", "I/N"),
        ] {
            let said = Share::parse(text).unwrap_err();
            assert!(said.contains(part), "{text}: {said}");
        }
    }

    #[test]
    fn the_threads_of_all_machines_have_each_share_once() {
        for of in 1..5u32 {
            for threads in 1..4 {
                let all = (0..of)
                    .flat_map(|index| (0..threads).map(move |n| Share { index, of }.of_thread(n, threads)));
                let mut shares: Vec<_> = all.collect();
                shares.sort_unstable();
                let many = threads * of as usize;
                assert_eq!(shares, (0..many).map(|n| (n, many)).collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn what_has_passed_or_is_too_far_ahead_is_no_beginning() {
        let in_seconds = |s: i64| Timestamp::from_second(pace::wall_clock().as_secs() as i64 + s).unwrap();
        assert!(until(in_seconds(100)).unwrap() > Duration::from_secs(90));
        let late = until(in_seconds(-100)).unwrap_err();
        assert!(
            late.exit == Exit::Invalid && late.message.contains("ago: a shard that begins late"),
            "{late:?}"
        );
        assert!(until(in_seconds(90_000)).unwrap_err().message.contains("more than a day ahead"));
        let at = in_seconds(0);
        let began = Duration::from_nanos(u64::try_from(at.as_nanosecond()).unwrap());
        assert!(!is_late(at, began) && is_late(at, began + 2 * LATE));
    }

    #[test]
    fn what_keeps_the_clock_is_believed_about_it() {
        let line = "C0A80001,192.168.0.1,3,1767225600.123,0.000012345,0.000002,0.000005,-1.5,0.001,0.02,0.002,0.0005,64.2,Normal\n";
        let clock = of_chrony(line).unwrap();
        assert_eq!((clock.source.as_str(), clock.synchronised), ("chrony", Some(true)));
        assert!((clock.error_ms.unwrap() - 1.512_345).abs() < 1e-9, "{clock:?}");
        assert!((clock.offset_ms.unwrap() + 0.012_345).abs() < 1e-9, "it is slow: {clock:?}");
        assert_eq!(of_chrony(&line.replace("Normal", "Not synchronised")).unwrap().synchronised, Some(false));
        assert!(of_chrony("506 Cannot talk to daemon").is_none());
        assert_eq!(of_systemd("NTPSynchronized=no\n").unwrap().synchronised, Some(false));
        assert!(of_systemd("").is_none());
        // As Debian's program and busybox say it.
        let said = |text: &str| of_the_kernel(text).map(|clock| clock.synchronised);
        assert_eq!(said("     esterror: 16000000\n       status: 64\ntime_constant: 2\n"), Some(Some(false)));
        assert_eq!(said("    status:       8193 (PLL)\n"), Some(Some(true)));
        assert_eq!(said("adjtimex: not permitted\n"), None);
    }
}
