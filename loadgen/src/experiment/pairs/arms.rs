//! What is measured: the arms with their names and targets, from the options. It starts nothing.

use crate::cli::PairsArgs;
use crate::failure::{Failure, Outcome};
use crate::plan;
use crate::target;
use reports::pairs::{self, BASE, CANDIDATE, CONTROL};

/// What stands in a command for the target's CPUs.
const CPUS: &str = "{cpus}";

/// One of the targets that are measured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Arm {
    /// Its name, and that of its directory.
    pub(super) name: String,
    /// Where it is, or how it is started.
    pub(super) target: Target,
    /// Whether its ceiling is searched where ceilings are.
    pub(super) searched: bool,
    /// What it is, as the user calls it.
    revision: String,
}

/// Where a target is, or how it is started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// It runs already, at this URL, and goes on.
    Url(String),
    /// A command for the shell that starts it.
    Command(String),
}

impl Target {
    /// Which of the two `text` is.
    ///
    /// # Errors
    /// Wrong use: it is a URL that cannot be loaded.
    fn of(text: &str) -> Outcome<Self> {
        if is_address(text) {
            return Err(Failure::usage(format!(
                "`{text}` is no URL, and no command: write it as http://{text}"
            )));
        }
        // No program's name has `://` in it.
        let scheme = text.split_once("://").map(|(scheme, _)| scheme);
        if !scheme.is_some_and(|scheme| scheme.bytes().all(|byte| byte.is_ascii_alphanumeric())) {
            return Ok(Self::Command(text.to_owned()));
        }
        plan::url(text).map(|_| Self::Url(text.to_owned()))
    }

    /// As it was given.
    fn text(&self) -> &str {
        match self {
            Self::Url(text) | Self::Command(text) => text,
        }
    }
}

impl Arm {
    /// All of them, the base first.
    ///
    /// # Errors
    /// Wrong use: a target that is none, two arms of the same name, or a revision of none.
    pub(super) fn all(args: &PairsArgs) -> Outcome<Vec<Self>> {
        let own = [(BASE, &args.base), (CANDIDATE, &args.candidate)].into_iter();
        let own = own.chain(args.control.then_some((CONTROL, &args.base)));
        let further = args.arms.iter().map(|(name, text)| (name.as_str(), text, false));
        let mut arms: Vec<Self> = Vec::new();
        for (name, text, searched) in own.map(|(name, text)| (name, text, true)).chain(further) {
            if arms.iter().any(|arm| arm.name == name) {
                return Err(Failure::usage(format!("--arm: there are two of the name {name}")));
            }
            let revision = args.revisions.iter().rev().find(|(of, _)| of == name);
            // The control is the base.
            let revision =
                revision.or(args.revisions.iter().rev().find(|(of, _)| name == CONTROL && of == BASE));
            let revision = revision.map(|(_, text)| text.clone()).unwrap_or_default();
            arms.push(Self { name: name.to_owned(), target: Target::of(text)?, searched, revision });
        }
        match args.revisions.iter().find(|(of, _)| arms.iter().all(|arm| arm.name != *of)) {
            Some((of, _)) => Err(Failure::usage(format!("--revision: there is no arm of the name {of}"))),
            None => Ok(arms),
        }
    }

    /// Its entry in the record.
    pub(super) fn entry(&self) -> pairs::Arm {
        pairs::Arm {
            name: self.name.clone(),
            target: self.target.text().to_owned(),
            revision: self.revision.clone(),
            emulated: Vec::new(),
        }
    }
}

/// Whether it is a host and a port, with or without a path, and not a command.
fn is_address(text: &str) -> bool {
    let Some((host, port)) = text.split('/').next().and_then(|authority| authority.rsplit_once(':')) else {
        return false;
    };
    let of_host = |byte: u8| byte.is_ascii_alphanumeric() || b"-._[]:".contains(&byte);
    let named = !host.is_empty() && host.bytes().all(of_host);
    named && !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit())
}

/// The command with the target's CPUs in it.
pub(super) fn pinned(command: &str, target_cpus: &[usize]) -> String {
    command.replace(CPUS, &target::list(target_cpus))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Cli, Command};
    use crate::failure::Exit;
    use clap::Parser;

    fn arms(more: &[&str]) -> Outcome<Vec<Arm>> {
        let words = ["loadgen", "pairs", "--base", "http://h:1/", "--candidate", "serve {cpus}"];
        match Cli::try_parse_from(words.iter().chain(more)).unwrap().command {
            Some(Command::Pairs(args)) => Arm::all(&args),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_control_is_the_base_and_further_arms_are_not_searched() {
        let all = arms(&["--arm", "slow=serve --slow", "--control", "--revision", "base=1a2b"]).unwrap();
        let told: Vec<_> =
            all.iter().map(|arm| (arm.name.as_str(), arm.target.text(), arm.searched)).collect();
        assert_eq!(
            told,
            [
                ("base", "http://h:1/", true),
                ("candidate", "serve {cpus}", true),
                ("control", "http://h:1/", true),
                ("slow", "serve --slow", false)
            ]
        );
        let revisions: Vec<_> = all.iter().map(|arm| arm.entry().revision).collect();
        assert_eq!(revisions, ["1a2b", "", "1a2b", ""]);
        assert_eq!(all[1].target, Target::Command("serve {cpus}".into()));
        assert_eq!(pinned("serve --cpus {cpus} -x {cpus}", &[0, 2]), "serve --cpus 0,2 -x 0,2");
    }

    #[test]
    fn an_address_is_no_command() {
        for text in ["127.0.0.1:8080", "[::1]:80", "a-b.example:443/"] {
            let hint = format!("write it as http://{text}");
            let refused = Target::of(text).unwrap_err();
            assert!(refused.exit == Exit::Usage && refused.message.ends_with(&hint), "{refused}");
        }
        for text in ["htp://h:1/", "ftp://h/", "http:///"] {
            assert_eq!(Target::of(text).map_err(|refused| refused.exit), Err(Exit::Usage), "{text}");
        }
        for text in
            ["serve", "serve :8080", "serve --port 8080", "./serve:x", "./a/b:80", ":80", "LANG=C:1 serve"]
        {
            assert_eq!(Target::of(text).unwrap(), Target::Command(text.into()));
        }
        for text in ["serve --at http://h:1/", "A=http://h/ serve"] {
            assert_eq!(Target::of(text).unwrap(), Target::Command(text.into()));
        }
    }

    #[test]
    fn what_is_no_arm_is_wrong_use() {
        for (more, part) in [
            (["--arm", "a=x", "--arm", "a=y"], "two of the name a"),
            (["--arm", "a=x", "--revision", "b=y"], "no arm of the name b"),
            (["--arm", "a=http://h:0/", "--pairs", "2"], "its port has to be"),
        ] {
            let refused = arms(&more).unwrap_err();
            assert!(refused.exit == Exit::Usage && refused.message.contains(part), "{refused}");
        }
    }
}
