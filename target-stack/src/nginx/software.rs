//! Which nginx this machine has. It gives the program and what of it depends on how it was built, or one line that says
//! how to install it. Never installs anything itself.

use crate::failure::{Failure, Outcome};
use crate::programs::{Package, Places};
use std::path::PathBuf;
use std::process::Command;

const PACKAGE: Package = Package {
    commands: &[
        ("apt-get", "apt-get install nginx-light"),
        ("dnf", "dnf install nginx-core"),
        ("yum", "yum install nginx"),
        ("pacman", "pacman -S nginx"),
        ("zypper", "zypper install nginx"),
        ("apk", "apk add nginx"),
        ("brew", "brew install nginx"),
    ],
    name: "nginx",
};

/// The directives that name directories for temporary files, and the option that builds nginx without each.
const TEMPORARY: [(&str, Option<&str>); 5] = [
    ("client_body_temp_path", None),
    ("proxy_temp_path", None),
    ("fastcgi_temp_path", Some("--without-http_fastcgi_module")),
    ("uwsgi_temp_path", Some("--without-http_uwsgi_module")),
    ("scgi_temp_path", Some("--without-http_scgi_module")),
];

/// From this version on, `-e` says where errors go that come before the configuration is read.
const HAS_ERROR_OPTION: [u32; 3] = [1, 19, 5];

/// The server's program.
#[derive(Clone, Debug)]
pub(super) struct Software {
    pub(super) program: PathBuf,
    pub(super) build: Build,
}

/// What `nginx -V` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Build {
    /// Whether it knows `-e`.
    pub(super) error_option: bool,
    /// The directives that name directories for temporary files.
    pub(super) temporary: Vec<&'static str>,
    stub_status: bool,
}

/// Finds the server.
///
/// # Errors
/// When there is none, or one that does not say how it is.
pub(super) fn find() -> Outcome<Software> {
    find_in(&Places::here())
}

fn find_in(places: &Places) -> Outcome<Software> {
    let Some(program) = places.first(&["nginx"]) else {
        return Err(places.missing("nginx is not installed", PACKAGE));
    };
    let said = Command::new(&program)
        .arg("-V")
        .output()
        .map_err(|e| Failure::start(format!("cannot run {}: {e}", program.display())))?;
    let build = Build::parse(&String::from_utf8_lossy(&said.stderr));
    if !build.stub_status {
        let what =
            format!("{} was built without stub_status, which its metrics come from", program.display());
        return Err(places.missing(&what, PACKAGE));
    }
    Ok(Software { program, build })
}

impl Build {
    fn parse(said: &str) -> Self {
        let has = |option: &str| said.split_whitespace().any(|word| word == option);
        let temporary = TEMPORARY.iter().filter(|(_, without)| !without.is_some_and(has));
        Self {
            error_option: version(said).is_some_and(|version| version >= HAS_ERROR_OPTION),
            temporary: temporary.map(|(name, _)| *name).collect(),
            stub_status: has("--with-http_stub_status_module"),
        }
    }
}

/// From `nginx version: nginx/1.22.1`; those who build upon it have their own name there.
fn version(said: &str) -> Option<[u32; 3]> {
    let line = said.lines().find_map(|line| line.strip_prefix("nginx version: "))?;
    let number = line.split_once('/')?.1.split(|c: char| c != '.' && !c.is_ascii_digit()).next()?;
    let mut parts = number.split('.').map_while(|part| part.parse().ok());
    Some([parts.next()?, parts.next()?, parts.next()?])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_nginx_was_built_with_is_read() {
        let all = [
            "client_body_temp_path",
            "proxy_temp_path",
            "fastcgi_temp_path",
            "uwsgi_temp_path",
            "scgi_temp_path",
        ];
        let status = "--with-http_stub_status_module";
        for (version, arguments, error_option, temporary, stub_status) in [
            ("nginx/1.22.1", status, true, &all[..], true),
            ("nginx/1.22.1 (Ubuntu)", status, true, &all, true),
            ("nginx/1.18.0", status, false, &all, true),
            ("nginx/1.19.5", "--with-http_ssl_module", true, &all, false),
            ("openresty/1.25.3.1", status, true, &all, true),
            (
                "nginx/1.30.0",
                "--without-http_uwsgi_module --without-http_scgi_module --with-http_stub_status_module",
                true,
                &all[..3],
                true,
            ),
            ("nginx", status, false, &all, true),
        ] {
            let said = format!(
                "nginx version: {version}\nbuilt by gcc\nconfigure arguments: --prefix=/usr {arguments}\n"
            );
            let want = Build { error_option, temporary: temporary.to_vec(), stub_status };
            assert_eq!(Build::parse(&said), want, "{said}");
        }
        assert!(!Build::parse("").stub_status);
    }

    #[test]
    fn an_nginx_that_will_not_do_comes_with_the_command_that_gets_one() {
        let none = find_in(&Places::of(Vec::new())).expect_err("nowhere").message;
        assert_eq!(none, "nginx is not installed; to get it: install the package nginx");

        let place = tempfile::tempdir().expect("a directory");
        let program = place.path().join("nginx");
        let says = |line: &str| {
            // Made anew under another name: a program that is being written cannot be run.
            let new = place.path().join("new");
            std::fs::write(&new, format!("#!/bin/sh\necho 'nginx version: nginx/1.22.1' >&2\n{line}\n"))
                .expect("a script");
            std::fs::set_permissions(&new, std::os::unix::fs::PermissionsExt::from_mode(0o755))
                .expect("its mode");
            std::fs::rename(&new, &program).expect("its name");
            find_in(&Places::of(vec![place.path().to_path_buf()]))
        };
        let without = says("").expect_err("no status").message;
        assert!(without.contains("was built without stub_status"), "{without}");
        let found = says("echo 'configure arguments: --with-http_stub_status_module' >&2").expect("nginx");
        assert!(found.program == program && found.build.error_option);
    }
}
