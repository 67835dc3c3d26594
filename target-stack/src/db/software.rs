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
    let version = Command::new(&server)
        .args(["--no-defaults", "--version"])
        .output()
        .map_err(|e| Failure::start(format!("cannot run {}: {e}", server.display())))?;
    if !String::from_utf8_lossy(&version.stdout).contains("MariaDB") {
        return Ok(Software { server, flavour: Flavour::MySql });
    }
    match places.first(&["mariadb-install-db", "mysql_install_db"]) {
        Some(install) => Ok(Software { server, flavour: Flavour::MariaDb { install } }),
        None => Err(places.missing("mariadb-install-db is not installed", PACKAGE)),
    }
}
