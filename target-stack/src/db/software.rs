//! Which database server this machine has. It gives the program, its flavour and how its first data directory is made, or
//! one line that says how to install it. Never installs anything itself.

use crate::failure::{Failure, Outcome};
use crate::programs::{Package, Places};
use std::path::PathBuf;
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
    /// Such as `10.11.6`; `None` where it does not say so.
    pub(super) version: Option<String>,
}

impl Flavour {
    /// As its packages are called.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::MariaDb { .. } => "mariadb",
            Self::MySql => "mysql",
        }
    }
}

const PACKAGE: Package = Package {
    commands: &[
        ("apt-get", "apt-get install mariadb-server-core mariadb-client-core"),
        ("dnf", "dnf install mariadb-server"),
        ("yum", "yum install mariadb-server"),
        ("pacman", "pacman -S mariadb"),
        ("zypper", "zypper install mariadb"),
        ("apk", "apk add mariadb"),
        ("brew", "brew install mariadb"),
    ],
    name: "mariadb-server",
};

/// Finds the server.
///
/// # Errors
/// When there is none, or a MariaDB without its install script.
pub(super) fn find() -> Outcome<Software> {
    let places = Places::here();
    let Some(server) = places.first(&["mariadbd", "mysqld"]) else {
        return Err(places.missing("neither mariadbd nor mysqld is installed", PACKAGE));
    };
    let said = Command::new(&server)
        .args(["--no-defaults", "--version"])
        .output()
        .map_err(|e| Failure::start(format!("cannot run {}: {e}", server.display())))?;
    let said = String::from_utf8_lossy(&said.stdout);
    let version = version(&said);
    if !said.contains("MariaDB") {
        return Ok(Software { server, flavour: Flavour::MySql, version });
    }
    match places.first(&["mariadb-install-db", "mysql_install_db"]) {
        Some(install) => Ok(Software { server, flavour: Flavour::MariaDb { install }, version }),
        None => Err(places.missing("mariadb-install-db is not installed", PACKAGE)),
    }
}

/// The version in what a server says of itself, without what a distribution has added to it.
fn version(said: &str) -> Option<String> {
    let (_, rest) = said.split_once(" Ver ")?;
    let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
    Some(rest[..end].to_owned()).filter(|version| !version.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_the_servers_own() {
        for (said, want) in [
            (
                "mariadbd  Ver 10.11.6-MariaDB-0+deb12u1 for debian-linux-gnu on x86_64 (Debian 12)",
                Some("10.11.6"),
            ),
            (
                "/usr/sbin/mysqld  Ver 8.0.36 for Linux on x86_64 (MySQL Community Server - GPL)",
                Some("8.0.36"),
            ),
            ("mysqld  Ver 8.4.0-0ubuntu0.24.04 for Linux", Some("8.4.0")),
            ("mysqld  Ver 9", Some("9")),
            ("mysqld  Ver unknown", None),
            ("", None),
        ] {
            assert_eq!(version(said).as_deref(), want, "{said}");
        }
    }
}
