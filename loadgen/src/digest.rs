//! What is asked for as one number, so that two records can tell whether the same was. It is equal for the same requests as one version
//! of this program has them in mind, whatever the target's address; it protects from mistakes, not from forgers.

use crate::plan::Plan;
use std::fmt::{self, Write};

/// FNV-1a of 64 bits (Fowler, Noll, Vo: "The FNV non-cryptographic hash algorithm", 2011), over text as it is written.
struct Fnv(u64);

impl Write for Fnv {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
        Ok(())
    }
}

/// What `plan` asks for, which is `what` in words: the scenario with its data, or method, fields, body and path.
pub(crate) fn of(plan: &Plan, what: &str) -> String {
    let mut digest = Fnv(0xcbf2_9ce4_8422_2325);
    // Into a number everything can be written.
    let _ = match &plan.scenario {
        Some(scenario) => write!(digest, "{scenario:?}{:?}", plan.template.headers),
        None => write!(digest, "{:?}{what}", plan.template),
    };
    format!("{:016x}", digest.0)
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
    fn the_hash_is_that_of_the_reference() {
        let mut fnv = Fnv(0xcbf2_9ce4_8422_2325);
        fnv.write_str("foobar").unwrap();
        assert_eq!(fnv.0, 0x8594_4171_f739_67e8);
    }

    #[test]
    fn the_same_requests_have_the_same_digest_at_any_rate_and_address() {
        let plain = digest("--rps 5 http://127.0.0.1:1/", "GET /");
        assert_eq!(plain, digest("--rps 7 --seed 2 http://127.0.0.1:2/", "GET /"));
        for other in ["-X POST", "-H a:b", "--body c"] {
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
