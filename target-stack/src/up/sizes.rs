//! How large the servers of a stack are. Given what was asked for, it makes the control groups that limit them, or
//! settles what stands in for a limit where there can be none, and says in words what is emulated.

use crate::cgroup::{Group, Groups};
use crate::failure::{Failure, Outcome};
use crate::quota::{self, Quota};
use crate::units::{self, Share};
use std::time::Duration;

/// What the database accepts at most, and what exporter and administrator take of it.
const MOST_CONNECTIONS: u64 = 100_000;
const OTHER_CONNECTIONS: u64 = 20;

#[derive(Debug, clap::Args)]
pub(super) struct Sizes {
    /// CPUs that each app server may use, such as 0.25
    #[arg(long, value_name = "CPUS", value_parser = quota::parse)]
    server_cpu: Option<Quota>,
    /// CPUs that each proxy may use
    #[arg(long, value_name = "CPUS", value_parser = quota::parse)]
    proxy_cpu: Option<Quota>,
    /// CPUs that the database may use
    #[arg(long, value_name = "CPUS", value_parser = quota::parse)]
    db_cpu: Option<Quota>,
    /// Requests that one app server works on at once
    #[arg(long, value_name = "K", default_value_t = 16, value_parser = units::whole::<u32, 1, 4096>)]
    workers: u32,
    /// Connections of one app server to the database [default: as many as workers]
    #[arg(long, value_name = "P", value_parser = units::whole::<u32, 1, 4096>)]
    pool: Option<u32>,
    /// How much longer each request holds its worker, such as 5ms: an application that has more to do
    #[arg(long, value_name = "TIME", value_parser = units::time)]
    service: Option<Duration>,
    /// How much longer everything takes that a request with a worker does, such as 10%: an application that has become slower
    #[arg(long, value_name = "SHARE", value_parser = units::share)]
    slow_down: Option<Share>,
    /// How much longer each use of a connection to the database takes, such as 3ms: a database that is further away
    #[arg(long, value_name = "TIME", value_parser = units::time)]
    db_latency: Option<Duration>,
    /// How much longer an app server takes until it listens, such as 2s: an application that has more to load
    #[arg(long, value_name = "TIME", value_parser = units::time)]
    start_up: Option<Duration>,
    /// How long each request holds a lock that all of its app server share and no counter shows, for tests
    #[arg(long, hide = true, value_name = "TIME", value_parser = units::time)]
    fault_lock: Option<Duration>,
}

/// A tier's group, and the limit that it gets once the tier answers: starting, and filling a database, is not what
/// is measured.
#[derive(Debug)]
pub(super) struct Limit {
    /// What the tier is started in.
    pub(super) group: Group,
    quota: Quota,
}

/// The sizes as they are.
#[derive(Debug)]
pub(super) struct Settled {
    /// The limit of each app server; none where they have none.
    pub(super) apps: Vec<Limit>,
    /// The limit of each proxy; none where they have none.
    pub(super) proxies: Vec<Limit>,
    pub(super) db: Option<Limit>,
    /// Connections that the database has to accept.
    pub(super) connections: u64,
    /// What every app server is told.
    pub(super) app_arguments: Vec<String>,
    /// What stands in for something else, a sentence each.
    pub(super) emulated: Vec<String>,
}

impl Limit {
    /// Limits the tier from now on; gives the CPUs that it may use.
    ///
    /// # Errors
    /// When the kernel no longer takes it.
    pub(super) fn impose(&self) -> Outcome<f64> {
        self.group
            .limit(self.quota)
            .map(|()| self.quota.cpus())
            .map_err(|why| Failure::start(format!("cannot limit a tier: {why}")))
    }
}

impl Sizes {
    /// Whether control groups are needed.
    pub(super) fn limits(&self) -> bool {
        [self.server_cpu, self.proxy_cpu, self.db_cpu].iter().any(Option::is_some)
    }

    /// Whether no server is to have more CPUs than there are for all tiers together. Several may have as many each: they share them.
    ///
    /// # Errors
    /// When one is.
    pub(super) fn fit(&self, cpus: &[usize]) -> Outcome {
        let sizes = [("server", self.server_cpu), ("proxy", self.proxy_cpu), ("db", self.db_cpu)].into_iter();
        let mut sizes = sizes.filter_map(|(name, quota)| Some((name, quota?.cpus())));
        let most = cpus.len();
        match sizes.find(|(_, asked)| *asked > most as f64) {
            None => Ok(()),
            Some((name, asked)) => {
                let plural = if most == 1 { "" } else { "s" };
                Err(Failure::usage(format!(
                    "--{name}-cpu {asked}: the target runs on {most} CPU{plural} ({cpus:?}): ask for {most} at most, \
                     or give it more with --cpus"
                )))
            }
        }
    }

    /// What comes of these sizes for so many app servers and proxies, with the groups, or with the reason why there are none.
    ///
    /// # Errors
    /// When a limit of proxy or database cannot be had, which nothing else can stand in for, or the database would
    /// need too many connections.
    pub(super) fn settle(
        &self,
        servers: u32,
        proxies: u8,
        groups: &Result<Groups, String>,
    ) -> Outcome<Settled> {
        let group = |name: &str, quota: Quota| {
            let group = groups.as_ref().map_err(Clone::clone)?.tier(name, quota)?;
            Ok(Limit { group, quota })
        };
        let firm = |tier: &str, name: &str, quota: Quota| {
            group(name, quota).map_err(|why: String| {
                Failure::usage(format!("--{tier}-cpu needs the right to write control groups: {why}"))
            })
        };
        let db = self.db_cpu.map(|quota| firm("db", "db", quota)).transpose()?;
        let proxy = |quota| (1..=proxies).map(move |n| firm("proxy", &format!("proxy-{n}"), quota));
        let limited: Outcome<Vec<Limit>> = self.proxy_cpu.into_iter().flat_map(proxy).collect();
        let mut emulated = Vec::new();
        let mut workers = self.workers;
        let mut apps = Vec::new();
        if let Some(quota) = self.server_cpu {
            let limits: Result<Vec<Limit>, String> =
                (1..=servers).map(|n| group(&format!("app-{n}"), quota)).collect();
            match limits {
                Ok(limits) => {
                    apps = limits;
                    emulated.push(in_words("The size of each app server", quota));
                }
                Err(why) => {
                    workers = bounded(self.workers, quota);
                    emulated.push(format!(
                        "The size of each app server, {} CPUs, is emulated by {workers} workers in place of {}, \
                         and its CPU time has no limit: control groups cannot be written ({why}).",
                        quota.cpus(),
                        self.workers
                    ));
                }
            }
        }
        let of_proxies = if proxies > 1 { "The size of each proxy" } else { "The size of the proxy" };
        emulated.extend(self.proxy_cpu.map(|quota| in_words(of_proxies, quota)));
        emulated.extend(self.db_cpu.map(|quota| in_words("The size of the database", quota)));
        emulated.extend(self.service.map(|time| {
            format!(
                "A slower application: each request holds its worker for {time:?} longer, computing nothing."
            )
        }));
        emulated.extend(self.slow_down.map(|share| {
            format!("A slower application: whatever a request does while it holds its worker, computing or waiting, takes {share} longer.")
        }));
        emulated.extend(self.db_latency.map(|time| {
            format!("A database further away: each use of a connection to it takes {time:?} longer.")
        }));
        emulated.extend(self.start_up.map(|time| {
            format!("An application that starts slowly: a server takes {time:?} longer until it listens.")
        }));
        emulated.extend(self.fault_lock.map(|time| {
            format!(
                "A fault: all requests of an app server share a lock, which each of them holds for {time:?}."
            )
        }));
        let pool = self.pool.unwrap_or(workers);
        Ok(Settled {
            apps,
            proxies: limited?,
            db,
            connections: connections(servers, pool)?,
            app_arguments: self.app_arguments(workers, pool),
            emulated,
        })
    }

    fn app_arguments(&self, workers: u32, pool: u32) -> Vec<String> {
        let counts = [("--workers", workers), ("--pool", pool)].map(|(name, n)| (name, n.to_string()));
        let times = [
            ("--service", self.service),
            ("--db-latency", self.db_latency),
            ("--start-up", self.start_up),
            ("--fault-lock", self.fault_lock),
        ];
        let times = times.into_iter().filter_map(|(name, time)| Some((name, units::option(time?))));
        let slow_down = self.slow_down.map(|share| ("--slow-down", share.to_string()));
        counts
            .into_iter()
            .chain(times)
            .chain(slow_down)
            .flat_map(|(name, value)| [name.to_owned(), value])
            .collect()
    }
}

/// One connection for each of a pool, one for the health check and one for the sweep, of every server, and of one more: the database
/// may still hold those of a server that has ended while the one in its place opens its own.
fn connections(servers: u32, pool: u32) -> Outcome<u64> {
    let all = (u64::from(servers) + 1) * (u64::from(pool) + 2) + OTHER_CONNECTIONS;
    if all <= MOST_CONNECTIONS {
        return Ok(all);
    }
    Err(Failure::usage(format!(
        "{servers} app servers with {pool} connections each, and one that takes another's place, need {all} of the database, which accepts {MOST_CONNECTIONS}: \
         ask for fewer with --servers, --workers or --pool"
    )))
}

/// The workers of a server that cannot be limited: as many as its share of the CPU time that the asked-for workers would
/// keep one CPU busy with. It bounds what waits (for the database, for the service time), and not what computes.
fn bounded(workers: u32, quota: Quota) -> u32 {
    ((f64::from(workers) * quota.cpus()).round() as u32).max(1)
}

fn in_words(what: &str, quota: Quota) -> String {
    let ms = |micros: u64| micros as f64 / 1e3;
    format!(
        "{what} is a control group's quota: {} CPUs, {} ms of CPU time in each {} ms.",
        quota.cpus(),
        ms(quota.quota_us),
        ms(quota.period_us)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        sizes: Sizes,
    }

    fn sizes(line: &str) -> Sizes {
        Line::try_parse_from(format!("up {line}").split_whitespace()).expect("options").sizes
    }

    /// Where no group can be had.
    fn settled(line: &str, servers: u32) -> Outcome<Settled> {
        sizes(line).settle(servers, 1, &Err(String::from("no right")))
    }

    #[test]
    fn an_app_server_is_told_its_sizes() {
        for (line, want) in [
            ("", "--workers 16 --pool 16"),
            ("--workers 2", "--workers 2 --pool 2"),
            ("--workers 2 --pool 1 --service 5ms", "--workers 2 --pool 1 --service 5000us"),
            ("--start-up 2s", "--workers 16 --pool 16 --start-up 2000000us"),
            ("--slow-down 2.5%", "--workers 16 --pool 16 --slow-down 2.5%"),
            ("--fault-lock 2.5ms", "--workers 16 --pool 16 --fault-lock 2500us"),
            // Fewer workers, where control groups cannot be written, and with them a smaller pool.
            ("--server-cpu 0.25", "--workers 4 --pool 4"),
            ("--server-cpu 0.25 --pool 9", "--workers 4 --pool 9"),
            ("--server-cpu 0.01 --workers 4", "--workers 1 --pool 1"),
            ("--server-cpu 2", "--workers 32 --pool 32"),
        ] {
            assert_eq!(settled(line, 1).expect("sizes").app_arguments.join(" "), want, "{line}");
        }
    }

    #[test]
    fn what_is_emulated_is_said() {
        for (line, parts) in [
            ("--workers 3 --pool 2", &[][..]),
            ("--server-cpu 0.25", &["0.25 CPUs, is emulated by 4 workers in place of 16", "(no right)"]),
            ("--service 5ms", &["holds its worker for 5ms longer"]),
            ("--start-up 2s", &["takes 2s longer until it listens"]),
            ("--slow-down 10%", &["A slower application: ", "computing or waiting, takes 10% longer."]),
            ("--fault-lock 2ms", &["a lock, which each of them holds for 2ms"]),
        ] {
            let said = settled(line, 1).expect("sizes").emulated.join(" ");
            assert!(parts.iter().all(|part| said.contains(part)), "{line}: {said}");
            assert_eq!(said.is_empty(), parts.is_empty(), "{line}: {said}");
        }
        let quota = quota::parse("0.25").expect("a quota");
        assert!(in_words("It", quota).ends_with("0.25 CPUs, 2.5 ms of CPU time in each 10 ms."));
    }

    #[test]
    fn nothing_stands_in_for_a_limit_of_proxy_or_database() {
        for (line, servers, part) in [
            ("--proxy-cpu 0.5", 1, "--proxy-cpu needs the right to write control groups: no right"),
            ("--db-cpu 0.5", 1, "--db-cpu needs the right"),
            ("--pool 4096", 64, "need 266390 of the database"),
        ] {
            let refused = settled(line, servers).expect_err("refused");
            assert!(refused.code == 2 && refused.message.contains(part), "{line}: {refused:?}");
        }
    }

    #[test]
    fn no_server_is_larger_than_the_machine() {
        for (line, cpus, refused) in [
            ("", &[0][..], None),
            ("--server-cpu 1 --proxy-cpu 1 --db-cpu 1", &[0], None),
            ("--server-cpu 2", &[0, 1], None),
            (
                "--server-cpu 1000",
                &[0, 1],
                Some("--server-cpu 1000: the target runs on 2 CPUs ([0, 1]): ask for 2"),
            ),
            (
                "--proxy-cpu 1.01",
                &[3],
                Some("--proxy-cpu 1.01: the target runs on 1 CPU ([3]): ask for 1 at most"),
            ),
            ("--server-cpu 1 --db-cpu 2", &[0], Some("--db-cpu 2: ")),
        ] {
            let said = sizes(line).fit(cpus).err();
            assert_eq!(said.is_some(), refused.is_some(), "{line}: {said:?}");
            if let (Some(said), Some(part)) = (said, refused) {
                assert!(said.code == 2 && said.message.starts_with(part), "{line}: {said:?}");
            }
        }
    }

    #[test]
    fn an_option_that_makes_no_sense_is_refused() {
        for line in
            ["--server-cpu 0", "--db-cpu 2000", "--pool 0", "--service 5", "--workers 5000", "--slow-down 0%"]
        {
            assert!(Line::try_parse_from(format!("up {line}").split_whitespace()).is_err(), "{line}");
        }
    }
}
