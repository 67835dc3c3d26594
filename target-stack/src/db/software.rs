//! Which database server this machine has. Given the search path, it gives the program, its flavour and how its
//! first data directory is made, or one line that says how to install it. Never installs anything itself.

use crate::failure::{Failure, Outcome};
use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

/// MariaDB and MySQL differ in how a data directory is born.
#[derive(Clone, Debug)]
pub(super) enum Flavour {
    /// With the script that makes the system tables.
    MariaDb { install: PathBuf },
    /// The server does it itself.
    MySql,
}

/// The server's program.
#[derive(Clone, Debug)]
pub(super) struct Software {
    pub(super) server: PathBuf,
    pub(super) flavour: Flavour,
}

/// Where servers and their tools are installed without being on everyone's PATH.
const BESIDE_THE_PATH: [&str; 6] =
    ["/usr/sbin", "/usr/local/sbin", "/usr/libexec", "/usr/local/libexec", "/usr/bin", "/usr/local/bin"];

/// How each package manager gets one, the most particular first.
const INSTALL: [(&str, &str); 7] = [
    ("apt-get", "apt-get install mariadb-server-core mariadb-client-core"),
    ("dnf", "dnf install mariadb-server"),
    ("yum", "yum install mariadb-server"),
    ("pacman", "pacman -S mariadb"),
    ("zypper", "zypper install mariadb"),
    ("apk", "apk add mariadb"),
    ("brew", "brew install mariadb"),
];

/// Finds the server.
///
/// # Errors
/// When there is none, or a MariaDB without its install script.
pub(super) fn find() -> Outcome<Software> {
    let places = places();
    let Some(server) = first(&places, &["mariadbd", "mysqld"]) else {
        return Err(missing("neither mariadbd nor mysqld is installed", &places));
    };
    let version = Command::new(&server)
        .args(["--no-defaults", "--version"])
        .output()
        .map_err(|e| Failure::start(format!("cannot run {}: {e}", server.display())))?;
    if !String::from_utf8_lossy(&version.stdout).contains("MariaDB") {
        return Ok(Software { server, flavour: Flavour::MySql });
    }
    match first(&places, &["mariadb-install-db", "mysql_install_db"]) {
        Some(install) => Ok(Software { server, flavour: Flavour::MariaDb { install } }),
        None => Err(missing("mariadb-install-db is not installed", &places)),
    }
}

fn places() -> Vec<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).chain(BESIDE_THE_PATH.map(PathBuf::from)).collect()
}

fn first(places: &[PathBuf], names: &[&str]) -> Option<PathBuf> {
    names
        .iter()
        .flat_map(|name| places.iter().map(move |place| place.join(name)))
        .find(|path| is_program(path))
}

fn is_program(path: &Path) -> bool {
    path.is_file() && rustix::fs::access(path, rustix::fs::Access::EXEC_OK).is_ok()
}

fn missing(what: &str, places: &[PathBuf]) -> Failure {
    let managers = INSTALL.iter().find(|(manager, _)| first(places, &[manager]).is_some());
    let command = managers.map_or("install the package mariadb-server", |(_, command)| command);
    Failure::start(format!("{what}; to get it: {command}"))
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
        assert_eq!(first(&places, &["mariadbd", "mysqld"]), Some(places[1].join("mariadbd")));
        assert_eq!(first(&places, &["postgres"]), None);
    }

    #[test]
    fn what_is_missing_comes_with_the_command_that_gets_it() {
        let root = tempfile::tempdir().expect("a directory");
        let file = root.path().join("dnf");
        std::fs::write(&file, "").expect("a file");
        std::fs::set_permissions(&file, PermissionsExt::from_mode(0o755)).expect("its mode");
        let message = missing("nothing here", &[root.path().to_path_buf()]).message;
        assert_eq!(message, "nothing here; to get it: dnf install mariadb-server");
    }
}
