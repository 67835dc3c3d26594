//! The programs of others that a tier needs. Given names, it finds them on the search path and beside it, and says of
//! what is missing how this system's package manager gets it. Never installs anything itself.

use crate::failure::Failure;
use std::env;
use std::path::{Path, PathBuf};

/// Where servers and their tools are installed without being on everyone's PATH.
const BESIDE_THE_PATH: [&str; 6] =
    ["/usr/sbin", "/usr/local/sbin", "/usr/libexec", "/usr/local/libexec", "/usr/bin", "/usr/local/bin"];

/// How to get a program: package managers with their commands, the most particular first, and the package in words.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Package {
    pub(crate) commands: &'static [(&'static str, &'static str)],
    pub(crate) name: &'static str,
}

/// Directories with programs, in the order of search.
#[derive(Debug)]
pub(crate) struct Places(Vec<PathBuf>);

impl Places {
    /// This machine's.
    pub(crate) fn here() -> Self {
        let path = env::var_os("PATH").unwrap_or_default();
        Self(env::split_paths(&path).chain(BESIDE_THE_PATH.map(PathBuf::from)).collect())
    }

    /// These, for tests.
    #[cfg(test)]
    pub(crate) fn of(places: Vec<PathBuf>) -> Self {
        Self(places)
    }

    /// The first of `names` that is there, wherever it is.
    pub(crate) fn first(&self, names: &[&str]) -> Option<PathBuf> {
        names
            .iter()
            .flat_map(|name| self.0.iter().map(move |place| place.join(name)))
            .find(|path| is_program(path))
    }

    /// What is missing, and the command that gets it.
    pub(crate) fn missing(&self, what: &str, package: Package) -> Failure {
        let known = package.commands.iter().find(|(manager, _)| self.first(&[manager]).is_some());
        let command = known.map_or_else(
            || format!("install the package {}", package.name),
            |(_, command)| (*command).to_owned(),
        );
        Failure::start(format!("{what}; to get it: {command}"))
    }
}

fn is_program(path: &Path) -> bool {
    path.is_file() && rustix::fs::access(path, rustix::fs::Access::EXEC_OK).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn names_go_before_places_and_only_programs_count() {
        let root = tempfile::tempdir().expect("a directory");
        let places = ["a", "b"].map(|name| root.path().join(name));
        for (place, name, mode) in [(0, "mysqld", 0o755), (1, "mariadbd", 0o755), (0, "mariadbd", 0o644)] {
            std::fs::create_dir_all(&places[place]).expect("a place");
            let file = places[place].join(name);
            std::fs::write(&file, "").expect("a file");
            std::fs::set_permissions(&file, PermissionsExt::from_mode(mode)).expect("its mode");
        }
        let there = Places(places.to_vec());
        assert_eq!(there.first(&["mariadbd", "mysqld"]), Some(places[1].join("mariadbd")));
        assert_eq!(there.first(&["postgres"]), None);
    }

    #[test]
    fn what_is_missing_comes_with_the_command_that_gets_it() {
        let root = tempfile::tempdir().expect("a directory");
        let package =
            Package { commands: &[("apt-get", "apt-get install x"), ("dnf", "dnf install y")], name: "z" };
        let places = Places(vec![root.path().to_path_buf()]);
        assert_eq!(places.missing("nothing", package).message, "nothing; to get it: install the package z");
        let file = root.path().join("dnf");
        std::fs::write(&file, "").expect("a file");
        std::fs::set_permissions(&file, PermissionsExt::from_mode(0o755)).expect("its mode");
        assert_eq!(places.missing("nothing", package).message, "nothing; to get it: dnf install y");
    }
}
