//! Who sent the loads of a search that other machines sent.

use super::Ceiling;
use crate::number::counted;
use serde::{Deserialize, Serialize};

/// A command that has other machines send each load, as a job of its own.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Runner {
    /// As the shell was given it.
    pub command: String,
    /// The machines that sent a load together, of the jobs the most; 0 before the first one has ended.
    pub machines: usize,
    /// The longest that a job took beside the windows of its load, in seconds.
    pub pause_s: f64,
}

impl Runner {
    /// In a clause, such as ``each load a job of 3 machines by `ssh.sh hosts` ``.
    pub fn in_words(&self) -> String {
        let of = match self.machines {
            0 => String::new(),
            machines => format!(" of {}", counted(machines as u64, "machine")),
        };
        format!("each load a job{of} by `{}`", self.command)
    }
}

impl Ceiling {
    /// What is called the limit where it is not the target: who sent the loads, and where from.
    pub(crate) fn senders(&self) -> [&'static str; 2] {
        match self.runner {
            None => ["this generator", "this machine"],
            Some(_) => ["the generators", "the generators' machines"],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ceiling::{Phase, Step};

    #[test]
    fn a_record_says_who_sent_its_loads_only_where_others_did() {
        let mut found =
            Ceiling { steps: vec![Step { phase: Phase::Sweep, ..Step::default() }], ..Ceiling::default() };
        assert!(serde_json::to_value(&found).unwrap().get("runner").is_none());
        found.runner = Some(Runner { command: String::from("ssh.sh \"$@\""), machines: 3, pause_s: 17.5 });
        let json = serde_json::to_value(&found).unwrap();
        assert_eq!(json["runner"]["machines"], 3);
        assert_eq!(serde_json::from_value::<Ceiling>(json).unwrap(), found);
        let said = "each load a job of 3 machines by `ssh.sh \"$@\"`";
        assert_eq!(found.runner.as_ref().map(Runner::in_words).as_deref(), Some(said));
        let shown = [
            crate::text::ceiling(&found, false),
            crate::html::Reported::html(&found),
            crate::pictures::of(&found).into_iter().flat_map(|(_, chart)| chart.footer).collect(),
        ];
        for shown in shown {
            assert!(
                shown.split_whitespace().collect::<Vec<_>>().join(" ").contains("a job of 3 machines by"),
                "{shown}"
            );
        }
    }
}
