//! What the kernel's TCP says of connections that were dropped and of segments that were lost, on this host. Given
//! /proc/net/netstat and /proc/net/snmp at two times, it gives the differences; whose doing they are it does not know. They
//! are the counters of the process's own network namespace, and of everything that runs in it.

use reports::analyse::verdict::Network;
use std::fs;

/// The counters as of some time; what the kernel does not have is zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counters {
    now: Network,
}

impl Counters {
    /// As of now; zero where /proc is not there.
    pub(crate) fn read() -> Self {
        let file = |name: &str| fs::read_to_string(format!("/proc/self/net/{name}")).unwrap_or_default();
        Self::parse(&file("netstat"), &file("snmp"))
    }

    fn parse(netstat: &str, snmp: &str) -> Self {
        Self {
            now: Network {
                listen_overflows: field(netstat, "TcpExt:", "ListenOverflows"),
                listen_drops: field(netstat, "TcpExt:", "ListenDrops"),
                lost_retransmits: field(netstat, "TcpExt:", "TCPLostRetransmit"),
                retransmitted: field(snmp, "Tcp:", "RetransSegs"),
                segments: field(snmp, "Tcp:", "OutSegs"),
            },
        }
    }

    /// What has happened since `before`.
    pub(crate) fn since(&self, before: &Self) -> Network {
        let (now, then) = (&self.now, &before.now);
        Network {
            listen_overflows: now.listen_overflows.saturating_sub(then.listen_overflows),
            listen_drops: now.listen_drops.saturating_sub(then.listen_drops),
            lost_retransmits: now.lost_retransmits.saturating_sub(then.lost_retransmits),
            retransmitted: now.retransmitted.saturating_sub(then.retransmitted),
            segments: now.segments.saturating_sub(then.segments),
        }
    }
}

/// A field of a table of two lines, names above values, both of which begin with `prefix` (proc_pid_net(5)).
fn field(text: &str, prefix: &str, name: &str) -> u64 {
    let mut lines =
        text.lines().filter_map(|line| line.strip_prefix(prefix)).map(str::split_ascii_whitespace);
    let (Some(mut names), Some(mut values)) = (lines.next(), lines.next()) else { return 0 };
    let value = names.position(|one| one == name).and_then(|at| values.nth(at));
    value.and_then(|value| value.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_found_by_name_and_differences_are_never_negative() {
        let netstat = "TcpExt: SyncookiesSent ListenOverflows ListenDrops TCPLostRetransmit\nTcpExt: 9 3 5 1\n\
                       IpExt: ListenOverflows\nIpExt: 77\n";
        let snmp = "Tcp: RtoAlgorithm MaxConn OutSegs RetransSegs\nTcp: 1 -1 1000 20\nUdp: OutSegs\nUdp: 5\n";
        let after = Counters::parse(netstat, snmp);
        let all = Network {
            listen_overflows: 3,
            listen_drops: 5,
            lost_retransmits: 1,
            retransmitted: 20,
            segments: 1000,
        };
        assert_eq!(after.since(&Counters::default()), all);
        assert_eq!(Counters::default().since(&after), Network::default());
        for broken in [
            "",
            "TcpExt: ListenOverflows",
            "TcpExt: ListenOverflows\nTcpExt:",
            "TcpExt: ListenOverflows\nTcpExt: x",
        ] {
            assert_eq!(Counters::parse(broken, broken), Counters::default(), "{broken}");
        }
    }
}
