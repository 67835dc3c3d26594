//! What is asked for as one number, so that two records can tell whether the same was. It is equal for the same requests as one version
//! of this program has them in mind, whatever the target's address; it protects from mistakes, not from forgers.

use crate::plan::Plan;
use reports::fnv::Fnv;
use std::fmt::Write;

/// What `plan` asks for, which is `what` in words: the scenario with its data, or method, fields, body and path; on how many connections,
/// for how long, and what counts as an answer.
pub(crate) fn of(plan: &Plan, what: &str) -> String {
    let mut digest = Fnv::default();
    // Into a number everything can be written.
    let _ = match &plan.scenario {
        Some(scenario) => write!(digest, "{scenario:?}{:?}", plan.template.headers),
        None => write!(digest, "{:?}{what}", plan.template),
    };
    let statuses = (0..)
        .zip(plan.expected.iter())
        .filter(|(_, expected)| **expected)
        .map(|(status, _): (u16, _)| status);
    let _ = write!(
        digest,
        "{:?}{}{:?}{:?}",
        statuses.collect::<Vec<_>>(),
        plan.connections,
        plan.timeout,
        plan.max_requests_per_connection
    );
    digest.hex()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Cli;
    use clap::Parser;

    fn digest(options: &str, what: &str) -> String {
        let cli = Cli::parse_from(["loadgen"].into_iter().chain(options.split_whitespace()));
        of(&Plan::new(cli.run).unwrap(), what)
    }

    #[test]
    fn the_same_requests_have_the_same_digest_at_any_rate_and_address() {
        let plain = digest("--rps 5 http://127.0.0.1:1/", "GET /");
        assert_eq!(plain, digest("--rps 7 --seed 2 http://127.0.0.1:2/", "GET /"));
        for other in
            ["-X POST", "-H a:b", "--body c", "-c 3", "-t 500ms", "--expect-status 200-599", "--no-keepalive"]
        {
            assert_ne!(plain, digest(&format!("--rps 5 {other} http://127.0.0.1:1/"), "GET /"), "{other}");
        }
        assert_ne!(plain, digest("--rps 5 http://127.0.0.1:1/a", "GET /a"));
    }

    #[test]
    fn a_scenario_is_told_from_one_with_other_data() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("s.toml");
        let with = |rows: &str| {
            std::fs::write(dir.path().join("d.csv"), rows).unwrap();
            digest(&format!("--rps 5 --scenario {} http://127.0.0.1:1/", file.display()), "")
        };
        let text = "[data.d]\nfile = \"d.csv\"\n[[interaction]]\nname = \"a\"\npath = \"/{{d.x}}\"\n";
        std::fs::write(&file, text).unwrap();
        let one = with("x\n1\n2\n");
        assert_eq!(one, with("x\n1\n2\n"));
        assert_ne!(one, with("x\n1\n3\n"));
    }
}
